"""The comparison: result files as they are read, means, denominators, ranking."""

import math
import statistics
import subprocess
import sys

import pandas as pd
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.tables import ColumnSpec, coverage_sentence, load_results, load_run

from .conftest import COLUMNS, FAILED, cell, cells_of, frame, notes, table_of, values_of


def test_one_line_a_cell_with_numbers_and_facts(write):
    good = cell("uniform", metrics={"cus_a": 0.5, "cus_e": None})
    older = cell("uniform", metrics={"cus_a": 0.1})
    found = load_results(write(older, good, cell("vsumm", **FAILED)).parent)  # of one key the last line counts
    assert list(found["extractor"]) == ["uniform", "vsumm"]
    assert (found["metric.cus_a"][0], found["cost.select_s"][0], found["n_keyframes"][0]) == (0.5, 0.5, 2)
    assert math.isnan(found["metric.cus_e"][0])
    assert (found["error_type"][1], found["error_message"][1]) == ("ValueError", "too\nshort")


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('{"key": "x", "status"', "not JSON"),
        ("[1]", "not a keyframe_bench/cell@1 object"),
        ('{"key":"x","status":"ok","extractor":"u"}', "has no video"),
        ('{"key":"x","status":"done","extractor":"u","video":"v"}', "status 'done'"),
        ('{"key":"x","status":"ok","extractor":"u","video":"v","metrics":{"a":NaN}}', "NaN"),
        ('{"key":"x","status":"ok","extractor":"u","video":"v","metrics":{"a":"high"}}', "metrics.a"),
        ('{"format":"other@2","key":"x","status":"ok","extractor":"u","video":"v"}', "cell@1"),
    ],
)
def test_a_malformed_line_is_named(write, line, word):
    file = write(cell("uniform"))
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(UsageError, match="line 2 of") as caught:
        load_results(file)
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_missing_and_empty_files(tmp_path):
    with pytest.raises(UsageError, match=r"results\.jsonl"):
        load_results(tmp_path)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(UsageError, match=r"run\.json"):
        load_run(tmp_path)
    (tmp_path / "results.jsonl").write_text("")
    assert "extractor" in load_results(tmp_path)
    table = table_of()
    assert (table.rows, table.columns, len(table.frame)) == ((), (), 0)


def test_seeds_are_averaged_within_a_video_and_every_mean_has_its_own_denominator():
    # video a has three seeds, b one: (mean(0.1, 0.2, 0.3) + 0.8) / 2, not (0.1 + 0.2 + 0.3 + 0.8) / 4
    cells = [cell("vsumm", seed=s, metrics={"cus_a": v}) for s, v in enumerate((0.1, 0.2, 0.3))]
    cells += [cell("vsumm", "b", metrics={"cus_a": 0.8, "total_s": 3.0}), cell("vsumm", "c", **FAILED)]
    table = table_of(*cells)
    (row,) = table.rows
    quality, seconds = row.values["cus_a"], row.values["total_s"]
    assert (quality.mean, quality.std) == pytest.approx((0.5, statistics.stdev([0.2, 0.8])))
    assert (quality.n, seconds.n, seconds.mean, seconds.std) == (2, 1, 3.0, None)
    assert (row.n_videos, row.n_failed, row.n_seeds) == (2, 1, 3)
    assert "vsumm failed on 1 video" in table.notes


def test_controls_first_ceilings_last_the_rest_by_name():
    table = values_of({name: [0.5] for name in ["vsumm", "oracle", "uniform", "human", "coded_frames", "random"]})
    assert [row.extractor for row in table.rows] == ["random", "uniform", "coded_frames", "vsumm", "human", "oracle"]
    assert [row.role for row in table.rows] == ["control"] * 2 + ["method"] * 2 + ["ceiling"] * 2
    assert notes(table, "one video")


def test_rows_split_by_what_differs_and_name_only_that():
    table = table_of(
        cell("pixel", params={"t": 15, "mode": "mean"}, metrics={"cus_a": 0.5}),
        cell("pixel", params={"t": 8, "mode": "mean"}, metrics={"cus_a": 0.6}),
        cell("net", params={"w": 1}, label="random init", metrics={"cus_a": 0.7}),
        *(cell("old", version=v, metrics={"cus_a": 0.1}) for v in (1, 2)),
    )
    labels = [row.label for row in table.rows]
    assert labels == ["net (random init)", "old (version=1)", "old (version=2)", "pixel (t=8)", "pixel (t=15)"]
    assert table.settings == ()
    table = table_of(*(cell("vsumm", budget=b, metrics={"cus_a": 0.5}) for b in ("15", "8")))
    assert [row.budget for row in table.rows] == ["8", "15"]
    assert (table.settings, table.title) == (("budget",), "folder, sampling 2fps")


