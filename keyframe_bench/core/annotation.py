"""Annotations of a video, by human annotators or a renderer: key frames per user, shots, events, scenes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError


@dataclass(frozen=True, eq=False)
class UserSummary:
    """What one human annotator chose: key frames by ordinal or by time; `Annotation.aligned` completes the other.

    Attributes
    ----------
    name : str
        Who chose.
    frames : int64 [K] or None
        0-based decoder ordinals, sorted.
    times : float64 [K] or None
        PTS in seconds, sorted.
    importance : float32 [N] or None
        How important the annotator finds each frame of the video, at least 0, by ordinal: the scores of SumMe and
        TVSum.
    """

    name: str
    frames: NDArray[np.int64] | None = None
    times: NDArray[np.float64] | None = None
    importance: NDArray[np.float32] | None = None

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
    scenes : tuple of float64 [I, 2], or None
        Scenes that a question about the video is on, each in one or more intervals of positive length: PTS in seconds,
        both ends included.
    tolerance : float
        Share of the video's frames, or time, by which the annotation may be longer, or its importance shorter: files of
        one film differ at their ends. What lies beyond the end then counts for the last frame.
    n_frames : int
        How many frames the annotated video has; 0 where it is not known.
    n_picks : int
        Key frames that the file of picks has of the video, where that is the budget (``budget=picks``); else 0. The
        one number here that is not annotated: like `counts` of others, it says how many, and is part of a cell's key.
    """

    users: tuple[UserSummary, ...] = ()
    shots: NDArray[np.int64] | None = None
    events: NDArray[np.int64] | None = None
    scenes: tuple[NDArray[np.float64], ...] | None = None
    tolerance: float = 0.0
    n_frames: int = 0
    n_picks: int = 0

    def aligned(self, times: NDArray[np.float64], video: str) -> Annotation:
        """Return the annotation with both ordinals and times for every user.

        Raises `UsageError` if a frame, shot or event lies outside the video, a scene begins there, or the annotated one
        has another number of frames, by more than `tolerance`.

        Parameters
        ----------
        times : float64 [N]
            PTS of every decoded frame, in seconds.
        video : str
            Name for messages.
        """
        n, more = len(times), int(self.tolerance * len(times))
        if self.n_frames and abs(self.n_frames - n) > more:
            raise UsageError(
                f"annotation of {video!r} is of a video of {self.n_frames} frames, but this one has {n}; give the file "
                "that was annotated"
            )
        users = []
        for user in self.users:
            chosen = user.frames
            if chosen is None:
                about = f"annotation of {video!r}: key frames of user {user.name!r}"
                chosen = nearest_frames(times, np.asarray(user.times, dtype=np.float64), about, self.tolerance)
            frames = np.unique(np.asarray(chosen, dtype=np.int64))
            _check_inside(frames, n, more, f"key frames of user {user.name!r}", video)
            frames = np.unique(np.minimum(frames, n - 1))
            users.append(UserSummary(user.name, frames, times[frames], _fitted(user, n, more, video)))
        spans = {}
        for name in ("shots", "events"):
            found = getattr(self, name)
            if found is not None and found.size:
                _check_inside(found - [0, 1], n, more, name, video)
                found = _clipped(found, 0, n) if more else found
            spans[name] = found
        if self.scenes:
            starts = np.concatenate(self.scenes)[:, 0]
            nearest_frames(times, starts, f"annotation of {video!r}: scenes", self.tolerance)  # for its error
        return replace(self, users=tuple(users), **spans)

    def within(self, start: int, end: int) -> Annotation:
        """Return the part of an aligned annotation on the frames ``start`` to ``end`` - 1; ordinals do not change.

        Scenes, which need not lie in it, are left out.
        """
        users = []
        for user in self.users:
            assert user.frames is not None and user.times is not None  # aligned
            inside = (user.frames >= start) & (user.frames < end)
            users.append(replace(user, frames=user.frames[inside], times=user.times[inside]))
        shots, events = (_clipped(spans, start, end) for spans in (self.shots, self.events))
        return replace(self, users=tuple(users), shots=shots, events=events, scenes=None)

    def moved(self, by: int) -> Annotation:
        """Return an aligned annotation with every ordinal shifted by ``by``, at most 0; times do not change."""
        users = tuple(
            replace(
                user,
                frames=None if user.frames is None else user.frames + by,
                importance=None if user.importance is None else user.importance[-by:],
            )
            for user in self.users
        )
        shots, events = (None if spans is None else spans + by for spans in (self.shots, self.events))
        return replace(self, users=users, shots=shots, events=events)

    @property
    def choosers(self) -> tuple[UserSummary, ...]:
        """Users with at least one key frame; agreement with others is not defined."""
        return tuple(user for user in self.users if len(user))

    @property
    def counts(self) -> dict[str, int]:
        """How many shots there are, key frames of `choosers` on average (``users``), halves up, and ``picks``."""
        n = len(self.choosers)
        return {
            "shots": 0 if self.shots is None else len(self.shots),
            "users": (2 * sum(map(len, self.choosers)) + n) // (2 * n) if n else 0,
            "picks": self.n_picks,
        }

    def without_user(self, index: int) -> Annotation:
        """Return the annotation of all other users (human leave-one-out)."""
        return replace(self, users=self.users[:index] + self.users[index + 1 :])


