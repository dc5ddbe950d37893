"""Handing each decoded frame to the features that need it, in bounded batches, and collecting their rows."""

from __future__ import annotations

import os
import tempfile
import time
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import OutputError, os_reason
from ..core.feature import Feature, FeatureRows
from ..core.grammar import EVERY, Sampling
from ..core.processes import anonymous_mb
from .cost_meter import CostMeter
from .frame import Frame

BATCH_FRAMES = 16  # larger batches are no faster (see experiments/speed) and hold more images
PROGRESS_FRAMES = 32  # how often memory is measured and progress reported
HELD_BYTES = 4_000_000  # decoded pictures that wait for their batches, all samplings together
SPILL_BYTES = 8_000_000  # rows of one feature that are held before they go to a temporary file

Progress = Callable[[float], None]
Requests = dict[Sampling, list[Feature]]
ColumnId = tuple[str, str]


def parse_requests(requests: Mapping[Any, Iterable[Feature]]) -> Requests:
    """Return what a pass must hold, by typed samplings, each feature once."""
    return {Sampling.parse(sampling): list(dict.fromkeys(features)) for sampling, features in requests.items()}


@dataclass(frozen=True)
class PacketFrame:
    """What is known of a frame from its packet: everything but the image."""

    ordinal: int
    time: float
    key_frame: bool
    width: int
    height: int
    picture_type: str = "?"
    held_bytes: int = 0


@dataclass
class RequestedColumn:
    """One column that is requested: its feature and the samplings that it is requested on."""

    feature: Feature
    samplings: list[Sampling] = field(default_factory=list)

    @property
    def coverage(self) -> str:
        """Which frames a pass computes rows for."""
        return str(EVERY) if EVERY in self.samplings else "+".join(sorted(map(str, self.samplings)))


class ComputedColumn(NamedTuple):
    """One column of a pass: ordinals int64 [N], rows [N, ...] (or [W, ...] of windows), seconds they took."""

    ordinals: NDArray[np.int64]
    rows: NDArray[Any]
    seconds: float


def column_id(feature: Feature, sampling: Sampling) -> ColumnId:
    """A feature has one column for all samplings, or one for each that its rows depend on."""
    return (feature.key, str(sampling) if feature.depends_on_sampling else "")


def columns_of(requests: Mapping[Sampling, Iterable[Feature]]) -> dict[ColumnId, RequestedColumn]:
    """Return the columns that must be computed; that of a black box is the path of the file."""
    columns: dict[ColumnId, RequestedColumn] = {}
    for sampling, features in requests.items():
        for feature in features:
            if feature.source != "file":
                columns.setdefault(column_id(feature, sampling), RequestedColumn(feature)).samplings.append(sampling)
    return columns


class FeatureBuffer:
    """Rows of a feature while they arrive: in memory while small, in an unnamed temporary file when large."""

    def __init__(self) -> None:
        self._batches: list[NDArray[Any]] = []
        self._held = self._rows = 0
        self._file: IO[bytes] | None = None

    def append(self, rows: NDArray[Any]) -> None:
        """Add a batch [B, ...], of the shape and type of those before (`FeatureRows` checks it)."""
        self._shape, self._dtype = rows.shape[1:], rows.dtype
        self._batches.append(np.ascontiguousarray(rows))
        self._held += rows.nbytes
        self._rows += len(rows)
        if self._held > SPILL_BYTES:
            self._spill()

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="keyframe_bench-")  # noqa: SIM115 - closed in finish
            for batch in self._batches:
                self._file.write(batch.reshape(-1).view(np.uint8).data)
            self._file.flush()
        except OSError as error:
            reason = f"{os_reason(error)} (large features are kept there; TMPDIR names another folder)"
            raise OutputError(tempfile.tempdir or os.environ.get("TMPDIR", "/tmp"), reason) from error
        self._batches, self._held = [], 0

    def finish(self) -> NDArray[Any]:
        """Return all rows, array [N, ...], read-only; memory-mapped when they were spilled."""
        if self._file is None:
            rows = np.concatenate(self._batches) if self._batches else np.zeros((0,), dtype=np.float32)
        else:
            self._spill()
            # "c": who writes all the same gets pages of his own, where "r" would end the process.
            rows = np.memmap(self._file, dtype=self._dtype, mode="c", shape=(self._rows, *self._shape))
            self._file.close()
        self._batches = []
        rows = rows.view(np.ndarray)  # a plain array: pickling a memmap, to see whether it was written to, copies it
        rows.flags.writeable = False
        return rows


