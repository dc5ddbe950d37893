"""Which cells a run consists of, what is in them, and what is derived from them."""

import json
from collections import defaultdict

import pytest

from keyframe_bench.bench import run as run_module
from keyframe_bench.bench.execute import dry_run
from keyframe_bench.bench.spec import RunSpec, variants
from keyframe_bench.core.cells import NO_NETWORK
from keyframe_bench.core.errors import UnavailableError, UsageError
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.tables.load import load_results

FILES = {
    *("results.jsonl", "table.md", "table.csv", "table.bib", "table.tex", "stats.csv", "report.html", "run.json"),
    *("cells", "videos", "thumbs", "choices"),
}


@pytest.fixture
def words(rendered, tmp_path):
    """A run over three videos."""
    return ["run", "dataset=folder", f"dataset.root={rendered}", f"out={tmp_path}/out"]


def of(cells, extractor):
    return [r for r in cells.values() if r["extractor"] == extractor]


def test_files_of_a_run(cli, words, tmp_path, cells, monkeypatch):
    """Also: what cannot run is told once."""
    monkeypatch.setattr(Extractor.registry.get("autoencoder"), "unavailable", lambda _: "no torch")
    status, text, err = cli(*words, "extractors=all", "budget=3")
    assert (status, err) == (0, "")
    beside = {"learned", ".lock", ".claims"}  # pictures of checkpoints; core.files: locked, claimed
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES | beside
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert {line["key"]: line for line in lines} == cells(tmp_path / "out")
    assert "scored 3 of 3 videos" in text and "not run: oracle: it requires annotations, and data set 'folder'" in text
    assert text.count("not run: autoencoder: no torch\n") == 1
    for name in ("table.md", "table.csv", "table.tex", "report.html"):
        content = (tmp_path / "out" / name).read_text(encoding="utf-8")
        for extractor in {line["extractor"] for line in lines}:
            assert extractor in content.replace("\\_", "_"), f"{extractor} is not in {name}"


def test_cells_are_extractors_times_videos_times_budgets_times_seeds(benchmark, rendered, tmp_path, cells):
    summary = benchmark(rendered, ["pixel_distance"], budgets=["2", "50%", "60/min", "free"], seeds=(0, 1, 2, 1))
    found = cells(tmp_path / "out")
    names, fixed = ["cuts.mp4", "mixed.mp4", "static.mp4"], ("2", "50%", "60/min")
    expected = {(e, v, b, 0) for e in ("pixel_distance", "uniform") for v in names for b in (*fixed, "free")}
    # Chance alone needs several seeds, and takes no free budget.
    expected |= {("random", v, b, seed) for v in names for b in fixed for seed in (0, 1, 2)}
    assert {(r["extractor"], r["video"], r["budget"], r["seed"]) for r in found.values()} == expected
    assert summary.n_cells == summary.n_computed == len(found) == len(expected)
    assert {r["extractor"]: r["control"] for r in found.values()} == {
        "pixel_distance": False, "random": True, "uniform": True
    }  # fmt: skip
    k = {(r["video"], r["budget"]): r["k"] for r in of(found, "uniform")}
    for budget, expected_k in {"2": (2, 2, 2), "50%": (3, 4, 2), "60/min": (3, 4, 2)}.items():  # of 6, 8, 4 frames
        assert tuple(k[name, budget] for name in names) == expected_k
    for record in found.values():
        cost = record["metrics"]
        assert cost["total_s"] == pytest.approx(cost["decode_s"] + cost["features_s"] + cost["select_s"])
        assert cost["decode_s"] > 0 and cost["peak_mb"] > 0
        assert record["extractor"] != "uniform" or cost["features_s"] == 0


def test_random_is_a_hundred_draws_and_the_same_again(benchmark, rendered, tmp_path, numbers):
    for name in "ab":
        benchmark(rendered, ["random"], out=tmp_path / name)
    assert [r["draws"] for r in of(numbers(tmp_path / "a"), "random")] == [100] * 3
    assert numbers(tmp_path / "a") == numbers(tmp_path / "b")
    assert (load_results(tmp_path / "a").set_index("extractor").loc["random", "metric.coverage_gray"] > 0).all()


