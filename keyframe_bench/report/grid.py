"""The comparison table as the page shows it: cells with their interval, mark and explanation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..tables.format import shown
from ..tables.ranking import BASELINE
from ..tables.spec import ColumnSpec, Comparison, Discriminability, Row, Table, Value

_MARKS = {"better": "\N{BLACK UP-POINTING TRIANGLE}", "worse": "\N{BLACK DOWN-POINTING TRIANGLE}"}


@dataclass(frozen=True)
class HtmlCell:
    """A number as text; ``small`` is its interval (or spread), ``mark`` its verdict against `uniform`."""

    text: str
    sort: str = ""
    small: str = ""
    n: str = ""
    best: bool = False
    title: str = "not measurable for any video"
    mark: str = ""
    verdict: str = ""


def table_rows(table: Table) -> list[tuple[Row, list[HtmlCell]]]:
    """Return every row with its cells, in the table's order."""
    groups = {row.group for row in table.rows if row.extractor == BASELINE}
    against = {(c.group, c.column): c for c in table.comparisons if c.rival_group in groups}
    columns = [(column, table.scale(column), table.denominator(column)) for column in table.columns]
    return [(row, [_cell(row, *column, against) for column in columns]) for row in table.rows]


def place_text(thing: Discriminability | Row, table: Table) -> str:
    """Return data set and budget in words, those that differ between rows."""
    parts = [thing.dataset] if "dataset" in table.settings else []
    return ", ".join([*parts, f"budget {thing.budget}"] if "budget" in table.settings else parts)


def interval(low: float | None, high: float | None, scale: float) -> str:
    """Return "0.41–0.53"; empty if one end is unknown."""
    if low is None or high is None:
        return ""
    ends = shown(low, scale), shown(high, scale)
    return f"{ends[0]} to {ends[1]}" if any(e[0] in "-<>" for e in ends) else "\N{EN DASH}".join(ends)


def _cell(
    row: Row, column: ColumnSpec, scale: float, usual: int, against: Mapping[tuple[str, str], Comparison]
) -> HtmlCell:
    value = row.values.get(column.name)
    if value is None:
        return HtmlCell("\N{EN DASH}")
    found = against.get((row.group, column.name))
    std = "" if value.std is None else shown(value.std, scale)
    small = interval(value.low, value.high, scale) or (std and f"± {std}")
    return HtmlCell(
        text=shown(value.mean, scale),
        sort=repr(value.mean),
        small="" if column.direction == "none" and value.std == 0 else small,  # a fact that is the same for all videos
        n="" if value.n == usual else f"n={value.n}",
        best=value.best,
        title="; ".join(_explained(value, std, scale, found)),
        mark=_MARKS.get(found.verdict, "") if found else "",
        verdict=f"{found.verdict} than {found.rival_label}" if found and found.verdict in _MARKS else "",
    )


def _explained(value: Value, std: str, scale: float, found: Comparison | None) -> list[str]:
    texts = [f"mean over {value.n} video{'s' if value.n != 1 else ''}"]
    if std:
        texts.append(f"standard deviation over videos {std}")
    if ends := interval(value.low, value.high, scale):
        texts.append(f"95 % interval of the mean {ends}")
    if value.normalised is not None:
        texts.append(f"normalised {value.normalised:.2f} (random 0, oracle 1)")
    if found is not None:
        texts.append(
            f"{found.verdict}{' than' if found.verdict in _MARKS else ' against'} {found.rival_label}: difference "
            f"{shown(found.difference, scale)} ({interval(found.low, found.high, scale)}), Wilcoxon p {_p(found.p)}, "
            f"Holm {_p(found.p_holm)}, effect {found.effect:.2f}, {found.n} videos"
        )
    return texts


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def doubts(table: Table) -> dict[str, str]:
    """Return by column where it separates nothing from random choice, for those that do so somewhere."""
    found = {}
    for column in table.columns:
        told = [one for one in table.discriminability if one.column == column.name]
        lost = [place_text(one, table) for one in told if not one.separates]
        where = "" if len(lost) == len(told) else f" at {'; '.join(lost)}"
        if lost:
            found[column.name] = f"does not separate random from the best row{where}"
    return found
