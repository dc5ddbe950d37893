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
events do not depend on the size of the images, nor an image on those before it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.seeding import rng_for
from ..core.threads import in_order
from .bodies import Actor, Pair, Picture, Pose, Rng, Size, Walker
from .painting import Grain, Scenery
from .places import PLACES, Place
from .plan import annotate, check

SIZE = 288, 512


class Conditions(NamedTuple):
    """What a level fixes."""

    places: tuple[str, ...]  # one of them is drawn
    # Seconds from one arrival to the next; where ``alone``, from one leaving to the next arrival
    gap_s: Pair
    alone: bool  # whether nobody comes before the last one has left
    # Seconds in which people come, and after them seconds in which nobody does; None: no such
    # phases
    phases_s: Pair | None
    noise: float  # standard deviation of the grain in 8-bit units
    # Largest slow change of the light, standard deviation from frame to frame, largest loss by a cloud or a step of the
    # exposure; shares of the light
    light: tuple[float, float, float]
    sway: float  # of tree crowns, share of the image's height
    grey: bool = False  # a camera without colour; the time of day in a corner, which is no event
    clock: bool = False


_CONDITIONS = {
    "a": Conditions(("corridor", "room"), (6.0, 16.0), True, None, 1.5, (0.01, 0.002, 0.0), 0.0),
    "b": Conditions(("parking", "plaza"), (2.0, 7.0), False, (8.0, 10.0), 3.0, (0.04, 0.004, 0.08), 0.002),
    "c": Conditions(("street",), (0.4, 2.0), False, (16.0, 9.0), 6.0, (0.06, 0.012, 0.4), 0.006),
}


def _any_conditions(rng: Rng) -> Conditions:
    short, place = rng.uniform(0.5, 6), str(rng.choice(sorted(PLACES)))
    alone, noise = bool(rng.random() < 0.3), rng.uniform(0.5, 7)
    light, sway = (rng.uniform(0, 0.08), rng.uniform(0, 0.01), rng.choice([0.0, 0.15, 0.4])), rng.uniform(0, 0.006)
    grey, clock = bool(rng.random() < 0.12), bool(rng.random() < 0.4)
    return Conditions((place,), (short, 3 * short), alone, None, noise, light, sway, grey, clock)


class Visit(NamedTuple):
    """Somebody or something that passes: a walker or vehicle, the frames in which it is seen, and where it is then."""

    actor: Actor
    frames: range
    poses: list[Pose]


def _make_visits(rng: Rng, place: Place, conditions: Conditions, n: int, fps: float) -> Iterator[Visit]:
    """Yield who passes in ``n`` frames and is seen; in less than a minute all come at shorter intervals."""
    pace = min(1.0, n / fps / 60)
    t = pace * rng.uniform(*conditions.gap_s) + 0.02 * n / fps
    quiet_from = t + pace * conditions.phases_s[0] if conditions.phases_s else math.inf
    latest = 0.0
    while t < n / fps:
        visit, leaves_s = _visit(rng, place, t, n, fps)
        latest = max(latest, leaves_s)
        if visit.frames:
            yield visit
        t = (leaves_s if conditions.alone else t) + pace * rng.uniform(*conditions.gap_s)
        if t > quiet_from and conditions.phases_s:
            t = latest + pace * conditions.phases_s[1] * rng.uniform(0.6, 1.4)
            quiet_from = t + pace * conditions.phases_s[0] * rng.uniform(0.6, 1.4)


def _visit(rng: Rng, place: Place, begins_s: float, n: int, fps: float) -> tuple[Visit, float]:
    """Return somebody who sets out at a time, and when it is at the end of its way; in ``n`` frames, maybe unseen."""
    drawn, *ends, spread = place.routes[int(rng.integers(len(place.routes)))]
    actor, walks = drawn(rng), drawn is Walker
    start, end = np.array(ends)[:: -1 if walks and rng.random() < 0.5 else 1]
    length, speed = float(np.linalg.norm(end - start)), float(rng.uniform(*actor.speed))
    ahead = (end - start) / length
    start = start + rng.uniform(-spread, spread) * np.array([ahead[1], -ahead[0]])
    stands_at, stands_s = rng.uniform(0.35, 0.65) * length / speed, rng.uniform(1.5, 5)
    stands_s *= walks and rng.random() < 0.2
    leaves_s = begins_s + length / speed + stands_s
    frames = range(math.ceil(begins_s * fps), min(n, math.floor(leaves_s * fps) + 1))
    run = np.array(frames) / fps - begins_s
    far = speed * np.where(run <= stands_at, run, np.maximum(stands_at, run - stands_s))
    path = np.column_stack([start + far[:, None] * ahead, math.pi * far / 0.75])  # a step every 0.75 m
    heading, view = (float(ahead[0]), float(ahead[1])), place.view
    # It is seen when the box around it overlaps the image by more than a hundredth of its height.
    box = np.array([(a, b, c) for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (0, 1)]) * actor.size
    corners = Pose(0.0, 0.0, heading).place(box) + np.insert(path[:, :2], 1, 0.0, axis=1)[:, None]
    outline, depth = view.on_picture(view.to_camera(corners), 1.0, view.aspect), view.to_camera(corners)[..., 2]
    overlap = np.minimum(outline.max(axis=1), (view.aspect, 1.0)) - np.maximum(outline.min(axis=1), 0.0)
    seen = np.flatnonzero((overlap > 0.01).all(axis=1) & (depth.min(axis=1) > 0.5)).tolist()
    part = slice(seen[0], seen[-1] + 1) if seen else slice(0)
    poses = [Pose(x, z, heading, phase) for x, z, phase in path[part].astype(np.float32).tolist()]
    return Visit(actor, frames[part], poses), leaves_s


