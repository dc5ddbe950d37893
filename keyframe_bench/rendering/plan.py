"""What happens in a rendered video, decided from kind and seed before anything is drawn: shots, cross-fades, events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation, UserSummary
from ..core.errors import UsageError, suggestion
from ..core.seeding import rng_for

RENDERER_VERSION = 2  # of films and scenes; bump it when the same parameters may give others
SURVEILLANCE_VERSION = 2  # of cameras, likewise
CAMERA_FPS = 5.0
KINDS = ("cuts", "dissolves", "pans", "static", "flashes", "noise", "camera", "mixed")

_SHOT_S = (1.2, 2.8)
_GAP_S, _EVENT_S = (1.0, 2.0), (1.5, 2.5)
_MIXED = ("live", "pan", "flash", "still", "noise")
_NOISE = 14.0  # standard deviation in 8-bit units: a dark room filmed at a high gain


@dataclass(frozen=True)
class Shot:
    """One shot of a plan; all frames are ordinals, ranges half-open.

    Attributes
    ----------
    first, end : int
        The shot.
    motion : {"live", "pan", "still", "empty"}
        See `keyframe_bench.rendering.scenes.Scene`.
    noise : float
        Standard deviation of the sensor noise in 8-bit units.
    fade : int
        Length of the cross-fade into the next shot, even, half of it before ``end``; 0 is a hard cut.
    flash : (int, int)
        Frames lit by a flash.
    """

    first: int
    end: int
    motion: str = "live"
    noise: float = 0.0
    fade: int = 0
    flash: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class FilmPlan:
    """Everything that happens in one rendered video."""

    kind: str
    seed: int
    fps: float
    shots: tuple[Shot, ...]
    events: tuple[tuple[int, int], ...] | None = None

    @property
    def n_frames(self) -> int:
        """Frames of the video, at least 1."""
        return self.shots[-1].end

    def annotation(self) -> Annotation:
        """Return the exact shots, events and the key frames of the one user ``truth``.

        A shot begins at its first frame; after a dissolve, at the first frame in which it is the stronger picture (the
        middle of the dissolve). Key frames are the middle of each shot, ``(first + end) // 2``; of a fixed camera the
        middle of each event and of the longest time in which the scene is empty.
        """
        shots = np.array([(s.first, s.end) for s in self.shots], dtype=np.int64)
        if self.events is not None:
            return camera_annotation(np.array(self.events, dtype=np.int64).reshape(-1, 2), self.n_frames)
        return Annotation(users=(UserSummary("truth", frames=np.unique(shots.sum(axis=1) // 2)),), shots=shots)


def camera_annotation(events: NDArray[np.int64], n_frames: int) -> Annotation:
    """Return events [E, 2], one shot, and as key frames the middles of the events and of the longest empty stretch."""
    empty = np.concatenate(([0], events.ravel(), [n_frames])).reshape(-1, 2)
    longest = empty[np.argmax(empty[:, 1] - empty[:, 0])]
    spans = np.concatenate((events, longest[None])) if longest[1] > longest[0] else events
    truth = UserSummary("truth", frames=np.unique(spans.sum(axis=1) // 2))
    return Annotation(users=(truth,), shots=np.array([[0, n_frames]], dtype=np.int64), events=events)


def check(seed: int, fps: float, duration_s: float = 1.0, slowest: float = 1.0) -> None:
    """Refuse a seed, rate or duration that gives no video.

    Raises
    ------
    UsageError
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise UsageError(f"seed={seed!r} is not a whole number of at least 0")
    if not slowest <= fps <= 240:
        raise UsageError(f"fps={fps} is not a number between {slowest:g} and 240")
    if not 0 < duration_s <= 24 * 3600:
        raise UsageError(f"duration_s={duration_s} is not a number of seconds above 0 and at most 86400")


