"""Broken files and broken methods: recorded, counted, tried again, and never the others' fault."""

import json

import pytest

from keyframe_bench.core.errors import KeyframeBenchError, VideoError
from keyframe_bench.extractors.pixel_distance import PixelDistance
from keyframe_bench.metrics.facts import Compression


@pytest.fixture
def broken(folder):
    """The folder with two files that are no videos."""
    (folder / "text.mp4").write_text("no video")
    (folder / "empty.mp4").touch()
    return folder


@pytest.fixture
def truncated(folder):
    """The folder with a file whose container opens but which holds no frame: found only when it is decoded."""
    data = (folder / "cuts.mp4").read_bytes()
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4 if data.index(b"moov") > start else len(data)
    (folder / "void.mp4").write_bytes(data[:start] + bytes(end - start) + data[end:])
    return folder


def run_words(root, out, *more):
    return ["run", "dataset=folder", f"dataset.root={root}", "extractors=[uniform]", "budget=2", f"out={out}", *more]


@pytest.mark.parametrize("on_error", ["warn", "skip"])
def test_broken_files_are_skipped_and_named(cli, broken, tmp_path, on_error, cells):
    status, text, err = cli(*run_words(broken, tmp_path / "out", f"on_error={on_error}"))
    assert status == 0
    assert "scored 3 of 5 videos; 2 skipped: empty.mp4 (the file is empty), text.mp4 (no video container" in text
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "scored 3 of 5 videos; 2 skipped" in page and "text.mp4" in page
    scored = {r["video"] for r in cells(tmp_path / "out").values() if r["status"] == "ok"}
    assert scored == {"cuts.mp4", "mixed.mp4", "static.mp4"}
    warnings = err.splitlines()
    assert len(warnings) == (2 if on_error == "warn" else 0)
    assert all(line.startswith("keyframe-bench: warning: skipped ") for line in warnings)


def test_on_error_raise_stops_before_anything_is_written(cli, broken, tmp_path):
    status, out, err = cli(*run_words(broken, tmp_path / "out", "on_error=raise"))
    assert (status, out) == (2, "") and err.count("\n") == 1
    assert "empty.mp4" in err and "the file is empty" in err
    assert not (tmp_path / "out").exists()


def test_broken_files_are_tried_again(cli, broken, rendered, tmp_path):
    cli(*run_words(broken, tmp_path / "out"))
    (broken / "text.mp4").write_bytes((rendered / "static.mp4").read_bytes())
    (broken / "empty.mp4").unlink()
    status, text, err = cli(*run_words(broken, tmp_path / "out"))
    assert (status, err) == (0, "") and "scored 4 of 4 videos" in text and "2 of 8 cells computed now" in text


@pytest.mark.parametrize("on_error", ["raise", "warn", "skip"])
def test_file_without_frames(cli, truncated, tmp_path, on_error, cells):
    status, text, err = cli(*run_words(truncated, tmp_path / "out", f"on_error={on_error}"))
    if on_error == "raise":
        assert status == 2 and "void.mp4" in err and err.count("\n") == 1
        return
    assert status == 0 and "scored 3 of 4 videos; 1 skipped: void.mp4 (" in text
    skipped = [r for r in cells(tmp_path / "out").values() if r["status"] == "skipped"]
    assert {r["video"] for r in skipped} == {"void.mp4"} and all(r["error"]["message"] for r in skipped)
    again = cli(*run_words(truncated, tmp_path / "out", f"on_error={on_error}"))[1]
    assert "1 skipped: void.mp4 (" in again and "0 of 8 cells computed now" in again


def test_annotation_that_does_not_fit_its_video_skips_it(cli, folder, tmp_path, annotate):
    annotate(folder, anna=(7, 500))
    status, text, _ = cli(*run_words(folder, tmp_path / "out"))
    assert status == 0 and "scored 2 of 3 videos; 1 skipped: cuts.mp4 (" in text and "frames 0 to 29" in text


