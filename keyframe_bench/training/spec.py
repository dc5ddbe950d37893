"""What one training is: network, loss, data, trainer, start and seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from ..core.errors import UsageError
from ..core.files import digest, sha256_of_file
from ..core.params import Configurable, Range
from ..core.sources import source_digest
from ..models.base import Loss, Network
from ..models.checkpoint import checkpoint_path
from .data import TrainingData

SMALL_STEP_MACS = 1_000_000_000  # forward, below which threads wait for each other more than they compute
VERSION = 1  # of training itself: raised when the same options give other weights
Logger = Literal["csv", "wandb"]
WandbMode = Literal["online", "offline", "disabled"]


class TrainerOptions(Configurable):
    """How a network is trained. The paper gives none of it (protocols: Adam, cosine).

    Parameters
    ----------
    epochs : int
    batch : int
        Pictures of a step.
    lr, lr_end : float
        Learning rate at the first and at the last step; between them half a cosine.
    precision : {"auto", "fp32", "bf16"}
        "auto": bf16 where the machine has it in hardware, else fp32.
    patience : int
        Epochs without a better validation loss after which training stops; 0 never stops early.
    channels_last : bool
        Layout of tensors in memory.
    threads : int or None
        Of torch; None: one where a step is too small for more to help (`TrainSpec.threads`), else torch's own choice.
    """

    def __init__(
        self,
        *,
        epochs: Annotated[int, Range(1)] = 40,
        batch: Annotated[int, Range(1)] = 16,
        lr: Annotated[float, Range(0)] = 1e-3,
        lr_end: Annotated[float, Range(0)] = 1e-5,
        precision: Literal["auto", "fp32", "bf16"] = "auto",
        patience: Annotated[int, Range(0)] = 0,
        channels_last: bool = True,
        threads: Annotated[int, Range(1)] | None = None,
    ) -> None:
        self.epochs = epochs
        self.batch = batch
        self.lr = lr
        self.lr_end = lr_end
        self.precision = precision
        self.patience = patience
        self.channels_last = channels_last
        self.threads = threads


@dataclass(frozen=True)
class TrainSpec:
    """One training.

    Attributes
    ----------
    network : Network
    loss : Loss
    data : TrainingData
    trainer : TrainerOptions
    out : Path
        Folder of checkpoints, log and record.
    init : str or None
        Checkpoint to start from, a path or "bundled"; None starts from random weights.
    seed : int
    logger : {"csv", "wandb"}
        CSV is always written.
    wandb_mode : {"online", "offline", "disabled"}
    """

    network: Network
    loss: Loss
    data: TrainingData
    out: Path
    trainer: TrainerOptions = field(default_factory=TrainerOptions)
    init: str | None = None
    seed: int = 0
    logger: Logger = "csv"
    wandb_mode: WandbMode = "offline"

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise UsageError(f"seed={self.seed!r} is not a whole number of at least 0")
        for name, value, known in (("logger", self.logger, Logger), ("logger.mode", self.wandb_mode, WandbMode)):
            if value not in get_args(known):
                raise UsageError(f"{name}={value!r} is not one of {', '.join(get_args(known))}")

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Return everything on which the result depends, as plain data: what `key` is the hash of.

        Raises
        ------
        UsageError
            If the checkpoint to start from, or the data, cannot be read.
        UnavailableError
            If the bundled checkpoint is missing.
        """
        trainer = {k: v for k, v in self.trainer.params.items() if k != "threads"}
        plugin = source_digest(type(self.data))
        return {
            "version": VERSION,
            "network": self.network.identity,
            "loss": self.loss.identity,
            "data": [self.data.name, self.data.version, self.data.digest(), *([plugin] if plugin else [])],
            "trainer": trainer,
            "init": self._init_digest(),
            "seed": self.seed,
        }

    def _init_digest(self) -> str | None:
        if self.init is None:
            return None
        try:
            return sha256_of_file(checkpoint_path(self.init, "init"))
        except OSError as error:
            raise UsageError(
                f"init={self.init!r} cannot be read ({error.strerror or error}); give a checkpoint of "
                "keyframe-bench train, such as best.safetensors, or init=bundled"
            ) from error

    @property
    def threads(self) -> int | None:
        """Return the threads of torch; None leaves its own choice."""
        small = self.network.total_macs * self.trainer.batch < SMALL_STEP_MACS
        return 1 if self.trainer.threads is None and small else self.trainer.threads

    @property
    def key(self) -> str:
        """Return the hash of `identity`."""
        return digest(self.identity)

    @property
    def label(self) -> str:
        """Return a name for a folder: what one tells trainings apart by, and the start of `key`."""
        started = "-init" if self.init is not None else ""
        return f"{self.network.name}-{self.data.name}-{self.loss.name}{started}-seed{self.seed}-{self.key[:8]}"


@dataclass(frozen=True)
class Trained:
    """What a training left behind.

    Attributes
    ----------
    best, last : Path
        Checkpoints (`keyframe_bench.models.checkpoint`): lowest validation loss, last epoch.
    record : dict
        What ``training.json`` holds: ``identity``, data facts, ``history`` (one mapping per epoch from 0, before the
        first step: ``epoch``, ``train_loss``, ``validation_loss``, ``lr``, ``seconds``),
        ``best_epoch``, ``best_validation_loss``, ``last_validation_loss``, ``train_loss`` (of the best epoch),
        ``images_per_s``, ``thresholds``, ``code_low``, ``code_high``, versions, machine.
    epochs_now : int
        How many epochs this call computed; the others were there.
    """

    best: Path
    last: Path
    record: dict[str, Any]
    epochs_now: int = 0
