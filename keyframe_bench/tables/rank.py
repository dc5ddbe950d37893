"""Which rows can be compared."""

from __future__ import annotations

from collections.abc import Iterable

from .spec import Row

COUNT = "n_keyframes"


def fewer_key_frames(rows: Iterable[Row]) -> dict[str, tuple[float, float]]:
    """Return the rows that return fewer key frames than others at the same budget: group to (mean, others' mean)."""
    counts = {row.group: (row, row.values[COUNT].mean) for row in rows if COUNT in row.values and row.role != "ceiling"}
    found = {}
    for row, count in counts.values():
        most = max(c for r, c in counts.values() if (r.dataset, r.budget) == (row.dataset, row.budget))
        if count < 0.995 * most:
            found[row.group] = (count, most)
    return found
