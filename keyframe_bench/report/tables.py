"""A regenerated table in every form it is written in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..bench.failures import described, raise_interrupt
from ..core.errors import UnavailableError, UsageError
from ..tables.build import comparison, narrowed
from ..tables.experiment import Experiment
from ..tables.figure import Figure
from ..tables.load import cells_frame
from ..tables.paper import paper_table
from ..tables.quality import areas
from .bibliography import bibliography
from .latex import paper_latex, to_latex
from .markdown import to_markdown
from .paper import paper_markdown, provenance


@dataclass(frozen=True)
class RenderedTable:
    """What is printed and written."""

    name: str  # of the experiment
    markdown: str
    latex: str
    bibliography: str  # BibTeX of the paper and of the methods in the table
    verdicts: list[dict[str, Any]] = field(default_factory=list)  # as data, so that a change of one can be noticed
    pictures: dict[str, bytes] = field(default_factory=dict)  # suffix ("png") to bytes
    failure: str = ""  # why there is no image, where one was asked for


def rendered(
    experiment: Experiment,
    stored: Mapping[str, Mapping[str, Any]],
    run: Mapping[str, Any],
    chosen: Sequence[str] = (),
) -> RenderedTable:
    """Return the table of ``experiment`` from results alone: cells of `read_cells` and the record of the run.

    The record has the columns of all metrics; those ``chosen`` are shown, by default those of the experiment.
    """
    if chosen and not experiment.plain:
        columns = {str(column["name"]): column for column in experiment.columns}
        experiment = replace(experiment, columns=[columns[name] for name in chosen])
    cells = cells_frame(stored)
    paper = paper_table(experiment, cells, run)
    if experiment.plain:
        names = tuple(dict.fromkeys([*(experiment.headline or run["columns"]), *chosen]))
        unknown = [name for name in names if name not in run["columns"]]
        if unknown:
            raise UsageError(f"table {experiment.name}: these results have no column {unknown[0]!r}")
        shown: dict[str, Mapping[str, Any]] = {
            name: {**run["columns"][name], **({"headline": True} if experiment.headline or name in chosen else {})}
            for name in names
        }
        if experiment.curves:
            cells, shown = areas(cells, shown, experiment.curves)
            chosen = [f"{name} area" for name in chosen]
        table = narrowed(comparison(cells, shown, rivals=experiment.rivals), chosen, cells)
        lines = [to_markdown(table), *provenance(paper, run)]
        markdown = "\n".join(lines) + "\n"
        latex = to_latex(table, sentence=paper.coverage, label=experiment.name)
    else:
        markdown, latex = paper_markdown(paper, run), paper_latex(paper)
    pictures, failure = _drawn(experiment, stored)
    words = [asdict(verdict, dict_factory=_data) for verdict in paper.verdicts]
    bib = bibliography(paper.references)
    return RenderedTable(experiment.name, markdown, latex, bib, words, pictures, failure)


def _drawn(experiment: Experiment, stored: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, bytes], str]:
    """Return the figure of a table, and why there is none: the code of a plug-in must not cost the table."""
    if not experiment.figure:
        return {}, ""
    name = experiment.figure["draw"]
    good = [cell for cell in stored.values() if cell.get("status") == "ok"]
    try:
        drawn = Figure.registry.build(name).draw(good, experiment.figure)
    except UnavailableError:
        raise
    except Exception as error:  # noqa: BLE001 - of a plug-in, perhaps
        raise_interrupt(error)
        return {}, f"figure {name}: {described(error)}"
    if drawn is None:
        return {}, ""
    if not (isinstance(drawn, bytes) and drawn.startswith(b"\x89PNG")):
        return {}, f"figure {name}: draw gave {type(drawn).__name__}, not the bytes of a PNG"
    return {"png": drawn}, ""


def _data(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in fields if not callable(value)}
