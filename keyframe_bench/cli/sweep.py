"""Sweeps: one job per combination through a launcher of Hydra's, and what goes wrong in a job or with the launcher."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ..bench.cluster import Start, connected
from ..bench.failures import described
from ..core.errors import KeyframeBenchError, UnavailableError
from ..core.files import one_line
from ..core.registry import load_plugins, plugin_files
from .commands import Arguments, parse, path_text
from .compose import adapted, hydra_ready, merged, plain, with_texts

# Submitit keeps what a job printed in a folder of this name; other launchers show it at once.
_LOGS = ".submitit"

# From a job's configuration, and a function to call with the job's folder, to what the job returns.
Work = Callable[[dict[str, Any], Callable[[str], None]], Any]


@dataclass(frozen=True)
class Failed:
    """What a job returns that failed: why, and the folder it wrote to if it got so far."""

    reason: str
    folder: str = ""


def swept(found: Arguments, work: Work, failed: str) -> list[JobReturn]:
    """Run a job per combination of the values given, possibly on other machines.

    Raises `KeyframeBenchError`, one sentence, whatever the launcher raises. ``found``: those of `run` or `train`; Hydra
    has a folder of its own below ``out``; ``work``: what a job does; it is pickled; ``failed``: what the sentence says
    went wrong when the launcher fails.

    In the order of the combinations; what ``work`` returned, or a `Failed`.
    """
    found = with_texts(found)
    command, folder, parsed = found.command.name, Path(found.get("out")) / "hydra", parse(found.overrides)
    lines = [adapted(override, command, sweep=True) for override in parsed]
    lines += ["hydra/job_logging=disabled", "hydra/hydra_logging=disabled"]
    os.environ["KEYFRAME_BENCH_SWEEP_DIR"] = str(folder)
    task = partial(_job, work=work, typed=found.values, plugins=plugin_files(), start=Start.here())
    with hydra_ready(), _launcher_errors(folder, failed), _ray_ready(parsed, folder) as more:
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None  # initialised by hydra_ready
        batches = hydra.multirun(command, task_function=task, overrides=[*lines, *more], with_log_configuration=False)
    return [job for batch in batches for job in batch]


def print_failed(jobs: Sequence[JobReturn], what: str, way_out: str) -> int:
    """Print the jobs that failed by the overrides that others lack, and how many they are; return that number."""
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


def _job(config: Any, work: Work, typed: Mapping[str, Any], plugins: list[str], start: Start) -> Any:
    folders: list[str] = []
    try:
        start.enter()
        load_plugins(plugins)
        return work(merged(plain(config), typed), folders.append)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - of a plug-in or a machine: the other jobs go on
        return Failed(described(error), *folders[-1:])


@contextmanager
def _launcher_errors(folder: Path, failed: str) -> Iterator[None]:
    """Turn what a launcher raises, of whatever type, into one sentence; wrong configuration is left to Hydra's handler.

    What a job itself raises does not come this way: Hydra's launchers hand it back with the job's result.
    """
    try:
        yield
    except (HydraException, OmegaConfBaseException, KeyframeBenchError):
        raise
    except Exception as error:
        # Its first two lines say something; below a line of dashes come logs and traces.
        lines = filter(None, (line.strip().rstrip(".:") for line in str(error).splitlines()))
        head = itertools.islice(itertools.takewhile(lambda line: not line.startswith("-----"), lines), 2)
        reason = ", ".join(head) or type(error).__name__
        logs = f"; its logs are in {path_text(folder / _LOGS)}" if (folder / _LOGS).is_dir() else ""
        raise KeyframeBenchError(
            f"{failed}: {reason}{logs}; what is finished is kept: run the same command again to resume"
        ) from error


@contextmanager
def _ray_ready(overrides: Sequence[Override], folder: Path) -> Iterator[list[str]]:
    """Join a cluster if ``overrides`` choose Hydra's Ray launcher, and yield the further overrides it needs.

    Left alone, the launcher starts a cluster: it cannot join one, since it asks for an object store of its own. Who
    gives it options of its own, ``hydra.launcher.ray.init...``, decides that. Jobs of other launchers find Hydra's
    ``folder`` in the environment, which Ray's workers do not inherit.
    """
    if not any(override.key_or_group == "hydra/launcher" and override.value() == "ray" for override in overrides):
        yield []
        return
    if find_spec("hydra_plugins") is None or find_spec("hydra_plugins.hydra_ray_launcher") is None:
        raise UnavailableError(
            "hydra/launcher=ray needs hydra-ray-launcher, which is not installed: "
            "pip install --no-deps hydra-ray-launcher (it asks for a cloudpickle that is too old for joblib)"
        )
    place = str(folder.absolute()).replace("${", r"\${")  # no interpolation of OmegaConf's
    more = [f"hydra.sweep.dir={QuotedString(place, Quote.single).with_quotes()}"]
    if any(str(override.key_or_group).startswith("hydra.launcher.ray.init") for override in overrides):
        yield more
        return
    with connected("auto"):
        yield more
