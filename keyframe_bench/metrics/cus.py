"""Comparison of user summaries (CUS) by appearance, with precision, recall and F of every user."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip, KeyFrames
from ..core.errors import UsageError
from ..core.feature import Feature
from ..core.registry import register
from .base import Column, Metric
from .distances import GRAY, HUE, HUE_THRESHOLD, GrayDistances, distances_of, hue_distance, share_in_one_bin
from .matching import Method, matches_per_user, precision_recall_f


@dataclass(frozen=True, eq=False)
class UserScores:
    """Agreement of one summary with each user; every field is float64 [users].

    Attributes
    ----------
    cus_a : share of the user's key frames that are matched, 0 to 1; it is also the recall.
    cus_e : unmatched key frames of the summary per key frame of the user, 0 or more: it can exceed 1.
    precision, f : share of the summary that is matched, and F, 0 to 1.
    """

    cus_a: NDArray[np.float64]
    cus_e: NDArray[np.float64]
    precision: NDArray[np.float64]
    f: NDArray[np.float64]


def user_scores(matches: ArrayLike, n_predicted: int, n_users: ArrayLike) -> UserScores:
    """Return CUS_A, CUS_E (C2), precision and F (C3) of every user.

    An empty summary has 0 in everything.

    Parameters
    ----------
    matches : int [users]
        Matched pairs.
    n_predicted : int
        Key frames of the summary.
    n_users : int [users]
        Key frames of each user, at least 1: agreement with a user who chose nothing is not defined.

    Raises
    ------
    UsageError
        If a user has no key frames.

    Examples
    --------
    >>> scores = user_scores(matches=[1], n_predicted=3, n_users=[1])
    >>> scores.cus_a.tolist(), scores.cus_e.tolist(), scores.f.tolist()
    ([1.0], [2.0], [0.5])
    """
    own = np.asarray(n_users, dtype=np.int64)
    if not (own > 0).all():
        raise UsageError("a user without key frames agrees with nothing; leave them out")
    precision, recall, f = precision_recall_f(matches, n_predicted, own)
    spare = (n_predicted - np.asarray(matches, dtype=np.int64)) / own
    return UserScores(recall, spare, precision, f)


def histogram_matches(
    summary: NDArray[Any], users: NDArray[Any], sizes: list[int], method: Method = "greedy_user_order"
) -> NDArray[np.int64]:
    """Return the matched pairs of a summary with every user, int64 [users]: L1 distance of histograms < 0.5.

    Parameters
    ----------
    summary : float [K, bins]
        Histograms of the key frames, each of sum 1.
    users : float [R, bins]
        Histograms of the first user's key frames, then of the second's, and so on.
    sizes : list of int
        Key frames of each user.
    method : {"greedy_user_order", "optimal"}
        The first is the CUS tool's.
    """
    return matches_per_user(hue_distance(summary, users) < HUE_THRESHOLD, sizes, method)


class _Cus(Metric):
    """What the two CUS metrics share: ``suffix`` ends their columns, `histograms` gives the rows to compare."""

    version = 2
    requires = "users"
    reference = "deavila2011vsumm"
    feature: ClassVar[Feature]
    suffix: ClassVar[str]

    @property
    def needs(self) -> tuple[Feature, ...]:
        """What histograms are made of."""
        return (self.feature,)

    @abstractmethod
    def histograms(self, clip: Clip, frames: NDArray[np.int64]) -> NDArray[Any]:
        """Return one histogram of sum 1 for each of ``frames``, float [len(frames), bins]."""

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:
        """Return the mean of each number over the users with key frames; ``_max`` is the best user's."""
        users = [user.frames for user in (annotation.choosers if annotation else ()) if user.frames is not None]
        if not users:
            return dict.fromkeys(self.columns, 0.0)
        sizes, n = [len(frames) for frames in users], len(keyframes)
        summary, theirs = (self.histograms(clip, frames) for frames in (keyframes.frames, np.concatenate(users)))
        greedy = user_scores(histogram_matches(summary, theirs, sizes), n, sizes)
        best = user_scores(histogram_matches(summary, theirs, sizes, "optimal"), n, sizes)
        bound = user_scores(np.minimum(n, sizes), n, sizes)
        values = (
            *(greedy.cus_a.mean(), greedy.cus_e.mean()),
            *(greedy.precision.mean(), greedy.precision.max()),
            *(greedy.cus_a.mean(), greedy.cus_a.max()),
            *(greedy.f.mean(), bound.f.mean(), greedy.f.max()),
            *(best.cus_a.mean(), best.cus_e.mean(), best.f.mean(), best.f.max()),
            share_in_one_bin(np.concatenate([summary, theirs])),
        )
        return dict(zip(self.columns, map(float, values), strict=True))


_COLUMNS = {
    "cus_a": Column("higher", "1", "CUS_A: share of the user's key frames that are matched", headline=True),
    "cus_e": Column("lower", "1", "CUS_E: unmatched key frames per key frame of the user; may exceed 1", headline=True),
    "cus_p": Column("higher", "1", "precision of the CUS matching"),
    "cus_p_max": Column("higher", "1", "precision of the CUS matching, largest over users"),
    "cus_r": Column("higher", "1", "recall of the CUS matching (CUS_A)"),
    "cus_r_max": Column("higher", "1", "recall of the CUS matching, largest over users"),
    "cus_f": Column("higher", "1", "F of the CUS matching, mean of the users' F", headline=True),
    "cus_f_bound": Column(
        "none", "1", "largest F of K key frames: mean over users of 2 min(K, U) / (K + U)", headline=True
    ),
    "cus_f_max": Column("higher", "1", "F of the CUS matching, best user (optimistic)"),
    "cus_a_optimal": Column("higher", "1", "CUS_A with a largest one-to-one matching"),
    "cus_e_optimal": Column("lower", "1", "CUS_E with a largest one-to-one matching"),
    "cus_f_optimal": Column("higher", "1", "F with a largest one-to-one matching"),
    "cus_f_optimal_max": Column("higher", "1", "F with a largest one-to-one matching, best user"),
    "cus_flat": Column("none", "1", "share of compared frames with one bin filled (no colour), which match each other"),
}


@register("cus")
class Cus(_Cus):
    """Agreement with users' key frames by colour: 16-bin hue histograms, L1 < 0.5, greedy in the user's order (C2, C3).

    The columns ``*_optimal`` use a largest matching instead. Black and white video has no hue: see ``cus_flat``.
    """

    feature = HUE
    suffix = ""
    columns = _COLUMNS

    def histograms(self, clip: Clip, frames: NDArray[np.int64]) -> NDArray[Any]:
        """Return the rows of the hue histogram."""
        return clip[HUE][frames]


@register("cus_gray")
class CusGray(_Cus):
    """The same with 16-bin histograms of grey levels: the variant for video without colour (C2)."""

    feature = GRAY
    suffix = "_gray"
    columns: ClassVar[dict[str, Column]] = {
        f"{name}_gray": Column(column.direction, column.unit, f"{column.about}; grey histograms")
        for name, column in _COLUMNS.items()
    }

    def histograms(self, clip: Clip, frames: NDArray[np.int64]) -> NDArray[Any]:
        """Return float64 [len(frames), 16]: shares of the pixels in 16 equal ranges of grey."""
        return distances_of(clip, GrayDistances).histograms(frames)
