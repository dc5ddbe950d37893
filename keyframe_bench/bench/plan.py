"""Which cells a run consists of, and which of them are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from ..core.annotation import Annotation, annotation_json
from ..core.cells import HUMAN, Cell, read_cell, read_video_record
from ..core.errors import (
    KeyframeBenchError,
    UnavailableError,
    UsageError,
    VideoError,
    raise_out_of_memory,
)
from ..core.files import digest
from ..core.grammar import Budget
from ..core.processes import garbage_kept
from ..core.sources import source_digest
from ..datasets.base import VideoItem
from ..extractors._external import External
from ..extractors.asked import features_read
from ..extractors.base import Extractor
from ..extractors.trainable import Trainable
from ..metrics.base import Metric
from ..training.reading import Say
from ..video.frame_folder import check_video, sha256_of_video
from .learned import Division, Learned, divide, given, leak_of, learn
from .picks import check_items, counted, external, timelines
from .spec import NotRun, RunSpec, Variant, variants


@dataclass(frozen=True)
class VideoJob:
    """One video with all its cells: the unit of work.

    Its features are kept on disk for other runs, up to ``cache_bytes`` of all videos; 0 keeps none and uses none.
    """

    item: VideoItem
    sha256: str
    cells: tuple[Cell, ...]
    unreadable: str = ""
    cache_bytes: int = 0


@dataclass(frozen=True)
class Scope:
    """What is true now: cells of other bytes, other annotations or videos that are gone belong in no table."""

    # (data set, video) to (sha256, digest of the annotation)
    videos: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    keys: frozenset[str] = frozenset()  # cells that were asked for
    # Data set, split, hash of a division: what was trained on other folds is out of date
    divisions: frozenset[tuple[str, str, str]] = frozenset()

    def __or__(self, other: Scope) -> Scope:
        return Scope(self.videos | other.videos, self.keys | other.keys, self.divisions | other.divisions)

    def __contains__(self, record: Mapping[str, Any]) -> bool:
        """Say whether a cell is about a video of this run as it is now: a table is about one data set."""
        if self.videos.get((record["dataset"], record["video"])) != (record["video_sha256"], record["annotation"]):
            return False
        division, place = record.get("division"), (record["dataset"], record.get("split"))
        known = [digest for *at, digest in self.divisions if tuple(at) == place]
        return division is None or not known or division in known


@dataclass(frozen=True)
class Plan:
    """Every cell of a run."""

    spec: RunSpec
    jobs: list[VideoJob]  # one a video, all cells
    not_run: list[NotRun]
    revision: str  # of the data set
    variants: list[Variant] = field(default_factory=list)  # with a checkpoint, where there is one
    division: Division | None = None  # of a run with a split
    trainings: list[Learned] = field(default_factory=list)  # of all folds and seeds, each once

    @property
    def cells(self) -> list[Cell]:
        """All cells of all videos."""
        return [cell for job in self.jobs for cell in job.cells]

    def scope(self) -> Scope:
        """Return which cells of the output folder are up to date."""
        name = self.spec.dataset.name
        videos = {(name, job.item.id): (job.sha256, annotation_digest(job.item.annotation)) for job in self.jobs}
        divisions = [] if self.division is None else [(name, self.division.name, self.division.digest)]
        return Scope(videos, frozenset(cell.key for cell in self.cells), frozenset(divisions))

    @garbage_kept()
    def missing(self, stored: StoredCells) -> list[VideoJob]:
        """Return the jobs reduced to cells that have no usable result yet; complete videos are left out.

        A video without a usable record has its first cell computed again, and its record with it.
        """
        versions = metric_versions()
        jobs = (missing_part(job, stored, versions) for job in self.jobs)
        return [job for job in jobs if job.cells]


class StoredCells:
    """The cells in the folder of a run; a file that stays as it is is read once."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.problems: list[str] = []  # a sentence for every file that cannot be used
        self.lines: dict[str, dict[str, Any]] = {}  # line of ``results.jsonl`` to its cell; empty until it is written
        self._known: dict[Path, tuple[tuple[int, ...], dict[str, Any] | None]] = {}

    def read(self, path: Path) -> dict[str, Any] | None:
        """Return the cell in a file; None where it cannot be used, or is not there."""
        try:
            about = path.stat()
            stamp: tuple[int, ...] = (about.st_ino, about.st_size, about.st_mtime_ns)
        except OSError:  # reading tells why
            stamp = ()
        if path not in self._known or self._known[path][0] != stamp:
            self._known[path] = stamp, read_cell(path, self.problems)
        return self._known[path][1]


