"""Annotations of a video, by human annotators or a renderer: key frames per user, shots, events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError


@dataclass(frozen=True, eq=False)
class UserSummary:
    """The key frames that one human annotator chose: by ordinal or by time; `Annotation.aligned` completes the other.

    Attributes
    ----------
    name : str
        Who chose.
    frames : int64 [K] or None
        0-based decoder ordinals, sorted.
    times : float64 [K] or None
        PTS in seconds, sorted.
    """

    name: str
    frames: NDArray[np.int64] | None = None
    times: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        chosen = self.frames if self.frames is not None else self.times
        return 0 if chosen is None else len(chosen)


@dataclass(frozen=True, eq=False)
class Annotation:
    """The annotation of one video.

    Attributes
    ----------
    users : tuple of UserSummary
        Independent ground truths, one per human annotator.
    shots : int64 [S, 2] or None
        Half-open ranges of ordinals.
    events : int64 [E, 2] or None
        Half-open ranges of ordinals of events before a fixed camera.
    """

    users: tuple[UserSummary, ...] = ()
    shots: NDArray[np.int64] | None = None
    events: NDArray[np.int64] | None = None

    def aligned(self, times: NDArray[np.float64], video: str) -> Annotation:
        """Return the annotation with both ordinals and times for every user.

        Parameters
        ----------
        times : float64 [N]
            PTS of every decoded frame, in seconds.
        video : str
            Name for messages.

        Raises
        ------
        UsageError
            If a frame, shot or event lies outside the video.
        """
        n = len(times)
        users = []
        for user in self.users:
            chosen = _nearest(times, user, video) if user.frames is None else user.frames
            frames = np.unique(np.asarray(chosen, dtype=np.int64))
            _check_inside(frames, n, f"key frames of user {user.name!r}", video)
            users.append(UserSummary(user.name, frames, times[frames]))
        for name in ("shots", "events"):
            spans = getattr(self, name)
            if spans is not None and spans.size:
                _check_inside(spans - [0, 1], n, name, video)
        return replace(self, users=tuple(users))

    def within(self, start: int, end: int) -> Annotation:
        """Return the part of an aligned annotation on the frames ``start`` to ``end`` - 1; ordinals do not change."""
        users = []
        for user in self.users:
            assert user.frames is not None and user.times is not None  # aligned
            inside = (user.frames >= start) & (user.frames < end)
            users.append(UserSummary(user.name, user.frames[inside], user.times[inside]))
        clipped = {name: _clipped(getattr(self, name), start, end) for name in ("shots", "events")}
        return replace(self, users=tuple(users), **clipped)

    def moved(self, by: int) -> Annotation:
        """Return an aligned annotation with every ordinal shifted by ``by``; times do not change."""
        users = tuple(replace(user, frames=None if user.frames is None else user.frames + by) for user in self.users)
        spans = {name: getattr(self, name) for name in ("shots", "events")}
        return replace(self, users=users, **{name: None if s is None else s + by for name, s in spans.items()})

    @property
    def choosers(self) -> tuple[UserSummary, ...]:
        """Users with at least one key frame; agreement with others is not defined."""
        return tuple(user for user in self.users if len(user))

    def without_user(self, index: int) -> Annotation:
        """Return the annotation of all other users (human leave-one-out)."""
        return replace(self, users=self.users[:index] + self.users[index + 1 :])


def annotation_json(annotation: Annotation | None) -> Any:
    """Return an annotation as plain data (None when there is none)."""
    if annotation is None:
        return None

    def plain(array: NDArray[Any] | None) -> Any:
        return None if array is None else array.tolist()

    users = [[user.name, plain(user.frames), plain(user.times)] for user in annotation.users]
    return {"users": users, "shots": plain(annotation.shots), "events": plain(annotation.events)}


def _clipped(spans: NDArray[np.int64] | None, start: int, end: int) -> NDArray[np.int64] | None:
    if spans is None:
        return None
    found: NDArray[np.int64] = np.clip(spans, start, end)
    return found[found[:, 0] < found[:, 1]]


def _nearest(times: NDArray[np.float64], user: UserSummary, video: str) -> NDArray[np.int64]:
    """Return the frames nearest to the user's times; `UsageError` for a time outside the video."""
    wanted = np.asarray(user.times, dtype=np.float64)
    order = np.argsort(times, kind="stable")
    clock = times[order]
    step = float(np.median(np.abs(np.diff(times)))) if len(times) > 1 else 1.0
    outside = wanted[(wanted < clock[0] - step) | (wanted > clock[-1] + step)]
    if outside.size:
        raise UsageError(
            f"annotation of {video!r}: key frames of user {user.name!r} name {outside[0]:g} s, "
            f"but the video lasts from {clock[0]:g} to {clock[-1] + step:g} s"
        )
    right = np.minimum(np.searchsorted(clock, wanted), len(clock) - 1)
    left = np.maximum(right - 1, 0)
    return order[np.where(wanted - clock[left] <= clock[right] - wanted, left, right)]


def _check_inside(frames: NDArray[np.int64], n: int, what: str, video: str) -> None:
    outside = frames[(frames < 0) | (frames >= n)]
    if outside.size:
        raise UsageError(
            f"annotation of {video!r}: {what} name frame {outside[-1]}, but the video has frames 0 to {n - 1}"
        )
