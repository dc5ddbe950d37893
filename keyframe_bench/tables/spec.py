"""What a comparison table is made of."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from ..core.cells import HUMAN
from ..core.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

Role = Literal["control", "method", "ceiling"]
Direction = Literal["higher", "lower", "none"]
Outcome = Literal["better", "worse", "undecided", "impossible"]
_ARROWS: dict[Direction, str] = {"higher": "↑", "lower": "↓", "none": ""}


@dataclass(frozen=True)
class ColumnSpec:
    """One number of the table."""

    name: str  # key in the results
    direction: Direction = "none"  # which side is better; "none" for facts, where no row is best
    unit: str = "1"  # "1" for ratios, else "s", "MB", ...
    about: str = ""  # one phrase
    headline: bool = True  # shown in the comparison
    metric: str = ""  # the metric that gives it

    @classmethod
    def parse(cls, name: str, data: Mapping[str, Any]) -> ColumnSpec:
        """Read one entry of ``columns`` in ``run.json``; `UsageError` for a direction that does not exist."""
        known = {part.name for part in fields(cls)}
        spec = cls(**{**{key: value for key, value in data.items() if key in known}, "name": name})
        if spec.direction not in _ARROWS:
            raise UsageError(f"column {name!r}: direction {spec.direction!r} is not one of {', '.join(_ARROWS)}")
        return spec

    @property
    def is_cost(self) -> bool:
        """Whether it is seconds or memory: one run on one machine, shown and not ranked."""
        return self.unit in ("s", "MB", "1/s")

    @property
    def is_ranked(self) -> bool:
        """Whether it has a better side and is no cost."""
        return self.direction != "none" and not self.is_cost

    @property
    def sign(self) -> float:
        """-1 where lower is better, else 1."""
        return -1.0 if self.direction == "lower" else 1.0

    @property
    def fewer_helps(self) -> bool:
        """Whether a summary gets better in this column by leaving key frames out (CUS_E, redundancy; not costs)."""
        return self.direction == "lower" and self.unit in ("1", "1/h")

    @property
    def arrow(self) -> str:
        """↑ when higher is better, ↓ when lower is, else nothing."""
        return _ARROWS[self.direction]

    @property
    def side(self) -> str:
        """`direction` in words."""
        return {"higher": "higher is better", "lower": "lower is better", "none": "a fact, not ranked"}[self.direction]


@dataclass(frozen=True)
class Value:
    """One number of one row."""

    mean: float  # over videos, of the means over the seeds of each video
    std: float | None  # sample standard deviation over videos; None for one video
    n: int  # videos for which the number exists: the denominator of ``mean``
    best: bool = False  # no other row that may be ranked is better (see `comparison`)
    low: float | None = None  # 95 % bootstrap interval of ``mean`` over videos; None for one video
    high: float | None = None
    # 0 where `random` is, 1 where `oracle` is, over the videos that all three have; None where one of them is not in
    # the table or the two cannot be told apart
    normalised: float | None = None


@dataclass(frozen=True)
class Row:
    """One method as it was run."""

    group: str  # what the cells of this row share; equal to the column ``group`` of `load_results`
    extractor: str
    dataset: str
    budget: str
    sampling: str
    params: str  # the parameters in which rows of the same extractor differ, "a=1, b=2"
    note: str  # what must be said beside the name ("random init")
    role: Role  # ceilings see the annotation: they are shown and never ranked
    reference: str
    budget_rule: str
    n_videos: int  # videos with at least one result
    n_failed: int  # videos with at least one failed or skipped cell
    n_skipped: int
    n_seeds: int  # different seeds (of selections, or of trainings), and random draws averaged within each cell
    draws: int
    # Column name to `Value`; a column that is not measurable for any video of this row is absent
    values: dict[str, Value] = field(default_factory=dict)
    known_defects: str = ""  # of third-party tools, run as they are
    # Why key frames are a fallback, or fewer than asked for (`KeyFrames`), to the number of such videos
    fallbacks: Mapping[str, int] = field(default_factory=dict)
    shortfalls: Mapping[str, int] = field(default_factory=dict)
    n_returned: float = 0.0  # mean number of key frames returned and asked for, where there are shortfalls; else 0
    n_asked: float = 0.0
    seen: str = ""  # whether it was trained on videos that it is scored on

    @property
    def n_fallback(self) -> int:
        """Videos on which the key frames are a fallback."""
        return sum(self.fallbacks.values())

    @property
    def n_short(self) -> int:
        """Videos with fewer key frames than were asked for."""
        return sum(self.shortfalls.values())

    @property
    def place(self) -> tuple[str, str]:
        """Data set and budget: only rows of one place are ranked."""
        return self.dataset, self.budget

    @property
    def label(self) -> str:
        """Name, differing parameters and note in one line."""
        extra = ", ".join(part for part in (self.params, self.note, self.seen) if part)
        return f"{self.extractor} ({extra})" if extra else self.extractor


@dataclass(frozen=True)
class Comparison:
    """One row against another in one column, paired over the videos that both have."""

    column: str
    group: str  # the row (`Row.group`, `Row.label`)
    label: str
    rival_group: str  # what it is compared with: `uniform`, or the best row of the column
    rival_label: str
    n: int  # common videos
    # Mean of row minus rival, in the unit of the column: whether more is better is said by ``verdict``
    difference: float
    low: float  # 95 % bootstrap interval of ``difference`` over videos
    high: float
    p: float  # Two-sided Wilcoxon signed-rank test
    # ``p`` corrected over the family: every row compared with this rival in this column, data set and budget
    p_holm: float
    effect: float  # Matched-pairs rank-biserial correlation, -1 to 1: 1 if the row's number is larger on every video
    # "better" or "worse" if ``p_holm`` is below .05; "impossible" if so few videos cannot give that whatever they show
    verdict: Outcome
    dataset: str = ""  # where both rows are
    budget: str = ""


@dataclass(frozen=True)
class Discriminability:
    """Whether a column separates anything from random choice, in one data set at one budget."""

    column: str
    dataset: str
    budget: str
    floor: float  # the mean of `random`
    best_label: str  # the best other row that is no ceiling
    # How much better it is than `random`, paired over videos; positive is better, whatever the column's direction
    lead: float
    # 95 % interval of ``lead`` (Student's t: with few videos a bootstrap is too narrow to raise a doubt); None for one
    # common video
    low: float | None
    high: float | None
    separates: bool  # whether the interval is above 0
    about: str  # what else is known of the column's range: the ceiling, other controls, summaries that are too short


@dataclass(frozen=True)
class Table:
    """A comparison: every mean with its denominator."""

    title: str
    columns: tuple[ColumnSpec, ...]  # headline columns for which at least one row has a value
    rows: tuple[Row, ...]  # controls first, ceilings last
    notes: tuple[str, ...] = ()  # sentences a reader needs to judge the numbers
    # Every method against `uniform` and all ``rivals``, and every ranked row against the best one
    comparisons: tuple[Comparison, ...] = ()
    rivals: tuple[str, ...] = ()
    # One per ranked column, data set and budget where `random` was run
    discriminability: tuple[Discriminability, ...] = ()

    @functools.cached_property
    def settings(self) -> tuple[str, ...]:
        """Those of dataset, budget and sampling in which rows differ, so that they must be columns.

        The human row does not count: it has no budget.
        """
        names, rows = ("dataset", "budget", "sampling"), [row for row in self.rows if row.extractor != HUMAN]
        return tuple(name for name in names if len({getattr(row, name) for row in rows}) > 1)

    def where(self, place: tuple[str, str]) -> str:
        """Name what tells a data set and budget from the others of the table: " at budget 8", or nothing."""
        parts = [f"{k} {v}" for k, v in zip(("dataset", "budget"), place, strict=True) if k in self.settings]
        return " at " + ", ".join(parts) if parts else ""

    def scale(self, column: ColumnSpec) -> float:
        """Return the largest magnitude of ``column``, which decides its number of decimals."""
        return self._of_columns[column.name][0]

    def denominator(self, column: ColumnSpec) -> int:
        """Return the number of videos that most rows of ``column`` can average: the largest n."""
        return self._of_columns[column.name][1]

    @functools.cached_property
    def _of_columns(self) -> dict[str, tuple[float, int]]:
        """Scale and denominator of every column, which renderers ask for at every number."""
        found = {c.name: [row.values[c.name] for row in self.rows if c.name in row.values] for c in self.columns}
        return {
            name: (max((abs(v.mean) for v in values), default=0.0), max((v.n for v in values), default=0))
            for name, values in found.items()
        }

    @functools.cached_property
    def n_videos(self) -> int:
        """Videos that at least one row scored all of: the largest `Row.n_videos`."""
        return max((row.n_videos for row in self.rows), default=0)

    @property
    def ranked_columns(self) -> tuple[ColumnSpec, ...]:
        """The columns that say how good a summary is."""
        return tuple(column for column in self.columns if column.is_ranked)

    @property
    def frame(self) -> pd.DataFrame:
        """One line a row; NaN where nothing was measurable.

        Per column ``name`` (the mean), ``name_std``, ``name_low`` and ``name_high`` (95 % interval),
        ``name_normalised`` and ``name_n``.
        """
        import pandas as pd

        facts = ["extractor", "params", "note", "role", "dataset", "budget", "sampling"]
        facts += ["n_videos", "n_failed", "n_skipped", "n_seeds", "draws", "n_fallback", "n_short"]
        parts = {"": "mean"} | {f"_{part}": part for part in ("std", "low", "high", "normalised")}
        lines = []
        for row in self.rows:
            line = {name: getattr(row, name) for name in facts}
            for column in self.columns:
                value = row.values.get(column.name, Value(math.nan, None, 0))
                numbers = {column.name + end: getattr(value, part) for end, part in parts.items()}
                line |= {name: math.nan if number is None else number for name, number in numbers.items()}
                line[f"{column.name}_n"] = value.n
            lines.append(line)
        return pd.DataFrame(lines, columns=None if lines else facts)

    def to_csv(self) -> str:
        """Return `frame` as CSV text with full precision; empty fields where nothing was measurable."""
        return str(self.frame.to_csv(index=False, lineterminator="\n"))
