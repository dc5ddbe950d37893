"""The report: one HTML file that needs nothing else, safe for any file name."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.files import visible
from ..tables.build import comparison
from ..tables.caveats import coverage_sentence
from ..tables.format import shown
from ..tables.load import cells_frame, latest, load_run, read_cells, read_text
from ..tables.spec import Row, Table
from .grid import bodies, doubts, interval, place_text
from .health import health_rows
from .quality import quality
from .trainings import trainings
from .view import video_views

if TYPE_CHECKING:
    import pandas as pd

_RUN = {"command": "", "started": "", "ended": "", "seeds": [], "warnings": [], "skipped": [], "not_run": []}
_TEMPLATES = Path(__file__).parent / "templates"


class RunResults:
    """What a run has left in its folder, read once; ``known`` as in `write_outputs`.

    Raises `UsageError` if ``results.jsonl`` or ``run.json`` cannot be read. ``stored`` are the cells by key.
    """

    def __init__(self, out: str | Path, known: Mapping[str, Any] = {}) -> None:
        self.out = Path(out)
        self.run, self.stored = load_run(out), read_cells(out, known)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The cells, as `tables.load_results` gives them."""
        return cells_frame(self.stored)

    @cached_property
    def table(self) -> Table:
        """The comparison with the usual columns."""
        return comparison(self.frame, self.run.get("columns") or {})


def render_report(found: str | Path | RunResults) -> str:
    """Return the page for the output folder of a run.

    ``found``: the folder, or what was read of it. It holds ``results.jsonl``, ``run.json``, ``videos/<sha256>.json``
    and ``thumbs/<sha256>-<pass version>/<ordinal>.jpg``; the last two may lack files. Raises `UsageError` if
    ``results.jsonl`` or ``run.json`` cannot be read.

    HTML with inline style, script and images. Its content security policy forbids other resources and scripts.
    """
    found = found if isinstance(found, RunResults) else RunResults(found)
    run, results, table = _RUN | found.run, found.frame, found.table
    cells = latest(results)
    methods: dict[str, Row] = {}
    for row in table.rows:
        methods.setdefault(row.extractor, row)
    videos = video_views(found.out, cells, {key: cell.get("keyframes") for key, cell in found.stored.items()}, table)
    return page(
        "report",
        run=run,
        table=table,
        sentence=coverage_sentence(results, run, limit=5),
        doubts=doubts(table),
        bodies=bodies(table),
        methods=methods.values(),
        defects={row.extractor: row.known_defects for row in table.rows if row.known_defects},
        uneven=len({(row.n_videos, row.n_failed, row.n_skipped) for row in table.rows}) > 1,
        quality=quality(table, cells, videos),
        health=health_rows(videos, cells, run["skipped"]),
        videos=videos,
        interval=interval,
        place_text=place_text,
        shown=shown,
        trainings=trainings(found.out, table, results, found.stored),
        failures=_failures(cells),
        versions=", ".join(f"{name} {version}" for name, version in (run.get("versions") or {}).items()),
    )


def page(name: str, **values: Any) -> str:
    """Return the page of the template ``name``, with the style of all pages and its own script inline.

    Values are text, whatever they hold; `Markup` is ours.
    """
    import jinja2
    from markupsafe import Markup

    script = read_text(_TEMPLATES / f"{name}.js")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{name}.html.j2").render(
        style=Markup(read_text(_TEMPLATES / "report.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        **values,
    )


def _failures(cells: pd.DataFrame) -> list[dict[str, str]]:
    """Failed cells, one entry per extractor, video and message."""
    failed = cells[cells["status"] == "failed"].drop_duplicates(["extractor", "video", "error_message"])
    names = ["extractor", "params", "video", "error_type", "error_message"]
    return [{str(k): str(v) for k, v in line.items()} for line in failed[names].to_dict("records")]
