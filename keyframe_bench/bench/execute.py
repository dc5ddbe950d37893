"""A run: what is missing is planned and computed; what is written once at its end."""

from __future__ import annotations

import functools
import json
import operator
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core.errors import KeyframeBenchError
from ..core.files import locked, make_folder, parse_json, read_file, remove_leftovers, write_atomic
from ..core.registry import load_plugins
from ..metrics.base import Metric
from ..tables.caveats import favoured
from ..training.reading import Say
from ..video.onepass import read_pass
from .cell_records import shared_columns, shared_features
from .learned import keep_shown
from .plan import Plan, Scope, StoredCells, VideoJob, make_plan
from .provenance import ended_record, started_record
from .results import collect_results
from .run import requests_of
from .spec import CHECKPOINT, NotRun, RunSpec
from .workers import VideoReport, map_videos, workers_ready


@dataclass(frozen=True)
class RunSummary:
    """What a run, or a sweep of runs into one folder, did."""

    out: Path
    scope: Scope  # which cells of the folder are up to date
    computed: frozenset[str]  # keys of those that were computed now
    skipped: dict[str, str]  # video id to reason
    failed: dict[str, str]  # key of every failed cell to a line about it
    not_run: list[NotRun]  # extractors left out
    trainings: frozenset[str]  # checkpoints of the trainings that cells rest on
    notes: list[str]  # what the user should know about this machine or the folder; results are the same
    record: dict[str, Any]  # what ``run.json`` holds
    lost: int = 0  # cells of the run that are not in the folder at its end

    @property
    def n_videos(self) -> int:
        """How many videos the data set has."""
        return len(self.scope.videos)

    @property
    def n_cells(self) -> int:
        """How many cells the run has."""
        return len(self.scope.keys)

    @property
    def n_computed(self) -> int:
        """How many cells were computed now."""
        return len(self.computed)

    @property
    def failures(self) -> list[str]:
        """One line per failed cell, after one that tells of cells that are not there."""
        lost = (
            f"{self.lost} of {self.n_cells} cells are not in {str(self.out / 'cells')!r} at the end of the run: the "
            "folder was changed meanwhile, or workers on other machines need the same paths, on a file system that "
            "they share; run the same command again"
        )
        return [*([lost] if self.lost else []), *self.failed.values()]


def run_benchmark(
    spec: RunSpec,
    *,
    command: str = "",
    report: VideoReport | None = None,
    say: Say = lambda _: None,
    stored: StoredCells | None = None,
) -> RunSummary:
    """Train what a split asks for, compute the missing cells of ``spec`` and derive ``results.jsonl`` and ``run.json``.

    For errors see `make_plan` and `run_video`. ``command``: how the run was started, for the report; ``report`` and
    ``say``: progress; told what is trained; ``stored``: of ``spec.out``, where the caller needs them afterwards.
    """
    load_plugins(spec.plugins)
    start = started_record(command)
    stored = stored or StoredCells(spec.out)
    with workers_ready(spec):
        plan = make_plan(spec, say=say)
        for folder in ("", "cells", "videos", "thumbs"):
            remove_leftovers(make_folder(spec.out / folder))
        if plan.division is not None:
            write_atomic(spec.out / "split.json", json.dumps(plan.division.document, indent=1) + "\n")
        keep_shown(spec.out, plan.cells)
        results = list(map_videos(spec, plan.missing(stored), report))
    unreadable = {job.item.id: job.unreadable for job in plan.jobs if job.unreadable}
    summary = RunSummary(
        out=spec.out,
        scope=plan.scope(),
        computed=frozenset(key for r in results if not r.skipped for key in r.statuses),
        skipped=unreadable | {r.video: r.skipped for r in results if r.skipped},
        failed={key: line for r in results for key, line in r.failures.items()},
        not_run=plan.not_run,
        trainings=frozenset(one.path for one in plan.trainings if one.path),
        notes=list(dict.fromkeys(note for r in results for note in r.notes)),
        record=start | _run_record(plan),
    )
    return _written(summary, stored)


