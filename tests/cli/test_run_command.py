"""``keyframe-bench run`` on a data set that is drawn for training."""

import json


def test_run_on_rendered_training_data(cli, tmp_path):
    """A camera is one video, scenes are two."""
    for kind, videos in (("camera_a", {"camera_a.mov"}), ("scenes", {"scenes-train.mov", "scenes-validation.mov"})):
        out, data = tmp_path / f"out {kind}", f"dataset.root={tmp_path / kind}"
        words = ("dataset=rendered", f"dataset.kind={kind}", "dataset.n=8", "dataset.n_validation=4", data)
        status, text, err = cli("run", *words, "extractors=[uniform]", "budget=2", f"out={out}")
        assert (status, err) == (0, "") and f"scored {len(videos)} of {len(videos)} video" in text
        cells = [json.loads(line) for line in (out / "results.jsonl").read_text("utf-8").splitlines()]
        assert {(cell["video"], cell["status"]) for cell in cells} == {(video, "ok") for video in videos}


def test_columns_without_any_number_are_named(cli, rendered, tmp_path):
    """The videos have no annotations."""
    run = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[uniform]", f"out={tmp_path / 'out'}"]
    status, text, err = cli(*run, "limit=1", "columns=[f1_1s,coverage_gray]")
    assert (status, err) == (0, "")
    for told in (text, (tmp_path / "out" / "table.md").read_text("utf-8").replace("\\", "")):
        (line,) = (line for line in told.splitlines() if "left out" in line)
        assert "f1_1s" in line and "annotations" in line and "coverage" not in line
