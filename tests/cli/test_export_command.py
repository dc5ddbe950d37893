"""The files of ``keyframe-bench export``: those of `Extraction.exports`, of every row and item of a run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import get_args

import cv2
import numpy as np

import keyframe_bench as kb
from keyframe_bench.report.exports import Format


def test_export_of_a_run_is_what_extract_gives(folder, tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = ("run", "dataset=folder", f"dataset.root={folder}", "extractors=[pixel_distance]", "budget=3", "out=run")
    assert cli(*run)[0] == 0
    status, text, err = cli("export", "run", "format=[picks,csv,otio,ffmetadata]", "out=files")
    assert status == 0 and "left out: random" in text, err
    made = tmp_path / "files" / "pixel_distance_3" / "cuts.mp4"
    alone = kb.extract(folder / "cuts.mp4", "pixel_distance", budget=3)
    expected = {file.name: file.data for file in alone.exports("csv", "otio", "ffmetadata")}
    scores = [row["score"] for row in csv.DictReader(io.StringIO(expected["keyframes.csv"].decode()))]
    where = [kb.explain(folder / "cuts.mp4", "pixel_distance", budget=3, frame=frame) for frame in alone.frames]
    assert [float(score) for score in scores] == [found.score for found in where]
    assert {p.name: p.read_bytes() for p in made.iterdir()} == expected
    assert (tmp_path / "files" / "pixel_distance_3.json").is_file()
    (tmp_path / "alone.jsonl").write_bytes((tmp_path / "run" / "results.jsonl").read_bytes())  # not what lies beside it
    words = ("export", "alone.jsonl", "extractor=pixel_distance", "format=csv", f"dataset.root={folder}")
    assert cli(*words, "out=unscored")[0] == 0
    with (tmp_path / "unscored" / "pixel_distance_3" / "cuts.mp4" / "keyframes.csv").open() as file:
        assert {row["score"] for row in csv.DictReader(file)} == {""}

    (folder / "mixed.mp4").rename(tmp_path / "elsewhere.mp4")
    status, text, _ = cli("export", "run", "extractor=uniform", "format=csv", "out=fewer")
    assert status == 0 and "left out: mixed.mp4" in text and len(list((tmp_path / "fewer").rglob("*.csv"))) == 2
    moved = folder.rename(tmp_path / "moved")
    status, text, _ = cli("export", "run", "extractor=uniform", "format=csv", "out=again", f"dataset.root={moved}")
    assert status == 0 and len(list((tmp_path / "again").rglob("*.csv"))) == 2
    kb.sweep([moved / "cuts.mp4"], ["uniform"], budget=2, out="listed")
    status, _, err = cli("export", "listed", "format=csv", "out=more")
    assert status == 2 and "dataset.root=" in err and err.count("\n") == 1


def test_a_video_that_a_format_does_not_fit_is_left_out_of_a_run_by_name(video, tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for n in range(6):
        (tmp_path / "data" / "images").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(f"data/images/{n}.png", np.full((8, 8, 3), 40 * n, np.uint8))
    (tmp_path / "data" / "film.mp4").write_bytes(video.read_bytes())
    assert cli("run", "dataset=folder", "dataset.root=data", "extractors=[uniform]", "budget=2", "out=run")[0] == 0
    status, text, _ = cli("export", "run", "format=[csv,fcpxml]", "out=files")
    assert status == 0 and "left out: images: fcpxml" in text
    assert [path.name for path in (tmp_path / "files" / "uniform_2").iterdir()] == ["film.mp4"]
    (tmp_path / "data" / "film.mp4").unlink()
    status, _, err = cli("export", "run", "format=fcpxml", "out=none")
    assert status == 2 and "nothing can be exported" in err and not (tmp_path / "none").exists()


def test_items_of_a_run_have_folders_of_their_own(video, tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/b.mp4", "a-b.mp4"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(video.read_bytes())
    assert cli("run", "dataset=folder", "dataset.root=data", "extractors=[vsumm]", "budget=2", "out=run")[0] == 0
    assert cli("export", "run", "extractor=vsumm", "format=[csv,edl]", "out=files")[0] == 0
    for name in ("a/b.mp4", "a-b.mp4"):
        made = tmp_path / "files" / "vsumm_2" / name
        assert {row["video"] for row in csv.DictReader((made / "keyframes.csv").open())} == {name}
        assert f"FROM CLIP NAME: {Path(name).name}\n" in (made / "keyframes.edl").read_text()  # editors look for files

    lines = [json.loads(line) for line in (tmp_path / "run" / "results.jsonl").read_text().splitlines()]
    (tmp_path / "led.jsonl").write_text("".join(json.dumps(moved(line, "../../out.mp4")) + "\n" for line in lines))
    (tmp_path / "data" / "a" / "b.mp4").rename(tmp_path / "out.mp4")
    status, text, _ = cli("export", "led.jsonl", "extractor=vsumm", "format=csv", "out=led", "dataset.root=data")
    assert status == 0 and "left out: ../../out.mp4" in text and "1 file written" in text


def moved(cell: dict, video: str) -> dict:
    """A result of a/b.mp4 as one that says to be of another item."""
    kept = {name: value for name, value in cell.items() if name not in ("features", "version")}  # no whole identity
    return kept | ({"video": video} if cell["video"] == "a/b.mp4" else {})


def test_a_list_of_no_formats_is_refused_by_export_alone(video, tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = ("run", "dataset=folder", f"dataset.root={video.parent}", "extractors=[uniform]", "budget=2", "out=run")
    assert cli(*run)[0] == 0
    status, _, err = cli("export", "run", "format=[]", "out=none")
    assert status == 2 and err.count("\n") == 1 and all(name in err for name in ("picks", *get_args(Format)))
    status, _, _ = cli("export", "run", "format=[picks,csv]", f"dataset.root={tmp_path / 'run'}", "out=none")
    assert status == 2 and not (tmp_path / "none").exists()
    assert cli("extract", video, "export=[]", "out=one")[0] == 0
