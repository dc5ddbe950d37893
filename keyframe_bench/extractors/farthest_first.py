"""Greedy k-centre: each key frame is the frame farthest from those before it."""

from __future__ import annotations

import numpy as np

from ..core.registry import register
from ..selection.clustering import SquaredDistances
from ._rows import Rows, RowSelector


@register("farthest_first")
class FarthestFirst(RowSelector):
    """The frame nearest to the mean, then again and again the frame farthest from all chosen ones.

    Notes
    -----
    Gonzalez 1985: the largest distance of a frame to its nearest key frame is at most twice the smallest there can be
    with k. Distances are Euclidean, ties go to the earlier frame. The source may begin anywhere; the frame nearest to
    the mean is ours. Outliers, such as a blank frame, are chosen first. Time grows with N k D for N rows of D numbers.
    """

    reference = "gonzalez1985clustering"
    budget_rule = "k times the frame farthest from those chosen"

    def chosen(self, points: Rows, k: int | None, *, rng: np.random.Generator) -> list[int]:  # noqa: ARG002 - interface
        """Return up to k positions: fewer where all other rows equal a chosen one."""
        distances = SquaredDistances(points)
        found = [int(distances.lengths.argmin())]
        nearest = distances(found)[0]
        while len(found) < (k or 1) and nearest.max() > 0:
            found.append(int(nearest.argmax()))
            nearest = np.minimum(nearest, distances(found[-1:])[0])
        return found
