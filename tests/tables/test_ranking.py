"""Intervals of means, paired comparisons, what a column tells apart, and what is said about it."""

import json
import time

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.tables import comparison, stats

from .conftest import COLUMNS, cell, cells_of, frame, notes, table_of, values_of

BASE = np.linspace(0.3, 0.6, 12)


def row_of(table, label):
    return next(row for row in table.rows if row.label == label)


def verdicts(table):
    return {c.label: c.verdict for c in table.comparisons if c.rival_label == "uniform"}


def test_intervals_resample_videos_and_not_cells():
    # Two videos with 50 seeds each: cells would give a narrow interval, videos give their two means.
    rng = np.random.default_rng(0)
    numbers = [(v, seed, rng.normal(mean, 0.01)) for v, mean in (("a", 0.2), ("b", 0.8)) for seed in range(50)]
    value = table_of(*(cell("vsumm", v, seed=s, metrics={"cus_a": x}) for v, s, x in numbers)).rows[0].values["cus_a"]
    assert (value.low, value.high) == pytest.approx((0.2, 0.8), abs=0.01)
    assert value.n == 2


def test_the_interval_is_the_bootstraps_and_one_video_has_none():
    numbers = [0.2, 0.5, 0.6, 0.9]
    table = values_of({"vsumm": numbers, "net": [0.3]})
    value = row_of(table, "vsumm").values["cus_a"]
    assert (value.low, value.high) == stats.bootstrap_interval(numbers)
    lines = table.frame.set_index("extractor")
    assert tuple(lines.loc["vsumm", ["cus_a_low", "cus_a_high"]]) == (value.low, value.high)  # at full precision
    value = row_of(table, "net").values["cus_a"]
    assert (value.low, value.high, value.normalised) == (None, None, None)
    assert np.isnan(lines.loc["net", "cus_a_low"])


def test_a_method_is_compared_with_uniform_over_common_videos():
    rng = np.random.default_rng(1)
    base = rng.random(12) / 2
    good = base + 0.2 + rng.random(12) / 10
    table = values_of({"uniform": base, "net": good, "vsumm": [*good[:11], None], "random": base})
    found = {(c.label, c.rival_label): c for c in table.comparisons if c.column == "cus_a"}
    assert set(found) == {("net", "uniform"), ("vsumm", "uniform"), ("vsumm", "net")}  # no controls, and no total_s
    one, difference = found["vsumm", "uniform"], (good - base)[:11]
    assert (one.n, one.difference) == (11, pytest.approx(difference.mean()))
    assert (one.low, one.high) == pytest.approx(stats.bootstrap_interval(difference))
    assert one.p == pytest.approx(scipy.stats.wilcoxon(difference, method="exact").pvalue)
    assert one.p_holm == pytest.approx(one.p)  # the larger of two, with the smaller doubled below it
    assert found["net", "uniform"].p_holm == pytest.approx(2 * 2 / 2**12)
    assert (one.effect, one.verdict, one.dataset, one.budget) == (1, "better", "folder", "10")
    assert (one.group, one.rival_group) == (row_of(table, "vsumm").group, row_of(table, "uniform").group)
    assert found["vsumm", "net"].verdict == "undecided"  # not a difference at all


def test_lower_is_better_turns_the_verdict_not_the_difference():
    cells = cells_of({"uniform": np.linspace(0.5, 0.6, 12), "vsumm": np.linspace(0.1, 0.3, 12)})
    table = table_of(*cells, cus_a={"direction": "lower"})
    (one,) = (c for c in table.comparisons if c.rival_label == "uniform")
    assert one.difference < 0 and (one.effect, one.verdict) == (-1, "better")
    assert notes(table, "better vsumm in cus_a")
    (one,) = values_of({"uniform": [0.55, 0.75, 0.1] * 3, "net": [0.75, 0.1, 0.55] * 3}).comparisons
    assert one.difference == 0  # what cancels is exactly 0


AHEAD = [("net", "uniform", "better"), ("vsumm", "uniform", "better"), ("vsumm", "net", "worse")]
BEHIND = [("net", "uniform", "worse"), ("vsumm", "uniform", "worse")]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"net": BASE + 0.2, "vsumm": BASE + 0.1}, AHEAD),
        ({"net": BASE - 0.2, "vsumm": BASE - 0.3}, BEHIND),  # uniform is the best row itself
        ({"net": BASE - 0.2, "random": BASE + 0.5}, [("net", "uniform", "worse"), ("net", "random", "worse")]),
        # A row over fewer videos is never the best row.
        (
            {"net": BASE + 0.1, "lucky": [*(BASE[:8] + 0.3), *[None] * 4]},
            [("lucky", "uniform", "better"), ("net", "uniform", "better"), ("lucky", "net", "better")],
        ),
    ],
    ids=["better", "uniform", "control", "fewer videos"],
)
def test_against_the_best_row_unless_that_is_uniform(values, expected):
    table = values_of({"random": BASE - 0.1, "uniform": BASE, "oracle": BASE + 0.3, **values})
    assert [(c.label, c.rival_label, c.verdict) for c in table.comparisons] == expected


