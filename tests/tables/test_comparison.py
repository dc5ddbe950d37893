"""The comparison: means, denominators, ranking, notes."""

import math
import statistics
import subprocess
import sys

import pandas as pd
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.tables import ColumnSpec, comparison, coverage_sentence, load_results


@pytest.fixture
def table_of(write, columns):
    return lambda *cells: comparison(load_results(write(*cells)), columns)


def row_of(table, label):
    return next(row for row in table.rows if row.label == label)


def test_seeds_are_averaged_within_a_video_before_videos(table_of, cell):
    # video a has three seeds, b one: (mean(0.1, 0.2, 0.3) + 0.8) / 2, not (0.1 + 0.2 + 0.3 + 0.8) / 4
    cells = [cell("vsumm", "a", seed=s, metrics={"cus_a": v}) for s, v in enumerate((0.1, 0.2, 0.3))]
    row = table_of(*cells, cell("vsumm", "b", metrics={"cus_a": 0.8})).rows[0]
    assert row.values["cus_a"].mean == pytest.approx(0.5)
    assert row.values["cus_a"].std == pytest.approx(statistics.stdev([0.2, 0.8]))
    assert (row.values["cus_a"].n, row.n_videos, row.n_seeds) == (2, 2, 3)


def test_every_mean_has_its_own_denominator(table_of, cell):
    table = table_of(
        cell("vsumm", "a", metrics={"cus_a": 0.4, "total_s": 1.0}),
        cell("vsumm", "b", metrics={"cus_a": None, "total_s": 3.0}),
        cell("vsumm", "c", status="failed", error={"type": "E", "message": "m"}),
    )
    row = table.rows[0]
    assert (row.values["cus_a"].n, row.values["cus_a"].std) == (1, None)
    assert (row.values["total_s"].n, row.values["total_s"].mean) == (2, 2.0)
    assert (row.n_videos, row.n_failed) == (2, 1)
    assert "vsumm failed on 1 video" in table.notes


def test_controls_first_ceilings_last_the_rest_by_name(table_of, cell):
    names = ["vsumm", "oracle", "uniform", "human", "coded_frames", "random"]
    table = table_of(*(cell(name, "a", metrics={"cus_a": 0.5}) for name in names))
    assert [row.extractor for row in table.rows] == ["random", "uniform", "coded_frames", "vsumm", "human", "oracle"]
    assert [row.role for row in table.rows] == ["control"] * 2 + ["method"] * 2 + ["ceiling"] * 2


def test_rows_split_by_what_differs_and_name_only_that(table_of, cell):
    table = table_of(
        cell("pixel", "a", params={"t": 15, "mode": "mean"}, metrics={"cus_a": 0.5}),
        cell("pixel", "a", params={"t": 8, "mode": "mean"}, metrics={"cus_a": 0.6}),
        cell("net", "a", params={"w": 1}, label="random init", metrics={"cus_a": 0.7}),
        cell("old", "a", version=1, metrics={"cus_a": 0.1}),
        cell("old", "a", version=2, metrics={"cus_a": 0.9}),
    )
    labels = [row.label for row in table.rows]
    assert labels == ["net (random init)", "old (version=1)", "old (version=2)", "pixel (t=8)", "pixel (t=15)"]
    assert table.settings == ()


def test_budgets_and_samplings_are_rows_of_their_own(table_of, cell):
    table = table_of(*(cell("vsumm", "a", budget=b, metrics={"cus_a": 0.5}) for b in ("15", "8")))
    assert [row.budget for row in table.rows] == ["8", "15"]
    assert table.settings == ("budget",)
    assert table.title == "folder, sampling 2fps"


def test_best_ties_and_ceilings(table_of, cell):
    table = table_of(
        cell("uniform", "a", metrics={"cus_a": 0.7001, "total_s": 2.0}),
        cell("vsumm", "a", metrics={"cus_a": 0.7, "total_s": 1.0}),
        cell("pixel", "a", metrics={"cus_a": 0.2, "total_s": 3.0}),
        cell("oracle", "a", metrics={"cus_a": 0.9, "total_s": 0.1}),
    )
    assert [row.label for row in table.rows if row.values["cus_a"].best] == ["uniform", "vsumm"]
    assert not [row.label for row in table.rows if row.values["total_s"].best]  # one run's seconds are not ranked


def test_a_row_over_fewer_videos_is_not_ranked_and_said_so(table_of, cell):
    table = table_of(
        *(cell("uniform", v, metrics={"cus_a": 0.3}) for v in "ab"),
        *(cell("pixel", v, metrics={"cus_a": 0.2}) for v in "ab"),
        cell("vsumm", "a", metrics={"cus_a": 0.9}),
        cell("vsumm", "b", status="failed", error={"type": "E", "message": "m"}),
    )
    assert [row.label for row in table.rows if row.values["cus_a"].best] == ["uniform"]
    assert any(note.startswith("vsumm covers fewer videos") for note in table.notes)


