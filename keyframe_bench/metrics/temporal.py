"""Nearness in time: agreement with users' key frames within a tolerance, and coverage without any annotation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip, KeyFrames
from ..core.registry import register
from .base import Column, Metric
from .matching import precision_recall_f

TOLERANCES: dict[str, float] = {"0_5s": 0.5, "1s": 1.0, "2s": 2.0, "5s": 5.0}
"""Suffix of the columns to tau in seconds."""

_MICROSECONDS = 1e6
_HALF_MICROSECOND = 5e-7  # PTS carry rounding noise: gaps count to the microsecond


def most_in_time(
    times: NDArray[np.float64], users: Sequence[NDArray[np.float64]], tolerances: Sequence[float]
) -> NDArray[np.int64]:
    """Return the size of a largest one-to-one matching with each user at each tolerance, int64 [tolerances, users].

    In time, giving every frame of a user, from first to last, the first free key frame within the tolerance is one of
    the largest matchings: what it leaves free is no better for later frames.

    Parameters
    ----------
    times, users : float64 [K], list of float64 [n]
        Seconds, in any order.
    tolerances : sequence of float
        Largest gap of a pair, in seconds, inclusive to the microsecond.
    """
    keys = np.sort(times)
    reach = np.asarray(tolerances, dtype=np.float64)[:, None] + _HALF_MICROSECOND
    found = []
    for user in users:
        wanted = np.sort(user)
        low, high = np.searchsorted(keys, wanted - reach), np.searchsorted(keys, wanted + reach, side="right")
        found.append([_in_turn(*ranges) for ranges in zip(low.tolist(), high.tolist(), strict=True)])
    return np.array(found, dtype=np.int64).reshape(len(users), len(tolerances)).T


def _in_turn(low: list[int], high: list[int]) -> int:
    """Return how many of the ranges low to high - 1, in order of both ends, get a number of their own, the least."""
    free = n = 0
    for first, end in zip(low, high, strict=True):
        here = max(free, first)
        if here < end:
            free, n = here + 1, n + 1
    return n


def nearest_first_in_time(
    times: NDArray[np.float64], users: Sequence[NDArray[np.float64]], tolerances: Sequence[float]
) -> NDArray[np.int64]:
    """Return the same for the matching that takes the nearest pair first, which may find fewer.

    Among equal gaps the earlier frame of the user comes first, then the earlier key frame.
    """
    keys, theirs = np.sort(times), np.concatenate([np.zeros(0), *(np.sort(user) for user in users)])
    sizes = [len(user) for user in users]
    reach = max(tolerances) + _HALF_MICROSECOND
    low = np.searchsorted(keys, theirs - reach, side="left")
    counts = np.searchsorted(keys, theirs + reach, side="right") - low
    reference = np.repeat(np.arange(len(theirs)), counts)
    predicted = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts - low, counts)
    gaps = np.rint(np.abs(keys[predicted] - theirs[reference]) * _MICROSECONDS) / _MICROSECONDS
    owner = np.repeat(np.arange(len(users)), sizes)
    order = np.lexsort((predicted, reference, gaps))
    copies = owner[reference] * len(keys) + predicted  # users do not compete
    taken, found = set(), [-1] * len(theirs)
    for r, p, copy in zip(*(a[order].tolist() for a in (reference, predicted, copies)), strict=True):
        if found[r] < 0 and copy not in taken:
            found[r] = p
            taken.add(copy)
    partner = np.asarray(found, dtype=np.int64)
    matched = partner >= 0
    owner, gap = owner[matched], np.abs(keys[partner[matched]] - theirs[matched])
    # As a pair never depends on farther ones, those within a smaller tolerance are the matching under that one.
    return np.stack([np.bincount(owner[gap <= tau + _HALF_MICROSECOND], minlength=len(users)) for tau in tolerances])


def _columns() -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for suffix, tau in TOLERANCES.items():
        within = f"within {tau:g} s of a user's key frame"
        columns |= {
            f"f1_{suffix}": Column("higher", "1", f"F1 {within}, mean of the users' F1", headline=tau == 1.0),
            f"f1_{suffix}_max": Column("higher", "1", f"F1 {within}, best user (optimistic)"),
            f"p_{suffix}": Column("higher", "1", f"precision {within}"),
            f"p_{suffix}_max": Column("higher", "1", f"precision {within}, largest over users"),
            f"r_{suffix}": Column("higher", "1", f"recall {within}"),
            f"r_{suffix}_max": Column("higher", "1", f"recall {within}, largest over users"),
            f"f1_{suffix}_greedy": Column("higher", "1", f"F1 {within}, nearest pair first"),
            f"f1_{suffix}_greedy_max": Column("higher", "1", f"F1 {within}, nearest pair first, best user"),
        }
    columns["f1_area"] = Column("higher", "1", "mean of F1 over tau from 0.5 to 5 s (trapezoids)")
    return columns


@register("temporal")
class Temporal(Metric):
    """One-to-one matching of key frames and users' key frames at most tau apart, ``|dt| <= tau``.

    The matching is a largest one (in time, greedy in the user's order reaches it too); the columns ``*_greedy`` take
    the nearest pair first and may find fewer. Chance alone gives an F1 that grows with K * 2 tau / duration: read it
    beside the row of ``random``.
    """

    version = 2
    requires = "users"
    columns: ClassVar[dict[str, Column]] = _columns()

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the mean over the users with key frames and the maximum of each number, at every tolerance."""
        users = [user.times for user in (annotation.choosers if annotation else ()) if user.times is not None]
        if not users:
            return dict.fromkeys(self.columns, 0.0)
        sizes, tolerances = [len(times) for times in users], list(TOLERANCES.values())
        most = most_in_time(keyframes.times, users, tolerances)
        greedy = nearest_first_in_time(keyframes.times, users, tolerances)
        p, r, f1 = precision_recall_f(most, len(keyframes), sizes)  # [tolerances, users] each
        f1_greedy = precision_recall_f(greedy, len(keyframes), sizes)[2]
        numbers: dict[str, float] = {}
        for name, values in (("p_{}", p), ("r_{}", r), ("f1_{}", f1), ("f1_{}_greedy", f1_greedy)):
            for suffix, mean, best in zip(TOLERANCES, values.mean(axis=1), values.max(axis=1), strict=True):
                numbers |= {name.format(suffix): mean, f"{name.format(suffix)}_max": best}
        numbers["f1_area"] = np.trapezoid([numbers[f"f1_{suffix}"] for suffix in TOLERANCES], tolerances) / np.ptp(
            tolerances
        )
        return {name: float(numbers[name]) for name in self.columns}


@register("coverage_time")
class CoverageTime(Metric):
    """Share of the frames at most tau from a key frame in time; 0 without key frames."""

    columns: ClassVar[dict[str, Column]] = {
        f"coverage_{suffix}": Column("higher", "1", f"share of the frames within {tau:g} s of a key frame")
        for suffix, tau in TOLERANCES.items()
    }

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the coverage at every tolerance."""
        if len(keyframes) == 0 or len(clip) == 0:
            return dict.fromkeys(self.columns, 0.0)
        times = np.sort(keyframes.times)
        right = np.searchsorted(times, clip.times)
        after = np.abs(times[np.minimum(right, len(times) - 1)] - clip.times)
        before = np.abs(clip.times - times[np.maximum(right - 1, 0)])
        gap = np.minimum(after, before)
        return {f"coverage_{s}": float((gap <= tau + _HALF_MICROSECOND).mean()) for s, tau in TOLERANCES.items()}
