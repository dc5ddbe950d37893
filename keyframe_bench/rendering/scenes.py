"""Scenes of films: a painted place larger than the picture, over which a camera and a few people or vehicles move."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .bodies import Actor, Pose, Vehicle, View, Walker
from .painting import paint
from .places import PLACES
from .surfaces import Picture, Rng, blend, hsv

_GOLDEN = 0.381966  # golden angle as a share of the circle: hues of neighbouring shots lie far apart
_KINDS = ("street", "room", "plaza", "corridor")
_EYE_M, _FOCAL = 2.0, 1.3  # of the camera, which looks straight ahead


def some_actor(rng: Rng, hue: float, *, vehicles: bool = True) -> Actor:
    """Return a walker or a vehicle in a strong colour."""
    colour = hsv(hue, rng.uniform(0.5, 0.8), rng.uniform(0.6, 0.95))
    return Vehicle(rng, colour) if vehicles and rng.random() < 0.5 else Walker(rng, colour)


def draw_actor(picture: Picture, actor: Actor, across: float, z: float, phase: float, *, to_the_left: bool) -> None:
    """Draw an actor ``z`` metres away that passes from side to side.

    Its middle is at ``across``: -1 and 1 are where it has just left the picture on the left and on the right.
    """
    view = View(_EYE_M, 0.0, 0.0, _FOCAL, picture.shape[1] / picture.shape[0])
    end = view.aspect / 2 / view.focal * (z - actor.size[1] / 2) + actor.size[0] / 2
    actor.draw(picture, view, Pose(across * end, z, (-1.0 if to_the_left else 1.0, 0.0), phase))


def _background(rng: Rng, index: int, hue: float, tint: float, height: int, width: int) -> Picture:
    """Return a painted place; its colours lean to a hue by ``tint``, scenes are bright and dim by turns."""
    place = PLACES[_KINDS[index % len(_KINDS)]](rng, view=View(_EYE_M, 0.0, 0.0, _FOCAL, width / height))
    scenery = paint(rng, place, height, width, finer=1)
    for crown in scenery.crowns:
        crown.draw(scenery.background, 0.0)
    light, saturation = rng.uniform(0.95, 1.0) if index % 2 == 0 else rng.uniform(0.38, 0.46), rng.uniform(0.35, 0.6)
    grey = cv2.cvtColor(scenery.background, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    tinted = blend(grey, hsv(hue + rng.uniform(-0.06, 0.06), 0.7, 0.1), hsv(hue, saturation, light))
    return cv2.addWeighted(scenery.background, (1 - tint) * light, tinted, tint, 0)


class Scene:
    """One place, filmed: ``draw(t)`` gives its picture at any time (also before 0, for cross-fades).

    Parameters
    ----------
    rng : numpy.random.Generator
    index : int
        Number of the scene in its video: neighbours differ in place, hue and brightness.
    base_hue : float
        Hue of scene 0, 0..1.
    size : (int, int)
        Height and width of the pictures, pixels.
    span_s : float
        Seconds it is filmed, for the reach of a pan.
    motion : {"live", "pan", "still", "empty"}
        Swaying camera and moving things; a camera that travels sideways; nothing moves; nothing but the background.
    tint : float
        How far the colours of the place lean to the hue, 0..1.
    """

    def __init__(
        self,
        rng: Rng,
        index: int,
        base_hue: float,
        *,
        size: tuple[int, int],
        span_s: float = 1.0,
        motion: str,
        tint: float = 0.6,
    ) -> None:
        (self.height, self.width), self.motion = size, motion
        hue = base_hue + index * _GOLDEN
        self._margin = max(round(0.08 * self.height), 2)
        speed = rng.uniform(0.35, 0.5) * self.width if motion == "pan" else 0.0
        self._travel = speed * rng.choice([-1.0, 1.0])
        self._reach = math.ceil(speed * (span_s + 1.0))  # a cross-fade shows up to half a second before and after
        canvas = self.height + 2 * self._margin, self.width + 2 * self._margin + self._reach
        self._canvas = _background(rng, index, hue, tint, *canvas)
        outdoors = index % 2 == 0
        count = 0 if motion == "empty" else 1 + index % 2
        self._actors = [some_actor(rng, hue + rng.uniform(0.42, 0.58), vehicles=outdoors) for _ in range(count)]
        paths = rng.uniform(0, 1, size=(count, 4))
        self._paths = paths[np.argsort(-paths[:, 1])]  # the farthest first
        self._still = self._draw(0.0) if motion in ("still", "empty") else None

    def draw(self, t: float) -> Picture:
        """Return the picture at ``t`` seconds, RGB uint8 [height, width, 3]; a new array each time."""
        return self._draw(t) if self._still is None else self._still.copy()

    def _draw(self, t: float) -> Picture:
        sway = 0.4 * self._margin if self.motion == "live" else 0.0
        start = self._reach * (0.0 if self._travel > 0 else 1.0)
        x = self._margin + self.width / 2 + start + self._travel * (t + 0.5) + sway * math.sin(1.1 * t)
        y = self._margin + self.height / 2 + sway * math.cos(0.9 * t)
        picture = cv2.getRectSubPix(self._canvas, (self.width, self.height), (x - 0.5, y - 0.5))
        for actor, (place, depth, tempo, phase) in zip(self._actors, self._paths, strict=True):
            turn = 2 * math.pi * (phase + (0.06 + 0.08 * tempo) * t)
            across, left = 0.8 * place - 0.4 + 0.5 * math.sin(turn), math.cos(turn) < 0
            draw_actor(picture, actor, across, 6 + 5 * depth, 7 * t + turn, to_the_left=left)
        return picture
