"""One training as a method's `fit` sees it: its options, its seed, its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.checkpoint import Checkpoint
from ..core.seeding import rng_for
from .folder import TrainingFolder
from .wandb_logger import Tracker

if TYPE_CHECKING:
    from .options import ModuleOptions

EpochRow = dict[str, float]
"""``epoch`` (0 is before the first step), ``train_loss``, ``validation_loss``, ``lr``, ``seconds``.

A hand-written `fit` may leave out any, and add numbers of its own.
"""


@dataclass(frozen=True)
class Batches:
    """What a network is trained on and looked at by."""

    train: Any  # batches of an epoch, with a length
    validation: Any  # Held-out rows, and those that train, in one order
    seen: Iterable[Any]


@dataclass(frozen=True)
class Progress:
    """How far a training is."""

    epoch: int  # the present one, from 1; how many there are
    epochs: int
    step: int  # steps done of this epoch; how many it has
    steps: int
    train_loss: float  # of this epoch so far
    best: float | None  # lowest validation loss of the epochs before


EpochReport = Callable[[Progress], None]


@dataclass
class Session:
    """What `fit` works with besides clips.

    Attributes
    ----------
    options : TrainerOptions
        Of the method's own class ``Options``.
    seed : int
    folder : TrainingFolder
    about : mapping
        What the record of the checkpoint says before anything is learned.
    identity : mapping
        Everything on which the result depends.
    label : str
        A short name.
    init : Checkpoint or None
        What to start from.
    report : callable or None
        Told how far it is, with a `Progress`.
    track : Tracker
        What is logged besides the files.
    history : list of dict
        Numbers by name, a mapping an epoch; what `fit` has added is in ``history.csv`` and ``training.json``. The best
        epoch is told where rows have an ``epoch`` and a ``validation_loss``.
    facts : dict
        What ``training.json`` says besides: speed, seconds.
    last : Checkpoint or None
        Of the last epoch, where that is not what `fit` returns.
    epochs_now : int
        Epochs trained by this process.
    """

    options: Any  # the method's own class of options
    seed: int
    folder: TrainingFolder
    about: Mapping[str, Any]
    identity: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    init: Checkpoint | None = None
    report: EpochReport | None = None
    track: Tracker = field(default_factory=Tracker)
    history: list[EpochRow] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    last: Checkpoint | None = None
    epochs_now: int = 0

    def rng(self, *parts: str | int) -> np.random.Generator:
        """Return the generator that belongs to the seed and the named ``parts``."""
        return rng_for(self.seed, "training", *parts)

    def checkpoint(
        self,
        tensors: Mapping[str, NDArray[Any]],
        *,
        chosen: str = "only",
        history: Sequence[EpochRow] = (),
        **numbers: Any,
    ) -> Checkpoint:
        """Return a checkpoint of this training.

        Parameters
        ----------
        tensors : mapping
            What was learned, arrays by name.
        chosen : {"only", "best_val", "last"}
            Which epoch it is of: the one with the lowest validation loss, the last, or there are none to choose from.
        history : sequence of mapping
        **numbers
            What else the method will need, plain data.
        """
        plain = [{name: value for name, value in row.items() if name != "seconds"} for row in history]
        return Checkpoint(dict(tensors), {**self.about, "chosen": chosen, "history": plain, "numbers": numbers})

    def write(self, *, finished: bool = False) -> None:
        """Write ``history.csv`` and ``training.json`` as they are now."""
        seconds = round(sum(row.get("seconds", 0.0) for row in self.history), 3)
        told = {"identity": self.identity, **self.about, **summary(self.history), **self.facts}
        self.folder.write_history(self.history)
        self.folder.write_record({**told, "seconds": seconds, "finished": finished})

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep what a killed training would go on from: nested mappings and lists of arrays, tensors and scalars."""
        from .state import write_state

        if not self.folder.record.is_file():
            self.write()  # it says whose state this is
        write_state(self.folder.state, {"state": state, "history": self.history})

    def restored(self) -> dict[str, Any] | None:
        """Return what `save` kept last, with ``history`` as it was then; None where there is nothing to go on from."""
        from .state import read_state

        if not self.folder.state.is_file():
            return None
        found = read_state(self.folder.state)
        self.history = found["history"]
        return dict(found["state"])


def history_row(epoch: int, train_loss: float, validation_loss: float, *, lr: float, seconds: float) -> EpochRow:
    """Return one row of a history."""
    losses = {"train_loss": train_loss, "validation_loss": validation_loss}
    return {"epoch": epoch, **losses, "lr": lr, "seconds": round(seconds, 3)}


def best_row(history: Sequence[EpochRow]) -> EpochRow | None:
    """Return the earliest row of lowest validation loss; weights before the first step are no result of training."""
    trained = [row for row in history if row.get("epoch") != 0 and "validation_loss" in row]
    return min(trained, key=lambda row: row["validation_loss"], default=None)


def is_over(history: Sequence[EpochRow], options: ModuleOptions) -> bool:
    """Whether all epochs are done, or the last ``patience`` ones were not better than one before."""
    best = best_row(history)
    if best is None:
        return False
    last = history[-1]["epoch"]
    return last >= options.epochs or 0 < options.patience <= last - best["epoch"]


def headlines(history: Sequence[EpochRow]) -> dict[str, Any]:
    """Return the best epoch with its losses, None before the first one is done."""
    best = best_row(history)
    found = {"best_epoch": "epoch", "best_validation_loss": "validation_loss", "train_loss": "train_loss"}
    return {name: None if best is None else best.get(key) for name, key in found.items()}


def summary(history: Sequence[EpochRow]) -> dict[str, Any]:
    """Return the history and its headlines; nothing but the history where no row has a validation loss."""
    losses = [row["validation_loss"] for row in history if "validation_loss" in row]
    if not losses:
        return {"history": list(history)}
    return {**headlines(history), "last_validation_loss": losses[-1], "history": list(history)}
