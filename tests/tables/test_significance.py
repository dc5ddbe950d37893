"""Intervals of means, paired comparisons and what is said about them."""

import json
import time

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.tables import comparison, load_results, stats
from keyframe_bench.tables.load import cells_frame


@pytest.fixture
def table_of(write, columns):
    return lambda *cells: comparison(load_results(write(*cells)), columns)


def row_of(table, label):
    return next(row for row in table.rows if row.label == label)


def cells_of(cell, values, **fields):
    """Cells of each extractor from its numbers, one a video; None is a failure."""
    ok = [
        cell(name, f"v{i:02}", metrics={"cus_a": value}, **fields)
        for name, numbers in values.items()
        for i, value in enumerate(numbers)
        if value is not None
    ]
    error = {"type": "E", "message": "m"}
    return ok + [
        cell(name, f"v{i:02}", status="failed", error=error, **fields)
        for name, numbers in values.items()
        for i, value in enumerate(numbers)
        if value is None
    ]


def test_intervals_resample_videos_and_not_cells(table_of, cell):
    # Two videos with 50 seeds each: cells would give a narrow interval, videos give their two means.
    rng = np.random.default_rng(0)
    cells = [
        cell("vsumm", video, seed=seed, metrics={"cus_a": float(np.clip(rng.normal(mean, 0.01), 0, 1))})
        for video, mean in (("a", 0.2), ("b", 0.8))
        for seed in range(50)
    ]
    value = table_of(*cells).rows[0].values["cus_a"]
    assert value.low == pytest.approx(0.2, abs=0.01)
    assert value.high == pytest.approx(0.8, abs=0.01)
    assert value.n == 2


def test_the_interval_is_the_bootstraps_and_one_video_has_none(table_of, cell):
    numbers = [0.2, 0.5, 0.6, 0.9]
    table = table_of(*cells_of(cell, {"vsumm": numbers, "net": [0.3]}))
    value = row_of(table, "vsumm").values["cus_a"]
    assert (value.low, value.high) == stats.bootstrap_interval(numbers)
    value = row_of(table, "net").values["cus_a"]
    assert (value.low, value.high, value.normalised) == (None, None, None)


def test_a_method_is_compared_with_uniform_over_common_videos(table_of, cell):
    rng = np.random.default_rng(1)
    base = rng.random(12) / 2
    good = base + 0.2 + rng.random(12) / 10
    good_but_one = [*good[:11], None]
    table = table_of(*cells_of(cell, {"uniform": base, "net": good, "vsumm": good_but_one, "random": base}))
    found = {(c.label, c.rival_label): c for c in table.comparisons if c.column == "cus_a"}
    assert set(found) == {("net", "uniform"), ("vsumm", "uniform"), ("vsumm", "net")}  # no controls, and no total_s
    one = found["vsumm", "uniform"]
    difference = (good - base)[:11]
    assert one.n == 11
    assert one.difference == pytest.approx(difference.mean())
    assert (one.low, one.high) == pytest.approx(stats.bootstrap_interval(difference))
    assert one.p == pytest.approx(scipy.stats.wilcoxon(difference, method="exact").pvalue)
    assert one.p_holm == pytest.approx(one.p)  # the larger of two, with the smaller doubled below it
    assert found["net", "uniform"].p_holm == pytest.approx(2 * 2 / 2**12)
    assert (one.effect, one.verdict, one.dataset, one.budget) == (1, "better", "folder", "10")
    assert one.group == row_of(table, "vsumm").group
    assert one.rival_group == row_of(table, "uniform").group
    assert found["vsumm", "net"].verdict == "undecided"  # not a difference at all


def test_lower_is_better_turns_the_verdict_not_the_difference(write, cell):
    cells = cells_of(cell, {"uniform": np.linspace(0.5, 0.6, 12), "vsumm": np.linspace(0.1, 0.3, 12)})
    table = comparison(load_results(write(*cells)), {"cus_a": {"direction": "lower"}})
    (one,) = (c for c in table.comparisons if c.rival_label == "uniform")
    assert one.difference < 0
    assert (one.effect, one.verdict) == (-1, "better")
    assert "better vsumm in cus_a" in " ".join(table.notes)