def test_annotators_and_oracle_only_where_there_are_annotations(benchmark, folder, tmp_path, cells, annotate):
    """Anna (7, 18) and Ben (5, 26) at 10 frames per second: within 0.5 s one of two matches, both ways."""
    summary = benchmark(folder, "all", out=tmp_path / "plain")
    without = {r["extractor"] for r in cells(tmp_path / "plain").values()}
    assert without.isdisjoint({"oracle", "human"})
    assert "has none" in {n.extractor: n.reason for n in summary.not_run}["oracle"]
    with pytest.raises(UnavailableError, match="data set 'folder' has none"):
        benchmark(folder, ["oracle"])
    annotate(folder)
    summary = benchmark(folder, "all", budgets=["1", "3", "1000", "free"], out=tmp_path / "annotated")
    assert summary.failures == [] and "oracle" not in {n.extractor for n in summary.not_run}
    found = cells(tmp_path / "annotated")
    privileged = {(r["extractor"], r["video"]) for r in found.values() if r["privileged"]}
    assert privileged == {("oracle", "cuts.mp4"), ("human", "cuts.mp4")}
    assert len({r["extractor"] for r in found.values()}) == len(without) + 2
    (human,) = of(found, "human")
    assert human["draws"] == 2 and human["budget"] == "free"
    assert human["metrics"]["f1_0_5s"] == pytest.approx(0.5) and human["metrics"]["f1_1s"] == pytest.approx(1.0)
    text = (tmp_path / "annotated" / "results.jsonl").read_text()
    assert "NaN" not in text and "Infinity" not in text  # every number is finite or missing


def test_budgets_that_are_annotated(benchmark, folder, tmp_path, cells, annotate):
    """Three shots; five and two frames, hence four. Two of the three videos are not annotated."""
    annotate(folder, anna=(1, 7, 18, 25, 28), ben=(5, 26))
    summary = benchmark(folder, ["vsumm", "oracle"], budgets=["shots", "users", "2"], on_error="skip")
    assert set(summary.skipped) == {"mixed.mp4", "static.mp4"}
    assert all("no annotated shots" in reason for reason in summary.skipped.values())
    found = cells(tmp_path / "out")
    assert {(r["video"], r["budget"], r["k"]) for r in found.values() if r["extractor"] != "human"} == {
        ("cuts.mp4", "shots", 3), ("cuts.mp4", "users", 4), ("cuts.mp4", "2", 2)
    }  # fmt: skip
    assert {r["extractor"] for r in found.values()} == {"random", "uniform", "vsumm", "oracle", "human"}
    assert all(len(r["keyframes"]["frames"]) == r["k"] for r in of(found, "uniform"))
    with pytest.raises(UsageError, match=r"video 'mixed.mp4' has no annotated shots"):
        benchmark(folder, ["uniform"], budgets=["shots"], out=tmp_path / "raised")
    annotate(folder, anna=(7,), ben=(5, 26))  # other annotations, other cells
    assert benchmark(folder, ["uniform"], budgets=["users"], on_error="skip").n_computed > 0
    assert {r["k"] for r in of(cells(tmp_path / "out"), "uniform") if r["budget"] == "users"} == {2, 4}
    annotate(folder, anna=(), ben=())
    with pytest.raises(UsageError, match="data set 'folder' has no annotators with key frames"):
        benchmark(folder, ["uniform"], budgets=["users"], on_error="skip")


def test_grid_is_swept_on_one_decode(benchmark, rendered, tmp_path, cells, monkeypatch):
    passes, read_pass = [], run_module.read_pass

    def counted(path, *more, **options):
        passes.append(path)
        return read_pass(path, *more, **options)

    monkeypatch.setattr(run_module, "read_pass", counted)
    grid = {"pixel_distance": {"threshold": ["mean", "mean+std"], "color": ["gray", "rgb"]}}
    benchmark(rendered, ["pixel_distance", "vsumm"], grid=grid, budgets=["2", "free"], seeds=(0, 1))
    assert len(passes) == 3, "one pass a video"
    found = of(cells(tmp_path / "out"), "pixel_distance")
    assert len({json.dumps(r["params"], sort_keys=True) for r in found}) == 4 and len(found) == 4 * 3 * 2


