"""Rectangular MaxVol: the frames whose rows span the largest volume."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from ..core.registry import Range, register
from ._rows import FEATURE, Dims, Rows, RowSelector

_DOMINANT = 1.05  # a swap must enlarge the volume by more than 5 %
_RANK = 1e-5  # singular values below this share of the largest are rounding


@register("maxvol")
class Maxvol(RowSelector):
    """Frames whose rows span the largest volume, so that all others are short combinations of them.

    Parameters
    ----------
    dims : int
        Leading singular vectors to which rows are reduced, as they are, without centring; 0 keeps them all. With a
        budget of fewer key frames, only as many.
    tolerance : float
        With a free budget, frames are added until every frame is a combination of the key frames with coefficients
        whose Euclidean length is at most this: the lower, the more.

    Notes
    -----
    As MaxInfo (Li et al. 2025) uses rectangular MaxVol (Mikhalev and Oseledets 2018). Of the rows A [N, r] a dominant
    square is found first: r rows, from a pivoted QR decomposition, of which one is swapped for another as long as that
    enlarges |det| by more than 5 %. Then the row is added that enlarges det(S'S) of the chosen rows S most, by the
    factor 1 + a (S'S)^-1 a'. Copies of a chosen row are left out, ties go to the earlier frame, up to rounding. 8
    singular vectors and a tolerance of 0.3 are MaxInfo's.

    Time grows with N D r for the singular vectors of N rows of D numbers, then with N r (r + k).
    """

    reference = "li2025maxinfo"
    supports = frozenset({"fixed", "free"})
    budget_rule = "k rows of large volume; free: until all rows are short combinations of the chosen ones"

    def __init__(
        self, feature: str = FEATURE, dims: Dims = 8, tolerance: Annotated[float, Range(0.01, 100)] = 0.3
    ) -> None:
        super().__init__(feature, dims)
        self.tolerance = tolerance

    def points(self, rows: Rows) -> Rows:
        """Return the rows [N, D] in the directions of their leading singular vectors, float32 [N, r]."""
        from sklearn.utils.extmath import randomized_svd

        if 0 < self.dims < min(rows.shape):
            u, s, _ = randomized_svd(rows, self.dims, random_state=0)
        else:
            u, s, _ = np.linalg.svd(rows, full_matrices=False)
        return np.asarray(u * s, dtype=np.float32)

    def chosen(self, points: Rows, k: int | None, *, rng: np.random.Generator) -> list[int]:  # noqa: ARG002 - interface
        """Return up to k positions: fewer where all other rows equal a chosen one."""
        sizes = np.linalg.norm(points.astype(np.float64), axis=0)
        rank = min(int((sizes > _RANK * sizes[0]).sum()), k or len(points))
        if rank == 0:
            return [0]
        # Columns of length 1: volumes change by one factor, so that the frames are the same.
        a = points[:, :rank] / sizes[:rank]
        found = _dominant(a)
        inverse = np.linalg.inv(a[found].T @ a[found])
        gains = np.einsum("nr,rs,ns->n", a, inverse, a, optimize=True)  # squared lengths of coefficients
        apart = 1e-5 * float(np.abs(a).max())
        for position in found:
            gains[np.abs(a - a[position]).max(axis=1) <= apart] = -1
        least = self.tolerance**2 if k is None else 0.0
        while len(found) < (k or len(a)) and gains.max() > least:
            best = int(np.round(gains, 9).argmax())
            toward = inverse @ a[best]
            shrunk = gains - np.square(a @ toward) / (1 + gains[best])
            inverse -= np.outer(toward, toward) / (1 + gains[best])
            gains = np.where((gains < 0) | (np.abs(a - a[best]).max(axis=1) <= apart), -1, shrunk)
            found.append(best)
        return found


def _dominant(a: NDArray[np.float64]) -> list[int]:
    """Return r rows of [N, r] that no single swap enlarges by more than 5 % in |det|."""
    from scipy.linalg import qr

    found = qr(a.T, mode="r", pivoting=True)[1][: a.shape[1]].tolist()
    while True:
        coefficients = np.linalg.solve(a[found].T, a.T)  # [r, N]; |det| grows by such a factor
        inside, outside = np.unravel_index(np.abs(coefficients).argmax(), coefficients.shape)
        if abs(coefficients[inside, outside]) <= _DOMINANT:
            return list(map(int, found))
        found[inside] = int(outside)
