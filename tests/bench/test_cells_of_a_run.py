"""Which cells a run consists of, what is in them, and what is derived from them."""

import json

import pytest

from keyframe_bench.bench.execute import dry_run
from keyframe_bench.bench.spec import RunSpec
from keyframe_bench.core.errors import UnavailableError
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.tables.load import load_results

FILES = {
    *("results.jsonl", "table.md", "table.csv", "table.bib", "table.tex", "stats.csv", "report.html", "run.json"),
    *("cells", "videos", "thumbs"),
}


def test_files_of_a_run(cli, rendered, tmp_path, cells):
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=all", "budget=3", f"out={tmp_path}/out"]
    status, text, err = cli(*words)
    assert (status, err) == (0, "")
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES | {".lock", ".claims"}  # core.files: locked, claimed
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert {line["key"]: line for line in lines} == cells(tmp_path / "out")
    assert "scored 3 of 3 videos" in text
    for name in ("table.md", "table.csv", "table.tex", "report.html"):
        content = (tmp_path / "out" / name).read_text(encoding="utf-8")
        for extractor in {line["extractor"] for line in lines}:
            assert extractor in content.replace("\\_", "_"), f"{extractor} is not in {name}"


def test_cells_are_extractors_times_videos_times_budgets_times_seeds(benchmark, rendered, tmp_path, cells):
    summary = benchmark(rendered, ["pixel_distance"], budgets=["2", "50%", "free"], seeds=(0, 1, 2))
    found = cells(tmp_path / "out")
    names = ["cuts.mp4", "mixed.mp4", "static.mp4"]
    expected = {(e, v, b) for e in ("pixel_distance", "uniform") for v in names for b in ("2", "50%", "free")}
    expected |= {("random", v, b) for v in names for b in ("2", "50%")}  # random takes no free budget
    assert {(r["extractor"], r["video"], r["budget"]) for r in found.values()} == expected
    assert summary.n_cells == summary.n_computed == len(found) == 2 * 3 * 3 + 1 * 3 * 2 * 3


def test_seeds_count_only_where_chance_does(benchmark, rendered, tmp_path, cells):
    benchmark(rendered, ["vsumm", "pixel_distance"], seeds=(3, 4, 3))
    seeds = {}
    for record in cells(tmp_path / "out").values():
        seeds.setdefault(record["extractor"], set()).add(record["seed"])
    assert seeds["random"] == {3, 4}
    assert seeds["pixel_distance"] == seeds["uniform"] == {0}


def test_random_is_a_hundred_draws_and_the_same_again(benchmark, rendered, tmp_path, numbers):
    benchmark(rendered, ["random"], out=tmp_path / "a")
    benchmark(rendered, ["random"], out=tmp_path / "b")
    drawn = [r for r in numbers(tmp_path / "a").values() if r["extractor"] == "random"]
    assert [r["draws"] for r in drawn] == [100] * 3
    assert numbers(tmp_path / "a") == numbers(tmp_path / "b")
    assert (load_results(tmp_path / "a").set_index("extractor").loc["random", "metric.coverage_gray"] > 0).all()


def test_controls_are_always_there(benchmark, rendered, tmp_path, cells):
    benchmark(rendered, ["coded_frames"])
    control = {r["extractor"]: r["control"] for r in cells(tmp_path / "out").values()}
    assert control == {"coded_frames": False, "random": True, "uniform": True}


def test_people_and_oracle_only_where_there_are_annotations(benchmark, folder, tmp_path, cells, annotate):
    summary = benchmark(folder, "all", out=tmp_path / "plain")
    without = {r["extractor"] for r in cells(tmp_path / "plain").values()}
    assert without.isdisjoint({"oracle", "human"})
    assert "has none" in {n.extractor: n.reason for n in summary.not_run}["oracle"]
    annotate(folder)
    summary = benchmark(folder, "all", out=tmp_path / "annotated")
    found = cells(tmp_path / "annotated").values()
    assert {(r["extractor"], r["video"]) for r in found if r["privileged"]} == {
        ("oracle", "cuts.mp4"),
        ("human", "cuts.mp4"),
    }
    assert "oracle" not in {n.extractor for n in summary.not_run}
    assert len({r["extractor"] for r in found}) == len(without) + 2


