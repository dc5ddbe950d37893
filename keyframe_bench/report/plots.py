"""Plots as SVG geometry: where points, intervals, ticks and labels lie. The template draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..tables.format import shown
from ..tables.quality import BudgetCurves, Point, Tradeoff
from ..tables.spec import ColumnSpec, Role
from .grid import interval
from .layout import CHAR_WIDTH, LABEL_HEIGHT, place_labels, stacked

WIDTH, LEFT, RIGHT, TOP = 860, 58, 846, 14  # of the view box, and of the area between the axes
NAMES = 214  # width of the names beside lines
COLOURS = 8  # the style sheet has as many for lines
_LONGEST = 28  # characters of a name
XY = tuple[float, float]


class Mark(NamedTuple):
    """A point; rows have the same number in all plots; ``leader``: whether its label needs a line to it."""

    number: int
    name: str
    role: Role
    title: str
    x: float
    y: float
    label: XY
    leader: bool
    front: bool
    low: float | None  # ends of the interval
    high: float | None


class Line(NamedTuple):
    """A row over budgets, or a level."""

    number: int
    name: str
    colour: int  # in the style sheet
    role: Role
    title: str
    path: str
    label: XY
    end: XY
    area: str = ""  # of an interval
    marks: Sequence[tuple[float, float, str]] = ()


@dataclass
class Plot:
    """What the template draws."""

    column: ColumnSpec
    right: int  # right and lower end of the area between the axes
    bottom: int
    x_name: str
    x_ticks: list[tuple[float, str]]  # place and text
    y_ticks: list[tuple[float, str]]
    marks: list[Mark] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    front: str = ""  # path of the Pareto front


def cost_plot(data: Tradeoff, numbers: Mapping[str, int]) -> Plot:
    """Return quality against cost on a logarithmic axis; rows without a cost, and ceilings, are levels across it."""
    points = [p for p in data.points if p.x is not None and p.role != "ceiling"]
    levels = [p for p in data.points if p.x is None or p.role == "ceiling"]
    costs = [p.x for p in points if p.x is not None]
    room = max(1.25, (max(costs) / min(costs)) ** 0.06)
    low, high = min(costs) / room, max(costs) * room
    bottom = _bottom(len(data.points))
    x_axis = _Scale(math.log10(low), math.log10(high), LEFT, RIGHT)
    y_axis = _y_axis(data.points, bottom)
    xs = [x_axis.at(math.log10(p.x or low)) for p in points]
    lines = _levels(levels, y_axis, data.column, numbers)
    marks = _marks(points, xs, y_axis, data, numbers, lines)
    unit = "seconds" if data.cost.unit == "s" else data.cost.unit
    return Plot(
        data.column,
        RIGHT,
        bottom,
        f"{data.cost.name}: {unit} per video, logarithmic",
        [(round(x_axis.at(math.log10(t)), 1), _tick(t)) for t in _log_ticks(low, high)],
        y_axis.ticks(),
        marks,
        lines,
        _staircase(sorted((m.x, m.y) for m in marks if m.front)),
    )


def budget_plot(data: BudgetCurves, numbers: Mapping[str, int]) -> Plot:
    """Return quality against key frames, a line per row; `random` has its interval as a band."""
    everything = [p for curve in data.curves for p in curve]
    counts = [p.x for p in everything if p.x is not None]
    pad = 0.04 * (max(counts) - min(counts)) or 0.5
    bottom = _bottom(len(data.curves))
    right = RIGHT - NAMES
    x_axis = _Scale(min(counts) - pad, max(counts) + pad, LEFT, right)
    banded = [p for p in everything if p.role == "ceiling" or p.name == "random"]
    y_axis = _y_axis(banded, bottom, [p.y for p in everything])
    scale = max((abs(p.y) for p in everything), default=0.0)
    ends = [(x_axis.at(curve[-1].x or 0.0), y_axis.at(curve[-1].y)) for curve in data.curves]
    heights = stacked(np.array([y for _, y in ends]), TOP, bottom).tolist()
    lines = []
    for curve, end, height in zip(data.curves, ends, heights, strict=True):
        first = curve[0]
        places = [(round(x_axis.at(p.x or 0.0), 1), round(y_axis.at(p.y), 1)) for p in curve]
        told = [_told(p, data.column, scale, f"{p.x or 0.0:.3g} key frames") for p in curve]
        marks = [(x, y, text) for (x, y), text in zip(places, told, strict=True)]
        area = _band(curve, x_axis, y_axis) if first.name == "random" else ""
        at = _rounded((right + 22, height))
        lines.append(_line(first, numbers, first.name, _path(places), at, _rounded(end), area=area, marks=marks))
    ticks = [(round(x_axis.at(t), 1), f"{t:g}") for t in _nice(min(counts), max(counts), 8, whole=True)]
    return Plot(data.column, right, bottom, "key frames per video, mean", ticks, y_axis.ticks(), [], lines)


def _bottom(n: int) -> int:
    """The lower end of a plot that has room for ``n`` names."""
    return max(360, TOP + math.ceil(n * LABEL_HEIGHT))


def _short(name: str) -> str:
    """The name, or its two ends: rows of one method differ in what comes last."""
    return (
        name if len(name) <= _LONGEST else f"{name[: _LONGEST // 2]}\N{HORIZONTAL ELLIPSIS}{name[-_LONGEST // 2 + 1 :]}"
    )


@dataclass
class _Scale:
    """A linear map from numbers to places in the view box."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        values = _nice(self.low, self.high, 6)
        step = values[1] - values[0] if len(values) > 1 else 1.0
        decimals = max(0, math.ceil(-math.log10(step) - 1e-9))
        return [(round(self.at(v), 1), f"{v:.{decimals}f}") for v in values]


