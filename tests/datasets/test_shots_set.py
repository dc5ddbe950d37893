"""`shots`: the formats of AutoShot and ClipShots."""

from __future__ import annotations

import json

import pytest

from keyframe_bench import Dataset, UsageError


def put(root, name, text="x"):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text if isinstance(text, str) else json.dumps(text))


def build(root, **params):
    return Dataset.registry.build("shots", {"root": str(root), **params})


def shots(items):
    return {item.id: None if item.annotation is None else item.annotation.shots.tolist() for item in items}


def test_first_and_last_frame_a_line(tmp_path):
    for name in ("a.mp4", "b.mp4", "frames/1.jpg", "empty.mp4"):
        put(tmp_path, name)
    put(tmp_path, "a.txt", "0 9\n10 19\n25 29\n")  # frames 20 to 24 are a dissolve
    put(tmp_path, "frames.txt", "0 0\n")
    put(tmp_path, "empty.txt", "\n")
    put(tmp_path, "README.txt", "no list, as no video is called so")
    expected = {"a": [[0, 10], [10, 20], [25, 30]], "b": None, "empty": [], "frames": [[0, 1]]}
    data = build(tmp_path)
    assert shots(data.videos()) == expected and data.published()["a"].n_frames == 30
    assert "b: the annotation is absent" in data.verify()


def test_a_list_that_ends_before_its_video(tmp_path, video):
    (tmp_path / "a.mp4").write_bytes(video.read_bytes())
    put(tmp_path, "a.txt", "0 9\n10 28\n")
    (problem,) = build(tmp_path).verify()
    assert "a: " in problem and "29 frames" in problem and "30" in problem


def test_transitions_of_clipshots(tmp_path):
    entries = {
        "a.mp4": {"transitions": [[9, 10], [19, 25]], "frame_num": 30.0},
        "odd.mp4": {
            "transitions": [[20, 21], [0, 1], [5, 12], [8, 9]],
            "frame_num": 25,
        },  # not in order, and one inside
        "none.mp4": {"transitions": [], "frame_num": 0},
        "still.mp4": {"transitions": [], "frame_num": 7},
        "absent.mp4": {"transitions": [], "frame_num": 7},
    }
    for name in ("a", "odd", "none", "still"):
        put(tmp_path, f"videos/train/{name}.mp4")
    put(tmp_path, "videos/test/t.mp4")
    put(tmp_path, "annotations/train.json", entries)
    put(tmp_path, "annotations/test.json", {"t.mp4": entries["a.mp4"]})
    put(tmp_path, "annotations/only_gradual.json", {"a.mp4": "not read"})
    items = build(tmp_path).videos()
    cut = [[0, 10], [10, 20], [25, 30]]
    odd = [[0, 1], [1, 6], [12, 21], [21, 25]]
    assert shots(items) == {"a": cut, "none": None, "odd": odd, "still": [[0, 7]], "t": cut}
    assert {item.id: item.part for item in items} == {"t": "validation"} | dict.fromkeys(
        ("a", "none", "odd", "still"), "train"
    )
    assert "absent: the video is absent" in build(tmp_path).verify()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 9\n9 12\n", "line 2"),
        ("5 4\n", "line 1"),
        ("0 9 12\n", "line 1"),
        ("0 9\n\n-1 3\n", "line 3"),
        ("0,9", "line 1"),
    ],
)
def test_wrong_lines_are_named(tmp_path, text, words):
    put(tmp_path, "a.mp4")
    put(tmp_path, "a.txt", text)
    with pytest.raises(UsageError, match=rf"a\.txt.*{words}"):
        build(tmp_path).videos()


def test_what_is_no_list(tmp_path):
    put(tmp_path, "a.mp4")
    with pytest.raises(UsageError, match=r"no video .* has a list of shots.*NAME\.txt"):
        build(tmp_path).videos()
    for wrong in ([], {"a": 1}, {"a": {"transitions": [[1]], "frame_num": 3}}, {"a": {"frame_num": 3}}):
        put(tmp_path, "lists.json", wrong)
        with pytest.raises(UsageError, match=r"lists\.json.*cannot be read"):
            build(tmp_path).videos()
    (tmp_path / "lists.json").unlink()
    put(tmp_path, "b/a.avi")
    with pytest.raises(UsageError, match="one name"):
        build(tmp_path).videos()


@pytest.mark.data
def test_autoshot(data_root):
    items = build(data_root / "autoshot").videos()
    lists = [(data_root / "autoshot" / f"{item.id}.txt").read_text().split() for item in items]
    assert len(items) == 88 and sum(len(item.annotation.shots) for item in items) == 1867
    for item, numbers in zip(items, lists, strict=True):
        ends = item.annotation.shots - [0, 1]
        assert ends.ravel().tolist() == list(map(int, numbers))