def test_oracle_by_name_needs_annotations(benchmark, folder, annotate):
    with pytest.raises(UnavailableError, match="data set 'folder' has none"):
        benchmark(folder, ["oracle"])
    annotate(folder)
    assert benchmark(folder, ["oracle"]).n_computed == 1 + 1 + 2 * 3


def test_human_row_is_everyone_against_the_others(benchmark, folder, tmp_path, cells, annotate):
    """Anna (7, 18) and Ben (5, 26) at 10 frames per second: within 0.5 s one of two matches, both ways."""
    annotate(folder)
    benchmark(folder, ["uniform"])
    (human,) = [r for r in cells(tmp_path / "out").values() if r["extractor"] == "human"]
    assert human["draws"] == 2 and human["budget"] == "free"
    assert human["metrics"]["f1_0_5s"] == pytest.approx(0.5)
    assert human["metrics"]["f1_1s"] == pytest.approx(1.0)


def test_grid_is_swept_on_one_decode(benchmark, rendered, tmp_path, cells, monkeypatch):
    from keyframe_bench.bench import run
    from keyframe_bench.video.onepass import read_pass

    passes = []

    def counted(path, *more, **options):
        passes.append(path)
        return read_pass(path, *more, **options)

    monkeypatch.setattr(run, "read_pass", counted)
    grid = {"pixel_distance": {"threshold": ["mean", "mean+std"], "color": ["gray", "rgb"]}}
    benchmark(rendered, ["pixel_distance", "vsumm"], grid=grid, budgets=["2", "free"], seeds=(0, 1))
    assert len(passes) == 3, "one pass a video"
    found = [r for r in cells(tmp_path / "out").values() if r["extractor"] == "pixel_distance"]
    assert len({json.dumps(r["params"], sort_keys=True) for r in found}) == 4
    assert len(found) == 4 * 3 * 2


def test_grid_on_the_command_line(cli, rendered, tmp_path, cells):
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[pixel_distance]", f"out={tmp_path}"]
    assert cli(*words, "grid.pixel_distance.factor=[0.5,1,2]", "grid.uniform.phase=[start]")[0] == 0
    found = cells(tmp_path).values()
    assert {r["params"]["factor"] for r in found if r["extractor"] == "pixel_distance"} == {0.5, 1.0, 2.0}
    assert {r["params"]["phase"] for r in found if r["extractor"] == "uniform"} == {"start"}


def test_budgets_are_resolved_on_the_sampled_frames(benchmark, rendered, tmp_path, cells):
    benchmark(rendered, ["uniform"], budgets=["2", "50%", "60/min"])
    k = {(r["video"], r["budget"]): r["k"] for r in cells(tmp_path / "out").values()}
    assert k["cuts.mp4", "2"] == 2
    assert (k["cuts.mp4", "50%"], k["mixed.mp4", "50%"], k["static.mp4", "50%"]) == (3, 4, 2)  # of 6, 8, 4
    assert (k["cuts.mp4", "60/min"], k["mixed.mp4", "60/min"], k["static.mp4", "60/min"]) == (3, 4, 2)


def test_large_numbers_keep_every_digit(benchmark, folder, tmp_path, cells):
    """The budget is part of a cell's identity: 1234567 must not become 1.23457e+06."""
    for name in ("cuts.mp4", "mixed.mp4"):
        (folder / name).unlink()
    benchmark(folder, ["uniform"], budgets=["1234567"], sampling="29.97002997fps")
    found = cells(tmp_path / "out").values()
    assert {(r["budget"], r["run_sampling"]) for r in found} == {("1234567", "29.97002997fps")}


def test_every_number_is_finite_or_missing(benchmark, folder, tmp_path, annotate):
    annotate(folder)
    benchmark(folder, "all", budgets=["1", "1000", "free"])

    def refuse(constant):
        raise AssertionError(constant)

    for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=refuse)


