"""Ceiling: the frames that agree best with the annotation itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip, KeyFrames
from ..core.errors import UnavailableError
from ..core.registry import Range, register
from .base import Extractor

_ROUNDING = 1e-12  # F1 sums of equal terms may differ by this


@register("oracle")
class Oracle(Extractor):
    """Greedy against the annotation: about the best that a selection of sampled frames can reach.

    Each step adds the frame that raises the mean over users of the temporal F1 most (one-to-one matching within
    ``tau_s``); among equals the one nearest to the frames it newly matches, then the earliest. A free budget stops when
    no frame raises it; a fixed one goes on, with the frames that lower it least. Where only shots are annotated, the
    middle of each shot is the one reference. Greedy is not exhaustive search: the true maximum may be a little higher.

    Parameters
    ----------
    tau_s : float
        Tolerance of the matching in seconds.
    """

    version = 2
    reference = "none"
    supports = frozenset({"fixed", "free"})
    budget_rule = "greedy until k frames; those that match nobody come last"
    stochastic = False
    privileged = True

    def __init__(self, tau_s: Annotated[float, Range(0)] = 1.0) -> None:
        self.tau_s = tau_s

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002
        """Return the greedy choice; a frame's score is by how much it changed the mean F1 when it was added.

        Raises
        ------
        UnavailableError
            If the clip carries neither users' key frames nor shots.
        """
        users = [UserMatching(reference, clip.times, self.tau_s) for reference in _references(clip)]
        limit = len(clip) if k is None else min(k, len(clip))
        chosen, f1 = greedy_summary(users, len(clip), limit, until_worse=k is None)
        if k is not None:
            rest = np.setdiff1d(np.arange(len(clip)), chosen)[: limit - len(chosen)]
            f1 = np.append(f1, _mean_f1(users, len(chosen) + 1 + np.arange(len(rest))))
            chosen = np.append(chosen, rest)
        fallback = "" if f1.max() > 0 else "no sampled frame matches the annotation"
        return clip.pick(chosen, scores=np.diff(f1, prepend=0.0), fallback=fallback)


def greedy_summary(
    users: Sequence[UserMatching], n: int, limit: int, *, until_worse: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Positions in the order in which they are added, and the mean F1 after each; at least one position."""
    away = np.stack([user.away for user in users])
    free = np.ones(n, dtype=bool)
    chosen: list[int] = []
    f1: list[float] = []
    while len(chosen) < limit:
        gains = np.stack([user.gains() for user in users])
        if chosen and not gains[:, free].any():
            break  # a frame that helps nobody now never will: the matchable sets of frames form a matroid
        value = _mean_f1(users, len(chosen) + 1, gains)
        tied = np.flatnonzero(free & (value >= value[free].max() - _ROUNDING))
        distance = (gains[:, tied] * away[:, tied]).sum(axis=0)
        best = int(tied[np.argmax(distance <= distance.min() + _ROUNDING)])
        if until_worse and chosen and value[best] <= f1[-1] + _ROUNDING:
            break
        chosen.append(best)
        f1.append(float(value[best]))
        free[best] = False
        for user, gain in zip(users, gains[:, best], strict=True):
            if gain:
                user.add(best)
    return np.array(chosen, dtype=np.int64), np.array(f1)


def _references(clip: Clip) -> list[NDArray[np.float64]]:
    """Sorted times in seconds of every user's key frames, or of the middles of the shots."""
    annotation = clip.annotation
    times = []
    if annotation is not None:
        for user in annotation.choosers:
            known = user.times if user.times is not None else _times_of(clip, user.frames)
            times.append(np.sort(np.asarray(known, dtype=np.float64)))
        shots = annotation.shots
        if not times and shots is not None and len(shots):
            times = [np.sort(_times_of(clip, (shots[:, 0] + shots[:, 1] - 1) // 2))]
    if not times:
        raise UnavailableError(
            f"extractor 'oracle' needs an annotation and {clip.video.name!r} has neither users' key frames nor shots; "
            "leave it out, or use a data set with annotations such as dataset=synthetic"
        )
    return times


def _times_of(clip: Clip, ordinals: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Return the times of decoded frames; between the sampled ones, all that the clip knows, they are interpolated."""
    wanted = np.zeros(0) if ordinals is None else np.asarray(ordinals, dtype=np.float64)
    return np.interp(wanted, clip.ordinals, clip.times)


def _mean_f1(
    users: Sequence[UserMatching], size: int | NDArray[np.int64], gains: NDArray[np.bool_] | int = 0
) -> NDArray[np.float64]:
    """Mean over users of F1 = 2 m / (|A| + |B|): |A| is ``size``, ``gains`` [users, N] is added to the matches m."""
    own = np.array([[len(user.times)] for user in users])
    matched = np.array([[user.matched] for user in users])
    mean: NDArray[np.float64] = (2 * (matched + gains) / (size + own)).mean(axis=0)
    return mean


class UserMatching:
    """One user's key frames, and a maximum one-to-one matching of the chosen frames with them.

    Times are points on a line and the tolerance is one number, so each frame can match a contiguous range of the user's
    key frames: two indices per frame stand for the whole distance matrix.
    """

    def __init__(self, times: NDArray[np.float64], candidates: NDArray[np.float64], tau_s: float) -> None:
        self.times = times
        near = tau_s + 0.5e-6  # as in the temporal metric: PTS are rounded, times count in microseconds
        self.low = np.searchsorted(times, candidates - near, side="left")
        self.high = np.searchsorted(times, candidates + near, side="right")
        self.partner = np.full(len(times), -1)  # chosen position matched with each key frame
        right = np.searchsorted(times, candidates)
        padded = np.concatenate([[-np.inf], times, [np.inf]])
        away = np.minimum(candidates - padded[right], padded[right + 1] - candidates)
        self.away = np.where(np.isfinite(away), away, 0.0)  # seconds to the nearest key frame

    @property
    def matched(self) -> int:
        """Size of the matching."""
        return int((self.partner >= 0).sum())

    def gains(self) -> NDArray[np.bool_]:
        """Whether adding each candidate makes the matching one larger, bool [N]."""
        count = np.concatenate([[0], np.cumsum(self._open()[0])])
        gain: NDArray[np.bool_] = count[self.high] > count[self.low]
        return gain

    def add(self, position: int) -> None:
        """Add a frame that gains, moving partners along an augmenting path."""
        is_open, onward = self._open()
        frame = self._first(position, is_open)
        while position >= 0:
            displaced = int(self.partner[frame])
            self.partner[frame] = position
            position, frame = displaced, int(onward[frame])

    def _first(self, position: int, is_open: NDArray[np.bool_]) -> int:
        """Return the first open key frame that a frame can match."""
        return int(self.low[position] + np.argmax(is_open[self.low[position] : self.high[position]]))

    def _open(self) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Which key frames can be freed by moving partners, and where the partner of each would move."""
        is_open = self.partner < 0
        onward = np.full(len(self.times), -1)
        while True:
            known, closed = np.flatnonzero(is_open), np.flatnonzero(~is_open)
            if known.size == 0 or closed.size == 0:
                return is_open, onward
            partner = self.partner[closed]
            first = np.searchsorted(known, self.low[partner])  # first open key frame that the partner could take
            target = known[np.minimum(first, known.size - 1)]
            freed = (first < known.size) & (target < self.high[partner])
            if not freed.any():
                return is_open, onward
            is_open[closed[freed]] = True
            onward[closed[freed]] = target[freed]
