"""Which rows can be compared, and how: ranks, paired differences with tests, and what a column tells from random."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from ..core.cells import NO_NETWORK
from . import stats
from .format import shown
from .spec import ColumnSpec, Comparison, Discriminability, Outcome, Row

if TYPE_CHECKING:
    import pandas as pd

COUNT = "n_keyframes"
COST = "total_s"
BASELINE, FLOOR, CEILING = "uniform", "random", "oracle"

Place = tuple[str, str]
"""Data set and budget: only within one are rows ranked."""

PerVideo = Mapping[str, Mapping[str, stats.Floats]]
"""Column name to group to one number a video, NaN where there is none; all of a column over the same videos."""


def fewer_key_frames(rows: Iterable[Row]) -> dict[str, tuple[float, float]]:
    """Return the rows that return fewer key frames than others at the same budget: group to (mean, others' mean)."""
    found: dict[str, tuple[float, float]] = {}
    for here in by_place(rows).values():
        counts = {row.group: row.values[COUNT].mean for row in here if COUNT in row.values and row.role != "ceiling"}
        most = max(counts.values(), default=0.0)
        found |= {group: (count, most) for group, count in counts.items() if count < 0.995 * most}
    return found


def by_place(rows: Iterable[Row]) -> dict[Place, list[Row]]:
    """Return the rows of every place, in their order: what is compared within a place looks at these only."""
    found: dict[Place, list[Row]] = {}
    for row in rows:
        found.setdefault(row.place, []).append(row)
    return found


def in_places(rows: Iterable[Row], columns: Iterable[ColumnSpec]) -> Iterator[tuple[ColumnSpec, Place, list[Row]]]:
    """Yield every column with every place and its rows."""
    places = by_place(rows)
    for column in columns:
        for place, here in places.items():
            yield column, place, here


def candidates(rows: Sequence[Row], column: ColumnSpec) -> list[Row]:
    """Return those of the ``rows`` of one place that may be compared in ``column``.

    Not ceilings, and, where fewer key frames alone make the column look better, not rows that return fewer.
    """
    unfair = fewer_key_frames(rows) if column.fewer_helps else {}
    return [row for row in rows if row.role != "ceiling" and column.name in row.values and row.group not in unfair]


def with_all_videos(rows: Iterable[Row], column: ColumnSpec) -> list[Row]:
    """Return the rows whose mean covers as many videos as any other's: the others may lack the hard ones."""
    rows = list(rows)
    full = max((row.values[column.name].n for row in rows), default=0)
    return [row for row in rows if row.values[column.name].n == full]


def best_row(rows: Iterable[Row], column: ColumnSpec) -> Row | None:
    """Return the row with the best mean, the first of equals; None without rows."""
    return max(rows, key=lambda row: column.sign * row.values[column.name].mean, default=None)


def like(row: Row, others: Sequence[Row]) -> Row | None:
    """Return that of several rows which looked at the same frames (sampling) as ``row``, else the first."""
    return next((other for other in others if other.sampling == row.sampling), others[0] if others else None)


def column_scale(rows: Iterable[Row], column: ColumnSpec) -> float:
    """Return the largest magnitude of a column, which decides its number of decimals; of a table, `Table.scale`."""
    return max((abs(row.values[column.name].mean) for row in rows if column.name in row.values), default=0.0)


def mark_best(rows: Sequence[Row], columns: Iterable[ColumnSpec]) -> None:
    """Fill in `Value.best` of the rows that may be ranked: as good as the best one, as shown."""
    for column, _, of_place in in_places(rows, columns):
        scale = column_scale(rows, column)
        ranked = with_all_videos(candidates(of_place, column), column)
        top = best_row(ranked, column)
        if top is None or len(ranked) < 2:
            continue
        best = shown(top.values[column.name].mean, scale)
        for row in ranked:
            value = row.values[column.name]
            row.values[column.name] = replace(value, best=shown(value.mean, scale) == best)


def compare_rows(
    rows: Sequence[Row], columns: Iterable[ColumnSpec], numbers: PerVideo, rivals: Sequence[str] = ()
) -> tuple[Comparison, ...]:
    """Return the paired comparisons of every column (that is ranked), data set and budget.

    Families, each corrected by Holm on its own: every method against `uniform`, and against each extractor of
    ``rivals``; methods with a network against the same without it; and every other method against the best row, unless
    all are compared with that already. The best row was chosen on these same videos, so that the last family errs
    towards differences: what it does not tell from the best may be as good, what it calls worse is a lead to follow.
    Not compared are ceilings, rows with fewer than two common videos, and rows with fewer key frames in columns that
    reward that; rows over fewer videos are compared over the common ones, but never as the best row.
    """
    found: list[Comparison] = []
    for column, _, of_place in in_places(rows, columns):
        here = candidates(of_place, column)
        methods = [row for row in here if row.role == "method"]
        baselines = [[row for row in here if row.extractor == name] for name in (BASELINE, *rivals)]
        best = best_row(with_all_videos(here, column), column)
        if best is not None and best.extractor in (BASELINE, *rivals):
            best = None
        for pairs in (
            *([(row, like(row, base)) for row in methods if row not in base] for base in baselines),
            [(row, without_network(row, methods)) for row in methods],
            [(row, best) for row in methods if row is not best],
        ):
            found += _family(column, [(a, b) for a, b in pairs if b is not None], numbers[column.name])
    return tuple(found)


def without_network(row: Row, others: Iterable[Row]) -> Row | None:
    """Return the one of ``others`` at the place of ``row`` that is its method without the network, most like it."""
    plain = [r for r in others if r.extractor == row.extractor and r.note == NO_NETWORK]
    params = set(row.params.split(", "))
    nearest = max(
        plain, key=lambda r: (r.sampling == row.sampling, len(params & set(r.params.split(", ")))), default=None
    )
    return None if row.note == NO_NETWORK else nearest


def paired(values: Mapping[str, stats.Floats], first: Row, second: Row) -> stats.Floats:
    """Return the differences first - second over the videos that both rows have; empty if there is none."""
    a, b = values[first.group], values[second.group]
    both = np.isfinite(a) & np.isfinite(b)
    return stats.differences(a[both], b[both]) if both.any() else a[both]


def comparisons_frame(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """Return one line a comparison, with the fields of `Comparison` but the groups, which only programs need."""
    import pandas as pd

    names = ["column", "dataset", "budget", "label", "rival_label", "n", "difference", "low", "high"]
    names += ["p", "p_holm", "effect", "verdict"]
    return pd.DataFrame([asdict(c) for c in comparisons], columns=names)


def _family(
    column: ColumnSpec, pairs: Iterable[tuple[Row, Row]], values: Mapping[str, stats.Floats]
) -> list[Comparison]:
    both = [(row, rival, paired(values, row, rival)) for row, rival in pairs]
    both = [(row, rival, difference) for row, rival, difference in both if len(difference) > 1]
    tests = [stats.wilcoxon(difference) for *_, difference in both]
    out_of_reach = stats.smallest_p(max((len(one) for *_, one in both), default=0)) * len(both) >= stats.ALPHA
    found = []
    for (row, rival, difference), test, p in zip(both, tests, stats.holm([one.p for one in tests]), strict=True):
        # 12 decimals: what cancels in exact numbers is 0 and not 1e-16
        mean, low, high = (round(float(x), 12) for x in (difference.mean(), *stats.bootstrap_interval(difference)))
        verdict: Outcome = "undecided"
        if out_of_reach or stats.smallest_p(len(difference)) >= stats.ALPHA:
            verdict = "impossible"
        elif p < stats.ALPHA and test.effect != 0:
            verdict = "better" if column.sign * test.effect > 0 else "worse"
        names = column.name, row.group, row.label, rival.group, rival.label
        numbers = mean, low, high, test.p, float(p), test.effect
        found.append(Comparison(*names, len(difference), *numbers, verdict, *row.place))
    return found


def discriminability(
    rows: Sequence[Row], columns: Iterable[ColumnSpec], numbers: PerVideo
) -> tuple[Discriminability, ...]:
    """Return what every column (that is ranked) can tell apart, wherever `random` was run beside another row."""
    found = []
    for column, place, of_place in in_places(rows, columns):
        here = candidates(of_place, column)
        rivals = with_all_videos([row for row in here if row.extractor != FLOOR], column)
        best = best_row(rivals, column)
        floor = like(best, [row for row in here if row.extractor == FLOOR]) if best is not None else None
        if best is None or floor is None:
            continue
        lead = column.sign * paired(numbers[column.name], best, floor)
        if len(lead):
            low, high = stats.student_interval(lead) if len(lead) > 1 else (None, None)
            at = column.name, *place, floor.values[column.name].mean, best.label
            numbers_of_lead = float(lead.mean()), low, high, low is not None and low > 0
            found.append(Discriminability(*at, *numbers_of_lead, _about(of_place, column, floor, best)))
    return tuple(found)


def _about(rows: Sequence[Row], column: ColumnSpec, floor: Row, best: Row) -> str:
    """Say what else is known of the column's range: the best row, ceilings, controls, and summaries that are short."""
    scale = column_scale(rows, column)
    here = [r for r in rows if column.name in r.values and r not in (floor, best)]
    short = fewer_key_frames(rows)
    parts = [f"{row.label} {shown(row.values[column.name].mean, scale)}" for row in (floor, best)]
    for row in here:
        value = f"{row.label} {shown(row.values[column.name].mean, scale)}"
        if row.group in short:
            parts.append(f"{value} with {short[row.group][0]:.3g} of {short[row.group][1]:.3g} key frames")
        elif row.role != "method" and row.extractor != FLOOR:
            parts.append(f"{value} ({row.role})")
    return "; ".join(parts)


def normalise_rows(rows: Sequence[Row], columns: Iterable[ColumnSpec], numbers: PerVideo) -> None:
    """Fill in `Value.normalised` where `random` and `oracle` can be told apart.

    The three means are taken over the videos that row, floor and ceiling all have; floor and ceiling count as apart
    when the 95 % interval of their paired difference (Student's t) is on the right side of 0.
    """
    for column, _, of_place in in_places(rows, columns):
        here = [row for row in of_place if column.name in row.values]
        ends = [[row for row in here if row.extractor == name] for name in (FLOOR, CEILING)]
        for row in here if all(ends) else ():
            three = [numbers[column.name][r.group] for r in (row, *(like(row, end) for end in ends)) if r is not None]
            common = np.stack(three)[:, np.isfinite(three).all(axis=0)]
            gap = column.sign * (common[2] - common[1])
            if len(gap) > 1 and stats.student_interval(gap).low > 0:
                value, floor, ceiling = map(float, common.mean(axis=1))
                scaled = (value - floor) / (ceiling - floor)  # not clipped: worse than the floor is negative
                row.values[column.name] = replace(row.values[column.name], normalised=scaled)
