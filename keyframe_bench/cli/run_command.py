"""``keyframe-bench run``: cells, table and report; ``-m`` sweeps with Hydra's launchers."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from ..bench.execute import DryRun, RunSummary, collect_results, dry_run, run_benchmark
from ..bench.spec import RunSpec
from ..core.errors import KeyframeBenchError, UnavailableError, UsageError
from ..core.params import parameters_of
from ..core.registry import load_plugins, plugin_files
from ..datasets.base import Dataset
from ..extractors.base import Extractor
from ..report.outputs import print_comparison, write_outputs
from .arguments import Arguments, split
from .compose import adapted, built_params, composed, hydra_ready, parse
from .progress import run_progress

DEFAULT_OUT = "outputs/run"


def run(arguments: list[str]) -> int:
    """Run, sweep or plan; return 1 when cells failed."""
    found = split(arguments, switches=["--dry-run", "-m", "--multirun"])
    load_plugins(found.plugins)
    found.paths.setdefault("out", DEFAULT_OUT)
    command = shlex.join(["keyframe-bench", "run", *arguments])
    if {"-m", "--multirun"} & found.switches:
        if "--dry-run" in found.switches:
            raise UsageError("--dry-run plans one job; leave out -m")
        return _sweep(found, command)
    spec = make_spec(composed("run", found.overrides), found.paths)
    if "--dry-run" in found.switches:
        _print_dry_run(dry_run(spec))
        return 0
    with run_progress() as report:
        summary = run_benchmark(spec, command=command, report=report)
    return _finish(summary)


def make_spec(config: Mapping[str, Any], paths: Mapping[str, str]) -> RunSpec:
    """Return the run that a composed configuration describes.

    Parameters
    ----------
    config : mapping
        Of ``conf/run.yaml`` with its groups.
    paths : mapping
        ``out``, ``dataset.root``, ``dataset.annotations``, ``weights`` as typed.
    """
    name, params = built_params(config["dataset"])
    for key in ("root", "annotations"):
        if f"dataset.{key}" in paths:
            params[key] = paths[f"dataset.{key}"]
    if "extractor.weights" in paths:
        raise UsageError("run takes weights=FILE, or grid.<extractor>.weights=[...]")
    extractors = config["extractors"]
    if isinstance(extractors, str) and extractors != "all":
        extractors = [extractors]
    if not extractors or (extractors != "all" and not all(isinstance(e, str) for e in extractors)):
        raise UsageError(f"extractors={config['extractors']!r} is not all or a list of names such as '[uniform,vsumm]'")
    backend, options = built_params(config["executor"])
    return RunSpec(
        dataset=Dataset.registry.build(name, params),
        out=Path(paths["out"]),
        extractors=extractors,
        grid=_grid(config["grid"] or {}, paths.get("weights")),
        budgets=[str(b) for b in _listed(config["budget"])],
        sampling=str(config["sampling"]),
        seeds=_listed(config["seeds"]),
        on_error=config["on_error"],
        backend=backend,  # type: ignore[arg-type]  # RunSpec checks it
        plugins=plugin_files(),
        **options,
    )


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _grid(grid: Mapping[str, Any], weights: str | None) -> dict[str, dict[str, Any]]:
    found = {name: dict(axes) for name, axes in grid.items()}
    if weights is None:
        return found
    takers = [n for n in Extractor.registry.names() if "weights" in parameters_of(Extractor.registry.get(n))]
    if not takers:
        raise UnavailableError("weights= is given, but no extractor here has weights")
    for name in takers:
        found.setdefault(name, {})["weights"] = weights
    return found


def _finish(summary: RunSummary) -> int:
    write_outputs(summary.out)
    print_comparison(summary.out)
    print(f"{summary.n_computed} of {summary.n_cells} cells computed now; report: {summary.out / 'report.html'}")
    for line in summary.failures[:10]:
        print(f"failed: {line}", file=sys.stderr)
    if len(summary.failures) > 10:
        print(f"... and {len(summary.failures) - 10} more failures; see results.jsonl", file=sys.stderr)
    return 1 if summary.failures else 0


def _sweep(found: Arguments, command: str) -> int:
    """Run one job per combination through the configured Hydra launcher, all into the same folder."""
    parsed = parse(found.overrides)
    lines = [
        ready
        for override in parsed
        for ready in ([str(override.input_line)] if override.is_sweep_override() else adapted(override, "run"))
    ]
    out = Path(found.paths["out"])
    quoted = str(out / "hydra").replace("\\", "\\\\").replace("'", "\\'")
    lines += [f"hydra.sweep.dir='{quoted}'", "hydra/job_logging=disabled", "hydra/hydra_logging=disabled"]
    task = partial(_job, paths=found.paths, plugins=plugin_files(), command=command)
    with hydra_ready():
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None  # initialised by hydra_ready
        batches = hydra.multirun("run", task_function=task, overrides=lines, with_log_configuration=False)
    outcomes = [job.return_value for batch in batches for job in batch]
    errors = [outcome for outcome in outcomes if isinstance(outcome, str)]
    if errors:
        raise UsageError(errors[0])
    collect_results(out)
    summaries = [outcome for outcome in outcomes if isinstance(outcome, RunSummary)]
    total = RunSummary(
        out,
        max(s.n_videos for s in summaries),
        sum(s.n_cells for s in summaries),
        sum(s.n_computed for s in summaries),
        failures=[line for s in summaries for line in s.failures],
    )
    return _finish(total)


def _job(config: Any, paths: Mapping[str, str], plugins: list[str], command: str) -> RunSummary | str:
    """Run one job of a sweep, possibly in another process; an error comes back as its sentence."""
    load_plugins(plugins)
    try:
        spec = make_spec(dict(OmegaConf.to_container(config, resolve=True)), paths)  # type: ignore[arg-type]  # a mapping
        return run_benchmark(spec, command=command)
    except KeyframeBenchError as error:
        return str(error)


def _print_dry_run(plan: DryRun) -> None:
    print(f"{plan.n_videos} videos, {plan.n_cells} cells, {plan.n_missing} missing")
    for name, (cells, missing) in plan.per_extractor.items():
        print(f"  {name:24} {cells:6} cells, {missing:6} missing")
    for left_out in plan.not_run:
        print(f"  {left_out.extractor:24} not run: {left_out.reason}")
    print(f"estimated time {plan.seconds:.0f} s (decoding speed measured now), disk {plan.megabytes:.1f} MB")