class Collector:
    """One column being computed: its frames of the current batch and its rows so far."""

    def __init__(self, id_: ColumnId, column: RequestedColumn, meter: CostMeter) -> None:
        self.rows = FeatureRows(column.feature)
        self.feature = self.rows.feature
        self.feature.prepare()
        self.name = "|".join(id_)  # for the meter
        self.samplings = column.samplings
        self.frames: list[Any] = []  # Frame, or PacketFrame for features that read packets
        self.ordinals = array("q")
        self.buffer = FeatureBuffer()
        self.own_seconds = 0.0
        self.meter = meter

    def flush(self, *, last: bool = False) -> None:
        """Compute the rows of the frames that wait, and release these; with ``last`` no frames follow."""
        if not self.frames and not last:
            return
        meter = self.meter
        meter.active, meter.converting_s = self.name, 0.0
        meter.clock = clock = time.perf_counter if self.feature.elsewhere else time.thread_time
        start = clock()
        for rows in self.rows.of(self.frames, last=last):
            self.buffer.append(rows)
        self.own_seconds += clock() - start - meter.converting_s
        self.frames = []

    def finish(self) -> ComputedColumn:
        """Compute what waits; return all, with the seconds of every conversion asked for, as if it had run alone."""
        self.flush(last=True)
        seconds = self.own_seconds + self.meter.seconds_of(self.name, len(self.ordinals))
        return ComputedColumn(np.array(self.ordinals, dtype=np.int64), self.buffer.finish(), seconds)


class FeaturePass:
    """Hands frames, in decode order, to the samplings and features that need them."""

    def __init__(self, requests: Requests, progress: Progress | None = None) -> None:
        self.progress = progress
        self.meter = CostMeter()
        self.keepers = {sampling: sampling.keeper() for sampling in requests}
        self.grids = {sampling: array("q") for sampling in requests}
        self.collectors = {id_: Collector(id_, one, self.meter) for id_, one in columns_of(requests).items()}
        self.groups = len({tuple(c.samplings) for c in self.collectors.values()})  # each holds frames of its own
        self.batch = BATCH_FRAMES
        self.size = (0, 0)
        self.peak_mb = 0.0

    def take(self, frame: Frame | PacketFrame) -> None:
        """Look at the next frame."""
        if frame.ordinal == 0:
            self.start_s = frame.time
        if self.size != (frame.width, frame.height):
            self.size = (frame.width, frame.height)
            self.batch = max(1, min(BATCH_FRAMES, HELD_BYTES // max(1, self.groups * frame.held_bytes)))
        seconds = frame.time - self.start_s
        kept = {sampling for sampling, keep in self.keepers.items() if keep(frame.ordinal, seconds)}
        for sampling in kept:
            self.grids[sampling].append(frame.ordinal)
        for collector in self.collectors.values():
            if kept.isdisjoint(collector.samplings):
                continue
            collector.frames.append(frame)
            collector.ordinals.append(frame.ordinal)
            if len(collector.frames) >= self.batch:
                collector.flush()
        if frame.ordinal % PROGRESS_FRAMES == 0:
            self.peak_mb = max(self.peak_mb, anonymous_mb())
            if self.progress is not None:
                self.progress(frame.time)

    def finish(self) -> dict[ColumnId, ComputedColumn]:
        """Compute what is still waiting, and return all columns."""
        columns = {id_: collector.finish() for id_, collector in self.collectors.items()}
        self.peak_mb = max(self.peak_mb, anonymous_mb())
        return columns
