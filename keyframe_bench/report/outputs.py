"""The files at the end of a run, and the table on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.files import locked, write_atomic
from ..tables.build import comparison, narrowed
from ..tables.caveats import coverage_sentence
from ..tables.load import load_results, load_run
from ..tables.ranking import comparisons_frame
from ..tables.spec import Table
from .bibliography import bibliography
from .html import render_report
from .latex import to_latex
from .markdown import to_markdown
from .terminal import terminal_table, to_text

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 120


def write_outputs(out: str | Path, columns: Sequence[str] = ()) -> list[Path]:
    """Write the tables and ``report.html`` from the results in ``out``.

    ``table.md`` and ``table.tex`` have ``columns``, by default the usual ones; ``table.csv``, ``stats.csv`` (the paired
    comparisons, one a line) and the report have all. ``table.bib`` has the sources of the methods.

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
        table, shown, sentence = _table(out, columns)
        texts = {
            "table.md": to_markdown(shown, sentence=sentence),
            "table.csv": table.to_csv(),
            "table.tex": to_latex(shown, sentence=sentence),
            "table.bib": bibliography(sorted({row.reference for row in table.rows} - {"none", ""})),
            "stats.csv": comparisons_frame(table.comparisons).to_csv(index=False, lineterminator="\n"),
            "report.html": render_report(out),
        }
        for name, text in texts.items():
            write_atomic(out / name, text)
    return [out / name for name in texts]


def print_comparison(out: str | Path, console: Console | None = None, columns: Sequence[str] = ()) -> None:
    """Print the comparison, how many videos it is about and its notes; 120 columns of ASCII when not a terminal."""
    from rich.console import Console
    from rich.text import Text

    with locked(Path(out)):  # results.jsonl and run.json of the same moment
        _, table, sentence = _table(Path(out), columns)
    console = console or Console()
    if console.is_terminal:
        console.print(terminal_table(table, width=console.width))
    else:
        console.file.write(to_text(table, width=PLAIN_WIDTH))
    for line in (sentence, *table.notes):
        console.print(Text(line), soft_wrap=True)


def _table(out: Path, columns: Sequence[str]) -> tuple[Table, Table, str]:
    """Return the table, what is shown of it, and how many videos it is about."""
    results, run = load_results(out), load_run(out)
    known = {name: {**about, **({"headline": True} if name in columns else {})}
             for name, about in (run.get("columns") or {}).items()}  # fmt: skip
    table = comparison(results, known)
    return table, narrowed(table, columns, results), coverage_sentence(results, run)
