"""Loggers besides the CSV file: Weights & Biases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..core.errors import UnavailableError
from .session import Session

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

PROJECT = "keyframe_bench"
_WAY_OUT = "logger.mode=offline needs neither network nor key, and history.csv is always written"


@contextmanager
def tracked(session: Session) -> Iterator[list[Logger]]:
    """Start a run of W&B if ``session`` asks for it, yield Lightning's loggers, and end the run.

    Offline, everything lies in ``wandb/`` of the training's folder, for ``wandb sync``. Raises `UnavailableError` when
    it is not installed, has no key, or refuses; nothing has been trained then.
    """
    if session.logger != "wandb":
        yield []
        return
    online = session.wandb_mode == "online"
    if not online:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read on import: it would use the network
    try:
        import wandb
        from pytorch_lightning.loggers import WandbLogger
    except ImportError as error:
        raise UnavailableError(
            f"logger=wandb needs a package that is missing ({error}): pip install wandb, or leave it out: "
            "history.csv is always written"
        ) from error
    quiet = wandb.Settings(silent=True, console="off", disable_git=True, save_code=False, init_timeout=60)
    about: dict[str, Any] = {"mode": session.wandb_mode, "config": dict(session.about), "settings": quiet}
    try:
        if online:
            wandb.setup(quiet)
        if online and not wandb.login(prompt=False):  # a run would ask for a key
            raise UnavailableError(
                f"W&B has no key for logger.mode=online: `wandb login`, or WANDB_API_KEY; {_WAY_OUT}"
            )
        logger = WandbLogger(session.label, session.folder.path, project=PROJECT, **about)
        run = logger.experiment  # starts it
    except (wandb.Error, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UnavailableError(f"W&B refuses: {reason}; {_WAY_OUT}") from error
    try:
        yield [logger]
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()
