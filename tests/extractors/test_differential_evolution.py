"""Differential evolution over sets of key frames."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import entropy
from skimage.metrics import structural_similarity

from keyframe_bench.extractors.differential_evolution import DifferentialEvolution


def pictures(n: int, seed: int = 0) -> np.ndarray:
    """Views that change slowly: each is the last one with one corner drawn anew."""
    rng = np.random.default_rng(seed)
    view = rng.integers(0, 256, (36, 64))
    views = []
    for _ in range(n):
        top, left = rng.integers(0, 18), rng.integers(0, 32)
        view = view.copy()
        view[top : top + 18, left : left + 32] = rng.integers(0, 256, (18, 32)) // rng.integers(1, 4)
        views.append(view)
    return np.array(views, dtype=np.uint8)


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    return float(
        structural_similarity(a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    )


def test_ssim_finds_the_least_alike_neighbours_of_all_sets(run, clip_of) -> None:
    rows = pictures(10)
    extractor = DifferentialEvolution(population=40)
    found = run(extractor, clip_of(extractor, rows), 3, 0)
    mean = {s: (ssim(rows[s[0]], rows[s[1]]) + ssim(rows[s[1]], rows[s[2]])) / 2 for s in combinations(range(10), 3)}
    best = min(mean, key=lambda chosen: mean[chosen])
    assert found.frames.tolist() == list(best)
    first, second = (1 - ssim(rows[a], rows[b]) for a, b in pairwise(best))
    assert found.scores == pytest.approx([first, (first + second) / 2, second])


def test_entropy_finds_the_largest_differences_of_all_sets(run, clip_of) -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([np.bincount(rng.integers(0, m, 500), minlength=256) for m in rng.permutation(256)[:10] + 1])
    bits = entropy(rows, base=2, axis=1)
    extractor = DifferentialEvolution(fitness="entropy", population=40)
    found = run(extractor, clip_of(extractor, rows), 3, 1)
    best = max(combinations(range(10), 3), key=lambda s: abs(bits[s[0]] - bits[s[1]]) + abs(bits[s[1]] - bits[s[2]]))
    assert found.frames.tolist() == list(best)
    first, second = np.abs(np.diff(bits[list(best)]))
    assert found.scores == pytest.approx([first, (first + second) / 2, second])


def test_consecutive_pairs_may_alternate_between_two_views_and_all_pairs_do_not(run, clip_of) -> None:
    """The documented weakness: A, B, A, B is as good a set as four views for neighbours only."""
    views = np.random.default_rng(0).integers(0, 256, (4, 36, 64), dtype=np.uint8)
    views[2:] = views[2:] // 2 + 64  # C and D are a little more like the others than A and B are
    scene = np.array([0, 1, 0, 1, 2, 3])
    neighbours, every = (DifferentialEvolution(pairs=p, population=30) for p in ("consecutive", "all"))
    rows = views[scene]
    alternating = run(neighbours, clip_of(neighbours, rows), 4, 0)
    different = run(every, clip_of(every, rows), 4, 0)
    assert sorted(scene[different.frames]) == [0, 1, 2, 3]
    assert ssim(views[0], views[0]) == 1.0
    assert len(set(scene[alternating.frames].tolist())) < 4


@pytest.mark.parametrize(("duration_s", "expected"), [(80.0, 10), (81.0, 11), (1.0, 1), (0.0, 1), (9999.0, 60)])
def test_a_free_budget_grows_with_the_duration(run, clip_of, duration_s: float, expected: int) -> None:
    extractor = DifferentialEvolution(generations=1)
    clip = clip_of(extractor, pictures(60), duration_s=duration_s)
    assert len(run(extractor, clip, None, 0)) == expected


@pytest.mark.parametrize("fitness", ["ssim", "entropy"])
@pytest.mark.parametrize("pairs", ["consecutive", "all"])
def test_frames_of_a_still_video_differ_by_nothing(run, clip_of, fitness: Any, pairs: Any) -> None:
    extractor = DifferentialEvolution(fitness=fitness, pairs=pairs, generations=5)
    rows = pictures(1).repeat(12, axis=0)
    if fitness == "entropy":
        rows = np.stack([np.bincount(row.reshape(-1), minlength=256) for row in rows])
    for k in (1, 2, 5, 99):
        found = run(extractor, clip_of(extractor, rows), k, 0)
        assert found.scores == pytest.approx([0.0] * min(k, 12), abs=1e-9)


@pytest.mark.parametrize("fitness", ["ssim", "entropy"])
@pytest.mark.parametrize("pairs", ["consecutive", "all"])
def test_exactly_the_budget_however_short_the_video(run, clip_of, fitness: Any, pairs: Any) -> None:
    extractor = DifferentialEvolution(fitness=fitness, pairs=pairs, generations=5)
    for n in (1, 2, 3, 12):
        rows = pictures(n)
        if fitness == "entropy":
            rows = np.stack([np.bincount(row.reshape(-1), minlength=256) for row in rows])
        for k in (1, 2, 5, 99):
            assert len(run(extractor, clip_of(extractor, rows), k, 0)) == min(k, n)


def test_a_single_key_frame_is_the_middle_one(run, clip_of) -> None:
    extractor = DifferentialEvolution()
    for n, middle in ((1, 0), (2, 0), (9, 4), (10, 4)):
        found = run(extractor, clip_of(extractor, pictures(n)), 1, 5)
        assert found.frames.tolist() == [middle]
        assert found.scores is not None and found.scores.tolist() == [0.0]


@pytest.mark.parametrize("fitness", ["ssim", "entropy"])
def test_why_tells_what_the_best_exchange_for_a_key_frame_would_do(run, clip_of, fitness: Any) -> None:
    rows = pictures(14)
    histograms = np.stack([np.bincount((row // (1 + i)).reshape(-1), minlength=256) for i, row in enumerate(rows)])
    extractor = DifferentialEvolution(fitness=fitness, generations=3)  # too few: better sets are left
    clip = clip_of(extractor, rows if fitness == "ssim" else histograms, step=12)
    found = run(extractor, clip, 4, 2)
    chosen, bits = (found.frames // 12).tolist(), entropy(histograms, base=2, axis=1)

    def worth(members: list[int]) -> float:
        pairs = [
            (ssim(rows[a], rows[b]) if fitness == "ssim" else abs(bits[a] - bits[b])) for a, b in pairwise(members)
        ]
        return float(np.mean(pairs))

    sign, unit, now = (1, "", worth(chosen)) if fitness == "ssim" else (-1, " bits", worth(chosen))
    n_missed = 0
    for position in range(14):
        said = extractor.why(clip, found, position, 4)
        if position in chosen:
            assert said.startswith("chosen: it belongs to the best set") and said.endswith(f" of {now:.4g}{unit}")
            continue
        sets = {out: sorted({*chosen, position} - {out}) for out in chosen}
        then = sign * min(sign * worth(members) for members in sets.values())
        named = re.match(r"not chosen: in place of key frame (\d+), where it fits best, ", said)
        assert named and worth(sets[int(named[1]) // 12]) == pytest.approx(then)
        if f"{then:.4g}" == f"{now:.4g}":
            assert said.endswith(f"it makes a set as good, of a mean difference of entropies of {now:.4g} bits")
            continue
        assert f" {then:.4g}{unit}, not {now:.4g}{unit}" in said
        assert said.endswith("the search did not come upon that set") == (sign * then < sign * now)
        n_missed += sign * then < sign * now
    assert 0 < n_missed < 10


def test_why_of_a_single_key_frame_and_of_an_exchange_that_changes_nothing(run, clip_of) -> None:
    extractor = DifferentialEvolution(generations=2)
    clip = clip_of(extractor, pictures(1).repeat(6, axis=0))
    found = run(extractor, clip, 1, 0)
    assert extractor.why(clip, found, 5, 1) == "not chosen: the only key frame is the middle sampled frame"
    found = run(extractor, clip, 3, 0)
    other = next(p for p in range(6) if p not in found.frames)
    assert extractor.why(clip, found, other, 3).endswith("it makes a set as good, of a mean SSIM of 1")


def test_seeds_decide_and_nothing_else(run, clip_of) -> None:
    extractor = DifferentialEvolution(generations=3)
    clip = clip_of(extractor, pictures(60))
    sets = [run(extractor, clip, 6, seed).frames.tolist() for seed in (0, 0, 1)]
    assert sets[0] == sets[1] != sets[2]


def test_more_generations_are_better_on_average(run, clip_of) -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([np.bincount(rng.integers(0, m, 500), minlength=256) for m in rng.integers(1, 257, 80)])
    bits, worth = entropy(rows, base=2, axis=1), {}
    for generations in (0, 5, 50):
        extractor = DifferentialEvolution(fitness="entropy", generations=generations)
        sets = [run(extractor, clip_of(extractor, rows), 6, seed).frames for seed in range(8)]
        worth[generations] = np.mean([np.abs(np.diff(bits[chosen])) for chosen in sets])
    assert worth[0] < worth[5] < worth[50]
