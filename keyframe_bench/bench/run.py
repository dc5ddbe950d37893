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

import numpy as np

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
from ..core.grammar import EVERY
from ..core.processes import anonymous_mb
from ..core.sources import source_digest
from ..extractors.asked import Asked, run_at_budget
from ..features.change import PixelDifference
from ..metrics.base import Metric
from ..video.frame_folder import Timeline
from ..video.onepass import Pass, Progress, read_pass
from ..video.packets import trusted_packets
from ..video.store import FeatureStore, features_folder
from .cell_records import (
    build_extractor,
    cell_record,
    choice_record,
    failure_line,
    mean_of,
    shared_features,
    video_record,
    write_choices,
    write_thumbnails,
)
from .failures import UntrainedError, WorkerDiedError, error_record, raise_interrupt, raise_plain
from .plan import StoredCells, VideoJob, cell_path, metric_versions, missing_part, record_path
from .spec import OnError


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
    """Compute the cells of ``job`` (usually its missing ones) with one decode and write them.

    ``on_error`` says what a file without frames, or an extractor that fails, means; ``progress`` gets the PTS reached.
    Raises `VideoError`, `KeyframeBenchError` with ``on_error="raise"``; `OutputError` when a result cannot be written,
    whatever the policy.
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
    job = missing_part(job, StoredCells(out), metric_versions())
    if not job.cells:
        return JobResult(job.item.id, {})
    try:
        return _Video(job, out, on_error).run(progress)
    except (VideoError, UsageError) as error:  # the file, or what the annotation says about it
        if on_error == "raise":
            raise
        reason = error.reason if isinstance(error, VideoError) else str(error)
        why = {"type": type(error).__name__, "message": reason}
        write_over({cell_path(out, c.key): canonical_json(cell_record(c, "skipped", error=why)) for c in job.cells})
        return JobResult(job.item.id, {c.key: "skipped" for c in job.cells}, reason)


def run_apart(
    job: VideoJob, out: Path, on_error: OnError, attempt: Callable[[VideoJob], JobResult | None]
) -> JobResult:
    """Compute a video; where its process dies, every method by itself, so that one's fault is its own.

    ``attempt`` computes a job in another process, and returns None when that dies. Raises `WorkerDiedError` with
    ``on_error="raise"``.
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
    requests[str(EVERY)] += [
        feature for name in Metric.registry.names() for feature in Metric.registry.build(name).needs
    ]
    requests[sampling].append(PixelDifference())
    return requests


def _checked_text(record: dict[str, Any]) -> str:
    """Return ``record`` as it is kept; `ContractError` says why it cannot be: what a plug-in gives is in it."""
    try:
        text = canonical_json(record)
        parse_cell(text)
    except (TypeError, ValueError) as error:
        raise ContractError(f"its result cannot be kept: {error}") from error
    return text


