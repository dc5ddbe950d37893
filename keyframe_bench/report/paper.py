"""A paper's table as Markdown: every number with its interval, the paper's figure, the claims and their verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tables.measure import Estimate
from ..tables.notes import FEW_VIDEOS
from ..tables.paper import PaperCell, PaperTable
from ..tables.verdict import Verdict
from .markdown import escape


def number(value: float) -> str:
    """Return three significant digits, or the whole number from 100 on; an exponent only where it is short.

    Examples
    --------
    >>> number(11472.0), number(617.3), number(3.2516), number(0.86123), number(0.000012)
    ('11472', '617', '3.25', '0.861', '1.2e-05')
    """
    size = abs(value)
    if size >= 100 or value == 0:
        return f"{value:.0f}"
    if size >= 1:
        return f"{value:.3g}"
    return f"{value:.3f}" if size >= 0.001 else f"{value:.2g}"


def with_interval(found: Estimate, usual: int) -> str:
    """Return the number, its 95 % interval in brackets, and its number of videos where that is not the usual one."""
    text = number(found.value)
    if found.low is not None and found.high is not None:
        text += f" [{number(found.low)}, {number(found.high)}]"
    return text if found.n == usual else f"{text} (n={found.n})"


def paper_markdown(table: PaperTable, run: Mapping[str, Any]) -> str:
    """Return table, claims and provenance.

    Parameters
    ----------
    table : PaperTable
    run : mapping
        The record of the run (``run.json``): command, commit, seeds, versions; may be empty.
    """
    experiment = table.experiment
    lines = [f"**{escape(experiment.title)}**", ""]
    if experiment.about:
        lines += [escape(experiment.about), ""]
    if table.rows:
        lines += [*_rows(table), ""]
    if table.verdicts:
        lines += ["| claim | paper | measured | holds if | verdict |", "| :-- | --: | --: | :-- | :-- |"]
        lines += [_verdict(v, table.n_videos) for v in table.verdicts] + [""]
    lines += [f"- {escape(note)}" for note in [*experiment.notes, *_legend(table), *_small(table)]]
    return "\n".join([*lines, "", *provenance(table, run)]).strip("\n") + "\n"


def _rows(table: PaperTable) -> list[str]:
    has_paper = [any(row.cells[i].paper is not None for row in table.rows) for i in range(len(table.columns))]
    head, align = ["row"], [":--"]
    for (name, _), both in zip(table.columns, has_paper, strict=True):
        head += [f"{escape(name)}, paper", escape(name), "ours / paper"] if both else [escape(name)]
        align += ["--:"] * (3 if both else 1)
    lines = [_line(head), _line(align)]
    for row in table.rows:
        note = f" ({row.note})" if row.note and row.note != "method" else ""
        texts = [escape(row.name + note)]
        for cell, both in zip(row.cells, has_paper, strict=True):
            texts += _paper_texts(cell, table.n_videos) if both else [_ours(cell, table.n_videos)]
        lines.append(_line(texts))
    return lines


def _ours(cell: PaperCell, usual: int) -> str:
    if cell.found is not None:
        return escape(with_interval(cell.found, usual))
    return escape(cell.text) if cell.text else "-"


def _paper_texts(cell: PaperCell, usual: int) -> list[str]:
    paper = "-" if cell.paper is None else number(cell.paper)
    return [paper, _ours(cell, usual), "-" if cell.ratio is None else number(cell.ratio)]


def _verdict(verdict: Verdict, usual: int) -> str:
    found = "-" if verdict.found is None else escape(with_interval(verdict.found, usual))
    word = f"**{verdict.verdict}**" + (f": {escape(verdict.note)}" if verdict.note else "")
    return _line([escape(verdict.claim), escape(verdict.paper) or "-", found, escape(verdict.expected), word])


def _legend(table: PaperTable) -> list[str]:
    return [f"{name}: {about}" for name, about in table.columns if about]


def _small(table: PaperTable) -> list[str]:
    """Say when intervals are of few videos."""
    found = [cell.found for row in table.rows for cell in row.cells] + [v.found for v in table.verdicts]
    few = [e.n for e in found if e is not None and e.low is not None and e.n < FEW_VIDEOS]
    return [f"intervals from fewer than {FEW_VIDEOS} videos (here down to {min(few)}) are too narrow"] if few else []


def provenance(table: PaperTable, run: Mapping[str, Any]) -> list[str]:
    """Return where the numbers come from, as Markdown lines."""
    experiment = table.experiment
    count = f"{table.n_videos} video{'s' if table.n_videos != 1 else ''}"
    replaced = f", in place of: {experiment.substitute}" if experiment.substitute else ""
    lines = [
        f"- data: {escape(', '.join(table.datasets) or 'none')}, {count}{escape(replaced)}; {escape(table.coverage)}"
    ]
    lines += [f"- warning: {escape(str(text))}" for text in run.get("warnings") or ()]
    absent = [f"{n.get('extractor')}: {n.get('reason')}" for n in run.get("not_run") or ()]
    lines += [f"- not run: {escape(text)}" for text in dict.fromkeys(absent)]
    lines.append(f"- brackets: 95 % bootstrap interval over videos; {_seeds(table)}")
    commands = [*(run.get("earlier_commands") or ()), *([run["command"]] if run.get("command") else [])]
    lines += [f"- command: `{str(command).replace('`', '')}`" for command in commands]
    if run and run.get("table") != experiment.name:
        lines.append(
            f"- these results are not of `keyframe-bench table {experiment.name}`: what it needs may be missing"
        )
    facts = [f"commit {run['commit']}" if run.get("commit") else "", str(run.get("started") or "")]
    facts += [f"{run['cores']} cores" if run.get("cores") else ""]
    facts += [f"{name} {version}" for name, version in (run.get("versions") or {}).items()]
    known = ", ".join(fact for fact in facts if fact)
    lines.append(f"- {escape(known)}" if known else "- how these results were made was not recorded beside them")
    return lines


def _seeds(table: PaperTable) -> str:
    return f"methods that draw at random: {table.n_seeds} seed{'s' if table.n_seeds != 1 else ''}"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
