"""Facility location by lazy greedy: every frame is served by its nearest key frame."""

from __future__ import annotations

import numpy as np

from ..core.registry import register
from ..selection.clustering import SquaredDistances
from ._rows import Rows, RowSelector

_BLOCK = 64  # gains computed at a time, as one matrix product


@register("facility_location")
class FacilityLocation(RowSelector):
    """The frames that, added one by one, bring all frames nearest to a key frame.

    Notes
    -----
    Nemhauser, Wolsey and Fisher 1978: greedy reaches at least 1 - 1/e of the largest value of
    f(S) = sum over frames i of (C - min over j in S of d_ij^2). Distances d are Euclidean, and C may be any number that
    no d^2 exceeds: the frames are the same for all. The first is the frame nearest to the mean. Ties go to the earlier
    frame, up to rounding.

    Minoux 1978: a gain can only shrink, so only those are computed again that were larger than the best new one. N^2
    gains are computed for the second key frame, and few after it. Time grows with N^2 D for N rows of D numbers, memory
    with N D.
    """

    reference = "nemhauser1978submodular"
    budget_rule = "k times the frame that lowers the sum of squared distances to the nearest key frame most"

    def chosen(self, points: Rows, k: int | None, *, rng: np.random.Generator) -> list[int]:  # noqa: ARG002 - interface
        """Return up to k positions: fewer where all other rows equal a chosen one."""
        distances = SquaredDistances(points)
        # Of centred rows the sum of squared distances to row j is N |x_j|^2 and a constant.
        found = [int(distances.lengths.argmin())]
        nearest = distances(found)[0]
        gains = np.full(len(points), np.inf)
        while len(found) < (k or 1) and nearest.max() > 0:
            stale = np.ones(len(points), dtype=bool)
            while stale[best := int(gains.argmax())]:
                candidates = np.flatnonzero(stale)
                highest = candidates[np.argsort(-gains[candidates], kind="stable")[:_BLOCK]]
                away = distances(highest)
                gains[highest] = np.maximum(np.subtract(nearest, away, out=away), 0, out=away).sum(axis=1)
                stale[highest] = False
            found.append(best)
            nearest = np.minimum(nearest, distances([best])[0])
        return found