def test_extractor_that_raises_is_recorded(cli, folder, tmp_path, plugin, cells):
    words = ["run", "dataset=folder", f"dataset.root={folder}", "extractors=[plugin_of_tests]", f"--plugin={plugin}"]
    words += ["grid.plugin_of_tests.mode=[works,raises]", f"out={tmp_path}/out", "budget=2"]
    status, text, err = cli(*words)
    assert status == 1
    assert err.count("failed: plugin_of_tests on ") == 2 and "ZeroDivisionError: of tests" in err
    assert "Traceback" not in err
    failed = {r["video"]: r for r in cells(tmp_path / "out").values() if r["status"] == "failed"}
    assert failed.keys() == {"mixed.mp4", "static.mp4"}
    for record in failed.values():
        assert record["params"]["mode"] == "raises" and record["keyframes"] is None and record["metrics"] == {}
        assert record["error"]["type"] == "ZeroDivisionError" and record["error"]["message"] == "of tests"
        assert "in select" in record["error"]["traceback"]
    others = [r for r in cells(tmp_path / "out").values() if r["status"] == "ok"]
    assert len(others) == 3 * 4 - 2
    assert "scored 3 of 3 videos" in text
    assert "of tests" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_ctrl_c_keeps_the_finished_cells_of_a_video(cli, folder, tmp_path, plugin, cells, monkeypatch):
    def pressed(self, clip, k, *, rng):
        raise KeyboardInterrupt

    words = ["run", "dataset=folder", f"dataset.root={folder}", "extractors=[pixel_distance,uniform,vsumm]"]
    words += [f"out={tmp_path}/out", "budget=2", "--plugin", str(plugin)]
    with monkeypatch.context() as patch:
        patch.setattr("keyframe_bench.extractors.vsumm.Vsumm.select", pressed)
        assert cli(*words)[0] == 130
    kept = [r["extractor"] for r in cells(tmp_path / "out").values()]
    assert "pixel_distance" in kept and "vsumm" not in kept
    status, text, _ = cli(*words)
    assert status == 0 and f"{12 - len(kept)} of 12 cells computed now" in text


def test_failed_cells_are_tried_again(cli, folder, tmp_path, plugin, cells):
    marker = tmp_path / "marker"
    marker.touch()
    words = ["run", "dataset=folder", f"dataset.root={folder}", "extractors=[plugin_of_tests]", f"--plugin={plugin}"]
    words += ["grid.plugin_of_tests.mode=[raises while marked]", f"grid.plugin_of_tests.marker=[{marker}]"]
    words += [f"out={tmp_path}/out", "budget=2"]
    assert cli(*words)[0] == 1
    assert cli(*words)[0] == 1, "still broken"
    marker.unlink()
    status, text, err = cli(*words)
    assert (status, err) == (0, "") and "2 of 9 cells computed now" in text
    assert {r["status"] for r in cells(tmp_path / "out").values()} == {"ok"}


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("feature fails", "the feature broke"),
        ("feature exits", "it called sys.exit(0)"),
        ("too many", "key frames for a budget of 2"),
        ("odd cost", "its result cannot be kept: Object of type float32"),
    ],
)
def test_other_faults_of_a_method_are_its_own(cli, folder, tmp_path, plugin, cells, mode, says):
    """A feature that raises during the shared pass must not take the other rows with it."""
    words = ["run", "dataset=folder", f"dataset.root={folder}", "extractors=[vsumm,plugin_of_tests]"]
    words += [f"--plugin={plugin}", f"grid.plugin_of_tests.mode=[{mode}]", "budget=2", f"out={tmp_path}/out"]
    status, _, err = cli(*words)
    assert status == 1 and err.count("failed: plugin_of_tests on ") == 3 and says in err
    statuses = {(r["extractor"], r["status"]) for r in cells(tmp_path / "out").values()}
    assert statuses == {("plugin_of_tests", "failed"), ("vsumm", "ok"), ("random", "ok"), ("uniform", "ok")}


def test_nothing_that_a_method_raises_ends_the_run(cli, folder, tmp_path, plugin, cells):
    """What ends a program, or a generator, is a failed row as well: status 1, and the others' rows in a table."""
    words = ["run", "dataset=folder", f"dataset.root={folder}", "extractors=[plugin_of_tests]", f"--plugin={plugin}"]
    words += ["grid.plugin_of_tests.mode=[works,exit,memory,recursion,generator,own]", "budget=2"]
    status, text, err = cli(*words, f"out={tmp_path}/out")
    assert status == 1 and err.count("failed: plugin_of_tests on ") == 10 and "and 5 more failures" in err
    assert "scored 3 of 3 videos" in text and "24 of 24 cells computed now" in text
    failed = [r for r in cells(tmp_path / "out").values() if r["status"] == "failed"]
    told = {r["params"]["mode"]: (r["error"]["type"], r["error"]["message"]) for r in failed}
    assert told.keys() == {"exit", "memory", "recursion", "generator", "own"} and len(failed) == 15
    assert told["exit"] == ("SystemExit", "it called sys.exit(0)") and told["own"] == ("OwnEnd", "of tests")
    for mode in ("exit", "generator", "own"):
        status, out, err = cli(*words, f"grid.plugin_of_tests.mode=[{mode}]", "on_error=raise", f"out={tmp_path}/b")
        assert (status, out, err.count("\n")) == (2, "", 1)


def test_an_interrupt_stays_one(cli, folder, tmp_path, plugin):
    words = ["run", "dataset=folder", f"dataset.root={folder}", "extractors=[plugin_of_tests]", f"--plugin={plugin}"]
    status, _, err = cli(*words, "grid.plugin_of_tests.mode=[interrupt]", f"out={tmp_path}/out")
    assert status == 130 and "to resume" in err


