"""The data set `image_folder`: photographs as videos, one per folder."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import keyframe_bench as kb
from keyframe_bench.core.errors import UsageError
from keyframe_bench.datasets.base import Dataset


def image_folder(root):
    return Dataset.registry.build("image_folder", {"root": None if root is None else str(root)})


def put(root, *names):
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((6 + i, 8, 3), i, dtype=np.uint8)).save(path)


def test_one_video_per_folder_that_holds_pictures(tmp_path):
    put(tmp_path, "cats/1.jpg", "cats/2.png", "cats/old/3.jpg", "dogs/10.jpg", "dogs/9.jpg", "top.jpg", ".x/1.jpg")
    (tmp_path / "cats" / "notes.txt").write_text("no image")
    items = image_folder(tmp_path).videos()
    assert [item.id for item in items] == [".", "cats", "cats/old", "dogs"]
    assert all(item.photographs and item.group == "" and item.part == "" for item in items)
    files = [file.relative_to(tmp_path).as_posix() for item in items for file in item.path.files()]
    assert files == ["top.jpg", "cats/1.jpg", "cats/2.png", "cats/old/3.jpg", "dogs/9.jpg", "dogs/10.jpg"]


def test_sizes_and_numbers_are_no_problem_of_photographs(tmp_path):
    put(tmp_path, "a1.jpg", "a2.jpg", "a9.jpg", "b1.jpg")
    (item,) = image_folder(tmp_path).videos()
    found = kb.extract(item.path, "uniform", budget=4, sampling="every")
    assert found.health["problems"] == [] and found.health["size_changes"] == 0
    assert found.times.tolist() == [0, 1, 2, 3]
    (tmp_path / "a2.jpg").write_bytes(b"")
    found = kb.extract(item.path, "uniform", budget=3, sampling="every")
    assert "a2.jpg" in " ".join(found.health["problems"]) and found.times.tolist() == [0, 2, 3]


def test_revision_and_caption(tmp_path):
    put(tmp_path / "photos", "1.jpg")
    data = image_folder(tmp_path / "photos")
    before = data.revision()
    assert data.caption == "photos"
    put(tmp_path / "photos", "1.jpg", "2.jpg")
    assert data.revision() != before
    names = ["001.ak47", *(f"{i:03d}.x" for i in range(2, 256)), "256.toad"]
    for name in names:
        (tmp_path / "c" / name).mkdir(parents=True)
        (tmp_path / "c" / name / "1.jpg").write_bytes(b"not looked at")
    assert image_folder(tmp_path / "c").caption == "part of Caltech 256"


def test_bad_folders(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for name, said in (
        (None, "dataset.root"),
        ("no", "does not exist"),
        ("file", "not a folder"),
        ("empty", "no image"),
    ):
        with pytest.raises(UsageError, match=said):
            image_folder(name and tmp_path / name).videos()


def test_run_takes_it(cli, tmp_path):
    put(tmp_path / "p", "cats/1.jpg", "cats/2.jpg", "dogs/1.jpg")
    words = ["run", "dataset=image_folder", f"dataset.root={tmp_path}/p", f"out={tmp_path}/out", "extractors=[uniform]"]
    status, out, err = cli(*words, "budget=1")
    assert (status, err) == (0, "") and "4 of 4 cells computed now" in out
