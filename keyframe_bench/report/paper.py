"""A paper's table as Markdown: every number with its interval, the paper's figure, the claims and their verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tables.measure import Estimate
from ..tables.notes import FEW_VIDEOS
from ..tables.paper import PaperCell, PaperTable
from ..tables.verdict import Verdict, p_text
from .markdown import escape
from .trainings import training_provenance


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


def fine_number(value: float) -> str:
    """Return three significant digits of a loss, or the whole number from 100 on.

    Examples
    --------
    >>> fine_number(0.0024), fine_number(0.00151), fine_number(-0.01234), fine_number(96163.0), fine_number(0.00001234)
    ('0.0024', '0.00151', '-0.0123', '96163', '1.23e-05')
    """
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def with_interval(found: Estimate, usual: int) -> str:
    """Return the number, its 95 % interval in brackets, and its number of videos where that is not the usual one."""
    if found.unit == "exact":
        return f"{found.value:.0f}" if found.value.is_integer() else f"{found.value:.2f}"
    written = number if found.unit == "video" else fine_number
    text = written(found.value)
    if found.low is not None and found.high is not None:
        text += f" [{written(found.low)}, {written(found.high)}]"
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
        lines += [
            "| claim | paper | measured | holds if | p (Holm) | verdict |",
            "| :-- | --: | --: | :-- | --: | :-- |",
        ]
        lines += [_verdict(v, table.n_videos) for v in table.verdicts] + [""]
    lines += [f"- {escape(note)}" for note in [*experiment.notes, *_legend(table), *_small(table), *_tested(table)]]
    return "\n".join([*lines, "", *provenance(table, run)]).strip("\n") + "\n"


def _rows(table: PaperTable) -> list[str]:
    columns = [[row.cells[i] for row in table.rows] for i in range(len(table.columns))]
    has_paper = [any(cell.paper is not None for cell in column) for column in columns]
    has_print = [any(cell.printed for cell in column) for column in columns]
    head, align = ["row"], [":--"]
    for (name, _), both, printed in zip(table.columns, has_paper, has_print, strict=True):
        head += [f"{escape(name)}, paper"] if both or printed else []
        head += [escape(name), "ours / paper"] if both else [escape(name)]
        align += ["--:"] * (3 if both else 2 if printed else 1)
    lines = [_line(head), _line(align)]
    for row in table.rows:
        note = f" ({row.note})" if row.note and row.note != "method" else ""
        texts = [escape(row.name + note)]
        for cell, both, printed in zip(row.cells, has_paper, has_print, strict=True):
            texts += [escape(cell.printed) or "-"] if printed else []
            texts += _paper_texts(cell, table) if both else [_ours(cell, table.n_videos)]
        lines.append(_line(texts))
    return lines


def _ours(cell: PaperCell, usual: int) -> str:
    if cell.found is not None:
        return escape(with_interval(cell.found, usual))
    return escape(cell.text) if cell.text else "-"


def _paper_texts(cell: PaperCell, table: PaperTable) -> list[str]:
    written = number if table.unit == "video" else fine_number
    paper = "-" if cell.paper is None else written(cell.paper)
    return [paper, _ours(cell, table.n_videos), "-" if cell.ratio is None else number(cell.ratio)]


def _verdict(verdict: Verdict, usual: int) -> str:
    measured = [_estimated(one, usual) for one in (verdict.found, *verdict.also)]
    measured += [f"{name} {_estimated(one, usual)}" for name, one in (*verdict.beside, *verdict.controls)]
    word = f"**{verdict.verdict}**" + (f": {escape(verdict.note)}" if verdict.note else "")
    texts = [verdict.claim, verdict.paper or "-", "; ".join(measured), verdict.expected, p_text(verdict.p)]
    return _line([*map(escape, texts), word])


def _estimated(found: Estimate | None, usual: int) -> str:
    return "-" if found is None else with_interval(found, usual)


def _tested(table: PaperTable) -> list[str]:
    """Say how the claims were decided together."""
    n = sum(verdict.p is not None for verdict in table.verdicts)
    if not n:
        return []
    return [
        f"claims: the 95 % interval must be where it is expected, and the p-value (Student's t, paired over "
        f"{table.unit}s) below .05 after Holm's correction for all tested claims of this table ({n}); a claim that a "
        "control passes too is not tested"
    ]


def _legend(table: PaperTable) -> list[str]:
    return [f"{name}: {about}" for name, about in table.columns if about]


def _small(table: PaperTable) -> list[str]:
    """Say when intervals are of few videos."""
    if table.unit != "video":
        return []
    found = [cell.found for row in table.rows for cell in row.cells] + [
        e for v in table.verdicts for e in (v.found, *v.also)
    ]
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
    if experiment.kind in ("training", "structure"):
        lines = training_provenance(table, run)
    lines += [f"- warning: {escape(str(text))}" for text in run.get("warnings") or ()]
    absent = [f"{n.get('extractor')}: {n.get('reason')}" for n in run.get("not_run") or ()]
    lines += [f"- not run: {escape(text)}" for text in dict.fromkeys(absent)]
    if table.unit == "video":
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
