"""``keyframe-bench map``: what it prints, and bad input."""

from __future__ import annotations

import os
import re

import pytest

import keyframe_bench as kb


def test_it_prints_how_far_time_and_neighbours_are_kept(cli, rendered, tmp_path):
    out = tmp_path / "map.html"
    words = ["extractor=uniform", "budget=20", "sampling=every", "feature=gray?height=6&width=8"]
    status, said, err = cli("map", rendered / "cuts.mp4", rendered / "static.mp4", *words, f"out={out}")
    assert status == 0, err
    rows = [[float(one) for one in line] for line in re.findall(r"^ +(\d+) % +(\S+) +(\S+) +(\S+)$", said, re.M)]
    assert [row[0] for row in rows] == [0, 10, 25, 50, 75]
    assert all(0 <= number <= 1 for row in rows for number in row[1:])
    assert rows[-1][2] > rows[0][2]  # time draws the layout out
    assert "cuts.mp4: 20 key frames by uniform" in said and "static.mp4: 20" in said and str(out) in said
    assert [path.name for path in tmp_path.iterdir()] == ["map.html"]
    again = tmp_path / "again.html"
    assert cli("map", rendered / "cuts.mp4", rendered / "static.mp4", *words, f"out={again}")[0] == 0
    assert again.read_bytes() == out.read_bytes()


def test_it_says_how_far_it_is(cli, rendered, tmp_path, monkeypatch):
    monkeypatch.setattr("keyframe_bench.cli.progress.LINE_EVERY_S", 0.0)
    videos = [rendered / "cuts.mp4", rendered / "static.mp4"]
    status, _, err = cli("map", *videos, "extractor=uniform", "budget=4", f"out={tmp_path / 'map.html'}")
    assert status == 0
    told = re.findall(r"(\d+) of (\d+) (videos|layouts|key frames)", err)
    assert list(dict.fromkeys(told)) == [
        *((str(done), "2", "videos") for done in range(2)),
        *((str(done), "5", "layouts") for done in range(5)),
        *((str(done), "8", "key frames") for done in range(1, 9)),
    ]


def test_its_name_and_a_small_map(cli, rendered, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, said, err = cli("map", rendered / "cuts.mp4", "extractor=uniform", "budget=3")
    assert status == 0, err
    assert "stand in a line" in said and "small map" in said and (tmp_path / "cuts_map.html").is_file()


def test_a_folder_of_images_is_a_video(cli, rendered, tmp_path):
    import cv2

    (tmp_path / "frames").mkdir()
    film = cv2.VideoCapture(str(rendered / "cuts.mp4"))
    for i in range(12):
        cv2.imwrite(str(tmp_path / "frames" / f"{i}.png"), film.read()[1])
    out = tmp_path / "map.html"
    status, said, err = cli("map", tmp_path / "frames", "fps=5", "extractor=uniform", "budget=5", f"out={out}")
    assert status == 0 and "frames: 5 key frames" in said and out.is_file(), err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("nowhere.mp4",), "nowhere.mp4"),
        (("VIDEO", "nowhere.mp4"), "nowhere.mp4"),
        (("taken.html",), "map DIR/*.mp4"),
        (("VIDEO", "VIDEO"), "named twice"),
        (("VIDEO", "feature=gry"), "did you mean gray"),
        (("VIDEO", "feature=gray?depth=3"), "depth"),
        (("VIDEO", "feature=motion_energy"), "no row of numbers per frame"),
        (("VIDEO", "out=map.txt"), ".html"),
        (("VIDEO", "out=taken.html"), "taken.html"),
        (("VIDEO", "out=file/map.html"), "file"),
        (("VIDEO", "out=own.html"), "own_files"),
        (("VIDEO", "out=notes.html"), "not a map"),
        (("VIDEO", "out=pipe.html"), "not a map"),
        (("VIDEO", "budget=0"), "budget=0"),
        (("VIDEO", "extractor=oracle"), "annotations"),
        (("VIDEO", "perplexity=3"), "no option perplexity="),
        ((), "needs a video"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(cli, video, tmp_path, monkeypatch, words, named):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.html").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "own_files").mkdir()
    (tmp_path / "own_files" / "00000.jpg").write_text("a photograph of mine")
    (tmp_path / "notes.html").write_text("notes on a map by keyframe_bench")
    os.mkfifo(tmp_path / "pipe.html")
    before = sorted(tmp_path.rglob("*"))
    status, _, err = cli("map", *(video if word == "VIDEO" else word for word in words))
    assert status == 2 and named in err and len(err.strip().splitlines()) == 1, err
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "notes.html").read_text() == "notes on a map by keyframe_bench"


def test_what_fails_half_way_leaves_the_earlier_map(rendered, tmp_path, monkeypatch):
    from keyframe_bench.report import map as map_module

    out = tmp_path / "map.html"
    paths = [rendered / "cuts.mp4"]
    kb.map_videos(paths, "uniform", out=out, budget=5)
    before = out.read_bytes()
    monkeypatch.setattr(map_module, "encode_image", lambda *_: (_ for _ in ()).throw(OSError(28, "no room")))
    with pytest.raises(kb.KeyframeBenchError, match="no room"):
        kb.map_videos(paths, "uniform", out=out, budget=6)
    assert out.read_bytes() == before and list(tmp_path.iterdir()) == [out]


def test_features_that_do_not_fit_together_are_refused(rendered, tmp_path):
    import numpy as np

    from keyframe_bench.report.map import Mapped, write_map

    read = kb.extract(rendered / "cuts.mp4", "uniform", budget=3)
    rows = [np.zeros((3, 4)), np.zeros((3, 5)), np.full((3, 4), np.nan)]
    first, other, broken = (Mapped(read.path, read.keyframes, read.source, one, "uniform") for one in rows)
    for videos in ([first, other], [broken]):
        with pytest.raises(kb.UsageError, match="feature=x has"):
            write_map(videos, tmp_path / "map.html", feature="x", seed=0)
    assert list(tmp_path.iterdir()) == []
