"""Key frames by the distance to the latest one: the sequential rule, and the threshold that gives a number of them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .peaks import peaks
from .spacing import TIME_TOLERANCE_S

# ``distances(reference, start, stop)``: of the positions start to stop - 1 to the position ``reference`` before them.
Distances = Callable[[int, int, int], NDArray[np.float64]]

_FIRST, _MOST = 2, 16  # positions asked for at once: few right after a reference, then half as many as are known
_PROBES = 40
_ENOUGH = 16  # a search is content with so large a part of the references too many: one in sixteen
_NARROW = 1.01  # and with a bracket whose ends differ by less
_INNER = 0.35  # the next threshold tried keeps this share of the bracket (on a logarithmic scale) away from its ends


@dataclass(frozen=True, eq=False)
class Chain:
    """References that follow each other: each is the first that is further than the threshold from the one before.

    Attributes
    ----------
    positions : int64 [C]
        The references, increasing; position 0 is the first.
    distances : float64 [N]
        Of every position to the latest reference before it; 0 for position 0.
    threshold : float
        The one they were found with.
    """

    positions: NDArray[np.int64]
    distances: NDArray[np.float64]
    threshold: float

    def strongest(self, count: int, *, keep_first: bool = True) -> NDArray[np.int64]:
        """Return ``count`` of the references, int64: those of the largest distances, the earlier of equals.

        Parameters
        ----------
        count : int
        keep_first : bool
            Keep position 0 before all others; otherwise it is never among them.
        """
        later = self.positions[1:]
        kept = np.sort(later[peaks(self.distances[later], max(0, count - keep_first))])
        return np.append(self.positions[:1], kept) if keep_first else kept


@dataclass(frozen=True)
class _Walk:
    """References of a threshold, perhaps not to the end; thresholds in [low, high) give the same ones so far."""

    positions: list[int]
    low: float
    high: float
    complete: bool


class ReferenceRule:
    """The rule "what is too far from the latest reference becomes the next one", on ``n`` positions.

    Distances are asked for in chunks ahead of the reference, since many at once are cheaper, and kept: thresholds that
    are tried one after the other share most of their references.

    Parameters
    ----------
    n : int
        Number of positions, at least 1.
    distances : callable
        See `Distances`; it may be called for any reference and later positions, and gives finite numbers of at least 0.
    earliest : int [N], optional
        For every position the first one that may follow it as reference (`earliest_after`); default: the next.
    """

    def __init__(self, n: int, distances: Distances, earliest: NDArray[np.int64] | None = None) -> None:
        self.n = n
        self._distances = distances
        self._earliest = np.arange(1, n + 1) if earliest is None else earliest
        self._rows: dict[int, NDArray[np.float64]] = defaultdict(lambda: np.zeros(0))  # known from each reference on

    def chain(self, threshold: float) -> Chain:
        """Return the references of ``threshold``, a number of at least 0."""
        walk = self._walk(threshold, self.n)
        scores = np.zeros(self.n)
        for reference, following in zip(walk.positions, [*walk.positions[1:], self.n - 1], strict=True):
            scores[reference + 1 : following + 1] = self._rows[reference][: following - reference]
        return Chain(np.array(walk.positions, dtype=np.int64), scores, threshold)

    def chain_of(self, count: int, start: float) -> Chain:
        """Return a chain of ``count`` references, or of a few more, or of all there can be.

        The number of references is not a monotone function of the threshold, and can jump over ``count``. The search
        brackets a place where it falls from more to fewer; it is content with one in sixteen too many, and ends where
        the ends of the bracket differ by 1 %: then the chain just below its lower end is returned. Fewer come back only
        where a threshold of 0 gives no more.

        Parameters
        ----------
        count : int
            At least 1.
        start : float
            The threshold tried first, above 0: the nearer to the one that is found, the quicker.
        """
        most = count + count // _ENOUGH
        if len(self._walk(0.0, most).positions) <= count:
            return self.chain(0.0)
        above, low, n_low, high, n_high = 0.0, 0.0, math.inf, math.inf, 0.0
        probe = start
        for _ in range(_PROBES):
            walk = self._walk(probe, most)
            n = len(walk.positions)
            if walk.complete and n >= count:
                return self.chain(probe)
            if n > count:
                # Up to the lowest distance that was exceeded the walk is the same, and what follows it has fewer.
                above, low = max(probe, float(np.nextafter(walk.high, 0))), walk.high
                n_low = n * self.n / (walk.positions[-1] + 1)
            else:
                high, n_high = walk.low, n
            if high <= low * _NARROW:
                break
            probe = _between(low, n_low, high, n_high, count)
        return self.chain(above)

    def _walk(self, threshold: float, most: int) -> _Walk:
        """Follow the rule until there are more than ``most`` references."""
        positions, low, high = [0], 0.0, math.inf
        while len(positions) <= most:
            following, below, above = self._next(positions[-1], threshold)
            low = max(low, below)
            if following == self.n:
                return _Walk(positions, low, high, complete=True)
            high = min(high, above)
            positions.append(following)
        return _Walk(positions, low, high, complete=False)

    def _next(self, reference: int, threshold: float) -> tuple[int, float, float]:
        """Return the position that follows (``n`` when none does), the largest distance before it, and its own."""
        row = self._rows[reference]
        first = int(self._earliest[reference]) - reference - 1
        looked = first
        while True:
            above = np.flatnonzero(row[looked:] > threshold)
            if above.size:
                where = looked + int(above[0])
                return reference + 1 + where, float(row[first:where].max(initial=0.0)), float(row[where])
            if reference + 1 + len(row) >= self.n:
                return self.n, float(row[first:].max(initial=0.0)), math.inf
            looked, start = max(first, len(row)), reference + 1 + len(row)
            stop = min(self.n, start + min(max(len(row) // 2, _FIRST), _MOST))
            row = self._rows[reference] = np.append(row, self._distances(reference, start, stop))


def _between(low: float, n_low: float, high: float, n_high: float, count: int) -> float:
    """Return the next threshold: between ``low`` (more references) and ``high`` (fewer), or beyond the one there is.

    The number is taken to fall by a power of the threshold, as it does for a random walk (by the square).
    """
    if math.isinf(high):
        return low * min(max(math.sqrt(n_low / count), 1.05), 4.0)
    if low == 0:
        return high * min(max(math.sqrt(n_high / count), 0.25), 0.95)
    n_low = max(n_low, count + 0.5)
    share = math.log(n_low / count) / math.log(n_low / n_high)
    share = min(max(share, _INNER), 1 - _INNER)
    return math.exp((1 - share) * math.log(low) + share * math.log(high))


def earliest_after(times: ArrayLike, gap_s: float) -> NDArray[np.int64]:
    """Return for every position the first one at least ``gap_s`` seconds, and at least one position, after it.

    Parameters
    ----------
    times : float [N]
        Seconds; where they step back, the latest time so far counts.
    gap_s : float
        At least 0.

    Returns
    -------
    int64 [N]
        N where none follows.

    Examples
    --------
    >>> earliest_after([0.0, 0.4, 1.0, 1.1], 1.0).tolist()
    [2, 4, 4, 4]
    """
    clock = np.maximum.accumulate(np.asarray(times, dtype=np.float64))
    found = np.searchsorted(clock, clock + gap_s - TIME_TOLERANCE_S, side="left")
    return np.maximum(found, np.arange(1, len(clock) + 1)).astype(np.int64)
