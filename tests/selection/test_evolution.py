"""Differential evolution, its repair, the cache of pairs, and SSIM of pairs against scikit-image."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from keyframe_bench.selection.evolution import (
    Cost,
    PairCache,
    PairSSIM,
    evolve,
    mean_of_members,
    mean_over_pairs,
    pairs_of,
)


def evolved(cost: Cost, n: int, k: int, *, seed: int, **options: float) -> np.ndarray:
    usual = {"population": 20, "weight": 0.5, "crossover": 0.9, "generations": 100}
    return evolve(cost, n, k, rng=np.random.default_rng(seed), **(usual | options))


class Alikeness:
    """Random symmetric likeness of n frames that notes what it was asked for."""

    def __init__(self, n: int, seed: int = 0) -> None:
        values = np.random.default_rng(seed).random((n, n))
        self.matrix = (values + values.T) / 2
        self.asked: list[tuple[int, int]] = []
        self.calls = 0

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        self.calls += 1
        self.asked += list(zip(first.tolist(), second.tolist(), strict=True))
        return self.matrix[first, second]


def by_hand(matrix: np.ndarray, chosen: tuple[int, ...], pairs: str) -> float:
    both = combinations(chosen, 2) if pairs == "all" else pairwise(chosen)
    return float(np.mean([matrix[a, b] for a, b in both]))


@pytest.mark.parametrize("pairs", ["consecutive", "all"])
def test_the_best_set_of_all_is_found(pairs: str) -> None:
    n, k = 12, 3
    matrix = Alikeness(n, seed=3).matrix
    best = min(combinations(range(n), k), key=lambda chosen: by_hand(matrix, chosen, pairs))
    cost = mean_over_pairs(lambda a, b: matrix[a, b], k, pairs)  # type: ignore[arg-type]  # parametrised
    runs = [evolved(cost, n, k, seed=seed, population=40) for seed in range(10)]
    assert sum(run.tolist() == list(best) for run in runs) >= 8


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 30), st.data())
def test_the_best_of_all_that_were_judged_is_kept_and_sets_stay_sets(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(2, n))
    alike = Alikeness(n, seed=n)
    judged: list[np.ndarray] = []

    def cost(sets: np.ndarray) -> np.ndarray:
        judged.append(sets)
        return mean_over_pairs(alike, k, "consecutive")(sets)

    found = evolved(cost, n, k, seed=data.draw(st.integers(0, 99)), population=5, generations=12)
    assert len(judged) == 13
    assert cost(found[None])[0] == pytest.approx(min(cost(sets).min() for sets in judged[:13]))
    for sets in judged[:13]:
        assert sets.shape == (5, k)
        assert np.all(np.diff(sets, axis=1) > 0)
        assert sets.min() >= 0 and sets.max() < n


def test_the_first_population_is_drawn_uniformly() -> None:
    seen: list[np.ndarray] = []

    def cost(sets: np.ndarray) -> np.ndarray:
        seen.append(sets)
        return np.zeros(len(sets))

    found = evolved(cost, 10, 3, seed=0, population=3000, generations=0)
    assert len(seen) == 1 and found.tolist() == seen[0][0].tolist()  # the first of equals
    share = np.bincount(seen[0].reshape(-1), minlength=10) / 3000
    assert share == pytest.approx([0.3] * 10, abs=0.04)


class Draws:
    """A generator that gives what is written down: numbers where `random` is asked for, genes where `integers` is."""

    def __init__(self, genes: list[int], *numbers: list[list[float]]) -> None:
        self.genes = genes
        self.numbers = [np.array(rows) for rows in numbers]

    def random(self, size: tuple[int, int]) -> np.ndarray:
        drawn = self.numbers.pop(0)
        assert drawn.shape == size
        return drawn

    def integers(self, high: int, size: int) -> np.ndarray:
        assert max(self.genes) < high and len(self.genes) == size
        return np.array(self.genes)


def one_generation(cost: Cost) -> list[int]:
    """One generation of the sets {10, 40}, {20, 50}, {34, 90} and {4, 70} of 100 positions."""
    first = np.ones((4, 100))
    for row, members in enumerate(([10, 40], [20, 50], [34, 90], [4, 70])):
        first[row, members] = 0.0
    others = [[0.1, 0.2, 0.3, 0.4]] * 4  # a, b, c: the first three of the other sets
    genes = [[0.0, 0.0], [0.5, 0.95], [0.95, 0.95], [0.5, 0.89]]  # above 0.9: the parent's
    rng: Any = Draws([0, 0, 1, 0], first.tolist(), others, genes)
    return evolve(cost, 100, 2, rng=rng, population=4, weight=0.5, crossover=0.9, generations=1).tolist()


def test_rivals_by_hand() -> None:
    """DE/rand/1/bin: a + (b - c) / 2, gene by gene.

    Of {10, 40}: (20, 50) + (34 - 4, 90 - 70) / 2 = (35, 60), both genes.
    Of {20, 50}: (10, 40) + (34 - 4, 90 - 70) / 2 = (25, 50), the first gene.
    Of {34, 90}: (10, 40) + (20 - 4, 50 - 70) / 2 = (18, 30), the second gene, which is forced.
    Of {4, 70}: (10, 40) + (20 - 34, 50 - 90) / 2 = (3, 20), both genes, the first is drawn.
    A rival that costs as much replaces, a dearer one does not.
    """
    judged: list[list[list[int]]] = []
    for dearer, found in ((0.0, [35, 60]), (0.5, [10, 40])):
        costs = {(10, 40): 1.0, (35, 60): 1.0 + dearer}  # all others cost more

        def cost(sets: np.ndarray, costs: dict[tuple[int, ...], float] = costs) -> np.ndarray:
            judged.append(sets.tolist())
            return np.array([costs.get(tuple(row), 9.0) for row in sets.tolist()])

        assert one_generation(cost) == found
    assert judged == 2 * [[[10, 40], [20, 50], [34, 90], [4, 70]], [[35, 60], [25, 50], [30, 34], [3, 20]]]


def test_every_pair_is_computed_once_and_a_generation_in_one_batch() -> None:
    n, k, generations = 60, 6, 25
    alike = Alikeness(n)
    cached = PairCache(alike, n)
    found, again = (
        evolved(mean_over_pairs(values, k, "consecutive"), n, k, seed=0, generations=generations)
        for values in (cached, lambda a, b: alike.matrix[a, b])
    )
    assert found.tolist() == again.tolist()  # the same seed gives the same set
    assert len(alike.asked) == len(set(alike.asked)) < n * (n - 1) / 2  # only what was asked for
    assert all(a < b for a, b in alike.asked)
    assert alike.calls <= generations + 1


def test_the_cache_answers_in_the_shape_and_order_of_the_question() -> None:
    alike = Alikeness(9)
    cached = PairCache(alike, 9)
    first, second = np.array([[3, 1], [8, 1]]), np.array([[0, 7], [2, 7]])  # reversed, repeated, in two dimensions
    for _ in range(2):
        assert cached(first, second).tolist() == alike.matrix[first, second].tolist()
    assert (sorted(alike.asked), alike.calls) == ([(0, 3), (1, 7), (2, 8)], 1)


def test_members_share_the_values_of_their_pairs() -> None:
    matrix = Alikeness(5).matrix
    first, second = pairs_of(5, "all")
    expected = [np.mean([matrix[i, j] for j in range(5) if j != i]) for i in range(5)]
    assert mean_of_members(matrix[first, second], 5, "all") == pytest.approx(expected)


def pictures(height: int, width: int) -> np.ndarray:
    """Noise, a ramp, the ramp inverted and brightened, black, white."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, height * width).reshape(height, width)
    noise = rng.integers(0, 256, (2, height, width))
    rest = [ramp, 200 - ramp, ramp + 55, ramp + rng.normal(0, 9, ramp.shape), 0 * ramp, 0 * ramp + 255]
    return np.concatenate([noise, np.clip(rest, 0, 255)]).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(36, 64), (11, 11), (20, 13)])
def test_every_pair_is_that_of_scikit_image(height: int, width: int) -> None:
    images = pictures(height, width)
    first, second = np.triu_indices(len(images))
    expected = [
        # Its mean leaves out the border of half a window by itself.
        structural_similarity(
            images[a], images[b], data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in zip(first, second, strict=True)
    ]
    assert PairSSIM(images)(first, second) == pytest.approx(expected, abs=1e-6)


def test_more_pairs_than_one_batch_and_any_order() -> None:
    images = np.random.default_rng(1).integers(0, 256, (600, 12, 16), dtype=np.uint8)
    a, b = np.random.default_rng(2).integers(0, 600, (2, 1300))
    together = PairSSIM(images)
    assert together(a, b) == pytest.approx(together(b, a), abs=1e-12)
    last = np.array([a[-1], b[-1]])
    assert together(a, b)[-1] == pytest.approx(PairSSIM(images[last])(np.array([0]), np.array([1]))[0], abs=1e-12)
    assert together(a, a) == pytest.approx(1.0)