def test_best_is_within_one_budget(table_of, cell):
    table = table_of(
        *(cell("uniform", "a", budget=b, metrics={"cus_a": v}) for b, v in (("8", 0.3), ("15", 0.6))),
        *(cell("vsumm", "a", budget=b, metrics={"cus_a": v}) for b, v in (("8", 0.4), ("15", 0.5))),
    )
    assert {(r.label, r.budget) for r in table.rows if r.values["cus_a"].best} == {("vsumm", "8"), ("uniform", "15")}


def test_facts_are_never_best_and_empty_columns_are_dropped(write, cell, columns):
    columns["cus_a"]["direction"] = "none"
    cells = [cell(name, "a", metrics={"cus_a": 0.4, "shot_recall": None, "cus_p": 1.0}) for name in ("x", "y")]
    table = comparison(load_results(write(*cells)), columns)
    assert [column.name for column in table.columns] == ["cus_a"]  # no shots, cus_p is no headline, no total_s
    assert not any(row.values["cus_a"].best for row in table.rows)


def test_an_unknown_direction_is_refused(write, cell):
    with pytest.raises(UsageError, match="sideways"):
        comparison(load_results(write(cell("x", "a"))), {"cus_a": {"direction": "sideways"}})


def test_a_cell_computed_twice_counts_once_the_newer(table_of, cell):
    new = cell("vsumm", "a", revision="r2", finished="2026-02-02", metrics={"cus_a": 0.8})
    table = table_of(new, cell("vsumm", "a", metrics={"cus_a": 0.2}))
    assert table.rows[0].values["cus_a"].mean == 0.8


def test_cost_stands_in_for_a_column_no_metric_gives(write, cell):
    table = comparison(load_results(write(cell("vsumm", "a"))), {"select_s": ColumnSpec("select_s", "lower", "s")})
    assert table.rows[0].values["select_s"].mean == 0.5


def test_frame_and_csv_hold_the_rows_and_no_value_is_empty(table_of, cell, tmp_path):
    table = table_of(
        cell("uniform", "a", metrics={"cus_a": 1 / 3}),
        cell("vsumm", "a", params={"p": 'x,"y'}, metrics={"total_s": 2.0}),
    )
    frame = table.frame
    assert frame.loc[0, "cus_a"] == 1 / 3
    assert math.isnan(frame.loc[1, "cus_a"])
    assert frame.loc[1, "cus_a_n"] == 0
    (tmp_path / "t.csv").write_text(table.to_csv())
    back = pd.read_csv(tmp_path / "t.csv", keep_default_na=False, na_values=[""])
    assert back.loc[0, "cus_a"] == pytest.approx(1 / 3, abs=1e-15)
    assert "nan" not in table.to_csv().lower()


def test_random_within_noise_of_the_best_is_flagged(table_of, cell):
    noise = [0.10, -0.08, 0.06, -0.09, 0.02]
    cells = [cell("random", str(i), draws=100, metrics={"cus_a": 0.5}) for i in range(5)]
    close = table_of(*cells, *(cell("vsumm", str(i), metrics={"cus_a": 0.5 + d}) for i, d in enumerate(noise)))
    flagged = [note for note in close.notes if "within noise" in note]
    assert len(flagged) == 1
    assert "cus_a (vsumm" in flagged[0]
    clear = table_of(*cells, *(cell("vsumm", str(i), metrics={"cus_a": 0.9 + d / 10}) for i, d in enumerate(noise)))
    assert not [note for note in clear.notes if "within noise" in note]
    assert "random: mean of 100 random draws per video" in clear.notes


def test_one_video_says_that_nothing_can_be_told(table_of, cell):
    table = table_of(cell("random", "a", metrics={"cus_a": 0.1}), cell("vsumm", "a", metrics={"cus_a": 0.9}))
    assert any(note.startswith("one video") for note in table.notes)


def test_no_results_give_an_empty_table(tmp_path, columns):
    (tmp_path / "results.jsonl").write_text("")
    table = comparison(load_results(tmp_path), columns)
    assert (table.rows, table.columns, len(table.frame)) == ((), (), 0)


def test_sentence_counts_scored_skipped_and_failed(write, cell):
    results = load_results(
        write(
            cell("uniform", "a.mp4"),
            cell("uniform", "b.mp4", status="failed", error={"type": "ValueError", "message": "too\nshort"}),
            cell("uniform", "c.mp4", status="skipped", error={"type": "VideoError", "message": "x"}),
        )
    )
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
