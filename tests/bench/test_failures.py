"""Broken files and broken methods: recorded, counted, tried again, and never the others' fault."""

import json

import pytest

from keyframe_bench.core.errors import KeyframeBenchError, VideoError
from keyframe_bench.extractors.pixel_distance import PixelDistance
from keyframe_bench.metrics.base import Metric


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


@pytest.fixture
def run(cli, folder, tmp_path):
    """Run over the folder: status, output, errors."""
    common = ["run", "dataset=folder", f"dataset.root={folder}", "extractors=[uniform]", "budget=2"]
    return lambda *more, out="out": cli(*common, f"out={tmp_path / out}", *more)


@pytest.fixture
def run_plugin(run, plugin):
    """The same with the plug-in in some modes."""
    return lambda modes, *more, **options: run(
        f"--plugin={plugin}", "extractors=[plugin_of_tests]", f"grid.plugin_of_tests.mode=[{modes}]", *more, **options
    )


@pytest.mark.parametrize("on_error", ["warn", "skip"])
def test_broken_files_are_skipped_and_named_and_tried_again(run, broken, tmp_path, on_error, cells):
    status, text, err = run(f"on_error={on_error}")
    assert status == 0
    assert "scored 3 of 5 videos; 2 skipped: empty.mp4 (the file is empty), text.mp4 (no video container" in text
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "scored 3 of 5 videos; 2 skipped" in page and "text.mp4" in page
    scored = {r["video"] for r in cells(tmp_path / "out").values() if r["status"] == "ok"}
    assert scored == {"cuts.mp4", "mixed.mp4", "static.mp4"}
    warnings = err.splitlines()
    assert len(warnings) == (2 if on_error == "warn" else 0)
    assert all(line.startswith("keyframe-bench: warning: skipped ") for line in warnings)
    (broken / "text.mp4").write_bytes((broken / "static.mp4").read_bytes())
    (broken / "empty.mp4").unlink()
    status, text, err = run()
    assert (status, err) == (0, "") and "scored 4 of 4 videos" in text and "2 of 8 cells computed now" in text


def test_on_error_raise_stops_before_anything_is_written(run, broken, tmp_path):
    status, out, err = run("on_error=raise")
    assert (status, out) == (2, "") and err.count("\n") == 1
    assert "empty.mp4" in err and "the file is empty" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("on_error", ["raise", "warn", "skip"])
def test_file_without_frames(run, truncated, tmp_path, on_error, cells):
    status, text, err = run(f"on_error={on_error}")
    if on_error == "raise":
        assert status == 2 and "void.mp4" in err and err.count("\n") == 1
        return
    assert status == 0 and "scored 3 of 4 videos; 1 skipped: void.mp4 (" in text
    skipped = [r for r in cells(tmp_path / "out").values() if r["status"] == "skipped"]
    assert {r["video"] for r in skipped} == {"void.mp4"} and all(r["error"]["message"] for r in skipped)
    again = run(f"on_error={on_error}")[1]
    assert "1 skipped: void.mp4 (" in again and "0 of 8 cells computed now" in again


def test_no_readable_video_at_all(run, folder):
    for file in folder.iterdir():
        file.write_bytes(b"")
    status, text, err = run()
    assert status == 0 and "scored 0 of 3 videos; 3 skipped: cuts.mp4 (the file is empty)" in text
    assert "Traceback" not in err


def test_annotation_that_does_not_fit_its_video_skips_it(run, folder, annotate):
    annotate(folder, anna=(7, 500))
    status, text, _ = run()
    assert status == 0 and "scored 2 of 3 videos; 1 skipped: cuts.mp4 (" in text and "frames 0 to 29" in text


def test_extractor_that_raises_is_recorded(run_plugin, tmp_path, cells):
    status, text, err = run_plugin("works,raises")
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


def test_ctrl_c_keeps_the_finished_cells_of_a_video(run, tmp_path, cells, monkeypatch):
    def pressed(self, clip, k, *, rng):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("keyframe_bench.extractors.vsumm.Vsumm.select", pressed)
        assert run("extractors=[pixel_distance,uniform,vsumm]")[0] == 130
    kept = [r["extractor"] for r in cells(tmp_path / "out").values()]
    assert "pixel_distance" in kept and "vsumm" not in kept
    status, text, _ = run("extractors=[pixel_distance,uniform,vsumm]")
    assert status == 0 and f"{12 - len(kept)} of 12 cells computed now" in text