def _make_light(rng: Rng, n: int, fps: float, drift: float, flicker: float, clouds: float) -> NDArray[np.float32]:
    """Return the factors on red, green and blue of every frame, float32 [n, 3]."""
    t = np.arange(n) / fps
    gain = 1 + drift * np.sin(2 * np.pi * (t / rng.uniform(40, 90) + rng.random()))
    gain += flicker * rng.standard_normal(n)
    knots, values = [0.0], [1.0]
    while clouds > 0 and knots[-1] < t[-1]:
        begins = knots[-1] + rng.uniform(4, 16)
        lasts = 0.15 if rng.random() < 0.35 else rng.uniform(1, 4)  # a step of the exposure, or a cloud
        knots += [begins, begins + lasts]
        values += [values[-1], 1 - clouds * rng.random()]
    dimmed = np.interp(t, knots, values)
    tint = 1 + np.array([0.12, 0.0, -0.1]) * (dimmed[:, None] - 1)
    return ((gain * dimmed)[:, None] * tint).astype(np.float32)


class Camera:
    """A rendered camera; nothing is painted before an image is asked for.

    Raises `UsageError` for a wrong level, seed, length or rate.

    Parameters
    ----------
    seed : int
        Decides place, conditions and visitors, at least 0.
    n_frames : int
        At least 1. In less than a minute everything comes at shorter intervals.
    fps : float
        Frames per second, 0.1 to 240.

    Attributes
    ----------
    visits : list of Visit
        In order of their arrival.
    busy : bool [n_frames]
        Whether somebody or something is before the camera.
    events : int64 [E, 2]
        Half-open ranges of busy frames; disjoint, in order.
    annotation : Annotation
        The events, one shot, and the key frames of a user ``truth``: the middles of the events and of the longest
        stretch in which nobody is there.
    """

    def __init__(self, level: str, seed: int, *, n_frames: int, fps: float = 10) -> None:
        check(level=level, seed=seed, n_frames=n_frames, fps=fps)
        self.n_frames, self.fps = int(n_frames), float(fps)
        self._rng = partial(rng_for, int(seed), "surveillance", level)
        rng = self._rng("plan")
        self._conditions = _CONDITIONS[level] if level in _CONDITIONS else _any_conditions(rng)
        self._place = PLACES[str(rng.choice(self._conditions.places))](self._rng("place"))
        self.visits = list(_make_visits(self._rng("visits"), self._place, self._conditions, self.n_frames, self.fps))
        self.busy = np.zeros(n_frames, dtype=bool)
        for visit in self.visits:
            self.busy[visit.frames.start : visit.frames.stop] = True
        self.events = np.flatnonzero(np.diff(self.busy, prepend=False, append=False)).reshape(-1, 2)
        self.annotation = annotate([(0, self.n_frames)], self.events)
        self._light = _make_light(self._rng("light"), self.n_frames, self.fps, *self._conditions.light)
        self._start_s = int(self._rng("clock").integers(86_400))
        self._painted: tuple[Size, Scenery, Grain] | None = None

    def pictures(self, size: Size = SIZE) -> Iterator[Picture]:
        """Yield every frame in order, drawn side by side."""
        self.picture(0, size)  # painted once, before the threads ask
        yield from in_order(partial(self.picture, size=size), range(self.n_frames))

    def picture(self, frame: int, size: Size = SIZE) -> Picture:
        """Return one frame, uint8 [height, width, 3]; the view is 16 to 9 and is stretched to other shapes."""
        noise, grey = self._conditions.noise, self._conditions.grey
        if self._painted is None or self._painted[0] != size:
            grain = Grain(self._rng("grain"), noise, size, self.n_frames, grey=grey)
            self._painted = size, Scenery(self._rng("paint"), self._place, size), grain
        _, scene, grain = self._painted
        picture = scene.background.copy()
        self._draw_things(picture, frame, scene)
        if grey:
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
        shown: list[tuple[float, bool, Callable[[], None]]] = []
        for i, crown in enumerate(scene.crowns):
            shift = sway * (math.sin(1.7 * t + i) + 0.5 * math.sin(4.1 * t + 2 * i))
            shown.append((crown.depth, False, partial(crown.draw, picture, shift)))
        for visit in (visit for visit in self.visits if frame in visit.frames):
            pose = visit.poses[frame - visit.frames.start]
            depth = float(view.to_camera([pose.x, 0.5, pose.z])[2])
            shown.append((depth, True, partial(visit.actor.draw, picture, view, pose)))
        for depth, hideable, draw in sorted(shown, key=lambda thing: -thing[0]):
            draw()
            if hideable:
                cv2.copyTo(scene.background, (scene.depth < depth).astype(np.uint8), picture)


def _write_clock(picture: Picture, seconds: float) -> None:
    text, scale = time.strftime("CAM 1  %H:%M:%S", time.gmtime(seconds)), picture.shape[0] / 500
    x, y = round(0.03 * picture.shape[1]), round(0.07 * picture.shape[0])
    for ink, aside in (((20, 20, 20), 1), ((245, 245, 245), 0)):
        cv2.putText(picture, text, (x + aside, y + aside), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)
