"""The plots and the failure cases as panels, of which a reader chooses the column and the place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..tables.format import shown
from ..tables.quality import FailureCase, budget_curves, failure_cases, row_names, tradeoffs
from ..tables.ranking import by_place
from ..tables.spec import ColumnSpec, Role, Table
from .plots import Plot, budget_plot, cost_plot
from .view import VideoView

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Panel:
    """Something that is seen while its column and one of its places are chosen."""

    column: ColumnSpec
    places: tuple[int, ...]
    plot: Plot | None = None
    shown: bool = False
    relative: bool = False
    # Of failure cases: a method and its worst videos, each with its ``name``, the ``index`` of its section (None: it
    # has none), its number as ``value``, and as ``lead`` how far it lies from `uniform`
    rows: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)

    @property
    def where(self) -> str:
        """Indices of the places, for the script."""
        return " ".join(map(str, self.places))


def quality(table: Table, cells: pd.DataFrame, videos: Sequence[VideoView]) -> dict[str, Any]:
    """Return what the reader can choose, and the panels.

    To begin with, the first column is chosen, and the place with index ``start``: the first with values in that column.
    Panels of these are shown. ``cells`` are those of `tables.load_results` without repetitions.

    ``columns``, ``places`` and ``start``; ``legend`` of all plots as (number, row name, role); and the panels of
    ``cost``, ``budget`` and ``failures``.
    """
    names = row_names(table)
    roles: dict[str, Role] = {}
    for row in table.rows:
        roles.setdefault(names[row.group], row.role)
    numbers = {name: number for number, name in enumerate(roles, start=1)}
    spots = {place: i for i, place in enumerate(by_place(table.rows))}
    cost = [Panel(d.column, (spots[d.dataset, d.budget],), cost_plot(d, numbers)) for d in tradeoffs(table)]
    budget = []
    for curves in budget_curves(table):
        where = tuple(i for (dataset, _), i in spots.items() if dataset == curves.dataset)
        budget.append(Panel(curves.column, where, budget_plot(curves, numbers)))
    failures, indices = [], {view.name: view.index for view in videos}
    for bad in failure_cases(cells, table) if len(indices) > 1 else ():
        rows = [(name, [_link(b, indices, table.scale(bad.column)) for b in found]) for name, found in bad.rows]
        failures.append(Panel(bad.column, (spots[bad.dataset, bad.budget],), relative=bad.relative, rows=rows))
    panels = cost + failures + budget  # the last kind covers all budgets of a data set
    used = {panel.column.name for panel in panels}
    columns = [c for c in table.ranked_columns if c.name in used]
    first = columns[0].name if columns else ""
    start = next((panel.places[0] for panel in panels if panel.column.name == first), 0)
    for panel in panels:
        panel.shown = panel.column.name == first and start in panel.places
    texts = [_place(place, table) for place in spots]
    legend = [(numbers[name], name, role) for name, role in roles.items()]
    found = {"columns": columns, "places": texts, "start": start, "legend": legend}
    return found | {"cost": cost, "budget": budget, "failures": failures}


def _link(bad: FailureCase, indices: Mapping[str, int], scale: float) -> dict[str, Any]:
    lead = "" if bad.lead is None else f"{'+' if bad.lead > 0 else ''}{shown(bad.lead, scale)}"
    found = {"name": bad.video_id, "index": indices.get(bad.video_id), "value": shown(bad.value, scale)}
    return found | {"lead": lead.replace("-", "\N{MINUS SIGN}")}


def _place(place: tuple[str, str], table: Table) -> str:
    names = ["dataset"] if "dataset" in table.settings else []
    return ", ".join([place[0]] * len(names) + [f"budget {place[1]}"] * bool(place[1])) or "all"
