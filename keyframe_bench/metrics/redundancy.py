"""How much the key frames of one summary repeat each other."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip
from ..core.feature import Feature
from ..core.keyframes import KeyFrames
from ..core.registry import register
from .base import Column, Metric
from .distances import GRAY, GRAY_MAX, HUE, HUE_MAX, gray_distance, hue_distance


def redundancy(similarity: NDArray[np.float64]) -> float:
    """Return the mean over key frames of the largest similarity to another one (C4); 0 for fewer than two.

    Parameters
    ----------
    similarity : float [K, K]
        0 to 1, symmetric; the diagonal is not looked at.
    """
    if len(similarity) < 2:
        return 0.0
    others = np.where(np.eye(len(similarity), dtype=bool), -np.inf, similarity)
    return float(others.max(axis=1).mean())


@register("redundancy_hue")
class RedundancyHue(Metric):
    """Redundancy with the similarity 1 - L1 / 2 of hue histograms."""

    columns: ClassVar[dict[str, Column]] = {
        "redundancy_hue": Column("lower", "1", "similarity of a key frame to its most similar other (hue histogram)")
    }

    @property
    def needs(self) -> tuple[Feature, ...]:
        """The hue histogram."""
        return (HUE,)

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the redundancy."""
        rows = clip[HUE][keyframes.frames]
        return {"redundancy_hue": redundancy(1 - hue_distance(rows, rows) / HUE_MAX)}


@register("redundancy_gray")
class RedundancyGray(Metric):
    """Redundancy with the similarity 1 - RMS / 255 of small grey pictures; unlike scenes are seldom below 0.6."""

    columns: ClassVar[dict[str, Column]] = {
        "redundancy_gray": Column(
            "lower", "1", "similarity of a key frame to its most similar other (grey)", headline=True
        )
    }

    @property
    def needs(self) -> tuple[Feature, ...]:
        """Small grey pictures."""
        return (GRAY,)

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the redundancy."""
        rows = clip[GRAY][keyframes.frames]
        return {"redundancy_gray": redundancy(1 - gray_distance(rows, rows) / GRAY_MAX)}
