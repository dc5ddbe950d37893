"""Quality against cost and against the number of key frames, and the videos on which each row fails most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import UsageError
from .caveats import EMPTY_USERS
from .load import at_budget, latest, per_video
from .ranking import BASELINE, COST, COUNT, by_place, candidates, in_places, like, with_all_videos
from .spec import ColumnSpec, Role, Row, Table

if TYPE_CHECKING:
    import pandas as pd

DECIDED = ("free", "inferred")  # budgets at which the number is the method's own
_WORST = 3  # videos a row


@dataclass(frozen=True)
class Point:
    """One row in a plot."""

    name: str  # of `row_names`
    role: Role
    x: float | None  # cost, or key frames; None when it was not measured (human annotators cost nothing)
    y: float  # the mean of the column
    low: float | None  # 95 % interval of ``y``
    high: float | None
    n: int  # videos that ``y`` averages
    front: bool = False  # no row that may be ranked is both cheaper and better


@dataclass(frozen=True)
class Tradeoff:
    """Quality against cost in one column, for the rows of one data set and budget; ``points`` in the table's order."""

    column: ColumnSpec
    cost: ColumnSpec
    dataset: str
    budget: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class BudgetCurves:
    """Quality against the number of key frames in one column and data set: per row name its points, fewest first."""

    column: ColumnSpec
    dataset: str
    curves: tuple[tuple[Point, ...], ...]


def row_names(table: Table) -> dict[str, str]:
    """Return what tells the rows of one data set and budget apart, by group: the label, with sampling where needed."""
    seen = Counter((row.dataset, row.budget, row.label) for row in table.rows)
    return {
        row.group: f"{row.label}, {row.sampling}" if seen[row.dataset, row.budget, row.label] > 1 else row.label
        for row in table.rows
    }


def tradeoffs(table: Table) -> list[Tradeoff]:
    """Return one `Tradeoff` per quality column and (data set, budget) with two rows of known cost and quality or more.

    On the front are the rows that may be ranked (no ceilings, no rows that average fewer videos, none with fewer key
    frames where that alone helps) and that no other such row beats in quality at the same cost or less.
    """
    found = []
    names = row_names(table)
    spent = next((c for c in table.columns if c.name == COST), None)
    if spent is None:
        return []
    for column, place, of_place in in_places(table.rows, table.ranked_columns):
        rows = [row for row in of_place if column.name in row.values]
        points = [_point(names, row, column.name, COST) for row in rows]
        points = [p if p.x is None or p.x > 0 else replace(p, x=None) for p in points]  # 0 is "not measured"
        if sum(p.x is not None and p.role != "ceiling" for p in points) >= 2:
            ranked = {row.group for row in with_all_videos(candidates(of_place, column), column)}
            marked = _front(column, points, [row.group in ranked for row in rows])
            found.append(Tradeoff(column, spent, *place, marked))
    return found


def budget_curves(table: Table) -> list[BudgetCurves]:
    """Return one `BudgetCurves` per quality column and data set that was run at two fixed budgets or more.

    The number of key frames is what the row returned in the mean (``n_keyframes``), not what it was asked for.
    """
    found, names = [], row_names(table)
    fixed = [row for row in table.rows if not row.budget.startswith(DECIDED)]
    for column in table.ranked_columns:
        for dataset in dict.fromkeys(row.dataset for row in fixed):
            rows = [r for r in fixed if r.dataset == dataset and column.name in r.values and COUNT in r.values]
            curves: dict[tuple[str, Role], list[Point]] = {}
            for row in rows:
                point = _point(names, row, column.name, COUNT)
                curves.setdefault((point.name, row.role), []).append(point)
            if len({row.budget for row in rows}) >= 2:
                ordered = (tuple(sorted(points, key=lambda p: p.x or 0.0)) for points in curves.values())
                found.append(BudgetCurves(column, dataset, tuple(ordered)))
    return found


