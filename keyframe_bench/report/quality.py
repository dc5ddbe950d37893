"""The plots and the failure cases as panels, of which a reader chooses the column and the place; the telling video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..tables.format import shown
from ..tables.load import per_video
from ..tables.quality import FailureCase, budget_curves, failure_cases, row_names, tradeoffs
from ..tables.ranking import BASELINE, best_row, by_place, candidates, with_all_videos
from ..tables.spec import ColumnSpec, Table
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

    ``columns``, ``places`` (data set and budget), their ``texts`` and ``start``; ``numbers`` of row names in all plots;
    and the panels of ``cost``, ``budget`` and ``failures``.
    """
    names = row_names(table)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names[row.group] for row in table.rows))}
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
    found = {"columns": columns, "places": list(spots), "texts": texts, "start": start}
    found["number"] = numbers
    found["numbers"] = [numbers[names[row.group]] for row in table.rows]
    return found | {"cost": cost, "budget": budget, "failures": failures}


def telling(table: Table, cells: pd.DataFrame, column: ColumnSpec | None, place: tuple[str, str]) -> dict[str, Any]:
    """Return the video on which the methods of a place differ most in ``column``, and which rows show that.

    ``video`` (its ``video_id``, "" without numbers); ``rows``: numbers of the row that is best over all videos, of
    `uniform`, and of the row furthest from the best on this video; ``why`` as a sentence. Left out are ceilings, rows
    with a fallback or fewer key frames than asked for, and rows over fewer videos. Without numbers: the first rows.
    """
    numbers = {row.group: i for i, row in enumerate(table.rows)}
    here = [row for row in table.rows if row.place == place and row.role != "ceiling"]
    first = {"video": "", "rows": [numbers[row.group] for row in here[:3]], "why": "The first video and first rows."}
    if column is None:
        return first
    whole = with_all_videos(candidates(here, column), column)
    asked = [row for row in whole if not (row.fallbacks or row.shortfalls)]
    series = per_video(cells, column.name)
    wide = series[series.index.get_level_values(0).isin([row.group for row in whole])].unstack(level=0)
    spread = wide[[row.group for row in asked if row.group in wide]].std(axis=1).dropna()
    best = best_row(whole, column)
    if best is None or not spread.max() > 0:  # there are no numbers, or all are alike
        return first
    video = str(spread.idxmax())
    values = {str(group): float(value) for group, value in wide.loc[video].dropna().to_dict().items()}
    if best.group not in values:
        return first
    usual = [row for row in asked if row.extractor == BASELINE]
    far = max((r for r in asked if r.group in values), key=lambda row: abs(values[row.group] - values[best.group]))
    ends = [shown(values[row.group], table.scale(column)) for row in (best, far)]
    level = sum(row.values[column.name].best for row in whole) - 1
    name = f"{best.label} and {level} more have" if level > 0 else f"{best.label} has"
    where = f"At budget {place[1]}, " if len({row.budget for row in table.rows}) > 1 else ""
    why = f"{where}{name} the best {column.name} over all videos; here, where methods differ most, "
    why += f"{best.label if level > 0 else 'it'} has {ends[0]}"
    rows = list(dict.fromkeys(numbers[row.group] for row in (best, *usual[:1], far)))
    return {"video": video, "rows": rows, "why": f"{why}, and {far.label} {ends[1]}."}


def _link(bad: FailureCase, indices: Mapping[str, int], scale: float) -> dict[str, Any]:
    lead = "" if bad.lead is None else f"{'+' if bad.lead > 0 else ''}{shown(bad.lead, scale)}"
    found = {"name": bad.video_id, "index": indices.get(bad.video_id), "value": shown(bad.value, scale)}
    return found | {"lead": lead.replace("-", "\N{MINUS SIGN}")}


def _place(place: tuple[str, str], table: Table) -> str:
    names = ["dataset"] if "dataset" in table.settings else []
    return ", ".join([place[0]] * len(names) + [f"budget {place[1]}"] * bool(place[1])) or "all"
