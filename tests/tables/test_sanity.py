"""The sanity of columns, and numbers between floor and ceiling."""

import numpy as np
import pytest
import scipy.stats

from keyframe_bench.tables import comparison, load_results


@pytest.fixture
def table_of(write, cell):
    def make(values, direction="higher", **fields):
        cells = [
            cell(name, f"v{i}", metrics={"m": value, **{k: v[name] for k, v in fields.items()}})
            for name, numbers in values.items()
            for i, value in enumerate(numbers)
            if value is not None
        ]
        return comparison(load_results(write(*cells)), {"m": {"direction": direction}, "n_keyframes": {}})

    return make


def normalised(table):
    return {row.extractor: row.values["m"].normalised for row in table.rows}


def test_random_is_0_and_oracle_1_over_the_videos_that_all_have(table_of):
    # vsumm lacks the last video: there random and oracle would move the scale.
    table = table_of(
        {"random": [0.2, 0.3, 0.9], "vsumm": [0.4, 0.6, None], "uniform": [0.2] * 3, "oracle": [0.65, 0.75, 1.3]}
    )
    found = normalised(table)
    assert found["random"] == 0
    assert found["oracle"] == 1
    assert found["vsumm"] == pytest.approx((0.5 - 0.25) / (0.7 - 0.25))
    assert found["uniform"] < 0  # worse than random


def test_the_scale_is_turned_where_lower_is_better(table_of):
    table = table_of({"random": [0.8, 0.9], "vsumm": [0.5, 0.6], "oracle": [0.2, 0.3]}, "lower")
    assert normalised(table)["vsumm"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("oracle", "direction"),
    [
        ([0.5, 0.5, 0.5], "higher"),  # equal to random
        ([0.9, 0.2, 0.6], "higher"),  # not told from it
        ([0.1, 0.2, 0.1], "higher"),  # worse: no ceiling
        ([0.9, 0.9, 0.95], "none"),
    ],
)
def test_without_a_clear_ceiling_nothing_is_normalised(table_of, oracle, direction):
    table = table_of({"random": [0.5] * 3, "vsumm": [0.6, 0.7, 0.8], "oracle": oracle}, direction)
    assert set(normalised(table).values()) == {None}


def test_no_floor_no_ceiling_or_one_video_is_not_normalised(table_of):
    for values in (
        {"random": [0.1, 0.2], "vsumm": [0.3, 0.4]},
        {"oracle": [0.8, 0.9], "vsumm": [0.3, 0.4]},
        {"random": [0.1], "vsumm": [0.3], "oracle": [0.9]},
    ):
        assert set(normalised(table_of(values)).values()) == {None}


def test_the_report_says_by_how_much_the_best_row_leads(table_of):
    random, best = np.array([0.2, 0.3, 0.4, 0.3]), np.array([0.5, 0.7, 0.6, 0.8])
    table = table_of({"random": random, "uniform": [0.3] * 4, "vsumm": best, "oracle": [0.9] * 4})
    (one,) = table.sanity
    reference = scipy.stats.ttest_rel(best, random).confidence_interval()
    assert (one.column, one.dataset, one.budget, one.best_label) == ("m", "folder", "10", "vsumm")
    assert one.floor == pytest.approx(0.3)
    assert one.lead == pytest.approx(0.35)
    assert (one.low, one.high) == pytest.approx((reference.low, reference.high))
    assert one.separates
    assert one.about == "random 0.300; vsumm 0.650; uniform 0.300 (control); oracle 0.900 (ceiling)"


def test_what_a_degenerate_summary_gets_is_said(table_of):
    # One key frame is hardly redundant: a column that rewards leaving frames out says so.
    table = table_of(
        {"random": [0.5, 0.6], "vsumm": [0.4, 0.3], "single": [0.0, 0.0]},
        "lower",
        n_keyframes={"random": 10, "vsumm": 10, "single": 1},
    )
    (one,) = table.sanity
    assert one.best_label == "vsumm"  # single is not ranked
    assert one.lead == pytest.approx(0.2)
    assert "single 0.000 with 1 of 10 key frames" in one.about


def test_a_column_that_does_not_separate_is_flagged_from_the_report(table_of):
    table = table_of({"random": [0.5] * 5, "vsumm": [0.6, 0.42, 0.56, 0.41, 0.52]})
    (one,) = table.sanity
    assert not one.separates
    (note,) = (note for note in table.notes if "within noise" in note)
    assert f"vsumm leads by {one.lead:.3f} ± {one.high - one.lead:.3f}" in note


def test_one_video_separates_nothing(table_of):
    (one,) = table_of({"random": [0.1], "vsumm": [0.9]}).sanity
    assert (one.low, one.high, one.separates) == (None, None, False)


def test_there_is_no_report_without_random_or_without_a_rival(table_of):
    assert table_of({"uniform": [0.1, 0.2], "vsumm": [0.9, 0.8]}).sanity == ()
    assert table_of({"random": [0.1, 0.2], "oracle": [0.9, 0.8]}).sanity == ()