def test_large_numbers_keep_every_digit(benchmark, folder, tmp_path, cells):
    """The budget is part of a cell's identity: 1234567 must not become 1.23457e+06."""
    benchmark(folder, ["uniform"], budgets=["1234567"], sampling="29.97002997fps", limit=1)
    found = cells(tmp_path / "out").values()
    assert {(r["budget"], r["run_sampling"]) for r in found} == {("1234567", "29.97002997fps")}


def test_metric_that_shares_the_selectors_feature_is_said(cli, words, tmp_path):
    _, text, _ = cli(*words, "extractors=[vsumm]")
    (line,) = (line for line in text.splitlines() if line.startswith("warning:") and "vsumm" in line)
    assert "hue_histogram" in line and "may favour vsumm" in line
    columns = json.loads((tmp_path / "out" / "run.json").read_text())["columns"]
    named = set(line.split(" judge by ")[0].partition("such as ")[2].split(", "))
    assert {"coverage_hue", "represent_hue"} <= named <= columns.keys()
    assert "hue_histogram, which vsumm" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_dry_run_tells_and_writes_nothing(cli, rendered, tmp_path, monkeypatch, snapshot):
    monkeypatch.chdir(tmp_path)
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[vsumm]", "budget=[2,3]", "out=out"]
    status, text, err = cli(*words, "--dry-run")
    assert (status, err) == (0, "") and snapshot(tmp_path) == {}
    assert "3 videos, 18 cells, 18 missing" in text and "estimated time" in text and " MB" in text
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
    plan = dry_run(RunSpec(dataset, tmp_path / "out", ["vsumm", "pixel_distance"], ["3"], "2fps", (0,), "raise"))
    assert (plan.n_videos, plan.n_cells, plan.n_missing) == (3, 12, 12)
    assert plan.per_extractor["vsumm"] == (3, 3) and 0 < plan.seconds < 60
    benchmark(rendered, ["vsumm", "pixel_distance"])
    written = sum(p.stat().st_size for p in (tmp_path / "out").rglob("*.j*")) / 1e6
    assert written / 4 < plan.megabytes < written * 8


# -- inferred budgets


def test_inferred_budgets_are_computed_kept_and_warned_about(benchmark, rendered, tmp_path, cells):
    benchmark(rendered, ["pixel_distance"], budgets=["4", "inferred", "inferred-coverage"])
    found, warned = of(cells(tmp_path / "out"), "pixel_distance"), defaultdict(set)
    assert len(found) == 9
    for record in found:
        by_coverage = record["budget"] == "inferred-coverage"
        assert record["status"] == "ok" and record["k"] == len(record["keyframes"]["frames"])
        assert record["keyframes"]["frame_scores"] is record["keyframes"]["thresholds"] is None
        assert any("gray@" in f and "18" in f for f in record["features"]) == by_coverage
        assert record["video"] != "static.mp4" or not by_coverage or record["k"] == 1
        warned[any("coverage_gray" in w for w in record["warnings"])].add(record["budget"])
    assert warned == {True: {"inferred-coverage"}, False: {"4", "inferred"}}
    said = [w for w in json.loads((tmp_path / "out" / "run.json").read_text())["warnings"] if "coverage_gray" in w]
    assert len(said) == 1 and "judge by gray, which pixel_distance at budget=inferred-coverage selects on" in said[0]


def test_methods_without_scores_take_no_inferred_budget(benchmark, rendered, tmp_path, cells):
    summary = benchmark(rendered, "all", budgets=["inferred"])
    ran = {r["extractor"] for r in cells(tmp_path / "out").values()}
    assert ran >= {"ffmpeg_scene", "histogram_distance", "pixel_distance"}
    assert ran.isdisjoint({"uniform", "random", "coded_frames"})
    assert "takes no inferred budget" in {n.extractor: n.reason for n in summary.not_run}["uniform"]
    with pytest.raises(UnavailableError, match="'coded_frames' cannot run: it takes no inferred budget"):
        benchmark(rendered, ["coded_frames"], budgets=["inferred"])


