"""The greedy most probable summary of a determinantal point process."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from ..core.registry import Range, register
from ..selection.clustering import SquaredDistances
from ._rows import DIMS, FEATURE, Dims, Rows, RowSelector

_LEAST = 1e-5  # of a conditional variance: float32 distances carry no more


@register("dpp")
class Dpp(RowSelector):
    """Frames added one by one so that the determinant of their similarities is as large as it can become.

    Parameters
    ----------
    temperature : float
        Two frames d apart have the similarity exp(-d^2 / (m temperature)), with m the mean of d^2 over all pairs. When
        it is low, only near copies exclude each other, and most choices are ties; when it is high, outliers win.

    Notes
    -----
    Chen, Zhang and Zhou 2018: a Cholesky factor of the chosen frames' similarities gains one row per key frame, which
    gives every frame's conditional variance, the factor by which it would raise the determinant. All frames are equally
    good here (a diagonal of ones), so that the first key frame is a tie; ours is the frame nearest to the mean. Later
    ties go to the earlier frame, up to rounding. As no frame raises such a determinant, there is no free budget.

    Time grows with N k (D + k) for N rows of D numbers, memory with N (D + k).
    """

    reference = "chen2018dpp"
    budget_rule = "k times the frame that raises the determinant of the similarities most"

    def __init__(
        self, feature: str = FEATURE, dims: Dims = DIMS, temperature: Annotated[float, Range(1e-3, 1e3)] = 0.5
    ) -> None:
        super().__init__(feature, dims)
        self.temperature = temperature

    def chosen(self, points: Rows, k: int | None, *, rng: np.random.Generator) -> list[int]:  # noqa: ARG002 - interface
        """Return up to k positions: fewer where all other rows nearly equal a chosen one."""
        distances = SquaredDistances(points)
        mean = 2 * float(distances.lengths.mean(dtype=np.float64))  # of d^2 over pairs, as rows are centred
        found = [int(distances.lengths.argmin())]
        factor = np.zeros((k or 1, len(points)))  # rows of the Cholesky factor: one per key frame
        variance = np.ones(len(points))
        while len(found) < (k or 1) and mean > 0:
            at, row = found[-1], len(found) - 1
            alike = np.exp(-distances([at])[0] / (mean * self.temperature))
            factor[row] = (alike - factor[:row, at] @ factor[:row]) / np.sqrt(variance[at])
            variance = np.maximum(variance - np.square(factor[row]), 0)
            variance[found] = 0
            if variance.max() < _LEAST:
                break
            found.append(int(np.round(variance, 9).argmax()))
        return found
