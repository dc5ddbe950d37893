"""``keyframe-bench table``: run, print, write; and the same from results alone."""

from __future__ import annotations

import json

import pytest

from keyframe_bench.cli.experiments import load_experiment, names_of_experiments
from keyframe_bench.cli.main import main
from keyframe_bench.rendering.films import render_video

MINE = """
title: How many
source: platformai
scales: {smoke: {dataset: {name: synthetic, n_videos: 5, duration_s: 4}, seeds: [0]}}
runs: [{extractors: [uniform], budget: free, sampling: 2fps}]
rows: [{name: one, where: {extractor: uniform}, paper: {frames: 10}}]
columns: [{name: frames, sum: n_keyframes, about: of all videos}]
claims:
  - {claim: some are left, measure: {mean: n_keyframes}, expect: {above: 0}, paper: 2}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A table of a user's own YAML file, computed once."""
    folder = tmp_path_factory.mktemp("table")
    (folder / "mine.yaml").write_text(MINE, "utf-8")
    assert main(["table", str(folder / "mine.yaml"), "scale=smoke", f"out={folder / 'out'}"]) == 0
    return folder


def test_every_file_of_a_table_is_written(made):
    out = made / "out"
    text = (out / "mine.md").read_text("utf-8")
    assert "| one | 10 | 10 " in text  # paper, ours
    assert "| some are left | 2 |" in text
    assert "**holds**" in text
    assert "`keyframe-bench table" in text and "smoke only shows" in text
    assert "@online{platformai," in (out / "mine.bib").read_text("utf-8")
    (verdict,) = json.loads((out / "mine.verdicts.json").read_text("utf-8"))
    assert (verdict["verdict"], verdict["found"]["n"]) == ("holds", 5)


def test_from_results_alone_gives_the_same_table(made, capsys, tmp_path):
    name = str(made / "mine.yaml")
    capsys.readouterr()
    for source in (made / "out", made / "out" / "results.jsonl"):
        assert main(["table", name, "--from", str(source), f"out={tmp_path / 'again'}"]) == 0
        assert (tmp_path / "again" / "mine.md").read_text("utf-8") == (made / "out" / "mine.md").read_text("utf-8")


def test_the_same_command_again_computes_nothing(made):
    before = {p: p.stat().st_mtime_ns for p in (made / "out" / "cells").iterdir()}
    assert main(["table", str(made / "mine.yaml"), "scale=smoke", f"out={made / 'out'}"]) == 0
    assert {p: p.stat().st_mtime_ns for p in (made / "out" / "cells").iterdir()} == before


@pytest.mark.parametrize("place", ["scales", "runs"])
def test_a_published_split_replaces_the_tables_own(rendered, tmp_path, place):
    """It is taken as typed, not through Hydra's grammar."""
    where = "seeds: [0]" if place == "scales" else "budget: free"
    (tmp_path / "mine.yaml").write_text(MINE.replace(where, f"{where}, split: 'temporal:0.5'"), "utf-8")
    split = tmp_path / "my split, 1.json"
    folds = [{"train": ["mixed.mp4", "static.mp4"], "test": ["cuts.mp4"]}]
    split.write_text(json.dumps({"format": "keyframe_bench/split@1", "folds": folds}), "utf-8")
    words = ["table", str(tmp_path / "mine.yaml"), "scale=smoke", "dataset=folder", f"dataset.root={rendered}"]
    assert main([*words, f"split={split}", f"out={tmp_path / 'out'}"]) == 0
    results = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text("utf-8").splitlines()]
    assert {cell["video"] for cell in results} == {"cuts.mp4"}