def _y_axis(points: Sequence[Point], bottom: int, more: Sequence[float] = ()) -> _Scale:
    values = [v for p in points for v in (p.y, p.low, p.high) if v is not None] + list(more)
    low, high = min(values), max(values)
    span = high - low if high - low > 1e-9 * max(abs(low), abs(high)) else 0.0  # equal but for rounding
    pad = 0.06 * span or 0.05 * abs(high) or 0.05
    return _Scale(low - pad, high + pad, bottom, TOP)


def _marks(
    points: Sequence[Point],
    xs: Sequence[float],
    axis: _Scale,
    data: Tradeoff,
    numbers: Mapping[str, int],
    lines: Sequence[Line],
) -> list[Mark]:
    ys = [axis.at(p.y) for p in points]
    ends = [(x, p.low, p.high) for p, x in zip(points, xs, strict=True)]
    taken = [
        (x - 1, axis.at(high), x + 1, axis.at(low)) for x, low, high in ends if low is not None and high is not None
    ]
    half = LABEL_HEIGHT / 2
    taken += [(x, y - half, x + len(one.name) * CHAR_WIDTH, y + half) for one in lines for x, y in [one.label]]
    texts = [_short(p.name) for p in points]
    labels = place_labels(np.column_stack([xs, ys]), texts, np.array(taken), (LEFT, TOP, RIGHT, axis.start))
    scale = max(abs(p.y) for p in data.points)
    marks = []
    for p, x, y, at in zip(points, xs, ys, labels, strict=True):
        title = _told(p, data.column, scale, f"{data.cost.name} {_tick(p.x or 0.0)} {data.cost.unit}")
        aside = max(0.0, abs(at[0] - x) - len(_short(p.name)) * CHAR_WIDTH / 2)
        label, leader = _rounded((at[0], at[1])), math.hypot(aside, at[1] - y) > 20
        low, high = (None if end is None else round(axis.at(end), 1) for end in (p.low, p.high))
        place = round(x, 1), round(y, 1)
        marks.append(Mark(numbers[p.name], _short(p.name), p.role, title, *place, label, leader, p.front, low, high))
    return marks


def _levels(levels: Sequence[Point], axis: _Scale, column: ColumnSpec, numbers: Mapping[str, int]) -> list[Line]:
    if not levels:
        return []
    ends = [axis.at(p.y) for p in levels]
    heights = stacked(np.array(ends) - LABEL_HEIGHT / 2, TOP, axis.start).tolist()
    scale = max(abs(p.y) for p in levels)
    lines = []
    for p, y, height in zip(levels, ends, heights, strict=True):
        title = _told(p, column, scale, "ceiling" if p.role == "ceiling" else "cost not measured")
        at = _rounded((LEFT + 6, height))
        lines.append(_line(p, numbers, title, f"M{LEFT} {y:.1f}H{RIGHT}", at, (LEFT, round(y, 1))))
    return lines


def _line(point: Point, numbers: Mapping[str, int], title: str, path: str, label: XY, end: XY, **more: Any) -> Line:
    number = numbers[point.name]
    return Line(number, _short(point.name), number % COLOURS, point.role, title, path, label, end, **more)


def _told(point: Point, column: ColumnSpec, scale: float, more: str) -> str:
    ends = interval(point.low, point.high, scale)
    parts = [f"{point.name}: {column.name} {shown(point.y, scale)}{f' ({ends})' if ends else ''}", more]
    return ", ".join([*parts, f"{point.n} video{'s' if point.n != 1 else ''}"])


def _staircase(points: Sequence[tuple[float, float]]) -> str:
    """The front as steps: what the best quality is at each cost."""
    if not points:
        return ""
    steps = "".join(f"H{x}V{y}" for x, y in points[1:])
    return f"M{points[0][0]} {points[0][1]}{steps}H{RIGHT}"


def _band(curve: Sequence[Point], x_axis: _Scale, y_axis: _Scale) -> str:
    known = [(x_axis.at(p.x or 0.0), p.low, p.high) for p in curve if p.low is not None and p.high is not None]
    if len(known) < 2:
        return ""
    there = [(round(x, 1), round(y_axis.at(high), 1)) for x, _, high in known]
    back = [(round(x, 1), round(y_axis.at(low), 1)) for x, low, _ in reversed(known)]
    return _path(there + back) + "Z"


def _rounded(place: XY) -> XY:
    return round(float(place[0]), 1), round(float(place[1]), 1)


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in places)


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 of every power of ten; powers of ten alone where the range is wide."""
    steps = (1,) if math.log10(high / low) > 3.2 else (1, 2, 5)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [s * 10.0**p for p in powers for s in steps]
    return [t for t in ticks if low <= t <= high]


def _nice(low: float, high: float, most: int, *, whole: bool = False) -> list[float]:
    """Round numbers between two ends, at most about ``most``."""
    if high <= low:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw * (1 - 1e-9))
    step = max(1.0, step) if whole else step
    first = math.ceil(low / step - 1e-9)
    values = np.arange(first, math.floor(high / step + 1e-9) + 1) * step
    return [float(v) + 0.0 for v in values]


def _tick(value: float) -> str:
    return f"{value:.3g}" if 1e-3 <= value < 1e4 else f"{value:.0e}"
