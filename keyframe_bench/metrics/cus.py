"""Comparison of user summaries (CUS) by appearance, with precision, recall and F of every user."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..core.annotation import Annotation
from ..core.clip import Clip, KeyFrames
from ..core.registry import register
from .base import Column
from .distances import (
    HUE_THRESHOLD,
    FeatureMetric,
    GrayDistances,
    HueDistances,
    distances_of,
    hue_distance,
    share_in_one_bin,
)
from .matching import matches_per_user, precision_recall_f


class _Cus(FeatureMetric):
    version = 2
    requires = "users"
    reference = "deavila2011vsumm"

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:
        """Return the mean of each number over the users with key frames; ``_max`` is the best user's."""
        users = [user.frames for user in (annotation.choosers if annotation else ()) if user.frames is not None]
        if not users:
            return dict.fromkeys(self.columns, 0.0)
        sizes, n, family = [len(frames) for frames in users], len(keyframes), distances_of(clip, self.family)
        summary, theirs = family.histograms(keyframes.frames), family.histograms(np.concatenate(users))
        near = hue_distance(summary, theirs) < HUE_THRESHOLD
        greedy, most = matches_per_user(near, sizes, "greedy_user_order"), matches_per_user(near, sizes)
        p, r, f = precision_recall_f([greedy, most, np.minimum(n, sizes)], n, sizes)  # [3, users] each
        spare = (n - np.stack([greedy, most])) / sizes
        values = (
            *(r[0].mean(), spare[0].mean()),
            *(p[0].mean(), p[0].max()),
            *(r[0].mean(), r[0].max()),
            *(f[0].mean(), f[2].mean(), f[0].max()),
            *(r[1].mean(), spare[1].mean(), f[1].mean(), f[1].max()),
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
    """Agreement with users' key frames by colour: 16-bin hue histograms, L1 < 0.5, greedy in the user's order.

    The columns ``*_optimal`` use a largest matching instead. Black and white video has no hue: see ``cus_flat``.
    """

    family = HueDistances
    columns = _COLUMNS


@register("cus_gray")
class CusGray(_Cus):
    """Agreement with users' key frames by grey level, for video without colour: as `cus`, 16-bin grey histograms."""

    family = GrayDistances
    columns: ClassVar[dict[str, Column]] = {
        f"{name}_gray": Column(column.direction, column.unit, f"{column.about}; grey histograms")
        for name, column in _COLUMNS.items()
    }
