"""Intervals of means, paired comparisons and what is said about them."""

import json
import time

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.tables import comparison, stats
from keyframe_bench.tables.load import cells_frame

BASE = np.linspace(0.3, 0.6, 12)


@pytest.fixture
def values_of(table_of, cells_of):
    return lambda values, **fields: table_of(*cells_of(values, **fields))


def row_of(table, label):
    return next(row for row in table.rows if row.label == label)


def verdicts(table, rival="uniform"):
    return {c.label: c.verdict for c in table.comparisons if c.rival_label == rival}


def test_intervals_resample_videos_and_not_cells(table_of, cell):
    # Two videos with 50 seeds each: cells would give a narrow interval, videos give their two means.
    rng = np.random.default_rng(0)
    numbers = [(v, seed, rng.normal(mean, 0.01)) for v, mean in (("a", 0.2), ("b", 0.8)) for seed in range(50)]
    value = table_of(*(cell("vsumm", v, seed=s, metrics={"cus_a": x}) for v, s, x in numbers)).rows[0].values["cus_a"]
    assert (value.low, value.high) == pytest.approx((0.2, 0.8), abs=0.01)
    assert value.n == 2


def test_the_interval_is_the_bootstraps_and_one_video_has_none(values_of):
    numbers = [0.2, 0.5, 0.6, 0.9]
    table = values_of({"vsumm": numbers, "net": [0.3]})
    value = row_of(table, "vsumm").values["cus_a"]
    assert (value.low, value.high) == stats.bootstrap_interval(numbers)
    frame = table.frame.set_index("extractor")
    assert tuple(frame.loc["vsumm", ["cus_a_low", "cus_a_high"]]) == (value.low, value.high)  # at full precision
    value = row_of(table, "net").values["cus_a"]
    assert (value.low, value.high, value.normalised) == (None, None, None)
    assert np.isnan(frame.loc["net", "cus_a_low"])


def test_a_method_is_compared_with_uniform_over_common_videos(values_of):
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


def test_lower_is_better_turns_the_verdict_not_the_difference(table_of, cells_of):
    cells = cells_of({"uniform": np.linspace(0.5, 0.6, 12), "vsumm": np.linspace(0.1, 0.3, 12)})
    table = table_of(*cells, cus_a={"direction": "lower"})
    (one,) = (c for c in table.comparisons if c.rival_label == "uniform")
    assert one.difference < 0 and (one.effect, one.verdict) == (-1, "better")
    assert "better vsumm in cus_a" in " ".join(table.notes)


def test_against_the_best_row_unless_that_is_uniform(values_of):
    def rivals(**values):
        values = {"random": BASE - 0.1, "uniform": BASE, "oracle": BASE + 0.3, **values}
        return [(c.label, c.rival_label, c.verdict) for c in values_of(values).comparisons]

    better = [("net", "uniform", "better"), ("vsumm", "uniform", "better"), ("vsumm", "net", "worse")]
    assert rivals(net=BASE + 0.2, vsumm=BASE + 0.1) == better
    assert [one[:2] for one in rivals(net=BASE - 0.2, vsumm=BASE - 0.3)] == [("net", "uniform"), ("vsumm", "uniform")]
    assert ("net", "random", "worse") in rivals(net=BASE - 0.2, random=BASE + 0.5)
    # A row over fewer videos is never the best row.
    table = values_of({"uniform": BASE, "net": BASE + 0.1, "lucky": [*(BASE[:8] + 0.3), *[None] * 4]})
    assert {c.rival_label for c in table.comparisons} == {"uniform", "net"}


def test_differences_that_cancel_are_exactly_0(values_of):
    (one,) = values_of({"uniform": [0.55, 0.75, 0.1] * 3, "net": [0.75, 0.1, 0.55] * 3}).comparisons
    assert one.difference == 0


def test_the_family_is_one_column_data_set_and_budget(table_of, cells_of):
    rng = np.random.default_rng(4)
    names = ("net", "pixel", "vsumm")
    few, many = ({n: rng.random(10) for n in ("uniform", *names[:k])} for k in (2, 3))
    table = table_of(*cells_of(few, budget="5"), *cells_of(many, budget="10"))
    for budget, size in (("5", 2), ("10", 3)):
        family = [c for c in table.comparisons if c.budget == budget and c.rival_label == "uniform"]
        assert len(family) == size
        assert [c.p_holm for c in family] == pytest.approx(stats.holm([c.p for c in family]))


