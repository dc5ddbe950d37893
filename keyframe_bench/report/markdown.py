"""A comparison table as Markdown (GitHub flavour)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..tables.format import Number, numbers, one_line, own_n
from ..tables.leaderboard import ENOUGH_METHODS, Leaderboard, Section, Standing
from ..tables.spec import ColumnSpec, Row, Table

_SPECIAL = re.compile(r"([\\`*\[\]<>|~$#])")
_OUTER_UNDERSCORE = re.compile(r"(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")  # inside words it means nothing in this flavour
_NOT_EVERYWHERE = re.compile(r"\\([<|~$])")  # the documentation's Markdown shows the backslash
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


def leaderboard_markdown(found: Leaderboard) -> str:
    """Return the leaderboard: a table a section, what its numbers are, its boards and notes."""
    lines = [_FIRST]
    for section in found.sections:
        lines += ["", *_section(section, found)]
    head = ["board", "columns", "videos", "ranked", "results"]
    lines += ["", "## Boards", "", _ABOUT, "", line_of(head), line_of([":--", ":--", "--:", "--:", ":--"])]
    for board in found.boards:
        texts = board.name, ", ".join(board.columns), board.n_videos, board.n_ranked, ", ".join(board.sources)
        lines.append(line_of(_entities(str(text)) for text in texts))
    if found.notes:
        lines += ["", *(f"- {_entities(note)}" for note in found.notes)]
    return "\n".join(lines) + "\n"


_FIRST = """**Beaten by** is the share of a method's rivals that beat it, in %: a mean rank, 0 for first on every video,
100 for last. **Ahead of uniform** is how much less that is than for `uniform`. **Cost** is time over that of decoding
alone, in the same run. **Own feature** names columns that judge by a feature that the method itself selects on, which
may favour it. Brackets: 95 % interval (bootstrap over videos).

Each section lists the methods that stand on **all** of its boards, and compares them on these boards alone. Numbers of
different sections do not compare."""

_ABOUT = f"""A board is one data set (the same videos, by their bytes) at one budget, with `random`, `uniform` and at
least {ENOUGH_METHODS} methods. On every video, in every column, a method is compared with each other method of the
board; equal numbers count half. Shares are averaged over columns, videos, the budgets of a data set, then data sets;
costs over boards (geometric mean).

Columns are the usual one of each metric, without those that leaving key frames out makes better, such as redundancy.
Trainings and figures do not count, nor budgets that leave the number of key frames to the method. Of a method that was
run with several settings, those on the most boards count, each as a rival of its own."""


def _section(section: Section, found: Leaderboard) -> list[str]:
    boards = [board for board in found.boards if board.name in section.boards]
    budgets: dict[str, list[str]] = {}
    for board in boards:
        budgets.setdefault(board.dataset, []).append(board.budget)
    where = "; ".join(f"{dataset} at budget {', '.join(some)}" for dataset, some in budgets.items())
    datasets = list(budgets) if len(budgets) > 1 else []
    head = ["method", "beaten by, %", "ahead of uniform", "cost", "own feature", *map(escape, datasets)]
    title = f"{len(boards)} board{'s' * (len(boards) != 1)}: {where}"
    lines = [
        f"## {_entities(title)}",
        "",
        line_of(head),
        line_of([":--", "--:", "--:", "--:", ":--", *["--:"] * len(datasets)]),
    ]
    ranked = [row for row in section.rows if row.role != "ceiling"]
    lines += [line_of(_standing(row, datasets)) for row in ranked]
    ceilings = [f"{_entities(row.label)} {_share(row)}" for row in section.rows if row.role == "ceiling"]
    if ceilings:
        lines += [
            "",
            f"Ceilings, which see the annotation and are not ranked, would be beaten by: {'; '.join(ceilings)}.",
        ]
    return lines


def _standing(row: Standing, datasets: Iterable[str]) -> list[str]:
    marks = f" ({_entities('; '.join(row.marks))})" if row.marks else ""
    lead = "" if row.label == "uniform" else f"{_percent(row.lead, '+')}{_ends(row.lead_low, row.lead_high)}"
    cost = "" if row.cost is None else f"{row.cost:.2f}"
    numbers = [_percent(row.by_dataset[name]) for name in datasets]
    return [_entities(row.label) + marks, _share(row), lead, cost, _entities(", ".join(row.own)), *numbers]


def _share(row: Standing) -> str:
    return _percent(row.beaten) + _ends(row.low, row.high)


def _percent(share: float, sign: str = "") -> str:
    return f"{round(100 * share):{sign}d}"


def _ends(low: float, high: float) -> str:
    return "" if low == high else f" [{_percent(low)}, {_percent(high)}]".replace(" ", "\N{NO-BREAK SPACE}")


def _entities(text: str) -> str:
    """Return `escape` of ``text`` in what the documentation's Markdown reads as well."""
    return _NOT_EVERYWHERE.sub(lambda found: f"&#{ord(found[1])};", escape(text))
