"""Distances of frames in the spaces that a trained auto-encoder offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.errors import UsageError
from .computing import one_thread
from .losses import MixLoss, ReconstructionLoss

Space: TypeAlias = Literal["reconstruction", "input", "feature_mix", "feature_l1", "feature_l2", "feature_cos", "cross"]
_AT_A_TIME_ON_A_GPU = 64
PICTURE_SPACES: tuple[Space, ...] = ("reconstruction", "input", "cross")
CODE_SPACES: tuple[Space, ...] = ("feature_mix", "feature_l1", "feature_l2", "feature_cos")

Distances: TypeAlias = Callable[[int, int, int], NDArray[np.float64]]
"""``distances(reference, start, stop)``: of rows start to stop - 1 to the row ``reference``, float64, at least 0."""


def picture_distances(
    frames: NDArray[np.uint8], references: NDArray[np.uint8], loss: ReconstructionLoss | None = None
) -> Distances:
    """Return the loss between rows of ``frames`` and one of ``references``.

    ``frames`` and ``references`` (uint8 [N, H, W, 3]): RGB; the same array, or what is compared with another view of it
    (``cross``). They may be memory-mapped: only the rows asked for are read; ``loss``: default: ``mix`` with its own
    defaults.
    """
    return _loss_distances(loss, lambda rows: _pictures(frames[rows]), lambda rows: _pictures(references[rows]))


def code_distances(
    codes: NDArray[np.float32],
    space: Space,
    low: Sequence[float] = (),
    high: Sequence[float] = (),
    loss: ReconstructionLoss | None = None,
) -> Distances:
    """Return the distance of codes.

    Parameters
    ----------
    codes : float32 [N, C, h, w]
    space : {"feature_mix", "feature_l1", "feature_l2", "feature_cos"}
        * ``feature_mix``: the mix loss of codes that are laid out as images with C channels, each brought to 0 to 1
          by ``low`` and ``high`` and clipped there; its windows shrink to what a code's sides allow.
        * ``feature_l1``: mean absolute difference. ``feature_l2``: root of the mean squared difference.
        * ``feature_cos``: 1 minus the cosine of all values, 0 to 2; 0 between two codes of zeros, 1 to a single one.
    low, high : float [C]
        For ``feature_mix``: what becomes 0 and 1, percentiles of each channel over training images.
    loss : ReconstructionLoss, optional
        For ``feature_mix``; default: ``mix`` with its own defaults.
    """
    if space == "feature_mix":
        scaled = _scaling(codes.shape[1], low, high)
        return _loss_distances(loss, lambda rows: scaled(codes[rows]), lambda rows: scaled(codes[rows]))
    measure: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]] = {
        "feature_l1": lambda rows, row: np.abs(rows - row).mean(axis=1),
        "feature_l2": lambda rows, row: np.sqrt(np.square(rows - row).mean(axis=1)),
        "feature_cos": _cosine,
    }[space]

    def distances(reference: int, start: int, stop: int) -> NDArray[np.float64]:
        rows = np.asarray(codes[start:stop], dtype=np.float64).reshape(stop - start, -1)
        return measure(rows, np.asarray(codes[reference], dtype=np.float64).reshape(-1))

    return distances


def _loss_distances(
    loss: ReconstructionLoss | None, frames: Callable[[slice], Tensor], references: Callable[[slice], Tensor]
) -> Distances:
    """Return a loss as `Distances` of float32 [B, C, H, W] in 0 to 1, which are asked for by slices of rows."""
    measure = loss or MixLoss()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def distances(reference: int, start: int, stop: int) -> NDArray[np.float64]:
        # One image at a time: a distance does not depend on those that are asked for with it, to the last bit.
        step = 1 if device.type == "cpu" else _AT_A_TIME_ON_A_GPU
        found = []
        with torch.inference_mode(), one_thread():
            one = measure.prepared(references(slice(reference, reference + 1)).to(device))  # [1, C, H, W]
            for first in range(start, stop, step):
                some = measure.prepared(frames(slice(first, min(first + step, stop))).to(device))  # [step, C, H, W]
                found.append(measure.between(some, one).double().cpu().numpy())  # [step]
        # rounding may leave a little less between equal images
        values: NDArray[np.float64] = np.maximum(np.concatenate(found), 0.0)
        return values

    return distances


def _pictures(rows: NDArray[np.uint8]) -> Tensor:
    """Return float32 [B, 3, H, W] in 0 to 1 of uint8 [B, H, W, 3]."""
    return torch.tensor(rows).permute(0, 3, 1, 2).float().div_(255)  # [B, 3, H, W], a copy: rows may be read-only


def _scaling(channels: int, low: Sequence[float], high: Sequence[float]) -> Callable[[NDArray[np.float32]], Tensor]:
    """Return what brings codes [B, C, h, w] to 0 to 1; a channel that was constant in training becomes 0."""
    if len(low) != channels or len(high) != channels:
        raise UsageError(
            f"distance_space=feature_mix needs the range of all {channels} channels of the code, and the checkpoint "
            f"has that of {min(len(low), len(high))}; train it with this version, or choose another distance_space"
        )
    bottom = np.asarray(low, dtype=np.float32)[:, None, None]
    width = np.asarray(high, dtype=np.float32)[:, None, None] - bottom
    factor = np.divide(1, width, out=np.zeros_like(width), where=width > 0)

    def scaled(codes: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.clip((codes - bottom) * factor, 0, 1).astype(np.float32, copy=False))

    return scaled


def _cosine(rows: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return half the squared distance of the unit vectors, which is 0 for equal rows whatever the rounding."""
    lengths, length = np.linalg.norm(rows, axis=1), np.linalg.norm(reference)
    units = np.divide(rows, lengths[:, None], out=np.zeros_like(rows), where=lengths[:, None] > 0)
    unit = reference / length if length > 0 else reference
    values: NDArray[np.float64] = np.square(units - unit).sum(axis=1) / 2
    values[(lengths > 0) != (length > 0)] = 1.0
    return values
