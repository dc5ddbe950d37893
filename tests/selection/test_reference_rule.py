"""The sequential rule of key frames by distance to the latest one, and its threshold search."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from keyframe_bench.selection.reference import Chain, ReferenceRule, earliest_after

Asked = list[tuple[int, int, int]]


def distances_of(values: np.ndarray, asked: Asked | None = None) -> Callable[[int, int, int], np.ndarray]:
    """Absolute differences of one number per position; what is asked for is noted."""

    def distances(reference: int, start: int, stop: int) -> np.ndarray:
        assert 0 <= reference < start < stop <= len(values)
        if asked is not None:
            asked.append((reference, start, stop))
        return np.abs(values[start:stop] - values[reference])

    return distances


def plainly(values: np.ndarray, threshold: float, gap: int = 1) -> tuple[list[int], list[float]]:
    """The rule word for word."""
    references, scores = [0], [0.0]
    for t in range(1, len(values)):
        d = abs(values[t] - values[references[-1]])
        scores.append(d)
        if d > threshold and t - references[-1] >= gap:
            references.append(t)
    return references, scores


walks = st.lists(st.sampled_from([0, 0, 4, -4, 10, -12, 40, -40]), min_size=0, max_size=90).map(
    lambda steps: np.concatenate([[0.0], np.cumsum(steps)]) / 64  # differences are exact
)


@given(walks, st.sampled_from([0.0, 0.1, 0.26, 0.9, 5.0]), st.integers(1, 5))
def test_chain_is_the_rule_word_for_word(values: np.ndarray, threshold: float, gap: int) -> None:
    earliest = np.minimum(np.arange(len(values)) + gap, len(values))
    chain = ReferenceRule(len(values), distances_of(values), earliest).chain(threshold)
    references, scores = plainly(values, threshold, gap)
    assert chain.positions.tolist() == references
    assert chain.distances.tolist() == scores
    assert chain.threshold == threshold


@given(walks, st.integers(1, 30), st.sampled_from([1e-3, 0.03, 2.0]))
@example(np.array([0.0, 0.625, 0.0, 0.0625]), 2, 1e-3)
def test_search_gives_the_number_or_the_least_above_it(values: np.ndarray, count: int, start: float) -> None:
    """Every threshold that matters is tried plainly: where the number falls monotonely, nearly the best is found."""
    chain = ReferenceRule(len(values), distances_of(values)).chain_of(count, start)
    assert chain.positions.tolist() == plainly(values, chain.threshold)[0]
    apart = np.unique(np.abs(values[:, None] - values[None, :]))
    numbers = np.array([len(plainly(values, t)[0]) for t in apart])
    most = len(plainly(values, 0.0)[0])
    if most <= count:
        assert len(chain.positions) == most
    else:
        assert len(chain.positions) >= count
        if np.all(np.diff(numbers) <= 0):
            assert len(chain.positions) <= max(numbers[numbers >= count].min(), count + count // 16)


def test_strongest_keeps_the_largest_distances_and_the_first() -> None:
    chain = Chain(np.array([0, 2, 4, 5, 7]), np.array([0, 0, 0.5, 0, 0.9, 0.5, 0, 0.7]), 0.3)
    assert chain.strongest(5).tolist() == [0, 2, 4, 5, 7]
    assert chain.strongest(3).tolist() == [0, 4, 7]
    assert chain.strongest(4).tolist() == [0, 2, 4, 7]  # of equal ones the earlier
    assert chain.strongest(1).tolist() == [0]
    assert chain.strongest(3, keep_first=False).tolist() == [2, 4, 7]


def test_nothing_is_asked_twice_and_little_too_much() -> None:
    """One scene of 1000 equal positions, then one jump every 10: work stays near one distance per position."""
    values = np.concatenate([np.zeros(1000), np.repeat(np.arange(1, 101), 10)]).astype(float)
    asked: Asked = []
    rule = ReferenceRule(len(values), distances_of(values, asked))
    assert len(rule.chain(0.5).positions) == 101
    assert sum(stop - start for _, start, stop in asked) < 1.7 * len(values)
    assert max(stop - start for _, start, stop in asked) <= 32  # bounded memory, however long the video
    before = len(asked)
    rule.chain(0.5)
    rule.chain(0.6)
    assert len(asked) == before
    pairs = [(reference, t) for reference, start, stop in asked for t in range(start, stop)]
    assert len(pairs) == len(set(pairs))


def test_search_costs_a_few_passes_only() -> None:
    values = np.cumsum(np.random.default_rng(2).normal(size=2000))
    asked: Asked = []
    chain = ReferenceRule(len(values), distances_of(values, asked)).chain_of(10, 0.03)
    assert 10 <= len(chain.positions) <= 14  # whatever is taken as threshold, the number jumps up and down
    assert sum(stop - start for _, start, stop in asked) < 8 * len(values)


def test_earliest_after_tolerates_rounding_and_times_that_step_back() -> None:
    assert earliest_after([0.0, 0.04, 0.08], 0.0).tolist() == [1, 2, 3]
    assert earliest_after([0.0, 0.9999999, 1.5], 1.0).tolist() == [1, 3, 3]
    assert earliest_after([0.0, 5.0, 1.0, 6.0], 1.0).tolist() == [1, 3, 3, 4]