def test_rivals_are_compared_with_as_uniform_is():
    """In a family of its own, once, also where the rival is the best row."""
    cells = cells_of({"uniform": BASE, "net": BASE + 0.2, "vsumm": BASE + 0.1, "pixel": BASE + 0.3})
    table = comparison(frame(*cells), COLUMNS, rivals=["net"])
    (said,) = notes(table, "against net")
    assert said.endswith("better pixel in cus_a; worse vsumm in cus_a")
    pairs = [(c.label, c.rival_label) for c in table.comparisons]
    assert len(set(pairs)) == len(pairs) and ("net", "pixel") in pairs
    family = [c for c in table.comparisons if c.rival_label == "net"]
    assert [c.p_holm for c in family] == pytest.approx(stats.holm([c.p for c in family]))
    top = comparison(frame(*cells), COLUMNS, rivals=["pixel"]).comparisons
    assert sorted(c.label for c in top if c.rival_label == "pixel") == ["net", "vsumm"]


def test_the_family_is_one_column_data_set_and_budget():
    rng = np.random.default_rng(4)
    names = ("net", "pixel", "vsumm")
    few, many = ({n: rng.random(10) for n in ("uniform", *names[:k])} for k in (2, 3))
    table = table_of(*cells_of(few, budget="5"), *cells_of(many, budget="10"))
    for budget, size in (("5", 2), ("10", 3)):
        family = [c for c in table.comparisons if c.budget == budget and c.rival_label == "uniform"]
        assert len(family) == size
        assert [c.p_holm for c in family] == pytest.approx(stats.holm([c.p for c in family]))


def test_fewer_key_frames_are_not_called_better_where_that_helps():
    numbers = [(*row, i / 100) for row in (("uniform", 0.5, 10), ("net", 0.4, 10), ("short", 0, 3)) for i in range(10)]
    cells = [cell(name, str(x), metrics={"cus_e": extra + x, "n_keyframes": k}) for name, extra, k, x in numbers]
    table = table_of(*cells, cus_e={"direction": "lower"}, n_keyframes={"direction": "none"})
    assert {(c.label, c.rival_label) for c in table.comparisons} == {("net", "uniform")}
    assert not notes(table, "against uniform", "short")


def test_uniform_of_the_same_sampling_is_the_rival():
    numbers = np.linspace(0.2, 0.7, 6)
    cells = cells_of({"uniform": numbers, "vsumm": numbers}, sampling="2fps")
    table = table_of(*cells, *cells_of({"uniform": numbers / 2, "net": numbers}, sampling="every"))
    found = {c.label: c.difference for c in table.comparisons if c.rival_label == "uniform"}
    assert found == {"vsumm": 0, "net": pytest.approx(numbers.mean() / 2)}


@pytest.mark.parametrize(
    ("n", "methods", "said"),
    [
        (5, 1, "n = 5 videos: the smallest two-sided p is .0625"),
        (2, 1, "p is .5"),
        (7, 4, "p, .0156, times 4 comparisons (Holm) is .0625"),  # 2 / 2^7 * 4: the correction alone
    ],
)
def test_few_videos_say_that_significance_is_impossible(n, methods, said):
    table = values_of({"uniform": [0.1] * n, **{f"m{i}": [0.9] * n for i in range(methods)}})
    assert set(verdicts(table).values()) == {"impossible"}
    assert notes(table, "significance is impossible", said) and not notes(table, "against uniform")
    if n == 7:
        assert verdicts(values_of({"uniform": [0.1] * 7, "m0": [0.9] * 7})) == {"m0": "better"}


def test_notes_name_who_differs_or_that_nobody_does():
    values = {"uniform": BASE, "net": BASE + 0.2, "vsumm": BASE - 0.1, "pixel": BASE}
    table = values_of({**values, "short": [*(BASE[:5] + 0.3), *[None] * 7]})
    (note,) = notes(table, "against uniform")
    assert note.endswith("better net in cus_a; worse vsumm in cus_a")
    assert verdicts(table) == {"net": "better", "vsumm": "worse", "pixel": "undecided", "short": "impossible"}
    assert not notes(table, "significance is impossible")  # of one row with too few videos alone
    assert notes(values_of({"uniform": BASE, "pixel": BASE}), "no method differs in any column")
    assert not notes(values_of({"pixel": BASE, "net": BASE}), "uniform")  # it was not run


def bare(extractor, video, numbers):
    names = {"control": extractor in ("random", "uniform"), "privileged": extractor == "oracle"}
    key = f"{extractor}-{video}"
    return {"key": key, "status": "ok", "extractor": extractor, "video": str(video), "metrics": numbers, **names}