def test_fewer_key_frames_are_not_called_better_where_that_helps(table_of, cell):
    numbers = [(*row, i / 100) for row in (("uniform", 0.5, 10), ("net", 0.4, 10), ("short", 0, 3)) for i in range(10)]
    cells = [cell(name, str(x), metrics={"cus_e": extra + x, "n_keyframes": k}) for name, extra, k, x in numbers]
    table = table_of(*cells, cus_e={"direction": "lower"}, n_keyframes={"direction": "none"})
    assert {(c.label, c.rival_label) for c in table.comparisons} == {("net", "uniform")}
    assert not any("short" in note for note in table.notes if note.startswith("against uniform"))


def test_uniform_of_the_same_sampling_is_the_rival(table_of, cells_of):
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
def test_few_videos_say_that_significance_is_impossible(values_of, n, methods, said):
    table = values_of({"uniform": [0.1] * n, **{f"m{i}": [0.9] * n for i in range(methods)}})
    assert set(verdicts(table).values()) == {"impossible"}
    assert [note for note in table.notes if note.startswith("significance is impossible") and said in note]
    assert not [note for note in table.notes if note.startswith("against uniform")]
    if n == 7:
        assert verdicts(values_of({"uniform": [0.1] * 7, "m0": [0.9] * 7})) == {"m0": "better"}


def test_a_row_with_too_few_videos_is_impossible_among_others_that_are_not(values_of):
    table = values_of({"uniform": BASE, "net": BASE + 0.1, "short": [*(BASE[:5] + 0.2), *[None] * 7]})
    assert verdicts(table) == {"net": "better", "short": "impossible"}
    assert not any(note.startswith("significance is impossible") for note in table.notes)


def test_notes_name_who_differs_or_that_nobody_does(values_of):
    table = values_of({"uniform": BASE, "net": BASE + 0.2, "vsumm": BASE - 0.1, "pixel": BASE})
    (note,) = (note for note in table.notes if note.startswith("against uniform"))
    assert note.endswith("better net in cus_a; worse vsumm in cus_a")
    table = values_of({"uniform": BASE, "pixel": BASE})
    assert any(note.endswith("no method differs in any column") for note in table.notes)
    assert not any("uniform" in note for note in values_of({"pixel": BASE, "net": BASE}).notes)  # it was not run


def bare(extractor, video, numbers):
    names = {"control": extractor in ("random", "uniform"), "privileged": extractor == "oracle"}
    key = f"{extractor}-{video}"
    return {"key": key, "status": "ok", "extractor": extractor, "video": str(video), "metrics": numbers, **names}


@settings(deadline=None, max_examples=10)
@given(st.randoms(), st.integers(2, 12))
def test_the_order_of_the_lines_changes_nothing(random, n):
    rng = np.random.default_rng(n)
    made = [bare(name, i, {"f1": rng.random()}) for name in ("random", "uniform", "net", "oracle") for i in range(n)]
    shuffled = random.sample(made, len(made))
    tables = (
        comparison(cells_frame({c["key"]: c for c in one}), {"f1": {"direction": "higher"}}) for one in (made, shuffled)
    )
    first, second = tables
    assert json.dumps([c.__dict__ for c in first.comparisons]) == json.dumps([c.__dict__ for c in second.comparisons])
    assert first.discriminability == second.discriminability
    assert [row.values["f1"].normalised for row in first.rows] == [row.values["f1"].normalised for row in second.rows]


def test_a_usual_table_takes_less_than_a_second():
    rng = np.random.default_rng(0)
    columns = {f"c{i}": {"direction": "higher"} for i in range(9)}
    names = ["random", "uniform", *(f"m{i}" for i in range(13))]
    cells = [bare(name, i, {c: rng.random() for c in columns}) for name in names for i in range(20)]
    frame = cells_frame({c["key"]: c for c in cells})
    comparison(frame, columns)  # imports
    start = time.process_time()
    table = comparison(frame, columns)
    assert time.process_time() - start < 1
    assert len(table.comparisons) >= 9 * 13
