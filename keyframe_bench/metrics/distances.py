"""How far apart frames are by appearance: two families, so that no selector is judged by its own feature alone.

Frames are converted once a clip. Distances to a key frame are cached, as the summaries of a sweep have many key frames
in common; all of it goes with the clip, whose arrays must not be changed in place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property, reduce
from typing import Any, ClassVar, TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip
from ..core.feature import Feature
from ..features.histograms import HueHistogram
from ..features.images import Gray
from .base import Metric

HUE = HueHistogram(bins=16, height=60, width=80)
GRAY = Gray(height=18, width=32)
GRAY_PIXELS = GRAY.height * GRAY.width

# Histograms are counts rounded to float32: two of them are exactly at a threshold or further from it than this.
_ROUNDING = 1e-6

HUE_THRESHOLD = 0.5 - _ROUNDING
"""The CUS tool's threshold, L1 < 0.5 (strict): a quarter of the pixels have changed their bin."""

GRAY_THRESHOLD = 25.0
"""RMS < 25 of 255 grey levels counts as the same view.

Measured on 18x32 images of real video, this share of the pairs of frames is nearer: from different clips (30 short
ones) 0.01 %, from different shots of one film (three films) 2 %, from one shot with its motion 37 %, from a fixed
camera on a busy square 99 % or more. By the hue criterion the first two are 4.6 % and 7 %: it is the more generous.
"""

MAX_FRAMES = 5000
"""Longer videos (and summaries) are judged by this many evenly spaced frames; key frames are never left out."""

CACHE_BYTES = 4_000_000  # of one row cache
_AT_A_TIME = 32  # key frames compared together, so that memory does not grow with their number
_CHUNK = 256  # frames converted together: nothing of double precision is held for a whole video
_GROUP = 16  # others multiplied at a time
_ONE_THREAD = 4 * 65536  # OpenBLAS uses one thread for products of at most this many multiplications

_Kind = TypeVar("_Kind", bound="FrameDistances")


def hue_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the L1 distance, 0 to 2, of every pair of histograms (float [P, bins], [R, bins]), float64 [P, R]."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(a, b, "cityblock"), dtype=np.float64)