def _best(table, column="cus_a"):
    return [(row.label, row.budget) for row in table.rows if row.values[column].best]


def test_best_ties_ceilings_costs_and_facts():
    numbers = {"uniform": (0.7001, 2.0), "vsumm": (0.7, 1.0), "pixel": (0.2, 3.0), "oracle": (0.9, 0.1)}
    table = table_of(*(cell(name, metrics={"cus_a": a, "total_s": s}) for name, (a, s) in numbers.items()))
    assert _best(table) == [("uniform", "10"), ("vsumm", "10")]
    assert not _best(table, "total_s")  # one run's seconds are not ranked
    cells = [cell(name, metrics={"cus_a": 0.4, "shot_recall": None, "cus_p": 1.0}) for name in ("x", "y")]
    table = table_of(*cells, **(COLUMNS | {"cus_a": {"direction": "none"}}))
    assert [column.name for column in table.columns] == ["cus_a"]  # no shots, cus_p is no headline, no total_s
    assert not _best(table)
    with pytest.raises(UsageError, match="sideways"):
        table_of(*cells, cus_a={"direction": "sideways"})


def test_best_is_within_one_budget_and_over_all_videos():
    table = values_of({"uniform": [0.3, 0.3], "pixel": [0.2, 0.2], "vsumm": [0.9, None]})
    assert _best(table) == [("uniform", "10")] and notes(table, "vsumm covers fewer videos")
    eight, fifteen = {"uniform": [0.3], "vsumm": [0.4]}, {"uniform": [0.6], "vsumm": [0.5]}
    table = table_of(*cells_of(eight, budget="8"), *cells_of(fifteen, budget="15"))
    assert _best(table) == [("uniform", "15"), ("vsumm", "8")]


def test_a_cell_computed_twice_counts_once_the_newer():
    new = cell("vsumm", revision="r2", finished="2026-02-02", metrics={"cus_a": 0.8})
    assert table_of(new, cell("vsumm", metrics={"cus_a": 0.2})).rows[0].values["cus_a"].mean == 0.8


def test_cost_stands_in_for_a_column_no_metric_gives():
    table = table_of(cell("vsumm"), select_s=ColumnSpec("select_s", "lower", "s"))
    assert table.rows[0].values["select_s"].mean == 0.5


def test_frame_and_csv_hold_the_rows_and_no_value_is_empty(tmp_path):
    one, other = cell("uniform", metrics={"cus_a": 1 / 3}), cell("vsumm", params={"p": 'x,"y'}, metrics={"total_s": 2})
    table = table_of(one, other)
    assert table.frame.loc[0, "cus_a"] == 1 / 3
    assert math.isnan(table.frame.loc[1, "cus_a"]) and table.frame.loc[1, "cus_a_n"] == 0
    (tmp_path / "t.csv").write_text(table.to_csv())
    back = pd.read_csv(tmp_path / "t.csv", keep_default_na=False, na_values=[""])
    assert back.loc[0, "cus_a"] == pytest.approx(1 / 3, abs=1e-15)
    assert "nan" not in table.to_csv().lower()


def test_sentence_counts_scored_skipped_and_failed():
    skipped = {"status": "skipped", "error": {"type": "VideoError", "message": "x"}}
    results = frame(cell("u", "a.mp4"), cell("u", "b.mp4", **FAILED), cell("u", "c.mp4", **skipped))
    run = {"n_videos": 4, "skipped": [{"video": "c.mp4", "reason": "truncated"}, {"video": "d\x1b.mp4", "reason": ""}]}
    assert coverage_sentence(results, run) == (
        "scored 1 of 4 videos; 2 skipped: c.mp4 (truncated), d\\x1b.mp4; 1 failed: b.mp4 (ValueError: too short)"
    )
    assert coverage_sentence(results, run, limit=1).count("and 1 more") == 1
    assert coverage_sentence(results, {"n_videos": 9}).endswith("6 not run yet")


def test_tables_need_no_torch_hydra_or_wandb():
    code = "import sys, keyframe_bench.tables; print([m for m in ('torch', 'hydra', 'wandb') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