def test_inferred_budgets_on_the_command_line(cli, words, video, tmp_path):
    status, text, err = cli(*words, "extractors=[pixel_distance]", "budget=[8,inferred]")
    assert (status, err) == (0, "") and "inferred" in text
    status, text, err = cli("extract", video, "budget=inferred", f"out={tmp_path}/one")
    assert (status, err) == (0, "")
    record = json.loads((tmp_path / "one" / "keyframes.json").read_text())
    assert record["budget"] == "inferred" and record["k"] == len(record["frames"])
    assert f"budget inferred = {record['k']}" in text
    status, _, err = cli("extract", video, "extractor=uniform", "budget=inferred")
    assert status == 2 and "pixel_distance" in err and err.count("\n") == 1


# -- the row without the network


@pytest.mark.parametrize(
    ("extractors", "grid", "expected"),
    [
        (["autoencoder"], {}, [("reconstruction", "auto"), ("input", "auto")]),
        ("all", {}, [("reconstruction", "auto"), ("input", "auto")]),
        (["autoencoder"], {"distance_space": ["input"]}, [("input", "auto")]),
        (
            ["autoencoder"],
            {"distance_space": ["reconstruction", "input", "cross"]},
            [("reconstruction", "auto"), ("input", "auto"), ("cross", "auto")],
        ),
        (
            ["autoencoder"],
            {"threshold": [0.03, "auto"]},
            [("reconstruction", 0.03), ("reconstruction", "auto"), ("input", 0.03), ("input", "auto")],
        ),
        (["uniform"], {}, []),
    ],
)
def test_the_row_without_the_network_stands_beside_the_others_once(tmp_path, extractors, grid, expected):
    pytest.importorskip("torch")
    data, given = Dataset.registry.build("synthetic", {"root": str(tmp_path)}), {"autoencoder": grid} if grid else {}
    spec = RunSpec(data, tmp_path / "o", extractors, ["3"], "2fps", [0], "raise", grid=given)
    found = [v for v in variants(spec)[0] if v.name == "autoencoder"]
    assert {v.params["distance_space"] == "input" for v in found if v.build().label == NO_NETWORK} <= {True}
    assert [(v.params["distance_space"], v.params["threshold"]) for v in found] == expected


def test_what_the_report_shows_of_a_choice_is_what_extract_gives(cli, words, rendered, tmp_path, cells):
    """Curve, threshold, rank and segment; a later run into the folder adds to what was kept."""
    import keyframe_bench as kb

    for budget in ("free", "3"):
        assert cli(*words, "extractors=[pixel_distance]", f"budget={budget}")[0] == 0
    kept = {p.stem: json.loads(p.read_text()) for p in (tmp_path / "out" / "choices").glob("*.json")}
    for cell in of(cells(tmp_path / "out"), "pixel_distance"):
        file = kept[cell["video_record"]]
        assert (tmp_path / "out" / file["address"]).samefile(rendered / cell["video"])
        choice, done = file["choices"][cell["key"]], kb.extract(rendered / cell["video"], budget=cell["budget"])
        found = done.keyframes
        curve = file["curves"][choice["curve"]]
        assert curve["scores"] == pytest.approx(found.frame_scores.tolist(), rel=1e-4)
        assert curve["times"] == pytest.approx(done.source.times[found.scored].tolist(), abs=1e-3)
        limit = [] if cell["budget"] == "3" else [float(found.thresholds[-1])]
        assert curve["thresholds"] == pytest.approx(limit, rel=1e-4)
        told = [kb.explain(rendered / cell["video"], frame=int(f), budget=cell["budget"]) for f in found.frames]
        for name, of_frame in (("frame_scores", "score"), ("ranks", "rank"), ("why", "why")):
            assert choice[name] == [getattr(one, of_frame) for one in told]
        ends = [*done.source.times.tolist(), done.video.start_s + done.video.duration_s]
        spans = [end for span in choice["segments_s"] for end in span]
        assert spans == pytest.approx([ends[i] for i in found.segments.flat], abs=1e-3)
    asked = [c for c in cells(tmp_path / "out").values() if c["extractor"] != "human"]
    assert sum(len(file["choices"]) for file in kept.values()) == len(asked)