def test_all_rows_are_paid_what_they_use(benchmark, rendered, tmp_path, cells):
    benchmark(rendered, ["vsumm", "pixel_distance"])
    for record in cells(tmp_path / "out").values():
        cost = record["metrics"]
        assert cost["total_s"] == pytest.approx(cost["decode_s"] + cost["features_s"] + cost["select_s"])
        assert cost["decode_s"] > 0 and cost["peak_mb"] > 0
        if record["extractor"] == "uniform":
            assert cost["features_s"] == 0


def test_metric_that_shares_the_selectors_feature_is_said(cli, rendered, tmp_path):
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[vsumm]", f"out={tmp_path}/out"]
    _, text, _ = cli(*words)
    (line,) = (line for line in text.splitlines() if line.startswith("warning:") and "vsumm" in line)
    assert "coverage_hue" in line
    assert "look at hue_histogram, which vsumm selects on: that favours vsumm" in line
    assert "look at hue_histogram, which vsumm" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_what_is_left_out_is_said(cli, rendered, tmp_path):
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=all", f"out={tmp_path}/out"]
    _, text, _ = cli(*words)
    assert "not run: oracle: it looks at annotations, and data set 'folder' has none" in text


def test_dry_run_tells_and_writes_nothing(cli, rendered, tmp_path, monkeypatch, snapshot):
    monkeypatch.chdir(tmp_path)
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[vsumm]", "budget=[2,3]", "out=out"]
    status, text, err = cli(*words, "--dry-run")
    assert (status, err) == (0, "") and snapshot(tmp_path) == {}
    assert "3 videos, 18 cells, 18 missing" in text
    assert "estimated time" in text and "disk" in text and " MB" in text
    cli(*[w.replace("[2,3]", "2") for w in words])
    before = snapshot(tmp_path)
    _, text, _ = cli(*words, "--dry-run")
    assert "3 videos, 18 cells, 9 missing" in text and snapshot(tmp_path) == before
    cli(*words)
    _, text, _ = cli(*words, "--dry-run")
    assert "18 cells, 0 missing" in text and "estimated time 0 s" in text and "disk 0.0 MB" in text


def test_estimates_are_of_the_right_size(rendered, tmp_path, benchmark):
    """Disk within a factor of 4 of what is written (file system blocks apart)."""
    dataset = Dataset.registry.build("folder", {"root": str(rendered)})
    options = {"budgets": ["3"], "sampling": "2fps", "seeds": (0,), "on_error": "raise"}
    plan = dry_run(RunSpec(dataset, tmp_path / "out", ["vsumm", "pixel_distance"], **options))
    assert (plan.n_videos, plan.n_cells, plan.n_missing) == (3, 12, 12)
    assert plan.per_extractor["vsumm"] == (3, 3)
    assert 0 < plan.seconds < 60
    benchmark(rendered, ["vsumm", "pixel_distance"])
    written = sum(p.stat().st_size for p in (tmp_path / "out").rglob("*.j*")) / 1e6
    assert written / 4 < plan.megabytes < written * 8


def test_relative_paths(cli, folder, tmp_path, monkeypatch, cells):
    monkeypatch.chdir(tmp_path)
    words = ["run", "dataset=folder", "dataset.root=./videos", "extractors=[uniform]"]
    assert cli(*words, "out=a/b")[0] == 0
    assert cli(*words, f"out={tmp_path}/a/b", "dataset.root=videos/../videos")[1].splitlines()[-1].startswith("0 of 6")
    assert len(cells(tmp_path / "a/b")) == 6


def test_synthetic_data_set_has_people_free_truth(cli, tmp_path, cells):
    """The rendered set has one known answer each: an oracle row, and no human row (that needs two people)."""
    size = ["dataset.n_videos=2", "dataset.duration_s=1", f"dataset.root={tmp_path}/videos"]
    status, text, err = cli("run", "dataset=synthetic", *size, "extractors=all", "budget=3", f"out={tmp_path}/out")
    assert (status, err) == (0, "") and "scored 2 of 2 videos" in text
    names = {r["extractor"] for r in cells(tmp_path / "out").values()}
    assert "oracle" in names and "human" not in names
