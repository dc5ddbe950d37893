"""The most probable summary of one video, free or of k frames."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from .._learned_rows import Vector
from .model import Mask, log_probability, masked

_NEVER = 1e-12
_BLOCK = 18  # 2^18 determinants in memory at once


class Summary:
    """What may be chosen of one video.

    Parameters
    ----------
    kernels : float64 [T, 2 n, 2 n]
    alpha : float
        A lower bound of their eigenvalues.
    real : bool [T, 2 n]
    """

    def __init__(self, kernels: NDArray[np.float64], alpha: float, real: Mask) -> None:
        self.kernels, self.alpha = kernels, alpha
        self.t, self.n = len(kernels), kernels.shape[1] // 2
        self.own = real[:, self.n :]
        self.n_frames = int(self.own.sum())
        self._best = cache(self._search)

    def _search(self, t: int, before: bytes) -> tuple[Vector, Mask]:
        """Return the largest log determinant of a subset of each size, [n + 1], and these subsets, [n + 1, n].

        They are of the kernel of segment t given which of the frames before are chosen.
        """
        own, given = int(self.own[t].sum()), np.frombuffer(before, dtype=bool)[np.newaxis]
        logs = log_minors(self._given(t, given)[0, :own, :own], self.alpha)
        subsets = _subsets(self.n)[: len(logs)]
        sizes = subsets.sum(axis=1)
        best = np.array([np.flatnonzero(sizes == size)[logs[sizes == size].argmax()] for size in range(own + 1)])
        return logs[best], subsets[best]

    def most_probable(self, bias: float) -> Mask:
        """Return the most probable summary from left to right, bool [N], with ``bias`` for every chosen frame."""
        chosen = np.zeros((self.t + 1, self.n), dtype=bool)
        for t in range(self.t):
            values, subsets = self._best(t, chosen[t].tobytes())
            chosen[t + 1] = subsets[np.argmax(values + bias * np.arange(len(values)))]
        return chosen[1:][self.own]

    def expected_size(self) -> float:
        """Return how many frames are chosen in a summary drawn from the model, on average over all summaries.

        Segment by segment, from the probability of every subset of the one before. Subsets less probable than 1e-12
        are left out, which no rounded number shows.
        """
        before, found = np.ones(1), 0.0
        for t in range(self.t):
            own = int(self.own[t].sum())
            sizes, likely = _subsets(own).sum(axis=1), np.flatnonzero(before > _NEVER)
            after = np.zeros(1 << own)
            for part in np.array_split(likely, max(1, len(likely) << own >> _BLOCK)):
                logs = log_minors(self._given(t, _subsets(self.n)[part])[:, :own, :own], self.alpha)  # [S, 2^own]
                shares = np.exp(logs - logs.max(axis=1, keepdims=True))
                after += before[part] / shares.sum(axis=1) @ shares
            before = after / after.sum()
            found += float(before @ sizes)
        return found

    def _given(self, t: int, before: Mask) -> NDArray[np.float64]:
        """Return kernels of segment t, [S, n, n], given which of the n frames before are chosen, [S, n]."""
        kernel, n = self.kernels[t], self.n
        across = np.where(before[:, :, None], kernel[:n, n:], 0.0)
        chosen = masked(np.broadcast_to(kernel[:n, :n], (len(before), n, n)), before)
        found: NDArray[np.float64] = kernel[n:, n:] - across.swapaxes(1, 2) @ np.linalg.solve(chosen, across)
        return found

    def exactly(self, k: int) -> Mask:
        """Return a summary of k frames, bool [N]: see `Seqdpp`."""
        # At these two nothing and everything is chosen: a frame raises the log determinant by between log(alpha) and
        # the logarithm of its own element of the kernel.
        low = -float(np.log(np.diagonal(self.kernels, axis1=1, axis2=2).max())) - 1.0
        high = 1.0 - float(np.log(self.alpha))
        nearest = np.full(self.n_frames, k > self.n_frames // 2)
        for _ in range(50):
            bias = (low + high) / 2
            found = self.most_probable(bias)
            if abs(found.sum() - k) < abs(nearest.sum() - k):
                nearest = found
            if found.sum() == k:
                return found
            low, high = (bias, high) if found.sum() < k else (low, bias)
        return self._moved(nearest, k)

    def _moved(self, chosen: Mask, k: int) -> Mask:
        """Add or remove single frames until k are chosen."""
        chosen, add = chosen.copy(), chosen.sum() < k
        segment = np.repeat(np.arange(self.t), self.own.sum(axis=1))
        values = np.full(self.n_frames, -np.inf)
        changed = np.arange(self.n_frames)
        while chosen.sum() != k:
            values[changed] = self._after(chosen, changed)
            best = int(np.where(chosen == add, -np.inf, values).argmax())
            chosen[best] = add
            changed = np.flatnonzero(np.abs(segment - segment[best]) <= 1)  # others do not see it
        return chosen

    def _after(self, chosen: Mask, positions: NDArray[np.int64]) -> Vector:
        """Return by how much the log probability of the summary changes when a frame is added or removed, [B]."""
        paired = self._paired(chosen)
        before = log_probability(self.kernels, paired, self.own)[0]
        segment, place = positions // self.n, positions % self.n
        now = paired[segment]
        now[np.arange(len(now)), self.n + place] ^= True
        change: Vector = log_probability(self.kernels[segment], now, self.own[segment])[0] - before[segment]
        with_next = np.flatnonzero(segment + 1 < self.t)
        following = segment[with_next] + 1
        then = paired[following]
        then[np.arange(len(then)), place[with_next]] ^= True
        log_p = log_probability(self.kernels[following], then, self.own[following])[0]
        change[with_next] += log_p - before[following]
        return change

    def _paired(self, chosen: Mask) -> Mask:
        """Return which frames of each segment, and of the one before, are chosen: bool [T, 2 n] of bool [N]."""
        now = np.zeros((self.t + 1, self.n), dtype=bool)
        now[1:][self.own] = chosen
        return np.concatenate([now[:-1], now[1:]], axis=1)

    def probabilities(self, chosen: Mask) -> Vector:
        """Return how probable each frame is given what is chosen of the segment before, float64 [N]."""
        among = np.concatenate([self._paired(chosen)[:, : self.n], self.own], axis=1)
        unit = np.concatenate([np.zeros_like(self.own), self.own], axis=1).astype(np.float64)
        inverse = np.linalg.inv(masked(self.kernels, among, unit))
        found = 1.0 - np.diagonal(inverse, axis1=1, axis2=2)[:, self.n :][self.own]
        return np.clip(found, 0.0, 1.0)


@cache
def _subsets(n: int) -> Mask:
    """Return all subsets of n frames, bool [2^n, n], in the order of `log_minors`."""
    return (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(bool)


def log_minors(kernel: NDArray[np.float64], least: float) -> Vector:
    """Return the log determinants of all principal submatrices, [..., 2^n]; bit i of the index says that i is in.

    Parameters
    ----------
    kernel : float64 [..., n, n]
        Symmetric.
    least : float
        A positive lower bound of its eigenvalues, hence of every pivot.
    """
    logs, rest = np.zeros((*kernel.shape[:-2], 1)), kernel[..., np.newaxis, :, :]
    for _ in range(kernel.shape[-1]):
        # Without the first of the others, and with it: then the others are conditioned on it (a Schur complement).
        pivot, column, others = np.maximum(rest[..., 0, 0], least), rest[..., 1:, 0], rest[..., 1:, 1:]
        logs = np.concatenate([logs, logs + np.log(pivot)], axis=-1)
        within = others - column[..., None] * (column / pivot[..., None])[..., None, :]
        rest = np.concatenate([others, within], axis=-3)
    return logs
