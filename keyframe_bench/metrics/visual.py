"""Metrics by appearance: most by hue and by grey images, so that no selector is judged by its own feature alone.

Of videos longer than `MAX_FRAMES` so many evenly spaced frames are judged.
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip, KeyFrames
from ..core.registry import register
from .base import Column
from .distances import (
    GRAY_PIXELS,
    FeatureMetric,
    FrameDistances,
    GrayDistances,
    HueDistances,
    distances_of,
    judged_frames,
    share_in_one_bin,
)

ROUNDING = 1 / 12
"""Mean squared error of rounding to whole levels: an image is known no better, so a smaller error counts as this."""

PERFECT_DB = float(10 * np.log10(255.0**2 / ROUNDING))
"""PSNR of a reconstruction without error: 58.9 dB."""

_AT_A_TIME = 512  # key frames, so that memory grows with their number, not with its square

Frames = NDArray[np.int64]


class _OfKeyFrames(FeatureMetric):
    """A metric whose columns are all 0 without key frames."""

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the columns."""
        values = (0.0,) * len(self.columns)
        if len(keyframes):
            values = self.measure(distances_of(clip, self.family), keyframes.frames)
        return dict(zip(self.columns, map(float, values), strict=True))

    @abstractmethod
    def measure(self, distances: FrameDistances, frames: Frames) -> tuple[float, ...]:
        """Return the value of each column for one or more key frames."""


class _Coverage(_OfKeyFrames):
    def measure(self, distances: FrameDistances, frames: Frames) -> tuple[float, ...]:
        """Return the share of frames nearer than the threshold."""
        return ((distances.nearest(frames) < distances.threshold).mean(),)


@register("coverage_hue")
class CoverageHue(_Coverage):
    """Share of the frames whose hue histogram is nearer than L1 < 0.5 to that of a key frame; 0 without any."""

    family = HueDistances
    columns: ClassVar[dict[str, Column]] = {
        "coverage_hue": Column("higher", "1", "share of the frames that look like a key frame (hue histogram)")
    }


@register("coverage_gray")
class CoverageGray(_Coverage):
    """Share of the frames whose small grey image differs by RMS < 25 of 255 from that of a key frame."""

    family = GrayDistances
    columns: ClassVar[dict[str, Column]] = {
        "coverage_gray": Column("higher", "1", "share of the frames that look like a key frame (grey)", headline=True)
    }


class _Fidelity(_OfKeyFrames):
    reference = "chang1999fidelity"

    def measure(self, distances: FrameDistances, frames: Frames) -> tuple[float, ...]:
        """Return 1 - the largest distance to the nearest key frame, and 1 - the mean one, of the range."""
        distance = distances.nearest(frames) / distances.largest
        return 1 - distance.max(), 1 - distance.mean()


@register("fidelity_hue")
class FidelityHue(_Fidelity):
    """1 - (semi-Hausdorff distance) / 2 with the L1 distance of hue histograms, whose range is 0 to 2.

    The semi-Hausdorff distance of a video to its key frames is that of the frame which is farthest from its nearest key
    frame: one odd frame decides. The column ``_mean`` takes the mean over frames instead of the largest.
    """

    family = HueDistances
    columns: ClassVar[dict[str, Column]] = {
        "fidelity_hue": Column("higher", "1", "likeness of the worst shown frame to a key frame (hue histogram)"),
        "fidelity_mean_hue": Column("higher", "1", "mean likeness of the frames to a key frame (hue histogram)"),
    }


@register("fidelity_gray")
class FidelityGray(_Fidelity):
    """1 - (semi-Hausdorff distance) / 255 with the RMS difference of small grey images, whose range is 0 to 255."""

    family = GrayDistances
    columns: ClassVar[dict[str, Column]] = {
        "fidelity_gray": Column("higher", "1", "likeness of the worst shown frame to a key frame (grey)"),
        "fidelity_mean_gray": Column("higher", "1", "mean likeness of the frames to a key frame (grey)"),
    }