def areas(
    results: pd.DataFrame, columns: Mapping[str, Mapping[str, Any]], drawn: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, Mapping[str, Any]]]:
    """Return cells and columns of the curves of quality against K: one cell for all budgets of a method on a video.

    Every column becomes ``<name> area``: by trapezoids against log2 K, over the width in log2 K, so that it is the mean
    height of the curve in the column's own unit. One of ``drawn`` is also ``<name> at <K>``. K is what was asked for,
    the same for all methods; one without a number at some K has no area there. Cells of budgets that are no numbers,
    those of the human annotators too, are left out.

    ``results``: of `load_results`; ``columns``: as of `comparison`. Raises `UsageError` for fewer than two budgets.
    """
    import pandas as pd

    cells = latest(results)
    cells = cells[cells["budget"].str.isdecimal()]
    k = cells["budget"].astype(int)
    ks = sorted(set(k))
    if len(ks) < 2:
        raise UsageError(
            "curves need results at two or more budgets that are numbers; run budget='[2,4,8]' or the like"
        )
    span = f"{ks[0]} to {ks[-1]}"
    kept = f"metric.{EMPTY_USERS}"
    facts = [name for name in map(str, cells) if name == kept or not name.startswith(("metric.", "cost."))]
    lines = cells[facts].assign(budget=span, group=[at_budget(group, span) for group in cells["group"]])
    curve_of = lines.groupby(["group", "video", "seed", "fold", "training_seed"], dropna=False, sort=False).ngroup()
    by_status = lines.assign(curve=curve_of).sort_values("status", key=lambda status: status != "ok", kind="stable")
    found = by_status.drop_duplicates("curve", keep="last").set_index("curve")  # one that failed speaks for all
    for fact, kind in {"k": "mean", "n_keyframes": "mean", "fallback": "max", "shortfall": "max"}.items():
        found[fact] = lines[fact].groupby(curve_of).agg(kind)
    heights = cells[[f"metric.{name}" for name in columns]].set_index([curve_of, k]).unstack()
    numbers: dict[str, Any] = {}
    specs: dict[str, Mapping[str, Any]] = {}
    for name, about in columns.items():
        curve = heights[f"metric.{name}"][ks]
        for one in ks if name in drawn else ():
            numbers[f"metric.{name} at {one}"] = curve[one]
            specs[f"{name} at {one}"] = {**about, "about": f"{about['about']}, K = {one}"}
        area = np.trapezoid(curve, np.log2(ks), axis=1) / np.log2(ks[-1] / ks[0])
        numbers[f"metric.{name} area"] = area.round(8)  # as many decimals as small results have
        specs[f"{name} area"] = {**about, "about": f"area under {name} against log2 K, K = {span}, over its width"}
    return pd.concat([found, pd.DataFrame(numbers, index=heights.index)], axis=1), specs


def _point(names: Mapping[str, str], row: Row, column: str, x: str) -> Point:
    value = row.values[column]
    place = row.values[x].mean if x in row.values else None
    return Point(names[row.group], row.role, place, value.mean, value.low, value.high, value.n)


def _front(column: ColumnSpec, points: Sequence[Point], ranked: Sequence[bool]) -> tuple[Point, ...]:
    rivals = [(p.x, column.sign * p.y) for p, may in zip(points, ranked, strict=True) if may and p.x is not None]

    def beaten(cost: float, quality: float) -> bool:
        return any(c <= cost and q >= quality and (c, q) != (cost, quality) for c, q in rivals)

    return tuple(
        replace(p, front=may and p.x is not None and not beaten(p.x, column.sign * p.y))
        for p, may in zip(points, ranked, strict=True)
    )


@dataclass(frozen=True)
class FailureCase:
    """One video of one row."""

    video_id: str
    value: float  # the row's number on this video
    # How much better than `uniform` it is there, positive whatever the column's direction; None without `uniform`
    lead: float | None


@dataclass(frozen=True)
class FailureCases:
    """The failure cases of every row in one column, data set and budget: (row name, worst first)."""

    column: ColumnSpec
    dataset: str
    budget: str
    relative: bool
    rows: tuple[tuple[str, tuple[FailureCase, ...]], ...]


def failure_cases(cells: pd.DataFrame, table: Table) -> list[FailureCases]:
    """Return where each row does worst, compared with `uniform` at the same data set and budget.

    Of several `uniform` rows the one with the same sampling counts. Without any, the videos with the worst numbers
    themselves (``relative`` is then False). Ceilings are left out, and `uniform` itself where the others are compared
    with it. ``cells``: of `tables.load_results`, without repetitions.
    """
    names, found = row_names(table), []
    for column in table.ranked_columns:
        series = per_video(cells, column.name)
        by_group = {str(group): part.droplevel(0) for group, part in series.groupby(level=0, sort=False)}
        for place, of_place in by_place(table.rows).items():
            rows = [r for r in of_place if r.role != "ceiling" and r.group in by_group]
            rivals = [row for row in rows if row.extractor == BASELINE]
            pairs = [(row, like(row, rivals)) for row in rows]
            lines = [(names[a.group], _cases(by_group, a, b, column)) for a, b in pairs if a is not b]
            lines = [(name, bad) for name, bad in lines if bad]
            if lines:
                found.append(FailureCases(column, *place, bool(rivals), tuple(lines)))
    return found


def _cases(
    by_group: Mapping[str, pd.Series[float]], row: Row, rival: Row | None, column: ColumnSpec
) -> tuple[FailureCase, ...]:
    own = by_group[row.group]
    lead = column.sign * (own if rival is None else own - by_group[rival.group])
    lowest = lead.dropna().sort_values(kind="stable")[:_WORST]
    return tuple(FailureCase(str(v), float(own[v]), None if rival is None else float(lead[v])) for v in lowest.index)
