"""How near the frames of a video look to its key frames: what the visual metrics share.

Frames are converted once a clip. What has been compared with a key frame is kept (see `kept`), as the summaries of a
sweep have many key frames in common; what follows from it is kept for the last summary only. All of it goes when the
clip goes. A clip's columns must therefore not be changed in place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip
from ..core.feature import Feature
from .distances import GRAY, GRAY_LIMIT, GRAY_MAX, HUE, HUE_LIMIT, HUE_MAX, Blocks, centred, gray_distance, hue_distance
from .distances import squares as squares_of
from .kept import Kept

MAX_FRAMES = 5000
"""Longer videos (and summaries) are judged by this many evenly spaced frames; key frames are never left out."""

_ROWS = 256  # frames converted at a time: nothing of double precision is held for a whole video

_Made = TypeVar("_Made")
_Kind = TypeVar("_Kind", bound="Looks")


def spread(n: int) -> NDArray[np.int64]:
    """Return 0..n-1, or `MAX_FRAMES` of them evenly spaced when there are more."""
    if n <= MAX_FRAMES:
        return np.arange(n, dtype=np.int64)
    return np.rint(np.linspace(0, n - 1, MAX_FRAMES)).astype(np.int64)


class Looks(ABC):
    """The frames of one clip by one feature.

    Attributes
    ----------
    feature : Feature
    limit, largest : float
        The distance below which two frames look alike, and the largest distance there is.
    judged : int64 [n]
        Ordinals of the frames that stand for the video, n at most `MAX_FRAMES`.
    """

    feature: ClassVar[Feature]
    limit: ClassVar[float]
    largest: ClassVar[float]
    _precision: ClassVar[type[np.floating]] = np.float64  # of standardised rows

    def __init__(self, clip: Clip) -> None:
        self.judged = spread(len(clip))
        self.judged_times = clip.times[self.judged]
        self._times = clip.times
        self._column = clip[self.feature]
        self._last: dict[str, tuple[bytes, Any]] = {}

    @abstractmethod
    def distance(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the distance of every pair of frames, float64 [len(a), len(b)]."""

    @abstractmethod
    def nearest(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the distance of every judged frame to the nearest of ``frames`` (one or more), float64 [n]."""

    def vectors(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the rows of ``frames`` as they are, float64 [len(frames), dimensions]."""
        return _vectors(self._column, frames)

    def standard_nearest(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the squared distance to the nearest of ``frames`` (one or more) in standardised numbers, float64 [n].

        Every dimension that is not the same on all judged frames is brought to mean 0 and (population) standard
        deviation 1 over them; the sum of squares is divided by the number of these dimensions. Two frames drawn at
        random are then 2 apart on average, whatever the feature. Where nothing ever changes all are 0 apart.
        """
        standard = self._standard
        if standard is None:
            return np.zeros(len(self.judged))
        best = np.full(len(self.judged), np.inf)
        for _, apart in standard.kept.parts(frames):
            np.minimum(best, apart.min(axis=0), out=best)
        distance: NDArray[np.float64] = np.maximum(best, 0.0) / standard.n_varying
        distance[self.nearest(frames) == 0] = 0.0  # equal rows, without the rounding of products
        return distance

    @cached_property
    def _standard(self) -> _Standard | None:
        column, judged, precision = self._column, self.judged, self._precision
        low = high = _vectors(column, judged[:1])[0]
        total, squares = np.zeros(low.size), np.zeros(low.size)
        for part in _parts(len(judged)):
            rows = _vectors(column, judged[part])
            low, high = np.minimum(low, rows.min(axis=0)), np.maximum(high, rows.max(axis=0))
            total += rows.sum(axis=0)
        varies, mean = high > low, total / len(judged)
        if not varies.any():
            return None
        for part in _parts(len(judged)):
            squares += ((_vectors(column, judged[part]) - mean) ** 2).sum(axis=0)
        mean, scale = mean[varies], np.sqrt(len(judged) / squares[varies])
        blocks = Blocks(len(judged), len(mean), precision)
        for part in _parts(len(judged)):
            blocks.rows[part] = (_vectors(column, judged[part])[:, varies] - mean) * scale
        sizes = squares_of(blocks.rows)

        def compare(frames: NDArray[np.int64]) -> NDArray[np.float64]:
            keys = ((_vectors(column, frames)[:, varies] - mean) * scale).astype(precision, order="C")  # see Blocks
            return squares_of(keys)[:, None] + sizes - 2.0 * _products(blocks, keys)

        return _Standard(int(varies.sum()), Kept(len(judged), precision, compare))

    def _once(self, what: str, frames: NDArray[np.int64], make: Callable[[], _Made]) -> _Made:
        """Return what ``make`` gives, or gave for these very ``frames`` the last time."""
        known = self._last.get(what)
        if known is None or known[0] != frames.tobytes():
            known = self._last[what] = (frames.tobytes(), make())
        return cast("_Made", known[1])


@dataclass(frozen=True, eq=False)
class _Standard:
    """Squared distances of standardised rows, and how many of the dimensions vary."""

    n_varying: int
    kept: Kept


def _parts(n: int) -> Iterator[slice]:
    """Yield ranges of 0..n-1 whose rows are held at a time."""
    return (slice(start, start + _ROWS) for start in range(0, n, _ROWS))


def _vectors(column: NDArray[Any], frames: NDArray[np.int64]) -> NDArray[np.float64]:
    rows = column[frames]
    return np.asarray(rows.reshape(len(rows), int(np.prod(rows.shape[1:]))), dtype=np.float64)


def _products(blocks: Blocks, keys: NDArray[Any]) -> NDArray[np.float64]:
    """Return the inner products of ``keys`` [B, D] with all rows, float64 [B, n]."""
    result = np.empty((len(keys), len(blocks.rows)))
    for group, products in blocks.products(keys):
        result[group] = products.T
    return result


class HueLooks(Looks):
    """Hue histograms and their L1 distance."""

    feature = HUE
    limit = HUE_LIMIT
    largest = HUE_MAX

    def distance(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the L1 distance, 0 to 2."""
        return hue_distance(self._column[a], self._column[b])

    def nearest(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the L1 distance to the nearest."""
        return self._once("nearest", frames, lambda: self._nearest(frames))

    def _nearest(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        best = np.full(len(self.judged), np.inf)
        for _, distance in self._kept.parts(frames):
            np.minimum(best, distance.min(axis=0), out=best)
        return best

    @cached_property
    def _kept(self) -> Kept:
        column, rows = self._column, self._rows
        return Kept(len(rows), np.float64, lambda frames: hue_distance(_vectors(column, frames), rows))

    @cached_property
    def _rows(self) -> NDArray[np.float64]:
        return self.vectors(self.judged)

    @cached_property
    def flat_share(self) -> float:
        """Share of the judged frames with all pixels in one bin, such as frames without colour; 0 if there are none."""
        return float((self._rows.max(axis=1) > 1 - 1e-6).mean()) if len(self._rows) else 0.0


@dataclass(frozen=True, eq=False)
class Compared:
    """The grey pictures of the judged frames beside key frames; pictures are centred (levels - 128).

    Attributes
    ----------
    nearest : float64 [n]
        RMS difference to the nearest key frame.
    before, after : int64 [n]
        Position of the last key frame that is not later, and of the first later one; where there is none the other.
    with_before, with_after : float64 [n]
        Inner products with the pictures of these.
    sizes, key_sizes : float64 [n], [K]
        Squared lengths.
    steps : float64 [K]
        Inner product of each key frame with the next in time; the last one's is not used.
    key_times : float64 [K]
        Times of the key frames, sorted: positions refer to this order.
    """

    nearest: NDArray[np.float64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    with_before: NDArray[np.float64]
    with_after: NDArray[np.float64]
    sizes: NDArray[np.float64]
    key_sizes: NDArray[np.float64]
    steps: NDArray[np.float64]
    key_times: NDArray[np.float64]


class GrayLooks(Looks):
    """Small grey pictures and their RMS difference."""

    feature = GRAY
    limit = GRAY_LIMIT
    largest = GRAY_MAX
    _precision = np.float32  # half the memory; as the mean squared length is 1, the error of the mean is about 1e-7

    def distance(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the RMS difference, 0 to 255."""
        return gray_distance(self._column[a], self._column[b])

    def nearest(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the RMS difference to the nearest."""
        return self.compared(frames).nearest

    def compared(self, frames: NDArray[np.int64]) -> Compared:
        """Return the comparison of all judged frames with ``frames`` (one or more)."""
        return self._once("compared", frames, lambda: self._compared(frames))

    def _compared(self, frames: NDArray[np.int64]) -> Compared:
        order = frames[np.argsort(self._times[frames], kind="stable")]
        times, n = self._times[order], len(order)
        later = np.searchsorted(times, self.judged_times, side="right")
        before, after = np.maximum(later - 1, 0), np.minimum(later, n - 1)
        with_before, with_after, best = np.zeros(len(later)), np.zeros(len(later)), np.full(len(later), np.inf)
        sizes, steps = np.zeros(n), np.zeros(n)
        for part, products in self._kept.parts(order):
            keys = centred(self._column[order[part.start : part.stop + 1]])
            steps[part.start : part.start + len(keys) - 1] = np.einsum("ij,ij->i", keys[:-1], keys[1:])
            sizes[part] = squares_of(keys)[: len(products)]
            np.minimum(best, (sizes[part, None] - 2.0 * products.astype(np.float64)).min(axis=0), out=best)
            for found, which in ((with_before, before), (with_after, after)):
                here = np.flatnonzero((which >= part.start) & (which < part.stop))
                found[here] = products[which[here] - part.start, here]
        nearest = np.sqrt((self._sizes + best) / (GRAY.height * GRAY.width))
        return Compared(nearest, before, after, with_before, with_after, self._sizes, sizes, steps, times)

    @cached_property
    def _kept(self) -> Kept:
        column, pictures = self._column, self._pictures
        return Kept(len(self.judged), np.float32, lambda frames: _products(pictures, centred(column[frames])))

    def histograms(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the shares of the pixels in 16 equal ranges of grey, float64 [len(frames), 16]."""
        result = np.zeros((len(frames), 16))
        for part, rows in self._histograms.parts(frames):
            result[part] = rows
        return result

    @cached_property
    def _histograms(self) -> Kept:
        column = self._column

        def count(frames: NDArray[np.int64]) -> NDArray[np.float64]:
            levels = column[frames].reshape(len(frames), GRAY.height * GRAY.width) // 16
            places = levels + 16 * np.arange(len(frames))[:, None]
            counts = np.bincount(places.ravel(), minlength=16 * len(frames)).reshape(len(frames), 16)
            return np.asarray(counts / levels.shape[1])

        return Kept(16, np.float64, count)

    @cached_property
    def _pictures(self) -> Blocks:
        blocks = Blocks(len(self.judged), GRAY.height * GRAY.width, np.float32)
        for part in _parts(len(self.judged)):
            blocks.rows[part] = centred(self._column[self.judged[part]])
        return blocks

    @cached_property
    def _sizes(self) -> NDArray[np.float64]:
        return squares_of(self._pictures.rows)


_known: WeakKeyDictionary[Clip, dict[type[Looks], Looks]] = WeakKeyDictionary()


def looks_of(clip: Clip, kind: type[_Kind]) -> _Kind:
    """Return the clip's `HueLooks` or `GrayLooks`, the same object every time."""
    of_clip = _known.setdefault(clip, {})
    if kind not in of_clip:
        of_clip[kind] = kind(clip)
    return cast("_Kind", of_clip[kind])
