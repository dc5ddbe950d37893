"""One video: one pass, every cell of it, its thumbnails and its record."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from ..core.annotation import Annotation
from ..core.budget import Budget
from ..core.cells import FORMAT, HUMAN, Cell, thumbnails_folder
from ..core.clip import Clip, watched
from ..core.errors import (
    ContractError,
    OutputError,
    RowsWrittenError,
    UsageError,
    VideoError,
    memory_errors_named,
)
from ..core.feature import Feature, opens_file
from ..core.files import canonical_json, claimed, write_over
from ..core.keyframes import KeyFrames
from ..core.memory import anonymous_mb
from ..core.seeding import rng_for
from ..core.sources import source_digest
from ..extractors._inferred import budget_features, run_at_budget
from ..extractors.base import Extractor
from ..features.pixel_difference import PixelDifference
from ..metrics.base import Metric
from ..video.onepass import Pass, Progress, packets_seconds, read_pass
from ..video.store import FeatureStore, features_folder
from ..video.stored_pass import read_stored_pass
from .failures import WorkerDiedError, error_record, message_of, raise_interrupt, raise_plain
from .plan import VideoJob, cell_path, metric_versions, missing_part, record_path
from .provenance import package_versions
from .spec import CONTROLS, OnError, Variant
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

    @classmethod
    def merged(cls, results: Iterable[JobResult]) -> JobResult:
        """Return the results of parts of one video as one."""
        one, *others = results
        for other in others:
            one = cls(
                one.video,
                one.statuses | other.statuses,
                one.skipped or other.skipped,
                one.failures | other.failures,
                one.notes + other.notes,
            )
        return one


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
            result = JobResult.merged([result, _run_missing(_part(job, others), out, on_error, progress)])
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
        records: dict[Path, str | bytes] = {}
        for cell in job.cells:
            record = {
                **_identity(cell),
                **_about(cell),
                "status": "skipped",
                "error": {"type": type(error).__name__, "message": reason},
            }
            records[cell_path(out, cell.key)] = canonical_json({**_EMPTY, **record})
        write_over(records)
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
        return JobResult.merged([run_apart(part, out, on_error, attempt) for part in parts])
    error = WorkerDiedError("its worker process ended: killed, perhaps for want of memory, or by os._exit or a crash")
    if on_error == "raise":
        raise WorkerDiedError(_failure_line(job.cells[0], error))
    return _Video(job, out, on_error).failed(error)


def _by_method(job: VideoJob) -> list[VideoJob]:
    methods: dict[str, list[Cell]] = defaultdict(list)
    for cell in job.cells:
        methods[canonical_json([cell.extractor, cell.params])].append(cell)
    return [replace(job, cells=tuple(cells)) for cells in methods.values()]


_EMPTY: dict[str, Any] = {
    "label": "", "reference": "none", "budget_rule": "", "known_defects": "", "privileged": False, "control": False,
    "k": None, "n_sampled": 0, "n_frames": 0, "draws": 0, "keyframes": None, "metrics": {}, "metric_versions": {},
    "warnings": [], "error": None,
}  # fmt: skip


def _identity(cell: Cell) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **cell.to_json(),
        "control": cell.extractor in CONTROLS,
        "versions": package_versions(),
        "finished": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
    }


def requests_of(cells: Sequence[Cell]) -> dict[str, list[Feature]]:
    """Return what the pass over a video must compute for ``cells``, the metrics and the report, by sampling."""
    requests = requests_of_any_run(cells[0].run_sampling)
    for cell in cells:
        extractor = _build(cell)
        requests[cell.sampling] += () if extractor is None else _seen(cell, extractor)
    return requests


def requests_of_any_run(sampling: str) -> dict[str, list[Feature]]:
    """Return what the metrics and the report need, whatever the extractors, by sampling; others may be added."""
    requests: dict[str, list[Feature]] = defaultdict(list)
    requests[EVERY] += _metric_needs([Metric.registry.build(name) for name in Metric.registry.names()])
    requests[sampling].append(PixelDifference())
    return requests


def _seen(cell: Cell, extractor: Extractor) -> tuple[Feature, ...]:
    """Features that the method reads, and those that its budget is inferred from."""
    return tuple(dict.fromkeys([*extractor.needs, *budget_features(Budget.parse(cell.budget))]))


def _metric_needs(metrics: Sequence[Metric]) -> tuple[Feature, ...]:
    return tuple(dict.fromkeys(feature for metric in metrics for feature in metric.needs))


class _Video:
    def __init__(self, job: VideoJob, out: Path, on_error: OnError) -> None:
        self.job, self.out, self.on_error = job, out, on_error
        self.metrics = [Metric.registry.build(name) for name in Metric.registry.names()]
        self.metric_needs = _metric_needs(self.metrics)
        self.run_sampling = job.cells[0].run_sampling
        self.packets_s: float | None = None
        self.notes: tuple[str, ...] = ()

    def run(self, progress: Progress | None) -> JobResult:
        item = self.job.item
        built = {c.key: _build(c) for c in self.job.cells}
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
            return JobResult.merged([_Video(job, self.out, self.on_error).run(progress) for job in jobs])
        self.packets_s = packets_seconds(item.path)
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
                    records.append(self._cell(cell, built[cell.key], read, whole, annotation))
                except OutputError:
                    raise
                except BaseException as error:  # noqa: BLE001 - a failing method is a recorded row; the others go on
                    raise_interrupt(error)
                    if self.on_error == "raise":
                        raise_plain(error)
                    failures[cell.key] = _failure_line(cell, error)
                    records.append(_failure(cell, error))
                    if isinstance(error, RowsWrittenError) and error not in wrote:
                        wrote.append(error)
                        read = self._read(None)
                        whole, annotation = self._whole(read)
        except KeyboardInterrupt:
            self._written(records, failures)  # what is finished need not be computed again
            raise
        shown = sorted({n for r in records if r["keyframes"] for n in r["keyframes"]["frames"]})
        write_thumbnails(item.path, shown, read, thumbnails_folder(self.out, self.job.sha256))
        self._write_video_record(read, annotation)
        return self._written(records, failures)

    def _whole(self, read: Pass) -> tuple[Clip, Annotation | None]:
        """Return what metrics look at: every frame, and a copy of what is known about the video."""
        given = copy.deepcopy(self.job.item.annotation)
        annotation = None if given is None else given.aligned(read.times, self.job.item.id)
        return read.clip(EVERY, self.metric_needs), annotation

    def _read(self, progress: Progress | None) -> Pass:
        """Return the pass over the video, as far as possible from features that an earlier run has kept."""
        item, requests = self.job.item, requests_of(self.job.cells)
        if self.job.cache_bytes:
            try:
                store = FeatureStore(features_folder(), self.job.cache_bytes)
            except UsageError as error:  # no place for them
                self.notes = (str(error),)
            else:
                sha256 = self.job.sha256
                read = read_stored_pass(item.path, requests, store, name=item.id, sha256=sha256, progress=progress)
                self.notes = tuple(store.problems)
                return read
        return read_pass(item.path, requests, name=item.id, sha256=self.job.sha256, progress=progress)

    def failed(self, error: BaseException) -> JobResult:
        """Record that no cell could be had."""
        cells = self.job.cells
        return self._written([_failure(c, error) for c in cells], {c.key: _failure_line(c, error) for c in cells})

    def _written(self, records: list[dict[str, Any]], failures: dict[str, str]) -> JobResult:
        write_over({cell_path(self.out, record["key"]): canonical_json(record) for record in records})
        return JobResult(self.job.item.id, {r["key"]: r["status"] for r in records}, "", failures, self.notes)

    @memory_errors_named()
    def _cell(
        self, cell: Cell, extractor: Extractor | None, read: Pass, whole: Clip, annotation: Annotation | None
    ) -> dict[str, Any]:
        if extractor is None:
            return self._human(cell, read, whole, annotation)
        n_run, seen = len(read.grids[cell.run_sampling]), _seen(cell, extractor)
        clip = read.clip(cell.sampling, seen, annotation)
        cost = read.cost(cell.sampling, seen)
        if self.packets_s is not None and all(feature.source == "packets" for feature in seen):
            cost["decode_s"] = self.packets_s  # alone, it would not have decoded
        draws, values, k = [], [], None
        for draw in range(extractor.draws):
            rng = rng_for(cell.seed, cell.video_sha256, cell.extractor, draw)
            found, k = run_at_budget(extractor, clip, Budget.parse(cell.budget), n_run, rng=rng)
            peak = max(cost["peak_mb"], anonymous_mb() if draw == 0 else 0.0, found.cost.get("peak_mb", 0.0))
            draws.append(replace(found, cost={**cost, **found.cost, "peak_mb": peak}))
            values.append(self._measure(draws[-1], whole, annotation))
        fallback, shortfall = (
            next(filter(None, said), "") for said in ([d.fallback for d in draws], [d.shortfall for d in draws])
        )
        marked = replace(draws[0], fallback=fallback, shortfall=shortfall)
        return self._record(cell, extractor, clip, k, marked, values)

    def _record(
        self,
        cell: Cell,
        extractor: Extractor,
        clip: Clip,
        k: int | None,
        result: KeyFrames,
        values: list[dict[str, Any]],
    ) -> dict[str, Any]:
        result = replace(result, frame_scores=None, thresholds=None)  # numbers a frame: too much for a table's file
        return {
            **_EMPTY,
            **_identity(cell),
            **_about(cell),
            "status": "ok",
            "k": k,
            "n_sampled": len(clip),
            "n_frames": clip.video.n_frames,
            "draws": extractor.draws,
            "keyframes": result.to_json(),
            "metrics": _mean(values),
            "metric_versions": metric_versions(),
            "warnings": shared_features(extractor, self.metrics, Budget.parse(cell.budget)),
        }

    def _human(self, cell: Cell, read: Pass, whole: Clip, annotation: Annotation | None) -> dict[str, Any]:
        """Score each person who chose key frames against the others (A22), never against themself."""
        assert annotation is not None  # planned only for videos with users
        values = []
        for index, user in enumerate(annotation.users):
            if not len(user):
                continue
            assert user.frames is not None and user.times is not None  # aligned
            values.append(self._measure(KeyFrames(user.frames, user.times), whole, annotation.without_user(index)))
        return {
            **_EMPTY,
            **_identity(cell),
            **_about(cell),
            "status": "ok",
            "n_sampled": len(whole),
            "n_frames": read.info.n_frames,
            "draws": len(values),
            "metrics": _mean(values) | dict.fromkeys(Metric.registry.get("cost").columns),  # people are not timed
            "metric_versions": metric_versions(),
        }

    def _measure(self, result: KeyFrames, whole: Clip, annotation: Annotation | None) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for metric in self.metrics:
            if metric.applies(annotation):
                # Every row of every frame is looked at: that takes long, and the package's own metrics are tested.
                plugin = source_digest(type(metric))
                with watched(metric, replace(whole, annotation=annotation), result) if plugin else nullcontext():
                    found = metric.compute(result, whole, annotation)
                if found.keys() != metric.columns.keys() or not all(map(math.isfinite, found.values())):
                    raise ContractError(
                        f"metric {metric.name!r} gave {found}, not finite numbers for {', '.join(metric.columns)}"
                    )
                values |= found
            else:
                values |= dict.fromkeys(metric.columns)
        return values

    def _write_video_record(self, read: Pass, annotation: Annotation | None) -> None:
        clip = read.clip(self.run_sampling, (PixelDifference(),))
        change = np.round(clip[PixelDifference()].astype(float), 3)
        shots = None
        if annotation is not None and annotation.shots is not None:
            ends = np.append(read.times, read.info.start_s + read.info.duration_s)
            shots = ends[annotation.shots].round(4).tolist()
        users = () if annotation is None else annotation.users
        record = {
            "video": read.info.name,
            "sha256": read.info.sha256,
            **{n: getattr(read.info, n) for n in ("n_frames", "start_s", "duration_s", "fps", "width", "height")},
            "health": {**read.health.to_json(), "problems": read.health.problems},
            "change": {"times": clip.times.round(4).tolist(), "values": change.tolist()},
            "shots_s": shots,
            "users": [{"name": u.name, "times": u.times.tolist(), "frames": u.frames.tolist()} for u in users],  # type: ignore[union-attr]  # aligned users have both
        }
        write_over({record_path(self.out, self.job.cells[0]): canonical_json(record)})


def _about(cell: Cell) -> dict[str, Any]:
    """Return what a table says of the method, whatever became of the cell."""
    extractor = _build(cell)
    if extractor is None:
        return {"budget_rule": "as many as each person chose", "privileged": True}
    names = ("label", "reference", "budget_rule", "known_defects", "privileged")
    return {name: getattr(extractor, name) for name in names}


def _build(cell: Cell) -> Extractor | None:
    return None if cell.extractor == HUMAN else Variant(cell.extractor, cell.params).build()


def _mean(values: list[dict[str, Any]]) -> dict[str, float | None]:
    """Mean of each column over draws, None where a metric could not be measured."""

    def mean(column: str) -> float | None:
        present = [v[column] for v in values if v[column] is not None]
        return float(np.mean(present)) if present else None

    return {column: mean(column) for column in values[0]}


def shared_features(extractor: Extractor, metrics: Iterable[Metric], budget: Budget) -> list[str]:
    """Return a warning for every feature that ``extractor`` (or the budget) selects on and metrics judge by."""
    # What a black box looks at is not known; its needs only find its answer among the frames.
    name = extractor.name
    own = {feature.name: name for feature in extractor.needs if not opens_file(extractor.needs)}
    if budget.needs_support in extractor.supports:
        own = {feature.name: f"{name} at budget={budget}" for feature in budget_features(budget)} | own
    judges: dict[str, list[str]] = defaultdict(list)
    for metric in metrics:
        if any(column.direction != "none" for column in metric.columns.values()):
            for feature in metric.needs:
                judges[feature.name].append(metric.name)
    return [
        f"{', '.join(judges[feature])} look{'s' if len(judges[feature]) == 1 else ''} at {feature}, which {whose} "
        f"selects on: that favours {name}"
        for feature, whose in own.items()
        if judges[feature]
    ]


def _failure_line(cell: Cell, error: BaseException) -> str:
    return f"{cell.extractor} on {cell.video}: {type(error).__name__}: {message_of(error)}"


def _failure(cell: Cell, error: BaseException) -> dict[str, Any]:
    return {**_EMPTY, **_identity(cell), **_about(cell), "status": "failed", "error": error_record(error)}
