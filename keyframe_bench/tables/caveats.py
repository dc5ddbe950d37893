"""What cells say about their numbers: fallbacks, shortfalls, copies of a file, and a metric that measures K only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..core.cells import HUMAN
from .format import one_line
from .rank import by_place
from .spec import Row, Table

if TYPE_CHECKING:
    import pandas as pd

EMPTY_USERS, BOUND = "n_users_empty", "cus_f_bound"
NOTED = (EMPTY_USERS, BOUND)
"""Numbers that the notes need, whatever columns a table shows."""

_BOUNDED = ("cus_f", "f1_1s")  # F of one-to-one matchings with users: one bound
_REACHED = 0.99  # random is a mean of draws: within 1 % of the bound is on it
_LISTED = 8


def listed(parts: Sequence[str]) -> str:
    """Return the first of ``parts`` with commas, and how many more there are."""
    more = f" and {len(parts) - _LISTED} more" if len(parts) > _LISTED else ""
    return ", ".join(map(one_line, parts[:_LISTED])) + more


def unlike_asked(table: Table) -> list[str]:
    """Say of which rows key frames are a fallback or fewer than asked for, on how many videos, and why."""
    found: dict[tuple[str, str], list[str]] = {}

    def add(row: Row, reason: str, said: str) -> None:
        at = table.where(row.place).strip()
        found.setdefault((row.label, reason), []).append(f"{at}: {said}" if at else said)

    for row in table.rows:
        for reason, n in row.fallbacks.items():
            add(row, f"{reason} (a fallback, not a result)", f"{n} of {row.n_videos} video{'s' * (row.n_videos != 1)}")
        for reason, n in row.shortfalls.items():
            on = f", fewer on {n} of {row.n_videos} videos" if row.n_videos > 1 else ""
            add(row, reason, f"{row.n_returned:.3g} of {row.n_asked:.3g} key frames{on}")
    colon = " " if {"dataset", "budget"} & set(table.settings) else ": "
    return [one_line(f"{label}{colon}{listed(parts)}: {reason}") for (label, reason), parts in found.items()]


def copies(cells: pd.DataFrame) -> list[str]:
    """Say which videos have the bytes of another one."""
    names = cells.loc[cells["status"] != "skipped", ["dataset", "video_id", "video"]].drop_duplicates()
    again = names[names["video"] != names["video_id"]]
    if not len(again):
        return []
    pairs = [f"{video} = {first}" for first, video in again[["video_id", "video"]].itertuples(index=False)]
    what = "1 copy" if len(pairs) == 1 else f"{len(pairs)} copies"
    return [f"{what} counted once (equal bytes; numbers of copies are averaged): {listed(pairs)}"]


def empty_users(cells: pd.DataFrame) -> list[str]:
    """Say how many human annotators chose nothing and are left out."""
    name = f"metric.{EMPTY_USERS}"
    if name not in cells:
        return []
    methods = cells[cells["extractor"] != HUMAN]  # without oneself, there are fewer
    counts = methods.groupby(["dataset", "video"])[name].max().reset_index()
    parts = [f"{int(n)} on {video}" for video, n in zip(counts["video"], counts[name], strict=True) if n > 0]
    return [f"human annotators without key frames are left out of cus and f1: {listed(parts)}"] if parts else []


def bounds_reached(table: Table, cells: pd.DataFrame) -> list[str]:
    """Say on which videos random choice reaches the largest F that its number of key frames allows."""
    from .build import per_video

    if f"metric.{BOUND}" not in cells:
        return []
    bound, notes = per_video(cells, BOUND), []
    for column in table.columns:
        if column.name not in _BOUNDED:
            continue
        value = per_video(cells, column.name)
        on_it = (value >= _REACHED * bound.reindex(value.index)).groupby(level=0)
        reached = {str(group): set(part[part].index.get_level_values(1)) for group, part in on_it}
        for place, rows in by_place(table.rows).items():
            notes += _reached(column.name, table.where(place), rows, reached)
    return notes


def _reached(column: str, where: str, rows: Iterable[Row], reached: dict[str, set[str]]) -> list[str]:
    rows = [row for row in rows if row.role != "ceiling" and column in row.values]
    videos = sorted(set().union(*(reached[row.group] for row in rows if row.extractor == "random")))
    if not videos:
        return []
    ties = [f"{video} ({sum(video in reached[row.group] for row in rows)} of {len(rows)} rows)" for video in videos]
    n = max(row.values[column].n for row in rows)
    return [
        f"{column}{where}: random reaches the bound 2 min(K, U) / (K + U) on {len(videos)} of {n} "
        f"video{'s' * (n != 1)}, where it measures K only; rows that reach it: {listed(ties)}"
    ]
