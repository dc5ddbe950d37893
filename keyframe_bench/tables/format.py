"""Numbers as text, the same in every table."""

from __future__ import annotations

from typing import NamedTuple

from ..core.files import one_line as one_line  # noqa: PLC0414 - of the same kind, and needed below this layer
from .spec import ColumnSpec, Row, Table, Value


def shown(value: float, scale: float) -> str:
    """Return ``value`` with the decimals that suit a column whose largest magnitude is ``scale``.

    Examples
    --------
    >>> shown(0.41266, 0.9), shown(41.266, 250.0), shown(0.00001, 0.9)
    ('0.413', '41.3', '<0.001')
    """
    decimals = 3 if scale < 10 else 2 if scale < 100 else 1 if scale < 1000 else 0
    text = f"{value:.{decimals}f}"
    if float(text) != 0 or value == 0:
        return text if float(text) != 0 else text.lstrip("-")
    smallest = f"{10.0**-decimals:.{decimals}f}"
    return f"<{smallest}" if value > 0 else f">-{smallest}"


def shown_interval(mean: float, low: float | None, high: float | None, scale: float) -> str:
    """Return ``[low, high]`` with the decimals of the column; nothing where there is no interval or no width to see.

    Examples
    --------
    >>> shown_interval(0.813, 0.752, 0.8714, 0.9), shown_interval(6.0, 6.0, 6.0, 6.0)
    ('[0.752, 0.871]', '')
    """
    if low is None or high is None:
        return ""
    ends = shown(low, scale), shown(high, scale)
    return "" if set(ends) == {shown(mean, scale)} else f"[{', '.join(ends)}]"


class Number(NamedTuple):
    """A number of a comparison as text; ``n`` is empty where it averages as many videos as the column's others."""

    text: str
    interval: str = ""
    n: str = ""
    best: bool = False
    value: Value | None = None


def numbers(row: Row, table: Table) -> list[Number]:
    """Return the numbers of a row, one per column: "-" where there is none."""
    found = []
    for column in table.columns:
        value, scale = row.values.get(column.name), table.scale(column)
        if value is None:
            found.append(Number("-"))
            continue
        n = "" if value.n == table.denominator(column) else f"n={value.n}"
        interval = shown_interval(value.mean, value.low, value.high, scale)
        found.append(Number(shown(value.mean, scale), interval, n, value.best, value))
    return found


def own_n(table: Table, column: ColumnSpec) -> str:
    """Return the denominator of a column as text; empty where it is that of the table."""
    n = table.denominator(column)
    return "" if n == table.n_videos else f"n={n}"


def compact_interval(low: float | None, high: float | None) -> str:
    """Return ``low high`` with two digits each, for narrow columns; nothing where both would read alike.

    Examples
    --------
    >>> compact_interval(0.752, 0.9963), compact_interval(-0.04, 12.4), compact_interval(0.5, 0.5)
    ('.75 1.0', '-.04 12', '')
    """
    if low is None or high is None:
        return ""
    ends = _two_digits(low), _two_digits(high)
    return "" if ends[0] == ends[1] else " ".join(ends)


def _two_digits(value: float) -> str:
    decimals = 2 if abs(value) < 0.995 else 1 if abs(value) < 9.95 else 0
    text = f"{value:.{decimals}f}".replace("0.", ".", 1) if decimals == 2 else f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def clock(seconds: float) -> str:
    """Return seconds as ``m:ss.s`` or ``h:mm:ss.s``.

    Examples
    --------
    >>> clock(72.34), clock(3661.96), clock(-0.5)
    ('1:12.3', '1:01:02.0', '-0:00.5')
    """
    tenths = round(abs(seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02d}.{rest % 10}"
    sign = "-" if seconds < 0 and tenths else ""
    return f"{sign}{hours}:{minutes:02d}:{tail}" if hours else f"{sign}{minutes}:{tail}"
