"""A paper's table from cells: the paper's figure beside the measured one, and the verdict on every claim."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import caveats
from .build import comparison
from .experiment import Experiment
from .measure import Estimate, chosen, estimate
from .verdict import Verdict, verdicts

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PaperCell:
    """One number: the paper's, ours, or a fact in words."""

    found: Estimate | None = None
    paper: float | None = None
    text: str = ""  # for columns of facts: ours, and what the paper prints there
    printed: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours divided by the paper's."""
        if self.found is None or not self.paper:
            return None
        return self.found.value / self.paper


@dataclass(frozen=True)
class PaperRow:
    """One line of the table."""

    name: str
    cells: tuple[PaperCell, ...]
    note: str = ""


@dataclass(frozen=True)
class PaperTable:
    """What `paper_table` returns."""

    experiment: Experiment
    columns: list[tuple[str, str]]
    rows: list[PaperRow]
    verdicts: list[Verdict]
    n_videos: int
    n_seeds: int
    # How many videos were scored, why others were not, and which key frames are a fallback or fewer than asked for
    coverage: str
    datasets: tuple[str, ...]
    references: tuple[str, ...]  # BibTeX keys of the source and of the methods
    unit: str = "video"  # what the numbers are over


def paper_table(experiment: Experiment, cells: pd.DataFrame, run: Mapping[str, Any]) -> PaperTable:
    """Return the table of ``experiment`` for ``cells``.

    A row of the file has a ``name`` and a ``where``, or ``each: method`` for one row per method and setting found; its
    ``paper`` mapping gives the paper's figure by column, ``measures`` replaces the measure of a column. A column has a
    ``name``, ``about``, and either a measure (see `keyframe_bench.tables.measure`) or ``fact`` (``budget_rule``,
    ``sampling`` ...); it may have a ``where`` of its own, and ``over`` lists the fields of the row's that it ignores.
    ``cells``: of `load_results`; ``run``: the record of the run (``run.json``), for what was skipped; may be empty.
    """
    rows = []
    for row in experiment.rows:
        for name, where, note in _expanded(row, cells):
            numbers = tuple(_cell(column, row, where, cells) for column in experiment.columns)
            rows.append(PaperRow(name, numbers, note))
    good = cells[cells["status"] == "ok"]
    trains = experiment.kind == "training"
    facts = [caveats.trainings_sentence(cells) if trains else caveats.coverage_sentence(cells, run)]
    if not trains and experiment.rows and not experiment.records:  # a plain one has them as notes
        facts += [*caveats.copies(good), *caveats.unlike_asked(comparison(good, {})), *caveats.empty_users(good)]
    references = [experiment.source, *sorted(set(good["reference"]) - {"none", ""})]
    return PaperTable(
        experiment,
        [(str(c["name"]), str(c.get("about", ""))) for c in experiment.columns],
        rows,
        verdicts(experiment, cells),
        int(good["video_id"].nunique()),
        # a cell may be the mean over seeds; a method may average more draws of its own
        int(good["seed"].nunique() * good["draws"].min()) if len(good) else 0,
        "; ".join(facts),
        tuple(sorted(set(good["dataset"]))),
        tuple(dict.fromkeys(key for key in references if key)),
        str(good["unit"].iloc[0]) if len(good) else "video",
    )


def _expanded(row: Mapping[str, Any], cells: pd.DataFrame) -> list[tuple[str, dict[str, Any], str]]:
    """Name, ``where`` and note of each line that a row of the file stands for."""
    where = dict(row.get("where") or {})
    if "each" not in row:
        return [(str(row["name"]), where, str(row.get("note", "")))]
    part = chosen(cells, where)
    lines = []
    for found in comparison(part, {}).rows:
        first = part[part["group"] == found.group].iloc[0]
        setting = {"params": json.loads(first["params"]), "label": str(first["label"])}
        lines.append((found.label, {**where, "extractor": found.extractor, **setting}, str(found.role)))
    return lines


def _cell(
    column: Mapping[str, Any], row: Mapping[str, Any], where: Mapping[str, Any], cells: pd.DataFrame
) -> PaperCell:
    name = column["name"]
    if "fact" in column:
        part = chosen(cells, {**where, **(column.get("where") or {})})
        values = dict.fromkeys(str(v) for v in part[str(column["fact"])])
        return PaperCell(text=", ".join(values), printed=str((row.get("paper") or {}).get(name, "")))
    measure = (row.get("measures") or {}).get(name, column)
    # A column over other samplings or budgets than the row's says so.
    own = {k: v for k, v in where.items() if k not in measure.get("over", [])}
    paper = (row.get("paper") or {}).get(name)
    return PaperCell(estimate(cells, measure, own), None if paper is None else float(paper))
