"""A comparison table as Markdown (GitHub flavour)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..tables.format import Number, numbers, one_line, own_n
from ..tables.spec import ColumnSpec, Row, Table

_SPECIAL = re.compile(r"([\\`*\[\]<>|~$#])")
_OUTER_UNDERSCORE = re.compile(r"(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")  # inside words it means nothing in this flavour
_ANGLE = re.compile(r"([<>])")


def escape(text: str) -> str:
    """Return ``text`` on one line, so that Markdown and HTML show it as it is."""
    flat = one_line(text).replace("&", "&amp;")
    return _OUTER_UNDERSCORE.sub(r"\\_", _SPECIAL.sub(r"\\\1", flat))


def to_markdown(table: Table, *, sentence: str = "") -> str:
    """Return the table with its ``sentence`` (`tables.coverage_sentence`), notes and the meaning of its columns."""
    extra = list(table.settings)
    head = ["method", *extra, "videos", *(_head(table, c) for c in table.columns)]
    align = [":--"] * (1 + len(extra)) + ["--:"] * (1 + len(table.columns))
    lines = [f"**{escape(table.title)}**", "", line_of(head), line_of(align)]
    lines += [line_of(_cells(row, table, extra)) for row in table.rows]
    if sentence:
        lines += ["", escape(sentence) + "."]
    if table.notes:
        lines += ["", *(f"- {escape(note)}" for note in table.notes)]
    legend = [_legend(column) for column in table.columns]
    return "\n".join([*lines, "", *legend]).rstrip("\n") + "\n"


def _head(table: Table, column: ColumnSpec) -> str:
    n = own_n(table, column)
    return " ".join(part for part in (escape(column.name), column.arrow, n and f"({n})") if part)


def line_of(cells: Iterable[str]) -> str:
    """Return cells, which are Markdown already, as a line of a table."""
    return "| " + " | ".join(cells) + " |"


def _cells(row: Row, table: Table, extra: list[str]) -> list[str]:
    name = escape(row.label) + ("" if row.role == "method" else f" ({row.role})")
    return [name, *(escape(str(getattr(row, e))) for e in extra), str(row.n_videos), *map(_cell, numbers(row, table))]


def _cell(number: Number) -> str:
    text = f"**{escape(number.text)}**" if number.best else escape(number.text)
    interval = _ANGLE.sub(r"\\\1", number.interval)  # brackets alone are no link
    return " ".join(part for part in (text, interval, number.n and f"({number.n})") if part)


def _legend(column: ColumnSpec) -> str:
    unit = "" if column.unit == "1" else f", {escape(column.unit)}"
    return f"- `{column.name.replace('`', '')}`{unit}: {escape(column.about) or 'no description'}; {column.side}"