class _Representativeness(_OfKeyFrames):
    reference = "zhou2018drdsn"

    def measure(self, distances: FrameDistances, frames: Frames) -> tuple[float, ...]:
        """Return exp(-mean squared distance to the nearest key frame)."""
        return (np.exp(-distances.standard_nearest(frames).mean()),)


@register("representativeness_hue")
class RepresentativenessHue(_Representativeness):
    """exp(-mean over frames of the squared distance to the nearest key frame), hue histograms standardised.

    The scale of the features decides the value, so it is fixed: every bin that is not the same on all frames of the
    video is brought to mean 0 and (population) standard deviation 1, and the sum of squares is divided by the number
    of these bins. A single key frame that is the mean of all frames would have exp(-1) = 0.37; 1 where nothing changes.
    """

    family = HueDistances
    columns: ClassVar[dict[str, Column]] = {
        "represent_hue": Column("higher", "1", "representativeness, exp(-mean squared distance) (hue histogram)")
    }


@register("representativeness_gray")
class RepresentativenessGray(_Representativeness):
    """exp(-mean over frames of the squared distance to the nearest key frame), small grey images standardised.

    As `representativeness_hue`, every pixel brought to mean 0 and standard deviation 1 over the video.
    """

    family = GrayDistances
    columns: ClassVar[dict[str, Column]] = {
        "represent_gray": Column("higher", "1", "representativeness, exp(-mean squared distance) (grey)")
    }


class _Redundancy(_OfKeyFrames):
    version = 2

    def measure(self, distances: FrameDistances, frames: Frames) -> tuple[float, ...]:
        """Return the mean over key frames of the largest similarity 1 - d / d_max to another; 0 for a single one.

        Of more than `MAX_FRAMES` key frames, evenly spaced ones are compared with all others.
        """
        judged, total = judged_frames(len(frames)), 0.0
        if len(frames) < 2:
            return (0.0,)
        for start in range(0, len(judged), _AT_A_TIME):
            rows = judged[start : start + _AT_A_TIME]
            distance = distances.between(frames[rows], frames)
            distance[np.arange(len(rows)), rows] = np.inf
            total += float((1 - distance.min(axis=1) / distances.largest).sum())
        return (total / len(judged),)


@register("redundancy_hue")
class RedundancyHue(_Redundancy):
    """Mean similarity of a key frame to its most similar other: 1 - L1 / 2 of hue histograms; 0 for fewer than two."""

    family = HueDistances
    columns: ClassVar[dict[str, Column]] = {
        "redundancy_hue": Column("lower", "1", "similarity of a key frame to its most similar other (hue histogram)")
    }


@register("redundancy_gray")
class RedundancyGray(_Redundancy):
    """Mean similarity of a key frame to its most similar other: 1 - RMS / 255 of small grey images.

    0 for fewer than two key frames; unlike scenes are seldom below 0.6.
    """

    family = GrayDistances
    columns: ClassVar[dict[str, Column]] = {
        "redundancy_gray": Column(
            "lower", "1", "similarity of a key frame to its most similar other (grey)", headline=True
        )
    }


class _Diversity(_OfKeyFrames):
    reference = "zhou2018drdsn"

    def measure(self, distances: FrameDistances, frames: Frames) -> tuple[float, ...]:
        """Return the mean of 1 - cos over all pairs, 0 to 1; 0 for a single key frame.

        A vector of zeros, which has no direction, is 0 from another one and 1 from any other vector.
        """
        n, n_zero, total = len(frames), 0, np.zeros(1)
        if n < 2:
            return (0.0,)
        for start in range(0, n, _AT_A_TIME):
            vectors = distances.rows(frames[start : start + _AT_A_TIME])
            size = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
            total = total + (vectors / np.where(size > 0, size, 1.0)[:, None]).sum(axis=0)
            n_zero += int((size == 0).sum())
        # The square of the sum of unit vectors has the cosine of every pair twice, and n - n_zero own squares.
        cosines = float(total @ total) - (n - n_zero) + n_zero * (n_zero - 1)
        return (min(1.0, max(0.0, 1 - cosines / (n * (n - 1)))),)


