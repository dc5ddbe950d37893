"""``keyframe-bench run``: cells, table and report; ``-m`` sweeps with Hydra's launchers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from ..bench.execute import DryRun, RunSummary, dry_run, finish_sweep, metric_columns, run_benchmark
from ..bench.plan import StoredCells
from ..bench.spec import RunSpec, variants
from ..core.errors import UsageError
from ..core.files import one_line
from ..core.grammar import Budget, Split
from ..core.registry import parameters_of, plugin_files
from ..datasets.base import Dataset
from ..extractors.base import Extractor
from ..report.outputs import print_comparison, track_outputs, write_outputs
from ..training.wandb_logger import Tracker, check_logger, tracked
from .commands import Arguments, counted, listed, path_text
from .compose import configured, jobs_of, named
from .progress import run_progress, say
from .sweep import print_failed, swept


def run(found: Arguments) -> int:
    """Run, sweep or plan; return 1 when cells failed."""
    columns = found.columns(list(metric_columns()))
    found.values["out"] = found.get("out")
    if "-m" in found.values:
        if "--dry-run" in found.values:
            raise UsageError("--dry-run plans one job; leave out -m")
        return _sweep(found, columns)
    config = configured(found)
    spec = make_spec(config)
    if "--dry-run" in found.values:
        _print_dry_run(dry_run(spec))
        return 0
    return compute(spec, found.line, columns, config["logger"])


def compute(spec: RunSpec, line: str, columns: Sequence[str], logger: Mapping[str, Any]) -> int:
    """Compute a run that was typed as ``line``, write and print its table; return 1 when cells failed.

    ``logger``: the node of the configuration that says where it is logged besides.
    """
    stored = StoredCells(spec.out)
    with _tracked(spec, line, logger) as track:
        with run_progress() as report:
            summary = run_benchmark(spec, command=line, report=report, say=say, stored=stored)
        return _finish(summary, spec.on_error, columns, stored.lines, track)


def _tracked(spec: RunSpec, line: str, logger: Mapping[str, Any]) -> AbstractContextManager[Tracker]:
    name, mode = logger["name"], logger.get("mode", "disabled")
    check_logger(name, mode, "run")
    return tracked(name, mode, f"{spec.dataset.name}-{spec.out.resolve().name}", spec.out, {"command": line})


def make_spec(config: Mapping[str, Any]) -> RunSpec:
    """Return the run that a configuration describes: ``conf/run.yaml``, its groups, ``out`` and ``weights``."""
    dataset, params = named(config["dataset"])
    names = listed(config["extractors"])
    if not all(isinstance(e, str) for e in names):
        raise UsageError(f"extractors={config['extractors']!r} is not all or a list of names such as '[uniform,vsumm]'")
    backend, options = named(config["executor"])
    return RunSpec(
        dataset=Dataset.registry.build(dataset, params),
        out=Path(config["out"]),
        extractors="all" if names == ["all"] else names,
        grid=_grid(config["grid"], [] if "all" in names else names, config.get("weights")),
        budgets=[Budget.parse(b) for b in listed(config["budget"])],
        sampling=str(config["sampling"]),
        seeds=[int(s) if isinstance(s, str) and s.isdecimal() and len(s) < 20 else s for s in listed(config["seeds"])],
        split=Split.parse(config["split"]) if config["split"] else None,
        trainings=Path(config["trainings"]),
        backend=backend,  # type: ignore[arg-type]  # RunSpec checks it
        plugins=plugin_files(),
        external=_external(config.get("external")),
        **{name: config[name] for name in ("on_error", "limit", "cache_gb", "split_seed", "trainer", "leak")},
        **options,
    )


def _external(given: str | None) -> dict[str, str]:
    """Return file by name of ``external=``, which is ``NAME=FILE`` or a list of these in brackets."""
    if given is None:
        return {}
    found = {}
    for one in given[1:-1].split(",") if given[0] == "[" and given[-1] == "]" else [given]:
        name, _, file = one.strip().partition("=")
        if not name or not file:
            raise UsageError(f"external={given}: {one.strip()!r} is not NAME=FILE, such as external=mine=picks.json")
        if name in found:
            raise UsageError(f"external={given}: {name!r} is there twice; give each file another name")
        found[name] = file
    return found


def _grid(grid: Mapping[str, Any], names: Sequence[str], weights: str | None) -> dict[str, dict[str, Any]]:
    """Return the grid with ``weights`` for every extractor among ``names`` (none: all) that has such a parameter."""
    found = {name: dict(axes) for name, axes in grid.items()}
    if weights is not None:
        names = names or Extractor.registry.names()
        takers = [n for n in names if "weights" in parameters_of(Extractor.registry.get(n))]
        if not takers:
            raise UsageError(f"weights= is given, but none of {', '.join(names)} has weights; leave it out")
        for name in takers:
            found.setdefault(name, {})["weights"] = weights
    return found


def _finish(
    summary: RunSummary, on_error: str, columns: Sequence[str], known: Mapping[str, Any], track: Tracker
) -> int:
    print_comparison(write_outputs(summary.out, columns, known))
    track_outputs(summary.out, track)
    for warning in summary.record["warnings"]:
        print(f"warning: {one_line(warning)}")
    for left_out in summary.not_run:
        print(f"not run: {left_out.extractor}: {one_line(left_out.reason)}")
    if on_error == "warn":
        for video, reason in sorted(summary.skipped.items()):
            print(f"keyframe-bench: warning: skipped {one_line(video)}: {one_line(reason)}", file=sys.stderr)
    status = print_problems(summary)
    trained = f"{counted(len(summary.trainings), 'training')}; " if summary.trainings else ""
    report = path_text(summary.out / "report.html")
    print(f"{trained}{summary.n_computed} of {summary.n_cells} cells computed now; report: {report}")
    if track.place:
        print(one_line(track.place))
    return status


def print_problems(summary: RunSummary) -> int:
    """Print what the user should know besides results, and what failed or is not there; return the exit status."""
    failures = ("failed: ", summary.failures, "more failures; see results.jsonl")
    for start, lines, more in (("keyframe-bench: warning: ", summary.notes, "more of this kind"), failures):
        for line in lines[:10]:
            print(f"{start}{one_line(line)}", file=sys.stderr)
        if len(lines) > 10:
            print(f"... and {len(lines) - 10} {more}", file=sys.stderr)
    return 1 if summary.failures else 0


def _sweep(found: Arguments, columns: Sequence[str]) -> int:
    """Run one job per combination through the configured Hydra launcher, all into the same folder."""
    configs = jobs_of(found)
    specs = [make_spec(config) for config in configs]
    for spec in specs:  # a wrong value is reported before the first job starts
        variants(spec)
    work = partial(_ran, command=found.line)
    with _tracked(specs[0], found.line, configs[0]["logger"]) as track:
        jobs = swept(found, work, "the sweep's launcher failed")
        summaries = [job.return_value for job in jobs if isinstance(job.return_value, RunSummary)]
        if not summaries:
            raise UsageError(jobs[0].return_value.reason)
        status = _finish(finish_sweep(summaries), specs[0].on_error, columns, {}, track)
    return 1 if print_failed(jobs, "run", "the same command runs them again") else status


def _ran(config: dict[str, Any], _: Callable[[str], None], command: str) -> RunSummary:
    """Do one job of a sweep."""
    return run_benchmark(make_spec(config), command=command)


def _print_dry_run(plan: DryRun) -> None:
    print(f"{plan.n_videos} videos, {plan.n_cells} cells, {plan.n_missing} missing")
    if plan.n_trainings:
        print(f"{plan.n_trainings} trainings, {plan.n_untrained} to be done first; the time below is without them")
    for name, (cells, missing) in plan.per_extractor.items():
        print(f"  {name:24} {cells:6} cells, {missing:6} missing")
    for left_out in plan.not_run:
        print(f"  {left_out.extractor:24} not run: {one_line(left_out.reason)}")
    print(f"estimated time {plan.seconds:.0f} s (decoding speed measured now), disk {plan.megabytes:.1f} MB")
