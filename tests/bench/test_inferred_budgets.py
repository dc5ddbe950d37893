"""Inferred budgets in a run: what is computed, kept, charged and warned about."""

import json

import pytest

from keyframe_bench.core.errors import UnavailableError

SCORED = ["ffmpeg_scene", "histogram_distance", "pixel_distance"]


def test_the_number_found_is_in_every_cell(benchmark, rendered, tmp_path, cells):
    benchmark(rendered, ["pixel_distance"], budgets=["4", "inferred", "inferred-coverage"])
    found = [r for r in cells(tmp_path / "out").values() if r["extractor"] == "pixel_distance"]
    assert len(found) == 9
    for record in found:
        assert record["status"] == "ok"
        assert record["k"] == len(record["keyframes"]["frames"])
        assert record["keyframes"]["frame_scores"] is record["keyframes"]["thresholds"] is None
        assert any("gray@" in f and "18" in f for f in record["features"]) == (record["budget"] == "inferred-coverage")
        if record["video"] == "static.mp4" and record["budget"] == "inferred-coverage":
            assert record["k"] == 1


def test_judging_by_what_the_number_was_chosen_by_is_said(benchmark, rendered, tmp_path, cells):
    benchmark(rendered, ["pixel_distance"], budgets=["4", "inferred", "inferred-coverage"])
    warned = {r["budget"] for r in cells(tmp_path / "out").values() if any("coverage_gray" in w for w in r["warnings"])}
    assert warned == {"inferred-coverage"}
    said = [w for w in json.loads((tmp_path / "out" / "run.json").read_text())["warnings"] if "coverage_gray" in w]
    assert len(said) == 1
    assert said[0].endswith(
        "look at gray, which pixel_distance at budget=inferred-coverage selects on: that favours pixel_distance"
    )


def test_all_leaves_out_those_without_scores_and_says_why(benchmark, rendered, tmp_path, cells):
    summary = benchmark(rendered, "all", budgets=["inferred"])
    ran = {r["extractor"] for r in cells(tmp_path / "out").values()}
    assert ran.issuperset(SCORED) and ran.isdisjoint({"uniform", "random", "coded_frames"})
    assert (
        "takes no inferred budget (it supports fixed and free)"
        in {n.extractor: n.reason for n in summary.not_run}["uniform"]
    )


def test_one_asked_for_by_name_is_refused(benchmark, rendered):
    with pytest.raises(UnavailableError, match="'coded_frames' cannot run: it takes no inferred budget"):
        benchmark(rendered, ["coded_frames"], budgets=["inferred"])


def test_from_the_command_line(cli, rendered, tmp_path):
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[pixel_distance]"]
    status, text, err = cli(*words, "budget=[8,inferred]", f"out={tmp_path}/out")
    assert (status, err) == (0, "")
    assert "inferred" in text
    status, text, err = cli("extract", rendered / "cuts.mp4", "budget=inferred", f"out={tmp_path}/one")
    assert (status, err) == (0, "")
    record = json.loads((tmp_path / "one" / "keyframes.json").read_text())
    assert record["budget"] == "inferred" and record["k"] == len(record["frames"])
    assert f"budget inferred = {record['k']}" in text
    status, _, err = cli("extract", rendered / "cuts.mp4", "extractor=uniform", "budget=inferred")
    assert status == 2 and "pixel_distance" in err and err.count("\n") == 1
