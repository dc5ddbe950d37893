import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keyframe_bench.metrics.repetition import Repetition
from keyframe_bench.metrics.shots import Shots


def compute(summary, clip, annotation):
    result = Repetition().compute(summary, clip, annotation)
    return result["repeated_shot"], result["keyframes_per_hit_shot"]


def test_by_hand(make_clip, summary_of, annotated):
    clip = make_clip(40)
    shots = annotated(clip, shots=[[0, 10], [10, 20], [25, 40]])  # 20 to 24 is outside
    assert compute(summary_of(clip, [0, 9, 10, 39]), clip, shots) == (0.25, 4 / 3)
    assert compute(summary_of(clip, [9, 10]), clip, shots) == (0, 1)  # ends are outside
    assert compute(summary_of(clip, [1, 2]), clip, shots) == (0.5, 2)
    assert compute(summary_of(clip, [21, 22]), clip, shots) == (0, 0)  # outside shots nothing is repeated
    assert compute(summary_of(clip, [1, 2, 21, 22]), clip, shots) == (0.25, 2)
    assert compute(summary_of(clip, []), clip, shots) == (0, 0)


def test_a_key_frame_that_opens_any_of_its_shots_is_no_repetition(make_clip, summary_of, annotated):
    clip = make_clip(30)
    overlapping = annotated(clip, shots=[[0, 20], [10, 30]])
    assert compute(summary_of(clip, [5, 12]), clip, overlapping) == (0, 1.5)
    assert compute(summary_of(clip, [5, 12, 15]), clip, overlapping) == (1 / 3, 2.5)


@given(st.sets(st.integers(0, 39), max_size=12).map(sorted), st.sets(st.integers(1, 39), max_size=6).map(sorted))
def test_in_shots_without_gaps_repetitions_are_key_frames_minus_shots_hit(
    make_clip, summary_of, annotated, chosen, cuts
):
    clip = make_clip(40)
    shots = np.stack([[0, *cuts], [*cuts, 40]], axis=1)
    annotation, summary = annotated(clip, shots=shots), summary_of(clip, chosen)
    hit = Shots().compute(summary, clip, annotation)["shot_recall"] * len(shots)
    repeated, per_hit = compute(summary, clip, annotation)
    assert round(repeated * len(chosen)) == len(chosen) - round(hit)
    assert round(per_hit * hit) == len(chosen)


def test_it_is_not_applied_without_shots(make_clip, annotated):
    clip = make_clip(10)
    assert not Repetition().applies(annotated(clip, [1]))
    assert Repetition().applies(annotated(clip, shots=[[0, 10]]))
