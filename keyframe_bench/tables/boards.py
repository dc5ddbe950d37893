"""Results of many runs by what can be compared: the same videos, at one budget, in the same columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.cells import HUMAN
from ..core.files import canonical_json
from .build import natural
from .caveats import favoured, listed
from .load import cells_frame, latest, per_video
from .spec import ColumnSpec
from .stats import Floats

if TYPE_CHECKING:
    import pandas as pd

Results = Mapping[str, tuple[Mapping[str, Mapping[str, Any]], Mapping[str, Any]]]
"""Name to cells (`tables.load.read_cells`) and the record of the run (``run.json``)."""

COSTS = ("decode_s", "features_s", "select_s")


@dataclass
class Entry:
    """What one file has of a row at a place."""

    source: str
    finished: str
    values: Floats  # [videos, columns], larger is better; NaN where there is none
    cost: float | None  # time over that of decoding alone
    own: set[str]  # columns that judge by a feature that it selects on
    n_failed: int


@dataclass
class Place:
    """Where rows can be compared; ``entries`` by what tells rows apart wherever they stand (`row_id`)."""

    dataset: str
    videos: tuple[str, ...]  # by their bytes, or by name where these are unknown
    budget: str
    columns: tuple[str, ...]
    entries: dict[str, Entry] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[str, ...]:
        """The results that rows come from."""
        return tuple(sorted({entry.source for entry in self.entries.values()}))

    @property
    def about(self) -> str:
        """Name the data set with its number of videos."""
        return f"{self.dataset} ({len(self.videos)} video{'s' * (len(self.videos) != 1)})"


def places_of(results: Results) -> tuple[list[Place], list[str]]:
    """Return every place, and sentences about results that are at none: their record names no budget, or columns lack.

    The results of most methods say which columns a place has, so that a file about one or two of them changes nothing
    of it. Of a row that several files have the one finished last counts.
    """
    places: dict[tuple[Any, ...], Place] = {}
    others = [name for name, (_, run) in sorted(results.items()) if not run.get("budget")]
    notes = [f"no comparison of methods at a budget: {listed(others, 99)}"] if others else []
    found = [_Source(name, *results[name]) for name in sorted(results) if name not in others]
    for source in sorted(found, key=lambda one: (-one.frame["extractor"].nunique(), -len(one.columns))):
        notes += source.add_to(places)
    order = sorted(places.values(), key=lambda p: (p.dataset, -len(p.videos), p.videos, natural(p.budget)))
    return order, notes


def row_id(group: str) -> str:
    """Return the column ``group`` of `load_results` without data set and budget."""
    _, extractor, version, label, _, *rest = json.loads(group)
    return canonical_json([extractor, version, label, *rest])


class _Source:
    """One file of results."""

    def __init__(self, name: str, cells: Mapping[str, Mapping[str, Any]], run: Mapping[str, Any]) -> None:
        self.name, self.favoured = name, favoured(run)
        frame = latest(cells_frame(cells))
        sha = frame["video_sha256"]
        self.frame = frame.assign(group=frame["group"].map(row_id), video_id=sha.where(sha != "", frame["video_id"]))
        usual: dict[str, ColumnSpec] = {}
        for spec in (ColumnSpec.parse(name, about) for name, about in (run.get("columns") or {}).items()):
            if spec.headline and spec.is_ranked and not spec.fewer_helps:
                usual[spec.metric or spec.name] = spec  # the last one stands for all of a metric
        self.columns = list(usual.values())

    def add_to(self, places: dict[tuple[Any, ...], Place]) -> Iterator[str]:
        """Add every row to the places where it stands, and say where it cannot.

        Human annotators, who have no budget, stand at each.
        """
        methods = self.frame[(self.frame["extractor"] != HUMAN) & (self.frame["status"] != "skipped")]
        for (dataset, budget), part in methods.groupby(["dataset", "budget"], sort=False):
            of_dataset = self.frame[self.frame["dataset"] == dataset]
            here = of_dataset[(of_dataset["budget"] == budget) | (of_dataset["extractor"] == HUMAN)]
            series = {spec.name: spec.sign * per_video(here, spec.name) for spec in self.columns}
            numbers = {name: one.unstack(level=0) for name, one in series.items() if len(one)}
            videos = tuple(sorted(part["video_id"].unique()))
            new = Place(str(dataset), videos, str(budget), tuple(numbers))
            place = places.setdefault((new.dataset, new.videos, new.budget), new) if numbers else new
            if not numbers or (lost := [name for name in place.columns if name not in numbers]):
                what = f"{listed(lost)}, which others have" if numbers else "a column to rank by"
                yield f"no board: {new.about} at budget {budget} ({self.name}): without {what}"
                continue
            costs, failed = _cost_ratios(here), here[here["status"] == "failed"].groupby("group")["video_id"].nunique()
            for row, finished in here.groupby("group", sort=False)["finished"].max().items():
                wide = [numbers[name].reindex(index=list(videos), columns=[row]) for name in place.columns]
                values = np.concatenate(wide, axis=1)
                own = self.favoured.get(json.loads(str(row))[0], set()) & set(place.columns)
                entry = Entry(self.name, finished, values, costs.get(str(row)), own, int(failed.get(row, 0)))
                if entry.finished >= place.entries.get(str(row), entry).finished:
                    place.entries[str(row)] = entry


def _cost_ratios(here: pd.DataFrame) -> dict[str, float]:
    """Return the time of each row over that of decoding alone: the median decoding of the methods, on each video."""
    names = [f"cost.{name}" for name in COSTS]
    if not set(names) <= set(here):
        return {}
    timed = here.dropna(subset=names)
    decoding = timed[(timed["cost.decode_s"] > 0) & ~timed["control"].astype(bool)]  # controls read packets alone
    plain = decoding.groupby("video_id")["cost.decode_s"].median().rename("plain")
    spent = timed[names].sum(axis=1).groupby([timed["group"], timed["video_id"]]).mean().rename("spent")
    sums = spent.reset_index().merge(plain, on="video_id").groupby("group")[["spent", "plain"]].sum()
    sums = sums[(sums > 0).all(axis=1)]
    return {str(group): float(ratio) for group, ratio in (sums["spent"] / sums["plain"]).items()}
