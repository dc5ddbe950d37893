"""Handing each decoded frame to the features that want it, in bounded batches."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.budget import Sampling
from ..core.feature import Feature, FeatureRows
from ..core.memory import anonymous_mb
from .column import ColumnWriter
from .frame import Frame
from .ledger import Ledger

BATCH_FRAMES = 16  # larger batches are no faster (see experiments/speed) and hold more pictures
LOOK_FRAMES = 32  # how often memory is looked at and progress told
HELD_BYTES = 4_000_000  # decoded pictures that wait for their batches, all samplings together

Progress = Callable[[float], None]


@dataclass(frozen=True)
class PacketFrame:
    """What is known of a frame from its packet: everything but the picture."""

    ordinal: int
    time: float
    key_frame: bool
    width: int
    height: int
    picture_type: str = "?"
    held_bytes: int = 0


def column_id(feature: Feature, sampling: str) -> tuple[str, str]:
    """A feature has one column for all samplings, or one for each that its rows depend on."""
    return (feature.key, sampling if feature.depends_on_sampling else "")


class Collector:
    """One feature being computed: its frames of the current batch and its rows so far."""

    def __init__(self, feature: Feature, name: tuple[str, str], samplings: list[str], ledger: Ledger) -> None:
        self.rows = FeatureRows(feature)
        self.feature = self.rows.feature
        self.feature.prepare()
        self.name = name
        self.samplings = samplings
        self.frames: list[Any] = []  # Frame, or PacketFrame for features that read packets
        self.ordinals = array("q")
        self.writer = ColumnWriter(feature.key)
        self.own_seconds = 0.0
        self.ledger = ledger

    def flush(self, *, last: bool = False) -> None:
        """Compute the rows of the frames that wait, and let these go; with ``last`` no frames follow."""
        if not self.frames and not last:
            return
        ledger = self.ledger
        ledger.active, ledger.converting_s = "|".join(self.name), 0.0
        ledger.clock = clock = time.perf_counter if self.feature.elsewhere else time.thread_time
        start = clock()
        for rows in self.rows.of(self.frames, last=last):
            self.writer.append(rows, len(rows))
        self.own_seconds += clock() - start - ledger.converting_s
        self.frames = []

    @property
    def seconds(self) -> float:
        """Own computing plus every conversion it asked for, as if it had run alone."""
        return self.own_seconds + self.ledger.seconds_of("|".join(self.name), len(self.ordinals))


class Loop:
    """Hands frames, in decode order, to the samplings and features that want them."""

    def __init__(self, wanted: dict[str, list[Feature]], progress: Progress | None = None) -> None:
        self.progress = progress
        self.ledger = Ledger()
        self.keepers = {sampling: Sampling.parse(sampling).keeper() for sampling in wanted}
        self.grids = {sampling: array("q") for sampling in wanted}
        self.collectors = _collectors(wanted, self.ledger)
        self.groups = len({tuple(c.samplings) for c in self.collectors})  # each holds frames of its own
        self.batch = BATCH_FRAMES
        self.size = (0, 0)
        self.peak_mb = 0.0

    def take(self, frame: Frame | PacketFrame) -> None:
        """Look at the next frame."""
        if frame.ordinal == 0:
            self.start_s = frame.time
        if self.size != (frame.width, frame.height):
            self.size = (frame.width, frame.height)
            bound = HELD_BYTES // max(1, self.groups * frame.held_bytes)
            self.batch = max(1, min(BATCH_FRAMES, bound))
        seconds = frame.time - self.start_s
        kept = {s for s, keep in self.keepers.items() if keep(frame.ordinal, seconds)}
        for sampling in kept:
            self.grids[sampling].append(frame.ordinal)
        for collector in self.collectors:
            if kept.isdisjoint(collector.samplings):
                continue
            collector.frames.append(frame)
            collector.ordinals.append(frame.ordinal)
            if len(collector.frames) >= self.batch:
                collector.flush()
        if frame.ordinal % LOOK_FRAMES == 0:
            self.peak_mb = max(self.peak_mb, anonymous_mb())
            if self.progress is not None:
                self.progress(frame.time)

    def finish(self) -> None:
        """Compute what is still waiting."""
        for collector in self.collectors:
            collector.flush(last=True)
        self.peak_mb = max(self.peak_mb, anonymous_mb())


def _collectors(wanted: dict[str, list[Feature]], ledger: Ledger) -> list[Collector]:
    made: dict[tuple[str, str], Collector] = {}
    for sampling, features in wanted.items():
        for feature in features:
            if feature.source == "file":  # its column is the path: nothing to compute
                continue
            name = column_id(feature, sampling)
            if name in made:
                made[name].samplings.append(sampling)
            else:
                made[name] = Collector(feature, name, [sampling], ledger)
    return list(made.values())