def finish_sweep(summaries: Sequence[RunSummary], facts: Mapping[str, Any] | None = None) -> RunSummary:
    """Write ``run.json`` (with ``facts``) and ``results.jsonl`` for runs into one folder; return them as one."""
    records = [s.record for s in summaries]
    record = records[-1] | {
        **(facts or {}),
        "started": min(r["started"] for r in records),
        **{name: ",".join(dict.fromkeys(r[name] for r in records)) for name in ("budget", "sampling")},
        "seeds": sorted({seed for r in records for seed in r["seeds"]}),
        "extractors": {name: about for r in records for name, about in r["extractors"].items()},
        "warnings": list(dict.fromkeys(text for r in records for text in r["warnings"])),
        "own_columns": _merged(r["own_columns"] for r in records),
    }
    total = RunSummary(
        out=summaries[0].out,
        scope=functools.reduce(operator.or_, (s.scope for s in summaries)),
        computed=frozenset().union(*(s.computed for s in summaries)),
        skipped={video: reason for s in summaries for video, reason in s.skipped.items()},
        failed={key: line for s in summaries for key, line in s.failed.items()},
        not_run=list(dict.fromkeys(n for s in summaries for n in s.not_run)),
        trainings=frozenset().union(*(s.trainings for s in summaries)),
        notes=list(dict.fromkeys(note for s in summaries for note in s.notes)),
        record=record,
    )
    return _written(total, StoredCells(total.out))


def _written(summary: RunSummary, stored: StoredCells) -> RunSummary:
    """Write ``results.jsonl`` and ``run.json``, which also tells of the runs before that the results come from.

    The summary comes back with what was found in the folder: cells that are not there, and files that are no cells.
    """
    out = summary.out
    record = summary.record | {
        "n_videos": summary.n_videos,
        "skipped": [{"video": video, "reason": reason} for video, reason in sorted(summary.skipped.items())],
        "not_run": [vars(n) for n in summary.not_run],
        **ended_record(),
    }
    with locked(out):  # another run into this folder may be at its end too: the last one finds the cells of both
        records = collect_results(stored, summary.scope)
        earlier = _earlier_record(out / "run.json")
        found = {r["extractor"] for r in records}
        others = [text for r in records if r["extractor"] not in record["extractors"] for text in r["warnings"]]
        record["warnings"] = list(dict.fromkeys([*record["warnings"], *others]))
        known = {name: about for name, about in earlier["extractors"].items() if name in found}
        record["extractors"] = known | record["extractors"]
        own = {name: columns for name, columns in earlier["own_columns"].items() if name in found}
        record["own_columns"] = own | record["own_columns"]
        if any(r["key"] not in summary.scope.keys for r in records):
            commands = map(str, [*earlier["earlier_commands"], *earlier["command"]])
            record["earlier_commands"] = [text for text in dict.fromkeys(commands) if text != record["command"]]
        write_atomic(out / "run.json", json.dumps(record, indent=1))
    lost = len(summary.scope.keys - {r["key"] for r in records})
    return replace(summary, record=record, notes=list(dict.fromkeys([*stored.problems, *summary.notes])), lost=lost)


def _earlier_record(file: Path) -> dict[str, Any]:
    """Return what the last run into the folder said of itself and of those before; nothing when that is no record."""
    try:
        earlier = parse_json(read_file(file).decode())
        return {
            "extractors": dict(earlier["extractors"]),
            "own_columns": {name: sorted(columns) for name, columns in favoured(earlier).items()},
            "earlier_commands": list(earlier.get("earlier_commands", [])),
            "command": [earlier["command"]],
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"extractors": {}, "own_columns": {}, "earlier_commands": [], "command": []}


_ABOUT = ("reference", "budget_rule", "known_defects")


