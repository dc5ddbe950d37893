"""Rows against rows: paired differences over videos, with intervals, tests and effect sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from ..core.cells import NO_NETWORK
from . import stats
from .rank import BASELINE, best_row, by_place, candidates, like, with_all_videos
from .spec import ColumnSpec, Comparison, Outcome, Row

if TYPE_CHECKING:
    import pandas as pd

PerVideo = Mapping[str, Mapping[str, stats.Floats]]
"""Column name to group to one number a video, NaN where there is none; all of a column over the same videos."""


def compare_rows(rows: Sequence[Row], columns: Iterable[ColumnSpec], numbers: PerVideo) -> tuple[Comparison, ...]:
    """Return the paired comparisons of every column (that is ranked), data set and budget.

    Three families, each corrected by Holm on its own: every method against `uniform`; methods with a network against
    the same without it; and, unless `uniform` is the best row itself, every other method against the best row. The best
    row was chosen on these same videos, so that the last family errs towards differences: what it does not tell from
    the best may be as good, what it calls worse is a lead to follow. Not compared are ceilings, rows with fewer than
    two common videos, and rows with fewer key frames in columns that reward that; rows over fewer videos are compared
    over the common ones, but never as the best row.
    """
    found: list[Comparison] = []
    for column in columns:
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
