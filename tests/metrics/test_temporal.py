import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.metrics.matching import matches_per_user
from keyframe_bench.metrics.temporal import TOLERANCES, Temporal, most_in_time, nearest_first_in_time


def test_by_hand(make_clip, summary_of, annotated):
    # 10 frames a second. Key frames at 1.0, 5.0, 9.0 s; user 0 at 1.4, 6.0 s; user 1 at 9.0 s.
    clip = make_clip(100)
    result = Temporal().compute(summary_of(clip, [10, 50, 90]), clip, annotated(clip, [14, 60], [90]))
    assert result["f1_0_5s"] == pytest.approx((2 / 5 + 2 / 4) / 2)  # one match each
    assert result["p_0_5s"] == pytest.approx((1 / 3 + 1 / 3) / 2)
    assert result["r_0_5s"] == pytest.approx((1 / 2 + 1) / 2)
    assert result["r_0_5s_max"] == 1
    assert result["f1_1s"] == pytest.approx((4 / 5 + 2 / 4) / 2)  # 5.0 to 6.0 is exactly the tolerance
    assert result["f1_1s_max"] == pytest.approx(4 / 5)
    assert result["p_1s_max"] == pytest.approx(2 / 3)
    curve = [result[f"f1_{suffix}"] for suffix in TOLERANCES]
    assert result["f1_area"] == pytest.approx(np.trapezoid(curve, list(TOLERANCES.values())) / 4.5)


def test_one_key_frame_matches_one_user_frame_only(make_clip, summary_of, annotated):
    clip = make_clip(100)
    result = Temporal().compute(summary_of(clip, [50]), clip, annotated(clip, [48, 49, 50, 51, 52]))
    assert (result["p_1s"], result["r_1s"]) == (1.0, 0.2)


def test_nearest_pair_first_may_find_fewer(make_clip, summary_of, annotated):
    # Key frames 0.0 and 0.8 s, user 0.7 and 1.6 s: nearest first takes (0.8, 0.7) and leaves 0.0 and 1.6 alone.
    clip = make_clip(30)
    result = Temporal().compute(summary_of(clip, [0, 8]), clip, annotated(clip, [7, 16]))
    assert (result["f1_1s"], result["f1_1s_greedy"]) == (1.0, 0.5)


def test_the_tolerance_is_inclusive_whatever_the_rounding_of_the_times(make_clip, summary_of, annotated):
    for fps in (10, 24, 25, 30, 50, 60):
        clip = make_clip(fps * 40, times=1234.567 + np.arange(fps * 40) / fps)
        starts = np.arange(0, fps * 36, 3 * fps + 1)
        at, beyond = (
            Temporal().compute(summary_of(clip, starts), clip, annotated(clip, starts + fps + extra))
            for extra in (0, 1)
        )
        assert (at["r_1s"], beyond["r_1s"]) == (1.0, 0.0)


frames = st.sets(st.integers(0, 59), max_size=6).map(sorted)


@given(frames, st.lists(frames, min_size=1, max_size=3).filter(any))
@settings(max_examples=100, deadline=None)
def test_agrees_with_brute_force_and_keeps_its_bounds(make_clip, summary_of, annotated, chosen, users):
    clip = make_clip(60, fps=5.0)
    result = Temporal().compute(summary_of(clip, chosen), clip, annotated(clip, *users))
    who = [user for user in users if user]
    for suffix, tau in TOLERANCES.items():
        expected = [_f1(_most(chosen, user, 5 * tau), len(chosen), len(user)) for user in who]
        greedy = [_f1(_nearest_first(chosen, user, 5 * tau), len(chosen), len(user)) for user in who]
        assert result[f"f1_{suffix}"] == pytest.approx(np.mean(expected), abs=1e-6)
        assert result[f"f1_{suffix}_max"] == pytest.approx(max(expected), abs=1e-6)
        assert result[f"f1_{suffix}_greedy"] == pytest.approx(np.mean(greedy), abs=1e-6)
        assert result[f"f1_{suffix}_greedy_max"] == pytest.approx(max(greedy), abs=1e-6)
        assert 0 <= result[f"f1_{suffix}_greedy"] <= result[f"f1_{suffix}"] <= result[f"f1_{suffix}_max"] + 1e-12
        assert result[f"f1_{suffix}_max"] <= 1
    assert result["f1_0_5s"] <= result["f1_1s"] <= result["f1_2s"] <= result["f1_5s"]
    assert result["f1_0_5s"] - 1e-12 <= result["f1_area"] <= result["f1_5s"] + 1e-12
    assert Temporal().compute(summary_of(clip, chosen), clip, annotated(clip, *users[::-1])) == pytest.approx(result)