def gray_distance(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the root mean square difference, 0 to 255, of every pair of grey images.

    Parameters
    ----------
    a, b : uint8 [P, height, width], [R, height, width]
        At most 1024 pixels each.

    Returns
    -------
    float64 [P, R]
        Exact up to the rounding of the square root.
    """
    rows = _centred(a)
    distance: NDArray[np.float64] = np.sqrt(_Rows(rows).squared_distances(_centred(b)).T / max(1, rows.shape[1]))
    return distance


def share_in_one_bin(histograms: NDArray[Any]) -> float:
    """Return the share of histograms with all pixels in one bin, such as those of frames without colour; 0 of none."""
    return float((histograms.max(axis=1) > 1 - 1e-6).mean()) if len(histograms) else 0.0


def judged_frames(n: int) -> NDArray[np.int64]:
    """Return 0..n-1, or `MAX_FRAMES` of them evenly spaced, both ends included, when there are more."""
    return np.rint(np.linspace(0, n - 1, min(n, MAX_FRAMES))).astype(np.int64)


class RowCache:
    """A row of numbers per frame, computed when it is first asked for; when full, it starts anew.

    Parameters
    ----------
    width : int
        Numbers in a row.
    dtype : type
        Of the numbers.
    """

    def __init__(self, width: int, dtype: type[np.number[Any]]) -> None:
        room = max(_AT_A_TIME, CACHE_BYTES // max(1, width * np.dtype(dtype).itemsize))
        self._rows = np.empty((room, width), dtype=dtype)
        self._places: dict[int, int] = {}

    def parts(
        self, frames: NDArray[np.int64], compute: Callable[[NDArray[np.int64]], NDArray[Any]]
    ) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield ranges of ``frames`` and their rows; ``compute`` turns frames [B] into rows [B, width]."""
        for start in range(0, len(frames), _AT_A_TIME):
            part = slice(start, min(start + _AT_A_TIME, len(frames)))
            asked = frames[part].tolist()
            new = list(dict.fromkeys(frame for frame in asked if frame not in self._places))
            if len(self._places) + len(new) > len(self._rows):
                self._places, new = {}, list(dict.fromkeys(asked))
            if new:
                first = len(self._places)
                self._rows[first : first + len(new)] = compute(np.array(new, dtype=np.int64))
                self._places |= {frame: first + i for i, frame in enumerate(new)}
            yield part, self._rows[[self._places[frame] for frame in asked]]


class FrameDistances(ABC):
    """Distances of the frames of one clip by one feature.

    Attributes
    ----------
    feature : Feature
    threshold, largest : float
        The distance below which two frames look alike, and the largest distance there is.
    judged : int64 [n]
        Ordinals of the frames that stand for the video, n at most `MAX_FRAMES`.
    """

    feature: ClassVar[Feature]
    threshold: ClassVar[float]
    largest: ClassVar[float]
    _cached: ClassVar[type[np.number[Any]]]  # of rows in the cache
    _precision: ClassVar[type[np.floating[Any]]] = np.float64  # of standardised rows

    def __init__(self, clip: Clip) -> None:
        self.times, self.judged = clip.times, judged_frames(len(clip))
        self.array = clip[self.feature]
        self._cache = RowCache(len(self.judged), self._cached)
        self._standard_cache = RowCache(len(self.judged), self._precision)

    @abstractmethod
    def between(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the distance of every pair of frames, float64 [len(a), len(b)]."""

    @abstractmethod
    def histograms(self, frames: NDArray[np.int64]) -> NDArray[Any]:
        """Return one histogram of sum 1 for each of ``frames``, float [len(frames), 16]."""

    def _compare(self, frames: NDArray[np.int64]) -> NDArray[Any]:
        """Return a number that grows with the distance from each of ``frames`` to each judged frame, [B, n]."""
        return self.between(frames, self.judged)

    def nearest(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the distance of every judged frame to the nearest of ``frames`` (one or more), float64 [n]."""
        return _least(self._cache.parts(frames, self._compare))

    def rows(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the feature of ``frames`` as it is, float64 [len(frames), dimensions]."""
        return _flat(self.array[frames]).astype(np.float64)

    def standard_nearest(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the squared distance to the nearest of ``frames`` (one or more) in standardised numbers, float64 [n].

        Every dimension that is not the same on all judged frames is brought to mean 0 and (population) standard
        deviation 1 over them; the sum of squares is divided by the number of these dimensions. Two frames drawn at
        random are then 2 apart on average, whatever the feature. Where nothing ever changes all are 0 apart.
        """
        varies = self._scaling[0]
        if not varies.any():
            return np.zeros(len(self.judged))
        compared = self._standard_cache.parts(
            frames, lambda new: self._standard_rows.squared_distances(self._standardised(new))
        )
        distance: NDArray[np.float64] = np.maximum(_least(compared), 0.0) / varies.sum()
        distance[self.nearest(frames) == 0] = 0.0  # equal rows, without the rounding of products
        return distance

    def _chunks(self) -> Iterator[NDArray[np.int64]]:
        return (self.judged[start : start + _CHUNK] for start in range(0, len(self.judged), _CHUNK))

    @cached_property
    def _scaling(self) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
        """Which dimensions vary, their means, and one over their standard deviations."""
        n, first = len(self.judged), self.rows(self.judged[:1])
        varies = np.any([(self.rows(part) != first).any(axis=0) for part in self._chunks()], axis=0)
        mean = sum(self.rows(part).sum(axis=0) for part in self._chunks()) / n
        squares = sum(((self.rows(part) - mean) ** 2).sum(axis=0) for part in self._chunks())
        return varies, mean[varies], np.sqrt(n / squares[varies])

    def _standardised(self, frames: NDArray[np.int64]) -> NDArray[Any]:
        varies, mean, scale = self._scaling
        return ((self.rows(frames)[:, varies] - mean) * scale).astype(self._precision, order="C")

    @cached_property
    def _standard_rows(self) -> _Rows:
        return _Rows(np.concatenate([self._standardised(part) for part in self._chunks()]))


class HueDistances(FrameDistances):
    """Hue histograms and their L1 distance, 0 to 2."""

    feature = HUE
    threshold = HUE_THRESHOLD
    largest = 2.0
    _cached = np.float64

    def between(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the L1 distance, 0 to 2."""
        return hue_distance(self.array[a], self.array[b])

    def histograms(self, frames: NDArray[np.int64]) -> NDArray[Any]:
        """Return the rows of the feature."""
        return self.array[frames]


class GrayDistances(FrameDistances):
    """Small grey images and their root mean square difference, 0 to 255; squared distances in the cache are exact."""

    feature = GRAY
    threshold = GRAY_THRESHOLD
    largest = 255.0
    _cached = np.int32
    _precision = np.float32  # half the memory; as the mean squared length is 1, the error of the mean is about 1e-7

    def between(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the RMS difference, 0 to 255."""
        return gray_distance(self.array[a], self.array[b])

    def histograms(self, frames: NDArray[np.int64]) -> NDArray[Any]:
        """Return the shares of the pixels in 16 equal ranges of grey."""
        bins = _flat(self.array[frames]) // 16 + 16 * np.arange(len(frames))[:, None]
        return np.bincount(bins.ravel(), minlength=16 * len(frames)).reshape(-1, 16) / GRAY_PIXELS

    def nearest(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the RMS difference to the nearest."""
        distance: NDArray[np.float64] = np.sqrt(super().nearest(frames) / GRAY_PIXELS)
        return distance

    def squared(self, frames: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the sum of squared differences of every judged frame to its own of ``frames``, float64 [n].

        Parameters
        ----------
        frames : int64 [K]
        which : int64 [n]
            Index into ``frames`` for each judged frame.
        """
        found = np.zeros(len(which))
        for part, rows in self._cache.parts(frames, self._compare):
            here = np.flatnonzero((which >= part.start) & (which < part.stop))
            found[here] = rows[which[here] - part.start, here]
        return found

    def _compare(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._images.squared_distances(_centred(self.array[frames]))

    @cached_property
    def _images(self) -> _Rows:
        return _Rows(_centred(self.array[self.judged]))


class FeatureMetric(Metric):
    """A metric by one feature, that of ``family``."""

    family: ClassVar[type[FrameDistances]]

    @property
    def needs(self) -> tuple[Feature, ...]:
        """The family's feature."""
        return (self.family.feature,)


_known: WeakKeyDictionary[Clip, dict[type[FrameDistances], FrameDistances]] = WeakKeyDictionary()


def distances_of(clip: Clip, kind: type[_Kind]) -> _Kind:
    """Return the clip's `HueDistances` or `GrayDistances`, the same object every time."""
    of_clip = _known.setdefault(clip, {})
    if kind not in of_clip:
        of_clip[kind] = kind(clip)
    return cast("_Kind", of_clip[kind])


def _least(parts: Iterator[tuple[slice, NDArray[Any]]]) -> NDArray[np.float64]:
    """Return the least of every column over all rows, of which there is one at least."""
    least: NDArray[np.float64] = reduce(np.minimum, (rows.min(axis=0) for _, rows in parts)).astype(np.float64)
    return least


def _flat(rows: NDArray[Any]) -> NDArray[Any]:
    return rows.reshape(len(rows), int(np.prod(rows.shape[1:])))


def _centred(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return levels - 128 as float32 [images, pixels].

    Products of two images are then whole numbers, and their sums over at most 1024 pixels stay below 2^24: exact.
    """
    result: NDArray[np.float32] = np.subtract(_flat(images), 128, dtype=np.float32)
    return result


class _Rows:
    """Rows [n, D], cut into blocks to be multiplied with few others in one thread.

    SciPy's `cdist` takes four times as long. BLAS spreads larger products over threads, and with other work on the
    cores (videos are run in parallel) waiting for them costs many times the product itself.
    """

    def __init__(self, rows: NDArray[Any]) -> None:
        self._n, dimensions = rows.shape
        per_block = max(1, min(self._n, _ONE_THREAD // (_GROUP * max(1, dimensions))))
        self._blocks = np.zeros((-(-self._n // per_block), per_block, dimensions), dtype=rows.dtype)
        self._blocks.reshape(-1, dimensions)[: self._n] = rows
        self._squares = _squares(rows)

    def squared_distances(self, others: NDArray[Any]) -> NDArray[np.float64]:
        """Return the squared Euclidean distance of each of ``others`` [R, D] to all rows, float64 [R, n]."""
        distance = np.empty((len(others), self._n))
        for start in range(0, len(others), _GROUP):
            group = others[start : start + _GROUP]
            # Always the same shape: with another, BLAS would add up in another order, and the last digit of a number
            # would depend on which other key frames it was computed with.
            columns = np.zeros((others.shape[1], _GROUP), dtype=others.dtype)
            columns[:, : len(group)] = group.T
            products = np.matmul(self._blocks, columns).reshape(-1, _GROUP)[: self._n, : len(group)].T
            distance[start : start + _GROUP] = _squares(group)[:, None] + self._squares - 2.0 * products
        return distance


def _squares(rows: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
