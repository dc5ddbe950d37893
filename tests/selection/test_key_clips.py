"""When a clip opens, how long it is kept open, and which frames it holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.core.errors import UsageError
from keyframe_bench.selection.key_clips import ClipRules, key_clips

STEADY = np.arange(100.0)  # one frame a second


def clips_at(keyframes, times=STEADY, duration_s=100.0, **rules):
    found = key_clips(keyframes, times, duration_s, ClipRules(**rules))
    return found.frames.tolist(), found.times.tolist()


@pytest.mark.parametrize(
    ("keyframes", "rules", "frames"),
    [
        ([20, 24, 33, 60], {}, [[20, 43], [60, 70]]),
        ([60, 20, 20, 33, 24], {}, [[20, 43], [60, 70]]),  # neither order nor repeats matter
        ([20, 30], {}, [[20, 40]]),  # exactly when the quiet time ends: it still belongs to the event
        ([20, 31], {}, [[20, 30], [31, 41]]),
        *(([0], {}, []), ([], {}, []), ([0, 5], {}, [[5, 15]])),  # the first frame of the video opens nothing
        ([1, 98], {"pre_roll_s": 5}, [[0, 11], [93, 100]]),  # no clip leaves the video
        ([20, 25], {"pre_roll_s": 2.5, "post_roll_s": 3}, [[18, 28]]),
        ([20, 25], {"post_roll_s": 0}, [[20, 26]]),  # the last key frame is seen
        *(([20], {"quiet_s": 0}, [[20, 21]]), ([20], {"post_roll_s": 30}, [[20, 50]])),
        ([20, 35], {"quiet_s": 5, "merge_s": 10}, [[20, 25], [35, 40]]),  # exactly so far apart: two
        ([20, 35, 60], {"quiet_s": 5, "merge_s": 10.5}, [[20, 40], [60, 65]]),
        ([20, 35], {"quiet_s": 5, "pre_roll_s": 10}, [[10, 40]]),  # they touch
        ([20, 35], {"quiet_s": 5, "pre_roll_s": 12}, [[8, 40]]),  # they overlap
    ],
)
@pytest.mark.parametrize("start", [0.0, 7.3])
def test_clips_by_hand(keyframes, rules, frames, start):
    assert clips_at(keyframes, STEADY + start, **rules)[0] == frames


def test_variable_rate_is_judged_by_time():
    times = np.array([0, 1, 1.1, 1.2, 9, 9.5, 40, 80])
    assert clips_at([2, 5, 6], times, 81.0) == ([[2, 6], [6, 7]], [[1.1, 19.5], [40, 50]])
    assert clips_at([6], times, 81.0, post_roll_s=0) == ([[6, 7]], [[40, 41]])  # a usual frame distance


def test_times_that_repeat_or_step_back_and_no_duration():
    assert clips_at([1, 2, 3], np.zeros(4), 0.0) == ([[0, 4]], [[0, 0]])
    assert clips_at([2, 7], np.array([0, 1, 2, 1.5, 1.6, 30, 29, 31, 32]), 33.0)[0] == [[2, 5], [7, 9]]


@pytest.mark.parametrize("rules", [{"quiet_s": -1}, {"quiet_s": None}, {"merge_s": "1 s"}])
def test_rules_are_checked(rules):
    with pytest.raises(UsageError, match=next(iter(rules))):
        ClipRules(**rules)


def recorder(keyframes, times, end_s, quiet_s, pre_roll_s, post_roll_s, merge_s):
    """Events by going through the frames with a timer; clips by joining them one by one; frames by asking each."""
    events, timer = [], None
    for n, time in enumerate(times):
        if timer is not None and time > timer + 1e-9:
            timer = None
        if n in keyframes and n > 0:
            if timer is None:
                events.append([time, n])
            events[-1][1] = n
            timer = time + quiet_s
    clips, usual = [], np.median(np.diff(times))
    for opened, last in events:
        shown_until = min(times[last + 1] if last + 1 < len(times) else end_s, times[last] + usual)
        stop = min(max(times[last] + post_roll_s, shown_until), end_s)
        start = max(opened - pre_roll_s, times[0])
        if clips and (start - clips[-1][1] < merge_s or start <= clips[-1][1]):
            clips[-1][1] = stop
        else:
            clips.append([start, stop])
    return [[n for n, time in enumerate(times) if start <= time < stop] for start, stop in clips], clips


@given(
    # Whole milliseconds, binary fractions of a second: no rounding decides.
    steps=st.lists(st.sampled_from([1 / 64, 1 / 8, 1 / 4, 1.0, 2.5, 7.0]), min_size=1, max_size=60),
    chosen=st.sets(st.integers(0, 60), max_size=12),
    quiet_s=st.sampled_from([0.0, 0.25, 1.0, 4.0]),
    pre_roll_s=st.sampled_from([0.0, 0.5, 3.0]),
    post_roll_s=st.sampled_from([None, 0.0, 0.125, 6.0]),
    merge_s=st.sampled_from([0.0, 0.5, 5.0]),
)
@settings(max_examples=300, deadline=None)
def test_agrees_with_a_recorder_that_goes_through_the_frames(steps, chosen, quiet_s, pre_roll_s, post_roll_s, merge_s):
    times = np.cumsum([3.0, *steps])
    keyframes = sorted(n for n in chosen if n < len(times))
    rules = ClipRules(quiet_s=quiet_s, pre_roll_s=pre_roll_s, post_roll_s=post_roll_s, merge_s=merge_s)
    found = key_clips(keyframes, times, times[-1] - 3.0 + 0.25, rules)
    post_s = quiet_s if post_roll_s is None else post_roll_s
    frames, spans = recorder(keyframes, times, times[-1] + 0.25, quiet_s, pre_roll_s, post_s, merge_s)
    assert [list(range(*span)) for span in found.frames.tolist()] == frames
    assert found.times.tolist() == spans
    assert found.duration_s == pytest.approx(sum(stop - start for start, stop in spans))
    assert all(any(first <= n < end for first, end in found.frames.tolist()) for n in keyframes if n)
