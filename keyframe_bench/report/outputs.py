"""The files at the end of a run, and the table on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..core.files import locked, write_atomic
from ..tables.build import comparison
from ..tables.load import load_results, load_run
from ..tables.significance import comparisons_frame
from ..tables.spec import Table
from ..tables.summary import coverage_sentence
from .html import render_report
from .latex import to_latex
from .markdown import to_markdown
from .terminal import terminal_table, to_text

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 120


def write_outputs(out: str | Path) -> list[Path]:
    """Write ``table.md``, ``table.csv``, ``table.tex``, ``stats.csv`` and ``report.html`` from the results in ``out``.

    ``stats.csv`` holds the paired comparisons, one a line.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    UsageError
        If the results cannot be read.
    OutputError
        If a file cannot be written.
    """
    out = Path(out)
    with locked(out):  # else tables of older results could be written over those of newer ones
        table, sentence = _table(out)
        texts = {
            "table.md": to_markdown(table, sentence=sentence),
            "table.csv": table.to_csv(),
            "table.tex": to_latex(table, sentence=sentence),
            "stats.csv": comparisons_frame(table.comparisons).to_csv(index=False, lineterminator="\n"),
            "report.html": render_report(out),
        }
        for name, text in texts.items():
            write_atomic(out / name, text)
    return [out / name for name in texts]


def print_comparison(out: str | Path, console: Console | None = None) -> None:
    """Print the comparison, how many videos it is about and its notes; 120 columns of ASCII when not a terminal."""
    from rich.console import Console
    from rich.text import Text

    with locked(Path(out)):  # results.jsonl and run.json of the same moment
        table, sentence = _table(Path(out))
    console = console or Console()
    if console.is_terminal:
        console.print(terminal_table(table, width=console.width))
    else:
        console.file.write(to_text(table, width=PLAIN_WIDTH))
    for line in (sentence, *table.notes):
        console.print(Text(line), soft_wrap=True)


def _table(out: Path) -> tuple[Table, str]:
    results, run = load_results(out), load_run(out)
    return comparison(results, run.get("columns") or {}), coverage_sentence(results, run)