@register("diversity_hue")
class DiversityHue(_Diversity):
    """Mean of 1 - cos over pairs of key frames, with hue histograms as they are; 0 for fewer than two."""

    family = HueDistances
    columns: ClassVar[dict[str, Column]] = {
        "diversity_hue": Column("higher", "1", "mean of 1 - cos over pairs of key frames (hue histogram)")
    }


@register("diversity_gray")
class DiversityGray(_Diversity):
    """Mean of 1 - cos over pairs of key frames, with small grey images as they are; 0 for fewer than two.

    Frames of 25 different clips were 0.16 apart in the median, and one pair in ten more than 0.36.
    """

    family = GrayDistances
    columns: ClassVar[dict[str, Column]] = {
        "diversity_gray": Column("higher", "1", "mean of 1 - cos over pairs of key frames (grey)")
    }


@register("srd")
class ShotReconstruction(_OfKeyFrames):
    """Mean PSNR of the skipped frames, reconstructed from the key frames around them in time.

    A frame between two key frames is their linear blend by presentation time, one before the first or after the last is
    that one; ``srd_hold_db`` repeats the last key frame instead of blending. No shots are looked at: a blend goes
    across cuts, so a summary without frames on both sides of a cut pays for it. The images are the grey ones of
    18 x 32, in which noise and fine motion are averaged away. (60 x 80 would need eight times the memory and time, more
    than the 5 ms that a metric may take.)

    An error below that of rounding to whole levels counts as that: a perfect reconstruction has 58.9 dB, and so has a
    summary that skips nothing. Without key frames it is 0 dB, what white in place of black has.
    """

    reference = "liu2004srd"
    family = GrayDistances
    columns: ClassVar[dict[str, Column]] = {
        "srd_db": Column(
            "higher", "dB", "mean PSNR of skipped frames, blended in time from the key frames around", headline=True
        ),
        "srd_hold_db": Column("higher", "dB", "mean PSNR of skipped frames, the last key frame held"),
    }

    def measure(self, distances: FrameDistances, frames: Frames) -> tuple[float, ...]:
        """Return both; the squared errors follow from squared distances alone, which are exact."""
        assert isinstance(distances, GrayDistances)
        times, judged = distances.times[distances.judged], distances.judged
        order = frames[np.argsort(distances.times[frames], kind="stable")]
        key_times, last = distances.times[order], len(order) - 1
        after = np.searchsorted(key_times, times, side="right")  # [n], the first later key frame
        before, after = np.maximum(after - 1, 0), np.minimum(after, last)
        start, end = key_times[before], key_times[after]
        weight = np.where(end > start, (times - start) / np.where(end > start, end - start, 1.0), 0.0)  # [n]
        from_before, from_after = distances.squared(order, before), distances.squared(order, after)
        moved = (np.subtract(*distances.array[[a, b]], dtype=np.int32) for a, b in pairwise(order))
        steps = [np.square(difference).sum() for difference in moved]  # between consecutive key frames
        # (x - a)(x - b) = ((x - a)^2 + (x - b)^2 - (a - b)^2) / 2
        both = (from_before + from_after - np.append(steps, 0)[before]) / 2
        blend = (1 - weight) ** 2 * from_before + weight**2 * from_after + 2 * weight * (1 - weight) * both
        skipped = ~np.isin(judged, frames)
        return _mean_psnr(blend[skipped] / GRAY_PIXELS), _mean_psnr(from_before[skipped] / GRAY_PIXELS)


def _mean_psnr(errors: NDArray[np.float64]) -> float:
    if len(errors) == 0:
        return PERFECT_DB
    return float(np.mean(10 * np.log10(255.0**2 / np.maximum(errors, ROUNDING))))


@register("degenerate")
class Degenerate(FeatureMetric):
    """Share of the frames whose hue histogram has one bin filled: black and white, or a single hue.

    Such frames all look alike to the metrics by hue. It is a fact about the video, the same for every summary.
    """

    family = HueDistances
    columns: ClassVar[dict[str, Column]] = {
        "hue_flat": Column("none", "1", "share of the video's frames with one hue bin filled (no colour)")
    }

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the share, for an empty summary too."""
        distances = distances_of(clip, self.family)
        return dict.fromkeys(self.columns, share_in_one_bin(distances.histograms(distances.judged)))
