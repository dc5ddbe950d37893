"""The base of what `fit_module` trains: a network, its loss of a batch, an optimiser."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import defaultdict
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from .options import ModuleOptions, NetworkOptions

BETAS = (0.9, 0.999)
_NAMED = 32  # rows that a message lists


class NotFiniteError(UsageError):
    """The loss has become NaN or infinite."""


class Mean:
    """Mean over rows of what is known per batch."""

    def __init__(self) -> None:
        self.total, self.n = 0.0, 0

    def add(self, value: float, n: int) -> None:
        """Count ``value`` for ``n`` rows."""
        self.total += value * n
        self.n += n

    @property
    def value(self) -> float:
        """Of everything added; NaN before."""
        return self.total / self.n if self.n else math.nan


class LossModule(pl.LightningModule):
    """Trains ``model`` by the loss of its batches; subclasses give `loss_of`.

    Parameters
    ----------
    model : nn.Module
        Its state is what checkpoints hold.
    options : ModuleOptions
        `NetworkOptions`, unless a subclass has a `configure_optimizers` of its own.

    Attributes
    ----------
    train_loss, validation_loss : Mean
        Of the epoch so far; the training loss is that of each batch before its step.
    step_loss : float
        Training loss of the latest step.
    noted : dict of str to Mean
        What else the history tells of an epoch; `loss_of` may add to it while the module trains.
    lr : float
        Learning rate of the latest step; 0 before the first.
    n_steps : int
        Of the whole training: what the learning rate's half cosine spans.
    """

    def __init__(self, model: nn.Module, options: ModuleOptions) -> None:
        super().__init__()
        self.model = model
        self.options = options
        self.n_steps = 1
        self.train_loss, self.validation_loss = Mean(), Mean()
        self.noted: dict[str, Mean] = defaultdict(Mean)
        self.step_loss = math.nan
        self.lr = 0.0

    @abstractmethod
    def loss_of(self, batch: Any) -> Tensor:
        """Return the mean loss of a batch, a scalar; a batch has ``indices`` [B], the places of its rows."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of one batch.

        Raises
        ------
        NotFiniteError
            Before anything is changed by it.
        """
        loss = self.loss_of(batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            when = f"in epoch {self.current_epoch + 1} at step {batch_idx + 1}"
            raise NotFiniteError(self._sentence(value, when, batch, "training"))
        self.train_loss.add(value, len(batch.indices))
        self.step_loss = value
        self.lr = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002 - Lightning passes it
        """Add one batch to `validation_loss`.

        Raises
        ------
        NotFiniteError
        """
        self.add_loss(self.validation_loss, batch, f"after epoch {self.current_epoch + 1}", "validation")

    def add_loss(self, mean: Mean, batch: Any, when: str, what: str) -> None:
        """Add the loss of a batch to ``mean``, in fp32 whatever the precision of the training.

        Which epoch is the best does not depend on rounding to bf16 then.

        Parameters
        ----------
        mean : Mean
        batch : Batch
        when, what : str
            For the message: "after epoch 3", "validation".

        Raises
        ------
        NotFiniteError
        """
        with torch.autocast(self.device.type, enabled=False):
            value = float(self.loss_of(batch))
        if not math.isfinite(value):
            raise NotFiniteError(self._sentence(value, when, batch, what))
        mean.add(value, len(batch.indices))

    def _sentence(self, value: float, when: str, batch: Any, what: str) -> str:
        indices = batch.indices.tolist()
        named = ", ".join(map(str, indices[:_NAMED]))
        if len(indices) > _NAMED:
            named += f" and {len(indices) - _NAMED} more"
        ways = f"a trainer.lr lower than {self.options.lr:g}"
        if self.options.precision != "fp32":
            ways += ", or trainer.precision=fp32"
        return (
            f"the loss became {value} {when}, at {what} rows {named}; try {ways}, and another folder with out=DIR; "
            "what earlier epochs reached is kept"
        )

    def configure_optimizers(self) -> Any:
        """Return Adam, and half a cosine from ``lr`` at the first step to ``lr_end`` at the last."""
        assert isinstance(self.options, NetworkOptions)
        optimizer = torch.optim.Adam(self.parameters(), lr=self.options.lr, betas=BETAS)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, T_max=max(1, self.n_steps - 1), eta_min=self.options.lr_end
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}
