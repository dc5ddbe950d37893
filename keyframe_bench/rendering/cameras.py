"""Rendered surveillance cameras: one place each, people and vehicles that come and go, changing light, sensor noise.

===== ====================================================================================================
level what it shows
===== ====================================================================================================
a     a corridor or a room: one person at a time, long empty stretches, steady light, little noise
b     a car park or a square: a few people and cars, empty stretches, light that drifts
c     a busy street in phases: many people and cars at once, clouds and steps of exposure, strong noise, trees that sway
any   one of six places under conditions drawn from those of all levels and beyond: for training on many cameras
===== ====================================================================================================

Everything that happens is decided from level, seed, length and rate before anything is painted, in metres and seconds:
events do not depend on the size of the pictures, nor a picture on those before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation, UserSummary
from ..core.errors import UsageError
from ..core.seeding import rng_for
from ._actors import Actor, Pose
from ._indoors import corridor, room
from ._outdoors import parking, plaza, road, street
from ._painting import Crown, Scenery, paint
from ._places import Place
from ._projection import View
from ._visits import Conditions, make_light, make_visits, merged
from .scenes import Picture

SURVEILLANCE_VERSION = 1  # bump it when the same parameters may give other pictures
LEVELS = ("a", "b", "c", "any")
HEIGHT, WIDTH = 288, 512

_GRAIN_ROOM = 32  # pixels by which the grain may be shifted from frame to frame

PLACES: dict[str, Callable[[np.random.Generator], Place]] = {
    "corridor": corridor,
    "room": room,
    "parking": parking,
    "street": street,
    "plaza": plaza,
    "road": road,
}
_CONDITIONS = {
    "a": Conditions(("corridor", "room"), (6.0, 16.0), True, None, 1.5, 0.01, 0.002, 0.0, 0.0),
    "b": Conditions(("parking", "plaza"), (2.0, 7.0), False, (8.0, 10.0), 3.0, 0.04, 0.004, 0.08, 0.002),
    "c": Conditions(("street",), (0.4, 2.0), False, (16.0, 9.0), 6.0, 0.06, 0.012, 0.4, 0.006),
}


def _any_conditions(rng: np.random.Generator) -> Conditions:
    short = rng.uniform(0.5, 6)
    return Conditions(
        places=(str(rng.choice(sorted(PLACES))),),
        gap_s=(short, 3 * short),
        alone=bool(rng.random() < 0.3),
        phases_s=None,
        noise=rng.uniform(0.5, 7),
        drift=rng.uniform(0, 0.08),
        flicker=rng.uniform(0, 0.01),
        clouds=rng.choice([0.0, 0.15, 0.4]),
        sway=rng.uniform(0, 0.006),
        grey=bool(rng.random() < 0.12),
        clock=bool(rng.random() < 0.4),
    )


class Camera:
    """One rendered camera; see `make_camera`.

    Attributes
    ----------
    level, seed, n_frames, fps
        As given.
    visits : tuple of Visit
        In order of their arrival.
    events : int64 [E, 2]
        Half-open ranges of frames in which somebody or something is before the camera; disjoint, in order.
    """

    def __init__(self, level: str, seed: int, n_frames: int, fps: float) -> None:
        self.level, self.seed, self.n_frames, self.fps = level, seed, n_frames, fps
        rng = self._rng("plan")
        self._conditions = _CONDITIONS[level] if level in _CONDITIONS else _any_conditions(rng)
        kind = self._conditions.places[int(rng.integers(len(self._conditions.places)))]
        self._place: Place = PLACES[kind](self._rng("place"))
        self.visits = tuple(make_visits(self._rng("visits"), self._place, self._conditions, n_frames, fps))
        self.events = merged([(visit.first, visit.stop) for visit in self.visits])
        self._light = make_light(self._rng("light"), self._conditions, n_frames, fps)
        self._shifts = self._rng("shifts").integers(0, _GRAIN_ROOM + 1, size=(n_frames, 2))
        self._sway = self._rng("sway").uniform(0, 2 * np.pi, 8)
        self._start_s = int(self._rng("clock").integers(86_400))
        self._painted: tuple[tuple[int, int], Scenery, NDArray[np.int16]] | None = None

    def _rng(self, what: str) -> np.random.Generator:
        return rng_for(self.seed, "surveillance", self.level, what)

    def annotation(self) -> Annotation:
        """Return the events, one shot, and the key frames of a user ``truth``.

        These are the middles of the events and of the longest stretch in which nobody is there.
        """
        borders = np.concatenate(([0], self.events.ravel(), [self.n_frames])).reshape(-1, 2)
        longest = borders[np.argmax(borders[:, 1] - borders[:, 0])]
        spans = np.concatenate((self.events, longest[None])) if longest[1] > longest[0] else self.events
        truth = np.unique(spans.sum(axis=1) // 2)
        shots = np.array([[0, self.n_frames]], dtype=np.int64)
        return Annotation(users=(UserSummary("truth", frames=truth),), shots=shots, events=self.events)

    def pictures(self, height: int = HEIGHT, width: int = WIDTH) -> Iterator[Picture]:
        """Yield every frame in order."""
        for frame in range(self.n_frames):
            yield self.picture(frame, height, width)

    def picture(self, frame: int, height: int = HEIGHT, width: int = WIDTH) -> Picture:
        """Return one frame, uint8 [height, width, 3], RGB; the view is 16 to 9 and is stretched to other shapes."""
        import cv2

        if self._painted is None or self._painted[0] != (height, width):
            self._painted = ((height, width), *self._paint(height, width))
        _, scene, grain = self._painted
        picture = scene.background.copy()
        self._draw_things(picture, frame, scene)
        if self._conditions.grey:
            picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        table = np.arange(256, dtype=np.float32)[:, None] * self._light[frame]
        picture = cv2.LUT(picture, np.clip(np.rint(table), 0, 255).astype(np.uint8)[:, None])
        y, x = self._shifts[frame].tolist()
        picture = cv2.add(picture, grain[y : y + height, x : x + width], dtype=cv2.CV_8U)
        if self._conditions.clock:
            _write_clock(picture, self._start_s + frame / self.fps)
        return picture

    def _paint(self, height: int, width: int) -> tuple[Scenery, NDArray[np.int16]]:
        import cv2

        scene = paint(self._rng("paint"), self._place, height, width)
        rng = self._rng("grain")
        shape = height + _GRAIN_ROOM, width + _GRAIN_ROOM, 3
        noise = rng.standard_normal(shape, dtype=np.float32)
        blots = cv2.GaussianBlur(rng.standard_normal(shape, dtype=np.float32), (0, 0), 1.2)
        noise = 0.8 * noise / noise.std() + 0.6 * blots / blots.std()
        if self._conditions.grey:
            noise[:] = noise[..., :1]
        return scene, np.rint(self._conditions.noise * noise).astype(np.int16)

    def _draw_things(self, picture: Picture, frame: int, scene: Scenery) -> None:
        """Draw who is there and the trees, the farthest first."""
        t = frame / self.fps
        view = self._place.view
        shown: list[tuple[float, int, Any]] = [(-crown.depth, i, crown) for i, crown in enumerate(scene.crowns)]
        for visit in self.visits:
            if visit.first <= frame < visit.stop:
                pose = visit.pose(t)
                depth = float(view.to_camera(np.array([pose.x, 0.5, pose.z]))[2])
                shown.append((-depth, len(shown), (visit.actor, pose)))
        sway = self._conditions.sway * picture.shape[0]
        for depth, i, thing in sorted(shown, key=lambda entry: entry[:2]):
            if isinstance(thing, Crown):
                phase = self._sway[i % len(self._sway)]
                thing.draw(picture, sway * (math.sin(1.7 * t + phase) + 0.5 * math.sin(4.1 * t + 2 * phase)))
            else:
                thing[0].draw(picture, view, thing[1])
                scene.cover(picture, -depth, _box_around(view, thing[0], thing[1], picture.shape[:2]))


def make_camera(level: str, seed: int, *, n_frames: int, fps: float = 10) -> Camera:
    """Return a rendered camera of `LEVELS`; nothing is painted before a picture is asked for.

    Parameters
    ----------
    level : {"a", "b", "c", "any"}
    seed : int
        Decides place, conditions and visitors, at least 0.
    n_frames : int
        At least 1. In less than a minute everything comes at shorter intervals.
    fps : float
        Frames per second, 0.1 to 240.

    Raises
    ------
    UsageError
        For a wrong level, seed, length or rate.
    """
    if level not in LEVELS:
        raise UsageError(f"unknown level of a rendered camera {level!r}; use one of {', '.join(LEVELS)}")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise UsageError(f"seed={seed!r} is not a whole number of at least 0")
    if isinstance(n_frames, bool) or not isinstance(n_frames, (int, np.integer)) or n_frames < 1:
        raise UsageError(f"n_frames={n_frames!r} is not a whole number of at least 1")
    if not (math.isfinite(fps) and 0.1 <= fps <= 240):
        raise UsageError(f"fps={fps} is not a number between 0.1 and 240")
    return Camera(level, int(seed), int(n_frames), float(fps))


def render_camera(
    path: str | Path,
    level: str,
    seed: int,
    *,
    height: int = HEIGHT,
    width: int = WIDTH,
    fps: float = 10,
    duration_s: float = 60.0,
) -> Annotation:
    """Write a rendered camera as an H.264 video and return what is in it, as `Camera.annotation`.

    Raises
    ------
    UsageError
        For a wrong level, seed, odd size, rate or duration.
    OutputError
        If the file cannot be written.
    """
    from ..video.encode import write_h264

    if not (math.isfinite(duration_s) and 0 < duration_s <= 24 * 3600):
        raise UsageError(f"duration_s={duration_s} is not a number of seconds above 0 and at most 86400")
    camera = make_camera(level, seed, n_frames=max(1, round(duration_s * fps)), fps=fps)
    write_h264(path, camera.pictures(height, width), fps)
    return camera.annotation()


def _box_around(view: View, actor: Actor, pose: Pose, size: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns that an actor and its shadow can touch."""
    corners = view.project(actor.hull(np.array([pose.x]), np.array([pose.z]), pose.heading)[0]) * view.pixels(
        size[0], size[1]
    )
    room = 8 + 0.25 * (corners.max(axis=0) - corners.min(axis=0))
    low = np.clip(corners.min(axis=0) - room, 0, (size[1], size[0])).astype(int)
    high = np.clip(corners.max(axis=0) + room, 0, (size[1], size[0])).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _write_clock(picture: Picture, seconds: float) -> None:
    import cv2

    now = int(seconds) % 86_400
    text = f"CAM 1  {now // 3600:02d}:{now // 60 % 60:02d}:{now % 60:02d}"
    scale = picture.shape[0] / 500
    place = round(0.03 * picture.shape[1]), round(0.07 * picture.shape[0])
    for ink, aside in (((20, 20, 20), 1), ((245, 245, 245), 0)):
        where = place[0] + aside, place[1] + aside
        cv2.putText(picture, text, where, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)
