"""The files of a map, and the order that is measured in it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

import keyframe_bench as kb
from keyframe_bench.core.errors import OutputError
from keyframe_bench.report import map as map_module
from keyframe_bench.video.decode import VideoReader


def test_a_map_that_cannot_be_written_leaves_the_one_before_whole(rendered, tmp_path, monkeypatch):
    monkeypatch.setattr(map_module, "INSIDE_BYTES", 1000)
    out = tmp_path / "map.html"

    def state():
        return {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def disk_full(self, target, replace=Path.replace):
        if Path(target) == out:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    for earlier in (False, True):
        if earlier:
            kb.map_videos([rendered / "mixed.mp4"], "uniform", out=out, budget=6)
        before = state()
        with monkeypatch.context() as failing:
            failing.setattr(Path, "replace", disk_full)
            with pytest.raises(OutputError):
                kb.map_videos([rendered / "cuts.mp4"], "uniform", out=out, budget=3)
        assert state() == before and (out.exists() == earlier) and (len(before) > 6) == earlier
    kb.map_videos([rendered / "mixed.mp4"], "uniform", out=out, budget=6)
    assert state() == before  # the same map again


def test_order_is_measured_from_left_to_right_in_every_video(rendered, tmp_path):
    """Not along an axis of each video's own."""
    paths = [rendered / "cuts.mp4", rendered / "mixed.mp4"]
    found = kb.map_videos(paths, "uniform", out=tmp_path / "two.html", budget=10, sampling="every")
    times = [kb.extract(path, "uniform", budget=10, sampling="every").times for path in paths]
    for layout in found.layouts:
        each = [abs(spearmanr(layout.points[10 * i : 10 * i + 10, 0], t).statistic) for i, t in enumerate(times)]
        assert layout.order == pytest.approx(np.mean(each))


def test_the_preview_shows_the_frames_of_its_segment(rendered, tmp_path):
    """The middle of each preview resembles the key frame more than any other key frame of another shot."""
    out = tmp_path / "one.html"
    page = kb.map_videos([rendered / "cuts.mp4"], "uniform", out=out, budget=12, sampling="every").out.read_text(
        "utf-8"
    )
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    (tmp_path / "film.mp4").write_bytes(base64.b64decode(data["videos"][0]["film"].partition(",")[2]))
    with VideoReader(tmp_path / "film.mp4") as reader:
        shown = np.stack([frame.rgb(24, 32) for frame in reader]).astype(float)
    with VideoReader(rendered / "cuts.mp4") as reader:
        source = np.stack([frame.rgb(24, 32) for frame in reader]).astype(float)
    assert round(data["previews"][-1][1] * 10) == len(shown)
    for frame, (first, last) in zip(data["frames"], data["previews"], strict=True):
        part = shown[round(first * 10) : round(last * 10)]
        nearest = np.abs(part[:, None] - source[None]).mean(axis=(2, 3, 4)).argmin(axis=1)
        assert np.abs(nearest - frame).max() <= 10 and (np.abs(part - source[frame]).mean(axis=(1, 2, 3)) < 12).any()
