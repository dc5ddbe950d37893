"""Rows against rows: paired differences over videos, with intervals, tests and effect sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from ..core.cells import NO_NETWORK
from . import stats
from .rank import best_row, by_place, candidates, is_ranked, like, with_all_videos
from .spec import ColumnSpec, Comparison, Row, Verdict

if TYPE_CHECKING:
    import pandas as pd

BASELINE = "uniform"

PerVideo = Mapping[str, Mapping[str, stats.Floats]]
"""Column name to group to one number a video, NaN where there is none; all of a column over the same videos."""


def compare_rows(rows: Sequence[Row], columns: Iterable[ColumnSpec], numbers: PerVideo) -> tuple[Comparison, ...]:
    """Return the paired comparisons of every ranked column, data set and budget.

    Three families, each corrected by Holm on its own: every method against `uniform`; methods with a network against
    the same without it; and, unless `uniform` is the best row itself, every other method against the best row. The best
    row was chosen on these same videos, so that the last family errs towards differences: what it does not tell from
    the best may be as good, what it calls worse is a lead to follow. Not compared are ceilings, rows with fewer than
    two common videos, and rows with fewer key frames in columns that reward that; rows over fewer videos are compared
    over the common ones, but never as the best row.
    """
    found: list[Comparison] = []
    for column in filter(is_ranked, columns):
        values = numbers[column.name]
        for of_place in by_place(rows).values():
            here = candidates(of_place, column)
            methods = [row for row in here if row.role == "method"]
            uniform = [row for row in here if row.extractor == BASELINE]
            pairs = [(row, rival) for row in methods if (rival := like(row, uniform)) is not None]
            found += _family(column, pairs, values)
            plain = [(row, rival) for row in methods if (rival := without_network(row, methods)) is not None]
            found += _family(column, plain, values)
            best = best_row(with_all_videos(here, column), column)
            if best is not None and best.extractor != BASELINE:
                found += _family(column, [(row, best) for row in methods if row is not best], values)
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
    found = []
    for row, rival in pairs:
        difference = paired(values, row, rival)
        if len(difference) < 2:
            continue
        # 12 decimals: what cancels in exact numbers is 0 and not 1e-16
        mean, low, high = (round(float(x), 12) for x in (difference.mean(), *stats.bootstrap_interval(difference)))
        test = stats.wilcoxon(difference)
        found.append(
            Comparison(
                column.name,
                row.group,
                row.label,
                rival.group,
                rival.label,
                len(difference),
                mean,
                low,
                high,
                test.p,
                test.p,
                test.effect,
                "undecided",
                row.dataset,
                row.budget,
            )
        )
    if not found:
        return []
    out_of_reach = stats.smallest_p(max(c.n for c in found)) * len(found) >= stats.ALPHA
    return [
        replace(c, p_holm=float(p), verdict=_verdict(column, c, float(p), out_of_reach))
        for c, p in zip(found, stats.holm([c.p for c in found]), strict=True)
    ]


def _verdict(column: ColumnSpec, comparison: Comparison, p_holm: float, out_of_reach: bool) -> Verdict:
    if out_of_reach or stats.smallest_p(comparison.n) >= stats.ALPHA:
        return "impossible"
    if p_holm >= stats.ALPHA or comparison.effect == 0:
        return "undecided"
    return "better" if (comparison.effect > 0) == (column.direction == "higher") else "worse"
