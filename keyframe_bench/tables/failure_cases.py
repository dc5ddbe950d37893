"""The videos on which each row fails most: where to look first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .build import per_video
from .rank import BASELINE, by_place, like
from .spec import ColumnSpec, Row, Table
from .tradeoff import row_names

if TYPE_CHECKING:
    import pandas as pd


_COUNT = 3  # videos a row


@dataclass(frozen=True)
class FailureCase:
    """One video of one row.

    Attributes
    ----------
    video_id : str
    value : float
        The row's number on this video.
    lead : float or None
        How much better than `uniform` it is there, positive whatever the column's direction; None without `uniform`.
    """

    video_id: str
    value: float
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
    themselves (``relative`` is then False).
    Ceilings are left out, and `uniform` itself where the others are compared with it.

    Parameters
    ----------
    cells : pandas.DataFrame
        Of `tables.load_results`, without repetitions.
    table : Table
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
    lowest = lead.dropna().sort_values(kind="stable")[:_COUNT]
    return tuple(FailureCase(str(v), float(own[v]), None if rival is None else float(lead[v])) for v in lowest.index)
