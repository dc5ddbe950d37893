"""Fronts, curves and failure cases against hand-made tables, and the front against its definition."""

import itertools

import numpy as np
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.tables import ColumnSpec, Row, Table, Value, comparison
from keyframe_bench.tables.load import latest
from keyframe_bench.tables.quality import areas, budget_curves, failure_cases, row_names, tradeoffs

from .conftest import COLUMNS, FAILED, cell, cells_of, frame

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


def at_budgets(name, numbers, *, video="a", seed=0, **fields):
    """A cell for each budget, of as many key frames, but never more than five."""
    return [
        cell(name, video, seed=seed, budget=str(k), k=k, keyframes={"frames": list(range(min(k, 5)))}, **fields)
        | (FAILED if y is None else {"metrics": {"cus_a": y, "total_s": 1.0}})
        for k, y in numbers.items()
    ]


def table_of_areas(*cells):
    results, columns = areas(frame(*cells), {"cus_a": COLUMNS["cus_a"]}, ["cus_a"])
    return comparison(results, columns)


def test_the_area_is_the_mean_height_over_doublings_of_the_number_asked_for():
    """From 2 to 16 there are three doublings: one at .3 in the mean, two at .5."""
    human = cell("human", budget="free", metrics={"cus_a": 0.9})
    table = table_of_areas(*at_budgets("m", {16: 0.6, 2: 0.2, 4: 0.4}), human, *at_budgets("n", {2: 0.1, 16: 0.1}))
    m, n = table.rows
    assert {name: value.mean for name, value in m.values.items()} == pytest.approx(
        {"cus_a at 2": 0.2, "cus_a at 4": 0.4, "cus_a at 16": 0.6, "cus_a area": (0.3 + 2 * 0.5) / 3}
    )
    assert (m.budget, m.n_asked, m.n_returned) == ("2 to 16", pytest.approx(22 / 3), pytest.approx(11 / 3))
    assert set(n.values) == {"cus_a at 2", "cus_a at 16"}  # no number at 4, no area
    with pytest.raises(UsageError, match="two or more budgets"):
        areas(frame(*at_budgets("m", {2: 0.2}), human), COLUMNS, [])


def test_areas_are_means_over_seeds_and_videos_of_plain_loops():
    rng, ks = np.random.default_rng(0), (1, 3, 7, 20)
    numbers = rng.uniform(0, 1, (2, 4, 3, len(ks)))  # method, video, seed, K
    numbers[1, 2, 0, 1] = np.nan
    cells, expected = [], {}
    for name, of_method in zip("ab", numbers, strict=True):
        areas_of_videos = []
        for video, of_video in enumerate(of_method):
            found = []
            for seed, ys in enumerate(of_video):
                values = {k: None if np.isnan(y) else float(y) for k, y in zip(ks, ys, strict=True)}
                cells += at_budgets(name, values, video=f"v{video}", seed=seed)
                steps = [(a, b) for a, b in itertools.pairwise(range(len(ks))) if None not in values.values()]
                if steps:
                    parts = [(ys[a] + ys[b]) / 2 * np.log2(ks[b] / ks[a]) for a, b in steps]
                    found.append(sum(parts) / np.log2(20))
            areas_of_videos.append(np.mean(found))
        expected[name] = np.mean(areas_of_videos)
    table = table_of_areas(*(cells[i] for i in rng.permutation(len(cells))))
    assert {r.label: r.values["cus_a area"].mean for r in table.rows} == pytest.approx(expected)
    assert {r.label: r.n_failed for r in table.rows} == {"a": 0, "b": 1}


def test_areas_are_compared_with_uniform_like_any_column():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.3, 0.5, (20, 2))
    rows = {"uniform": base, "better": base + 0.1, "other": base[::-1]}
    cells = [
        one
        for name, values in rows.items()
        for i, (low, high) in enumerate(values.tolist())
        for one in at_budgets(name, {2: low, 8: high}, video=f"v{i}")
    ]
    table = table_of_areas(*cells)
    told = {(c.label, c.column): c.verdict for c in table.comparisons if c.rival_label == "uniform"}
    assert {told["better", column] for column in ("cus_a at 2", "cus_a at 8", "cus_a area")} == {"better"}
    assert told["other", "cus_a area"] == "undecided"
    assert "at budget" not in " ".join(table.notes)  # one place


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
