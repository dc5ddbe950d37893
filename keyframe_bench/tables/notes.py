"""What a reader must know to judge a table: denominators, failures, and metrics that random choice does as well on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..core.cells import HUMAN
from . import caveats
from .format import shown
from .ranking import (
    BASELINE,
    COST,
    FLOOR,
    Place,
    by_place,
    candidates,
    fewer_key_frames,
    with_all_videos,
    without_network,
)
from .spec import ColumnSpec, Comparison, Row, Table
from .stats import ALPHA, smallest_p

if TYPE_CHECKING:
    import pandas as pd

FEW_VIDEOS = 10  # below, a percentile bootstrap interval covers clearly less than it says


def notes_for(table: Table, cells: pd.DataFrame) -> tuple[str, ...]:
    """Return the sentences under a table, from what it holds and from its cells without repetitions."""
    names, places = {row.extractor for row in table.rows}, by_place(table.rows)
    notes = [*_failures(table), *caveats.copies(cells), *_denominators(table), *caveats.unlike_asked(table)]
    notes += caveats.empty_users(cells)
    if "budget" in table.settings:
        notes.append("best values are marked within one budget")
    notes += [*_draws(table), *caveats.training_notes(cells)]
    notes += list(dict.fromkeys(f"{r.extractor} as it is: {r.known_defects}" for r in table.rows if r.known_defects))
    notes += _fewer(table)
    if "oracle" in names:
        notes.append("oracle is greedy for key frames in time (f1): in other columns a method may exceed it")
    if HUMAN in names:
        notes.append(
            "human: a ceiling of agreement with human annotators (cus, f1); in other columns a method may exceed it"
        )
    for say in (_controls_best, _below_random, _networks):
        notes += [note for place, rows in places.items() for note in say(table, table.where(place), rows)]
    notes += caveats.bounds_reached(table, cells)
    if table.n_videos == 1:
        return (*notes, "one video: differences between rows cannot be told from chance")
    return (*notes, *_floor(table), *_significance(table), *_intervals(table))


def _draws(table: Table) -> list[str]:
    drawn = {row.label: row for row in table.rows if row.draws > 1 and row.n_videos}
    return [
        f"{label}: mean over the human annotators, each scored against the others"
        if row.extractor == HUMAN
        else f"{label}: mean of {row.draws} random draws per video"
        for label, row in drawn.items()
    ]


def _controls_best(table: Table, where: str, rows: Sequence[Row]) -> list[str]:
    """Name the columns in which a control is best, or level with the best."""
    found = []
    for name in (column.name for column in table.columns):
        best = [row for row in rows if name in row.values and row.values[name].best]
        if controls := dict.fromkeys(row.label for row in best if row.role == "control"):
            found.append(f"{name} ({', '.join(controls)})")
    return [f"a control is best, or level with the best,{where} in {', '.join(found)}"] if found else []


def _below_random(table: Table, where: str, rows: Sequence[Row]) -> list[str]:
    """Name the methods whose mean is worse than that of random choice, with the columns."""
    worse: dict[str, list[str]] = {}
    for column in table.ranked_columns:
        compared = with_all_videos(candidates(rows, column), column)
        means = [column.sign * row.values[column.name].mean for row in compared]
        floor = next((mean for row, mean in zip(compared, means, strict=True) if row.extractor == FLOOR), -math.inf)
        for row, mean in zip(compared, means, strict=True):
            if row.role == "method" and mean < floor:
                worse.setdefault(row.label, []).append(column.name)
    listed = "; ".join(f"{label} in {', '.join(columns)}" for label, columns in worse.items())
    return [f"on average worse than {FLOOR}{where}: {listed}"] if worse else []


def _networks(table: Table, where: str, rows: Sequence[Row]) -> list[str]:
    """Say what a method's network adds to the method without it, and what it costs."""
    notes = []
    for row in rows:
        rival = without_network(row, rows)
        both = [one for one in table.comparisons if rival and (one.group, one.rival_group) == (row.group, rival.group)]
        found = {one.column: one for one in reversed(both)}.values()  # its own family before that of the best row
        if rival is None or not found:
            continue
        told = _differences(found) or f"{row.label} differs in no column"
        if all(one.verdict == "impossible" for one in found):
            told = f"significance is impossible with n = {max(one.n for one in found)} videos"
        costs = [r.values[COST].mean for r in (row, rival) if COST in r.values]
        times = f"; {shown(costs[0] / costs[1], 100)} times the {COST}" if len(costs) == 2 and costs[1] > 0 else ""
        notes.append(f"what the network adds to {rival.label}{where} (Wilcoxon, Holm, p < .05): {told}{times}")
    return notes


