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
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.errors import UsageError
from ..core.seeding import rng_for
from ..video.encode import write_h264
from .bodies import Actor, Points, Pose, Vehicle, View, Walker
from .painting import Scenery, paint
from .places import PLACES, Place
from .plan import camera_annotation, check
from .surfaces import Grain, Picture, Range, Rng

LEVELS = ("a", "b", "c", "any")
HEIGHT, WIDTH = 288, 512

_SEEN = 0.01  # of the picture's height: what overlaps it by less is not there
_STEP_M = 0.75  # length of half a stride


class Conditions(NamedTuple):
    """What a level fixes.

    Attributes
    ----------
    places : tuple of str
        One of them is drawn.
    gap_s : (float, float)
        Seconds from one arrival to the next; where ``alone``, from one leaving to the next arrival.
    alone : bool
    phases_s : (float, float) or None
        Seconds in which people come, and after them seconds in which nobody does; None: no such phases.
    noise : float
        Standard deviation of the grain in 8-bit units.
    drift, flicker, clouds : float
        Largest slow change of the light, standard deviation from frame to frame, largest loss by a cloud or a step of
        the exposure; shares of the light.
    sway : float
        Of tree crowns, share of the picture's height.
    grey, clock : bool
        A camera without colour; the time of day in a corner, which is no event.
    """

    places: tuple[str, ...]
    gap_s: Range
    alone: bool
    phases_s: Range | None
    noise: float
    drift: float
    flicker: float
    clouds: float
    sway: float
    grey: bool = False
    clock: bool = False


_CONDITIONS = {
    "a": Conditions(("corridor", "room"), (6.0, 16.0), True, None, 1.5, 0.01, 0.002, 0.0, 0.0),
    "b": Conditions(("parking", "plaza"), (2.0, 7.0), False, (8.0, 10.0), 3.0, 0.04, 0.004, 0.08, 0.002),
    "c": Conditions(("street",), (0.4, 2.0), False, (16.0, 9.0), 6.0, 0.06, 0.012, 0.4, 0.006),
}


def _any_conditions(rng: Rng) -> Conditions:
    short, place = rng.uniform(0.5, 6), str(rng.choice(sorted(PLACES)))
    alone, noise, light = bool(rng.random() < 0.3), rng.uniform(0.5, 7), (rng.uniform(0, 0.08), rng.uniform(0, 0.01))
    clouds, sway = rng.choice([0.0, 0.15, 0.4]), rng.uniform(0, 0.006)
    grey, clock = bool(rng.random() < 0.12), bool(rng.random() < 0.4)
    return Conditions((place,), (short, 3 * short), alone, None, noise, *light, clouds, sway, grey, clock)


class Visit(NamedTuple):
    """Somebody or something that passes.

    Attributes
    ----------
    actor : Walker or Vehicle
    heading : (float, float)
        Unit vector in x and z.
    first : int
        The first frame in which it is seen.
    path : float32 [T, 3]
        x, z and phase of the step in every frame in which it is seen.
    """

    actor: Actor
    heading: tuple[float, float]
    first: int
    path: NDArray[np.float32]

    @property
    def stop(self) -> int:
        """End of the half-open range of frames."""
        return self.first + len(self.path)

    def pose(self, frame: int) -> Pose:
        """Return where it is in a frame in which it is seen."""
        x, z, phase = self.path[frame - self.first].tolist()
        return Pose(x, z, self.heading, phase)


def _make_visits(rng: Rng, place: Place, conditions: Conditions, n: int, fps: float) -> Iterator[Visit]:
    """Yield who passes in ``n`` frames and is seen; in less than a minute all come at shorter intervals."""
    pace = min(1.0, n / fps / 60)
    t = pace * rng.uniform(*conditions.gap_s) + 0.02 * n / fps
    quiet_from = t + pace * conditions.phases_s[0] if conditions.phases_s else math.inf
    latest = 0.0
    while t < n / fps:
        visit, leaves_s = _visit(rng, place, t, n, fps)
        latest = max(latest, leaves_s)
        if len(visit.path):
            yield visit
        t = (leaves_s if conditions.alone else t) + pace * rng.uniform(*conditions.gap_s)
        if t > quiet_from and conditions.phases_s:
            t = latest + pace * conditions.phases_s[1] * rng.uniform(0.6, 1.4)
            quiet_from = t + pace * conditions.phases_s[0] * rng.uniform(0.6, 1.4)


