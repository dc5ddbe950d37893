"""Folders of images on the command line: extract, explain, perf and run."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def frames(tmp_path):
    folder = tmp_path / "site" / "day1"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(12):
        picture = np.full((18, 32, 3), 200 * (i >= 6), dtype=np.uint8)
        picture[:3] = rng.integers(0, 50, (3, 32, 3))
        Image.fromarray(picture).save(folder / f"{i + 1}.png")
    return folder


def test_extract(cli, frames, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = cli("extract", f"{frames}/", "fps=4", "sampling=every", "budget=2", "clips=true")
    assert (status, err) == (0, "") and "day1  32x18, 12 frames, 3.00 s" in out and "health" not in out
    record = json.loads((tmp_path / "day1_pixel_distance" / "keyframes.json").read_text())
    assert record["video"] == "day1" and record["times"] == [frame / 4 for frame in record["frames"]]
    monkeypatch.chdir(frames)
    _, out, _ = cli("extract", ".", f"out={tmp_path}/dot", "extractor=uniform", "budget=1", "times=names")
    assert "day1  32x18, 12 frames" in out and "default of 25" in out
    record = json.loads((tmp_path / "dot" / "keyframes.json").read_text())
    assert record["times"] == [(record["frames"][0] + 1) / 25]  # the first number is 1


def test_explain(cli, frames):
    status, out, _ = cli("explain", frames, "fps=4", "sampling=every", "frame=6")
    assert status == 0 and "frame 6 at 1.500 s" in out


@pytest.mark.slow
def test_perf(cli, frames):
    status, out, err = cli("perf", frames, "fps=4", "extractors=[uniform,pixel_distance]", "--json")
    record = json.loads(out)
    assert status == 0, err
    assert (record["video"], record["frames"], record["duration_s"]) == ("day1", 12, 3.0)
    assert record["failures"] == [] and {"uniform", "pixel_distance"} <= {row["name"] for row in record["rows"]}


def test_run_and_resume(cli, frames, video, tmp_path):
    site = frames.parent
    (site / "film.mp4").write_bytes(video.read_bytes())
    words = ("run", "dataset=folder", f"dataset.root={site}", "dataset.fps=4", f"out={site}/out", "extractors=[vsumm]")
    status, out, _ = cli(*words, "budget=2", "executor=loky", "executor.n_jobs=2")
    assert status == 0 and "6 of 6 cells computed now" in out
    videos = {json.loads(line)["video"] for line in (site / "out" / "results.jsonl").read_text().splitlines()}
    assert videos == {"day1", "film.mp4"}  # not the thumbnails of the run
    _, out, _ = cli(*words, "budget=2")
    assert "0 of 6 cells computed now" in out
    _, out, _ = cli(*(word.replace("fps=4", "fps=8") for word in words), "budget=2")
    assert "3 of 6 cells computed now" in out
    assert "day1" in (site / "out" / "report.html").read_text()


def test_bad_input(cli, frames, video, tmp_path):
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.mp4").write_bytes(video.read_bytes())
    films = f"dataset.root={tmp_path}/films"
    for says, *words in (
        ("fps=0", "extract", frames, "fps=0"),
        ("times='pts'", "explain", frames, "times=pts", "frame=1"),
        ("no such file", "extract", tmp_path / "none", "fps=25"),
        ("folder of images", "perf", frames, "--peers"),
        ("folders of images", "run", "dataset=folder", films, "dataset.fps=5"),
    ):
        status, _, err = cli(*words)
        assert status == 2 and err.count("\n") == 1 and says in err
    for file in frames.iterdir():
        file.write_bytes(b"")
    assert "none of its 12 images can be read" in cli("extract", frames)[2]
