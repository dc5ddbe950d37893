"""Selectors over the rows of any feature, against brute force and plain loops."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from keyframe_bench import Extractor
from keyframe_bench.core.errors import UsageError

SELECTORS = ("farthest_first", "facility_location", "dpp", "maxvol", "k_medoids")


def rows_of(seed: int, n: int = 11, d: int = 3) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def built(name: str, **params: Any) -> Extractor:
    return Extractor.registry.build(name, params)


@pytest.fixture(scope="session")
def frames(run, clip_of):
    """The chosen positions of rows."""

    def select(name: str, rows: Any, k: int | None, seed: int = 0, **params: Any) -> list[int]:
        extractor = built(name, **params)
        return run(extractor, clip_of(extractor, np.asarray(rows, np.float32)), k, seed).frames.tolist()

    return select


def greedy(rows: NDArray[Any], k: int, gain: Any) -> list[int]:
    """Begin with the row nearest to the mean and add, k - 1 times, the row of the highest gain, by plain loops."""
    found = [int(np.linalg.norm(rows - rows.mean(axis=0), axis=1).argmin())]
    while len(found) < k:
        others = [i for i in range(len(rows)) if i not in found]
        found.append(max(others, key=lambda i: gain(found, i)))
    return sorted(found)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("k", [2, 3, 4])
def test_farthest_first_is_greedy_and_within_twice_the_best_radius(frames, seed: int, k: int) -> None:
    rows = rows_of(seed)
    away = cdist(rows, rows)
    found = frames("farthest_first", rows, k)
    assert found == greedy(rows, k, lambda chosen, i: away[i, chosen].min())
    best = min(away[list(some)].min(axis=0).max() for some in combinations(range(len(rows)), k))
    assert away[found].min(axis=0).max() <= 2 * best + 1e-6


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_facility_location_is_greedy_and_keeps_its_bound(frames, seed: int, k: int) -> None:
    rows = rows_of(seed, n=12)
    away = cdist(rows, rows, "sqeuclidean")
    close = away.max() - away

    def value(some: Any) -> float:
        return float(close[list(some)].max(axis=0).sum())

    found = frames("facility_location", rows, k)
    assert found == greedy(rows, k, lambda chosen, i: value([*chosen, i]))
    best = max(value(some) for some in combinations(range(len(rows)), k))
    assert (1 - 1 / np.e) * best <= value(found) <= best + 1e-6


def test_facility_location_is_lazy_to_no_effect(frames) -> None:
    rows = rows_of(3, n=400, d=5)  # many blocks of gains, most of them not computed again
    away = cdist(rows, rows, "sqeuclidean")

    def gain(chosen: list[int], i: int) -> float:
        return float(np.maximum(away[chosen].min(axis=0) - away[i], 0).sum())

    assert frames("facility_location", rows, 9) == greedy(rows, 9, gain)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 3.0])
@pytest.mark.parametrize("seed", range(6))
def test_dpp_adds_the_frame_that_makes_the_determinant_largest(frames, seed: int, temperature: float) -> None:
    rows = rows_of(seed)
    away = cdist(rows, rows, "sqeuclidean")
    similar = np.exp(-away / (away.mean() * temperature))
    found = frames("dpp", rows, 5, temperature=temperature)
    assert found == greedy(rows, 5, lambda c, i: np.linalg.det(similar[np.ix_([*c, i], [*c, i])]))


def volume(rows: NDArray[Any]) -> float:
    """The volume that rows span: of more rows than columns, the rectangular one."""
    gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    return float(np.sqrt(max(np.linalg.det(gram.astype(np.float64)), 0)))


@pytest.mark.parametrize("seed", range(8))
def test_maxvol_begins_with_a_dominant_square_and_adds_the_row_of_most_volume(frames, seed: int) -> None:
    rows = rows_of(seed)
    square = frames("maxvol", rows, 3, dims=0)
    swaps = [[*square[:j], i, *square[j + 1 :]] for i, j in product(range(len(rows)), range(3))]
    assert max(volume(rows[swap]) for swap in swaps) <= 1.05 * volume(rows[square])
    for k in (4, 5, 6):
        before, found = frames("maxvol", rows, k - 1, dims=0), frames("maxvol", rows, k, dims=0)
        volumes = {i: volume(rows[[*before, i]]) for i in range(len(rows)) if i not in before}
        assert found == sorted([*before, max(volumes, key=lambda i: volumes[i])])


@pytest.mark.parametrize("tolerance", [0.6, 1.0, 2.0])
def test_maxvol_stops_where_all_others_are_short_combinations(frames, tolerance: float) -> None:
    rows = rows_of(1, n=60, d=4)
    found = frames("maxvol", rows, None, tolerance=tolerance)
    lengths = np.linalg.norm(rows @ np.linalg.pinv(rows[found]), axis=1)
    assert lengths[np.setdiff1d(np.arange(60), found)].max() <= tolerance + 1e-6
    assert len(found) < 30 and found == frames("maxvol", rows, len(found), tolerance=tolerance)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(6))
def test_k_medoids_ends_where_no_single_swap_helps(frames, seed: int, k: int) -> None:
    rows = rows_of(seed, n=40)
    away = cdist(rows, rows)

    def total(some: Any) -> float:
        return float(away[list(some)].min(axis=0).sum())

    found = frames("k_medoids", rows, k, seed)
    assert len(found) == k
    swaps = [[*found[:j], i, *found[j + 1 :]] for i, j in product(range(len(rows)), range(k))]
    assert min(map(total, swaps)) >= total(found) * (1 - 1e-4) - 1e-6
    if k == 1:
        assert found == [int(away.sum(axis=0).argmin())]


@pytest.mark.parametrize("name", ["facility_location", "k_medoids"])
def test_clusters_give_the_best_frames_there_are(frames, name: str) -> None:
    rng = np.random.default_rng(5)
    rows = np.repeat(20 * np.eye(3), 5, axis=0) + rng.normal(size=(15, 3))
    power = {"facility_location": 2, "k_medoids": 1}[name]
    away = cdist(rows, rows) ** power
    sums = {some: away[list(some)].min(axis=0).sum() for some in combinations(range(15), 3)}
    found = frames(name, rows, 3)
    assert [i // 5 for i in found] == [0, 1, 2]
    if name == "k_medoids":
        assert tuple(found) == min(sums, key=lambda some: sums[some])


@pytest.mark.parametrize("name", SELECTORS)
def test_few_distinct_rows_and_large_budgets_give_exactly_the_budget(run, clip_of, name: str) -> None:
    extractor = built(name)
    rows = np.repeat(rows_of(0, n=3), [4, 1, 5], axis=0)
    for k in (1, 2, 3, 4, 9, 10, 99):
        found = run(extractor, clip_of(extractor, rows), k)
        assert len(found) == min(k, 10)
        assert found.scores.sum() == pytest.approx(1)
    three = run(extractor, clip_of(extractor, rows), 3)
    assert np.digitize(three.frames, [4, 5]).tolist() == [0, 1, 2]
    assert three.scores == pytest.approx([0.4, 0.1, 0.5])


@pytest.mark.parametrize("name", SELECTORS)
def test_scale_and_order_of_a_feature_do_not_matter(frames, name: str) -> None:
    rows = rows_of(2, n=30, d=6)
    found = frames(name, rows, 5)
    assert frames(name, 1000 * rows, 5) == found
    assert frames(name, rows[:, ::-1].reshape(30, 2, 3), 5) == found  # images are rows too


@pytest.mark.parametrize("name", SELECTORS[:3])
def test_rows_are_reduced_to_principal_components(frames, name: str) -> None:
    rows = np.zeros((50, 90), np.float32)
    rows[:, 3::20] = rows_of(4, n=50, d=5)
    assert frames(name, rows, 6, dims=5) == frames(name, rows, 6, dims=0) == frames(name, rows[:, 3::20], 6)
    assert frames(name, rows, 6, dims=1) != frames(name, rows, 6, dims=0)


@pytest.mark.parametrize("name", SELECTORS)
def test_the_feature_is_named_with_its_parameters(name: str) -> None:
    (feature,) = built(name, feature="hue_histogram?bins=32").needs
    assert (feature.name, feature.params["bins"]) == ("hue_histogram", 32)
    untrained = built(name, feature="embedding?weights=random&layer=logits")
    assert untrained.label == "random init" and built(name).label == ""
    assert untrained.needs[0].params["layer"] == "logits"


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ("hue_histogran", "did you mean hue_histogram"),
        ("hue_histogram?bin=3", "no parameter 'bin'"),
        ("hue_histogram?bins=0", "between 1 and 360"),
        ("hue_histogram?", r"NAME\?option=value"),
        ("motion_energy", "no row of numbers per frame"),
        *((opaque, "no row of numbers") for opaque in ("picture_id", "rgb_jpeg", "coded_picture", "source_file")),
    ],
)
def test_what_is_no_feature_of_frames_is_refused(feature: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        built("farthest_first", feature=feature).unavailable()


def test_rows_that_are_not_finite_are_refused(run, clip_of) -> None:
    extractor = built("k_medoids")
    with pytest.raises(UsageError, match="not finite"):
        run(extractor, clip_of(extractor, np.full((4, 2), np.nan, np.float32)), 2)
