"""Segments between large histogram differences, and their middle frames."""

from __future__ import annotations

from typing import Annotated, Literal

from ..core.feature import Feature
from ..core.registry import Range, register
from ..features.change import HistogramDifference
from ._change import ChangeExtractor


@register("histogram_distance")
class HistogramDistance(ChangeExtractor):
    """Middle frames of segments between large changes of the grey histogram: the L1 distance to the frame before.

    As `pixel_distance`, with another distance, and mean + std as the usual threshold.

    Blind to motion that keeps the grey levels, hence quieter within a shot; blind also to a cut between images of the
    same grey levels.

    Parameters
    ----------
    bins : int
        Bins over the grey levels 0 to 255.
    threshold : {"mean+std", "mean", "absolute", "rolling", "adaptive"}
        mean + ``factor`` * standard deviation (population) of all distances; ``factor * mean``; ``level``;
        ``factor`` * the centred rolling mean over ``window_s``; or rolling median + ``factor`` * 1.4826 * rolling MAD
        (median absolute deviation). Not used with a budget of k key frames.
    factor : float
        Raise it for fewer key frames.
    level : float
        Absolute threshold: L1 distance of normalised histograms, 0 to 2.
    window_s : float
        Seconds of the rolling window; it shrinks at the edges.
    """

    reference = "platformai"
    budget_rule = "the k-1 largest distances become borders (ties: the earlier), one middle frame per segment"

    def __init__(
        self,
        bins: Annotated[int, Range(2, 256)] = 256,
        threshold: Literal["mean+std", "mean", "absolute", "rolling", "adaptive"] = "mean+std",
        factor: Annotated[float, Range(0)] = 1.0,
        level: Annotated[float, Range(0, 2)] = 0.5,
        window_s: Annotated[float, Range(0.001)] = 60.0,
    ) -> None:
        self.bins = bins
        self.threshold = threshold
        self.factor = factor
        self.level = level
        self.window_s = window_s

    @property
    def needs(self) -> tuple[Feature, ...]:
        """The histogram difference."""
        return (HistogramDifference(bins=self.bins),)
