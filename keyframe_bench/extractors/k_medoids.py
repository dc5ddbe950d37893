"""k-medoids by FasterPAM: the real frames that lie nearest to all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.registry import register
from ..selection.clustering import SquaredDistances, representatives
from ._rows import Rows, RowSelector

_BLOCK = 64  # candidates judged at a time
_LEAST = 1e-4  # of the sum of distances, by which a swap lowers it


@register("k_medoids")
class KMedoids(RowSelector):
    """The k frames with the least sum of distances from every frame to the nearest of them, as far as swaps lead.

    Notes
    -----
    Schubert and Rousseeuw 2021: from the frames nearest to the centres of k-means, a key frame is swapped for another
    frame as soon as that lowers the sum, by a ten-thousandth or more, until no single swap does. Distances are
    Euclidean, not squared as those of k-means, so that single odd frames count less. The effect of swapping any of the
    k key frames for a candidate comes from one look at the candidate's N distances; candidates come in random order,
    64 are judged at a time, and the best of their swaps is made.

    A round over all candidates takes N^2 (D + k) for N rows of D numbers, and there are a few; memory grows with N D.
    """

    reference = "schubert2021fasterpam"
    budget_rule = "k medoids, improved by single swaps until none helps"
    stochastic = True

    def prepare(self) -> None:
        """Import scikit-learn."""
        super().prepare()
        import sklearn.cluster  # noqa: F401 - importing it takes a second that is not selection

    def chosen(self, points: Rows, k: int | None, *, rng: np.random.Generator) -> list[int]:
        """Return up to k positions: fewer where there are fewer distinct rows."""
        distances = SquaredDistances(points)
        state = _State(distances, representatives(points, k or 1, rng=rng, n_init=1).positions)
        order, since = rng.permutation(len(points)), 0
        while since < len(order):
            candidates, order = order[:_BLOCK], np.roll(order, -_BLOCK)
            away = distances(candidates)
            np.sqrt(away, out=away)
            since += len(candidates)
            while state.swap(candidates, away):
                since = len(candidates)
        return [int(medoid) for medoid in state.medoids]


class _State:
    """Medoids, and what every frame is away from the nearest and the second nearest of them."""

    def __init__(self, distances: SquaredDistances, medoids: NDArray[np.int64]) -> None:
        self.medoids = medoids
        self._to = np.sqrt(distances(medoids))  # [k, N]
        self._update()

    def _update(self) -> None:
        n, k = self._to.shape[1], len(self.medoids)
        self._whose = self._to.argmin(axis=0)
        self._near = self._to[self._whose, np.arange(n)]
        rest = self._to.copy()
        rest[self._whose, np.arange(n)] = np.inf
        # A single medoid: farther than any frame, so that all go to the candidate.
        self._next = rest.min(axis=0) if k > 1 else np.full(n, 4 * self._to.max(), dtype=np.float32)
        self._loss = np.bincount(self._whose, weights=self._next - self._near, minlength=k)  # without each medoid
        self._own = np.zeros((n, k), dtype=np.float32)
        self._own[np.arange(n), self._whose] = 1

    def swap(self, candidates: NDArray[np.int64], away: NDArray[np.float32]) -> bool:
        """Make the best swap for one of the candidates [B], ``away`` [B, N] from all frames; False if none helps."""
        work = away - self._near  # [B, N], one array for all steps: most of the time is moving such arrays
        gain = np.minimum(work, 0, out=work).sum(axis=1)  # of another medoid, none removed
        # Frames of the removed one that the candidate takes do not go to their second nearest.
        np.subtract(np.maximum(away, self._near, out=work), self._next, out=work)
        kept = np.minimum(work, 0, out=work) @ self._own  # [B, k]
        change = gain[:, None] + kept + self._loss
        best, medoid = np.unravel_index(change.argmin(), change.shape)
        # Summed anew, for what is left of sums that cancel is rounding, and could go on for ever.
        others = np.where(self._whose == medoid, self._next, self._near)
        sums = [float(a.sum(dtype=np.float64)) for a in (np.minimum(others, away[best]), self._near)]
        if sums[0] >= (1 - _LEAST) * sums[1]:
            return False
        self.medoids[medoid] = candidates[best]
        self._to[medoid] = away[best]
        self._update()
        return True
