"""The data set `folder`: which files it takes, and what it says when something is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from keyframe_bench.core.annotation import Annotation, UserSummary
from keyframe_bench.core.errors import UsageError
from keyframe_bench.datasets._annotations import write_annotations
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.video.frame_folder import FrameFolder


def folder(**params):
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in params.items()}
    return Dataset.registry.build("folder", plain)


def put(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not decoded here")


def ids(dataset):
    return [item.id for item in dataset.videos()]


def test_every_video_below_the_root_sorted(tmp_path):
    names = ["b.mp4", "A.MKV", "sub/deep/c.MoV", "sub.avi"]
    names += [f"x.{end}" for end in ("webm", "ts", "ogv", "flv", "3gp", "m4v", "mts", "mpg", "mpeg", "wmv")]
    put(tmp_path, *names)
    put(tmp_path, "notes.txt", "mp4", ".hidden.mp4", ".git/x.mp4", "sub/.tmp-1.mp4", "picture.jpg", "b.mp4.part")
    (tmp_path / "folder.mp4").mkdir()
    items = folder(root=tmp_path).videos()
    assert [item.id for item in items] == sorted(names)
    assert all(item.path == tmp_path / item.id and item.annotation is None for item in items)


@pytest.mark.parametrize(
    "name", ["-rf.mp4", "a b.mp4", 'it\'s "it".mp4', "a=b,c(d).mp4", "<script>.mp4", "${x}.mp4", "*.mp4", "a\nb.mp4"]
)
def test_odd_names_and_their_annotations(tmp_path, name):
    put(tmp_path, f"day {name}/{name}")
    write_annotations(tmp_path / "annotations.json", {f"day {name}/{name}": Annotation(shots=np.array([[0, 3]]))})
    (item,) = folder(root=tmp_path).videos()
    assert item.id == f"day {name}/{name}" and item.path.is_file() and item.annotation.shots.tolist() == [[0, 3]]


def test_a_name_that_is_not_utf8_gets_a_printable_id(tmp_path):
    try:
        put(tmp_path, os.fsdecode(b"caf\xe9.mp4"))
    except OSError:
        pytest.skip("this file system only has UTF-8 names")
    (item,) = folder(root=tmp_path).videos()
    assert item.id == "caf\\xe9.mp4" and item.path.is_file() and folder(root=tmp_path).revision()


def test_links_loops_and_pipes(tmp_path):
    put(tmp_path, "real/a.mp4")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "linked.mp4").symlink_to(tmp_path / "real" / "a.mp4")
    (tmp_path / "broken.mp4").symlink_to(tmp_path / "gone.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    # A broken link stays: it is reported as unreadable, not silently missing from the averages.
    assert ids(folder(root=tmp_path)) == ["broken.mp4", "linked.mp4", "real/a.mp4"]


def test_pattern_chooses_by_the_path(tmp_path):
    put(tmp_path, "day1/a.mp4", "day2/a.mp4", "day2/b.mkv")
    write_annotations(tmp_path / "annotations.json", {"day1/a.mp4": Annotation()})  # not chosen, but no error
    assert ids(folder(root=tmp_path, pattern="day2/*")) == ["day2/a.mp4", "day2/b.mkv"]
    assert ids(folder(root=tmp_path, pattern="*.mp4")) == ["day1/a.mp4", "day2/a.mp4"]
    with pytest.raises(UsageError, match="none of the 3 videos matches pattern='day3/\\*'"):
        folder(root=tmp_path, pattern="day3/*").videos()


def test_annotations_by_default_and_by_name(tmp_path):
    put(tmp_path / "v", "a.mp4", "b.mp4")
    annotation = Annotation(users=(UserSummary("anna", times=np.array([0.5, 2.0])),), events=np.array([[1, 4]]))
    write_annotations(tmp_path / "v" / "annotations.json", {"b.mp4": annotation})
    write_annotations(tmp_path / "other.json", {"a.mp4": annotation})
    first, second = (item.annotation for item in folder(root=tmp_path / "v").videos())
    assert first is None and second.users[0].times.tolist() == [0.5, 2.0] and second.events.tolist() == [[1, 4]]
    first, second = folder(root=tmp_path / "v", annotations=tmp_path / "other.json").videos()
    assert first.annotation is not None and second.annotation is None


def test_wrong_annotations_are_errors(tmp_path):
    put(tmp_path, "a.mp4")
    for ask in ("videos", "revision"):
        with pytest.raises(UsageError, match=r"no\.json"):
            getattr(folder(root=tmp_path, annotations=tmp_path / "no.json"), ask)()
    write_annotations(tmp_path / "annotations.json", {"A.mp4": Annotation()})
    with pytest.raises(UsageError, match=r"annotations.json.*no video 'A.mp4'.*did you mean a.mp4"):
        folder(root=tmp_path).videos()


@pytest.mark.parametrize("ask", ["videos", "revision"])
def test_wrong_roots_name_the_way_out(tmp_path, ask):
    put(tmp_path, "file.mp4", "texts/a.txt")
    cases = {
        None: "needs the folder",
        str(tmp_path / "nowhere"): "does not exist",
        str(tmp_path / "file.mp4"): "is not a folder",
        str(tmp_path / "texts"): "no video below",
    }
    for root, words in cases.items():
        with pytest.raises(UsageError, match=words) as caught:
            getattr(folder(root=root), ask)()
        assert "dataset.root=DIR" in str(caught.value)
        assert root is None or root in str(caught.value)


def test_an_unreadable_folder_is_an_error_not_a_smaller_data_set(tmp_path, monkeypatch):
    put(tmp_path, "a.mp4", "locked/b.mp4")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)  # chmod does not stop root
    with pytest.raises(UsageError, match=r"locked.*Permission denied"):
        folder(root=tmp_path).videos()


def test_revision_follows_names_and_annotations(tmp_path):
    put(tmp_path, "a.mp4")
    seen = [folder(root=tmp_path).revision()]
    assert folder(root=tmp_path).revision() == seen[0]
    put(tmp_path, "b.mp4")
    seen.append(folder(root=tmp_path).revision())
    for shots in ([[0, 3]], [[0, 4]]):
        write_annotations(tmp_path / "annotations.json", {"a.mp4": Annotation(shots=np.array(shots))})
        seen.append(folder(root=tmp_path).revision())
    assert len(set(seen)) == len(seen)
    copy = tmp_path.parent / "copy"
    tmp_path.rename(copy)
    assert folder(root=copy).revision() == seen[-1]  # the place does not matter


@pytest.mark.data
def test_real_folders_are_listed(data_root):
    found = ids(folder(root=data_root / "videos"))
    assert {"surveillance/one_by_one_person.mp4", "edited/big_buck_bunny_30s.mp4"} <= set(found)
    assert any(Path(name).name.startswith("-") for name in found)


def test_folders_of_pictures_are_videos_beside_files(tmp_path):
    put(tmp_path, "film.mp4", "film.jpg", "a/1.jpg", "b/deep/2.PNG", "b/notes.txt", "films/x.mkv", "films/cover.jpg")
    put(tmp_path, "c/.1.jpg", ".d/1.jpg", "out/keyframes.json", "out/1.jpg", "run/run.json", "run/thumbs/0/1.jpg")
    put(tmp_path, "new/cells/1.json", "new/thumbs/0/1.jpg")
    (tmp_path / "e").symlink_to(tmp_path / "a")
    write_annotations(tmp_path / "annotations.json", {"a": Annotation(shots=np.array([[0, 1]]))})
    items = folder(root=tmp_path).videos()
    assert [item.id for item in items] == ["a", "b/deep", "film.mp4", "films/x.mkv"]
    assert items[0].annotation is not None
    assert items[0].path == FrameFolder(tmp_path / "a")
    chosen = folder(root=tmp_path, fps=12, times="names", pattern="b*")
    assert [item.path for item in chosen.videos()] == [FrameFolder(tmp_path / "b" / "deep", 12, "names")]


def test_pictures_in_the_root_are_one_video_where_there_is_nothing_else(tmp_path):
    root = tmp_path / "frames"
    put(root, "1.jpg", "2.jpg")
    assert ids(folder(root=root)) == ["frames"]
    put(root, "more/1.jpg")
    assert ids(folder(root=root)) == ["more"]


@pytest.mark.parametrize("option", [{"fps": 25}, {"times": "names"}])
def test_a_rate_for_video_files_is_refused(tmp_path, option):
    put(tmp_path, "film.mp4")
    with pytest.raises(UsageError, match="folders of images"):
        folder(root=tmp_path, **option).videos()


def test_videos_of_one_camera_are_a_group_in_natural_order(tmp_path):
    put(tmp_path / "yard", "cam_10.mp4", "cam_2.mp4", "day/cam_1.mp4", "cam_3/1.jpg")
    assert [item.group for item in folder(root=tmp_path / "yard").videos()] == [""] * 4
    items = folder(root=tmp_path / "yard", camera=True).videos()
    assert [item.id for item in items] == ["cam_2.mp4", "cam_3", "cam_10.mp4", "day/cam_1.mp4"]
    assert {item.group for item in items} == {"yard"}


def test_a_camera_may_be_one_file(tmp_path):
    put(tmp_path, "cam.mp4", "other.mp4")
    known = {name: Annotation(shots=np.array([[0, 3]])) for name in ("cam.mp4", "other.mp4")}
    write_annotations(tmp_path / "annotations.json", known)
    (item,) = folder(root=tmp_path / "cam.mp4", camera=True).videos()
    assert (item.id, item.path) == ("cam.mp4", tmp_path / "cam.mp4") and item.annotation is not None
    for root, camera in ((tmp_path / "cam.mp4", False), (tmp_path / "none.mp4", True)):
        with pytest.raises(UsageError, match="root"):
            folder(root=root, camera=camera).videos()
