"""`dataset=folder annotations=PICKS.csv`: key frames as lines of a table."""

from __future__ import annotations

import pytest

from keyframe_bench import Dataset, UsageError


def picks(root, text, name="PICKS.csv"):
    (root / "videos/day 1").mkdir(parents=True, exist_ok=True)
    for video in ("a.mp4", "day 1/b.mp4"):
        (root / "videos" / video).write_bytes(b"not decoded here")
    (root / name).write_bytes(text.encode())
    data = Dataset.registry.build("folder", {"root": str(root / "videos"), "annotations": str(root / name)})
    return {item.id: item.annotation for item in data.videos()}


def test_lines_in_any_order(tmp_path):
    lines = (
        "video,user,frame",
        "a.mp4,anna,12",
        "day 1/b.mp4,ben, 4",
        "a.mp4,anna,3",
        "a.mp4,anna,12",
        "",
        "a.mp4,eva,",
    )
    found = picks(tmp_path, "\ufeff" + "\r\n".join(lines))
    assert [(user.name, user.frames.tolist()) for user in found["a.mp4"].users] == [("anna", [3, 12]), ("eva", [])]
    assert found["day 1/b.mp4"].users[0].frames.tolist() == [4]
    assert [user.name for user in found["a.mp4"].choosers] == ["anna"]


def test_times_in_seconds(tmp_path):
    found = picks(tmp_path, 'video,user,time\n"a.mp4","van Dyk, J.",1.5\na.mp4,"van Dyk, J.",0\n', "p.CSV")
    (user,) = found["a.mp4"].users
    assert (user.name, user.times.tolist(), user.frames) == ("van Dyk, J.", [0, 1.5], None) and found[
        "day 1/b.mp4"
    ] is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "video,user,frame or video,user,time"),
        ("video,user,frames\n", "video,user,frame or video,user,time"),
        ("video,user,frame\na.mp4,anna,1\na.mp4,anna,x\n", "line 3.*frame number"),
        ("video,user,frame\na.mp4,anna,1.5\n", "line 2.*frame number"),
        ("video,user,frame\na.mp4,anna,-1\n", "line 2.*frame number"),
        ("video,user,frame\na.mp4,anna,99999999999999999999\n", "line 2.*frame number"),
        ("video,user,time\na.mp4,anna,nan\n", "line 2.*seconds"),
        ("video,user,time\na.mp4,anna,-0.5\n", "line 2.*seconds"),
        ("video,user,frame\na.mp4,,1\n", "line 2"),
        ("video,user,frame\na.mp4,anna\n", "line 2.*video,user,frame"),
        ("video,user,frame\nA.mp4,anna,1\n", "no video 'A.mp4'.*did you mean a.mp4"),
    ],
)
def test_wrong_lines_are_named(tmp_path, text, words):
    with pytest.raises(UsageError, match=rf"PICKS\.csv.*{words}"):
        picks(tmp_path, text)


def test_other_text(tmp_path):
    (tmp_path / "PICKS.csv").write_bytes(b"video,user,frame\n\xff,anna,1\n")
    data = {"root": str(tmp_path), "annotations": str(tmp_path / "PICKS.csv")}
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(UsageError, match="not CSV in UTF-8"):
        Dataset.registry.build("folder", data).videos()
