"""`something_v2`: the layout of Something-Something V2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keyframe_bench import Dataset, UsageError


def build(root: Path, **params: Any) -> Any:
    return Dataset.registry.build("something_v2", {"root": str(root), **params})


def put(root: Path, prefix: str = "", **parts: Any) -> None:
    (root / "labels").mkdir()
    for part, ids in parts.items():
        entries = [{"id": str(i), "label": f"holding {i}", "template": "Holding [something]"} for i in ids]
        (root / "labels" / f"{prefix}{part}.json").write_text(json.dumps(entries))
    (root / "labels" / "labels.json").write_text(json.dumps({"Holding something": "0"}))
    (root / "20bn").mkdir()


@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
def test_parts_are_those_of_the_json_files(tmp_path, prefix, video):
    put(tmp_path, prefix, train=range(4), validation=[7, 8], test=[9])
    for number in (0, 1, 3, 7, 9):
        (tmp_path / "20bn" / f"{number}.webm").write_bytes(video.read_bytes())
    data = build(tmp_path)
    assert [(item.id, item.part) for item in data.videos()] == [
        ("0", "train"),
        ("1", "train"),
        ("3", "train"),
        ("7", "validation"),
    ]
    assert data.published()["8"].title == "holding 8" and data.usual_split == "given"
    assert data.verify() == ["2: the video is absent (holding 2)", "8: the video is absent (holding 8)"]
    elsewhere = build(tmp_path / "20bn", annotations=str(tmp_path / "labels"))
    assert len(elsewhere.videos()) == 4


def test_fewer_videos_are_spread_over_the_list(tmp_path):
    put(tmp_path, train=range(10), validation=range(20, 24))
    data = build(tmp_path, n_train=2, n_validation=1)
    assert sorted(data.published()) == ["2", "22", "7"]


def test_missing_and_damaged_lists_are_named(tmp_path):
    put(tmp_path)
    with pytest.raises(UsageError, match=r"no train\.json"):
        build(tmp_path).videos()
    (tmp_path / "labels" / "train.json").write_text('[{"label": "no id"}]')
    with pytest.raises(UsageError, match=r"train\.json"):
        build(tmp_path).videos()
