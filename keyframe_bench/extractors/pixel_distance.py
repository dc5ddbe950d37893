"""Segments between large pixel differences, and their middle frames."""

from __future__ import annotations

from typing import Annotated, Literal

from ..core.feature import Feature
from ..core.registry import Range, register
from ..features.change import PixelDifference
from ._change import ChangeExtractor


@register("pixel_distance")
class PixelDistance(ChangeExtractor):
    """Middle frames of segments between large changes of the pixels: the final choice of the platform.ai article.

    A sampled frame whose mean absolute pixel difference to the one before reaches the threshold starts a new segment;
    the others are merged into the current one. In a stretch of strong motion every frame is a segment of its own. The
    mean adapts to a video's motion (scaling all differences changes nothing), but one hard cut raises it: the rolling
    mean is the article's suggestion for videos with sections of different motion. Within its window a cut raises the
    rolling mean as well; "adaptive" compares with the median and its deviation instead, which cuts do not move.

    Parameters
    ----------
    threshold : {"mean", "mean+std", "absolute", "rolling", "adaptive"}
        ``factor * mean`` of all differences; mean + ``factor`` * standard deviation (population); ``level``;
        ``factor`` * the centred rolling mean over ``window_s``; or rolling median + ``factor`` * 1.4826 * rolling MAD
        (median absolute deviation). Not used with a budget of k key frames.
    factor : float
        Raise it for fewer key frames.
    level : float
        Absolute threshold: mean absolute difference, 0 to 255.
    window_s : float
        Seconds of the rolling window; it shrinks at the edges.
    color : {"gray", "rgb"}
        Compare grey levels, or the mean over R, G and B.
    """

    reference = "platformai"
    budget_rule = "the k-1 largest differences become borders (ties: the earlier), one middle frame per segment"

    def __init__(
        self,
        threshold: Literal["mean", "mean+std", "absolute", "rolling", "adaptive"] = "mean",
        factor: Annotated[float, Range(0)] = 1.0,
        level: Annotated[float, Range(0, 255)] = 10.0,
        window_s: Annotated[float, Range(0.001)] = 60.0,
        color: Literal["gray", "rgb"] = "gray",
    ) -> None:
        self.threshold = threshold
        self.factor = factor
        self.level = level
        self.window_s = window_s
        self.color = color

    @property
    def needs(self) -> tuple[Feature, ...]:
        """The pixel difference."""
        return (PixelDifference(color=self.color),)
