"""What a column can tell: where random choice and the ceiling lie in it, and whether anything is told from random."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from . import rank, stats
from .format import shown
from .rank import CEILING, FLOOR, by_place, candidates, column_scale, fewer_key_frames, like, with_all_videos
from .significance import PerVideo, paired
from .spec import ColumnSpec, Discriminability, Row


def discriminability(
    rows: Sequence[Row], columns: Iterable[ColumnSpec], numbers: PerVideo
) -> tuple[Discriminability, ...]:
    """Return what every column (that is ranked) can tell apart, wherever `random` was run beside another row."""
    found = []
    for column in columns:
        for of_place in by_place(rows).values():
            here = candidates(of_place, column)
            rivals = with_all_videos([row for row in here if row.extractor != FLOOR], column)
            best = rank.best_row(rivals, column)
            floor = like(best, [row for row in here if row.extractor == FLOOR]) if best is not None else None
            if best is not None and floor is not None:
                found += _lead(of_place, column, floor, best, numbers[column.name])
    return tuple(found)


def _lead(
    rows: Sequence[Row], column: ColumnSpec, floor: Row, best: Row, values: Mapping[str, stats.Floats]
) -> list[Discriminability]:
    lead = column.sign * paired(values, best, floor)
    if not len(lead):
        return []
    low, high = stats.student_interval(lead) if len(lead) > 1 else (None, None)
    at = column.name, *floor.place, floor.values[column.name].mean, best.label
    separates = low is not None and low > 0
    return [Discriminability(*at, float(lead.mean()), low, high, separates, _about(rows, column, floor, best))]


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
    for column in columns:
        values = numbers[column.name]
        for of_place in by_place(rows).values():
            here = [row for row in of_place if column.name in row.values]
            ends = [[row for row in here if row.extractor == name] for name in (FLOOR, CEILING)]
            for row in here if all(ends) else ():
                picked = [values[r.group] for r in (row, *(like(row, end) for end in ends)) if r is not None]
                all_three = np.stack(picked)[:, np.isfinite(picked).all(axis=0)]
                gap = column.sign * (all_three[2] - all_three[1])
                if len(gap) > 1 and stats.student_interval(gap).low > 0:
                    value, floor, ceiling = map(float, all_three.mean(axis=1))
                    scaled = (value - floor) / (ceiling - floor)  # not clipped: worse than the floor is negative
                    row.values[column.name] = replace(row.values[column.name], normalised=scaled)
