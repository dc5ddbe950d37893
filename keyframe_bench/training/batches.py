"""Batches of pictures: whole batches are indexed in memory, in an order that seed and epoch decide."""

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
from .data import Pictures


class Batch(NamedTuple):
    """Pictures of one step.

    Attributes
    ----------
    pictures : uint8 [B, height, width, 3]
        RGB.
    flips : bool [B] or None
        Which are to be mirrored left to right; None where none ever is.
    indices : int64 [B]
        Their places among all training, or validation, pictures; never moved to another device.
    """

    pictures: Tensor
    flips: Tensor | None
    indices: NDArray[np.int64]

    def as_input(self, *, channels_last: bool) -> Tensor:
        """Return what a network takes: float32 [B, 3, height, width] in 0 to 1 on the device of the pictures."""
        pictures = self.pictures.permute(0, 3, 1, 2)  # [B, 3, H, W], whose memory is channels_last
        if self.flips is not None:
            pictures = torch.where(self.flips[:, None, None, None], pictures.flip(-1), pictures)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        return pictures.to(torch.float32, memory_format=layout).div_(255)


class _Drawn(NamedTuple):
    indices: NDArray[np.int64]
    flips: NDArray[np.bool_] | None


class _Order(Sampler[_Drawn]):
    """The batches of an epoch: a permutation, and a coin for every picture if it may be mirrored.

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
    """Pictures in memory, or mapped into it, by many indices at once."""

    def __init__(self, pictures: NDArray[np.uint8]) -> None:
        self.pictures = pictures

    def __getitem__(self, drawn: _Drawn) -> Batch:
        pictures = torch.from_numpy(np.take(self.pictures, drawn.indices, axis=0))
        return Batch(pictures, None if drawn.flips is None else torch.from_numpy(drawn.flips), drawn.indices)


def _as_it_is(batch: Batch) -> Batch:
    return batch


def training_batches(pictures: Pictures, batch: int, seed: int) -> DataLoader[Batch]:
    """Return the loader of training batches; the last one of an epoch may be smaller.

    There are no worker processes: nothing is decoded here, and a batch is copied in far less time than a step takes
    (``experiments/speed/training.py`` measures both).
    """
    return _loader(pictures.train, _Order(len(pictures.train), batch, seed=seed, flip=pictures.flip))


def plain_batches(pictures: NDArray[np.uint8], batch: int) -> DataLoader[Batch]:
    """Return the loader of ``pictures``, uint8 [N, height, width, 3], in their own order and never mirrored."""
    return _loader(pictures, _Order(len(pictures), batch, seed=None, flip=False))


def _loader(pictures: NDArray[np.uint8], order: _Order) -> DataLoader[Batch]:
    return DataLoader(_Indexed(pictures), sampler=order, batch_size=None, collate_fn=_as_it_is)  # type: ignore[arg-type]
