"""Agreement with users' key frames in time: precision, recall and F1 within a tolerance."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip
from ..core.keyframes import KeyFrames
from ..core.registry import register
from .base import Column, Metric
from .matching import Method, matches_per_user, precision_recall_f

TOLERANCES: dict[str, float] = {"0_5s": 0.5, "1s": 1.0, "2s": 2.0, "5s": 5.0}
"""Suffix of the columns to tau in seconds."""

_MICROSECONDS = 1e6


def gaps_in_time(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return |a - b| in seconds, float64 [len(a), len(b)], rounded to microseconds: PTS carry rounding noise."""
    gaps: NDArray[np.float64] = np.rint(np.abs(a[:, None] - b[None]) * _MICROSECONDS) / _MICROSECONDS
    return gaps


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
    """One-to-one matching of key frames and users' key frames at most tau apart, ``|dt| <= tau`` (C1).

    The matching is a largest one (in time, greedy in the user's order reaches it too); the columns ``*_greedy`` take
    the nearest pair first and may find fewer. Chance alone gives an F1 that grows with K * 2 tau / duration: read it
    beside the row of ``random``.
    """

    wants = "users"
    reference = "none"
    columns: ClassVar[dict[str, Column]] = _columns()

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the mean over users and the maximum of each number, at every tolerance."""
        users = [_times(user.times) for user in (annotation.users if annotation else ())]
        sizes = [len(times) for times in users]
        gaps = gaps_in_time(keyframes.times, np.concatenate([np.zeros(0), *users]))

        def scores(tau: float, method: Method) -> tuple[NDArray[np.float64], ...]:
            return precision_recall_f(matches_per_user(gaps, gaps <= tau, sizes, method), len(keyframes), sizes)

        numbers: dict[str, Any] = {}
        for suffix, tau in TOLERANCES.items():
            precision, recall, f1 = scores(tau, "optimal")
            greedy = scores(tau, "greedy_best")[2]
            for name, values in ((f"f1_{suffix}", f1), (f"p_{suffix}", precision), (f"r_{suffix}", recall)):
                numbers |= {name: values.mean(), f"{name}_max": values.max()}
            numbers |= {f"f1_{suffix}_greedy": greedy.mean(), f"f1_{suffix}_greedy_max": greedy.max()}
        numbers["f1_area"] = _area([numbers[f"f1_{suffix}"] for suffix in TOLERANCES])
        return {name: float(numbers[name]) for name in self.columns}


def _times(times: NDArray[np.float64] | None) -> NDArray[np.float64]:
    return np.zeros(0) if times is None else times


def _area(f1: list[float]) -> float:
    """Mean height of the curve that joins F1 at the tolerances."""
    tau = list(TOLERANCES.values())
    steps = np.diff(tau)
    return float(((np.asarray(f1)[1:] + np.asarray(f1)[:-1]) / 2 * steps).sum() / steps.sum())
