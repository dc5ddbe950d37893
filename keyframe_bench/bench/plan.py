"""Which cells a run consists of, and which of them are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..core.annotation import Annotation, annotation_json
from ..core.budget import Budget
from ..core.cells import HUMAN, Cell
from ..core.errors import UnavailableError, UsageError, VideoError, raise_out_of_memory
from ..core.feature import Feature
from ..core.files import digest
from ..core.records import read_cell, read_video_record
from ..core.sources import source_digest
from ..datasets.base import VideoItem
from ..extractors._inferred import budget_features
from ..extractors.trainable import Trainable
from ..metrics.base import Metric
from ..video.frame_folder import check_video, sha256_of_video
from .learned import Division, Learned, Say, divide, given, has_seen, learn, refuse_leaks
from .spec import CHECKPOINT, NotRun, RunSpec, Variant, variants


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
    """What is true now: cells of other bytes, other annotations or videos that are gone belong in no table.

    Attributes
    ----------
    videos : dict
        (data set, video) to (sha256, digest of the annotation).
    keys : frozenset of str
        Cells that were asked for.
    divided : dict
        (data set, split) to hashes of its divisions: what was trained on other folds is out of date.
    """

    videos: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    keys: frozenset[str] = frozenset()
    divided: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    def __or__(self, other: Scope) -> Scope:
        both = {at: self.divided.get(at, frozenset()) | other.divided.get(at, frozenset()) for at in self.divided}
        return Scope(self.videos | other.videos, self.keys | other.keys, other.divided | both)

    def __contains__(self, record: Mapping[str, Any]) -> bool:
        """Say whether a cell is about a video of this run as it is now: a table is about one data set."""
        now = self.videos.get((record["dataset"], record["video"]))
        division = record.get("division")
        current = {division} if division is None else self.divided.get((record["dataset"], record["split"]), {division})
        return division in current and now == (record["video_sha256"], record["annotation"])


@dataclass(frozen=True)
class Plan:
    """Every cell of a run.

    Attributes
    ----------
    spec : RunSpec
    jobs : list of VideoJob
        One a video, all cells.
    not_run : list of NotRun
    revision : str
        Of the data set.
    variants : list of Variant
        With a checkpoint, where there is one.
    division : Division or None
        Of a run with a split.
    trainings : list of Learned
        Of all folds and seeds, each once.
    """

    spec: RunSpec
    jobs: list[VideoJob]
    not_run: list[NotRun]
    revision: str
    variants: list[Variant] = field(default_factory=list)
    division: Division | None = None
    trainings: list[Learned] = field(default_factory=list)

    @property
    def cells(self) -> list[Cell]:
        """All cells of all videos."""
        return [cell for job in self.jobs for cell in job.cells]

    def scope(self) -> Scope:
        """Return which cells of the output folder are up to date."""
        name = self.spec.dataset.name
        videos = {(name, job.item.id): (job.sha256, annotation_digest(job.item.annotation)) for job in self.jobs}
        divided = {} if self.division is None else {(name, self.division.name): frozenset({self.division.digest})}
        return Scope(videos, frozenset(cell.key for cell in self.cells), divided)

    def missing(self, problems: list[str]) -> list[VideoJob]:
        """Return the jobs reduced to cells that have no usable result yet; complete videos are left out.

        A video without a usable record has its first cell computed again, and its record with it. ``problems`` takes
        a sentence for every file that cannot be used.
        """
        versions = metric_versions()
        jobs = (missing_part(job, self.spec.out, versions, problems) for job in self.jobs)
        return [job for job in jobs if job.cells]


def missing_part(job: VideoJob, out: Path, versions: Mapping[str, str], problems: list[str]) -> VideoJob:
    """Return the job with the cells of which ``out`` has no good result with today's metrics: one job of `missing`."""
    columns = {column for name in versions for column in Metric.registry.get(name).columns}

    def is_done(cell: Cell) -> bool:
        found = read_cell(cell_path(out, cell.key), problems)
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

    Parameters
    ----------
    spec : RunSpec
    only_found : bool
        Train nothing: cells of trainings that are not there count as missing.
    say : callable
        Told what is trained.

    Raises
    ------
    UsageError, UnavailableError
        When the data set, an extractor or an option is wrong, or a method would be scored on what it learned from.
    VideoError
        When ``on_error=raise`` and a file cannot be read.
    """
    chosen, not_run = variants(spec)
    items = spec.dataset.videos()[: spec.limit]
    if not items:
        raise UsageError(f"data set {spec.dataset.name!r} has no videos; check dataset.root")
    chosen, left_out = _without_blind(spec, chosen, items)
    not_run = [*not_run, *left_out]
    jobs = [_job(spec, item) for item in items]
    division, learned = None, {}
    chosen, left_out = _without_leaks(spec, chosen, jobs)
    not_run = [*not_run, *left_out]
    if spec.split:
        division = divide(spec, [job.item for job in jobs], [job.sha256 for job in jobs])
        learned = learn(spec, chosen, division, only_found=only_found, say=say)
        jobs = [replace(j, unreadable=j.unreadable or division.unreadable.get(j.item.id, "")) for j in jobs]
        jobs = [job for job in jobs if job.unreadable or job.item.id in division.tested]
    for number, variant in enumerate(chosen):
        if variant.options is None and isinstance(method := variant.build(), Trainable):
            learned[number] = [given(method)]
    jobs = [replace(job, cells=tuple(_cells(spec, job, chosen, learned, division))) for job in jobs]
    revision = f"{spec.dataset.revision()} {source_digest(type(spec.dataset))}".strip()
    trainings = {id(one): one for several in learned.values() for one in several if division is not None}
    ready = [v.with_checkpoint(_first_path(learned[i])) if v.options else v for i, v in enumerate(chosen)]
    return Plan(spec, jobs, not_run, revision, ready, division, list(trainings.values()))


def _first_path(learned: Iterable[Learned]) -> str:
    return next((one.path for one in learned if one.path), "")


def _without_leaks(spec: RunSpec, chosen: list[Variant], jobs: list[VideoJob]) -> tuple[list[Variant], list[NotRun]]:
    """Leave out methods that would be scored on what they learned from annotators of; one asked for by name raises."""
    kept, left_out = [], []
    for variant in chosen:
        try:
            refuse_leaks(spec, variant, {job.item.id: job.sha256 for job in jobs})
            kept.append(variant)
        except UsageError as error:
            if variant.name in spec.named or variant.name in spec.grid:
                raise
            left_out.append(NotRun(variant.name, str(error)))
    return kept, left_out


def _without_blind(
    spec: RunSpec, chosen: list[Variant], items: Sequence[VideoItem]
) -> tuple[list[Variant], list[NotRun]]:
    """Leave out methods that look at annotations which there are not; one asked for by name raises."""
    known = any(_known(item.annotation) for item in items)
    users = any(item.annotation is not None and item.annotation.choosers for item in items)
    kept, left_out = [], []
    for variant in chosen:
        method = variant.build()
        reason = "it looks at annotations" if method.privileged and not known else ""
        by_users = isinstance(method, Trainable) and method.supervision == "users"
        if by_users and variant.options is not None and not users:
            reason = "it learns from human annotators"
        if not reason:
            kept.append(variant)
            continue
        reason += f", and data set {spec.dataset.name!r} has none"
        if variant.name in spec.named or variant.name in spec.grid:
            raise UnavailableError(f"extractor {variant.name!r} cannot run: {reason}")
        left_out.append(NotRun(variant.name, reason))
    return kept, list(dict.fromkeys(left_out))


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


def _cells(
    spec: RunSpec,
    job: VideoJob,
    chosen: list[Variant],
    learned: Mapping[int, list[Learned]],
    division: Division | None,
) -> Iterable[Cell]:
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
    where: dict[str, Any] = {} if part is None or division is None else {"split": division.name}
    for number, variant in enumerate(chosen):
        if number not in learned:
            yield from _cells_of(spec, variant, item, spec.seeds, {**common, **where})
            continue
        for one in learned[number]:
            if one.fold is not None and division is not None and one.fold not in division.folds_testing(item.id):
                continue
            ready = variant.with_checkpoint(one.path)
            start_s = None if part is None or division is None else division.starts[item.id][1]
            told = {**common, **one.fields(division), "seen": has_seen(one, job.sha256, start_s)}
            seeds = spec.seeds if division is None or one.seed is None else (one.seed,)
            yield from _cells_of(spec, ready, item, seeds, told, once=one.seed is None or division is None)
    if item.annotation is not None and len(item.annotation.choosers) > 1:
        # The people's own choice against each other: it has no budget, so it stands once.
        yield Cell(HUMAN, 1, {}, (), budget="free", sampling="every", seed=0, **common, **where)


def _cells_of(
    spec: RunSpec, variant: Variant, item: VideoItem, seeds: Sequence[int], common: Mapping[str, Any], once: bool = True
) -> Iterable[Cell]:
    """Yield the cells of one method on one video; with ``once``, seed 0 alone where the selection draws nothing."""
    extractor = variant.build()
    if extractor.privileged and not _known(item.annotation):
        return
    params = variant.params
    if isinstance(extractor, Trainable):  # where the checkpoint lies is of no matter
        params = {name: value for name, value in params.items() if name != CHECKPOINT}
    for budget in spec.budgets:
        wanted = Budget.parse(budget)
        if wanted.needs_support not in extractor.supports:
            continue
        features: dict[Feature, None] = {}
        depends_on: tuple[str, ...] = ()
        if not common.get("untrained"):
            features = dict.fromkeys([*extractor.needs, *budget_features(wanted)])
            depends_on = extractor.depends_on
        for seed in seeds if extractor.stochastic or not once else (0,):
            yield Cell(
                extractor=variant.name,
                version=extractor.version,
                params=params,
                features=(*(f.key + source_digest(type(f)) for f in features), *depends_on),
                budget=budget,
                sampling=extractor.sampling or spec.sampling,
                seed=seed,
                source=source_digest(type(extractor)),
                **common,
            )


def _known(annotation: Annotation | None) -> bool:
    if annotation is None:
        return False
    return bool(annotation.choosers) or (annotation.shots is not None and len(annotation.shots) > 0)


def annotation_digest(annotation: Annotation | None) -> str:
    """Return a hash of what is known about a video: part of the key of its cells."""
    return digest(annotation_json(annotation))
