"""`kfs_bench`: what the published files say, with and without the videos."""

from __future__ import annotations

import json

import pytest

from keyframe_bench import Dataset, UsageError

LINES = ("vid-a_0,0,4,0:00:12,0:00:13", "a_b_1,0,2,38:11,38:11 ", "a_b_1,1,2,0:05,0:10", "a_b_1,2,7,1:00:00,1:00:03")


def made(root, *lines, durations=None, **params):
    root.mkdir(exist_ok=True)
    (root / "lvb_anno.csv").write_text("\n".join(["id,segment_id,scene_id,start,end", *lines, ""]))
    (root / "lvb_durations.json").write_text(json.dumps(durations or {"a_b_1": 3700.5}))
    return Dataset.registry.build("kfs_bench", {"root": str(root), **params})


def test_scenes_are_in_seconds_with_one_more_at_the_end(tmp_path):
    known = made(tmp_path, *LINES, durations={"a_b_1": 3700.5, "c_0": 8}).published()
    assert {name: (about.video, about.duration_s) for name, about in known.items()} == {
        "vid-a_0": ("vid-a", 0.0),
        "a_b_1": ("a_b", 3700.5),
        "c_0": ("c", 8.0),
    }
    assert known["c_0"].annotation is None
    scenes = known["a_b_1"].annotation.scenes
    assert [scene.tolist() for scene in scenes] == [[[2291, 2292], [5, 11]], [[3600, 3604]]]


def test_questions_about_one_video_stay_together(tmp_path):
    data = made(tmp_path, *LINES, "a_b_0,0,1,0:01,0:02", "gone_0,0,1,0:01,0:02")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a_b.mp4").write_bytes(b"not decoded here")
    items = data.videos()
    assert [(item.id, item.path.name, item.group) for item in items] == [(f"a_b_{i}", "a_b.mp4", "a_b") for i in (0, 1)]
    before = data.revision()
    assert made(tmp_path, *LINES, "a_b_0,0,1,0:01,0:03").revision() != before


@pytest.mark.parametrize("line", ["a_0,0,1,12,0:13", "a_0,0,1,0:1x,0:13", "a_0,0,1,0:14,0:12", "a_0,0"])
def test_damaged_lines_are_refused(tmp_path, line):
    with pytest.raises(UsageError, match=r"lvb_anno\.csv.* cannot be read"):
        made(tmp_path, line).published()


def test_nothing_there_names_layout_and_page(tmp_path):
    data = Dataset.registry.build("kfs_bench", {"root": str(tmp_path)})
    with pytest.raises(UsageError) as caught:
        data.videos()
    assert data.layout in str(caught.value) and data.page in str(caught.value)


@pytest.mark.data
def test_the_real_files(data_root):
    every = Dataset.registry.build("kfs_bench", {"root": str(data_root / "kfs_bench")}).published()
    known = {name: about for name, about in every.items() if about.annotation is not None}
    assert len(every) == 1337  # those without scenes have picks too
    scenes = [scene for about in known.values() for scene in about.annotation.scenes]
    assert (len(known), len(scenes), sum(map(len, scenes))) == (1291, 1778, 2297)
    for about in known.values():
        assert max(scene.max() for scene in about.annotation.scenes) < about.duration_s + 2