def test_against_the_best_row_unless_that_is_uniform(table_of, cell):
    base = np.linspace(0.3, 0.6, 12)
    values = {"random": base - 0.1, "uniform": base, "net": base + 0.2, "vsumm": base + 0.1, "oracle": base + 0.3}
    rivals = [(c.label, c.rival_label, c.verdict) for c in table_of(*cells_of(cell, values)).comparisons]
    assert rivals == [("net", "uniform", "better"), ("vsumm", "uniform", "better"), ("vsumm", "net", "worse")]
    values |= {"net": base - 0.2}
    values |= {"vsumm": base - 0.3}
    rivals = [(c.label, c.rival_label) for c in table_of(*cells_of(cell, values)).comparisons]
    assert rivals == [("net", "uniform"), ("vsumm", "uniform")]
    values |= {"random": base + 0.5}
    assert ("net", "random") in [(c.label, c.rival_label) for c in table_of(*cells_of(cell, values)).comparisons]


def test_a_row_over_fewer_videos_is_never_the_best_row(table_of, cell):
    base = np.linspace(0.3, 0.6, 12)
    lucky = [*(base[:8] + 0.3), None, None, None, None]
    table = table_of(*cells_of(cell, {"uniform": base, "net": base + 0.1, "lucky": lucky}))
    assert {c.rival_label for c in table.comparisons} == {"uniform", "net"}


def test_differences_that_cancel_are_exactly_0(table_of, cell):
    first, second = [0.55, 0.75, 0.1] * 3, [0.75, 0.1, 0.55] * 3
    (one,) = (c for c in table_of(*cells_of(cell, {"uniform": first, "net": second})).comparisons)
    assert one.difference == 0


def test_the_family_is_one_column_data_set_and_budget(table_of, cell):
    rng = np.random.default_rng(4)
    names = ("net", "pixel", "vsumm")
    few, many = ({n: rng.random(10) for n in ("uniform", *names[:k])} for k in (2, 3))
    table = table_of(*cells_of(cell, few, budget="5"), *cells_of(cell, many, budget="10"))
    for budget, size in (("5", 2), ("10", 3)):
        family = [c for c in table.comparisons if c.budget == budget and c.rival_label == "uniform"]
        assert len(family) == size
        assert [c.p_holm for c in family] == pytest.approx(stats.holm([c.p for c in family]))


def test_fewer_key_frames_are_not_called_better_where_that_helps(write, cell):
    columns = {"cus_e": {"direction": "lower"}, "n_keyframes": {"direction": "none"}}
    cells = [
        cell(name, f"v{i}", metrics={"cus_e": extra + i / 100, "n_keyframes": count})
        for name, extra, count in (("uniform", 0.5, 10), ("net", 0.4, 10), ("short", 0.0, 3))
        for i in range(10)
    ]
    table = comparison(load_results(write(*cells)), columns)
    assert {(c.label, c.rival_label) for c in table.comparisons} == {("net", "uniform")}
    assert not any("short" in note for note in table.notes if note.startswith("against uniform"))


def test_uniform_of_the_same_sampling_is_the_rival(table_of, cell):
    numbers = np.linspace(0.2, 0.7, 6)
    cells = cells_of(cell, {"uniform": numbers, "vsumm": numbers}, sampling="2fps")
    table = table_of(*cells, *cells_of(cell, {"uniform": numbers / 2, "net": numbers}, sampling="every"))
    found = {c.label: c.difference for c in table.comparisons if c.rival_label == "uniform"}
    assert found["vsumm"] == 0
    assert found["net"] == pytest.approx(numbers.mean() / 2)


@pytest.mark.parametrize(("n", "said"), [(5, "n = 5 videos: the smallest two-sided p is .0625"), (2, "p is .5")])
def test_five_videos_say_that_significance_is_impossible(table_of, cell, n, said):
    table = table_of(*cells_of(cell, {"uniform": [0.1] * n, "vsumm": [0.9] * n}))
    assert {c.verdict for c in table.comparisons} == {"impossible"}
    assert [note for note in table.notes if note.startswith("significance is impossible") and said in note]
    assert not [note for note in table.notes if note.startswith("against uniform")]