class _Video:
    """The cells of one video while they are computed."""

    def __init__(self, job: VideoJob, out: Path, on_error: OnError) -> None:
        self.job, self.out, self.on_error = job, out, on_error
        self.metrics = [Metric.registry.build(name) for name in Metric.registry.names()]
        self.has_pixels = not isinstance(job.item.path, Timeline)
        # The package's own depend on the frames alone, but for what they have cost.
        self.of_frames = [m for m in self.metrics if not (m.measures_cost or source_digest(type(m)))]
        self.of_draws = [m for m in self.metrics if m not in self.of_frames]
        self.metric_versions = metric_versions()
        self.records: dict[str, str] = {}  # texts by key
        self.statuses: dict[str, str] = {}
        self.failures: dict[str, str] = {}
        self.choices: dict[str, dict[str, Any]] = {}  # `choice_record` by key
        self.notes: tuple[str, ...] = ()

    def run(self, progress: Progress | None) -> JobResult:
        try:
            read = self._read(progress)
        except (VideoError, OutputError):
            raise
        except BaseException as error:  # noqa: BLE001 - whose feature failed, running the methods apart will tell
            self._let_out(error)
            jobs = _by_method(self.job)
            if len(jobs) == 1:
                return self.failed(error)
            return reduce(or_, (_Video(job, self.out, self.on_error).run(progress) for job in jobs))
        whole, annotation = self._whole(read)
        shown: set[int] = set()
        wrote: list[RowsWrittenError] = []
        try:
            for cell in self.job.cells:
                try:
                    for written in wrote:
                        if str(written).startswith((f"extractor {cell.extractor!r} ", "metric ")):
                            raise written
                    record = self._cell(cell, read, whole, annotation)
                    self._add(record, _checked_text(record))
                    shown |= set(record["keyframes"]["frames"] if record["keyframes"] else ())
                except OutputError:
                    raise
                except BaseException as error:  # noqa: BLE001 - a failing method is a recorded row; the others go on
                    self._let_out(error)
                    self._add_failed(cell, error)
                    if isinstance(error, RowsWrittenError) and error not in wrote:
                        wrote.append(error)
                        read = self._read(None)
                        whole, annotation = self._whole(read)
            if self.has_pixels:
                place = thumbnails_folder(self.out, self.job.sha256)
                write_thumbnails(self.job.item.path, sorted(shown), read, place)
            about = video_record(read, self.job.cells[0].run_sampling, annotation)
            place = record_path(self.out, self.job.cells[0])
            write_over({place: canonical_json(about)})
            write_choices(place, self.job.item.path, self.out, self.choices)
        except KeyboardInterrupt:
            self._written()  # what is finished need not be computed again
            raise
        return self._written()

    def failed(self, error: BaseException) -> JobResult:
        """Record that no cell could be had."""
        for cell in self.job.cells:
            self._add_failed(cell, error)
        return self._written()

    def _let_out(self, error: BaseException) -> None:
        """Raise what is no row: an interrupt, and any error with ``on_error="raise"``."""
        raise_interrupt(error)
        if self.on_error == "raise":
            raise_plain(error)

    def _add(self, record: dict[str, Any], text: str) -> None:
        self.records[record["key"]], self.statuses[record["key"]] = text, record["status"]

    def _add_failed(self, cell: Cell, error: BaseException) -> None:
        record = cell_record(cell, "failed", error=error_record(error))
        self._add(record, canonical_json(record))
        self.failures[cell.key] = failure_line(cell, error)

    def _written(self) -> JobResult:
        write_over({cell_path(self.out, key): text for key, text in self.records.items()})
        return JobResult(self.job.item.id, self.statuses, "", self.failures, self.notes)

    def _whole(self, read: Pass) -> tuple[Clip, Annotation | None]:
        """Return what metrics look at: every frame, and a copy of what is known about the video."""
        given = copy.deepcopy(self.job.item.annotation)
        annotation = None if given is None else given.aligned(read.times, self.job.item.id)
        needs = dict.fromkeys(f for metric in self.metrics for f in metric.needs if self.has_pixels)
        return read.clip(EVERY, needs), annotation

    def _read(self, progress: Progress | None) -> Pass:
        """Return the pass over the video, as far as possible from features that an earlier run has kept."""
        item, store = self.job.item, None
        if self.job.cache_bytes:
            try:
                store = FeatureStore(features_folder(), self.job.cache_bytes)
            except UsageError as error:  # no place for them
                self.notes = (str(error),)
        facts: dict[str, Any] = {"name": item.id, "sha256": self.job.sha256, "store": store}
        for cell in self.job.cells:
            extractor = build_extractor(cell)
            if extractor is not None and not cell.untrained:
                start = cell.part[0] if cell.part else 0
                Asked.of(extractor, cell.budget, cell.run_sampling).check_length(item.path, start, **facts)
        read = read_pass(item.path, requests_of(self.job.cells), keep=True, progress=progress, **facts)
        if store is not None:
            self.notes = tuple(store.problems)
        return read

    @memory_errors_named()
    def _cell(self, cell: Cell, read: Pass, whole: Clip, annotation: Annotation | None) -> dict[str, Any]:
        """Return the record of a cell that can be computed."""
        if cell.untrained:
            raise UntrainedError(cell.untrained)
        start, _ = cell.part or (0, 0)
        known = annotation
        if start:  # metrics see a part as a video of its own, whose first frame is 0
            later = whole.later(start, float(read.times[start]))
            whole = replace(later, ordinals=later.ordinals - start)
            annotation = annotation and annotation.within(start, read.info.n_frames)
            known = annotation and annotation.moved(-start)
        extractor = build_extractor(cell)
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
        cost, own = asked.cost(read), {}
        needs_packets = all(feature.source == "packets" for feature in asked.features)
        if needs_packets and self.has_pixels and self.packets_s is not None:  # what it would have spent on them alone
            own["decode_s"] = self.packets_s
        draws, values, k = [], [], None
        judged: dict[bytes, dict[str, Any]] = {}
        for draw in range(extractor.draws):
            found, k = run_at_budget(extractor, clip, asked.budget, n_run, rng=asked.rng(read, cell.seed, draw))
            peaks = [cost["peak_mb"], found.cost.get("peak_mb", 0.0), 0.0 if draw else anonymous_mb()]
            found = replace(found, cost={**cost, **found.cost, **own, "peak_mb": max(peaks)})
            draws.append(found)
            values.append(self._measured(found.moved(-start) if start else found, whole, known, judged))
        said: dict[str, Any] = {
            name: next(filter(None, (getattr(d, name) for d in draws)), "") for name in ("fallback", "shortfall")
        }
        # Scores and thresholds of all frames are too much for a table's file.
        self.choices[cell.key] = choice_record(extractor, clip, draws[0], k, read)
        kept = replace(draws[0], **said, frame_scores=None, thresholds=None)
        measured = mean_of(values)
        if not (extractor.timed and self.has_pixels):
            kept, measured = replace(kept, cost={}), measured | self.untimed
        warnings = shared_features(extractor, self.metrics, asked.budget)
        return self._record(
            cell, measured, len(clip), whole, len(values), k=k, keyframes=kept.to_json(), warnings=warnings
        )

    def _record(
        self, cell: Cell, metrics: dict[str, float | None], n_sampled: int, clip: Clip, draws: int, **found: Any
    ) -> dict[str, Any]:
        """Return the record of a cell that was computed."""
        numbers = {"n_sampled": n_sampled, "n_frames": clip.video.n_frames, "draws": draws}
        return cell_record(cell, "ok", **numbers, metrics=metrics, metric_versions=self.metric_versions, **found)

    @property
    def untimed(self) -> dict[str, Any]:
        """Columns of cost without a number: of what was chosen elsewhere."""
        return dict.fromkeys(column for metric in self.metrics if metric.measures_cost for column in metric.columns)

    @cached_property
    def packets_s(self) -> float | None:
        """What reading the packets alone takes; they are read only where a method needs no more."""
        found = trusted_packets(self.job.item.path)
        return found and found[1]

    def _human(self, cell: Cell, whole: Clip, annotation: Annotation | None) -> dict[str, Any]:
        """Score each human annotator who chose key frames against all others; annotators are not timed."""
        assert annotation is not None  # planned only for videos with users
        values = []
        for index, user in enumerate(annotation.users):
            if not len(user) or len(annotation.choosers) < 2:
                continue
            assert user.frames is not None and user.times is not None  # aligned
            scored = None if user.importance is None else np.arange(len(user.importance))
            chosen = KeyFrames(user.frames, user.times, frame_scores=user.importance, scored=scored)
            values.append(self._measured(chosen, whole, annotation.without_user(index), {}))
        nobody = dict.fromkeys(column for metric in self.metrics for column in metric.columns)  # in a part of the video
        measured = (mean_of(values) if values else nobody) | self.untimed
        return self._record(cell, measured, len(whole), whole, len(values))

    def _measured(
        self, result: KeyFrames, whole: Clip, annotation: Annotation | None, judged: dict[bytes, dict[str, Any]]
    ) -> dict[str, Any]:
        """Return every column; ``judged`` remembers what draws of the same frames were given."""
        scores = b"" if result.frame_scores is None else result.frame_scores.tobytes()
        frames = result.frames.tobytes() + scores
        if frames not in judged:
            judged[frames] = self._columns(self.of_frames, result, whole, annotation)
        return judged[frames] | self._columns(self.of_draws, result, whole, annotation)

    def _columns(
        self, metrics: Sequence[Metric], result: KeyFrames, whole: Clip, annotation: Annotation | None
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        seen = replace(whole, annotation=annotation) if annotation else whole
        for metric in metrics:
            if not metric.applies(annotation) or (metric.needs and not self.has_pixels):
                values |= dict.fromkeys(metric.columns)
                continue
            with watched(metric, seen, result):
                found = metric.compute(result, whole, annotation)
            if found.keys() != metric.columns.keys() or not all(map(math.isfinite, found.values())):
                raise ContractError(
                    f"metric {metric.name!r} gave {found}, not finite numbers for {', '.join(metric.columns)}"
                )
            values |= found
        return values