def plan_film(kind: str, seed: int, *, fps: float = 25, duration_s: float = 12.0) -> FilmPlan:
    """Return the plan of the rendered video (kind, seed, fps, duration); the picture's size plays no part in it.

    Raises
    ------
    UsageError
        For an unknown kind, a negative seed, or a rate or duration that gives no video.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown kind of rendered video {kind!r}; {suggestion(kind, KINDS)}")
    check(seed, fps, duration_s)
    n = max(1, round(duration_s * fps))
    rng = rng_for(int(seed), "plan", kind)
    if kind == "static":
        return FilmPlan(kind, int(seed), fps, (Shot(0, n, motion="still"),))
    if kind == "camera":
        return FilmPlan(kind, int(seed), fps, (Shot(0, n, motion="empty", noise=2.0),), _events(rng, n, fps))
    borders = _borders(rng, n, fps)
    shots = [Shot(a, b) for a, b in pairwise(borders.tolist())]
    return FilmPlan(kind, int(seed), fps, tuple(_direct(kind, rng, shots, fps)))


def _scaled(seconds: tuple[float, float], fps: float, n: int, full_s: float) -> tuple[int, int]:
    """Return a range of lengths in frames; in videos shorter than ``full_s`` everything happens faster."""
    scale = fps * min(1.0, n / fps / full_s)
    low = max(2, round(seconds[0] * scale))
    return low, max(low + 1, round(seconds[1] * scale))


def _borders(rng: np.random.Generator, n: int, fps: float) -> NDArray[np.int64]:
    low, high = _scaled(_SHOT_S, fps, n, 5.0)
    ends = np.cumsum(rng.integers(low, high + 1, size=n // low + 1))
    return np.concatenate(([0], ends[ends <= n - low], [n]))


def _events(rng: np.random.Generator, n: int, fps: float) -> tuple[tuple[int, int], ...]:
    gap, event = _scaled(_GAP_S, fps, n, 6.0), _scaled(_EVENT_S, fps, n, 6.0)
    count = n // (gap[0] + event[0]) + 1
    lengths = np.stack([rng.integers(*gap, size=count), rng.integers(*event, size=count)], axis=1)
    times = np.cumsum(lengths).reshape(-1, 2)
    return tuple((int(a), int(b)) for a, b in times[times[:, 1] < n])  # the scene is empty again at the end


def _direct(kind: str, rng: np.random.Generator, shots: Sequence[Shot], fps: float) -> list[Shot]:
    """Return the shots with what ``kind`` adds to hard cuts."""
    roles = {"pans": ("pan",), "flashes": ("flash",), "noise": ("noise",), "mixed": _MIXED}.get(kind, ("live",))
    directed = []
    for i, shot in enumerate(shots):
        role = roles[i % len(roles)]
        if role == "flash":
            directed.append(_with_flash(rng, shot))
        else:
            directed.append(replace(shot, noise=_NOISE) if role == "noise" else replace(shot, motion=role))
    every = {"dissolves": 1, "mixed": 3}.get(kind)
    return _with_fades(rng, directed, fps, every) if every else directed


def _with_fades(rng: np.random.Generator, shots: Sequence[Shot], fps: float, every: int) -> list[Shot]:
    """Return the shots with a cross-fade at each ``every``-th border; no fade reaches the middle half of a shot."""
    faded = list(shots)
    for i in range(every - 1, len(shots) - 1, every):
        room = min(shots[i].end - shots[i].first, shots[i + 1].end - shots[i + 1].first)
        half = min(round(rng.uniform(0.25, 0.5) * fps), room // 4)
        faded[i] = replace(shots[i], fade=2 * half)
    return faded


def _with_flash(rng: np.random.Generator, shot: Shot) -> Shot:
    """Return the shot with one or two flash frames, clear of its middle (a key frame) and of its fades."""
    length = shot.end - shot.first
    if length < 12:
        return shot
    start = shot.first + (3 * length // 10 if rng.random() < 0.5 else 6 * length // 10)
    return replace(shot, flash=(start, start + int(rng.integers(1, 3))))