@pytest.mark.parametrize(
    "text", ["import sys\nsys.exit(0)\n", "raise MemoryError('of tests')\n", "f = lambda: f()\nf()\n"]
)
def test_a_plug_in_that_fails_on_import_is_named(cli, folder, tmp_path, text):
    (tmp_path / "ends.py").write_text(text)
    words = ["run", "dataset=folder", f"dataset.root={folder}", "extractors=[uniform]", f"out={tmp_path}/out"]
    status, out, err = cli(*words, f"--plugin={tmp_path}/ends.py")
    said = "not enough memory" if "MemoryError" in text else "ends.py' fails on import"
    assert (status, out, err.count("\n")) == (2, "", 1) and said in err and "ends.py'" in err


ENDS = """
import sys
from keyframe_bench import ScoreExtractor, register

@register("ends_in_needs")
class Ends(ScoreExtractor):
    reference = "none"

    @property
    def needs(self):
        sys.exit(0)

    def score(self, clip):
        return [0.0]
"""


def test_a_plug_in_that_ends_the_program_is_named_with_its_line(cli, folder, tmp_path, own_registry):
    (tmp_path / "ends.py").write_text(ENDS)
    words = ["run", "dataset=folder", f"dataset.root={folder}", "extractors=[ends_in_needs]", f"out={tmp_path}/out"]
    status, _, err = cli(*words, f"--plugin={tmp_path}/ends.py")
    assert status == 1 and "ends.py', line 11" in err and "sys.exit(0)" in err


def test_a_failing_job_of_a_sweep_is_named_and_the_others_make_a_table(cli, folder, tmp_path, plugin):
    words = ["run", "-m", "dataset=folder", f"dataset.root={folder}", "extractors=[plugin_of_tests]"]
    words += [f"--plugin={plugin}", "grid.plugin_of_tests.mode=[works],[exit]", "on_error=raise", "budget=2"]
    status, text, err = cli(*words, f"out={tmp_path}/out")
    assert status == 1 and "9 of 9 cells computed now" in text
    assert err.count("failed: ") == 1 and "[exit]" in err and "1 of 2 runs failed" in err and "launcher" not in err


def test_odd_and_endless_messages_are_failed_rows(cli, folder, tmp_path, plugin, cells):
    words = ["run", "dataset=folder", f"dataset.root={folder}", "extractors=[plugin_of_tests]", f"--plugin={plugin}"]
    words += ["grid.plugin_of_tests.mode=[surrogate,long]", "budget=2", f"out={tmp_path}/out"]
    status, text, err = cli(*words)
    assert status == 1 and "12 of 12 cells computed now" in text and "counts as missing" not in err
    failed = [r for r in cells(tmp_path / "out").values() if r["status"] == "failed"]
    assert len(failed) == 6 and {r["error"]["type"] for r in failed} == {"ValueError"}
    assert max(len(r["error"]["message"] + r["error"]["traceback"]) for r in failed) < 50_000
    assert "12 of 12" not in cli(*words)[1]  # failed ones are tried again, those of the controls are kept


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_metric_that_gives_no_number_is_no_result(benchmark, rendered, tmp_path, cells, monkeypatch, value):
    monkeypatch.setattr(Compression, "compute", lambda *_: dict.fromkeys(Compression.columns, value))
    summary = benchmark(rendered, ["uniform"], on_error="skip")
    assert len(summary.failures) == summary.n_cells == 6
    assert {r["status"] for r in cells(tmp_path / "out").values()} == {"failed"}
    json.loads((tmp_path / "out" / "results.jsonl").read_text().splitlines()[0])


def test_on_error_raise_lets_a_methods_own_error_out(benchmark, rendered, plugin):
    with pytest.raises(ZeroDivisionError, match="of tests"):
        benchmark(rendered, ["plugin_of_tests"], plugins=[plugin], grid={"plugin_of_tests": {"mode": ["raises"]}})


def test_on_error_raise_names_the_file(benchmark, truncated):
    with pytest.raises(VideoError, match=r"void\.mp4"):
        benchmark(truncated, ["uniform"])


def test_no_readable_video_at_all(cli, tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").touch()
    status, text, err = cli(*run_words(tmp_path / "videos", tmp_path / "out"))
    assert status == 0 and "scored 0 of 1 video; 1 skipped: a.mp4 (the file is empty)" in text
    assert "Traceback" not in err


def test_errors_of_a_run_are_all_of_one_kind():
    """So that a caller can catch them: what is the input's fault derives from one class."""
    assert issubclass(VideoError, KeyframeBenchError)


def test_an_interrupt_inside_an_import_is_an_interrupt(benchmark, rendered, tmp_path, monkeypatch):
    def broken(*_, **__):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:  # as pybind11 does in a module's initialisation
            raise ImportError("initialization failed") from error

    monkeypatch.setattr(PixelDistance, "select", broken)
    with pytest.raises(KeyboardInterrupt):
        benchmark(rendered, ["pixel_distance"], on_error="warn")
    assert not any("failed" in path.read_text() for path in (tmp_path / "out" / "cells").iterdir())
