"""The annotation file: what is written is read, and everything wrong in it is named."""

from __future__ import annotations

import json

import numpy as np
import pytest

from keyframe_bench.core.annotation import Annotation, UserSummary
from keyframe_bench.core.errors import OutputError, UsageError
from keyframe_bench.datasets._annotations import FORMAT, read_annotations, write_annotations


def plain(annotation):
    """Return an annotation as comparable data."""
    return (
        None if annotation.shots is None else (annotation.shots.dtype.name, annotation.shots.tolist()),
        None if annotation.events is None else (annotation.events.dtype.name, annotation.events.tolist()),
        [
            (u.name, None if u.frames is None else u.frames.tolist(), None if u.times is None else u.times.tolist())
            for u in annotation.users
        ],
    )


def test_round_trip(tmp_path):
    mapping = {
        "a \"b\" 'c', d=e.mp4": Annotation(
            users=(
                UserSummary("anna <3", frames=np.array([1, 5])),
                UserSummary("ben", times=np.array([0.1, 1 / 3, 1e12])),
                UserSummary("nobody", frames=np.zeros(0, dtype=np.int64)),
                UserSummary("aligned", np.array([2]), np.array([0.08])),  # written by frame
            ),
            shots=np.array([[0, 4], [4, 9]]),
            events=np.zeros((0, 2), dtype=np.int64),
        ),
        "-é/\\x.mkv": Annotation(events=np.array([[2, 8], [3, 5]])),
        "none.avi": Annotation(),
    }
    file = tmp_path / "sub" / "annotations.json"
    write_annotations(file, mapping)
    back = read_annotations(file, mapping.keys())
    assert list(back) == list(mapping)
    wanted = [plain(a) for a in mapping.values()]
    wanted[0][2][3] = ("aligned", [2], None)
    assert [plain(a) for a in back.values()] == wanted
    assert len(file.read_text().splitlines()) == 3 + len(mapping)  # one video a line, for readable diffs
    with pytest.raises(OutputError, match="cannot write"):
        write_annotations(file / "below a file", mapping)


def test_a_byte_order_mark_is_accepted(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"format": FORMAT, "videos": {}}), encoding="utf-8-sig")
    assert read_annotations(tmp_path / "a.json") == {}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ([], "not an object"),
        ({"shot": []}, "unknown key 'shot'"),
        ({"shots": None}, "null, not a list"),
        *(({"shots": shots}, "not a pair") for shots in ([[0, 1, 2]], [3, 9], [None])),
        *(({"shots": [[value, 2]]}, "not a frame number") for value in (False, "0", 0.0, -1, 2**63)),
        ({"shots": [[2, 2]]}, "empty"),
        ({"shots": [[0, 5], [4, 9]]}, "overlap or are not in order"),
        ({"events": [[5, 9], [4, 20]]}, "not in order"),
        ({"users": []}, "users"),
        ({"users": {" ": {"frames": []}}}, "name"),
        ({"users": {"anna": [1]}}, "anna"),
        *(({"users": {"anna": keys}}, "either") for keys in ({}, {"frames": [1], "times": [1]})),
        ({"users": {"anna": {"frames": 1}}}, "not a list"),
        *(({"users": {"anna": {"frames": [value]}}}, "not a frame number") for value in (1.5, True, -1)),
        *(({"users": {"anna": {"times": [value]}}}, "not a time") for value in (-0.5, "1", 1.1e12)),
        *(({"users": {"anna": {key: [3, 3]}}}, "not increasing") for key in ("frames", "times")),
    ],
)
def test_every_error_names_file_and_video(tmp_path, entry, words):
    file = tmp_path / "my annotations.json"
    file.write_text(json.dumps({"format": FORMAT, "videos": {"good.mp4": {"shots": [[0, 9]]}, "film 2.mp4": entry}}))
    with pytest.raises(UsageError, match=words) as caught:
        read_annotations(file)
    assert str(file) in str(caught.value)
    assert "'film 2.mp4'" in str(caught.value)
    assert "good.mp4" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *((text, "not valid JSON") for text in ("", "{", "[" * 200_000, '{"a": ' + "9" * 5000 + "}", b"\xff\xfe{}")),
        ("[]", "not an object"),
        ('{"format": "keyframe_bench/annotations@2", "videos": {}}', "annotations@2"),
        (f'{{"format": "{FORMAT}", "videos": []}}', "videos"),
        (f'{{"format": "{FORMAT}", "videos": {{}}, "video": 1}}', "unknown key 'video'"),
        (f'{{"format": "{FORMAT}", "videos": {{"a.mp4": {{}}, "a.mp4": {{}}}}}}', "twice"),
        (f'{{"format": "{FORMAT}", "videos": {{"a.mp4": {{"users": {{"x": {{"times": [NaN]}}}}}}}}}}', "NaN"),
        (f'{{"format": "{FORMAT}", "videos": {{"a.mp4": {{"users": {{"x": {{"times": [1e999]}}}}}}}}}}', "Infinity"),
    ],
)
def test_a_broken_file_is_named(tmp_path, text, words):
    file = tmp_path / "a.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=words) as caught:
        read_annotations(file)
    assert str(file) in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path, words in ((tmp_path / "no.json", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=words):
            read_annotations(path)


def test_a_video_that_is_not_there_is_named_with_the_nearest(tmp_path):
    write_annotations(tmp_path / "a.json", {"day1/flim.mp4": Annotation()})
    with pytest.raises(UsageError, match=r"no video 'day1/flim.mp4' in the folder; did you mean day1/film.mp4"):
        read_annotations(tmp_path / "a.json", ["day1/film.mp4", "x.mp4"])
