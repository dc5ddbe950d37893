"""The plots and the failure cases as panels, of which a reader chooses the column and the place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..tables.failure_cases import FailureCase, failure_cases
from ..tables.format import shown
from ..tables.rank import by_place
from ..tables.spec import ColumnSpec, Role, Table
from ..tables.tradeoff import budget_curves, row_names, tradeoffs
from .plots import Plot, budget_plot, cost_plot
from .view import VideoView

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class BadLink:
    """A video as a link: its section's index (None: it has none), its number and how far it lies from `uniform`."""

    name: str
    index: int | None
    value: str
    lead: str


@dataclass
class Panel:
    """Something that is seen while its column and one of its places are chosen."""

    column: ColumnSpec
    places: tuple[int, ...]
    plot: Plot | None = None
    shown: bool = False
    relative: bool = False
    rows: list[tuple[str, list[BadLink]]] = field(default_factory=list)

    @property
    def where(self) -> str:
        """Indices of the places, for the script."""
        return " ".join(map(str, self.places))


@dataclass
class Quality:
    """What the reader can choose, the legend of all plots as (number, row name, role), and the panels.

    To begin with, the first column is chosen, and the place with index ``start``: the first with values in that column.
    """

    columns: list[ColumnSpec]
    places: list[str]
    start: int
    legend: list[tuple[int, str, Role]]
    cost: list[Panel]
    budget: list[Panel]
    failures: list[Panel]


def quality(table: Table, cells: pd.DataFrame, videos: Sequence[VideoView]) -> Quality:
    """Return the panels; those that `Quality` begins with are shown.

    Parameters
    ----------
    table : Table
    cells : pandas.DataFrame
        Of `tables.load_results`, without repetitions.
    videos : sequence of VideoView
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
    return Quality(columns, texts, start, [(numbers[n], n, roles[n]) for n in roles], cost, budget, failures)


def _link(bad: FailureCase, indices: Mapping[str, int], scale: float) -> BadLink:
    lead = "" if bad.lead is None else f"{'+' if bad.lead > 0 else ''}{shown(bad.lead, scale)}"
    return BadLink(
        bad.video_id, indices.get(bad.video_id), shown(bad.value, scale), lead.replace("-", "\N{MINUS SIGN}")
    )


def _place(place: tuple[str, str], table: Table) -> str:
    names = ["dataset"] if "dataset" in table.settings else []
    return ", ".join([place[0]] * len(names) + [f"budget {place[1]}"] * bool(place[1])) or "all"
