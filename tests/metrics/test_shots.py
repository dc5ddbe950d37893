"""Shots, shots shown again, and events: by hand (test_plain_loops.py compares them with loops)."""

import re

import numpy as np
import pytest

from keyframe_bench.core.annotation import Annotation
from keyframe_bench.datasets._annotations import read_annotations, write_annotations
from keyframe_bench.metrics.base import Metric

TENS = [[0, 10], [10, 20], [20, 30], [30, 40]]
WITH_A_GAP = [[0, 10], [10, 20], [25, 40]]


def events(*spans):
    return Annotation(events=np.array(spans, dtype=np.int64).reshape(-1, 2))


@pytest.mark.parametrize(
    ("name", "shots", "frames", "expected"),
    [
        ("shots", TENS, [0, 9, 20], [0.5, 4 / 7, 0.75]),
        ("shots", TENS, [10], [0.25, 0.4, 0.25]),  # ends are outside
        ("shots", TENS, [9, 19, 29, 39], [1, 1, 1]),
        ("shots", TENS, [], [0, 0, 0]),
        ("shots", WITH_A_GAP, [21, 22], [0, 0, 0]),
        # A key frame in two shots hits both, and is the match of one.
        ("shots", [[0, 20], [10, 30]], [12], [1, 2 / 3, 1]),
        ("repetition", WITH_A_GAP, [0, 9, 10, 39], [0.25, 4 / 3]),
        ("repetition", WITH_A_GAP, [9, 10], [0, 1]),
        ("repetition", WITH_A_GAP, [1, 2], [0.5, 2]),
        ("repetition", WITH_A_GAP, [21, 22], [0, 0]),  # outside shots nothing is repeated
        ("repetition", WITH_A_GAP, [1, 2, 21, 22], [0.25, 2]),
        ("repetition", WITH_A_GAP, [], [0, 0]),
        # A key frame that opens any of its shots is no repetition.
        ("repetition", [[0, 20], [10, 30]], [5, 12], [0, 1.5]),
        ("repetition", [[0, 20], [10, 30]], [5, 12, 15], [1 / 3, 2.5]),
    ],
)
def test_shots_by_hand(make_clip, score, annotated, name, shots, frames, expected):
    clip = make_clip(40)
    assert list(score(name, clip, frames, annotated(clip, shots=shots)).values()) == pytest.approx(expected)


def test_events_by_hand(make_clip, score):
    """One frame a second; the quiet time is 10 s."""
    clip = make_clip(360, fps=1.0)
    annotation = events([20, 40], [100, 110], [205, 209], [340, 350])
    # Clips [30, 40), [60, 70), [200, 210) and [310, 341): three of four events, one clip for nothing.
    assert score("events", clip, [0, 30, 60, 200, 310, 320, 330, 331], annotation) == {
        "event_recall": 0.75,
        "event_covered": pytest.approx((10 / 20 + 0 + 4 / 4 + 1 / 10) / 4),
        "false_clips_per_h": 10.0,
        "n_clips": 4.0,
        "saved_duration_ratio": pytest.approx((10 + 10 + 10 + 31) / 360),
    }


@pytest.mark.parametrize(
    ("frames", "spans", "recall", "false_per_h"),
    [
        ([50], [[40, 50], [60, 70]], 0.0, 36.0),  # the clip is [50, 60): ends are outside
        ([50], [[40, 51], [59, 70]], 1.0, 0.0),
        ([], [[3, 9]], 0.0, 0.0),
        ([0], [[3, 9]], 0.0, 0.0),  # the first frame opens no clip
    ],
)
def test_ends_of_events_and_clips(make_clip, score, frames, spans, recall, false_per_h):
    found = score("events", make_clip(100, fps=1.0), frames, events(*spans))
    assert (found["event_recall"], found["false_clips_per_h"]) == (recall, false_per_h)


@pytest.mark.parametrize(
    ("name", "part"),
    [("shots", "shots"), ("repetition", "shots"), ("events", "events"), ("cus", "users"), ("temporal", "users")],
)
def test_a_metric_is_applied_where_its_part_is_annotated(make_clip, annotated, name, part):
    clip, metric = make_clip(10), Metric.registry.build(name)
    given = {"shots": annotated(clip, shots=[[0, 9]]), "events": events([1, 2]), "users": annotated(clip, [1])}
    assert {of for of, annotation in given.items() if metric.applies(annotation)} == {part}
    assert not any(metric.applies(a) for a in (events(), annotated(clip, shots=[]), annotated(clip, []), None))


def traffic_events(text):
    """DVR-Scan's list: a line an event, its first and its last frame."""
    rows = re.findall(r"^\|\s+\d+ \|\s+(\d+) \|\s+(\d+) \|$", text, re.MULTILINE)
    return events(*((int(first), int(last) + 1) for first, last in rows))


@pytest.mark.data
def test_traffic_camera(cli, cells, data_root, tmp_path):
    """The annotation file takes its events, and a run gives the numbers."""
    source = data_root / "videos" / "surveillance"
    annotation = traffic_events((source / "traffic_camera.txt").read_text())
    assert annotation.events.tolist() == [[10, 149], [359, 491], [543, 576]]
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "traffic_camera.mp4").symlink_to(source / "traffic_camera.mp4")
    write_annotations(tmp_path / "set" / "annotations.json", {"traffic_camera.mp4": annotation})
    again = read_annotations(tmp_path / "set" / "annotations.json")["traffic_camera.mp4"]
    assert again.events.tolist() == annotation.events.tolist()
    words = ["run", "dataset=folder", f"dataset.root={tmp_path}/set", "extractors=[coded_frames]", "budget=free"]
    assert cli(*words, f"out={tmp_path}/out")[0] == 0
    for record in cells(tmp_path / "out").values():
        numbers = {name: record["metrics"][name] for name in Metric.registry.get("events").columns}
        assert 0 < numbers["event_recall"] <= 1 and 0 < numbers["saved_duration_ratio"] <= 1, numbers
