"""How much the key frames of one summary repeat each other."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip
from ..core.keyframes import KeyFrames
from ..core.registry import register
from .base import Column
from .looks import GrayLooks, HueLooks, Looks, looks_of, spread
from .visual import Visual

_AT_A_TIME = 512  # key frames, so that memory grows with their number, not with its square


def redundancy(looks: Looks, frames: NDArray[np.int64]) -> float:
    """Return the mean over key frames of the largest similarity 1 - d / d_max to another (C4); 0 for fewer than two.

    Parameters
    ----------
    looks : Looks
        Distances d, of range 0 to d_max.
    frames : int64 [K]
        Ordinals of the key frames. Of more than `MAX_FRAMES`, evenly spaced ones are compared with all others.
    """
    if len(frames) < 2:
        return 0.0
    judged, total = spread(len(frames)), 0.0
    for start in range(0, len(judged), _AT_A_TIME):
        rows = judged[start : start + _AT_A_TIME]
        distance = looks.distance(frames[rows], frames)
        distance[np.arange(len(rows)), rows] = np.inf
        total += float((1 - distance.min(axis=1) / looks.largest).sum())
    return total / len(judged)


class _Redundancy(Visual):
    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the redundancy."""
        return dict.fromkeys(self.columns, redundancy(looks_of(clip, self.looks), keyframes.frames))


@register("redundancy_hue")
class RedundancyHue(_Redundancy):
    """Redundancy with the similarity 1 - L1 / 2 of hue histograms."""

    version = 2
    looks = HueLooks
    columns: ClassVar[dict[str, Column]] = {
        "redundancy_hue": Column("lower", "1", "similarity of a key frame to its most similar other (hue histogram)")
    }


@register("redundancy_gray")
class RedundancyGray(_Redundancy):
    """Redundancy with the similarity 1 - RMS / 255 of small grey pictures; unlike scenes are seldom below 0.6."""

    version = 2
    looks = GrayLooks
    columns: ClassVar[dict[str, Column]] = {
        "redundancy_gray": Column(
            "lower", "1", "similarity of a key frame to its most similar other (grey)", headline=True
        )
    }