@given(frames, frames)
@settings(max_examples=40, deadline=None)
def test_f1_does_not_depend_on_who_is_the_reference(make_clip, summary_of, annotated, a, b):
    clip = make_clip(60, fps=5.0)
    forth = Temporal().compute(summary_of(clip, a), clip, annotated(clip, b))
    back = Temporal().compute(summary_of(clip, b), clip, annotated(clip, a))
    assert forth["f1_1s"] == back["f1_1s"]
    if a and b:
        assert forth["p_1s"] == back["r_1s"]


def test_larger_random_cases_agree_with_a_sweep_in_time(make_clip, summary_of, annotated):
    rng = np.random.default_rng(3)
    clip = make_clip(3000, fps=30.0)
    for _ in range(20):
        chosen = np.sort(rng.choice(3000, 40, replace=False))
        users = [np.sort(rng.choice(3000, rng.integers(1, 60), replace=False)) for _ in range(5)]
        result = Temporal().compute(summary_of(clip, chosen), clip, annotated(clip, *users))
        for suffix, tau in TOLERANCES.items():
            expected = np.mean([_f1(_sweep(chosen, u, 30 * tau), 40, len(u)) for u in users])
            assert result[f"f1_{suffix}"] == pytest.approx(expected, abs=1e-6)


def test_the_same_frames_agree_completely_and_an_empty_summary_not_at_all(make_clip, summary_of, annotated):
    clip = make_clip(50)
    same = Temporal().compute(summary_of(clip, [0, 9, 33]), clip, annotated(clip, [0, 9, 33]))
    assert set(same.values()) == {1.0}
    no_summary = Temporal().compute(summary_of(clip, []), clip, annotated(clip, [5], [7]))
    assert set(no_summary.values()) == {0.0}
    half = Temporal().compute(summary_of(clip, [5]), clip, annotated(clip, [40], [5]))
    assert (half["f1_1s"], half["f1_1s_max"]) == (0.5, 1.0)


def test_presentation_times_may_be_out_of_order(make_clip, summary_of, annotated):
    clip = make_clip(4, times=[0.0, 9.0, 3.0, 6.0])
    result = Temporal().compute(summary_of(clip, [1, 2]), clip, annotated(clip, [1, 3]))
    assert (result["f1_0_5s"], result["f1_5s"]) == (0.5, 1.0)


times = st.lists(st.integers(0, 40).map(lambda quarter: quarter / 4), max_size=9).map(np.array)


@given(times, st.lists(times, max_size=4))
@settings(max_examples=150, deadline=None)
def test_both_matchings_agree_with_those_of_any_distance(keys, users):
    taus = [0.25, 0.5, 1.0, 3.0]
    sizes = [len(user) for user in users]
    theirs = np.concatenate([np.zeros(0), *(np.sort(user) for user in users)])
    gaps = np.abs(np.sort(keys)[:, None] - theirs[None])
    for row, tau in enumerate(taus):
        for found, method in ((most_in_time, "optimal"), (nearest_first_in_time, "greedy_best")):
            expected = matches_per_user(gaps, gaps <= tau, sizes, method).tolist()
            assert found(keys, users, taus)[row].tolist() == expected


def test_many_key_frames_need_little_memory(make_clip, summary_of, annotated):
    clip = make_clip(60_000, fps=30.0)
    users = [range(i, 60_000, 600) for i in range(20)]  # all pairs at once would be 120 million
    result = Temporal().compute(summary_of(clip, range(60_000)), clip, annotated(clip, *users))
    assert result["r_0_5s"] == 1.0
    assert result["p_0_5s"] == pytest.approx(100 / 60_000)


def _f1(m, p, r):
    return 1.0 if p == r == 0 else 2 * m / (p + r)


def _most(a, b, limit):
    short, long = sorted((a, b), key=len)
    return max(
        sum(abs(x - y) <= limit for x, y in zip(short, chosen, strict=True))
        for chosen in itertools.permutations(long, len(short))
    )


def _sweep(a, b, limit):
    i = j = count = 0
    while i < len(a) and j < len(b):
        if abs(a[i] - b[j]) <= limit:
            i, j, count = i + 1, j + 1, count + 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return count


def _nearest_first(a, b, limit):
    left = sorted((abs(x - y), y, x) for x in a for y in b if abs(x - y) <= limit)
    count = 0
    while left:
        _, y, x = left[0]
        left = [p for p in left if p[1] != y and p[2] != x]
        count += 1
    return count