def _visit(rng: Rng, place: Place, begins_s: float, n: int, fps: float) -> tuple[Visit, float]:
    """Return somebody who sets out at a time, and when it is at the end of its way; in ``n`` frames, maybe unseen."""
    route = place.routes[int(rng.integers(len(place.routes)))]
    actor: Actor = Walker(rng) if route.actor == "walker" else Vehicle(rng)
    start, end = np.array([route.start, route.end])[:: -1 if route.both and rng.random() < 0.5 else 1]
    length, speed = float(np.linalg.norm(end - start)), float(rng.uniform(*actor.speed))
    ahead = (end - start) / length
    start = start + rng.uniform(-route.spread, route.spread) * np.array([ahead[1], -ahead[0]])
    stands_at, stands_s = rng.uniform(0.35, 0.65) * length / speed, rng.uniform(1.5, 5)
    stands_s *= route.actor == "walker" and rng.random() < 0.2
    leaves_s = begins_s + length / speed + stands_s
    frames = np.arange(math.ceil(begins_s * fps), min(n, math.floor(leaves_s * fps) + 1))
    run = frames / fps - begins_s
    far = speed * np.where(run <= stands_at, run, np.maximum(stands_at, run - stands_s))
    path = np.column_stack([start + far[:, None] * ahead, math.pi * far / _STEP_M])
    heading = (float(ahead[0]), float(ahead[1]))
    seen = np.flatnonzero(_in_sight(place.view, actor, heading, path))
    first, last = (int(seen[0]), int(seen[-1])) if seen.size else (0, -1)
    begins = math.ceil(begins_s * fps) + first
    return Visit(actor, heading, begins, path[first : last + 1].astype(np.float32)), leaves_s


def _in_sight(view: View, actor: Actor, heading: tuple[float, float], path: Points) -> NDArray[np.bool_]:
    """Say at which points of a path [T, 3] the box around an actor overlaps the picture."""
    corners = np.array([(a, b, c) for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (0, 1)]) * actor.size
    hulls = Pose(0.0, 0.0, heading).place(corners) + np.insert(path[:, :2], 1, 0.0, axis=1)[:, None]
    seen = view.to_camera(hulls)
    outline = view.on_picture(seen, 1.0, view.aspect)
    overlap = np.minimum(outline.max(axis=1), (view.aspect, 1.0)) - np.maximum(outline.min(axis=1), 0.0)
    return cast(NDArray[np.bool_], (overlap > _SEEN).all(axis=1) & (seen[..., 2].min(axis=1) > 0.5))


