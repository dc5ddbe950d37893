import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.metrics.shots import Shots


def test_by_hand_with_half_open_shots(make_clip, summary_of, annotated):
    clip = make_clip(40)
    annotation = annotated(clip, shots=[[0, 10], [10, 20], [20, 30], [30, 40]])
    result = Shots().compute(summary_of(clip, [0, 9, 20]), clip, annotation)
    assert result == {"shot_recall": 0.5, "keyframes_per_shot": 0.75}
    assert Shots().compute(summary_of(clip, [10]), clip, annotation)["shot_recall"] == 0.25
    assert Shots().compute(summary_of(clip, []), clip, annotation)["shot_recall"] == 0
    assert Shots().compute(summary_of(clip, [9, 19, 29, 39]), clip, annotation)["shot_recall"] == 1


@given(
    st.sets(st.integers(0, 49), max_size=8).map(sorted),
    st.lists(st.tuples(st.integers(0, 49), st.integers(1, 20)), min_size=1, max_size=6),
)
@settings(max_examples=100, deadline=None)
def test_agrees_with_plain_loops(make_clip, summary_of, annotated, chosen, spans):
    clip = make_clip(50)
    shots = [[start, min(50, start + length)] for start, length in spans]  # in any order, with overlaps and gaps
    result = Shots().compute(summary_of(clip, chosen), clip, annotated(clip, shots=shots))
    counts = [sum(start <= k < end for k in chosen) for start, end in shots]
    assert result["shot_recall"] == pytest.approx(np.mean([c > 0 for c in counts]), abs=1e-6)
    assert result["keyframes_per_shot"] == pytest.approx(np.mean(counts), abs=1e-6)


def test_it_is_not_applied_without_shots(make_clip, annotated):
    clip = make_clip(10)
    assert not Shots().applies(annotated(clip, [1]))
    assert not Shots().applies(annotated(clip, shots=[]))
    assert Shots().applies(annotated(clip, shots=[[0, 10]]))
