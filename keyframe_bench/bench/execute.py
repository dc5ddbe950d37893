"""Mapping videos to workers, and what is written once at the end of a run."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..core.budget import Budget
from ..core.errors import KeyframeBenchError
from ..core.files import make_folder, remove_leftovers, write_atomic
from ..core.registry import load_plugins, plugin_files
from ..extractors.base import Extractor
from ..metrics.base import Metric
from .plan import Plan, Scope, VideoJob, make_plan
from .provenance import started_record
from .results import collect_results
from .run import JobResult, run_video, shared_features
from .spec import NotRun, OnError, RunSpec

# Called with (videos finished, videos in all, video id, share of the current video or 1.0).
Report = Callable[[int, int, str, float], None]


@dataclass(frozen=True)
class RunSummary:
    """What a run did.

    Attributes
    ----------
    out : Path
    n_videos : int
        Of the data set.
    n_cells, n_computed : int
        Cells of the run, and how many of them were computed now.
    skipped : dict
        Video id to reason.
    failures : list of str
        One line per failed cell.
    not_run : list of NotRun
        Extractors left out.
    scope : Scope
        Which cells of the folder are up to date.
    record : dict
        What ``run.json`` holds.
    """

    out: Path
    n_videos: int
    n_cells: int
    n_computed: int
    skipped: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    not_run: list[NotRun] = field(default_factory=list)
    scope: Scope = field(default_factory=Scope)
    record: dict[str, Any] = field(default_factory=dict)


def run_benchmark(spec: RunSpec, *, command: str = "", report: Report | None = None) -> RunSummary:
    """Compute the missing cells of ``spec`` and derive ``results.jsonl`` and ``run.json``.

    Parameters
    ----------
    spec : RunSpec
    command : str
        How the run was started, for the report.
    report : callable, optional
        Progress.

    Returns
    -------
    RunSummary

    Raises
    ------
    KeyframeBenchError
        See `make_plan` and `run_video`.
    """
    load_plugins(spec.plugins)
    plan = make_plan(spec)
    for folder in ("", "cells", "videos", "thumbs"):
        remove_leftovers(make_folder(spec.out / folder))
    jobs = plan.missing()
    unreadable = [job for job in plan.jobs if job.unreadable]
    results = list(_map(spec, jobs, report))
    skipped = {job.item.id: job.unreadable for job in unreadable} | {r.video: r.skipped for r in results if r.skipped}
    summary = RunSummary(
        spec.out,
        len(plan.jobs),
        len(plan.cells),
        sum(len(r.statuses) for r in results if not r.skipped),
        skipped,
        [line for r in results for line in r.failures],
        plan.not_run,
        plan.scope(),
    )
    summary = replace(summary, record=_run_record(plan, summary, command))
    _write_record(spec.out, summary)
    return summary


def finish_sweep(summaries: Sequence[RunSummary], facts: Mapping[str, Any] | None = None) -> RunSummary:
    """Write ``run.json`` (with ``facts``) and ``results.jsonl`` for runs into one folder; return them as one."""
    out = summaries[0].out
    scope = functools.reduce(operator.or_, (s.scope for s in summaries))
    records = [s.record for s in summaries]
    not_run = list(dict.fromkeys(n for s in summaries for n in s.not_run))
    skipped = {video: reason for s in summaries for video, reason in s.skipped.items()}
    record = records[-1] | {
        **(facts or {}),
        **{name: ",".join(dict.fromkeys(r[name] for r in records)) for name in ("budget", "sampling")},
        "seeds": sorted({seed for r in records for seed in r["seeds"]}),
        "n_videos": len(scope.videos),
        "extractors": {name: about for r in records for name, about in r["extractors"].items()},
        "skipped": _skipped(skipped),
        "not_run": [vars(n) for n in not_run],
        "warnings": list(dict.fromkeys(text for r in records for text in r["warnings"])),
    }
    total = RunSummary(
        out,
        len(scope.videos),
        len(scope.keys),
        sum(s.n_computed for s in summaries),
        skipped,
        [line for s in summaries for line in s.failures],
        not_run,
        scope,
        record,
    )
    _write_record(out, total)
    return total


def _write_record(out: Path, summary: RunSummary) -> None:
    """Write ``results.jsonl`` and ``run.json``, which also tells of the runs before that the results come from."""
    records = collect_results(out, summary.scope)
    record = summary.record
    others = [text for r in records if r["extractor"] not in record["extractors"] for text in r["warnings"]]
    record["warnings"] = list(dict.fromkeys([*record["warnings"], *others]))
    if any(r["key"] not in summary.scope.keys for r in records):
        record["earlier_commands"] = _earlier_commands(out / "run.json", record["command"])
    write_atomic(out / "run.json", json.dumps(record, indent=1))


def _earlier_commands(file: Path, command: str) -> list[str]:
    try:
        earlier = json.loads(file.read_text("utf-8"))
        known = [*earlier.get("earlier_commands", []), earlier["command"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return [text for text in dict.fromkeys(map(str, known)) if text != command]


def _skipped(skipped: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"video": video, "reason": reason} for video, reason in sorted(skipped.items())]


def _map(spec: RunSpec, jobs: list[VideoJob], report: Report | None) -> Iterator[JobResult]:
    total = len(jobs)
    if spec.backend == "serial" or spec.n_jobs == 1 or total < 2:
        for done, job in enumerate(jobs):
            yield run_video(job, spec.out, spec.on_error, _video_progress(report, done, total, job))
            if report is not None:
                report(done + 1, total, job.item.id, 1.0)
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import BrokenProcessPool

    plugins = plugin_files()
    pool = Parallel(n_jobs=spec.n_jobs, backend=spec.backend, return_as="generator_unordered")
    tasks = (delayed(_work)(job, spec.out, spec.on_error, plugins) for job in jobs)
    try:
        for done, result in enumerate(pool(tasks), start=1):
            if report is not None:
                report(done, total, result.video, 1.0)
            yield result
    except BrokenProcessPool as error:
        raise KeyframeBenchError(
            "a worker process was killed, perhaps for want of memory; finished videos are kept: "
            f"run the same command again, with fewer than executor.n_jobs={spec.n_jobs}"
        ) from error


def _work(job: VideoJob, out: Path, on_error: OnError, plugins: list[str]) -> JobResult:
    """Run one video in a worker process, which knows no plug-in yet and shares the cores with its siblings."""
    import cv2

    cv2.setNumThreads(1)
    load_plugins(plugins)
    return run_video(job, out, on_error)


def _video_progress(report: Report | None, done: int, total: int, job: VideoJob) -> Callable[[float], None] | None:
    if report is None:
        return None
    return lambda seconds: report(done, total, job.item.id, seconds)


_ABOUT = ("reference", "budget_rule", "known_defects")


def _run_record(plan: Plan, summary: RunSummary, command: str) -> dict[str, Any]:
    spec = plan.spec
    registry = Extractor.registry
    classes = {v.name: registry.get(v.name) for v in plan.variants}
    metrics = [Metric.registry.build(name) for name in Metric.registry.names()]
    measured = [m for m in metrics if any(m.applies(job.item.annotation) for job in plan.jobs)]
    return {
        **started_record(command),
        "dataset": spec.dataset.name,
        "revision": plan.revision,
        "budget": ",".join(spec.budgets),
        "sampling": spec.sampling,
        "seeds": list(spec.seeds),
        "n_videos": summary.n_videos,
        "columns": metric_columns(),
        "extractors": {n: {name: getattr(c, name) for name in _ABOUT} for n, c in classes.items()},
        "skipped": _skipped(summary.skipped),
        "not_run": [vars(n) for n in summary.not_run],
        "warnings": list(
            dict.fromkeys(
                w
                for v in plan.variants
                for b in spec.budgets
                for w in shared_features(v.build(), measured, Budget.parse(b))
            )
        ),
    }


def metric_columns() -> dict[str, dict[str, Any]]:
    """Return name, direction, unit and meaning of every column: against annotations first, facts and cost last."""
    found = {}

    def rank(name: str) -> tuple[bool, bool, str]:
        metric = Metric.registry.build(name)
        return metric.wants is None, not metric.needs, name

    for name in sorted(Metric.registry.names(), key=rank):
        for column, about in Metric.registry.get(name).columns.items():
            found[column] = {"metric": name, **vars(about)}
    return found


@dataclass(frozen=True)
class DryRun:
    """What a run would do.

    Attributes
    ----------
    n_cells, n_missing : int
    per_extractor : dict
        Name to (cells, missing cells).
    seconds, megabytes : float
        Estimates: speed measured on each video's first frames with the features needed; disk from typical sizes.
    """

    n_videos: int
    n_cells: int
    n_missing: int
    per_extractor: dict[str, tuple[int, int]]
    seconds: float
    megabytes: float
    not_run: list[NotRun]


def dry_run(spec: RunSpec) -> DryRun:
    """Plan ``spec`` without computing a cell or writing into its folder (a rendered data set is rendered)."""
    from .estimate import estimate_disk_mb, estimate_seconds

    load_plugins(spec.plugins)
    plan = make_plan(spec)
    missing = plan.missing()
    gone = {cell.key for job in missing for cell in job.cells}
    counts: dict[str, tuple[int, int]] = {}
    for cell in plan.cells:
        all_, lacking = counts.get(cell.extractor, (0, 0))
        counts[cell.extractor] = (all_ + 1, lacking + (cell.key in gone))
    seconds = estimate_seconds(missing) / spec.n_jobs
    return DryRun(len(plan.jobs), len(plan.cells), len(gone), counts, seconds, estimate_disk_mb(missing), plan.not_run)
