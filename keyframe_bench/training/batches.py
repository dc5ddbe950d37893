"""Batches of stored rows, in an order that seed and epoch decide."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.seeding import rng_for
from .clips import Rows


class Batch(NamedTuple):
    """Rows of one step."""

    rows: Tensor  # [B, ...]
    flips: Tensor | None  # bool [B] or None; Which images are to be mirrored left to right; None where none ever is
    indices: NDArray[np.int64]  # int64 [B]; Their places among all rows; never moved to another device


class RowBatches:
    """Batches of an epoch; the last one may be smaller.

    There are no worker processes: nothing is decoded here, and a batch is copied in far less time than a step takes
    (``experiments/speed/training.py`` measures both).

    Parameters
    ----------
    batch : int
        Rows of a step.
    seed : int, optional
        Of the random order, another one in every epoch; without it the rows come in their own order.
    mirrored : bool
        Whether to toss a coin for every image of a random order: it may be mirrored.
    """

    def __init__(self, rows: Rows, batch: int, *, seed: int | None = None, mirrored: bool = False) -> None:
        self.rows, self.batch, self.seed, self.mirrored = rows, batch, seed, mirrored
        self.epoch = 0
        self.sampler, self.batch_sampler = self, None  # Lightning sets the sampler's epoch, also after an interruption

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of this epoch, from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.batch)

    def __iter__(self) -> Iterator[Batch]:
        order, flips = np.arange(len(self.rows)), None
        if self.seed is not None:
            rng = rng_for(self.seed, "training", self.epoch)
            order = rng.permutation(len(order))
            flips = rng.random(len(order)) < 0.5 if self.mirrored else None
        for start in range(0, len(order), self.batch):
            indices = order[start : start + self.batch]
            turned = None if flips is None else torch.from_numpy(flips[indices])
            yield Batch(torch.from_numpy(self.rows.take(indices)), turned, indices)