def test_failed_cells_are_tried_again(run_plugin, tmp_path, cells):
    marker = tmp_path / "marker"
    marker.touch()
    words = ("raises while marked", f"grid.plugin_of_tests.marker=[{marker}]")
    assert run_plugin(*words)[0] == 1
    assert run_plugin(*words)[0] == 1, "still broken"
    marker.unlink()
    status, text, err = run_plugin(*words)
    assert (status, err) == (0, "") and "2 of 9 cells computed now" in text
    assert {r["status"] for r in cells(tmp_path / "out").values()} == {"ok"}


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("feature fails", "the feature broke"),
        ("feature exits", "it called sys.exit(0)"),
        ("too many", "key frames for a budget of 2"),
        ("odd cost", "its result cannot be kept"),
    ],
)
def test_other_faults_of_a_method_are_its_own(run_plugin, tmp_path, cells, mode, says):
    """A feature that raises during the shared pass must not take the other rows with it."""
    status, _, err = run_plugin(mode, "extractors=[vsumm,plugin_of_tests]")
    assert status == 1 and err.count("failed: plugin_of_tests on ") == 3 and says in err
    statuses = {(r["extractor"], r["status"]) for r in cells(tmp_path / "out").values()}
    assert statuses == {("plugin_of_tests", "failed"), ("vsumm", "ok"), ("random", "ok"), ("uniform", "ok")}


def test_nothing_that_a_method_raises_ends_the_run(run_plugin, tmp_path, cells):
    """What ends a program, or a generator, is a failed row as well: status 1, and the others' rows in a table."""
    status, text, err = run_plugin("works,exit,memory,recursion,generator,own,surrogate,long")
    assert status == 1 and err.count("failed: plugin_of_tests on ") == 10 and "and 11 more failures" in err
    assert "scored 3 of 3 videos" in text and "30 of 30 cells computed now" in text
    failed = [r for r in cells(tmp_path / "out").values() if r["status"] == "failed"]
    told = {r["params"]["mode"]: (r["error"]["type"], r["error"]["message"]) for r in failed}
    assert told.keys() == {"exit", "memory", "recursion", "generator", "own", "surrogate", "long"} and len(failed) == 21
    assert told["exit"] == ("SystemExit", "it called sys.exit(0)") and told["own"] == ("OwnEnd", "of tests")
    assert max(len(r["error"]["message"] + r["error"]["traceback"]) for r in failed) < 50_000
    status, text, err = run_plugin("surrogate,long")  # failed ones are tried again, those of the controls are kept
    assert "6 of 12 cells computed now" in text and "counts as missing" not in err
    status, out, err = run_plugin("exit", "on_error=raise", out="b")
    assert (status, out, err.count("\n")) == (2, "", 1)


def test_an_interrupt_stays_one(run_plugin, benchmark, rendered, tmp_path, monkeypatch):
    """Also where it comes inside an import."""
    status, _, err = run_plugin("interrupt")
    assert status == 130 and "to resume" in err

    def broken(*_, **__):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:  # as pybind11 does in a module's initialisation
            raise ImportError("initialization failed") from error

    monkeypatch.setattr(PixelDistance, "select", broken)
    with pytest.raises(KeyboardInterrupt):
        benchmark(rendered, ["pixel_distance"], on_error="warn", out=tmp_path / "other")
    assert not any("failed" in path.read_text() for path in (tmp_path / "other" / "cells").iterdir())


ENDS_IN_NEEDS = """
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


@pytest.mark.parametrize(
    ("text", "said", "expected"),
    [
        ("import sys\nsys.exit(0)\n", "ends.py' fails on import", 2),
        ("raise MemoryError('of tests')\n", "not enough memory", 2),
        ("f = lambda: f()\nf()\n", "ends.py' fails on import", 2),
        (ENDS_IN_NEEDS, "ends.py', line 11", 1),
    ],
)
def test_a_plug_in_that_fails_or_ends_the_program_is_named(run, tmp_path, own_registry, text, said, expected):
    (tmp_path / "ends.py").write_text(text)
    more = ["extractors=[ends_in_needs]"] if expected == 1 else []
    status, out, err = run(f"--plugin={tmp_path}/ends.py", *more)
    assert (status, out) == (expected, "") and said in err and "ends.py'" in err and "Traceback" not in err


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_metric_that_gives_no_number_is_no_result(benchmark, rendered, tmp_path, cells, monkeypatch, value):
    metric = Metric.registry.get("compression")
    monkeypatch.setattr(metric, "compute", lambda *_: dict.fromkeys(metric.columns, value))
    summary = benchmark(rendered, ["uniform"], on_error="skip")
    assert len(summary.failures) == summary.n_cells == 6
    assert {r["status"] for r in cells(tmp_path / "out").values()} == {"failed"}
    json.loads((tmp_path / "out" / "results.jsonl").read_text().splitlines()[0])


def test_on_error_raise_lets_a_methods_own_error_out_and_names_a_file(benchmark, rendered, truncated, plugin):
    with pytest.raises(ZeroDivisionError, match="of tests"):
        benchmark(rendered, ["plugin_of_tests"], plugins=[plugin], grid={"plugin_of_tests": {"mode": ["raises"]}})
    with pytest.raises(KeyframeBenchError, match=r"void\.mp4") as caught:
        benchmark(truncated, ["uniform"])
    assert isinstance(caught.value, VideoError)
