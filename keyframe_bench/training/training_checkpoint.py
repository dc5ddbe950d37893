# ruff: noqa: ARG002 - the signatures are those of Lightning
"""What is kept of a training while it runs: losses of every epoch, checkpoints, the state to resume from.

Neither Lightning's ModelCheckpoint (it pickles, and a kill is safe only because the state is written last) nor its
CSVLogger (methods that train with NumPy have a ``history.csv`` too) would do.
"""

from __future__ import annotations

import math
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import CheckpointIO
from pytorch_lightning.utilities.exceptions import SIGTERMException

from .module import LossModule, Mean
from .session import EpochRow, Progress, best_row, history_row, is_over
from .state import read_state, write_state

if TYPE_CHECKING:
    from .session import Batches, Session

CURVE = 1000
"""Points of the curve of training losses that is kept, about."""


class TrainingCheckpoint(pl.Callback):
    """Measures before the first step, and writes everything after each epoch, the state last.

    A process killed in between repeats the epoch, with the same numbers.

    Parameters
    ----------
    session : Session
    batches : Batches

    Attributes
    ----------
    train_s : list of float
        Seconds of each epoch from 1 on, without validation.
    step_losses : list of float
        Training loss of the steps, each the mean of as many as make about `CURVE` of a training.
    """

    state_key = "Keeper"  # as in the state files of earlier versions

    def __init__(self, session: Session, batches: Batches) -> None:
        self.session = session
        self.batches = batches
        self.train_s: list[float] = []
        self.step_losses: list[float] = []
        self._recent = Mean()
        self._started = self._trained = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Return what an interrupted training needs."""
        return {"history": self.session.history, "train_s": self.train_s, "step_losses": self.step_losses}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.session.history, self.train_s = state_dict["history"], state_dict["train_s"]
        self.step_losses = state_dict.get("step_losses", [])  # an older state has none

    def on_train_start(self, trainer: pl.Trainer, pl_module: LossModule) -> None:  # type: ignore[override]
        """Measure the losses before the first step; a logger that starts anew hears of earlier epochs."""
        if not self.session.history:
            started = time.perf_counter()
            losses = self._measured(trainer, pl_module)
            self.session.history.append(history_row(0, *losses, lr=0.0, seconds=time.perf_counter() - started))
            self.session.write()
        for row in self.session.history:
            self._log(row)

    def _measured(self, trainer: pl.Trainer, module: LossModule) -> tuple[float, float]:
        """Return the mean loss of the rows that train, and of the held-out ones."""
        module.eval()
        means = {"training": Mean(), "validation": Mean()}
        with torch.no_grad():
            for what, batches in zip(means, (self.batches.seen, self.batches.validation), strict=True):
                for batch in batches:
                    if trainer.received_sigterm:  # Lightning looks after batches of its own loops only
                        raise SIGTERMException
                    there = module.transfer_batch_to_device(batch, module.device, 0)
                    module.add_loss(means[what], there, "before the first step", what)
        module.train()
        return means["training"].value, means["validation"].value

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: LossModule) -> None:  # type: ignore[override]
        """Start the clock and the means."""
        pl_module.train_loss, pl_module.validation_loss = Mean(), Mean()
        pl_module.noted.clear()
        self._recent = Mean()
        self._started = self._trained = time.perf_counter()

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: pl.Trainer, pl_module: LossModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Report the progress."""
        self._trained = time.perf_counter()
        self._recent.add(pl_module.step_loss, 1)
        steps = int(trainer.num_training_batches)
        if self._recent.n == math.ceil(pl_module.n_steps / CURVE) or batch_idx + 1 == steps:
            self.step_losses.append(self._recent.value)
            self._recent = Mean()
        if self.session.report is not None:
            best = best_row(self.session.history)
            progress = Progress(
                epoch=trainer.current_epoch + 1,
                epochs=self.session.options.epochs,
                step=batch_idx + 1,
                steps=steps,
                train_loss=pl_module.train_loss.value,
                best=None if best is None else best["validation_loss"],
            )
            self.session.report(progress)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: LossModule) -> None:  # type: ignore[override]
        """Write what the epoch reached; validation is over by now."""
        session = self.session
        seconds = time.perf_counter() - self._started
        losses = pl_module.train_loss.value, pl_module.validation_loss.value
        row = history_row(trainer.current_epoch + 1, *losses, lr=pl_module.lr, seconds=seconds)
        row |= {name: mean.value for name, mean in pl_module.noted.items()}
        session.history.append(row)
        session.epochs_now += 1
        self.train_s.append(self._trained - self._started)
        session.facts["step_losses"] = self.step_losses
        session.facts["images_per_s"] = round(pl_module.train_loss.n / statistics.median(self.train_s), 3)
        tensors = {name: value.detach().cpu().numpy() for name, value in pl_module.model.state_dict().items()}
        if best_row(session.history) is row:
            session.checkpoint(tensors, chosen="best_val", history=session.history).write(session.folder.best)
        session.checkpoint(tensors, chosen="last", history=session.history).write(session.folder.last)
        session.write()
        self._log(row)
        trainer.save_checkpoint(session.folder.state)
        trainer.should_stop = is_over(session.history, session.options)

    def _log(self, row: EpochRow) -> None:
        self.session.track.numbers({k: v for k, v in row.items() if k != "epoch"}, step=int(row["epoch"]))


class StateFile(CheckpointIO):
    """One file, always the same: the path that Lightning names is ignored, since its grammar would misread some.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def save_checkpoint(self, checkpoint: dict[str, Any], path: object, storage_options: object = None) -> None:
        """Replace the file, atomically."""
        write_state(self.path, checkpoint)

    def load_checkpoint(
        self, path: object, map_location: object = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return what was saved, on the CPU; Lightning moves it."""
        return read_state(self.path)

    def remove_checkpoint(self, path: object) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
