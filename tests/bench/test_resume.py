"""Running again: what is there is not computed twice, what changed is, and no table mixes old with new."""

import json
import os
import shutil
import time

import pytest

from keyframe_bench.extractors.uniform import Uniform
from keyframe_bench.metrics.facts import Compression
from keyframe_bench.rendering.films import render_video
from keyframe_bench.tables.load import load_results


@pytest.fixture
def times(tmp_path):
    """When each cell file was last written."""
    return lambda: {p.stem: p.stat().st_mtime_ns for p in (tmp_path / "out" / "cells").glob("*.json")}


def lines(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def test_second_run_computes_nothing(cli, rendered, tmp_path, times):
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[vsumm]", f"out={tmp_path}/out"]
    _, first, _ = cli(*words)
    written, table = times(), (tmp_path / "out" / "table.csv").read_text()
    status, second, _ = cli(*words)
    assert status == 0 and times() == written
    assert "9 of 9 cells computed now" in first and "0 of 9 cells computed now" in second
    assert (tmp_path / "out" / "table.csv").read_text() == table


def test_nothing_is_decoded_when_nothing_is_missing(benchmark, rendered, monkeypatch):
    from keyframe_bench.bench import run

    benchmark(rendered)
    monkeypatch.setattr(run, "read_pass", None)
    assert benchmark(rendered).n_computed == 0


def test_added_video_computes_only_its_cells(benchmark, folder, times):
    benchmark(folder)
    before = times()
    render_video(folder / "new.mp4", "cuts", 7, height=48, width=64, fps=10, duration_s=1)
    summary = benchmark(folder)
    assert (summary.n_computed, summary.n_cells) == (3, 12)
    assert {k: t for k, t in times().items() if k in before} == before


def test_added_budget_extractor_and_seed_compute_only_theirs(benchmark, rendered):
    assert benchmark(rendered, budgets=["3"]).n_computed == 9
    assert benchmark(rendered, budgets=["3", "4"]).n_computed == 9
    assert benchmark(rendered, ["pixel_distance", "vsumm"], budgets=["3"]).n_computed == 3
    assert benchmark(rendered, budgets=["3"], seeds=(0, 1)).n_computed == 3  # random's


def test_results_of_earlier_runs_stay_in_the_table(benchmark, rendered, tmp_path):
    benchmark(rendered, ["vsumm"], budgets=["2"])
    benchmark(rendered, ["coded_frames"], budgets=["3"])
    assert {r["extractor"] for r in lines(tmp_path / "out")} == {"vsumm", "coded_frames", "random", "uniform"}


def test_changed_annotations_are_used(benchmark, folder, tmp_path, annotate):
    annotate(folder, anna=(7, 18), ben=(5, 26))
    benchmark(folder)
    first = lines(tmp_path / "out")
    annotate(folder, anna=(0,), ben=(1,))
    summary = benchmark(folder)
    assert summary.n_computed == 3 + 1, "the annotated video's, and the people's"
    second = lines(tmp_path / "out")
    assert len(second) == len(first) == 3 * 3 + 1
    assert {r["key"] for r in first} ^ {r["key"] for r in second} == {
        r["key"] for r in first + second if r["video"] == "cuts.mp4"
    }
    annotate(folder, anna=(7, 18), ben=(5, 26))
    assert benchmark(folder).n_computed == 0
    assert lines(tmp_path / "out") == first, "what was changed back counts again"


def test_added_annotations_add_columns(benchmark, folder, tmp_path, annotate):
    benchmark(folder)
    assert load_results(tmp_path / "out")["metric.cus_a"].isna().all()
    annotate(folder)
    benchmark(folder)
    frame = load_results(tmp_path / "out").set_index("video")
    assert frame.loc["cuts.mp4", "metric.cus_a"].notna().all() and frame.loc["static.mp4", "metric.cus_a"].isna().all()


def test_changed_video_is_computed_again(benchmark, folder, tmp_path):
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


def test_touched_video_is_not(benchmark, folder):
    benchmark(folder)
    os.utime(folder / "cuts.mp4", (1, 1))
    assert benchmark(folder).n_computed == 0


def test_removed_video_leaves_the_table(benchmark, folder, tmp_path):
    benchmark(folder)
    (folder / "static.mp4").unlink()
    benchmark(folder)
    assert {r["video"] for r in lines(tmp_path / "out")} == {"cuts.mp4", "mixed.mp4"}


def test_video_that_broke_leaves_the_table(benchmark, folder, tmp_path):
    benchmark(folder)
    (folder / "static.mp4").write_bytes(b"no video any more")
    summary = benchmark(folder, on_error="skip")
    assert summary.skipped.keys() == {"static.mp4"}
    assert {r["video"] for r in lines(tmp_path / "out") if r["status"] == "ok"} == {"cuts.mp4", "mixed.mp4"}


def test_copies_of_one_file_are_videos_of_their_own(benchmark, folder, tmp_path):
    (folder / "copy.mp4").write_bytes((folder / "cuts.mp4").read_bytes())
    summary = benchmark(folder)
    assert summary.n_videos == 4 and len(lines(tmp_path / "out")) == 12


def test_new_version_of_an_extractor_is_computed_again(benchmark, rendered, tmp_path, monkeypatch):
    benchmark(rendered)
    monkeypatch.setattr(Uniform, "version", 2)
    assert benchmark(rendered).n_computed == 3
    assert {r["version"] for r in lines(tmp_path / "out") if r["extractor"] == "uniform"} == {2}


def test_new_version_of_a_metric_is_computed_again(benchmark, rendered, tmp_path, monkeypatch):
    benchmark(rendered, ["vsumm"])
    monkeypatch.setattr(Compression, "version", 2)
    summary = benchmark(rendered, ["uniform"])
    assert summary.n_computed == summary.n_cells == 6
    assert {r["extractor"] for r in lines(tmp_path / "out")} == {"uniform", "random"}, "vsumm has old numbers"


def test_torn_and_foreign_files_are_no_cells(benchmark, rendered, tmp_path, numbers):
    benchmark(rendered)
    whole = numbers(tmp_path / "out")
    folder = tmp_path / "out" / "cells"
    torn, *others = sorted(folder.glob("*.json"))
    torn.write_bytes(torn.read_bytes()[:100])
    others[0].write_text(json.dumps({"format": "keyframe_bench/cell@1", "key": "x"}))
    others[1].write_text("[]")
    others[2].write_bytes(b"\xff\xfe")
    summary = benchmark(rendered)
    assert summary.n_computed == 4 and numbers(tmp_path / "out") == whole
    for name, text in {"a.json": "{", "b.json": '{"format": "keyframe_bench/cell@1"}', "c.json": "7"}.items():
        (folder / name).write_text(text)
    benchmark(rendered)
    assert len(lines(tmp_path / "out")) == 9


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
    left = {p.name for p in (tmp_path / "out").rglob(".tmp-*")}
    assert left == {".tmp-young"}
    assert all((place / ".tmp-young").exists() for place in places)


def test_thumbnails_of_an_older_pass_are_not_shown(cli, rendered, tmp_path, monkeypatch):
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[uniform]", f"out={tmp_path}/out"]
    cli(*words)
    old = list((tmp_path / "out" / "thumbs").rglob("*.jpg"))
    for path in old:
        path.write_bytes(b"a picture of the old pass")
    shutil.rmtree(tmp_path / "out" / "cells")
    monkeypatch.setattr("keyframe_bench.core.cells.PASS_VERSION", -1)
    assert cli(*words)[0] == 0
    new = [path for path in (tmp_path / "out" / "thumbs").rglob("*.jpg") if path not in old]
    assert len(new) == len(old) and not any(path.read_bytes().startswith(b"a picture") for path in new)


def test_lost_thumbnails_do_not_stop_a_report(cli, rendered, tmp_path):
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[uniform]", f"out={tmp_path}/out"]
    cli(*words)
    shutil.rmtree(tmp_path / "out" / "thumbs")
    shutil.rmtree(tmp_path / "out" / "videos")
    status, _, err = cli(*words)
    assert (status, err) == (0, "")
