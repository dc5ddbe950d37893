"""Sweeps: one job per combination through a launcher of Hydra's, and what goes wrong in a job or with the launcher."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..bench.cluster import Start
from ..bench.failures import described
from ..core.errors import KeyframeBenchError
from ..core.registry import load_plugins, plugin_files
from ..tables.format import one_line
from .arguments import path_text
from .compose import adapted, hydra_ready, parse
from .ray_sweep import ray_ready

# Submitit keeps what a job printed in a folder of this name; other launchers show it at once.
_LOGS = ".submitit"

# From a job's configuration, and a function to be told the job's folder, to what the job returns.
Work = Callable[[Mapping[str, Any], Callable[[str], None]], Any]


@dataclass(frozen=True)
class Failed:
    """What a job returns that failed: why, and the folder it wrote to if it got so far."""

    reason: str
    folder: str = ""


def swept(
    command: str, overrides: Sequence[str], folder: Path, work: Work, *, failed: str, kept: str
) -> list[JobReturn]:
    """Run a job per combination of ``overrides``, possibly on other machines.

    Parameters
    ----------
    command : str
        Whose configuration it is.
    overrides : sequence of str
    folder : Path
        Hydra's own.
    work : callable
        What a job does; it is pickled.
    failed, kept : str
        See `launcher_errors`.

    Returns
    -------
    list of JobReturn
        In the order of the combinations; what ``work`` returned, or a `Failed`.
    """
    parsed = parse(overrides)
    lines = [adapted(override, command, sweep=True) for override in parsed]
    lines += ["hydra/job_logging=disabled", "hydra/hydra_logging=disabled"]
    os.environ["KEYFRAME_BENCH_SWEEP_DIR"] = str(folder)
    task = partial(_job, work=work, plugins=plugin_files(), start=Start.here())
    with hydra_ready(), launcher_errors(folder, failed, kept), ray_ready(parsed, folder) as told:
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None  # initialised by hydra_ready
        batches = hydra.multirun(command, task_function=task, overrides=[*lines, *told], with_log_configuration=False)
    return [job for batch in batches for job in batch]


def print_failed(jobs: Sequence[JobReturn], what: str, way_out: str) -> int:
    """Print the jobs that failed by what only they were told, and how many they are; return that number."""
    overrides = [list(job.overrides or ()) for job in jobs]
    shared = set.intersection(*map(set, overrides))
    failed = [(job, words) for job, words in zip(jobs, overrides, strict=True) if isinstance(job.return_value, Failed)]
    for job, typed in failed:
        words = " ".join(word.lstrip("+") for word in typed if word not in shared) or f"the only {what}"
        where = f" ({job.return_value.folder})" if job.return_value.folder else ""
        print(one_line(f"failed: {words}{where}: {job.return_value.reason}"), file=sys.stderr)
    if failed:
        print(f"keyframe-bench: {len(failed)} of {len(jobs)} {what}s failed; {way_out}", file=sys.stderr)
    return len(failed)


def _job(config: Any, work: Work, plugins: list[str], start: Start) -> Any:
    folders: list[str] = []
    try:
        start.enter()
        load_plugins(plugins)
        return work(dict(OmegaConf.to_container(config, resolve=True)), folders.append)  # type: ignore[arg-type]  # a mapping
    except (Exception, SystemExit) as error:  # noqa: BLE001 - of a plug-in or a machine: the other jobs go on
        return Failed(described(error), *folders[-1:])


@contextmanager
def launcher_errors(folder: Path, failed: str, kept: str) -> Iterator[None]:
    """Turn what a launcher raises, of whatever type, into one sentence; wrong configuration is left to Hydra's handler.

    What a job itself raises does not come this way: Hydra's launchers hand it back with the job's result.

    Parameters
    ----------
    folder : Path
        Where the launcher writes, to name the logs in it.
    failed, kept : str
        What the sentence says went wrong, and what of the work is not lost.

    Raises
    ------
    KeyframeBenchError
    """
    try:
        yield
    except (HydraException, OmegaConfBaseException, KeyframeBenchError):
        raise
    except Exception as error:
        logs = f"; its logs are in {path_text(folder / _LOGS)}" if (folder / _LOGS).is_dir() else ""
        raise KeyframeBenchError(
            f"{failed}: {_gist(error)}{logs}; {kept} are kept: the same command goes on from there"
        ) from error


def _gist(error: Exception) -> str:
    """Return the first two lines that say something; below a line of dashes come logs and traces."""
    lines = (line.strip().rstrip(".:") for line in str(error).splitlines())
    head = itertools.takewhile(lambda line: not line.startswith("-----"), filter(None, lines))
    return ", ".join(itertools.islice(head, 2)) or type(error).__name__
