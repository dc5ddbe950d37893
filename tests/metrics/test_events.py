"""Key clips against annotated events."""

import re

import numpy as np
import pytest

from keyframe_bench.core.annotation import Annotation
from keyframe_bench.datasets._annotations import read_annotations, write_annotations
from keyframe_bench.metrics.base import Metric
from keyframe_bench.metrics.events import Events


def events(*spans):
    return Annotation(events=np.array(spans, dtype=np.int64).reshape(-1, 2))


def test_by_hand(make_clip, summary_of):
    """One frame a second; the quiet time is 10 s."""
    clip = make_clip(360, fps=1.0)
    annotation = events([20, 40], [100, 110], [205, 209], [340, 350])
    # Clips [30, 40), [60, 70), [200, 210) and [310, 341): three of four events, one clip for nothing.
    found = Events().compute(summary_of(clip, [0, 30, 60, 200, 310, 320, 330, 331]), clip, annotation)
    assert found == {
        "event_recall": 0.75,
        "event_covered": pytest.approx((10 / 20 + 0 + 4 / 4 + 1 / 10) / 4),
        "false_clips_per_h": 10.0,
        "n_clips": 4.0,
        "saved_duration_ratio": pytest.approx((10 + 10 + 10 + 31) / 360),
    }


def test_ends_are_half_open(make_clip, summary_of):
    clip = make_clip(100, fps=1.0)
    found = Events().compute(summary_of(clip, [50]), clip, events([40, 50], [60, 70]))  # the clip is [50, 60)
    assert (found["event_recall"], found["false_clips_per_h"]) == (0.0, 36.0)
    found = Events().compute(summary_of(clip, [50]), clip, events([40, 51], [59, 70]))
    assert (found["event_recall"], found["false_clips_per_h"]) == (1.0, 0.0)


@pytest.mark.parametrize("chosen", [[], [0]])
def test_no_clips(make_clip, summary_of, chosen):
    clip = make_clip(50)
    assert Events().compute(summary_of(clip, chosen), clip, events([3, 9])) == dict.fromkeys(Events.columns, 0.0)


def test_it_is_applied_where_there_are_events(make_clip, annotated):
    assert Events().applies(events([1, 2]))
    assert not Events().applies(events())
    assert not Events().applies(annotated(make_clip(9), [1], shots=[[0, 9]]))
    assert not Metric.registry.build("shots").applies(events([1, 2]))


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
        numbers = {name: record["metrics"][name] for name in Events.columns}
        assert 0 < numbers["event_recall"] <= 1 and 0 < numbers["saved_duration_ratio"] <= 1, numbers
