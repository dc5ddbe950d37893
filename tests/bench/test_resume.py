"""Running again: what is there is not computed twice, what changed is, and no table mixes old with new."""

import json
import os
import shutil
import time

import pytest

from keyframe_bench.bench import run as run_module
from keyframe_bench.extractors.uniform import Uniform
from keyframe_bench.metrics.base import Metric
from keyframe_bench.rendering.films import render_video
from keyframe_bench.tables.load import load_results


@pytest.fixture
def times(tmp_path):
    """When each cell file was last written."""
    return lambda: {p.stem: p.stat().st_mtime_ns for p in (tmp_path / "out" / "cells").glob("*.json")}


def lines(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def test_second_run_computes_and_decodes_nothing(cli, folder, tmp_path, times, monkeypatch):
    words = ["run", "dataset=folder", f"dataset.root={folder}", "extractors=[vsumm]", f"out={tmp_path}/out"]
    _, first, _ = cli(*words)
    written, table = times(), (tmp_path / "out" / "table.csv").read_text()
    for path in folder.iterdir():
        os.utime(path, (1, 1))  # its bytes count
    monkeypatch.setattr(run_module, "read_pass", None)
    status, second, _ = cli(*words)
    assert status == 0 and times() == written
    assert "9 of 9 cells computed now" in first and "0 of 9 cells computed now" in second
    assert (tmp_path / "out" / "table.csv").read_text() == table


def test_added_videos_budgets_extractors_and_seeds_compute_only_theirs(benchmark, folder, tmp_path, times):
    assert benchmark(folder, budgets=["3"]).n_computed == 9
    assert benchmark(folder, budgets=["3", "4"]).n_computed == 9
    assert benchmark(folder, ["pixel_distance", "vsumm"], budgets=["3"]).n_computed == 3
    assert benchmark(folder, budgets=["3"], seeds=(0, 1)).n_computed == 3  # random's
    before = times()
    render_video(folder / "new.mp4", "cuts", 7, height=48, width=64, fps=10, duration_s=1)
    (folder / "copy.mp4").write_bytes((folder / "cuts.mp4").read_bytes())  # a video of its own
    summary = benchmark(folder, ["coded_frames"], budgets=["3"])
    assert (summary.n_computed, summary.n_cells) == (2 * 3 + 3, 5 * 3)
    assert {k: t for k, t in times().items() if k in before} == before
    found = lines(tmp_path / "out")  # with what earlier runs left
    assert {r["extractor"] for r in found} == {"pixel_distance", "vsumm", "coded_frames", "random", "uniform"}


def test_changed_annotations_are_used(benchmark, folder, tmp_path, annotate):
    benchmark(folder)
    assert load_results(tmp_path / "out")["metric.cus_a"].isna().all()
    annotate(folder, anna=(7, 18), ben=(5, 26))
    benchmark(folder)
    frame = load_results(tmp_path / "out").set_index("video")
    assert frame.loc["cuts.mp4", "metric.cus_a"].notna().all() and frame.loc["static.mp4", "metric.cus_a"].isna().all()
    first = lines(tmp_path / "out")
    annotate(folder, anna=(0,), ben=(1,))
    assert benchmark(folder).n_computed == 3 + 1, "the annotated video's, and the annotators'"
    second = lines(tmp_path / "out")
    assert len(second) == len(first) == 3 * 3 + 1
    changed = {r["key"] for r in first} ^ {r["key"] for r in second}
    assert changed == {r["key"] for r in first + second if r["video"] == "cuts.mp4"}
    annotate(folder, anna=(7, 18), ben=(5, 26))
    assert benchmark(folder).n_computed == 0
    assert lines(tmp_path / "out") == first, "what was changed back counts again"


def test_changed_removed_and_broken_videos(benchmark, folder, tmp_path):
    benchmark(folder)
    old = lines(tmp_path / "out")
    content = (folder / "cuts.mp4").read_bytes()
    render_video(folder / "cuts.mp4", "cuts", 9, height=48, width=64, fps=10, duration_s=1)
    assert benchmark(folder).n_computed == 3
    new = lines(tmp_path / "out")
    assert len(new) == len(old) == 9
    assert {r["n_frames"] for r in new if r["video"] == "cuts.mp4"} == {10}
    (folder / "cuts.mp4").write_bytes(content)
    assert benchmark(folder).n_computed == 0 and lines(tmp_path / "out") == old
    (folder / "static.mp4").write_bytes(b"no video any more")
    assert benchmark(folder, on_error="skip").skipped.keys() == {"static.mp4"}
    assert {r["video"] for r in lines(tmp_path / "out") if r["status"] == "ok"} == {"cuts.mp4", "mixed.mp4"}
    (folder / "static.mp4").unlink()
    benchmark(folder)
    assert {r["video"] for r in lines(tmp_path / "out")} == {"cuts.mp4", "mixed.mp4"}


def test_new_versions_are_computed_again(benchmark, rendered, tmp_path, monkeypatch):
    benchmark(rendered)
    monkeypatch.setattr(Uniform, "version", 2)
    assert benchmark(rendered).n_computed == 3
    assert {r["version"] for r in lines(tmp_path / "out") if r["extractor"] == "uniform"} == {2}
    monkeypatch.setattr(Metric.registry.get("compression"), "version", 2)
    summary = benchmark(rendered, ["uniform"])
    assert summary.n_computed == summary.n_cells == 6
    assert {r["extractor"] for r in lines(tmp_path / "out")} == {"uniform", "random"}, "pixel_distance has old numbers"


def test_numbers_do_not_depend_on_what_else_was_computed(benchmark, rendered, tmp_path, numbers):
    methods = ["pixel_distance", "histogram_distance", "vsumm"]
    benchmark(rendered, methods, budgets=["3", "5"])
    whole = numbers(tmp_path / "out")
    for path in sorted((tmp_path / "out" / "cells").iterdir())[::3]:
        path.unlink()
    benchmark(rendered, methods, budgets=["3", "5"])
    assert numbers(tmp_path / "out") == whole


def test_old_leftovers_are_removed_and_young_ones_stay(benchmark, rendered, tmp_path):
    """A killed process leaves temporary files; those of a run going on beside this one must survive."""
    benchmark(rendered, budgets=["1"])
    thumbs = next((tmp_path / "out" / "thumbs").iterdir())
    places = [tmp_path / "out", tmp_path / "out" / "cells", tmp_path / "out" / "videos", thumbs]
    hours_ago = time.time() - 7200
    for place in places:
        (place / ".tmp-young").touch()
        (place / ".tmp-old").touch()
        os.utime(place / ".tmp-old", (hours_ago, hours_ago))
    benchmark(rendered, budgets=["1", "6"])
    assert {p.name for p in (tmp_path / "out").rglob(".tmp-*")} == {".tmp-young"}
    assert all((place / ".tmp-young").exists() for place in places)


def test_thumbnails_are_of_this_pass_and_may_be_lost(cli, rendered, tmp_path, monkeypatch):
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[uniform]", f"out={tmp_path}/out"]
    cli(*words)
    old = list((tmp_path / "out" / "thumbs").rglob("*.jpg"))
    for path in old:
        path.write_bytes(b"an image of the old pass")
    shutil.rmtree(tmp_path / "out" / "cells")
    monkeypatch.setattr("keyframe_bench.core.cells.PASS_VERSION", -1)
    assert cli(*words)[0] == 0
    new = [path for path in (tmp_path / "out" / "thumbs").rglob("*.jpg") if path not in old]
    assert len(new) == len(old) and not any(path.read_bytes().startswith(b"an image") for path in new)
    for name in ("thumbs", "videos"):
        shutil.rmtree(tmp_path / "out" / name)
    status, _, err = cli(*words)
    assert (status, err) == (0, "")
