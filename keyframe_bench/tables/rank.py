"""Which rows can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .spec import ColumnSpec, Row

COUNT = "n_keyframes"
COST = "total_s"
BASELINE, FLOOR, CEILING = "uniform", "random", "oracle"

Place = tuple[str, str]
"""Data set and budget: only within one are rows ranked."""


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
