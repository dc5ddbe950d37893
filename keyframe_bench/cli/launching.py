"""What goes wrong with a launcher of Hydra, not with a job: a queue that refuses, a cluster that is not there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ..core.errors import KeyframeBenchError
from .arguments import path_text

# Submitit keeps what a job printed in a folder of this name; other launchers show it at once.
_LOGS = ".submitit"


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
