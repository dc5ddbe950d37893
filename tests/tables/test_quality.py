"""Fronts, curves and failure cases against hand-made tables, and the front against its definition."""

import itertools

import numpy as np
import pytest

from keyframe_bench.tables import ColumnSpec, Row, Table, Value, comparison
from keyframe_bench.tables.load import latest
from keyframe_bench.tables.quality import budget_curves, failure_cases, row_names, tradeoffs

from .conftest import COLUMNS, cell, cells_of, frame

UP, DOWN = ColumnSpec("f1", "higher"), ColumnSpec("redundancy", "lower")
COST, COUNT = ColumnSpec("total_s", "lower", "s"), ColumnSpec("n_keyframes")


def _row(name, *, budget="4", role="method", sampling="2fps", n=3, **values):
    held = {key: Value(float(mean), None, n, low=mean - 0.1, high=mean + 0.1) for key, mean in values.items()}
    group = f"{name}-{budget}-{sampling}"
    return Row(group, name, "folder", budget, sampling, "", "", role, "", "", n, 0, 0, 1, 1, held)


def _table(*rows):
    return Table("", (UP, DOWN, COST, COUNT), rows)


def _fronts(*rows):
    return {t.column.name: {p.name for p in t.points if p.front} for t in tradeoffs(_table(*rows))}


def test_the_front_knows_which_side_is_better_and_fewer_key_frames_buy_no_place():
    numbers = {"cheap": (0.3, 0.5, 1), "middle": (0.6, 0.6, 2), "waste": (0.5, 0.4, 3), "dear": (0.7, 0.3, 9)}
    rows = [_row(name, f1=f, redundancy=r, total_s=s) for name, (f, r, s) in numbers.items()]
    assert _fronts(*rows) == {"f1": {"cheap", "middle", "dear"}, "redundancy": {"cheap", "waste", "dear"}}
    short = _row("short", f1=0.5, redundancy=0.1, total_s=1, n_keyframes=2)
    full = _row("full", f1=0.4, redundancy=0.3, total_s=1, n_keyframes=4)
    assert _fronts(short, full) == {"f1": {"short"}, "redundancy": {"full"}}


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


def test_the_front_is_what_nobody_beats():
    numbers = np.random.default_rng(0).integers(1, 6, (30, 2)).tolist()  # with ties
    beaten = {
        i
        for i, j in itertools.permutations(range(30), 2)
        if numbers[j][0] >= numbers[i][0] and numbers[j][1] <= numbers[i][1] and numbers[i] != numbers[j]
    }
    rows = [_row(f"m{i:02d}", f1=q, total_s=c) for i, (q, c) in enumerate(numbers)]
    assert _fronts(*rows)["f1"] == {f"m{i:02d}" for i in set(range(30)) - beaten}


def test_each_budget_has_its_own_front():
    rows = [
        _row(n, budget=b, f1=f, total_s=1)
        for n, b, f in (("a", "4", 0.5), ("a", "8", 0.2), ("b", "4", 0.4), ("b", "8", 0.4))
    ]
    found = [(t.budget, {p.name for p in t.points if p.front}) for t in tradeoffs(_table(*rows))]
    assert found == [("4", {"a"}), ("8", {"b"})]
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
    curves = [[(p.name, p.x, p.y) for p in curve] for curve in found.curves]
    assert curves == [[("a", 4.0, 0.5), ("a", 7.5, 0.6)], [("oracle", 4.0, 1.0)]]
    assert (found.curves[0][0].low, found.curves[0][0].high) == pytest.approx((0.4, 0.6))
    one = (_row("a", f1=0.6, n_keyframes=4), _row("a", budget="free", f1=0.6, n_keyframes=9))
    assert budget_curves(_table(*one)) == []  # one fixed budget is no curve


def test_names_tell_rows_apart_and_facts_and_costs_are_no_quality():
    table = _table(_row("a", f1=1), _row("a", sampling="every", f1=1), _row("a", budget="8", f1=1))
    assert list(row_names(table).values()) == ["a, 2fps", "a, every", "a"]
    assert [c.name for c in table.ranked_columns] == ["f1", "redundancy"]


def found_in(*cells, **more):
    results = frame(*cells)
    return failure_cases(latest(results), comparison(results, COLUMNS | more))


def told(cases):
    return [(one.video_id, one.value, None if one.lead is None else round(one.lead, 6)) for one in cases]


def test_a_method_fails_where_it_falls_short_of_uniform_most():
    numbers = {"uniform": (0.9, 0.2, 0.5, 0.4), "m": (0.6, 0.1, 0.9, 0.4)}
    pairs = [(name, f"v{i}", x) for name, values in numbers.items() for i, x in enumerate(values)]
    cells = [cell(name, video, metrics={"cus_a": x, "cus_e": x}) for name, video, x in pairs]
    oracle = cell("oracle", "v0", metrics={"cus_a": 0.0})
    higher, lower = found_in(*cells, oracle, cus_e={"direction": "lower"})
    assert (higher.column.name, higher.relative, lower.column.name) == ("cus_a", True, "cus_e")
    ((name, cases),) = higher.rows  # neither uniform nor the ceiling
    assert (name, told(cases)) == ("m", [("v0", 0.6, -0.3), ("v1", 0.1, -0.1), ("v3", 0.4, 0)])
    assert told(lower.rows[0][1]) == [("v2", 0.9, -0.4), ("v3", 0.4, 0), ("v1", 0.1, 0.1)]
    (found,) = found_in(*cells_of({"m": (0.5, 0.1, 0.9)}))  # without uniform, the lowest numbers themselves
    assert not found.relative
    assert told(found.rows[0][1]) == [("v01", 0.1, None), ("v00", 0.5, None), ("v02", 0.9, None)]


def test_only_common_videos_uniform_of_the_same_sampling_and_means_of_seeds_count():
    cells = [cell("uniform", metrics={"cus_a": 0.5}), cell("uniform", sampling="every", metrics={"cus_a": 0.9})]
    cells += [cell("m", seed=s, sampling="every", metrics={"cus_a": x}) for s, x in enumerate((0.4, 0.8))]
    (found,) = found_in(*cells, cell("m", "b", sampling="every", metrics={"cus_a": 0.0}))
    ((name, cases),) = found.rows
    assert (name, cases[0].video_id, len(cases)) == ("m", "a", 1)
    assert (cases[0].value, cases[0].lead) == pytest.approx((0.6, -0.3))