def _run_record(plan: Plan) -> dict[str, Any]:
    spec = plan.spec
    metrics = [Metric.registry.build(name) for name in Metric.registry.names()]
    measured = [m for m in metrics if any(m.applies(job.item.annotation) for job in plan.jobs)]
    methods = {v.name: v.build() for v in plan.variants}
    trained = [v.build() for v in plan.variants if v.options is None or v.params[CHECKPOINT]]
    asked = [(e, budget) for e in trained for budget in spec.budgets]
    own = [{e.name: column} for e, budget in asked for column in shared_columns(e, measured, budget).values()]
    return {
        "dataset": spec.dataset.name,
        "revision": plan.revision,
        "budget": ",".join(map(str, spec.budgets)),
        "sampling": spec.sampling,
        "seeds": list(spec.seeds),
        **({} if plan.division is None else {"split": plan.division.name, "folds": len(plan.division.folds)}),
        "columns": metric_columns(),
        "extractors": {n: {name: str(getattr(m, name)) for name in _ABOUT} for n, m in methods.items()},
        "warnings": list(dict.fromkeys(text for e, budget in asked for text in shared_features(e, measured, budget))),
        "own_columns": _merged(own),
    }


def _merged(parts: Iterable[Mapping[str, Iterable[str]]]) -> dict[str, list[str]]:
    """Return all columns of each extractor."""
    found: dict[str, set[str]] = {}
    for name, columns in (item for part in parts for item in part.items()):
        found.setdefault(name, set()).update(columns)
    return {name: sorted(columns) for name, columns in found.items()}


def metric_columns() -> dict[str, dict[str, Any]]:
    """Return name, direction, unit and meaning of every column: against annotations first, facts and cost last."""
    found = {}

    def rank(name: str) -> tuple[bool, bool, str]:
        metric = Metric.registry.build(name)
        return metric.requires is None, not metric.needs, name

    for name in sorted(Metric.registry.names(), key=rank):
        for column, about in Metric.registry.get(name).columns.items():
            found[column] = {"metric": name, **vars(about)}
    return found


@dataclass(frozen=True)
class DryRun:
    """What a run would do."""

    n_videos: int
    n_cells: int
    n_missing: int
    per_extractor: dict[str, tuple[int, int]]  # name to (cells, missing cells)
    # Estimates: speed measured on each video's first frames with the features needed; disk from typical sizes. Of
    # trainings nothing is known before.
    seconds: float
    megabytes: float
    not_run: list[NotRun]
    n_trainings: int  # trainings that cells rest on, and how many of them are not finished
    n_untrained: int


def dry_run(spec: RunSpec) -> DryRun:
    """Plan ``spec`` without computing a cell or writing into its folder (a rendered data set is rendered)."""
    load_plugins(spec.plugins)
    plan = make_plan(spec, only_found=True)
    jobs = plan.missing(StoredCells(spec.out))
    n_cells = Counter(cell.extractor for cell in plan.cells)
    n_missing = Counter(cell.extractor for job in jobs for cell in job.cells)
    return DryRun(
        n_videos=len(plan.jobs),
        n_cells=n_cells.total(),
        n_missing=n_missing.total(),
        per_extractor={name: (n, n_missing[name]) for name, n in n_cells.items()},
        seconds=_estimated_seconds(jobs) / (spec.n_jobs or 1),
        megabytes=n_missing.total() * _CELL_BYTES / 1e6,
        not_run=plan.not_run,
        n_trainings=len(plan.trainings),
        n_untrained=sum(bool(one.untrained) for one in plan.trainings),
    )


_PROBE_FRAMES = 60
_OVERHEAD = 1.5  # selection, metrics and the second pass for thumbnails, on top of decoding and features
_CELL_BYTES = 6_000 + 6 * 8_000  # with score curve and thumbnails: several methods choose the same frame


def _estimated_seconds(jobs: Sequence[VideoJob]) -> float:
    """Return estimated seconds on one worker: each video's first frames, with every feature, times its length."""
    total = 0.0
    for number, job in enumerate(jobs):
        probe = functools.partial(read_pass, job.item.path, requests_of(job.cells), sha256=job.sha256)
        try:
            if number == 0:  # loading libraries and networks is paid once, not per frame
                probe(limit=_PROBE_FRAMES)
            start = time.perf_counter()
            read = probe(limit=_PROBE_FRAMES)
        except KeyframeBenchError:
            continue  # it will be skipped
        per_frame = (time.perf_counter() - start) / read.info.n_frames
        declared = read.health.declared_frames or round((read.health.declared_duration_s or 0) * read.info.fps)
        total += per_frame * max(declared, read.info.n_frames) * _OVERHEAD
    return total
