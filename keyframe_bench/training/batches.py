"""Batches of stored rows, in an order that seed and epoch decide."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ..core.seeding import rng_for
from .clips import Rows


class Batch(NamedTuple):
    """Rows of one step.

    Attributes
    ----------
    rows : Tensor [B, ...]
    flips : bool [B] or None
        Which images are to be mirrored left to right; None where none ever is.
    indices : int64 [B]
        Their places among all rows; never moved to another device.
    """

    rows: Tensor
    flips: Tensor | None
    indices: NDArray[np.int64]


class _Drawn(NamedTuple):
    indices: NDArray[np.int64]
    flips: NDArray[np.bool_] | None


class _Order(Sampler[_Drawn]):
    """The batches of an epoch: a permutation, and a coin for every image if it may be mirrored.

    Lightning calls ``set_epoch`` before every epoch, also before the first one after an interruption.
    """

    def __init__(self, n: int, batch: int, *, seed: int | None, flip: bool) -> None:
        self.n = n
        self.batch = batch
        self.seed = seed
        self.flip = flip
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.n / self.batch)

    def __iter__(self) -> Iterator[_Drawn]:
        order, flips = np.arange(self.n), None
        if self.seed is not None:
            rng = rng_for(self.seed, "training", self.epoch)
            order = rng.permutation(self.n)
            flips = rng.random(self.n) < 0.5 if self.flip else None
        for start in range(0, self.n, self.batch):
            indices = order[start : start + self.batch]
            yield _Drawn(indices, None if flips is None else flips[indices])


class _Indexed(Dataset[Batch]):
    """Stored rows by many indices at once."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __getitem__(self, drawn: _Drawn) -> Batch:
        rows = torch.from_numpy(self.rows.take(drawn.indices))
        return Batch(rows, None if drawn.flips is None else torch.from_numpy(drawn.flips), drawn.indices)


def _as_it_is(batch: Batch) -> Batch:
    return batch


def drawn_batches(rows: Rows, batch: int, seed: int, *, mirrored: bool = False) -> DataLoader[Batch]:
    """Return the loader of training batches in random order; the last one of an epoch may be smaller.

    There are no worker processes: nothing is decoded here, and a batch is copied in far less time than a step takes
    (``experiments/speed/training.py`` measures both).
    """
    return _loader(rows, _Order(len(rows), batch, seed=seed, flip=mirrored))


def plain_batches(rows: Rows, batch: int) -> DataLoader[Batch]:
    """Return the loader of ``rows`` in their own order, never mirrored."""
    return _loader(rows, _Order(len(rows), batch, seed=None, flip=False))


def _loader(rows: Rows, order: _Order) -> DataLoader[Batch]:
    return DataLoader(_Indexed(rows), sampler=order, batch_size=None, collate_fn=_as_it_is)  # type: ignore[arg-type]