@settings(deadline=None, max_examples=5)
@given(st.randoms(), st.integers(2, 12))
def test_the_order_of_the_lines_changes_nothing(random, n):
    rng = np.random.default_rng(n)
    made = [bare(name, i, {"f1": rng.random()}) for name in ("random", "uniform", "net", "oracle") for i in range(n)]
    first, second = (table_of(*cells, f1={"direction": "higher"}) for cells in (made, random.sample(made, len(made))))
    assert json.dumps([c.__dict__ for c in first.comparisons]) == json.dumps([c.__dict__ for c in second.comparisons])
    assert first.discriminability == second.discriminability
    assert [row.values["f1"].normalised for row in first.rows] == [row.values["f1"].normalised for row in second.rows]


def test_a_usual_table_takes_less_than_a_second():
    rng = np.random.default_rng(0)
    columns = {f"c{i}": {"direction": "higher"} for i in range(9)}
    names = ["random", "uniform", *(f"m{i}" for i in range(13))]
    cells = [bare(name, i, {c: rng.random() for c in columns}) for name in names for i in range(20)]
    table_of(*cells[::20], **columns)  # imports
    start = time.process_time()
    table = table_of(*cells, **columns)
    assert time.process_time() - start < 1
    assert len(table.comparisons) >= 9 * 13


def column_of(values, direction="higher", counts=None):
    """The table of a column m, from the numbers of each extractor (None: not measured)."""
    cells = [
        cell(name, f"v{i}", metrics={"m": x} | ({"n_keyframes": counts[name]} if counts else {}))
        for name, numbers in values.items()
        for i, x in enumerate(numbers)
        if x is not None
    ]
    return table_of(*cells, m={"direction": direction}, n_keyframes={})


def normalised(table):
    return {row.extractor: row.values["m"].normalised for row in table.rows}


def test_random_is_0_and_oracle_1_over_the_videos_that_all_have():
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
        *(({"random": [0.5] * 3, "vsumm": [0.6, 0.7, 0.8], "oracle": oracle}, direction) for oracle, direction in [
            ([0.5] * 3, "higher"),  # equal to random
            ([0.9, 0.2, 0.6], "higher"),  # not told from it
            ([0.1, 0.2, 0.1], "higher"),  # worse: no ceiling
            ([0.9, 0.9, 0.95], "none"),
        ]),
        ({"random": [0.1, 0.2], "vsumm": [0.3, 0.4]}, "higher"),
        ({"oracle": [0.8, 0.9], "vsumm": [0.3, 0.4]}, "higher"),
        ({"random": [0.1], "vsumm": [0.3], "oracle": [0.9]}, "higher"),
    ],
)  # fmt: skip
def test_without_a_clear_floor_and_ceiling_nothing_is_normalised(values, direction):
    assert set(normalised(column_of(values, direction)).values()) == {None}


def test_the_report_says_by_how_much_the_best_row_leads():
    random, best = np.array([0.2, 0.3, 0.4, 0.3]), np.array([0.5, 0.7, 0.6, 0.8])
    table = column_of({"random": random, "uniform": [0.3] * 4, "vsumm": best, "oracle": [0.9] * 4})
    (one,) = table.discriminability
    reference = scipy.stats.ttest_rel(best, random).confidence_interval()
    assert (one.column, one.dataset, one.budget, one.best_label) == ("m", "folder", "10", "vsumm")
    assert (one.floor, one.lead, one.low, one.high) == pytest.approx((0.3, 0.35, reference.low, reference.high))
    assert one.separates
    assert one.about == "random 0.300; vsumm 0.650; uniform 0.300 (control); oracle 0.900 (ceiling)"


def test_what_a_degenerate_summary_gets_is_said():
    # One key frame is hardly redundant: a column that rewards leaving frames out says so.
    values = {"random": [0.5, 0.6], "vsumm": [0.4, 0.3], "single": [0.0, 0.0]}
    (one,) = column_of(values, "lower", {"random": 10, "vsumm": 10, "single": 1}).discriminability
    assert (one.best_label, one.lead) == ("vsumm", pytest.approx(0.2))  # single is not ranked
    assert "single 0.000 with 1 of 10 key frames" in one.about


def test_a_column_that_does_not_separate_is_flagged():
    table = column_of({"random": [0.5] * 5, "vsumm": [0.6, 0.42, 0.56, 0.41, 0.52]})
    (one,) = table.discriminability
    assert not one.separates
    assert notes(table, "within noise", f"vsumm leads by {one.lead:.3f} ± {one.high - one.lead:.3f}")
    (one,) = column_of({"random": [0.1], "vsumm": [0.9]}).discriminability
    assert (one.low, one.high, one.separates) == (None, None, False)  # one video separates nothing
    assert column_of({"uniform": [0.1, 0.2], "vsumm": [0.9, 0.8]}).discriminability == ()
    assert column_of({"random": [0.1, 0.2], "oracle": [0.9, 0.8]}).discriminability == ()
