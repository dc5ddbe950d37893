"""One video: one pass, every cell of it, its thumbnails and its record."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from operator import or_
from pathlib import Path
from typing import Any

from ..core.annotation import Annotation
from ..core.cells import Cell, parse_cell, thumbnails_folder
from ..core.clip import Clip, KeyFrames, watched
from ..core.errors import (
    ContractError,
    OutputError,
    RowsWrittenError,
    UsageError,
    VideoError,
    memory_errors_named,
)
from ..core.feature import Feature
from ..core.files import canonical_json, claimed, write_over
from ..core.processes import anonymous_mb
from ..core.sources import source_digest
from ..extractors.asked import Asked
from ..extractors.base import Extractor
from ..features.change import PixelDifference
from ..metrics.base import Metric
from ..video.onepass import Pass, Progress, read_pass
from ..video.packets import trusted_packets
from ..video.store import FeatureStore, features_folder
from .cell_records import (
    build_extractor,
    cell_record,
    failed_record,
    failure_line,
    mean_of,
    shared_features,
    video_record,
)
from .failures import UntrainedError, WorkerDiedError, raise_interrupt, raise_plain
from .plan import VideoJob, cell_path, metric_versions, missing_part, record_path
from .spec import OnError
from .thumbnails import write_thumbnails

EVERY = "every"


@dataclass(frozen=True)
class JobResult:
    """What became of a video: cell statuses by key, or the reason it was skipped."""

    video: str
    statuses: dict[str, str]
    skipped: str = ""
    failures: dict[str, str] = field(default_factory=dict)  # a line for each failed cell, by key
    notes: tuple[str, ...] = ()  # what the user should know that is in no cell

    def __or__(self, other: JobResult) -> JobResult:
        """Return the results of two parts of one video as one."""
        statuses, failures = self.statuses | other.statuses, self.failures | other.failures
        return JobResult(self.video, statuses, self.skipped or other.skipped, failures, self.notes + other.notes)


def run_video(job: VideoJob, out: Path, on_error: OnError, progress: Progress | None = None) -> JobResult:
    """Compute the cells of ``job`` with one decode and write them.

    Parameters
    ----------
    job : VideoJob
        Usually only its missing cells.
    out : Path
        The run's folder.
    on_error : {"raise", "warn", "skip"}
        What a file without frames, or an extractor that fails, means.
    progress : callable, optional
        Called with the PTS reached.

    Raises
    ------
    VideoError, KeyframeBenchError
        With ``on_error="raise"``.
    OutputError
        When a result cannot be written, whatever the policy.
    """
    if job.unreadable:
        return JobResult(job.item.id, {}, job.unreadable)
    keys = [cell.key for cell in job.cells]
    with claimed(out / ".claims", keys) as mine:
        result = _run_missing(_part(job, mine), out, on_error, progress)
    if others := set(keys) - set(mine):  # another run into this folder computes them just now, unless it is killed
        with claimed(out / ".claims", list(others), wait=True):
            result |= _run_missing(_part(job, others), out, on_error, progress)
    return result


def _part(job: VideoJob, keys: Collection[str]) -> VideoJob:
    return replace(job, cells=tuple(cell for cell in job.cells if cell.key in keys))


def _run_missing(job: VideoJob, out: Path, on_error: OnError, progress: Progress | None) -> JobResult:
    """Compute what no other process has computed since the plan was made."""
    job = missing_part(job, out, metric_versions(), [])
    if not job.cells:
        return JobResult(job.item.id, {})
    try:
        return _Video(job, out, on_error).run(progress)
    except (VideoError, UsageError) as error:  # the file, or what the annotation says about it
        if on_error == "raise":
            raise
        reason = error.reason if isinstance(error, VideoError) else str(error)
        told = {"type": type(error).__name__, "message": reason}
        write_over({cell_path(out, c.key): canonical_json(cell_record(c, "skipped", error=told)) for c in job.cells})
        return JobResult(job.item.id, {c.key: "skipped" for c in job.cells}, reason)


def run_apart(
    job: VideoJob, out: Path, on_error: OnError, attempt: Callable[[VideoJob], JobResult | None]
) -> JobResult:
    """Compute a video whose process has died: once more, then every method by itself, so that one's fault is its own.

    Parameters
    ----------
    job : VideoJob
    out : Path
    on_error : {"raise", "warn", "skip"}
    attempt : callable
        Computes a job in a process that nothing else runs in; None when that process dies.

    Raises
    ------
    WorkerDiedError
        With ``on_error="raise"``.
    """
    result = attempt(job)
    if result is not None:
        return result
    parts = _by_method(job)
    if len(parts) > 1:
        return reduce(or_, (run_apart(part, out, on_error, attempt) for part in parts))
    error = WorkerDiedError("its worker process ended: killed, perhaps out of memory, or by os._exit or a crash")
    if on_error == "raise":
        raise WorkerDiedError(failure_line(job.cells[0], error))
    return _Video(job, out, on_error).failed(error)


def _by_method(job: VideoJob) -> list[VideoJob]:
    methods: dict[str, list[Cell]] = defaultdict(list)
    for cell in job.cells:
        methods[canonical_json([cell.extractor, cell.params, cell.path])].append(cell)
    return [replace(job, cells=tuple(cells)) for cells in methods.values()]


def requests_of(cells: Sequence[Cell]) -> dict[str, list[Feature]]:
    """Return what the pass over a video must compute for ``cells``, the metrics and the report, by sampling."""
    requests = requests_of_any_run(cells[0].run_sampling)
    for cell in cells:
        extractor = build_extractor(cell)
        if extractor is not None and not cell.untrained:
            requests[cell.sampling] += Asked.of(extractor, cell.budget, cell.run_sampling).features
    return requests


def requests_of_any_run(sampling: str) -> dict[str, list[Feature]]:
    """Return what the metrics and the report need, whatever the extractors, by sampling; others may be added."""
    requests: dict[str, list[Feature]] = defaultdict(list)
    requests[EVERY] += _metric_needs([Metric.registry.build(name) for name in Metric.registry.names()])
    requests[sampling].append(PixelDifference())
    return requests


def _metric_needs(metrics: Sequence[Metric]) -> tuple[Feature, ...]:
    return tuple(dict.fromkeys(feature for metric in metrics for feature in metric.needs))


def _checked(record: dict[str, Any]) -> dict[str, Any]:
    """Return ``record`` if it can be read again; `ContractError` says why not: what a plug-in gives is in it."""
    try:
        parse_cell(canonical_json(record))
    except (TypeError, ValueError) as error:
        raise ContractError(f"its result cannot be kept: {error}") from error
    return record


class _Video:
    def __init__(self, job: VideoJob, out: Path, on_error: OnError) -> None:
        self.job, self.out, self.on_error = job, out, on_error
        self.metrics = [Metric.registry.build(name) for name in Metric.registry.names()]
        self.metric_needs = _metric_needs(self.metrics)
        self.metric_versions = metric_versions()
        self.run_sampling = job.cells[0].run_sampling
        self.notes: tuple[str, ...] = ()

    def run(self, progress: Progress | None) -> JobResult:
        built = {c.key: build_extractor(c) for c in self.job.cells}
        try:
            read = self._read(progress)
        except (VideoError, OutputError):
            raise
        except BaseException as error:  # noqa: BLE001 - whose feature failed, running the methods apart will tell
            raise_interrupt(error)
            if self.on_error == "raise":
                raise_plain(error)
            jobs = _by_method(self.job)
            if len(jobs) == 1:
                return self.failed(error)
            return reduce(or_, (_Video(job, self.out, self.on_error).run(progress) for job in jobs))
        whole, annotation = self._whole(read)
        records: list[dict[str, Any]] = []
        failures: dict[str, str] = {}
        wrote: list[RowsWrittenError] = []
        try:
            for cell in self.job.cells:
                try:
                    for written in wrote:
                        if str(written).startswith((f"extractor {cell.extractor!r} ", "metric ")):
                            raise written
                    records.append(_checked(self._cell(cell, built[cell.key], read, whole, annotation)))
                except OutputError:
                    raise
                except BaseException as error:  # noqa: BLE001 - a failing method is a recorded row; the others go on
                    raise_interrupt(error)
                    if self.on_error == "raise":
                        raise_plain(error)
                    failures[cell.key] = failure_line(cell, error)
                    records.append(failed_record(cell, error))
                    if isinstance(error, RowsWrittenError) and error not in wrote:
                        wrote.append(error)
                        read = self._read(None)
                        whole, annotation = self._whole(read)
            shown = sorted({n for r in records if r["keyframes"] for n in r["keyframes"]["frames"]})
            write_thumbnails(self.job.item.path, shown, read, thumbnails_folder(self.out, self.job.sha256))
            told = video_record(read, self.run_sampling, annotation)
            write_over({record_path(self.out, self.job.cells[0]): canonical_json(told)})
        except KeyboardInterrupt:
            self._written(records, failures)  # what is finished need not be computed again
            raise
        return self._written(records, failures)

    def _whole(self, read: Pass) -> tuple[Clip, Annotation | None]:
        """Return what metrics look at: every frame, and a copy of what is known about the video."""
        given = copy.deepcopy(self.job.item.annotation)
        annotation = None if given is None else given.aligned(read.times, self.job.item.id)
        return read.clip(EVERY, self.metric_needs), annotation

    def _read(self, progress: Progress | None) -> Pass:
        """Return the pass over the video, as far as possible from features that an earlier run has kept."""
        item, store = self.job.item, None
        if self.job.cache_bytes:
            try:
                store = FeatureStore(features_folder(), self.job.cache_bytes)
            except UsageError as error:  # no place for them
                self.notes = (str(error),)
        facts: dict[str, Any] = {"name": item.id, "sha256": self.job.sha256, "progress": progress}
        read = read_pass(item.path, requests_of(self.job.cells), store=store, **facts)
        if store is not None:
            self.notes = tuple(store.problems)
        return read

    def failed(self, error: BaseException) -> JobResult:
        """Record that no cell could be had."""
        cells = self.job.cells
        return self._written([failed_record(c, error) for c in cells], {c.key: failure_line(c, error) for c in cells})

    def _written(self, records: list[dict[str, Any]], failures: dict[str, str]) -> JobResult:
        write_over({cell_path(self.out, record["key"]): canonical_json(record) for record in records})
        return JobResult(self.job.item.id, {r["key"]: r["status"] for r in records}, "", failures, self.notes)

    @memory_errors_named()
    def _cell(
        self, cell: Cell, extractor: Extractor | None, read: Pass, whole: Clip, annotation: Annotation | None
    ) -> dict[str, Any]:
        if cell.untrained:
            raise UntrainedError(cell.untrained)
        start, _ = cell.part or (0, 0)
        known = annotation
        if start:  # metrics see a part as a video of its own, whose first frame is 0
            later = whole.later(start, float(read.times[start]))
            whole = replace(later, ordinals=later.ordinals - start)
            annotation = annotation and annotation.within(start, read.info.n_frames)
            known = annotation and annotation.moved(-start)
        if extractor is None:
            return self._human(cell, whole, known)
        asked = Asked.of(extractor, cell.budget, cell.run_sampling)
        clip, n_run = asked.clip(read, annotation), len(read.grid(cell.run_sampling))
        if start:
            clip = clip.later(start, float(read.times[start]))
            n_run = int((read.grid(cell.run_sampling) >= start).sum())
            if not len(clip):
                raise UsageError(
                    f"no frame of the part that is scored, from frame {start}, is sampled at {cell.sampling}; sample "
                    "more often, or hold out more"
                )
        draws, values, k = [], [], None
        judged: dict[Any, dict[str, float]] = {}
        for draw in range(extractor.draws):
            found, k = asked.answer(read, cell.seed, draw=draw, clip=clip, n_run=n_run)
            draws.append(replace(found, cost={**found.cost, **self._own_cost(asked, read, found, first=draw == 0)}))
            values.append(self._measure(draws[-1].moved(-start) if start else draws[-1], whole, known, judged))
        said: dict[str, Any] = {
            name: next(filter(None, (getattr(d, name) for d in draws)), "") for name in ("fallback", "shortfall")
        }
        # Scores and thresholds of all frames are too much for a table's file.
        kept = replace(draws[0], **said, frame_scores=None, thresholds=None)
        warnings = shared_features(extractor, self.metrics, asked.budget)
        return self._record(
            cell, mean_of(values), len(clip), whole, len(values), k=k, keyframes=kept.to_json(), warnings=warnings
        )

    def _record(
        self, cell: Cell, metrics: dict[str, float | None], n_sampled: int, clip: Clip, draws: int, **found: Any
    ) -> dict[str, Any]:
        """Return the record of a cell that was computed."""
        numbers = {"n_sampled": n_sampled, "n_frames": clip.video.n_frames, "draws": draws}
        versions = self.metric_versions
        return cell_record(cell, "ok", **numbers, metrics=metrics, metric_versions=versions, **found)

    def _own_cost(self, asked: Asked, read: Pass, found: KeyFrames, *, first: bool) -> dict[str, float]:
        """Return the highest memory seen, and what a method that needs packets alone would have spent on them."""
        peaks = [read.peak_mb, found.cost.get("peak_mb", 0.0), anonymous_mb() if first else 0.0]
        packets_s = self.packets_s if all(feature.source == "packets" for feature in asked.features) else None
        return {"peak_mb": max(peaks), **({} if packets_s is None else {"decode_s": packets_s})}

    @cached_property
    def packets_s(self) -> float | None:
        """What reading the packets alone takes; they are read only where a method needs no more."""
        found = trusted_packets(self.job.item.path)
        return found and found[1]

    def _human(self, cell: Cell, whole: Clip, annotation: Annotation | None) -> dict[str, Any]:
        """Score each person who chose key frames against the others (A22), never against themself."""
        assert annotation is not None  # planned only for videos with users
        values = []
        for index, user in enumerate(annotation.users):
            if not len(user) or len(annotation.choosers) < 2:
                continue
            assert user.frames is not None and user.times is not None  # aligned
            values.append(self._measure(KeyFrames(user.frames, user.times), whole, annotation.without_user(index), {}))
        untimed = dict.fromkeys(Metric.registry.get("cost").columns)  # annotators are not timed
        nobody = dict.fromkeys(column for metric in self.metrics for column in metric.columns)  # in a part of the video
        return self._record(cell, (mean_of(values) if values else nobody) | untimed, len(whole), whole, len(values))

    def _measure(
        self, result: KeyFrames, whole: Clip, annotation: Annotation | None, known: dict[Any, dict[str, float]]
    ) -> dict[str, Any]:
        """Return every column; ``known`` remembers what draws of the same frames were given."""
        values: dict[str, Any] = {}
        for metric in self.metrics:
            if not metric.applies(annotation):
                values |= dict.fromkeys(metric.columns)
                continue
            # The package's own depend on the frames alone, but for what the draw has cost.
            own = metric.name != "cost" and not source_digest(type(metric))
            key = (metric.name, result.frames.tobytes()) if own else None
            if key not in known:
                with watched(metric, replace(whole, annotation=annotation), result):
                    found = metric.compute(result, whole, annotation)
                if found.keys() != metric.columns.keys() or not all(map(math.isfinite, found.values())):
                    raise ContractError(
                        f"metric {metric.name!r} gave {found}, not finite numbers for {', '.join(metric.columns)}"
                    )
                known[key] = found
            values |= known[key] if key else known.pop(None)
        return values