def test_a_row_with_too_few_videos_is_impossible_among_others_that_are_not(table_of, cell):
    base = np.linspace(0.3, 0.6, 12)
    values = {"uniform": base, "net": base + 0.1, "short": [*(base[:5] + 0.2), *[None] * 7]}
    table = table_of(*cells_of(cell, values))
    found = {c.label: c.verdict for c in table.comparisons if c.rival_label == "uniform"}
    assert found == {"net": "better", "short": "impossible"}
    assert not any(note.startswith("significance is impossible") for note in table.notes)


def test_the_correction_can_make_significance_impossible_too(table_of, cell):
    many = {f"m{i}": [0.9] * 7 for i in range(4)}  # 2 / 2^7 * 4 = .0625
    table = table_of(*cells_of(cell, {"uniform": [0.1] * 7, **many}))
    assert {c.verdict for c in table.comparisons if c.rival_label == "uniform"} == {"impossible"}
    assert any("p, .0156, times 4 comparisons (Holm) is .0625" in note for note in table.notes)
    table = table_of(*cells_of(cell, {"uniform": [0.1] * 7, "m0": [0.9] * 7}))
    assert [c.verdict for c in table.comparisons if c.rival_label == "uniform"] == ["better"]


def test_notes_name_who_differs_or_that_nobody_does(table_of, cell):
    base = np.linspace(0.3, 0.6, 12)
    table = table_of(*cells_of(cell, {"uniform": base, "net": base + 0.2, "vsumm": base - 0.1, "pixel": base}))
    (note,) = (note for note in table.notes if note.startswith("against uniform"))
    assert note.endswith("better net in cus_a; worse vsumm in cus_a")
    table = table_of(*cells_of(cell, {"uniform": base, "pixel": base}))
    assert any(note.endswith("no method differs in any column") for note in table.notes)
    table = table_of(*cells_of(cell, {"pixel": base, "net": base}))
    assert not any("uniform" in note for note in table.notes)  # it was not run


def test_csv_holds_the_intervals_at_full_precision(table_of, cell):
    frame = table_of(*cells_of(cell, {"vsumm": [0.1, 0.4, 0.4], "net": [0.3]})).frame
    low, high = stats.bootstrap_interval([0.1, 0.4, 0.4])
    by_name = frame.set_index("extractor")
    assert (by_name.loc["vsumm", "cus_a_low"], by_name.loc["vsumm", "cus_a_high"]) == (low, high)
    assert np.isnan(by_name.loc["net", "cus_a_low"])


@settings(deadline=None, max_examples=10)
@given(st.randoms(), st.integers(2, 12))
def test_the_order_of_the_lines_changes_nothing(random, n):
    rng = np.random.default_rng(n)
    cells = {}
    for name in ("random", "uniform", "net", "oracle"):
        for i, value in enumerate(rng.random(n)):
            key = f"{name}-{i}"
            cells[key] = {"key": key, "status": "ok", "extractor": name, "video": str(i), "metrics": {"f1": value}}
            cells[key] |= {"control": name in ("random", "uniform"), "privileged": name == "oracle", "finished": "1"}
    columns = {"f1": {"direction": "higher"}}
    keys = list(cells)
    random.shuffle(keys)
    first, second = (comparison(cells_frame(c), columns) for c in (cells, {key: cells[key] for key in keys}))
    assert json.dumps([c.__dict__ for c in first.comparisons]) == json.dumps([c.__dict__ for c in second.comparisons])
    assert first.sanity == second.sanity
    assert [row.values["f1"].normalised for row in first.rows] == [row.values["f1"].normalised for row in second.rows]


def test_a_usual_table_takes_less_than_a_second():
    rng = np.random.default_rng(0)
    columns = {f"c{i}": {"direction": "higher"} for i in range(9)}
    cells = {
        f"{name}-{video}": {
            **{"key": f"{name}-{video}", "status": "ok", "extractor": name, "video": str(video), "finished": "1"},
            "metrics": dict(zip(columns, rng.random(9).tolist(), strict=True)),
        }
        for name in ["random", "uniform", *(f"m{i}" for i in range(13))]
        for video in range(20)
    }
    frame = cells_frame(cells)
    comparison(frame, columns)  # imports
    start = time.process_time()
    table = comparison(frame, columns)
    assert time.process_time() - start < 1
    assert len(table.comparisons) >= 9 * 13
