"""The report: an HTML file that needs nothing else, or of many videos a folder beside it; safe for any file name."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.files import digest, visible
from ..tables.build import comparison
from ..tables.caveats import coverage_sentence
from ..tables.format import shown
from ..tables.load import cells_frame, latest, load_run, read_cells, read_text
from ..tables.spec import Row, Table
from .grid import doubts, interval, place_text, table_rows
from .health import health_rows
from .latex import latex_rows, to_latex
from .quality import quality, telling
from .trainings import trainings
from .view import VideoView, as_json, video_views

if TYPE_CHECKING:
    import pandas as pd

_RUN = {"command": "", "started": "", "ended": "", "seeds": [], "warnings": [], "skipped": [], "not_run": []}
BESIDE = "report"
"""Folder beside the page for what it does not hold."""

INSIDE_BYTES = 4_000_000
"""Up to which the data of all videos, with their images, are part of the page."""

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


def render_report(found: str | Path | RunResults) -> dict[str, str]:
    """Return the report of the output folder of a run: texts by file name, ``report.html`` and perhaps more beside it.

    ``found``: the folder, or what was read of it. It holds ``results.jsonl``, ``run.json``, ``videos/<sha256>.json``
    and ``thumbs/<sha256>-<pass version>/<ordinal>.jpg``; the last two may lack files. Raises `UsageError` if
    ``results.jsonl`` or ``run.json`` cannot be read.

    HTML with inline style and script. What is shown of each video is in the page up to `INSIDE_BYTES`; else in scripts
    ``report/<digest>.js``, which it loads when a video is opened, and its images are the thumbnails. Its content
    security policy forbids everything else but films, which it plays where they lie.
    """
    from markupsafe import Markup

    found = found if isinstance(found, RunResults) else RunResults(found)
    run, results, table = _RUN | found.run, found.frame, found.table
    cells = latest(results)
    methods: dict[str, Row] = {}
    for row in table.rows:
        methods.setdefault(row.extractor, row)
    videos = video_views(found.out, cells, {key: cell.get("keyframes") for key, cell in found.stored.items()}, table)
    plots = quality(table, cells, videos)
    texts = [view.text(inside=False) for view in videos]
    inside = sum(map(len, texts)) + sum(view.image_bytes() for view in videos) <= INSIDE_BYTES
    files = (
        {} if inside else {f"{BESIDE}/{digest(f'{i} {text}')}.js": f"kb({i},{text})\n" for i, text in enumerate(texts)}
    )
    html = page(
        "report",
        run=run,
        table=table,
        sentence=coverage_sentence(results, run, limit=5),
        doubts=doubts(table),
        rows=table_rows(table),
        methods=methods.values(),
        defects={row.extractor: row.known_defects for row in table.rows if row.known_defects},
        uneven=len({(row.n_videos, row.n_failed, row.n_skipped) for row in table.rows}) > 1,
        quality=plots,
        health=health_rows(videos, cells, run["skipped"]),
        inside=inside,
        data=Markup(as_json(_script_data(found, cells, plots, videos, list(files)))),
        videos=[Markup(view.text(inside=True)) for view in videos] if inside else [""] * len(videos),
        interval=interval,
        place_text=place_text,
        shown=shown,
        trainings=trainings(found.out, table, results, found.stored),
        failures=_failures(cells),
        versions=", ".join(f"{name} {version}" for name, version in (run.get("versions") or {}).items()),
    )
    return {**files, "report.html": html}


def _script_data(
    found: RunResults, cells: pd.DataFrame, plots: Mapping[str, Any], videos: Sequence[VideoView], files: Sequence[str]
) -> dict[str, Any]:
    """Return what the script must know of the run; ``files`` are those beside the page, one a video, or none."""
    table = found.table
    ranked = plots["columns"] or table.ranked_columns
    headline = ranked[0] if ranked else None
    glance = telling(table, cells, headline, plots["places"][plots["start"]]) if table.rows else {"rows": [], "why": ""}
    named = dict(zip(cells["video_id"], cells["video"], strict=True))
    index = {view.name: view.index for view in videos}
    return {
        "rows": [_row(row, number) for row, number in zip(table.rows, plots["numbers"], strict=True)],
        "videos": [[view.name, *files[i : i + 1]] for i, view in enumerate(videos)],
        "columns": [f"{c.name} ({c.unit})" if c.unit != "1" else c.name for c in table.columns],
        "headline": table.columns.index(headline) if headline else None,
        **{name: plots[name] for name in ("places", "texts", "start")},
        "glance": glance | {"video": index.get(named.get(glance.get("video"), ""), 0)},
        "csv": table.to_csv().split("\n", 1)[0],
        "csv_rows": _csv_rows(table),
        "tex": to_latex(table, sentence=coverage_sentence(found.frame, _RUN | found.run)),
        "tex_rows": latex_rows(table),
    }


def _row(row: Row, number: int) -> dict[str, Any]:
    """Return what the script must know of a row; ``n`` is its number in the plots."""
    names = ("extractor", "label", "role", "dataset", "budget", "sampling")
    return {**{name: getattr(row, name) for name in names}, "rule": row.budget_rule, "n": number}


def _csv_rows(table: Table) -> list[str]:
    """Return the rows of `Table.to_csv` one by one: a text in them may hold line breaks."""
    frame = table.frame
    return [frame[i : i + 1].to_csv(index=False, header=False, lineterminator="\n") for i in range(len(frame))]


def page(name: str, **values: Any) -> str:
    """Return the page of the template ``name``, with style and script of all pages and its own script inline.

    Values are text, whatever they hold; `Markup` is ours.
    """
    import jinja2
    from markupsafe import Markup

    script = "".join(read_text(_TEMPLATES / f"{part}.js") for part in ("shared", name))
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
