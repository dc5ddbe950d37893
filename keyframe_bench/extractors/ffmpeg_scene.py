"""Frames with a high scene score: FFmpeg's filter ``select='gt(scene,T)'``, index for index."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip, KeyFrames
from ..core.registry import Range, register
from ..features.change import SceneScore
from .base import ScoreExtractor


@register("ffmpeg_scene")
class FfmpegScene(ScoreExtractor):
    """The frames whose scene score is above a threshold: the first frames of new scenes.

    The score is the change of the image from the frame before or, if that is less, how far this change differs from
    the one before it: steady motion scores low, a cut high. A slow dissolve is not seen.

    Parameters
    ----------
    threshold : float
        With a free budget, scores above it are key frames; 0.3 to 0.5 is usual.

    Notes
    -----
    Source: FFmpeg, libavfilter, filter ``select``. With a free budget the key frames are those of
    ``select='gt(scene,threshold)'`` on the decoder's frames, with one exception: where no score exceeds the threshold
    the filter gives nothing, and this method the frame with the highest score (the first of equals). For formats of
    more than 8 bits see `keyframe_bench.features.change`.
    """

    reference = "ffmpeg"
    sampling = "every"
    needs = (SceneScore(),)
    budget_rule = "the k highest scene scores (ties: the earlier)"
    min_gap: ClassVar[int] = 1

    def __init__(self, threshold: Annotated[float, Range(0, 1)] = 0.4) -> None:
        self.threshold = threshold

    def score(self, clip: Clip) -> NDArray[np.floating]:
        """Return the scene score, float32 [N]."""
        return clip[SceneScore()]

    def free_threshold(self, scores: NDArray[np.float64]) -> float:  # noqa: ARG002 - the same for every video
        """Return the threshold."""
        return self.threshold

    def why(self, clip: Clip, result: KeyFrames, position: int, k: int | None) -> str:
        """Add what the score is: it is low in steady motion."""
        said = super().why(clip, result, position, k)
        if position == 0:
            return f"{said}; the first frame scores 0, as no frame comes before it"
        return f"{said}; steady motion scores low: only a change unlike the one before it counts"
