"""Where key frames fall among annotated scenes: by hand, and many draws at once."""

import numpy as np
import pytest

from keyframe_bench.core.annotation import Annotation
from keyframe_bench.metrics.scenes import scene_scores

A, B = np.array([[0.0, 2.0], [10.0, 12.0]]), np.array([[20.0, 32.0]])  # 4 and 12 s


@pytest.mark.parametrize(
    ("times", "rate", "hit", "recall", "similarity"),
    [
        ([5.0, 15.0], 0, 0, 0, 0),  # beside all of them
        ([1.0, 21.0], 1, 1, 1, 1),  # one each: power 0
        ([1.0, 21.0, 22.0, 23.0], 1, 1, 1, 1),  # as they are long: power 1
        ([2.0, 10.0, 20.0, 32.0], 1, 1, 1, 1),  # both ends count
        ([1.0, 5.0, 5.0, 5.0], 0.25, 0.5, 0.5, np.sqrt(0.5)),
        (
            [1.0, 1.0, 1.0, 21.0],
            1,
            1,
            0.5,
            4 / np.sqrt(20),
        ),  # repeated times count; two were due to B
        ([1.0, 11.0, 11.5], 1, 0.5, 0.5, np.sqrt(0.5)),  # intervals of one scene
    ],
)
def test_by_hand(times, rate, hit, recall, similarity):
    found = scene_scores(np.array(times), (A, B))
    values = [rate, hit, recall, similarity, max(0.01, (rate * recall * similarity) ** (1 / 3))]
    assert [float(value) for value in found.values()] == pytest.approx(values)


def test_a_key_frame_in_two_scenes_counts_for_both_and_is_one_hit():
    found = scene_scores(np.array([1.0, 50.0]), (A, np.array([[0.5, 1.5]])))
    assert (found["key_frame_rate"], found["scene_hit_rate"]) == (0.5, 1.0)


def test_draws_are_scored_at_once():
    draws = np.random.default_rng(0).uniform(0, 40, (50, 3, 8))
    together = scene_scores(draws, (A, B))
    for i in np.ndindex(50, 3):
        alone = scene_scores(draws[i], (A, B))
        assert [together[name][i] for name in alone] == pytest.approx([float(value) for value in alone.values()])


def test_without_key_frames_or_scenes(make_clip, score):
    clip = make_clip(400)
    for frames, annotation in (([], Annotation(scenes=(A, B))), ([1, 2], Annotation()), ([1], None)):
        assert list(score("scenes", clip, frames, annotation).values()) == [0, 0, 0, 0, 0.01]


def test_a_run_measures_it_where_a_question_has_scenes(make_clip, score):
    clip = make_clip(400)  # 40 s
    annotation = Annotation(scenes=(A, B)).aligned(clip.times, "v")
    assert score("scenes", clip, [10, 210], annotation)["ukss"] == pytest.approx(1)
