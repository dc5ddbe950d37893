"""What changed between two sets of results."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.tables.diff import diff_results


@pytest.fixture
def results(cell):
    """Two methods on three videos."""
    return [
        cell(name, video, metrics={"cus_a": 0.5, "f1": 0.25, "total_s": 1.0}, versions={"numpy": "2.0"})
        for name in ("net", "vsumm")
        for video in ("a", "b", "c")
    ]


def test_equal_results_are_equal_whatever_their_keys_dates_order_and_costs(results):
    other = copy.deepcopy(results)[::-1]
    for i, cell in enumerate(other):
        cell |= {"key": f"new{i}", "finished": "2030"}
        cell["metrics"]["total_s"] = 9.0 + i
        cell["keyframes"]["cost"] = {"select_s": 7.0}
    found = diff_results(results, other, costs={"total_s"})
    assert found.equal
    assert (found.n_first, found.n_second, found.n_common, found.n_changed) == (6, 6, 6, 0)
    assert not found.versions
    assert not diff_results(results, other).equal  # a cost that nobody named counts


def test_a_changed_number_is_named_with_its_size(results):
    other = copy.deepcopy(results)
    other[0]["metrics"]["f1"] = 0.35
    other[1]["metrics"]["f1"] = 0.05
    found = diff_results(results, other)
    (change,) = found.columns
    assert (change.extractor, change.column, change.n_changed, change.n_one_sided) == ("net", "f1", 2, 0)
    assert change.mean == pytest.approx((0.1 + 0.2) / 2)
    assert change.max == pytest.approx(0.2)
    assert change.shift == pytest.approx((0.1 - 0.2 + 0.0) / 3)  # of all three: what the table's mean moves by
    assert (found.n_changed, found.equal) == (2, False)


def test_the_tolerance_is_absolute(results):
    other = copy.deepcopy(results)
    other[0]["metrics"]["f1"] += 0.125
    other[0]["keyframes"]["times"][0] += 0.125
    assert diff_results(results, other, tolerance=0.125).equal
    found = diff_results(results, other, tolerance=0.124)
    assert found.n_changed == 1
    assert found.keyframes == {"net": 1}


def test_a_number_on_one_side_only_is_a_change(results):
    other = copy.deepcopy(results)
    other[0]["metrics"]["f1"] = None
    del other[1]["metrics"]["f1"]
    other[2]["metrics"]["new"] = 1.0
    found = {change.column: change for change in diff_results(results, other, tolerance=10).columns}
    assert (found["f1"].n_changed, found["f1"].n_one_sided, found["f1"].max) == (2, 2, None)
    assert found["f1"].shift == 0
    assert (found["new"].n_one_sided, found["new"].shift) == (1, None)


def test_key_frames_and_statuses(results, cell):
    other = copy.deepcopy(results)
    other[0]["keyframes"]["frames"] = [0, 6]
    other[3] = cell("vsumm", "a", status="failed", error={"type": "E", "message": "m"})
    found = diff_results(results, other)
    assert found.keyframes == {"net": 1, "vsumm": 1}  # a failed cell has none
    (status,) = found.statuses
    assert (status.cell, status.first, status.second) == ("vsumm on a, budget 10, seed 0", "ok", "failed")
    assert found.n_changed == 2


def test_cells_that_one_side_lacks_are_counted_by_extractor(results):
    found = diff_results(results[:4], results[2:])
    assert (found.only_first, found.only_second) == ({"net": 2}, {"vsumm": 2})
    assert (found.n_common, found.equal) == (2, False)


@pytest.mark.parametrize("name", ["dataset", "budget", "sampling", "run_sampling", "seed", "params"])
def test_another_place_is_another_cell(results, name):
    other = results[0] | {name: {"seed": 3, "params": {"p": 1}}.get(name, "x")}
    found = diff_results(results[:1], [other])
    assert (found.only_first, found.only_second) == ({"net": 1}, {"net": 1})


def test_versions_are_reasons_and_no_changes(results):
    other = copy.deepcopy(results)
    for cell in other:
        cell["versions"] = {"numpy": "2.1"}
        cell["metric_versions"] = {"cus": "2"}
    other[0] |= {"version": 2, "features": ["gray@2"], "video_sha256": "new"}
    found = diff_results(results, other)
    assert found.equal
    assert [(v.name, v.first, v.second, v.n_cells) for v in found.versions] == [
        ("features of net", "none", "gray@2", 1),
        ("metric cus", "none", "2", 6),
        ("numpy", "2.0", "2.1", 6),
        ("version of net", "1", "2", 1),
        ("video_sha256 of a", "sha-a", "new", 1),
    ]


def test_of_two_cells_in_one_place_the_newer_counts(results):
    stale = copy.deepcopy(results[0]) | {"finished": "1999", "key": "old"}
    stale["metrics"]["f1"] = 0.9
    assert diff_results([results[0], stale], [stale, results[0]]).equal
    assert diff_results([results[0], stale], [results[0]]).equal


def test_odd_fields_are_no_reason_to_stop(results):
    odd = results[0] | {"versions": "?", "metric_versions": [1], "features": None, "keyframes": None, "metrics": None}
    del odd["run_sampling"]
    assert diff_results([odd], [odd]).equal
    assert not diff_results([odd], results).equal


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3), st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_turning_the_sides_turns_the_shift_only(first, second):
    def cells(numbers):
        cell = {"extractor": "x", "status": "ok"}
        return [{**cell, "video": str(i), "metrics": {"f1": v}} for i, v in enumerate(numbers)]

    forth, back = (diff_results(cells(a), cells(b), tolerance=0.1) for a, b in ((first, second), (second, first)))
    assert forth.n_changed == back.n_changed == sum(abs(a - b) > 0.1 for a, b in zip(first, second, strict=True))
    for one, other in zip(forth.columns, back.columns, strict=True):
        assert (one.n_changed, one.max, one.mean) == (other.n_changed, other.max, other.mean)
        assert one.shift == -other.shift


def test_results_without_a_common_cell_say_what_they_differ_in():
    cell = {"status": "ok", "extractor": "x", "dataset": "d", "video": "v", "params": {}, "seed": 0}
    first, second = ({**cell, "budget": budget, "sampling": "2fps", "run_sampling": "2fps"} for budget in ("4", "8"))
    assert diff_results([first], [second]).apart == {"budget": (("4",), ("8",))}
    assert diff_results([first], [first]).apart == {}
