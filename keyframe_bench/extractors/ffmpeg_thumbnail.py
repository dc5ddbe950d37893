"""The frame most like its batch: FFmpeg's filter ``thumbnail``, index for index."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip, KeyFrames
from ..core.registry import Range, register
from ..features.histograms import PlaneHistogram
from .base import Extractor

_CHUNK = 1024  # rows of the histogram column held as float64 at a time (6 MB)


@register("ffmpeg_thumbnail")
class FfmpegThumbnail(Extractor):
    """In each batch of frames, the one whose histogram is nearest to the batch's mean histogram.

    Frames are taken in batches of ``n``; the 3 x 256 counts of raw components are averaged over the batch, and the
    frame with the smallest sum of squared differences to that mean is chosen, the earliest of equals. The last, shorter
    batch gives a frame too. How much happens in a batch does not matter: the number of key frames depends on length
    alone.

    Parameters
    ----------
    n : int
        Frames per batch with a free budget; the filter's own option and default.

    Notes
    -----
    Source: FFmpeg, libavfilter, filter ``thumbnail``. With a free budget the result is that of ``thumbnail=n`` on the
    same frames wherever the filter takes the decoder's 8-bit format without a conversion. With k key frames wanted, the
    batches are k runs whose lengths differ by at most one frame. Formats of more than 8 bits are counted after
    reduction to 8 bits; the filter folds them in its own way, and may choose another frame there.
    """

    reference = "ffmpeg"
    sampling = "every"
    needs = (PlaneHistogram(),)
    supports = frozenset({"fixed", "free"})
    budget_rule = "k batches of equal length; free: one key frame per n frames"
    stochastic = False

    def __init__(self, *, n: Annotated[int, Range(2, None)] = 100) -> None:
        self.n = n

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002
        """Return one key frame per batch; ``segments``: the batches, ``scores``: minus the RMS distance to the mean."""
        histograms = clip[PlaneHistogram()]
        total = len(histograms)
        if k is None:
            borders = np.append(np.arange(0, total, self.n), total)
        else:
            count = min(k, total)
            borders = np.arange(count + 1) * total // count
        spans = np.stack([borders[:-1], borders[1:]], axis=1)
        found = [_nearest_to_mean(histograms[start:end]) for start, end in spans]
        positions = spans[:, 0] + [best for best, _ in found]
        scores = -np.sqrt(np.array([error for _, error in found]) / histograms.shape[1])
        return clip.pick(positions, scores=scores, segments=spans)


def _nearest_to_mean(histograms: NDArray[Any]) -> tuple[int, float]:
    """Return the index of the row nearest to the mean row, and its sum of squared differences.

    Parameters
    ----------
    histograms : int32 [n, 768]
        May be a memory-mapped column: it is read in chunks.
    """
    n = len(histograms)
    # Sums of counts are exact in float64, so the order of this addition does not matter.
    total = sum(histograms[i : i + _CHUNK].sum(axis=0, dtype=np.float64) for i in range(0, n, _CHUNK))
    mean = total / n
    errors = np.empty(n)
    for i in range(0, n, _CHUNK):
        squares = (mean - histograms[i : i + _CHUNK]) ** 2
        # A running sum adds from the first count to the last as the filter does; a pairwise sum could turn near ties.
        errors[i : i + _CHUNK] = np.cumsum(squares, axis=1, out=squares)[:, -1]
    best = int(errors.argmin())
    return best, float(errors[best])
