"""What happens in a rendered video, decided from kind and seed before anything is drawn: shots, cross-fades, events."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, pairwise

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation, UserSummary
from ..core.registry import Parameter, Range
from ..core.seeding import rng_for

RENDERER_VERSION = 2  # of films and scenes; bump it when the same parameters may give others
SURVEILLANCE_VERSION = 2  # of cameras, likewise
CAMERA_FPS = 5.0
KINDS = ("cuts", "dissolves", "pans", "static", "flashes", "noise", "camera", "mixed")
LEVELS = ("a", "b", "c", "any")  # of cameras

# What the shots of a film show, in turn.
_ROLES = {
    "pans": ["pan"],
    "flashes": ["flash"],
    "noise": ["noise"],
    "mixed": ["live", "pan", "flash", "still", "noise"],
}
_CHOICES = {"kind": KINDS, "level": LEVELS}
_LIMITS = {"seed": Range(0), "n_frames": Range(1), "height": Range(16, 4096), "width": Range(16, 4096)}
_LIMITS |= {"fps": Range(0.1, 240), "duration_s": Range(1e-3, 86_400)}


@dataclass
class Shot:
    """One shot of a plan; all frames are ordinals, ranges half-open."""

    first: int  # the shot
    end: int
    motion: str = "live"  # see `keyframe_bench.rendering.films.Scene`
    noise: float = 0.0  # standard deviation of the sensor noise in 8-bit units
    fade: int = 0  # length of the cross-fade into the next shot, even, half of it before ``end``; 0 is a hard cut
    flash: tuple[int, int] = (0, 0)  # frames lit by a flash


class FilmPlan:
    """Everything that happens in one rendered video; the size of its images plays no part in it.

    Raises `UsageError` for an unknown kind, a negative seed, or a rate or duration that gives no video.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    seed : int
        At least 0.
    fps : float
        Frames per second, 0.1 to 240.
    duration_s : float
        Seconds, up to a day; the video has ``round(duration_s * fps)`` frames, at least 1.

    Attributes
    ----------
    n_frames : int
    shots : list of Shot
    events : int64 [E, 2]
        Half-open ranges of ordinals; none but of a fixed camera.
    annotation : Annotation
        The exact shots, events and the key frames of the one user ``truth``. A shot begins at its first frame; after a
        dissolve, at the first frame in which it is the stronger image (the middle of the dissolve). Key frames are
        the middle of each shot, ``(first + end) // 2``; of a fixed camera the middle of each event and of the longest
        time in which the scene is empty.
    """

    def __init__(self, kind: str, seed: int, *, fps: float = 25, duration_s: float = 12.0) -> None:
        check(kind=kind, seed=seed, fps=fps, duration_s=duration_s)
        self.kind, self.seed, self.fps, self.events = kind, int(seed), fps, np.zeros((0, 2), dtype=np.int64)
        n = self.n_frames = max(1, round(duration_s * fps))
        rng = rng_for(self.seed, "plan", kind)
        if kind == "static":
            self.shots = [Shot(0, n, motion="still")]
        elif kind == "camera":
            self.shots, self.events = [Shot(0, n, motion="empty", noise=2.0)], _events(rng, n, fps)
        else:
            self.shots = _shots(kind, rng, n, fps)
        ranges = [(shot.first, shot.end) for shot in self.shots]
        self.annotation = annotate(ranges, self.events if kind == "camera" else None)


def annotate(ranges: list[tuple[int, int]], events: NDArray[np.int64] | None = None) -> Annotation:
    """Return shots, events [E, 2] and key frames: middles of the shots, or of events and the longest empty stretch."""
    spans = shots = np.array(ranges, dtype=np.int64)
    if events is not None:
        empty = np.concatenate(([0], events.ravel(), [shots[-1, 1]])).reshape(-1, 2)
        longest = empty[np.argmax(empty[:, 1] - empty[:, 0])]
        spans = np.concatenate((events, longest[None])) if longest[1] > longest[0] else events
    truth = UserSummary("truth", frames=np.unique(spans.sum(axis=1) // 2))
    return Annotation(users=(truth,), shots=shots, events=events)


def check(**given: str | float) -> None:
    """Refuse a kind, level, seed, length, size (pixels), rate (frames/s) or duration (seconds) that gives no video.

    Raises `UsageError`.
    """
    for name, value in given.items():
        kinds = () if name in _CHOICES else (float,) if name in ("fps", "duration_s") else (int,)
        parameter = Parameter(name, kinds, choices=_CHOICES.get(name, ()), range=_LIMITS.get(name))
        parameter.check(value.item() if isinstance(value, np.generic) else value, "rendered video")


def _scaled(seconds: tuple[float, float], fps: float, n: int, full_s: float) -> tuple[int, int]:
    """Return a range of lengths in frames; in videos shorter than ``full_s`` everything happens faster."""
    scale = fps * min(1.0, n / fps / full_s)
    low = max(2, round(seconds[0] * scale))
    return low, max(low + 1, round(seconds[1] * scale))


def _events(rng: np.random.Generator, n: int, fps: float) -> NDArray[np.int64]:
    gap, event = _scaled((1.0, 2.0), fps, n, 6.0), _scaled((1.5, 2.5), fps, n, 6.0)
    count = n // (gap[0] + event[0]) + 1
    times = np.cumsum(np.stack([rng.integers(*span, size=count) for span in (gap, event)], axis=1)).reshape(-1, 2)
    return times[times[:, 1] < n]  # the scene is empty again at the end


def _shots(kind: str, rng: np.random.Generator, n: int, fps: float) -> list[Shot]:
    """Return shots with hard cuts, and what ``kind`` adds to them."""
    low, high = _scaled((1.2, 2.8), fps, n, 5.0)
    ends = np.cumsum(rng.integers(low, high + 1, size=n // low + 1))
    shots = [Shot(first, end) for first, end in pairwise([0, *ends[ends <= n - low].tolist(), n])]
    for shot, role in zip(shots, cycle(_ROLES.get(kind, ["live"]))):
        length = shot.end - shot.first
        if role == "noise":
            shot.noise = 14.0  # a dark room filmed at a high gain
        elif role != "flash":
            shot.motion = role
        elif length >= 12:  # one or two frames, clear of the middle (a key frame) and of cross-fades
            first = shot.first + (3 * length // 10 if rng.random() < 0.5 else 6 * length // 10)
            shot.flash = first, first + int(rng.integers(1, 3))
    every = {"dissolves": 1, "mixed": 3}.get(kind, len(shots))
    for one, two in list(pairwise(shots))[every - 1 :: every]:  # no cross-fade reaches the middle half of a shot
        half = min(round(rng.uniform(0.25, 0.5) * fps), min(one.end - one.first, two.end - two.first) // 4)
        one.fade = 2 * half
    return shots
