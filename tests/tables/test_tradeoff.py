"""Fronts and curves against hand-made tables, and the front against its definition."""

import itertools

import numpy as np
import pytest

from keyframe_bench.tables import ColumnSpec, Row, Table, Value
from keyframe_bench.tables.tradeoff import budget_curves, row_names, tradeoffs

UP, DOWN = ColumnSpec("f1", "higher"), ColumnSpec("redundancy", "lower")
COST, COUNT = ColumnSpec("total_s", "lower", "s"), ColumnSpec("n_keyframes")


def _row(name, *, budget="4", role="method", sampling="2fps", n=3, **values):
    held = {key: Value(float(mean), None, n, low=mean - 0.1, high=mean + 0.1) for key, mean in values.items()}
    group = f"{name}-{budget}-{sampling}"
    return Row(group, name, "folder", budget, sampling, "", "", role, "", "", n, 0, 0, 1, 1, held)


def _table(*rows):
    return Table("", (UP, DOWN, COST, COUNT), rows)


def _fronts(table):
    return {t.column.name: {p.name for p in t.points if p.front} for t in tradeoffs(table)}


def test_the_front_knows_which_side_is_better():
    table = _table(
        _row("cheap", f1=0.3, redundancy=0.5, total_s=1),
        _row("middle", f1=0.6, redundancy=0.6, total_s=2),
        _row("waste", f1=0.5, redundancy=0.4, total_s=3),
        _row("dear", f1=0.7, redundancy=0.3, total_s=9),
    )
    assert _fronts(table) == {"f1": {"cheap", "middle", "dear"}, "redundancy": {"cheap", "waste", "dear"}}


def test_who_is_not_ranked_is_not_on_the_front():
    table = _table(
        _row("oracle", role="ceiling", f1=0.9, total_s=0.1),
        _row("few videos", n=2, f1=0.8, total_s=0.1),
        _row("not measured", f1=0.8, total_s=0),
        _row("random", role="control", f1=0.2, total_s=0.5),
        _row("method", f1=0.4, total_s=1),
    )
    (found,) = tradeoffs(table)
    assert {p.name for p in found.points if p.front} == {"random", "method"}
    assert [p.x for p in found.points] == [0.1, 0.1, None, 0.5, 1]
    assert found.points[0].role == "ceiling"


def test_fewer_key_frames_do_not_buy_a_place_where_they_help():
    table = _table(
        _row("short", f1=0.5, redundancy=0.1, total_s=1, n_keyframes=2),
        _row("full", f1=0.4, redundancy=0.3, total_s=1, n_keyframes=4),
    )
    assert _fronts(table) == {"f1": {"short"}, "redundancy": {"full"}}


def test_the_front_is_what_nobody_beats():
    rng = np.random.default_rng(0)
    numbers = rng.integers(1, 6, (30, 2))  # with ties
    rows = [_row(f"m{i:02d}", f1=q, total_s=c) for i, (q, c) in enumerate(numbers)]
    expected = {f"m{i:02d}" for i in range(30)} - {
        f"m{i:02d}"
        for i, j in itertools.permutations(range(30), 2)
        if numbers[j][0] >= numbers[i][0] and numbers[j][1] <= numbers[i][1] and tuple(numbers[i]) != tuple(numbers[j])
    }
    assert _fronts(_table(*rows))["f1"] == expected


def test_each_budget_has_its_own_front():
    table = _table(
        *(_row("a", budget=b, f1=f, total_s=1) for b, f in (("4", 0.5), ("8", 0.2))),
        *(_row("b", budget=b, f1=0.4, total_s=1) for b in ("4", "8")),
    )
    assert [(t.budget, {p.name for p in t.points if p.front}) for t in tradeoffs(table)] == [("4", {"a"}), ("8", {"b"})]
    assert tradeoffs(Table("", (UP,), (_row("a", f1=1), _row("b", f1=0.5)))) == []  # without costs there is no plot
    assert tradeoffs(_table(_row("a", f1=1, total_s=1), _row("b", f1=0.5))) == []


def test_curves_run_over_the_key_frames_that_were_returned():
    table = _table(
        _row("a", budget="8", f1=0.6, n_keyframes=7.5),
        _row("a", budget="4", f1=0.5, n_keyframes=4),
        _row("a", budget="free", f1=0.9, n_keyframes=40),
        _row("oracle", role="ceiling", budget="4", f1=1, n_keyframes=4),
    )
    (found,) = budget_curves(table)
    assert [[(p.name, p.x, p.y) for p in curve] for curve in found.curves] == [
        [("a", 4.0, 0.5), ("a", 7.5, 0.6)],
        [("oracle", 4.0, 1.0)],
    ]
    assert (found.curves[0][0].low, found.curves[0][0].high) == pytest.approx((0.4, 0.6))
    one = (_row("a", f1=0.6, n_keyframes=4), _row("a", budget="free", f1=0.6, n_keyframes=9))
    assert budget_curves(_table(*one)) == []  # one fixed budget is no curve


def test_names_tell_rows_apart_and_facts_and_costs_are_no_quality():
    table = _table(_row("a", f1=1), _row("a", sampling="every", f1=1), _row("a", budget="8", f1=1))
    assert list(row_names(table).values()) == ["a, 2fps", "a, every", "a"]
    assert [c.name for c in table.ranked_columns] == ["f1", "redundancy"]
