"""A paper's table as Markdown: every number with its interval, the paper's figure, the claims and their verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..tables.measure import Estimate
from ..tables.notes import FEW_VIDEOS
from ..tables.paper import PaperRow, PaperTable
from ..tables.verdict import p_text
from ..training.defects import defects
from .markdown import escape, line_of

CLAIMS = ("claim", "paper", "measured", "holds if", "p (Holm)", "verdict")


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


def with_interval(found: Estimate | None, usual: int, decimals: int | None = None) -> str:
    """Return the number, its 95 % interval in brackets, and its number of videos where that is not the usual one.

    Number and interval have the same decimals, by default as many as give three digits of the largest of them.

    Examples
    --------
    >>> with_interval(Estimate(0.0641, 0.0397, 0.125, 3, "seed"), 3), with_interval(Estimate(617.3, None, None, 1), 3)
    ('0.064 [0.040, 0.125]', '617 (n=1)')
    >>> with_interval(Estimate(1.0, 0.9, 1.0, 3, "seed"), 3)
    '1.00 [0.90, 1.00]'
    """
    if found is None:
        return "-"
    if found.unit == "exact":
        return f"{found.value:.0f}" if found.value.is_integer() else f"{found.value:.2f}"
    values = _values(found)
    decimals = _decimals(values, max(map(abs, values))) if decimals is None else decimals
    texts = [f"{value:.{decimals}f}" for value in values]
    text = f"{texts[0]} [{', '.join(texts[1:])}]" if texts[1:] else texts[0]
    return text if found.n == usual else f"{text} (n={found.n})"


def _decimals(values: Sequence[float], largest: float) -> int:
    """Return the decimals that give ``largest`` three digits; none where all ``values`` are whole numbers."""
    whole = all(value.is_integer() for value in values)
    return 0 if whole else max(0, 2 - math.floor(math.log10(largest)))


def _values(found: Estimate) -> list[float]:
    return [found.value, *(end for end in (found.low, found.high) if end is not None)]


def _column_decimals(column: Sequence[Sequence[float]]) -> int | None:
    """Return the decimals that give the largest number of a column three digits, and each of its numbers two or more.

    None where no decimals do. Each of ``column`` is a number and the ends of its interval.
    """
    sizes = [abs(one[0]) for one in column if one[0]]
    if not sizes or max(sizes) >= 10 * min(sizes):
        return None
    return _decimals([value for one in column for value in one], max(sizes))


def paper_markdown(table: PaperTable, run: Mapping[str, Any]) -> str:
    """Return table, claims and provenance, the latter from the record of the run, which may be empty."""
    experiment = table.experiment
    lines = [f"**{escape(experiment.title)}**", ""]
    if experiment.about:
        lines += [escape(experiment.about), ""]
    if table.rows:
        head, rows = cells_of_rows(table)
        lines += [_line(head), _line([":--"] + ["--:"] * (len(head) - 1)), *map(_line, rows), ""]
    if table.verdicts:
        lines += [_line(CLAIMS), "| :-- | --: | --: | :-- | --: | :-- |"]
        for verdict, cells in zip(table.verdicts, cells_of_claims(table), strict=True):
            why = f": {escape(verdict.note)}" if verdict.note else ""
            lines.append(_line(cells[:-1]).removesuffix("|") + f"| **{cells[-1]}**{why} |")
        lines.append("")
    legend = [f"{name}: {about}" for name, about in table.columns if about]
    lines += [f"- {escape(note)}" for note in [*experiment.notes, *legend, *_small(table), *_tested(table)]]
    return "\n".join([*lines, "", *provenance(table, run)]).strip("\n") + "\n"


def cells_of_rows(table: PaperTable) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of a table as plain text: the paper's number, ours, and their ratio."""
    written, usual = number if table.unit == "video" else fine_number, table.n_videos
    head, rows = ["row"], [[row.name + _note(row)] for row in table.rows]
    for i, (name, _) in enumerate(table.columns):
        column = [row.cells[i] for row in table.rows]
        both = any(cell.paper is not None for cell in column)
        printed = any(cell.printed for cell in column)
        decimals = _column_decimals([_values(cell.found) for cell in column if cell.found is not None])
        places = _column_decimals([[cell.ratio] for cell in column if cell.ratio is not None])
        head += [f"{name}, paper"] if both or printed else []
        head += [name, "ours / paper"] if both else [name]
        for texts, cell in zip(rows, column, strict=True):
            texts.extend([cell.printed or "-"] if printed else [])
            texts.extend(["-" if cell.paper is None else written(cell.paper)] if both else [])
            texts.append(cell.text or "-" if cell.found is None else with_interval(cell.found, usual, decimals))
            texts.extend(["-" if cell.ratio is None else _ratio(cell.ratio, places)] if both else [])
    return head, rows


def _ratio(value: float, decimals: int | None) -> str:
    return number(value) if decimals is None else f"{value:.{decimals}f}"


def _note(row: PaperRow) -> str:
    return f" ({row.note})" if row.note and row.note != "method" else ""


