"""A run: what is missing is planned and computed; what is written once at its end."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..core.files import locked, make_folder, read_file, remove_leftovers, write_atomic
from ..core.records import parse_json
from ..core.registry import load_plugins
from ..extractors.base import Extractor
from ..metrics.base import Metric
from .cell_records import shared_features
from .learned import Say
from .plan import Plan, Scope, make_plan
from .provenance import ended_record, started_record
from .results import collect_results
from .spec import CHECKPOINT, NotRun, RunSpec
from .workers import Report, map_videos, workers_ready


@dataclass(frozen=True)
class RunSummary:
    """What a run did.

    Attributes
    ----------
    out : Path
    n_videos : int
        Of the data set.
    n_cells : int
        Cells of the run.
    computed : frozenset of str
        Keys of those that were computed now.
    skipped : dict
        Video id to reason.
    failed : dict
        Key of every failed cell to a line about it.
    not_run : list of NotRun
        Extractors left out.
    scope : Scope
        Which cells of the folder are up to date.
    record : dict
        What ``run.json`` holds.
    trainings : frozenset of str
        Checkpoints of the trainings that cells rest on.
    notes : list of str
        What the user should know about this machine or the folder; results are the same.
    lost : int
        Cells of the run that are not in the folder at its end.
    """

    out: Path
    n_videos: int
    n_cells: int
    computed: frozenset[str] = frozenset()
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    not_run: list[NotRun] = field(default_factory=list)
    scope: Scope = field(default_factory=Scope)
    record: dict[str, Any] = field(default_factory=dict)
    trainings: frozenset[str] = frozenset()
    notes: list[str] = field(default_factory=list)
    lost: int = 0

    @property
    def n_computed(self) -> int:
        """How many cells were computed now."""
        return len(self.computed)

    @property
    def failures(self) -> list[str]:
        """One line per failed cell, after one that tells of cells that are not there."""
        lost = [
            f"{self.lost} of {self.n_cells} cells are not in {str(self.out / 'cells')!r} at the end of the run: the "
            "folder was changed meanwhile, or workers on other machines need the same paths, on a file system that "
            "they share; run the same command again"
        ]
        return [*lost[: self.lost], *self.failed.values()]


def run_benchmark(
    spec: RunSpec, *, command: str = "", report: Report | None = None, say: Say = lambda _: None
) -> RunSummary:
    """Train what a split asks for, compute the missing cells of ``spec`` and derive ``results.jsonl`` and ``run.json``.

    Parameters
    ----------
    spec : RunSpec
    command : str
        How the run was started, for the report.
    report : callable, optional
        Progress.
    say : callable
        Told what is trained.

    Returns
    -------
    RunSummary

    Raises
    ------
    KeyframeBenchError
        See `make_plan` and `run_video`.
    """
    load_plugins(spec.plugins)
    start = started_record(command)
    problems: list[str] = []
    with workers_ready(spec):
        plan = make_plan(spec, say=say)
        for folder in ("", "cells", "videos", "thumbs"):
            remove_leftovers(make_folder(spec.out / folder))
        if plan.division is not None:
            write_atomic(spec.out / "split.json", json.dumps(plan.division.document, indent=1) + "\n")
        results = list(map_videos(spec, plan.missing(problems), report))
    unreadable = [job for job in plan.jobs if job.unreadable]
    skipped = {job.item.id: job.unreadable for job in unreadable} | {r.video: r.skipped for r in results if r.skipped}
    summary = RunSummary(
        spec.out,
        len(plan.jobs),
        len(plan.cells),
        frozenset(key for r in results if not r.skipped for key in r.statuses),
        skipped,
        {key: line for r in results for key, line in r.failures.items()},
        plan.not_run,
        plan.scope(),
        trainings=frozenset(one.path for one in plan.trainings if one.path),
        notes=list(dict.fromkeys([*problems, *(note for r in results for note in r.notes)])),
    )
    return _written(replace(summary, record=start | _run_record(plan, summary)))


def finish_sweep(summaries: Sequence[RunSummary], facts: Mapping[str, Any] | None = None) -> RunSummary:
    """Write ``run.json`` (with ``facts``) and ``results.jsonl`` for runs into one folder; return them as one."""
    out = summaries[0].out
    scope = functools.reduce(operator.or_, (s.scope for s in summaries))
    records = [s.record for s in summaries]
    not_run = list(dict.fromkeys(n for s in summaries for n in s.not_run))
    skipped = {video: reason for s in summaries for video, reason in s.skipped.items()}
    record = records[-1] | {
        **(facts or {}),
        "started": min(r["started"] for r in records),
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
        frozenset().union(*(s.computed for s in summaries)),
        skipped,
        {key: line for s in summaries for key, line in s.failed.items()},
        not_run,
        scope,
        record,
        trainings=frozenset().union(*(s.trainings for s in summaries)),
        notes=list(dict.fromkeys(note for s in summaries for note in s.notes)),
    )
    return _written(total)


def _written(summary: RunSummary) -> RunSummary:
    """Write ``results.jsonl`` and ``run.json``, which also tells of the runs before that the results come from.

    The summary comes back with what was found in the folder: cells that are not there, and files that are no cells.
    """
    out, record = summary.out, summary.record | ended_record()
    with locked(out):  # another run into this folder may be at its end too: the last one finds the cells of both
        records, problems = collect_results(out, summary.scope)
        earlier = _earlier_record(out / "run.json")
        found = {r["extractor"] for r in records}
        others = [text for r in records if r["extractor"] not in record["extractors"] for text in r["warnings"]]
        record["warnings"] = list(dict.fromkeys([*record["warnings"], *others]))
        known = {name: about for name, about in earlier["extractors"].items() if name in found}
        record["extractors"] = known | record["extractors"]
        if any(r["key"] not in summary.scope.keys for r in records):
            commands = map(str, [*earlier["earlier_commands"], *earlier["command"]])
            record["earlier_commands"] = [text for text in dict.fromkeys(commands) if text != record["command"]]
        write_atomic(out / "run.json", json.dumps(record, indent=1))
    lost = len(summary.scope.keys - {r["key"] for r in records})
    return replace(summary, record=record, notes=list(dict.fromkeys([*summary.notes, *problems])), lost=lost)


def _earlier_record(file: Path) -> dict[str, Any]:
    """Return what the last run into the folder said of itself and of those before; nothing when that is no record."""
    try:
        earlier = parse_json(read_file(file).decode())
        return {
            "extractors": dict(earlier["extractors"]),
            "earlier_commands": list(earlier.get("earlier_commands", [])),
            "command": [earlier["command"]],
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"extractors": {}, "earlier_commands": [], "command": []}


def _skipped(skipped: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"video": video, "reason": reason} for video, reason in sorted(skipped.items())]


_ABOUT = ("reference", "budget_rule", "known_defects")


def _run_record(plan: Plan, summary: RunSummary) -> dict[str, Any]:
    spec = plan.spec
    registry = Extractor.registry
    classes = {v.name: registry.get(v.name) for v in plan.variants}
    metrics = [Metric.registry.build(name) for name in Metric.registry.names()]
    measured = [m for m in metrics if any(m.applies(job.item.annotation) for job in plan.jobs)]
    return {
        "dataset": spec.dataset.name,
        "revision": plan.revision,
        "budget": ",".join(map(str, spec.budgets)),
        "sampling": spec.sampling,
        "seeds": list(spec.seeds),
        **({} if plan.division is None else {"split": plan.division.name, "folds": len(plan.division.folds)}),
        "n_videos": summary.n_videos,
        "columns": metric_columns(),
        "extractors": {n: {name: getattr(c, name) for name in _ABOUT} for n, c in classes.items()},
        "skipped": _skipped(summary.skipped),
        "not_run": [vars(n) for n in summary.not_run],
        "warnings": list(
            dict.fromkeys(
                w
                for v in plan.variants
                if v.options is None or v.params[CHECKPOINT]
                for b in spec.budgets
                for w in shared_features(v.build(), measured, b)
            )
        ),
    }


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
    """What a run would do.

    Attributes
    ----------
    n_cells, n_missing : int
    per_extractor : dict
        Name to (cells, missing cells).
    seconds, megabytes : float
        Estimates: speed measured on each video's first frames with the features needed; disk from typical sizes. Of
        trainings nothing is known before.
    n_trainings, n_untrained : int
        Trainings that cells rest on, and how many of them are not finished.
    """

    n_videos: int
    n_cells: int
    n_missing: int
    per_extractor: dict[str, tuple[int, int]]
    seconds: float
    megabytes: float
    not_run: list[NotRun]
    n_trainings: int = 0
    n_untrained: int = 0


def dry_run(spec: RunSpec) -> DryRun:
    """Plan ``spec`` without computing a cell or writing into its folder (a rendered data set is rendered)."""
    from .estimate import estimate_disk_mb, estimate_seconds

    load_plugins(spec.plugins)
    plan = make_plan(spec, only_found=True)
    missing = plan.missing([])
    gone = {cell.key for job in missing for cell in job.cells}
    counts: dict[str, tuple[int, int]] = {}
    for cell in plan.cells:
        all_, lacking = counts.get(cell.extractor, (0, 0))
        counts[cell.extractor] = (all_ + 1, lacking + (cell.key in gone))
    seconds = estimate_seconds(missing) / (spec.n_jobs or 1)
    return DryRun(
        len(plan.jobs),
        len(plan.cells),
        len(gone),
        counts,
        seconds,
        estimate_disk_mb(missing),
        plan.not_run,
        len(plan.trainings),
        sum(bool(one.untrained) for one in plan.trainings),
    )
