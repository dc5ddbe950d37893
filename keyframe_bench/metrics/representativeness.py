"""How well key frames stand for the frames, as the medoids of clusters would."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..core.annotation import Annotation
from ..core.clip import Clip
from ..core.keyframes import KeyFrames
from ..core.registry import register
from .base import Column
from .looks import GrayLooks, HueLooks, looks_of
from .visual import Visual


class _Representativeness(Visual):
    reference = "zhou2018drdsn"

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the column; of `MAX_FRAMES` evenly spaced frames when there are more. 0 without key frames."""
        value = 0.0
        if len(keyframes) and len(clip):
            value = float(np.exp(-looks_of(clip, self.looks).standard_nearest(keyframes.frames).mean()))
        return dict.fromkeys(self.columns, value)


@register("representativeness_hue")
class RepresentativenessHue(_Representativeness):
    """exp(-mean over frames of the squared distance to the nearest key frame), hue histograms standardised (C4).

    The scale of the features decides the value, so it is fixed: every bin that is not the same on all frames of the
    video is brought to mean 0 and (population) standard deviation 1, and the sum of squares is divided by the number
    of these bins. A single key frame that is the mean of all frames would have exp(-1) = 0.37; 1 where nothing changes.
    """

    looks = HueLooks
    columns: ClassVar[dict[str, Column]] = {
        "represent_hue": Column("higher", "1", "representativeness, exp(-mean squared distance) (hue histogram)")
    }


@register("representativeness_gray")
class RepresentativenessGray(_Representativeness):
    """The same with small grey pictures, every pixel standardised over the video."""

    looks = GrayLooks
    columns: ClassVar[dict[str, Column]] = {
        "represent_gray": Column("higher", "1", "representativeness, exp(-mean squared distance) (grey)")
    }