def _make_light(rng: Rng, conditions: Conditions, n: int, fps: float) -> NDArray[np.float32]:
    """Return the factors on red, green and blue of every frame, float32 [n, 3]."""
    t = np.arange(n) / fps
    gain = 1 + conditions.drift * np.sin(2 * np.pi * (t / rng.uniform(40, 90) + rng.random()))
    gain += conditions.flicker * rng.standard_normal(n)
    knots, values = [0.0], [1.0]
    while conditions.clouds > 0 and knots[-1] < t[-1]:
        begins = knots[-1] + rng.uniform(4, 16)
        lasts = 0.15 if rng.random() < 0.35 else rng.uniform(1, 4)  # a step of the exposure, or a cloud
        knots += [begins, begins + lasts]
        values += [values[-1], 1 - conditions.clouds * rng.random()]
    dimmed = np.interp(t, knots, values)
    tint = 1 + np.array([0.12, 0.0, -0.1]) * (dimmed[:, None] - 1)
    return ((gain * dimmed)[:, None] * tint).astype(np.float32)


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
        self._place = PLACES[str(rng.choice(self._conditions.places))](self._rng("place"))
        self.visits = tuple(_make_visits(self._rng("visits"), self._place, self._conditions, n_frames, fps))
        self.events = _union(self.visits, n_frames)
        self._light = _make_light(self._rng("light"), self._conditions, n_frames, fps)
        self._start_s = int(self._rng("clock").integers(86_400))
        self._painted: tuple[tuple[int, int], Scenery, Grain] | None = None

    def _rng(self, what: str) -> Rng:
        return rng_for(self.seed, "surveillance", self.level, what)

    def annotation(self) -> Annotation:
        """Return the events, one shot, and the key frames of a user ``truth``.

        These are the middles of the events and of the longest stretch in which nobody is there.
        """
        return camera_annotation(self.events, self.n_frames)

    def pictures(self, height: int = HEIGHT, width: int = WIDTH) -> Iterator[Picture]:
        """Yield every frame in order."""
        for frame in range(self.n_frames):
            yield self.picture(frame, height, width)

    def picture(self, frame: int, height: int = HEIGHT, width: int = WIDTH) -> Picture:
        """Return one frame, uint8 [height, width, 3], RGB; the view is 16 to 9 and is stretched to other shapes."""
        if self._painted is None or self._painted[0] != (height, width):
            scene = paint(self._rng("paint"), self._place, height, width)
            noise, grey = self._conditions.noise, self._conditions.grey
            grain = Grain(self._rng("grain"), noise, (height, width), self.n_frames, grey=grey)
            self._painted = (height, width), scene, grain
        _, scene, grain = self._painted
        picture = scene.background.copy()
        self._draw_things(picture, frame, scene)
        if self._conditions.grey:
            picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        table = np.arange(256, dtype=np.float32)[:, None] * self._light[frame]
        picture = cv2.LUT(picture, np.clip(np.rint(table), 0, 255).astype(np.uint8)[:, None])
        picture = grain.add(picture, frame)
        if self._conditions.clock:
            _write_clock(picture, self._start_s + frame / self.fps)
        return picture

    def _draw_things(self, picture: Picture, frame: int, scene: Scenery) -> None:
        """Draw who is there and the trees, the farthest first; solid things hide what is behind them."""
        t, sway, view = frame / self.fps, self._conditions.sway * picture.shape[0], self._place.view
        shown: list[tuple[float, int, Visit | None]] = [(crown.depth, i, None) for i, crown in enumerate(scene.crowns)]
        for i, visit in enumerate(self.visits):
            if visit.first <= frame < visit.stop:
                pose = visit.pose(frame)
                shown.append((float(view.to_camera([pose.x, 0.5, pose.z])[2]), i, visit))
        for depth, i, there in sorted(shown, key=lambda thing: -thing[0]):
            if there is None:
                scene.crowns[i].draw(picture, sway * (math.sin(1.7 * t + i) + 0.5 * math.sin(4.1 * t + 2 * i)))
            else:
                there.actor.draw(picture, view, there.pose(frame))
                cv2.copyTo(scene.background, (scene.depth < depth).astype(np.uint8), picture)


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
    if isinstance(n_frames, bool) or not isinstance(n_frames, (int, np.integer)) or n_frames < 1:
        raise UsageError(f"n_frames={n_frames!r} is not a whole number of at least 1")
    check(seed, fps, slowest=0.1)
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
    check(seed, fps, duration_s, slowest=0.1)
    camera = make_camera(level, seed, n_frames=max(1, round(duration_s * fps)), fps=fps)
    write_h264(path, camera.pictures(height, width), fps)
    return camera.annotation()


def _union(visits: tuple[Visit, ...], n_frames: int) -> NDArray[np.int64]:
    """Return the ranges of frames in which somebody is seen, [E, 2], disjoint and in order."""
    steps = np.zeros(n_frames + 1, dtype=np.int64)
    for visit in visits:
        steps[visit.first] += 1
        steps[visit.stop] -= 1
    borders = np.diff(np.cumsum(steps) > 0, prepend=False)
    return np.flatnonzero(borders).reshape(-1, 2)


def _write_clock(picture: Picture, seconds: float) -> None:
    now = int(seconds) % 86_400
    text = f"CAM 1  {now // 3600:02d}:{now // 60 % 60:02d}:{now % 60:02d}"
    scale = picture.shape[0] / 500
    place = round(0.03 * picture.shape[1]), round(0.07 * picture.shape[0])
    for ink, aside in (((20, 20, 20), 1), ((245, 245, 245), 0)):
        where = place[0] + aside, place[1] + aside
        cv2.putText(picture, text, where, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)
