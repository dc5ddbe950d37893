"""Oracle: greedy against the annotation."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.core.annotation import Annotation, UserSummary
from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.core.errors import UnavailableError
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.oracle import Oracle

TAU = 1.0


def clip_with(users: list[list[float]], times: list[float] | np.ndarray, shots: list[list[int]] | None = None) -> Clip:
    clock = np.asarray(times, dtype=np.float64)
    summaries = tuple(UserSummary(f"u{i}", None, np.asarray(u, dtype=np.float64)) for i, u in enumerate(users))
    annotation = Annotation(summaries, None if shots is None else np.asarray(shots, dtype=np.int64))
    return Clip(VideoInfo("v", len(clock), 0.0, 0.0), np.arange(len(clock)), clock, {}, annotation)


def matching(a: list[float], b: list[float]) -> int:
    """Largest one-to-one matching within TAU by SciPy: an independent reference."""
    from scipy.optimize import linear_sum_assignment

    if not a or not b:
        return 0
    near = np.abs(np.subtract.outer(a, b)) <= TAU + 1e-9
    rows, columns = linear_sum_assignment(near, maximize=True)
    return int(near[rows, columns].sum())


def mean_f1(chosen: list[float], users: list[list[float]]) -> float:
    return float(np.mean([2 * matching(chosen, u) / (len(chosen) + len(u)) for u in users]))


def brute_force_greedy(users: list[list[float]], times: list[float], k: int | None) -> list[float]:
    """The mean F1 after each step of greedy selection, recomputed from scratch for every candidate."""
    chosen: list[int] = []
    curve: list[float] = []
    while len(chosen) < (len(times) if k is None else min(k, len(times))):
        free = set(range(len(times))) - set(chosen)
        value = {n: round(mean_f1([times[c] for c in [*chosen, n]], users), 9) for n in sorted(free)}
        best = max(value.values())
        if k is None and chosen and best <= curve[-1]:
            break
        # Among equals: nearest to the users whose matching grows, then the earliest.
        tied = [n for n in value if value[n] == best]
        chosen.append(min(tied, key=lambda n: (round(_away(users, times, chosen, n), 9), n)))
        curve.append(best)
    return curve


def _away(users: list[list[float]], times: list[float], chosen: list[int], n: int) -> float:
    old = [times[c] for c in chosen]
    grows = [u for u in users if matching([*old, times[n]], u) > matching(old, u)]
    return sum(min(abs(times[n] - b) for b in u) for u in grows)


@pytest.mark.parametrize(
    ("users", "times", "k", "expected"),
    [
        ([[2.0, 7.0]], np.arange(0, 10, 0.5), None, [2.0, 7.0]),
        ([[4.2, 5.8]], [3.4, 5.0], None, [3.4, 5.0]),  # 5.0 reaches both; only when it gives one up can 3.4 help
        ([[1.0], [5.0], [5.4], [9.0]], np.arange(10.0), 1, [5.0]),  # a frame that serves most users comes first
        ([[3.0, 3.5]], np.arange(10.0), None, [3.0, 4.0]),  # one frame cannot serve two key frames of one user
    ],
)
def test_by_hand(run, users, times, k, expected):
    found = run(Oracle(), clip_with(users, times), k)
    assert found.times.tolist() == expected
    assert sum(found.scores) == pytest.approx(mean_f1(expected, users))


def test_a_fixed_budget_is_filled_with_frames_that_match_nobody(run):
    found = run(Oracle(), clip_with([[4.0]], np.arange(6.0)), 4)
    assert len(found) == 4 and 4.0 in found.times
    assert (found.scores < 0).sum() == 3  # and each says that it lowers the mean
    assert sum(found.scores) == pytest.approx(mean_f1(found.times.tolist(), [[4.0]]))


def test_middles_of_shots_and_users_known_by_ordinal_serve_as_references(run):
    clip = clip_with([], np.arange(20.0), shots=[[0, 10], [10, 15], [15, 20]])
    assert run(Oracle(), clip).frames.tolist() == [4, 12, 17]
    users = Annotation((UserSummary("a", frames=np.array([3, 8])),))
    clip = clip_with([[0.0]], np.arange(0, 20, 2.0))
    assert run(Oracle(), replace(clip, annotation=users)).frames.tolist() == [3, 8]


@pytest.mark.parametrize("annotation", [None, Annotation(), Annotation((UserSummary("a", times=np.zeros(0)),))])
def test_without_annotation_it_says_the_way_out(run, annotation: Annotation | None) -> None:
    clip = Clip(VideoInfo("film.mp4", 3), np.arange(3), np.arange(3.0), {}, annotation)
    with pytest.raises(UnavailableError, match=r"'film\.mp4' has neither .*; leave it out"):
        run(Oracle(), clip, 2)


moments = st.integers(0, 40).map(lambda v: v / 4)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(moments, max_size=5, unique=True).map(sorted), min_size=1, max_size=3).filter(any),
    st.lists(moments, min_size=1, max_size=9, unique=True).map(sorted),
    st.one_of(st.none(), st.integers(1, 11)),
)
def test_equals_brute_force_greedy(run, users: list[list[float]], times: list[float], k: int | None) -> None:
    found = run(Oracle(TAU), clip_with(users, times), k)
    expected = brute_force_greedy(users, times, k)
    assert len(found) == len(expected)
    assert mean_f1(found.times.tolist(), users) == pytest.approx(expected[-1], abs=1e-8)


def test_it_counts_as_the_metric_does(run) -> None:
    """The changes it reports add up to the benchmark's own F1 at 1 s."""
    from keyframe_bench.metrics.temporal import Temporal

    rng = rng_for(0, "oracle metric")
    times = np.sort(rng.uniform(0, 60, 100))
    # Some exactly tau away from a frame, up to the rounding of the sum.
    users = [sorted([*(times[[7, 60]] + TAU), *rng.uniform(0, 60, 6)]) for _ in range(4)]
    clip = clip_with(users, times)
    for k in (1, 5, 12, 40):
        found = run(Oracle(TAU), clip, k)
        assert found.scores is not None
        assert sum(found.scores) == pytest.approx(Temporal().compute(found, clip, clip.annotation)["f1_1s"])


def test_large_videos_take_less_than_two_seconds(run) -> None:
    rng = rng_for(0, "oracle")
    times = np.arange(5000) / 2
    users = [sorted(rng.choice(times, 40, replace=False) + 0.3) for _ in range(20)]
    clip = clip_with(users, times)
    start = time.perf_counter()
    assert len(run(Oracle(), clip, 30)) == 30
    assert time.perf_counter() - start < 2
