"""The videos on which each row does worst: where to look first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .build import per_video
from .rank import by_place, like
from .significance import BASELINE
from .spec import ColumnSpec, Row, Table
from .tradeoff import quality_columns, row_names

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class BadVideo:
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
class WorstVideos:
    """The worst videos of every row in one column, data set and budget: (row name, worst first)."""

    column: ColumnSpec
    dataset: str
    budget: str
    relative: bool
    rows: tuple[tuple[str, tuple[BadVideo, ...]], ...]


def worst_videos(cells: pd.DataFrame, table: Table, *, count: int = 3) -> list[WorstVideos]:
    """Return where each row does worst, compared with `uniform` at the same data set and budget.

    Of several `uniform` rows the one with the same sampling counts. Without any, the videos with the worst numbers
    themselves (``relative`` is then False).
    Ceilings are left out, and `uniform` itself where the others are compared with it.

    Parameters
    ----------
    cells : pandas.DataFrame
        Of `tables.load_results`, without repetitions.
    table : Table
    count : int
        Videos a row.
    """
    names, found = row_names(table), []
    for column in quality_columns(table):
        series = per_video(cells, column.name)
        by_group = {str(group): part.droplevel(0) for group, part in series.groupby(level=0, sort=False)}
        for place, of_place in by_place(table.rows).items():
            rows = [r for r in of_place if r.role != "ceiling" and r.group in by_group]
            rivals = [row for row in rows if row.extractor == BASELINE]
            pairs = [(row, like(row, rivals)) for row in rows]
            lines = [(names[a.group], _worst(by_group, a, b, column, count)) for a, b in pairs if a is not b]
            lines = [(name, bad) for name, bad in lines if bad]
            if lines:
                found.append(WorstVideos(column, *place, bool(rivals), tuple(lines)))
    return found


def _worst(
    by_group: Mapping[str, pd.Series[float]], row: Row, rival: Row | None, column: ColumnSpec, count: int
) -> tuple[BadVideo, ...]:
    sign = 1.0 if column.direction == "higher" else -1.0
    own = by_group[row.group]
    if rival is None:
        ordered = (sign * own).sort_values(kind="stable")[:count]
        return tuple(BadVideo(str(video), sign * float(value), None) for video, value in ordered.items())
    lead = (sign * (own - by_group[rival.group])).dropna().sort_values(kind="stable")[:count]
    values = {str(video): float(value) for video, value in own.items()}
    return tuple(BadVideo(str(video), values[str(video)], float(value)) for video, value in lead.items())
