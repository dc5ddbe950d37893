"""What changed between two sets of results."""

import copy
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.tables import diff

from .conftest import cell


def diff_results(*sides, **options):
    """The differences, with fields as attributes."""

    def named(value):
        return SimpleNamespace(**value)

    found = diff.diff_results(*sides, **options)
    lists = {name: [named(one) for one in found[name]] for name in ("statuses", "columns", "versions")}
    return named({**found, **lists})


@pytest.fixture
def sides():
    """Two methods on three videos, twice."""
    numbers = {"cus_a": 0.5, "f1": 0.25, "total_s": 1.0}
    first = [
        cell(name, video, metrics=dict(numbers), versions={"numpy": "2.0"})
        for name in ("net", "vsumm")
        for video in "abc"
    ]
    return first, copy.deepcopy(first)


def test_equal_results_are_equal_whatever_their_keys_dates_order_and_costs(sides):
    first, second = sides
    for i, one in enumerate(second):
        one |= {"key": f"new{i}", "finished": "2030"}
        one["metrics"]["total_s"] = 9.0 + i
        one["keyframes"]["cost"] = {"select_s": 7.0}
    found = diff_results(first, second[::-1], costs={"total_s"})
    assert found.equal and not found.versions
    assert (found.n_first, found.n_second, found.n_common, found.n_changed) == (6, 6, 6, 0)
    assert not diff_results(first, second).equal  # a cost that nobody named counts


def test_a_changed_number_is_named_with_its_size(sides):
    first, second = sides
    second[0]["metrics"]["f1"] = 0.35
    second[1]["metrics"]["f1"] = 0.05
    found = diff_results(first, second)
    (change,) = found.columns
    assert (change.extractor, change.column, change.n_changed, change.n_one_sided) == ("net", "f1", 2, 0)
    sizes = (0.1 + 0.2) / 2, 0.2, (0.1 - 0.2 + 0.0) / 3  # the shift is of all three: what the table's mean moves by
    assert (change.mean, change.max, change.shift) == pytest.approx(sizes)
    assert (found.n_changed, found.equal) == (2, False)


def test_the_tolerance_is_absolute(sides):
    first, second = sides
    second[0]["metrics"]["f1"] += 0.125
    second[0]["keyframes"]["times"][0] += 0.125
    assert diff_results(first, second, tolerance=0.125).equal
    found = diff_results(first, second, tolerance=0.124)
    assert (found.n_changed, found.keyframes) == (1, {"net": 1})


def test_a_number_on_one_side_only_is_a_change(sides):
    first, second = sides
    second[0]["metrics"]["f1"] = None
    del second[1]["metrics"]["f1"]
    second[2]["metrics"]["new"] = 1.0
    found = {change.column: change for change in diff_results(first, second, tolerance=10).columns}
    f1, new = found["f1"], found["new"]
    assert (f1.n_changed, f1.n_one_sided, f1.max, f1.shift) == (2, 2, None, 0)
    assert (new.n_one_sided, new.shift) == (1, None)


def test_key_frames_statuses_and_cells_of_one_side(sides):
    first, second = sides
    second[0]["keyframes"]["frames"] = [0, 6]
    second[3] = cell("vsumm", "a", status="failed", error={"type": "E", "message": "m"})
    found = diff_results(first, second)
    assert found.keyframes == {"net": 1, "vsumm": 1}  # a failed cell has none
    (status,) = found.statuses
    assert (status.cell, status.first, status.second) == ("vsumm on a, budget 10, seed 0", "ok", "failed")
    assert found.n_changed == 2
    found = diff_results(first[:4], first[2:])
    assert (found.only_first, found.only_second) == ({"net": 2}, {"vsumm": 2})
    assert (found.n_common, found.equal) == (2, False)


@pytest.mark.parametrize("name", ["dataset", "budget", "sampling", "run_sampling", "seed", "params"])
def test_another_place_is_another_cell(sides, name):
    other = sides[0][0] | {name: {"seed": 3, "params": {"p": 1}}.get(name, "x")}
    found = diff_results(sides[0][:1], [other])
    assert (found.only_first, found.only_second) == ({"net": 1}, {"net": 1})
    assert diff_results([other], [other]).equal


def test_versions_are_reasons_and_no_changes(sides):
    first, second = sides
    for one in second:
        one |= {"versions": {"numpy": "2.1"}, "metric_versions": {"cus": "2"}}
    second[0] |= {"version": 2, "features": ["gray@2"], "video_sha256": "new"}
    found = diff_results(first, second)
    assert found.equal
    assert [(v.name, v.first, v.second, v.n_cells) for v in found.versions] == [
        ("features of net", "none", "gray@2", 1),
        ("metric cus", "none", "2", 6),
        ("numpy", "2.0", "2.1", 6),
        ("version of net", "1", "2", 1),
        ("video_sha256 of a", "sha-a", "new", 1),
    ]


def test_of_two_cells_in_one_place_the_newer_counts_and_odd_fields_are_no_reason_to_stop(sides):
    one, stale = sides[0][0], sides[1][0] | {"finished": "1999", "key": "old"}
    stale["metrics"]["f1"] = 0.9
    assert diff_results([one, stale], [stale, one]).equal and diff_results([one, stale], [one]).equal
    odd = one | {"versions": "?", "metric_versions": [1], "features": None, "keyframes": None, "metrics": None}
    del odd["run_sampling"]
    assert diff_results([odd], [odd]).equal and not diff_results([odd], sides[0]).equal


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3), st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_turning_the_sides_turns_the_shift_only(first, second):
    def cells(numbers):
        return [
            {"extractor": "x", "status": "ok", "video": str(i), "metrics": {"f1": v}} for i, v in enumerate(numbers)
        ]

    forth, back = (diff_results(cells(a), cells(b), tolerance=0.1) for a, b in ((first, second), (second, first)))
    assert forth.n_changed == back.n_changed == sum(abs(a - b) > 0.1 for a, b in zip(first, second, strict=True))
    for one, other in zip(forth.columns, back.columns, strict=True):
        assert (one.n_changed, one.max, one.mean) == (other.n_changed, other.max, other.mean)
        assert one.shift == -other.shift
