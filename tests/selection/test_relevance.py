"""Rules that choose frames by relevance: by hand, against plain loops, and as the authors' code answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyframe_bench.selection.relevance import adaptive, inverse_transform, watershed
from keyframe_bench.selection.spacing import evenly_spaced

curves = st.builds(
    lambda n, seed: np.random.default_rng(seed).integers(0, 13, n) / 4, st.integers(1, 70), st.integers(0, 2**32 - 1)
)
RULES = {"aks": adaptive, "inverse_transform": inverse_transform, "watershed": watershed}


def unit(scores: np.ndarray) -> list[float]:
    spread = max(scores) - min(scores)
    return [(s - min(scores)) / spread if spread else 0.0 for s in scores]


@pytest.mark.parametrize("rule", RULES)
@given(scores=curves, k=st.integers(1, 80))
def test_exactly_k_different_frames(rule, scores, k):
    found = RULES[rule](scores, k)
    assert len(found) == min(k, len(scores)) and (np.diff(found) > 0).all()
    assert found[0] >= 0 and found[-1] < len(scores)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("scale", [4.0, 0.125])
@given(scores=curves, k=st.integers(1, 20))
def test_unit_and_zero_of_the_scores_do_not_matter(rule, scale, scores, k):
    assert RULES[rule](scores * scale - 2, k).tolist() == RULES[rule](scores, k).tolist()


# AKS


def recursive(scores: list[float], start: int, k: int, threshold: float, depth: int) -> list[int]:
    """The rule in words, one segment a call."""
    if k == 0:
        return []
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    best = [scores[i] for i in order[:k]]
    if depth == 0 or sum(best) / k - sum(scores) / len(scores) > threshold:
        return [start + i for i in order[:k]]
    middle = len(scores) // 2
    first, second = scores[:middle], scores[middle:]
    left = right = k // 2
    if k % 2:
        odd = [sorted(part, reverse=True)[k // 2 :] for part in (first, second)]
        if odd[0] and (not odd[1] or odd[0][0] >= odd[1][0]):
            left += 1
        else:
            right += 1
    while left > len(first) or right > len(second):
        left, right = (left - 1, right + 1) if left > len(first) else (left + 1, right - 1)
    return recursive(first, start, left, threshold, depth - 1) + recursive(
        second, start + middle, right, threshold, depth - 1
    )


@given(curves, st.integers(1, 70), st.sampled_from([0.0, 0.3, 0.55, 0.8]), st.integers(0, 6))
def test_aks_is_the_plain_recursion(scores, k, threshold, depth):
    expected = sorted(recursive(unit(scores), 0, min(k, len(scores)), threshold + 1e-9, depth))
    assert adaptive(scores, k, threshold=threshold + 1e-9, depth=depth).tolist() == expected


def test_aks_halves_until_the_best_scores_stand_out():
    peak = np.zeros(64)
    peak[[20, 22]] = 1
    assert adaptive(peak, 2).tolist() == [20, 22]  # they stand out of the whole video
    assert adaptive(peak, 4, threshold=0.9).tolist() == [20, 22, 32, 48]  # 4 do not: half of them in each half
    assert adaptive(np.ones(64), 4).tolist() == [0, 16, 32, 48]  # nothing stands out: evenly covered
    assert adaptive(peak, 4, depth=0).tolist() == [0, 1, 20, 22]  # the highest scores


@pytest.mark.parametrize(("k", "n"), [(1, 0), (8, 0), (31, 0), (32, 32), (50, 32), (64, 64), (100, 96)])
def test_aks_as_released_rounds_shares_down(k, n):
    scores = np.random.default_rng(k).random(1000)  # no half's 32 best exceed its mean by .8
    assert len(adaptive(scores, k, as_released=True)) == n
    assert len(adaptive(scores, k)) == k
    if k in (32, 64):  # shares that come out even are the same
        assert adaptive(scores, k).tolist() == adaptive(scores, k, as_released=True).tolist()


def test_aks_as_released_judges_by_the_whole_budget_and_keeps_short_videos():
    peak = np.zeros(256)
    peak[:64:2] = 1  # 32 of 256: the best 32 exceed the mean by .875
    assert adaptive(peak, 32, as_released=True).tolist() == list(range(0, 64, 2))
    assert len(adaptive(peak[:64], 32, as_released=True)) == 32 and len(adaptive(peak[:31], 32, as_released=True)) == 31


# BOLT


def looped(scores: np.ndarray, k: int, power: int) -> list[int]:
    """Each missing frame takes the middle of its equal share of what is left, until none is missing."""
    weights, chosen = [s**power for s in unit(scores)], set()
    while missing := min(k, len(scores)) - len(chosen):
        left = [0.0 if i in chosen else w for i, w in enumerate(weights)]
        if not any(left):
            left = [float(i not in chosen) for i in range(len(weights))]
        total = np.cumsum(left)
        for j in range(missing):
            chosen.add(next(i for i, t in enumerate(total) if t > (j + 0.5) * total[-1] / missing))
    return sorted(chosen)


@given(curves, st.integers(1, 70), st.sampled_from([1, 2, 3]))
def test_inverse_transform_is_the_plain_loop(scores, k, power):
    assert inverse_transform(scores, k, power=power).tolist() == looped(scores, k, power)


@given(st.integers(1, 300), st.integers(1, 300))
def test_equal_scores_are_evenly_spaced(n, k):
    assert inverse_transform(np.full(n, 0.3), k).tolist() == evenly_spaced(n, k).tolist()


def test_inverse_transform_by_hand():
    """Weights 1 2 1 4 add up to 8: four shares of 2, whose middles are 1, 3, 5 and 7."""
    assert inverse_transform([0, 1, 0, 2, 0, 1, 0, 4], 4, power=1).tolist() == [1, 3, 5, 7]  # 7 twice, and 1 is left
    assert inverse_transform([0, 1, 0, 2, 0, 1, 0, 4], 2, power=1).tolist() == [3, 7]


def test_inverse_transform_as_released_returns_frames_twice():
    spike = np.zeros(200)
    spike[77] = 1
    assert inverse_transform(spike, 32, as_released=True).tolist() == [77]
    assert inverse_transform(np.ones(50), 8, as_released=True).tolist() == [0]
    slope = np.arange(1000.0)
    assert len(inverse_transform(slope, 2, as_released=True)) == 1  # both quantiles are 1/2
    assert inverse_transform(slope, 1, as_released=True).tolist() == [999]
    quantiles = np.linspace(1 / 8, 7 / 8, 8)
    shares = slope**3 / (slope**3).sum()
    assert inverse_transform(slope, 8, as_released=True).tolist() == [
        next(i for i in range(1000) if shares[: i + 1].sum() >= q) for q in quantiles
    ]


# Watershed


def stands_out(scores: np.ndarray, at: int) -> float:
    """Height of a frame above the highest pass that leads to a higher one (of equals an earlier one)."""
    passes = []
    for way in (range(at - 1, -1, -1), range(at + 1, len(scores))):
        lowest = scores[at]
        for i in way:
            lowest = min(lowest, scores[i])
            if scores[i] > scores[at] or (scores[i] == scores[at] and i < at):
                passes.append(lowest)
                break
    return scores[at] - max(passes) if passes else np.inf


@given(curves, st.integers(1, 70))
def test_watershed_ranks_peaks_by_their_height_above_the_pass(scores, k):
    order = sorted(range(len(scores)), key=lambda i: (-stands_out(scores, i), -scores[i], i))
    assert watershed(scores, k).tolist() == sorted(order[:k])


def test_a_ripple_on_a_hill_counts_less_than_a_hill():
    curve = [0, 5, 9, 8.9, 9, 5, 1, 3, 1, 2.5]
    assert watershed(curve, 1).tolist() == [2]
    assert watershed(curve, 2).tolist() == [2, 7]
    assert watershed(curve, 4).tolist() == [2, 4, 7, 9]
    assert watershed([3, 2, 1], 2).tolist() == [0, 1]  # one peak, then the highest
