"""Training of an auto-encoder: it learns to reproduce images (Chen et al. 2021, section 3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ...core.checkpoint import Checkpoint
from ...models.checkpoint import with_weights
from ...training.batches import Batch, drawn_batches, plain_batches
from ...training.clips import Clips
from ...training.fit_module import Batches, fit_module
from ...training.module import LossModule
from ...training.session import Session
from .calibration import calibrated
from .options import AutoencoderOptions

if TYPE_CHECKING:
    from ...models.autoencoder import Autoencoder


def fit_autoencoder(train: Clips, validation: Clips, session: Session) -> Checkpoint:
    """Return the trained network with its calibrated thresholds; see `Trainable.fit`.

    Raises
    ------
    UsageError
        If the checkpoint to start from is of another network.
    """
    options = cast(AutoencoderOptions, session.options)
    rows, held_out = train.rows(options.pictures), validation.rows(options.pictures)
    batches = Batches(
        train=drawn_batches(rows, options.batch, session.seed, mirrored=train.mirrored),
        validation=plain_batches(held_out, options.batch),
        seen=plain_batches(rows, options.batch),
    )
    return fit_module(
        lambda: Reconstruction(_start(options, session.init), options),
        batches,
        session,
        threads=options.torch_threads,
        finish=lambda model: calibrated(cast("Autoencoder", model), rows, held_out, still_camera=not train.mirrored),
    )


def _start(options: AutoencoderOptions, init: Checkpoint | None) -> Autoencoder:
    """Return the network before the first step: from the seed, or from a checkpoint."""
    network = options.built_network
    model = network.module() if init is None else with_weights(init, "init", network)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    return model.to(memory_format=layout).requires_grad_(True).train()


class Reconstruction(LossModule):
    """Trains a network to reproduce its input."""

    options: AutoencoderOptions

    def loss_of(self, batch: Batch) -> Tensor:
        """Return the mean loss of a batch, a scalar."""
        pictures = as_input(batch, channels_last=self.options.channels_last)  # [B, 3, H, W]
        loss: Tensor = self.options.built_loss(pictures, self.model(pictures))
        return loss


def as_input(batch: Batch, *, channels_last: bool) -> Tensor:
    """Return what a network takes of a batch of uint8 [B, H, W, 3] images: float32 [B, 3, H, W] in 0 to 1."""
    pictures = batch.rows.permute(0, 3, 1, 2)  # [B, 3, H, W], whose memory is channels_last
    if batch.flips is not None:
        pictures = torch.where(batch.flips[:, None, None, None], pictures.flip(-1), pictures)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return pictures.to(torch.float32, memory_format=layout).div_(255)
