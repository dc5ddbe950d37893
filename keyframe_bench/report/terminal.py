"""A comparison table for the terminal."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from ..tables.format import Number, compact_interval, numbers, one_line, own_n
from ..tables.spec import ColumnSpec, Row, Table

if TYPE_CHECKING:
    import rich.table
    import rich.text

_NAME = 20  # characters of a method's name before it wraps
_GAP = 2
_LINES = "    \n    \n {0}{0} \n    \n {0}{0} \n {0}{0} \n    \n    \n"
_ARROWS = {True: {"higher": "^", "lower": "v", "none": ""}, False: {"higher": "↑", "lower": "↓", "none": ""}}


def terminal_table(table: Table, *, width: int = 120, plain: bool = False) -> rich.table.Table:
    """Return the table for a rich console: a line of means per method, and below it their intervals, compact and dim.

    Columns that do not fit are left out, those of quality first, of them those of the fewest videos and from the right;
    the caption names them. ``width``: characters available; ``plain``: only ASCII lines and no styles, for files and
    pipes; best values carry a ``*``.
    """
    from rich.box import Box
    from rich.table import Table as RichTable
    from rich.text import Text

    fixed = ["method", *table.settings, *(["videos"] if _differ(table) else [])]
    heads = _level([*fixed, *(_head(table, column, plain) for column in table.columns)])
    found = [numbers(row, table) for row in table.rows]
    body = [[*_facts(row, table), *(_cell(n, plain) for n in ns)] for row, ns in zip(table.rows, found, strict=True)]
    widths = [max(map(_width, cells)) for cells in zip(heads, *body, strict=True)]
    widths[0] = min(widths[0], _NAME)
    kept = _fitting(table, widths, len(fixed), width)
    left = [c.name for i, c in enumerate(table.columns, start=len(fixed)) if i not in kept]
    made = RichTable(
        title=Text(one_line(table.title)),
        caption=f"only in the table files: {', '.join(left)}" if left else None,
        box=Box(_LINES.format("-" if plain else "─"), ascii=plain),
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for i in kept:
        text = i <= len(table.settings)
        made.add_column(Text(heads[i]), justify="left" if text else "right", overflow="fold", width=widths[i])
    previous = None
    for row, cells, ns in zip(table.rows, body, found, strict=True):
        if previous is not None and previous != row.role:
            made.add_section()
        previous = row.role
        marks = [""] * len(fixed) + ["bold" if number.best and not plain else "" for number in ns]
        texts = [_text(cells[i], marks[i], plain) for i in kept]
        made.add_row(*texts, style="" if plain or row.role == "method" else "dim")
    return made


def _fitting(table: Table, widths: list[int], n_fixed: int, width: int) -> list[int]:
    """Return the places of the columns that fit."""
    places = list(range(n_fixed + len(table.columns)))
    quality = [i for i in places[n_fixed:] if table.columns[i - n_fixed].is_ranked]
    others = [i for i in places[n_fixed:] if i not in quality]
    quality.sort(key=lambda i: -table.denominator(table.columns[i - n_fixed]))
    dropped = iter([*reversed(quality), *reversed(others)])
    while sum(widths[i] for i in places) + _GAP * (len(places) - 1) > width and len(places) > n_fixed:
        places.remove(next(dropped))
    return places


def to_text(table: Table, *, width: int = 120) -> str:
    """Return `terminal_table` as plain text of at most ``width`` characters a line."""
    from rich.console import Console

    target = io.StringIO()
    Console(file=target, width=width, no_color=True, legacy_windows=False).print(
        terminal_table(table, width=width, plain=True)
    )
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines()) + "\n"


def _level(heads: list[str]) -> list[str]:
    """Return the heads with lines added on top, so that all end on the same one."""
    lines = max(head.count("\n") for head in heads)
    return ["\n" * (lines - head.count("\n")) + head for head in heads]


def _text(cell: str, mark: str, plain: bool) -> rich.text.Text:
    from rich.text import Text

    first, *more = cell.split("\n")
    text = Text(first, style=mark)
    return text.append("".join(f"\n{line}" for line in more), style="" if plain else "not bold dim")


def _width(text: str) -> int:
    return max(map(len, text.split("\n")))


def _head(table: Table, column: ColumnSpec, plain: bool) -> str:
    """Name broken at underscores, arrow, and the denominator where it is not the number of videos."""
    lines = [""]
    parts = column.name.replace("_", "_ ").split()
    for part in [half for word in parts for half in _halves(word)]:
        if lines[-1] and len(lines[-1] + part) > 8:
            lines.append("")
        lines[-1] += part
    lines[-1] += f" {_ARROWS[plain][column.direction]}".rstrip()
    n = own_n(table, column)
    return "\n".join([*lines, n] if n else lines)


def _halves(word: str) -> list[str]:
    """Return ``word``, or its two halves with a hyphen where it would make a column wide."""
    middle = len(word) // 2
    return [word] if len(word) <= 9 else [f"{word[:middle]}-", word[middle:]]


def _facts(row: Row, table: Table) -> list[str]:
    name = row.label + (f" [{row.role}]" if row.role != "method" else "")
    facts = [one_line(name), *(str(getattr(row, setting)) for setting in table.settings)]
    facts[0] = _folded(facts[0])
    return [*facts, str(row.n_videos)] if _differ(table) else facts


def _folded(name: str) -> str:
    """Return a long name on several lines, broken after underscores and spaces where that helps."""
    lines = [""]
    for part in re.findall(r"[^_ ]*[_ ]?", name):
        if lines[-1] and len(lines[-1] + part.rstrip()) > _NAME:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def _differ(table: Table) -> bool:
    """Say whether rows cover different numbers of videos; else the sentence below the table has it."""
    return len({row.n_videos for row in table.rows}) > 1


def _cell(number: Number, plain: bool) -> str:
    value = number.value
    interval = "" if value is None else compact_interval(value.low, value.high)
    text = number.text + ("*" if plain and number.best else "")
    return "\n".join(part for part in (text, interval, number.n) if part)