def _fewer(table: Table) -> list[str]:
    """Say which rows return fewer key frames than asked for, where that alone makes a column look better."""
    columns = [column.name for column in table.columns if column.fewer_helps]
    fewer = fewer_key_frames(table.rows)
    rows = [
        f"{row.label}{table.where(row.place)} ({fewer[row.group][0]:.3g} of {fewer[row.group][1]:.3g})"
        for row in table.rows
        if row.group in fewer and not row.budget.startswith(("free", "inferred"))
    ]
    if not columns or not rows:
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
    return list(dict.fromkeys(notes))  # the same at several budgets is said once


def _denominators(table: Table) -> list[str]:
    """Which rows average fewer videos than the others, by the columns in which they do."""
    columns_of: dict[str, dict[str, ColumnSpec]] = {}
    for column in table.columns:
        ranked = [row for row in table.rows if row.role != "ceiling"]
        counts = [row.values[column.name].n if column.name in row.values else 0 for row in ranked]
        for row, count in zip(ranked, counts, strict=True):
            if count < max(counts) and (count or not row.n_videos):  # none at all: it has no such number
                columns_of.setdefault(row.label, {})[column.name] = column
    notes = []
    for label, columns in columns_of.items():
        where = "any column" if len(columns) == len(table.columns) else ", ".join(columns)
        notes.append(f"{label} covers fewer videos than other rows and is not ranked in {where}")
    return notes


def _floor(table: Table) -> list[str]:
    """Name the columns under which random choice is within noise of the best row."""
    found: dict[Place, list[str]] = {}
    for one in table.discriminability:
        if not one.separates and one.high is not None:
            lead = f"{one.best_label} leads by {shown(one.lead, 1)} ± {shown(one.high - one.lead, 1)}"
            found.setdefault((one.dataset, one.budget), []).append(f"{one.column} ({lead})")
    return [
        f"random is within noise of the best other row{table.where(place)} in {', '.join(columns)}: "
        "these numbers do not separate methods here (95 % interval of the lead, paired over videos)"
        for place, columns in found.items()
    ]


def _intervals(table: Table) -> list[str]:
    n = [value.n for row in table.rows for value in row.values.values() if value.low is not None]
    if not n:
        return []
    few = f"; from fewer than {FEW_VIDEOS} videos they are too narrow" if min(n) < FEW_VIDEOS else ""
    return [f"intervals (second line, or in brackets): 95 % bootstrap of the mean over videos{few}"]


def _significance(table: Table) -> list[str]:
    """Say per place which methods differ from `uniform` and the others named, or that none does, or that none could."""
    notes = []
    for baseline in (BASELINE, *table.rivals):
        groups = {row.group for row in table.rows if row.extractor == baseline}
        found: dict[Place, list[Comparison]] = {}
        for one in table.comparisons:
            if one.rival_group in groups and one.group not in groups:
                found.setdefault((one.dataset, one.budget), []).append(one)
        for place, here in found.items():
            notes += _impossible(here, table.where(place)) if baseline == BASELINE else []
            if any(c.verdict != "impossible" for c in here):
                tested = f"against {baseline}{table.where(place)}, paired over videos (Wilcoxon, Holm, p < .05)"
                notes.append(f"{tested}: {_differences(here) or 'no method differs in any column'}")
    return notes


def _differences(comparisons: Iterable[Comparison]) -> str:
    """Return "better A in x, y; worse B in x"."""
    columns: dict[str, dict[str, list[str]]] = {"better": {}, "worse": {}}
    for one in comparisons:
        if one.verdict in columns:
            columns[one.verdict].setdefault(one.label, []).append(one.column)
    found = {word: [f"{label} in {', '.join(c)}" for label, c in rows.items()] for word, rows in columns.items()}
    return "; ".join(f"{word} {', '.join(rows)}" for word, rows in found.items() if rows)


def _impossible(comparisons: Sequence[Comparison], where: str) -> list[str]:
    """Say where even a method that is ahead on every video could not be told from `uniform`."""
    families: dict[str, list[Comparison]] = {}
    for one in comparisons:
        families.setdefault(one.column, []).append(one)
    columns: dict[tuple[int, int], list[str]] = {}
    for column, family in families.items():
        if all(one.verdict == "impossible" for one in family):
            n = max(one.n for one in family)
            m = len(family) if smallest_p(n) < ALPHA else 0  # of no matter where one comparison is too many
            columns.setdefault((n, m), []).append(column)
    notes = []
    for (n, m), names in columns.items():
        p = smallest_p(n)
        text = f"the smallest two-sided p is {_decimal(p)}"
        if p < ALPHA:
            text = f"the smallest two-sided p, {_decimal(p)}, times {m} comparisons (Holm) is {_decimal(p * m)}"
        some = f" in {', '.join(names)}" if len(names) < len(families) else ""
        notes.append(f"significance is impossible with n = {n} videos{where}{some}: {text}")
    return notes


def _decimal(p: float) -> str:
    return f"{p:.3g}".removeprefix("0")