def annotation_json(annotation: Annotation | None) -> Any:
    """Return an annotation as plain data, importance by its hash (None when there is none)."""
    if annotation is None:
        return None

    def plain(array: NDArray[Any] | None) -> Any:
        return None if array is None else array.tolist()

    users = [[user.name, plain(user.frames), plain(user.times)] for user in annotation.users]
    scores = [user.importance for user in annotation.users]
    known = {"importance": [None if s is None else sha256(s.tobytes()).hexdigest() for s in scores]}
    return {
        "users": users,
        "shots": plain(annotation.shots),
        "events": plain(annotation.events),
        **({"scenes": [plain(scene) for scene in annotation.scenes]} if annotation.scenes else {}),
        **(known if any(score is not None for score in scores) else {}),
        **({"tolerance": annotation.tolerance} if annotation.tolerance else {}),
        **({"picks": annotation.n_picks} if annotation.n_picks else {}),
    }


def _fitted(user: UserSummary, n: int, more: int, video: str) -> NDArray[np.float32] | None:
    """Return the user's importance of the ``n`` frames that there are; the last value stands for missing ones."""
    if user.importance is None:
        return None
    scores = np.asarray(user.importance, dtype=np.float32)
    if not len(scores) or abs(len(scores) - n) > more:
        raise UsageError(
            f"annotation of {video!r}: user {user.name!r} scored {len(scores)} frames, but the video has {n}; give the "
            "file that was annotated"
        )
    return np.pad(scores[:n], (0, max(0, n - len(scores))), mode="edge")


def _clipped(spans: NDArray[np.int64] | None, start: int, end: int) -> NDArray[np.int64] | None:
    if spans is None:
        return None
    found: NDArray[np.int64] = np.clip(spans, start, end)
    return found[found[:, 0] < found[:, 1]]


def nearest_frames(
    times: NDArray[np.float64], wanted: NDArray[np.float64], about: str, tolerance: float = 0.0
) -> NDArray[np.int64]:
    """Return the ordinals of the frames nearest to the times ``wanted``, int64 [K]; of two as near the earlier.

    ``times``: PTS of every decoded frame, float64 [N]; ``tolerance``: share of the duration by which a time may lie
    beyond the end. Raises `UsageError`, which begins with ``about``, for a time outside the video.
    """
    order = np.argsort(times, kind="stable")
    clock = times[order]
    step = float(np.median(np.abs(np.diff(times)))) if len(times) > 1 else 1.0
    last = clock[-1] + step + tolerance * (clock[-1] - clock[0])
    outside = wanted[(wanted < clock[0] - step) | (wanted > last)]
    if outside.size:
        raise UsageError(
            f"{about} name {outside[0]:g} s, but the video lasts from {clock[0]:g} to {clock[-1] + step:g} s"
        )
    right = np.minimum(np.searchsorted(clock, wanted), len(clock) - 1)
    left = np.maximum(right - 1, 0)
    return order[np.where(wanted - clock[left] <= clock[right] - wanted, left, right)]


def _check_inside(frames: NDArray[np.int64], n: int, more: int, what: str, video: str) -> None:
    outside = frames[(frames < 0) | (frames >= n + more)]
    if outside.size:
        raise UsageError(
            f"annotation of {video!r}: {what} name frame {outside[-1]}, but the video has frames 0 to {n - 1}"
        )
