"""What the key of a training holds: two trainings that may give other files never share one, equal ones do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import keyframe_bench as kb
from keyframe_bench.bench.train import Training, train, trainable
from keyframe_bench.core.checkpoint import read_record
from keyframe_bench.core.registry import load_plugins
from keyframe_bench.datasets.base import VideoItem
from keyframe_bench.datasets.folder import Folder
from keyframe_bench.models.base import Loss, Network

LEVEL = """
import numpy as np
import keyframe_bench as kb

@kb.register("level")
class Level(kb.Feature):
    def compute(self, frames):
        return np.array([{} * frame.luma(2, 2).mean() for frame in frames])
"""


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Four videos of four images."""
    rng = np.random.default_rng(0)
    for name in "abcd":
        (tmp_path / "videos" / name).mkdir(parents=True)
        for i in range(4):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(
                tmp_path / "videos" / name / f"{i}.png"
            )
    return tmp_path / "videos"


@pytest.fixture
def made(data, tmp_path, usual_picture):
    """A training of it."""

    def make(root: Path, split: str, out: str = "out", seed: int = 0, extractor: str = "usual_picture", **given: Any):
        read, options = data("folder", root, split, **given), trainable(extractor).Options.build({})
        return Training(extractor=extractor, options=options, data=read, out=tmp_path / out, seed=seed)

    return make


@pytest.mark.parametrize("split", ["temporal:0.5", "frames:0.5"])
def test_whether_videos_are_one_camera(made, videos, split) -> None:
    keys = {made(videos, split, camera=camera).key for camera in (True, False)}
    assert len(keys) == 2
    moved = shutil.move(videos, videos.with_name("moved"))
    assert {made(Path(moved), split, camera=camera).key for camera in (True, False)} == keys


@pytest.mark.parametrize("part", [Folder, Network.registry.get("ae_final"), Loss.registry.get("l2")])
def test_the_versions_of_data_set_network_and_loss(training, part, monkeypatch) -> None:
    before = training().key
    monkeypatch.setattr(part, "version", part.version + 1)
    assert training().key != before


def test_the_code_of_a_feature(made, usual_picture, videos, tmp_path) -> None:
    keys = set()
    usual_picture.needs = property(lambda _: (kb.Feature.registry.build("level"),))
    for number in (1, 2):
        file = tmp_path / f"level{number}.py"
        file.write_text(LEVEL.format(number))
        load_plugins([str(file)])
        keys.add(made(videos, "videos:0.5").key)
        kb.Feature.registry._entries.pop("level")
    assert len(keys) == 2


@pytest.mark.parametrize("change", [{"shots": [[0, 3]]}, {"events": [[0, 2]]}, {"users": {"v": {"frames": [1]}}}])
def test_everything_that_annotators_say(made, usual_picture, videos, change) -> None:
    usual_picture.supervision = "users"
    told = {"users": {"u": {"frames": [1]}}, "shots": [[0, 4]], "events": [[1, 2]]}
    keys = set()
    for said in (told, {**told, **change}):
        document = {"format": "keyframe_bench/annotations@1", "videos": {"a": said, "b": told}}
        (videos / "annotations.json").write_text(json.dumps(document))
        keys.add(made(videos, "videos:0.5").key)
    assert len(keys) == 2


def test_equal_keys_have_equal_files(made, videos, tmp_path) -> None:
    """Neither a seed that nothing is drawn from, nor the place of a split's file, nor a fold of one is told."""
    folds = [{"train": ["a", "b"], "test": ["c", "d"]}]
    found = []
    for number, folder in enumerate(("one", "other")):
        (tmp_path / folder).mkdir()
        split = tmp_path / folder / "split.json"
        split.write_text(json.dumps({"format": "keyframe_bench/split@1", "folds": folds}))
        found.append(made(videos, str(split), folder, seed=number))
    assert found[0].key == found[1].key
    files = [train(training).best for training in found]
    assert files[0].read_bytes() == files[1].read_bytes()
    record = read_record(files[0], "usual_picture")
    assert (record["seed"], record["fold"]) == (0, None)
    assert record["split"].startswith("split.json@") and record["data"]["split"] == record["split"]
    first, second = (made(videos, "kfold:2", f"out{fold}", fold=fold) for fold in (0, 1))
    assert first.key != second.key and [train(one).record["fold"] for one in (first, second)] == [0, 1]


def test_files_and_groups_hold_together_by_any_chain(made, videos, monkeypatch) -> None:
    """A (group 1); B (group 2), a copy of A; C (group 2): all three are one group."""
    shutil.copytree(videos / "a", videos / "a_copy")
    groups = {"a": "1", "a_copy": "2", "b": "2", "c": "", "d": ""}
    listed = Folder.videos
    monkeypatch.setattr(
        Folder, "videos", lambda self: [VideoItem(i.id, i.path, group=groups[i.id]) for i in listed(self)]
    )
    data = made(videos, "videos:0.5").data
    assert [item.group for item in data.items] == ["1", "1", "1", "c", "d"]
    file = videos.parent / "split.json"
    for train_on, held in ((["a", "c"], ["a_copy", "d"]), (["a", "c"], ["b", "d"])):
        folds = [{"train": train_on, "test": held}]
        file.write_text(json.dumps({"format": "keyframe_bench/split@1", "folds": folds}))
        with pytest.raises(kb.UsageError, match=f"'a' in train and '{held[0]}' in test, which belong together"):
            _ = made(videos, str(file)).key