def missing_part(job: VideoJob, stored: StoredCells, versions: Mapping[str, str]) -> VideoJob:
    """Return the job with the cells of which there is no good result with today's metrics: one job of `missing`."""
    columns = {column for name in versions for column in Metric.registry.get(name).columns}
    out, problems = stored.out, stored.problems

    def is_done(cell: Cell) -> bool:
        found = stored.read(cell_path(out, cell.key))
        if found is None or found["status"] != "ok" or not versions.items() <= found["metric_versions"].items():
            return False
        missing = sorted(columns - found["metrics"].keys())
        if missing:
            problems.append(f"{str(cell_path(out, cell.key))!r} has no {', '.join(missing)}; it counts as missing")
        return not missing

    cells = tuple(cell for cell in job.cells if not is_done(cell))
    if job.cells and read_video_record(record_path(out, job.cells[0]), job.item.id, job.sha256, problems) is None:
        cells = cells or job.cells[:1]
    return replace(job, cells=cells)


def cell_path(out: Path, key: str) -> Path:
    """Return where the cell with ``key`` is kept."""
    return out / "cells" / f"{key}.json"


def record_path(out: Path, cell: Cell) -> Path:
    """Return where the record of the cell's video is kept."""
    return out / "videos" / f"{cell.video_record}.json"


def metric_versions() -> dict[str, str]:
    """Return, for every metric that can be computed here, its version and the keys of the features it reads."""
    built = {name: Metric.registry.build(name) for name in Metric.registry.names()}
    return {
        name: " ".join(
            [str(m.version), *(f.key + source_digest(type(f)) for f in m.needs), source_digest(type(m))]
        ).strip()
        for name, m in built.items()
    }


def make_plan(spec: RunSpec, *, only_found: bool = False, say: Say = lambda _: None) -> Plan:
    """List the data set's videos and every cell of the run, after training what its split asks for.

    With ``only_found`` nothing is trained: cells of trainings that are not there count as missing. Raises `UsageError`,
    `UnavailableError` when the data set, an extractor or an option is wrong, or a method would be scored on what it
    learned from; `VideoError` when ``on_error=raise`` and a file cannot be read.
    """
    chosen, not_run = variants(spec)
    picks = external(spec, chosen)
    items = spec.dataset.videos() if spec.pixels else timelines(spec, picks)
    if not items:
        raise UsageError(f"data set {spec.dataset.name!r} has no videos; check dataset.root")
    check_items(spec, picks, items)
    for budget in spec.budgets:
        if budget.kind != "picks" and not any(budget.fits(item.annotation) for item in items):
            budget.check(None, f"data set {spec.dataset.name!r}")
    items = [item for item in items if spec.items is None or item.id in spec.items][: spec.limit]
    chosen = _kept(spec, chosen, partial(_blind, spec, items), not_run)
    jobs = [_job(spec, item) for item in items]
    chosen = _kept(spec, chosen, partial(leak_of, spec, shas={job.item.id: job.sha256 for job in jobs}), not_run)
    jobs = [_fitting(spec, replace(job, item=counted(spec, picks, job.item, job.sha256))) for job in jobs]
    division, learned = None, {}
    if spec.split is not None:
        division = divide(spec, spec.split, [job.item for job in jobs], [job.sha256 for job in jobs])
        learned = learn(spec, chosen, division, only_found=only_found, say=say)
        jobs = [replace(j, unreadable=j.unreadable or division.unreadable.get(j.item.id, "")) for j in jobs]
        jobs = [job for job in jobs if job.unreadable or job.item.id in division.tested]
    trainings = list({id(one): one for several in learned.values() for one in several}.values())
    ready: list[Variant] = []
    rows: list[_Row] = []
    for number, variant in enumerate(chosen):
        method, several = variant.build(), learned.get(number, [])
        if variant.options is None:
            ready.append(variant)
            rows.append(_Row(method, given(method) if isinstance(method, Trainable) else None, variant.picks))
        else:
            ready.append(variant.with_checkpoint(next((one.path for one in several if one.path), "")))
            rows += [_Row(variant.with_checkpoint(one.path).build(), one) for one in several]
    jobs = [replace(job, cells=tuple(_cells(spec, job, rows, division))) for job in jobs]
    known = [[job.item.id, job.sha256, annotation_digest(job.item.annotation)] for job in jobs]
    revision = (
        f"{spec.dataset.revision() if spec.pixels else digest(known)} {source_digest(type(spec.dataset))}".strip()
    )
    return Plan(spec, jobs, list(dict.fromkeys(not_run)), revision, ready, division, trainings)


def _kept(
    spec: RunSpec,
    chosen: Sequence[Variant],
    obstacle: Callable[[Variant], KeyframeBenchError | None],
    not_run: list[NotRun],
) -> list[Variant]:
    """Return the methods without an ``obstacle``; others are ``not_run``, and one asked for by name raises."""
    kept = []
    for variant in chosen:
        error = obstacle(variant)
        if error is None:
            kept.append(variant)
        elif variant.name in spec.named or variant.name in spec.grid:
            raise error
        else:
            not_run.append(NotRun(variant.name, str(error).removeprefix(_cannot_run(variant))))
    return kept


