"""Tables as LaTeX with booktabs: a comparison, and a paper's table with its claims."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ..tables.build import natural
from ..tables.caveats import unlike_asked
from ..tables.format import Number, numbers, one_line, own_n
from ..tables.paper import PaperTable
from ..tables.ranking import by_place
from ..tables.spec import ColumnSpec, Row, Table
from .paper import CLAIMS, cells_of_claims, cells_of_rows

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "µ": r"$\mu$",
    "°": r"$^\circ$",
    "`": r"\textasciigrave{}",
    **{c: f"\\{c}" for c in "&%$#_"},
}
_ACCENTS = set("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030c\u0327")  # that every TeX font has
_LETTERS = "ßæÆœŒøØåÅłŁ"
_ARROWS = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", "none": ""}
Block = Sequence[Sequence[str]]


class Tex(str):
    """Text that is LaTeX already."""


def escape(text: str) -> str:
    r"""Return ``text`` on one line; characters that LaTeX would interpret or has no glyph for are made harmless.

    Examples
    --------
    >>> print(escape("50% of a_b: é \u05e9"))
    50\% of a\_b: é U+05E9
    """
    text = "".join(_escaped(c) for c in unicodedata.normalize("NFC", one_line(text)))
    return text.replace("--", "-{}-").replace("--", "-{}-")  # two are one dash


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    parts = unicodedata.normalize("NFD", character)
    known = parts[0].isascii() and len(parts) < 3 and _ACCENTS.issuperset(parts[1:])
    return character if known or character in _LETTERS else f"U+{ord(character):04X}"


def to_latex(table: Table, *, sentence: str = "", label: str = "") -> str:
    """Return a ``table`` environment; notes and ``sentence`` stand above it as comments.

    Rules separate the budgets (or data sets) where there are several, else controls, methods and ceilings. ``label``
    stands after ``tab:``, by default the title.
    """
    extra = list(table.settings)
    head = ["method", *extra, "videos", *(_head(table, c) for c in table.columns)]
    several = len(by_place(table.rows)) > 1
    blocks: dict[object, list[list[str]]] = {}
    for row in sorted(table.rows, key=lambda row: [natural(part) for part in row.place]) if several else table.rows:
        blocks.setdefault(row.place if several else row.role, []).append(_cells(row, table, extra))
    align = "l" * (1 + len(extra)) + "r" * (1 + len(table.columns))
    caption = escape(table.title)
    if any(value.low is not None for row in table.rows for value in row.values.values()):
        caption += r": means, and in brackets 95\,\% bootstrap intervals over videos; bold: the best"
    made = environment(caption, label or table.title, align, head, list(blocks.values()), _below(table))
    return comments(table.title, sentence, *table.notes) + made


def latex_rows(table: Table) -> list[str]:
    """Return the line of each row in `to_latex`, in the table's order."""
    return [_line(_cells(row, table, list(table.settings))) for row in table.rows]


def _below(table: Table) -> str:
    """Return what stands in print below a table some of whose numbers are of a fallback, or of fewer key frames."""
    said = [escape(text) for text in unlike_asked(table)]
    return rf"$^{{*}}$ {'; '.join(said)}" if said else ""


def comments(*texts: str) -> str:
    """Return what stands above a table: the package it needs, and ``texts`` one a line."""
    lines = [r"in the preamble: \usepackage{booktabs}", *filter(None, texts)]
    return "".join(f"% {one_line(text)}\n" for text in lines)


def environment(
    caption: str, label: str, align: str, head: Sequence[str], blocks: Sequence[Block], below: str = ""
) -> str:
    """Return a ``table`` environment with a rule between blocks of rows; caption, below and `Tex` are LaTeX already."""
    name = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-") or "table"
    body = "\\midrule\n".join("".join(_line(cells) for cells in block) for block in blocks)
    return (
        f"\\begin{{table}}\n\\centering\\footnotesize\n\\caption{{{caption}}}\n\\label{{tab:{name}}}\n"
        f"\\begin{{tabular}}{{{align}}}\n\\toprule\n{_line(head)}\\midrule\n{body}\\bottomrule\n"
        "\\end{tabular}\n"
        + (f"\\par\\smallskip\\parbox{{\\linewidth}}{{{below}}}\n" if below else "")
        + "\\end{table}\n"
    )


def _line(cells: Sequence[str]) -> str:
    text = " & ".join(cell if isinstance(cell, Tex) else _plain(cell) for cell in cells) + " \\\\\n"
    return "{}" + text if text.startswith(("[", "*")) else text  # else they belong to the end of the line before


def _plain(cell: str) -> str:
    """Return a cell as LaTeX: intervals small, true minus signs."""
    text = re.sub(r" \[([-\d., ]+)\]", r" {\\scriptsize [\1]}", escape(cell))
    return re.sub(r"(?<![\w.-])-(?=[.\d])", "$-$", "--" if text == "-" else text)


def _head(table: Table, column: ColumnSpec) -> Tex:
    n = own_n(table, column)
    return Tex(escape(column.name) + _ARROWS[column.direction] + (n and f" (${n}$)"))


def _cells(row: Row, table: Table, extra: list[str]) -> list[str]:
    label = _plain(row.label + (f" ({row.role})" if row.role != "method" else ""))
    name = Tex(label + "$^{*}$" if row.fallbacks or row.shortfalls else label)
    return [name, *(str(getattr(row, e)) for e in extra), str(row.n_videos), *map(_cell, numbers(row, table))]


def _cell(number: Number) -> str:
    text = rf"\textbf{{{_plain(number.text)}}}" if number.best else _plain(number.text)
    text += rf" {{\scriptsize {_plain(number.interval)}}}" if number.interval else ""
    return Tex(text + (number.n and f" (${number.n}$)"))


def paper_latex(table: PaperTable) -> str:
    """Return the table of a paper, the paper's numbers beside ours, and a second one of its claims."""
    experiment = table.experiment
    title = escape(experiment.title)
    found = [comments(experiment.title, experiment.about, table.coverage, *experiment.notes)]
    if table.rows:
        head, rows = cells_of_rows(table)
        found.append(environment(title, experiment.name, "l" + "r" * (len(head) - 1), head, [rows]))
    if table.verdicts:
        align = r"p{.34\linewidth}rp{.18\linewidth}p{.12\linewidth}rl"
        name = f"{experiment.name}-claims"
        found.append(environment(f"{title}: claims", name, align, CLAIMS, [cells_of_claims(table)]))
    return "\n".join(found)
