"""The files at the end of a run, and the table on the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.cells import thumbnails_folder
from ..core.files import locked, withdraw, write_atomic, write_together
from ..core.processes import garbage_kept
from ..tables.build import comparison, narrowed
from ..tables.caveats import coverage_sentence
from ..tables.load import latest
from ..tables.ranking import comparisons_frame
from ..tables.spec import Row, Table
from ..training.wandb_logger import Tracker
from ..video.image_files import read_rgb
from .bibliography import bibliography
from .html import BESIDE, RunResults, render_report
from .latex import to_latex
from .markdown import to_markdown
from .storyboard import storyboard
from .terminal import terminal_table, to_text

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 120
_OURS = re.compile(r"[0-9a-f]{20}\.js")  # of `html.render_report`
_BOARDS = 10


class Outputs(NamedTuple):
    """What `write_outputs` has written, and what `print_comparison` prints of it."""

    files: list[Path]
    table: Table
    sentence: str


@garbage_kept()
def write_outputs(out: str | Path, columns: Sequence[str] = (), known: Mapping[str, Any] = {}) -> Outputs:
    """Write the tables and ``report.html`` from the results in ``out``.

    ``table.md`` and ``table.tex`` have ``columns``, by default the usual ones; ``table.csv``, ``stats.csv`` (the paired
    comparisons, one a line) and the report have all. ``table.bib`` has the sources of the methods. ``known`` are lines
    that were parsed before (`StoredCells.lines`). Raises `UsageError` if the results cannot be read; `OutputError` if a
    file cannot be written.
    """
    out = Path(out)
    with locked(out):  # else tables of older results could be written over those of newer ones
        found = RunResults(out, known)
        sentence, table = coverage_sentence(found.frame, found.run), found.table
        if columns:
            known = found.run.get("columns") or {}
            headline = {name: {**known[name], "headline": True} for name in columns if name in known}
            table = comparison(found.frame, known | headline)
        shown = narrowed(table, columns, found.frame)
        texts = {
            "table.md": to_markdown(shown, sentence=sentence),
            "table.csv": table.to_csv(),
            "table.tex": to_latex(shown, sentence=sentence),
            "table.bib": bibliography(sorted({row.reference for row in table.rows} - {"none", ""})),
            "stats.csv": comparisons_frame(table.comparisons).to_csv(index=False, lineterminator="\n"),
        }
        report = render_report(found)  # the page comes last: it names the files beside it
        write_together({out / name: text for name, text in report.items() if name != "report.html"})
        texts["report.html"] = report["report.html"]
        for name, text in texts.items():
            write_atomic(out / name, text)
        _remove_stale(out / BESIDE, report)
    return Outputs([out / name for name in texts], shown, sentence)


def _remove_stale(folder: Path, report: Mapping[str, str]) -> None:
    """Delete what earlier reports left in ``folder``, and the folder if it is empty then."""
    for path in folder.glob("*.js"):
        if _OURS.fullmatch(path.name) and f"{BESIDE}/{path.name}" not in report:
            withdraw(path)
    with suppress(OSError):
        folder.rmdir()


def track_outputs(out: Path, track: Tracker) -> None:
    """Log the comparison, storyboards of the first `_BOARDS` videos by name, and tables and report as an artifact."""
    if track.run is None:
        return
    import pandas as pd

    track.table("comparison", pd.read_csv(out / "table.csv"))
    track.images(_boards(RunResults(out)))
    track.artifact(
        f"report-{out.resolve().name}",
        "report",
        out,
        ["table.*", "stats.csv", "report.html", f"{BESIDE}/*.js", "run.json", "results.jsonl"],
    )


def _boards(found: RunResults) -> dict[str, list[tuple[str, NDArray[np.uint8]]]]:
    """Return for each video, in one size, the key frames of every row, of its first draw and seed, with a caption."""
    labels = {row.group: _caption(row, found.table) for row in found.table.rows}
    cells = latest(found.frame).sort_values(["video", "seed"], kind="stable").drop_duplicates(["video", "group"])
    boards: dict[str, list[tuple[str, NDArray[np.uint8]]]] = {}
    for video, group, key in zip(cells["video"], cells["group"], cells["key"], strict=True):
        frames = found.stored[key].get("keyframes") or {}
        if len(boards) == _BOARDS and f"storyboards/{video}" not in boards:
            break
        folder = thumbnails_folder(found.out, str(found.stored[key]["video_sha256"]))
        there = [
            (folder / f"{n}.jpg", t)
            for n, t in zip(frames.get("frames") or [], frames.get("times") or [], strict=False)
        ]
        shown = [(read_rgb(file), time) for file, time in there if file.is_file()]
        if shown and group in labels:
            board = storyboard(*zip(*shown, strict=True), height=120)
            boards.setdefault(f"storyboards/{video}", []).append((labels[group], board))
    for several in boards.values():
        high, wide = np.max([board.shape[:2] for _, board in several], axis=0)
        for i, (told, board) in enumerate(several):
            rest = ((0, high - board.shape[0]), (0, wide - board.shape[1]), (0, 0))
            several[i] = told, np.pad(board, rest, mode="edge")
    return boards


def _caption(row: Row, table: Table) -> str:
    """Return what tells the row from others of the table, and which of its selections is shown."""
    parts = [f"{name} {getattr(row, name)}" for name in table.settings]
    parts += [f"first of {n} {what}" for n, what in ((row.draws, "draws"), (row.n_seeds, "seeds")) if n > 1]
    return ", ".join([row.label, *parts])


def print_comparison(found: Outputs, console: Console | None = None) -> None:
    """Print the comparison, how many videos it is about and its notes; 120 columns of ASCII when not a terminal."""
    from rich.console import Console
    from rich.text import Text

    console = console or Console()
    if console.is_terminal:
        console.print(terminal_table(found.table, width=console.width))
    else:
        console.file.write(to_text(found.table, width=PLAIN_WIDTH))
    for line in (found.sentence, *found.table.notes):
        console.print(Text(line), soft_wrap=True)
