"""What is kept of a training while it runs: losses of every epoch, checkpoints, the state to go on from."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from ..models.checkpoint import save_autoencoder
from .batches import plain_batches
from .data import Pictures
from .folder import Row, TrainingFolder
from .module import Mean, Reconstruction
from .spec import TrainerOptions


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes
    ----------
    epoch, epochs : int
        The present one, from 1; how many there are.
    step, steps : int
        Steps done of this epoch; how many it has.
    train_loss : float
        Of this epoch so far.
    best : float or None
        Lowest validation loss of the epochs before.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    train_loss: float
    best: float | None


Report = Callable[[Progress], None]


class Keeper(pl.Callback):
    """Measures before the first step, and writes everything after each epoch, the state last.

    A process killed in between repeats the epoch, with the same numbers.

    Parameters
    ----------
    folder : TrainingFolder
    facts : dict
        What the record says besides what is measured; plain data.
    pictures : Pictures
    options : TrainerOptions
    report : callable, optional
        Told after every step.

    Attributes
    ----------
    history : list of dict
        One row per epoch, from 0.
    train_s : list of float
        Seconds of each epoch from 1 on, without validation.
    epochs_now : int
        Epochs trained by this process.
    """

    def __init__(
        self,
        folder: TrainingFolder,
        facts: Mapping[str, Any],
        pictures: Pictures,
        options: TrainerOptions,
        report: Report | None = None,
    ) -> None:
        self.folder = folder
        self.facts = facts
        self.pictures = pictures
        self.options = options
        self.report = report
        self.history: list[Row] = []
        self.train_s: list[float] = []
        self.epochs_now = 0
        self._started = self._trained = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Return what an interrupted training needs."""
        return {"history": self.history, "train_s": self.train_s}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it back."""
        self.history, self.train_s = state_dict["history"], state_dict["train_s"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: Reconstruction) -> None:  # type: ignore[override]
        """Measure the losses before the first step; a logger that starts anew hears of earlier epochs."""
        if not self.history:
            started = time.perf_counter()
            losses = self._measured(trainer, pl_module)
            self.history.append(_row(0, *losses, lr=0.0, seconds=time.perf_counter() - started))
            self._write()
        for row in self.history:
            self._log(trainer, row)

    def _measured(self, trainer: pl.Trainer, module: Reconstruction) -> tuple[float, float]:
        module.eval()
        means = []
        with torch.no_grad():
            for what in ("training", "validation"):
                mean = Mean()
                pictures = self.pictures.train if what == "training" else self.pictures.validation
                for batch in plain_batches(pictures, self.options.batch):
                    if trainer.received_sigterm:  # Lightning looks after batches of its own loops only
                        raise SIGTERMException
                    there = module.transfer_batch_to_device(batch, module.device, 0)
                    module.add_loss(mean, there, "before the first step", what)
                means.append(mean.value)
        module.train()
        return means[0], means[1]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Reconstruction) -> None:  # type: ignore[override]  # noqa: ARG002
        """Start the clock and the means."""
        pl_module.train_loss, pl_module.validation_loss = Mean(), Mean()
        self._started = self._trained = time.perf_counter()

    def on_train_batch_end(  # type: ignore[override]
        self,
        trainer: pl.Trainer,
        pl_module: Reconstruction,
        outputs: object,  # noqa: ARG002
        batch: object,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Report."""
        self._trained = time.perf_counter()
        if self.report is None:
            return
        best = best_row(self.history)
        self.report(
            Progress(
                epoch=trainer.current_epoch + 1,
                epochs=self.options.epochs,
                step=batch_idx + 1,
                steps=int(trainer.num_training_batches),
                train_loss=pl_module.train_loss.value,
                best=None if best is None else best["validation_loss"],
            )
        )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Reconstruction) -> None:  # type: ignore[override]
        """Write what the epoch reached; validation is over by now."""
        seconds = time.perf_counter() - self._started
        losses = pl_module.train_loss.value, pl_module.validation_loss.value
        row = _row(trainer.current_epoch + 1, *losses, lr=pl_module.lr, seconds=seconds)
        self.history.append(row)
        self.train_s.append(self._trained - self._started)
        self.epochs_now += 1
        if best_row(self.history) is row:
            save_autoencoder(self.folder.best, pl_module.model, self.checkpoint_record("best_val"))
        save_autoencoder(self.folder.last, pl_module.model, self.checkpoint_record("last"))
        self._write()
        self._log(trainer, row)
        trainer.save_checkpoint(self.folder.state)
        trainer.should_stop = is_over(self.history, self.options)

    def _log(self, trainer: pl.Trainer, row: Row) -> None:
        for logger in trainer.loggers:
            logger.log_metrics({k: v for k, v in row.items() if k != "epoch"}, step=int(row["epoch"]))

    def _write(self) -> None:
        self.folder.write_history(self.history)
        self.folder.write_record(self.record(finished=False))

    def record(self, *, finished: bool) -> dict[str, Any]:
        """Return what ``training.json`` says now."""
        speed = len(self.pictures.train) / statistics.median(self.train_s) if self.train_s else None
        return {
            **self.facts,
            **summary(self.history),
            "seconds": round(sum(row["seconds"] for row in self.history), 3),
            "images_per_s": None if speed is None else round(speed, 3),
            "finished": finished,
        }

    def checkpoint_record(self, chosen: str) -> dict[str, Any]:
        """Return what a checkpoint says: without clocks and machine, so that equal trainings give equal files.

        Parameters
        ----------
        chosen : {"best_val", "last"}
            Which epoch's weights it holds.
        """
        facts = {k: v for k, v in self.facts.items() if k not in ("machine", "init")}
        facts["data"] = {k: v for k, v in facts["data"].items() if k != "not_kept"}  # of this machine's disk
        history = [{k: v for k, v in row.items() if k != "seconds"} for row in self.history]
        row = best_row(self.history) if chosen == "best_val" else self.history[-1]
        assert row is not None  # it is written after an epoch
        mine = {"chosen": chosen, "epoch": row["epoch"], "validation_loss": row["validation_loss"]}
        return {**facts, **summary(self.history), **mine, "history": history}


def _row(epoch: int, train_loss: float, validation_loss: float, *, lr: float, seconds: float) -> Row:
    row: Row = {"epoch": epoch, "train_loss": train_loss, "validation_loss": validation_loss}
    return row | {"lr": lr, "seconds": round(seconds, 3)}


def best_row(history: Sequence[Row]) -> Row | None:
    """Return the earliest row of lowest validation loss; weights before the first step are no result of training."""
    return min(history[1:], key=lambda row: row["validation_loss"], default=None)


def is_over(history: Sequence[Row], options: TrainerOptions) -> bool:
    """Whether all epochs are done, or the last ``patience`` ones were not better than one before."""
    best = best_row(history)
    if best is None:
        return False
    last = history[-1]["epoch"]
    return last >= options.epochs or 0 < options.patience <= last - best["epoch"]


def summary(history: Sequence[Row]) -> dict[str, Any]:
    """Return the history and its headlines, None before the first epoch is done."""
    best, last = best_row(history), history[-1]
    found = {"best_epoch": "epoch", "best_validation_loss": "validation_loss", "train_loss": "train_loss"}
    headlines: dict[str, Any] = {name: None if best is None else best[key] for name, key in found.items()}
    return {**headlines, "last_validation_loss": last["validation_loss"], "history": list(history)}
