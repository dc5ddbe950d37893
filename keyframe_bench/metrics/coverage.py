"""How much of a video is near a key frame, in time and in looks: no annotation is needed."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..core.annotation import Annotation
from ..core.clip import Clip
from ..core.keyframes import KeyFrames
from ..core.registry import register
from .base import Column, Metric
from .looks import GrayLooks, HueLooks, looks_of
from .temporal import TOLERANCES
from .visual import Visual

_ROUNDING_S = 5e-7  # PTS carry rounding noise: differences count to the microsecond


@register("coverage_time")
class CoverageTime(Metric):
    """Share of the frames at most tau from a key frame in time (C4); 0 without key frames."""

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
        return {f"coverage_{s}": float((gap <= tau + _ROUNDING_S).mean()) for s, tau in TOLERANCES.items()}


class _Coverage(Visual):
    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the coverage, of `MAX_FRAMES` evenly spaced frames when there are more."""
        looks = looks_of(clip, self.looks)
        covered = 0.0
        if len(keyframes) and len(clip):
            covered = float((looks.nearest(keyframes.frames) < looks.limit).mean())
        return dict.fromkeys(self.columns, covered)


@register("coverage_hue")
class CoverageHue(_Coverage):
    """Share of the frames whose hue histogram is nearer than L1 < 0.5 to that of a key frame (C4); 0 without any."""

    looks = HueLooks
    columns: ClassVar[dict[str, Column]] = {
        "coverage_hue": Column("higher", "1", "share of the frames that look like a key frame (hue histogram)")
    }


@register("coverage_gray")
class CoverageGray(_Coverage):
    """Share of the frames whose small grey picture differs by RMS < 25 of 255 from that of a key frame (C4)."""

    looks = GrayLooks
    columns: ClassVar[dict[str, Column]] = {
        "coverage_gray": Column("higher", "1", "share of the frames that look like a key frame (grey)", headline=True)
    }
