"""Gaussian windows over images in torch, as matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..core.errors import UsageError

Padding = Literal["reflect", "zero", "valid"]

_NEGLIGIBLE = 1e-10  # of the largest weight: less than the last digit of a float32
_BLOCK = 48  # places of a block: smaller ones multiply fewer zeros, larger ones at a better rate


@dataclass(frozen=True)
class Window:
    """Gaussian windows of one width and several standard deviations."""

    sigmas: tuple[float, ...]  # in pixels
    taps: int  # Pixels on a side, odd. Weights sum to 1.
    # What lies beyond the border: the image mirrored at its outermost pixels (a window wider than the image allows is
    # clipped to 2 side - 1 taps), black, or nothing: windows inside the image only
    padding: Padding

    def matrix(self, sigma: float, size: int) -> np.ndarray:
        """Return the filter along an axis of ``size`` pixels as a matrix, float64 [places, size].

        Raises `UsageError` if no window fits.
        """
        radius = self.taps // 2
        if self.padding == "reflect":
            radius = min(radius, size - 1)
        elif self.padding == "valid" and size < self.taps:
            raise UsageError(
                f"a window of {self.taps} pixels does not fit into an image with a side of {size}; "
                "take larger images, or padding=reflect with ms_kind=sigma"
            )
        weights = np.exp(-np.square(np.arange(-radius, radius + 1) / sigma) / 2)
        weights[weights < _NEGLIGIBLE] = 0
        places = size - 2 * radius if self.padding == "valid" else size
        rows, taps = np.indices((places, 2 * radius + 1))
        columns = rows + taps if self.padding == "valid" else rows + taps - radius
        if self.padding == "reflect":
            columns = np.abs(columns)
            columns = np.minimum(columns, 2 * (size - 1) - columns)
        inside = (columns >= 0) & (columns < size)
        matrix = np.zeros((places, size))
        np.add.at(matrix, (rows[inside], columns[inside]), (weights / weights.sum())[taps[inside]])
        return matrix


@dataclass(frozen=True)
class _Banded:
    """A matrix [places in, places out] in blocks of columns: of a band, most of the products would be with zeros."""

    # Places in, places out, and the part of the matrix there. Every place out is in one block.
    blocks: tuple[tuple[slice, slice, Tensor], ...]
    n_out: int

    @classmethod
    def of(cls, matrix: np.ndarray, dtype: torch.dtype, device: torch.device) -> _Banded:
        n_out = matrix.shape[1]
        blocks = []
        for columns in np.array_split(np.arange(n_out), max(1, round(n_out / _BLOCK))):
            out = slice(int(columns[0]), int(columns[-1]) + 1)
            used = np.flatnonzero(matrix[:, out].any(axis=1))
            rows = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
            blocks.append((rows, out, torch.tensor(matrix[rows, out], dtype=dtype, device=device)))
        return cls(tuple(blocks), n_out)

    def across(self, maps: Tensor, out: Tensor, *, add: bool = False) -> None:
        """Write maps [m, H, in] times the matrix into ``out`` [m, H, n_out], or add it."""
        source, result = maps.flatten(0, 1), out.flatten(0, 1)  # [m H, in], [m H, n_out]
        for rows, columns, part in self.blocks:
            if add:
                result[:, columns].addmm_(source[:, rows], part)
            else:
                torch.mm(source[:, rows], part, out=result[:, columns])

    def down(self, maps: Tensor, out: Tensor) -> None:
        """Write the transposed matrix times maps [m, in, W] into ``out`` [m, n_out, W]."""
        for rows, columns, part in self.blocks:
            torch.bmm(part.T.expand(len(maps), -1, -1), maps[:, rows], out=out[:, columns])


@dataclass(frozen=True)
class _Axis:
    """The filters of a window along one axis, and their transposes."""

    filters: tuple[_Banded, ...]
    transposed: tuple[_Banded, ...]
    mean: Tensor  # [size], of the coarsest: weight of a pixel in the mean over all places

    @property
    def n_out(self) -> int:
        return self.filters[0].n_out


@lru_cache(maxsize=128)
def _axis(window: Window, size: int, dtype: torch.dtype, device: torch.device) -> _Axis:
    matrices = [window.matrix(sigma, size) for sigma in window.sigmas]
    with torch.inference_mode(False):  # kept for calls that need a gradient
        return _Axis(
            tuple(_Banded.of(matrix.T, dtype, device) for matrix in matrices),
            tuple(_Banded.of(matrix, dtype, device) for matrix in matrices),
            torch.tensor(matrices[-1].mean(axis=0), dtype=dtype, device=device),
        )


class _Blur(torch.autograd.Function):
    """See `blur`; maps [m, H, W] to [S, m, h, w]."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, down: _Axis, across: _Axis) -> Tensor:
        m, height, width = maps.shape
        ctx.axes, ctx.size = (down, across), (m, height, width)
        rows = maps.new_empty(m, height, across.n_out)  # [m, H, w]
        out = maps.new_empty(len(down.filters), m, down.n_out, across.n_out)  # [S, m, h, w]
        for place, vertical, horizontal in zip(out, down.filters, across.filters, strict=True):
            horizontal.across(maps, rows)  # [m, H, w]
            vertical.down(rows, place)  # [m, h, w]
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        down, across = ctx.axes
        return _transposed(upstream, down, across, ctx.size), None, None  # [m, H, W]


def _transposed(maps: Tensor, down: _Axis, across: _Axis, size: tuple[int, int, int]) -> Tensor:
    """Return the sum over scales of the transposed filters of maps [S, m, h, w], of ``size`` [m, H, W]."""
    m, height, _ = size
    rows, total = maps.new_empty(m, height, across.n_out), maps.new_empty(size)  # [m, H, w], [m, H, W]
    for s, (vertical, horizontal) in enumerate(zip(down.transposed, across.transposed, strict=True)):
        vertical.down(maps[s], rows)  # [m, H, w]
        horizontal.across(rows, total, add=s > 0)  # [m, H, W]
    return total


def blur(images: Tensor, window: Window) -> Tensor:
    """Return the weighted means around every pixel, [S, N, C, h, w], of images [N, C, H, W].

    A separable filter as two matrix products, of the blocks of the matrices that are not zero: on a CPU several
    times as fast as a convolution per channel.
    """
    n, channels, height, width = images.shape
    down, across = (_axis(window, size, images.dtype, images.device) for size in (height, width))
    blurred: Tensor = _Blur.apply(images.reshape(-1, height, width), down, across)  # [S, N C, h, w]
    return blurred.view(len(blurred), n, channels, *blurred.shape[2:])  # [S, N, C, h, w]


def unblur(maps: Tensor, window: Window, shape: Sequence[int]) -> Tensor:
    """Return the transpose of `blur`, [N, C, H, W] as in ``shape``, of maps [S, N, C, h, w]: for gradients."""
    down, across = (_axis(window, size, maps.dtype, maps.device) for size in shape[2:])
    size = (shape[0] * shape[1], shape[2], shape[3])
    return _transposed(maps.flatten(1, 2), down, across, size).view(*shape)  # [N, C, H, W]


def mean_of_blurred(maps: Tensor, window: Window) -> Tensor:
    """Return the mean over all pixels of maps [N, H, W] after the coarsest filter, [N], without filtering.

    The mean of a filtered map is a weighted mean of the map: only weights near the border differ.
    """
    down, across = (_axis(window, size, maps.dtype, maps.device) for size in maps.shape[1:])
    return (maps @ across.mean) @ down.mean  # [N, H, W] -> [N, H] -> [N]
