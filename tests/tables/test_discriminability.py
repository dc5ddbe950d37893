"""What a column tells apart, and numbers between floor and ceiling."""

import numpy as np
import pytest
import scipy.stats


@pytest.fixture
def column_of(table_of, cell):
    """The table of a column m, from the numbers of each extractor (None: not measured)."""

    def make(values, direction="higher", counts=None):
        return table_of(
            *(
                cell(name, f"v{i}", metrics={"m": x} | ({"n_keyframes": counts[name]} if counts else {}))
                for name, numbers in values.items()
                for i, x in enumerate(numbers)
                if x is not None
            ),
            m={"direction": direction},
            n_keyframes={},
        )

    return make


def normalised(table):
    return {row.extractor: row.values["m"].normalised for row in table.rows}


def test_random_is_0_and_oracle_1_over_the_videos_that_all_have(column_of):
    # vsumm lacks the last video: there random and oracle would move the scale.
    values = {"random": [0.2, 0.3, 0.9], "vsumm": [0.4, 0.6, None], "uniform": [0.2] * 3, "oracle": [0.65, 0.75, 1.3]}
    found = normalised(column_of(values))
    assert (found["random"], found["oracle"]) == (0, 1)
    assert found["vsumm"] == pytest.approx((0.5 - 0.25) / (0.7 - 0.25))
    assert found["uniform"] < 0  # worse than random
    lower = column_of({"random": [0.8, 0.9], "vsumm": [0.5, 0.6], "oracle": [0.2, 0.3]}, "lower")
    assert normalised(lower)["vsumm"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("values", "direction"),
    [
        ({"random": [0.5] * 3, "vsumm": [0.6, 0.7, 0.8], "oracle": [0.5] * 3}, "higher"),  # equal to random
        ({"random": [0.5] * 3, "vsumm": [0.6, 0.7, 0.8], "oracle": [0.9, 0.2, 0.6]}, "higher"),  # not told from it
        ({"random": [0.5] * 3, "vsumm": [0.6, 0.7, 0.8], "oracle": [0.1, 0.2, 0.1]}, "higher"),  # worse: no ceiling
        ({"random": [0.5] * 3, "vsumm": [0.6, 0.7, 0.8], "oracle": [0.9, 0.9, 0.95]}, "none"),
        ({"random": [0.1, 0.2], "vsumm": [0.3, 0.4]}, "higher"),
        ({"oracle": [0.8, 0.9], "vsumm": [0.3, 0.4]}, "higher"),
        ({"random": [0.1], "vsumm": [0.3], "oracle": [0.9]}, "higher"),
    ],
)
def test_without_a_clear_floor_and_ceiling_nothing_is_normalised(column_of, values, direction):
    assert set(normalised(column_of(values, direction)).values()) == {None}


def test_the_report_says_by_how_much_the_best_row_leads(column_of):
    random, best = np.array([0.2, 0.3, 0.4, 0.3]), np.array([0.5, 0.7, 0.6, 0.8])
    table = column_of({"random": random, "uniform": [0.3] * 4, "vsumm": best, "oracle": [0.9] * 4})
    (one,) = table.discriminability
    reference = scipy.stats.ttest_rel(best, random).confidence_interval()
    assert (one.column, one.dataset, one.budget, one.best_label) == ("m", "folder", "10", "vsumm")
    assert (one.floor, one.lead, one.low, one.high) == pytest.approx((0.3, 0.35, reference.low, reference.high))
    assert one.separates
    assert one.about == "random 0.300; vsumm 0.650; uniform 0.300 (control); oracle 0.900 (ceiling)"


def test_what_a_degenerate_summary_gets_is_said(column_of):
    # One key frame is hardly redundant: a column that rewards leaving frames out says so.
    values = {"random": [0.5, 0.6], "vsumm": [0.4, 0.3], "single": [0.0, 0.0]}
    (one,) = column_of(values, "lower", {"random": 10, "vsumm": 10, "single": 1}).discriminability
    assert (one.best_label, one.lead) == ("vsumm", pytest.approx(0.2))  # single is not ranked
    assert "single 0.000 with 1 of 10 key frames" in one.about


def test_a_column_that_does_not_separate_is_flagged(column_of):
    table = column_of({"random": [0.5] * 5, "vsumm": [0.6, 0.42, 0.56, 0.41, 0.52]})
    (one,) = table.discriminability
    (note,) = (note for note in table.notes if "within noise" in note)
    assert not one.separates and f"vsumm leads by {one.lead:.3f} ± {one.high - one.lead:.3f}" in note
    (one,) = column_of({"random": [0.1], "vsumm": [0.9]}).discriminability
    assert (one.low, one.high, one.separates) == (None, None, False)  # one video separates nothing
    assert column_of({"uniform": [0.1, 0.2], "vsumm": [0.9, 0.8]}).discriminability == ()
    assert column_of({"random": [0.1, 0.2], "oracle": [0.9, 0.8]}).discriminability == ()
