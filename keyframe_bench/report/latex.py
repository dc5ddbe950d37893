"""A comparison table as a plain LaTeX tabular: no package is needed."""

from __future__ import annotations

from ..tables.build import column_scale
from ..tables.format import compact_interval, one_line, shown
from ..tables.spec import ColumnSpec, Row, Table

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
    **{c: f"\\{c}" for c in "&%$#_"},
}
_ARROWS = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", "none": ""}


def escape(text: str) -> str:
    """Return ``text`` on one line with every character that LaTeX would interpret made harmless."""
    return "".join(_ESCAPES.get(c, c) for c in one_line(text))


def to_latex(table: Table, *, sentence: str = "") -> str:
    """Return a ``tabular`` environment; notes and ``sentence`` stand above it as comments."""
    extra = list(table.settings)
    head = ["method", *extra, "videos", *(_head(table, c) for c in table.columns)]
    comments = [f"% {one_line(text)}" for text in (table.title, sentence, *table.notes) if text]
    body = []
    previous = table.rows[0].role if table.rows else "control"
    for row in table.rows:
        if row.role != previous:
            body.append(r"\hline")
            previous = row.role
        body.append(_line(_cells(row, table, extra)))
    spec = "l" * (1 + len(extra)) + "r" * (1 + len(table.columns))
    begin, end = rf"\begin{{tabular}}{{{spec}}}", r"\end{tabular}"
    return "\n".join([*comments, begin, r"\hline", _line(head), r"\hline", *body, r"\hline", end]) + "\n"


def _head(table: Table, column: ColumnSpec) -> str:
    n = table.denominator(column)
    return escape(column.name) + _ARROWS[column.direction] + ("" if n == table.n_videos else f" ($n={n}$)")


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cells(row: Row, table: Table, extra: list[str]) -> list[str]:
    name = escape(row.label) + (f" ({row.role})" if row.role != "method" else "")
    cells = [name, *(escape(str(getattr(row, attribute))) for attribute in extra), str(row.n_videos)]
    for column in table.columns:
        value = row.values.get(column.name)
        if value is None:
            cells.append("--")
            continue
        text = _number(shown(value.mean, column_scale(table.rows, column)))
        text = rf"\textbf{{{text}}}" if value.best else text
        interval = compact_interval(value.low, value.high).replace(" ", ", ")
        text += rf" {{\scriptsize [{_number(interval)}]}}" if interval else ""
        cells.append(text if value.n == table.denominator(column) else f"{text} ($n={value.n}$)")
    return cells


def _number(text: str) -> str:
    return escape(text.replace("-", "\N{MINUS SIGN}")).replace("\N{MINUS SIGN}", "$-$")
