"""Ceiling: the frames that agree best with the annotation itself."""

from __future__ import annotations

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
    """Greedy against the annotation: what a selection of sampled frames can reach at best, about (A22).

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
        users = [_User(reference, clip.times, self.tau_s) for reference in _references(clip)]
        limit = len(clip) if k is None else min(k, len(clip))
        chosen, f1 = _greedy(users, len(clip), limit, until_worse=k is None)
        if k is not None:
            rest = np.setdiff1d(np.arange(len(clip)), chosen)[: limit - len(chosen)]
            f1 = np.append(f1, [_mean_f1(users, size) for size in range(len(chosen) + 1, limit + 1)])
            chosen = np.append(chosen, rest)
        fallback = "" if f1.max() > 0 else "no sampled frame matches the annotation"
        return clip.pick(chosen, scores=np.diff(f1, prepend=0.0), fallback=fallback)


def _greedy(
    users: list[_User], n: int, limit: int, *, until_worse: bool
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
    """Sorted times in seconds of every user's key frames, or of the middles of the shots.

    The clip knows the times of sampled frames; those of the frames between them are interpolated.
    """
    times: list[NDArray[np.float64]] = []
    if clip.annotation is not None:
        frames, shots = [], clip.annotation.shots
        for user in clip.annotation.choosers:
            if user.times is not None:
                times.append(user.times)
            elif user.frames is not None:
                frames.append(user.frames)
        if not times and not frames and shots is not None and len(shots):
            frames = [(shots[:, 0] + shots[:, 1] - 1) // 2]
        times += [np.interp(ordinals, clip.ordinals, clip.times) for ordinals in frames]
    if not times:
        raise UnavailableError(
            f"extractor 'oracle' needs an annotation and {clip.video.name!r} has neither users' key frames nor shots; "
            "leave it out, or use a data set with annotations such as dataset=synthetic"
        )
    return [np.sort(known) for known in times]


def _mean_f1(users: list[_User], size: int, gains: NDArray[np.bool_] | int = 0) -> NDArray[np.float64]:
    """Mean over users of F1 = 2 m / (|A| + |B|): |A| is ``size``, ``gains`` [users, N] is added to the matches m."""
    own = np.array([[len(user.times)] for user in users])
    matched = np.array([[user.matched] for user in users])
    mean: NDArray[np.float64] = (2 * (matched + gains) / (size + own)).mean(axis=0)
    return mean


class _User:
    """One user's key frames, and how many of the chosen frames can be matched with them one to one.

    Times are points on a line and the tolerance is one number, so a frame can match a contiguous range of the user's
    key frames. By Hall's theorem such ranges can all be matched while no stretch of key frames has more ranges inside
    than key frames: ``room[a, b]`` is how many more ranges may lie in the stretch a to b - 1.
    """

    def __init__(self, times: NDArray[np.float64], candidates: NDArray[np.float64], tau_s: float) -> None:
        self.times, self.matched = times, 0
        near = tau_s + 0.5e-6  # as in the temporal metric: PTS are rounded, times count in microseconds
        self.low = np.searchsorted(times, candidates - near, side="left")
        self.high = np.searchsorted(times, candidates + near, side="right")
        ends = np.arange(len(times) + 1, dtype=np.int32)
        self.room = ends - ends[:, None]
        right = np.searchsorted(times, candidates)
        padded = np.concatenate([[-np.inf], times, [np.inf]])
        away = np.minimum(candidates - padded[right], padded[right + 1] - candidates)
        self.away = np.where(np.isfinite(away), away, 0.0)  # seconds to the nearest key frame

    def gains(self) -> NDArray[np.bool_]:
        """Whether each candidate can be matched besides those added, bool [N]."""
        least = np.minimum.accumulate(self.room, axis=0)  # over all stretches that hold one: a from 0, b to the end
        least = np.minimum.accumulate(least[:, ::-1], axis=1)[:, ::-1]
        gain: NDArray[np.bool_] = least[self.low, self.high] > 0
        return gain

    def add(self, position: int) -> None:
        """Match a frame that gains."""
        self.room[: self.low[position] + 1, self.high[position] :] -= 1
        self.matched += 1