def cells_of_claims(table: PaperTable) -> list[list[str]]:
    """Return the claims of a table as plain text, by the columns `CLAIMS`."""
    rows = []
    for verdict in table.verdicts:
        measured = [with_interval(one, table.n_videos) for one in (verdict.found, *verdict.also)]
        named = (*verdict.beside, *verdict.controls)
        measured += [f"{name} {with_interval(one, table.n_videos)}" for name, one in named]
        texts = [verdict.claim, verdict.paper or "-", "; ".join(measured), verdict.expected]
        rows.append([*texts, p_text(verdict.p), verdict.verdict])
    return rows


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


def _small(table: PaperTable) -> list[str]:
    """Say when intervals are of few videos."""
    if table.unit != "video":
        return []
    found = [cell.found for row in table.rows for cell in row.cells]
    found += [one for verdict in table.verdicts for one in (verdict.found, *verdict.also)]
    few = [e.n for e in found if e is not None and e.low is not None and e.n < FEW_VIDEOS]
    return [f"intervals from fewer than {FEW_VIDEOS} videos (here down to {min(few)}) are too narrow"] if few else []


def provenance(table: PaperTable, run: Mapping[str, Any]) -> list[str]:
    """Return where the numbers come from, as Markdown lines."""
    experiment = table.experiment
    count = f"{table.n_videos} video{'s' if table.n_videos != 1 else ''}"
    replaced = f", in place of: {experiment.substitute}" if experiment.substitute else ""
    names = ", ".join(table.datasets) or "none"
    lines = [f"- data: {escape(names)}, {count}{escape(replaced)}; {escape(table.coverage)}"]
    if experiment.kind == "training":
        lines = training_provenance(table, run)
    if run.get("scale") == "smoke":
        lines.insert(
            0, "- **scale smoke only shows that the command works: its numbers say nothing about the methods**"
        )
    lines += [f"- warning: {escape(str(text))}" for text in run.get("warnings") or ()]
    absent = [f"{n.get('extractor')}: {n.get('reason')}" for n in run.get("not_run") or ()]
    lines += [f"- not run: {escape(text)}" for text in dict.fromkeys(absent)]
    if table.unit == "video":
        seeds = f"methods that draw at random: {table.n_seeds} seed{'s' * (table.n_seeds != 1)}"
        lines.append(f"- brackets: 95 % bootstrap interval over videos; {seeds}")
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


def training_provenance(table: PaperTable, run: Mapping[str, Any]) -> list[str]:
    """Return what stands for the paper's data, at which scale, and what the brackets are, as Markdown lines."""
    if table.unit == "exact":
        return ["- counted from the layer table of the code: exact, the same at every scale; nothing is trained"]
    lines = [f"- data: {escape(data_sentence(run))}; {escape(table.coverage)}"]
    videos = run.get("sources") or [(run.get("keyframes") or {}).get("video")]  # as earlier versions wrote it
    if known := ", ".join(str(video) for video in videos if video):
        lines.append(f"- key frames are of {escape(known)}")
    scale = _settings("scale " + str(run["scale"]), run.get("network")) if run.get("scale") else ""
    parts = [scale, _settings("", run.get("trainer")), _seeds(run.get("seeds")), _duration(run)]
    if known := "; ".join(part for part in parts if part):
        lines.append(f"- {escape(known)}")
    brackets = "brackets: 95 % interval of Student's t over seeds, differences and ratios paired by seed"
    lines.append(f"- {brackets} (ratios by their logarithms)")
    return lines


def data_sentence(run: Mapping[str, Any]) -> str:
    """Say what was used for each of the paper's data sets, and what of it could not be read.

    ``photos in place of Caltech 256 (100 images for training, 25 for validation; 1 unreadable: a.jpg: truncated)``.
    """
    parts = []
    for about in (run.get("data") or {}).values():
        name, paper = str(about.get("name", "")), str(about.get("paper", ""))
        used = name if about.get("itself") else f"{name} in place of {paper}"
        counts = [about.get("train"), about.get("validation")]
        told = []
        if all(isinstance(count, int) for count in counts):
            told = [f"{counts[0]} images for training, {counts[1]} for validation"]
        told += defects(about.get("facts") or {})
        parts.append(f"{used} ({'; '.join(told)})" if told else used)
    return "; ".join(parts) or "not recorded"


def _settings(name: str, params: Mapping[str, Any] | None) -> str:
    texts = [f"{key.replace('_', ' ')} {value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool)
             else f"{key.replace('_', ' ')} {value}" for key, value in (params or {}).items()]  # fmt: skip
    return ": ".join(part for part in (name, ", ".join(texts)) if part)


def _seeds(seeds: Sequence[int] | None) -> str:
    return f"seeds {', '.join(map(str, seeds))}" if seeds else ""


def _duration(run: Mapping[str, Any]) -> str:
    trained, machine = run.get("trained_s"), str(run.get("machine") or "")
    if not isinstance(trained, (int, float)):
        return machine
    where = f" on {machine}" if machine else ""
    speeds = [f"{speed:.0f}" for speed in run.get("images_per_s") or ()]
    quick = f", {' to '.join(dict.fromkeys(speeds))} training images/s" if speeds else ""
    return f"{run.get('n_trainings', 0)} trainings of {trained:.0f} s in all{where}{quick}"


def _line(cells: Sequence[str]) -> str:
    return line_of(map(escape, cells))
