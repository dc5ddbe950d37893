"""What a reader must know to judge a table: denominators, failures, and metrics that random choice does as well on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..core.cells import HUMAN
from .format import shown
from .rank import fewer_key_frames
from .spec import ColumnSpec, Row, Table

if TYPE_CHECKING:
    import pandas as pd

_CONFIDENCE = 0.95


def notes_for(table: Table, numbers: Mapping[str, pd.Series[float]]) -> tuple[str, ...]:
    """Return the sentences under a table.

    Parameters
    ----------
    table : Table
    numbers : mapping
        Column name to the mean of every (group, video).
    """
    notes = [*_failures(table), *_denominators(table)]
    if "budget" in table.settings:
        notes.append("best values are marked within one budget")
    notes += _draws(table)
    notes += _fewer(table)
    if any(row.extractor == "oracle" for row in table.rows):
        notes.append("oracle is greedy for key frames in time (f1): in other columns a method may exceed it")
    notes += _controls_best(table)
    if table.rows and max(row.n_videos for row in table.rows) == 1:
        notes.append("one video: differences between rows cannot be told from chance")
        return tuple(notes)
    return (*notes, *_floor(table, numbers))


def _draws(table: Table) -> list[str]:
    drawn = {row.label: row for row in table.rows if row.draws > 1 and row.n_videos}
    return [
        f"{label}: mean over the people, each scored against the others"
        if row.extractor == HUMAN
        else f"{label}: mean of {row.draws} random draws per video"
        for label, row in drawn.items()
    ]


def _controls_best(table: Table) -> list[str]:
    """Name the columns in which no method is better than a control."""
    found = []
    for column in table.columns:
        best = [row for row in table.rows if column.name in row.values and row.values[column.name].best]
        if best and all(row.role == "control" for row in best):
            found.append(f"{column.name} ({', '.join(dict.fromkeys(row.label for row in best))})")
    return [f"no method beats a control in {', '.join(found)}"] if found else []


def _fewer(table: Table) -> list[str]:
    """Say which rows return fewer key frames than asked for, where that alone makes a column look better."""
    columns = [column.name for column in table.columns if column.fewer_helps]
    fewer = fewer_key_frames(table.rows)
    rows = [
        f"{row.label} ({fewer[row.group][0]:.3g} of {fewer[row.group][1]:.3g})"
        for row in table.rows
        if row.group in fewer
    ]
    if not columns or not rows or any(row.budget == "free" for row in table.rows):
        return []
    return [f"fewer key frames alone lower {', '.join(columns)}: not ranked there are {', '.join(dict.fromkeys(rows))}"]


def _failures(table: Table) -> list[str]:
    notes = []
    # What every row lacks alike are unreadable files: the sentence about the videos names them.
    everywhere = min((row.n_skipped for row in table.rows if row.role != "ceiling"), default=0)
    for row in table.rows:
        for count, what in ((row.n_failed, "failed"), (row.n_skipped - everywhere, "was skipped")):
            if count > 0:
                notes.append(f"{row.label} {what} on {count} video{'s' if count > 1 else ''}")
    return notes


def _denominators(table: Table) -> list[str]:
    """Which rows average fewer videos than the others, by the columns in which they do."""
    columns_of: dict[str, list[ColumnSpec]] = {}
    for column in table.columns:
        ranked = [row for row in table.rows if row.role != "ceiling"]
        counts = [row.values[column.name].n if column.name in row.values else 0 for row in ranked]
        for row, count in zip(ranked, counts, strict=True):
            if count < max(counts):
                columns_of.setdefault(row.label, []).append(column)
    notes = []
    for label, columns in columns_of.items():
        where = "any column" if len(columns) == len(table.columns) else ", ".join(c.name for c in columns)
        notes.append(f"{label} covers fewer videos than other rows and is not ranked in {where}")
    return notes


def _floor(table: Table, numbers: Mapping[str, pd.Series[float]]) -> list[str]:
    """Flag metrics under which random choice is within noise of the best row (paired over videos, 95 % interval)."""
    notes = []
    for floor in table.rows:
        if floor.extractor != "random":
            continue
        found = []
        for column in table.columns:
            if column.direction != "none" and not column.is_cost and column.name in floor.values:
                sign = 1.0 if column.direction == "higher" else -1.0
                best = _best_rival(table, column, floor, sign)
                pair = _paired(numbers[column.name], best, floor, sign) if best is not None else None
                if best is not None and pair is not None and pair[0] <= pair[1]:
                    found.append(f"{column.name} ({best.label} leads by {shown(pair[0], 1)} ± {shown(pair[1], 1)})")
        if found:
            where = ", ".join(f"{name} {getattr(floor, name)}" for name in table.settings if name != "sampling")
            notes.append(
                f"random is within noise of the best other row{f' at {where}' if where else ''} in {', '.join(found)}: "
                "these numbers do not separate methods here (95 % interval of the lead, paired over videos)"
            )
    return notes


def _best_rival(table: Table, column: ColumnSpec, floor: Row, sign: float) -> Row | None:
    rivals = [
        row
        for row in table.rows
        if row.role != "ceiling"
        and row.extractor != "random"
        and (row.dataset, row.budget) == (floor.dataset, floor.budget)
        and column.name in row.values
    ]
    if column.fewer_helps:
        fewer = fewer_key_frames(table.rows)
        rivals = [row for row in rivals if row.group not in fewer]
    full = max((row.values[column.name].n for row in rivals), default=0)
    rivals = [row for row in rivals if row.values[column.name].n == full]
    return max(rivals, key=lambda row: sign * row.values[column.name].mean, default=None)


def _paired(series: pd.Series[float], best: Row, floor: Row, sign: float) -> tuple[float, float] | None:
    """Lead of ``best`` over ``floor`` over common videos: mean and half width of Student's t interval."""
    from scipy.stats import t

    pair = series.xs(best.group, level=0).align(series.xs(floor.group, level=0), join="inner")
    lead = sign * (pair[0].to_numpy(dtype=float) - pair[1].to_numpy(dtype=float))
    n = len(lead)
    if n < 2:
        return None
    half = float(t.ppf((1 + _CONFIDENCE) / 2, n - 1)) * float(lead.std(ddof=1)) / math.sqrt(n)
    return float(lead.mean()), half
