"""Weights & Biases: what trainings and runs log there besides their files."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..core.errors import UnavailableError
from ..core.files import make_folder
from ..core.registry import Parameter

if TYPE_CHECKING:
    import pandas as pd

Logger = Literal["csv", "wandb"]
WandbMode = Literal["online", "offline", "disabled"]

PROJECT = "keyframe_bench"
_OFFLINE = {"WANDB_ERROR_REPORTING": "false"}  # read on import: it would use the network
_ROOMS = ("WANDB_DATA_DIR", "WANDB_CACHE_DIR")  # of staged artifacts and of logs, else in the user's home
_WAY_OUT = "logger.mode=offline needs neither network nor key, and all files are written without it as well"


def check_logger(logger: str, mode: str, command: str) -> None:
    """Raise `UsageError` unless they are a `Logger` and a `WandbMode`."""
    Parameter("logger", (), choices=get_args(Logger)).check(logger, command)
    Parameter("logger.mode", (), choices=get_args(WandbMode)).check(mode, command)


class Tracker:
    """A run of W&B; without one nothing is logged. Every method raises `UnavailableError` where W&B refuses."""

    def __init__(self, run: Any = None) -> None:
        self.run = run

    @property
    def place(self) -> str:
        """Say where the run is: its address, or its folder and how it is sent; empty without one."""
        if self.run is None:
            return ""
        folder = str(Path(self.run.dir).parent)
        return f"W&B: wandb sync {shlex.quote(folder)} sends this run" if self.run.offline else f"W&B: {self.run.url}"

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers of an epoch: points of curves."""
        self._log(lambda _: dict(values), step=step)

    def images(self, images: Mapping[str, Sequence[tuple[str, Any]]]) -> None:
        """Log several images under each name: caption, and a file or uint8 [H, W, 3]."""

        def made(wandb: Any) -> dict[str, Any]:
            return {name: [wandb.Image(one, caption=told) for told, one in several] for name, several in images.items()}

        self._log(made)

    def table(self, name: str, frame: pd.DataFrame) -> None:
        """Log a table."""
        self._log(lambda wandb: {name: wandb.Table(dataframe=frame, allow_mixed_types=True)})

    def artifact(self, name: str, kind: str, folder: Path, patterns: Sequence[str]) -> None:
        """Log the files of a folder that match as one artifact; they are copied, since a later run may replace them."""
        if self.run is None:
            return
        import wandb

        with _plain_refusals():
            made = wandb.Artifact(re.sub(r"[^\w.-]+", "-", name)[-128:], kind)
            for file in (file for pattern in patterns for file in sorted(folder.glob(pattern))):
                made.add_file(str(file), name=file.relative_to(folder).as_posix())
            self.run.log_artifact(made)

    def _log(self, values: Any, **step: int) -> None:
        if self.run is None:
            return
        import wandb

        with _plain_refusals():
            self.run.log(values(wandb), **step)


@contextmanager
def tracked(logger: Logger, mode: WandbMode, label: str, folder: Path, config: Mapping[str, Any]) -> Iterator[Tracker]:
    """Start a run of W&B if ``logger`` is "wandb" and ``mode`` not "disabled", yield its tracker, and end the run.

    Offline, everything lies in ``wandb/`` of the folder, for ``wandb sync``; W&B names the files of artifacts by their
    absolute paths. Raises `UnavailableError` when it is not installed, has no key, or refuses; nothing has been
    computed then.
    """
    if logger != "wandb" or mode == "disabled":
        yield Tracker()
        return
    below = str(folder.absolute() / "wandb")
    changed = {} if mode == "online" else _OFFLINE | dict.fromkeys(_ROOMS, below)
    with _environment(changed), _started(mode, label, folder, config) as run:
        yield Tracker(run)


@contextmanager
def _started(mode: WandbMode, label: str, folder: Path, config: Mapping[str, Any]) -> Iterator[Any]:
    online = mode == "online"
    try:
        import wandb
    except ImportError as error:
        raise UnavailableError(
            f"logger=wandb needs a package that is missing ({error}): pip install wandb, or leave it out: all files "
            "are written without it as well"
        ) from error
    quiet = wandb.Settings(silent=True, console="off", disable_git=True, save_code=False, init_timeout=60)
    with _plain_refusals():
        if online:
            wandb.setup(quiet)
        if online and not wandb.login(prompt=False):  # a run would ask for a key
            raise UnavailableError(
                f"W&B has no key for logger.mode=online: `wandb login`, or WANDB_API_KEY; {_WAY_OUT}"
            )
        where = str(make_folder(folder))
        run = wandb.init(project=PROJECT, name=label, dir=where, mode=mode, config=dict(config), settings=quiet)
    try:
        yield run
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment for a while: W&B has no other setting for these."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _plain_refusals() -> Iterator[None]:
    import wandb

    try:
        yield
    except (wandb.Error, OSError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UnavailableError(f"W&B refuses: {reason}; {_WAY_OUT}") from error