def test_a_key_that_stands_twice_is_named(tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text(MINE + "source: ffmpeg\n", "utf-8")
    assert main(["table", str(tmp_path / "mine.yaml"), "scale=smoke"]) == 2
    assert "'source' appears twice" in capsys.readouterr().err


def test_into_replaces_what_is_between_the_markers(made, tmp_path, capsys):
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- table mine -->\nstale text\n<!-- /table mine -->\nafter\n", "utf-8")
    command = ["table", str(made / "mine.yaml"), "--from", str(made / "out"), "--into", str(page)]
    assert main(command) == 0
    text = page.read_text("utf-8")
    assert text.startswith("before\n<!-- table mine -->\n**How many**")
    assert text.endswith("<!-- /table mine -->\nafter\n")
    assert "stale text" not in text
    page.write_text("no markers", "utf-8")
    assert main(command) == 2
    assert page.read_text("utf-8") == "no markers"
    assert "must hold <!-- table mine -->" in capsys.readouterr().err


def test_without_a_name_the_tables_are_listed(capsys):
    assert main(["table"]) == 0
    listed = capsys.readouterr().out
    assert "platform_ai/counts" in listed and "chen2021/table5" in listed
    assert "_data" not in listed  # data sets that tables share


@pytest.mark.parametrize("name", names_of_experiments())
def test_every_packaged_table_is_well_formed(name):
    experiment = load_experiment(name)
    assert all(experiment.runs_at(scale) or not experiment.runs for scale in experiment.scales)
    assert experiment.plain or (experiment.rows and experiment.columns and (experiment.claims or not experiment.runs))


def smoke_runs():
    """Return the tables that run extractors on videos at a scale for tests; those of trainings have their own."""
    tables = {name: load_experiment(name) for name in names_of_experiments()}
    names = [name for name, table in tables.items() if "smoke" in table.scales and table.kind == "comparison"]
    heavy = {"surveillance", "platform_ai/comparison", "backbones"}
    return [pytest.param(name, marks=pytest.mark.slow if name in heavy else ()) for name in names]


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    return tmp_path_factory.mktemp("trainings")


@pytest.mark.parametrize("name", smoke_runs())
def test_every_packaged_table_runs_at_smoke_scale(name, trainings, tmp_path, capsys):
    out, saved = tmp_path / "out", tmp_path / "saved.jsonl"
    # Several tables share the rendered videos, and trainings on them.
    assert main(["table", name, "scale=smoke", f"out={out}", f"trainings={trainings}"]) == 0
    page = capsys.readouterr().out
    experiment = load_experiment(name)
    title = "synthetic, budget" if experiment.plain else experiment.title.split(":")[0]
    assert title in page.replace("\\", "")
    assert (out / f"{name.split('/')[-1]}.verdicts.json").exists() == bool(experiment.claims)
    # Small results give the same page, with the warnings of the run.
    assert name != "main" or "hue_histogram, which vsumm selects on" in page.replace("\\", "")
    assert main(["table", name, "--from", str(out), "--save", str(saved)]) == 0
    assert main(["table", name, "--from", str(saved)]) == 0
    assert capsys.readouterr().out == page.partition("written:")[0] * 2


def test_saved_results_are_small_and_those_of_the_run(made, tmp_path, capsys):
    name, saved = str(made / "mine.yaml"), tmp_path / "mine.jsonl"
    assert main(["table", name, "--from", str(made / "out"), "--save", str(saved)]) == 0
    whole = capsys.readouterr().out
    assert main(["table", name, "--from", str(saved)]) == 0
    assert capsys.readouterr().out == whole
    assert saved.stat().st_size < (made / "out" / "results.jsonl").stat().st_size
    assert main(["table", name, "--from", str(saved), "--save", str(tmp_path / "mine.csv")]) == 2
    assert main(["results", "diff", str(made / "out"), str(saved)]) == 0
    lines = [json.loads(line) for line in saved.read_text("utf-8").splitlines()]
    assert all(line["seed"] == 0 for line in lines)
    lines[0]["metrics"]["n_keyframes"] += 1
    saved.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert main(["results", "diff", str(made / "out"), str(saved)]) == 1


@pytest.mark.parametrize("name", ["platform_ai/counts", "platform_ai/change_graph"])
def test_a_damaged_video_is_left_out_and_named(name, tmp_path, capsys):
    for i in range(2):
        render_video(tmp_path / "v" / f"{i}.mp4", "cuts", seed=i, duration_s=4)
    (tmp_path / "v" / "torn.mp4").write_bytes(b"no video")
    words = ["table", name, "scale=smoke", "dataset=folder", f"dataset.root={tmp_path / 'v'}", f"out={tmp_path / 'o'}"]
    assert main([*words, "limit=3"]) == 0
    page = (tmp_path / "o" / f"{name.rpartition('/')[2]}.md").read_text("utf-8")
    assert "scored 2 of 3 videos; 1 skipped: torn.mp4" in page
    assert main([*words, "limit=3", "on_error=raise", f"out={tmp_path / 'p'}"]) == 2
    assert "torn.mp4" in capsys.readouterr().err


LENGTHS = '''
import keyframe_bench as kb


@kb.register("lengths_of_tests")
class Lengths(kb.Figure):
    """How long videos are."""

    columns = {"bytes": kb.Column("none", "1", "of the file")}

    def cells(self, table, settings):
        yield from table.each(self.cell)

    def cell(self, item):
        size = item.path.stat().st_size
        if size < 100:
            raise kb.VideoError(item.path, "it is tiny")
        about = {"format": "keyframe_bench/cell@1", "status": "ok", "extractor": "none", "params": {}, "label": "size"}
        about |= {"dataset": "folder", "video": item.id, "budget": "", "sampling": "", "run_sampling": "", "seed": 0}
        yield {**about, "key": item.id, "reference": "none", "metrics": {"bytes": float(size)}}

    def draw(self, cells, settings):
        return b"\\x89PNG of " + str(len(cells)).encode()
'''
RECORDS = """
title: How large
scales: {smoke: {dataset: {name: folder}, seeds: [0]}}
runs: [{extractors: [uniform], budget: free}]
records: {make: lengths_of_tests}
figure: {draw: lengths_of_tests}
rows: [{name: sizes, where: {label: size}}]
columns: [{name: bytes, mean: bytes}]
"""


def test_a_figure_of_a_plugin_makes_the_cells_of_a_comparison(folder, tmp_path, capsys, own_registry):
    plugin, table, out = tmp_path / "lengths_of_tests.py", tmp_path / "mine.yaml", tmp_path / "out"
    plugin.write_text(LENGTHS)
    table.write_text(RECORDS)
    (folder / "torn.mp4").write_bytes(b"no video")
    words = ["table", str(table), "scale=smoke", f"dataset.root={folder}", f"out={out}"]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "unknown figure 'lengths_of_tests'" in error and "--plugin" in error
    assert main([*words, f"--plugin={plugin}"]) == 0
    page = capsys.readouterr().out
    assert "| sizes |" in page and "scored 3 of 4 videos; 1 skipped: torn.mp4" in page
    assert (out / "mine.png").read_bytes() == b"\x89PNG of 3"
    assert main(["table", str(table), f"--plugin={plugin}", "--from", str(out)]) == 0
    assert capsys.readouterr().out == page.partition("written:")[0]
    assert main([*words, f"--plugin={plugin}", "on_error=raise"]) == 2
    assert "torn.mp4" in capsys.readouterr().err