def _blind(spec: RunSpec, items: Sequence[VideoItem], variant: Variant) -> KeyframeBenchError | None:
    """Return the error of a method that requires annotations which there are not."""
    method = variant.build()
    by_users = isinstance(method, Trainable) and method.supervision == "users" and variant.options is not None
    what = ""
    if by_users and not any(item.annotation is not None and item.annotation.choosers for item in items):
        what = "learns from human annotators"
    elif not spec.pixels and any(features_read(method, budget) for budget in spec.budgets):
        what = "needs pixels"
    elif method.privileged and not any(is_annotated(item.annotation) for item in items):
        what = "requires annotations"
    reason = f"{_cannot_run(variant)}it {what}, and data set {spec.dataset.name!r} has none"
    return UnavailableError(reason) if what else None


def _cannot_run(variant: Variant) -> str:
    return f"extractor {variant.name!r} cannot run: "


def _job(spec: RunSpec, item: VideoItem) -> VideoJob:
    try:
        check_video(item.path)
        sha = sha256_of_video(item.path)
    except (VideoError, OSError) as error:
        raise_out_of_memory(error)
        if spec.on_error == "raise":
            raise
        reason = error.reason if isinstance(error, VideoError) else str(error)
        return VideoJob(item, "", (), reason)
    return VideoJob(item, sha, (), cache_bytes=round(spec.cache_gb * 1e9))


def _fitting(spec: RunSpec, job: VideoJob) -> VideoJob:
    """Return the job; as one that cannot be read where its video has nothing that a budget counts."""
    try:
        for budget in () if job.unreadable else spec.budgets:
            budget.check(job.item.annotation, f"video {job.item.id!r}")
    except UsageError as error:
        if spec.on_error == "raise":
            raise
        return VideoJob(job.item, "", (), str(error))
    return job


class _Row:
    """A method as a row of the table has it, and what it has learned if it does."""

    def __init__(self, method: Extractor, learned: Learned | None, path: str = "") -> None:
        self.method, self.learned = method, learned
        self.path = path or str(method.params.get(method.file_parameter, ""))
        self.params = dict(method.key_params)
        self.source = source_digest(type(method))
        self.features = cache(self._features)

    def _features(self, budget: Budget) -> tuple[str, ...]:
        """Return the keys of what is read; of a method that could not be trained nothing is known."""
        if self.learned is not None and self.learned.untrained:
            return ()
        features = (f.key + source_digest(type(f)) for f in features_read(self.method, budget))
        return (*features, *self.method.depends_on)


def _cells(spec: RunSpec, job: VideoJob, rows: Sequence[_Row], division: Division | None) -> Iterator[Cell]:
    """Yield the cells of one video; none where it cannot be read."""
    item = job.item
    if job.unreadable:
        return
    part = None if division is None else division.part(item.id)
    common: dict[str, Any] = {
        "dataset": spec.dataset.name,
        "annotation": annotation_digest(item.annotation),
        "video": item.id,
        "video_sha256": job.sha256,
        "run_sampling": spec.sampling,
        "part": part,
    }
    split = None if part is None or division is None else division.name
    for row in rows:
        method, one, seeds = row.method, row.learned, spec.seeds
        fields = {**common, "split": split, "path": row.path}
        if method.privileged and not is_annotated(item.annotation):
            continue
        if isinstance(method, External) and item.id not in method.picks.items:
            continue
        own_seed = one is not None and one.seed is not None and division is not None  # of its training
        if one is not None:
            if division is not None and one.fold is not None and one.fold not in division.folds_testing(item.id):
                continue
            start_s = None if part is None or division is None else division.starts[item.id][1]
            fields = {**common, **one.fields(division), "seen": one.has_seen(job.sha256, start_s)}
            seeds = (one.seed,) if own_seed and one.seed is not None else seeds
        for budget in spec.budgets:
            if budget.needs_support not in method.supports:
                continue
            for seed in seeds if method.stochastic or own_seed else (0,):
                yield Cell(
                    extractor=method.name,
                    version=method.version,
                    params=row.params,
                    features=row.features(budget),
                    budget=str(budget),
                    sampling=method.sampling or spec.sampling,
                    seed=seed,
                    source=row.source,
                    **fields,
                )
    if item.annotation is not None and len(item.annotation.choosers) > 1:
        # The annotators' own choices against each other: they have no budget, so that the row stands once.
        yield Cell(HUMAN, 1, {}, (), budget="free", sampling="every", seed=0, split=split, **common)


def is_annotated(annotation: Annotation | None) -> bool:
    """Say whether there is what `oracle` can reach for: key frames of annotators, or shots."""
    if annotation is None:
        return False
    return bool(annotation.choosers) or (annotation.shots is not None and len(annotation.shots) > 0)


def annotation_digest(annotation: Annotation | None) -> str:
    """Return a hash of what is known about a video: part of the key of its cells."""
    return digest(annotation_json(annotation))
