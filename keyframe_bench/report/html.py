"""The report: one HTML file that needs nothing else, safe for any file name."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.files import visible
from ..tables.build import comparison
from ..tables.caveats import coverage_sentence
from ..tables.format import shown
from ..tables.load import cells_frame, latest, load_run, read_cells, read_text
from ..tables.spec import Row
from .grid import bodies, doubts, interval, place_text
from .health import health_rows
from .quality import quality
from .view import video_views

if TYPE_CHECKING:
    import pandas as pd

_RUN = {"command": "", "started": "", "ended": "", "seeds": [], "warnings": [], "skipped": [], "not_run": []}
_TEMPLATES = Path(__file__).parent / "templates"


def render_report(out: str | Path) -> str:
    """Return the page for the output folder of a run.

    Parameters
    ----------
    out : str or Path
        Holds ``results.jsonl``, ``run.json``, ``videos/<sha256>.json`` and
        ``thumbs/<sha256>-<pass version>/<ordinal>.jpg``; the last two may lack files.

    Returns
    -------
    str
        HTML with inline style, script and images. A content security policy forbids every other resource, and every
        script but the page's own.

    Raises
    ------
    UsageError
        If ``results.jsonl`` or ``run.json`` cannot be read.
    """
    import jinja2
    from markupsafe import Markup

    out = Path(out)
    run, stored = _RUN | load_run(out), read_cells(out)
    results = cells_frame(stored)
    cells = latest(results)
    table = comparison(results, run.get("columns") or {})
    methods: dict[str, Row] = {}
    for row in table.rows:
        methods.setdefault(row.extractor, row)
    style = read_text(_TEMPLATES / "report.css")
    script = read_text(_TEMPLATES / "report.js")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=lambda value: visible(value) if type(value) is str else value,  # Markup is our own
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    videos = video_views(out, cells, {key: cell.get("keyframes") for key, cell in stored.items()}, table)
    return environment.get_template("report.html.j2").render(
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
        failures=_failures(cells),
        versions=", ".join(f"{name} {version}" for name, version in (run.get("versions") or {}).items()),
        style=Markup(style),  # ours, from the package
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _failures(cells: pd.DataFrame) -> list[dict[str, str]]:
    """Failed cells, one entry per extractor, video and message."""
    failed = cells[cells["status"] == "failed"].drop_duplicates(["extractor", "video", "error_message"])
    names = ["extractor", "params", "video", "error_type", "error_message"]
    return [{str(k): str(v) for k, v in line.items()} for line in failed[names].to_dict("records")]
