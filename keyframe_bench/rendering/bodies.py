"""A pinhole camera over a world in metres, and what stands or moves in it: solids, people, vehicles.

x points to the right, y up, z into the image; the camera stands at x = z = 0. Images are RGB.
"""

from __future__ import annotations

import colorsys
import math
from functools import lru_cache, reduce
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Picture = NDArray[Any]  # uint8 [height, width, 3], RGB; Any, since OpenCV's stubs do not say which type it returns
Colour = tuple[int, int, int]
Pair = tuple[float, float]  # a range, or a point on the floor
Size = tuple[int, int]  # height and width, pixels

Points = NDArray[np.float64]
CIRCLE = np.stack([np.cos(np.arange(16) * np.pi / 8), np.sin(np.arange(16) * np.pi / 8)], axis=1)
_NEAR = 0.25  # metres before the eye; nearer things are cut off
_REACH = 3.0  # images' widths and heights in which polygons are kept: far out, fixed point would overflow
# The six faces of a solid, seen clockwise: two sides, then bottom, front, top, back; and their lights.
_FACES = np.array([(3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)])
_LIGHTS = (0.82, 0.95, 0.6, 0.88, 1.05, 0.76)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return a colour from hue, saturation and value in 0..1; the hue may lie outside."""
    return cast(Colour, tuple(round(255 * c) for c in colorsys.hsv_to_rgb(hue % 1, saturation, value)))


def random_colour(rng: Rng, value: Pair, saturation: Pair = (0.0, 0.06), hue: Pair = (0.0, 1.0)) -> Colour:
    """Return a colour from ranges of value, saturation and hue, nearly grey by default."""
    return hsv(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value))


def scaled(colour: Colour, factor: float) -> Colour:
    """Return a brighter or darker colour."""
    return cast(Colour, tuple(min(255, round(c * factor)) for c in colour))


def fill(picture: NDArray[Any], polygon: Points | None, colour: tuple[float, ...]) -> None:
    """Fill a convex polygon [M, 2] in pixels, with soft edges; None is nothing to be seen."""
    if polygon is not None:
        cv2.fillConvexPoly(picture, np.rint(polygon * 16).astype(np.int32), colour, cv2.LINE_AA, 4)


def extent(polygon: Points, picture: NDArray[Any], margin: int = 1) -> tuple[slice, slice]:
    """Return the rows and columns of ``picture`` that a polygon touches, or comes near to; maybe none."""
    size = picture.shape[1::-1]
    left, top = np.clip(np.floor(polygon.min(axis=0)) - margin, 0, size).astype(int).tolist()
    right, bottom = np.clip(np.ceil(polygon.max(axis=0)) + margin, 0, size).astype(int).tolist()
    return slice(top, bottom), slice(left, right)


def darken(picture: Picture, polygon: Points | None, share: float, softness: float) -> None:
    """Take ``share`` of the light from a convex polygon [M, 2] in pixels; its edge is ``softness`` pixels wide."""
    if polygon is not None:
        rows, columns = extent(polygon, picture, math.ceil(2 * softness) + 1)
        part = picture[rows, columns]
        mask = np.zeros(part.shape[:2], dtype=np.float32)
        if part.size:
            fill(mask, polygon - (columns.start, rows.start), (share,))
            part[:] = part * (1 - cv2.GaussianBlur(mask, (0, 0), max(softness, 0.3))[..., None])


@lru_cache(64)
def _rotation(pitch: float, yaw: float) -> Points:
    sin_p, cos_p, sin_y, cos_y = math.sin(pitch), math.cos(pitch), math.sin(yaw), math.cos(yaw)
    down, ahead = [-sin_p * sin_y, -cos_p, -sin_p * cos_y], [cos_p * sin_y, -sin_p, cos_p * cos_y]
    return np.array([[cos_y, 0.0, -sin_y], down, ahead])


class View(NamedTuple):
    """Where a camera hangs and how it looks."""

    eye: tuple[float, float, float]  # in the world
    pitch: float  # radians downwards and to the right
    yaw: float
    focal: float  # focal length in image heights: 0.8 is a wide lens, 2 a narrow one
    aspect: float = 16 / 9  # width over height of the view; images of other shapes show it stretched

    @property
    def rotation(self) -> Points:
        """Rows: the camera's right, down and forward in the world, float64 [3, 3]."""
        return _rotation(self.pitch, self.yaw)

    def lens(self, height: float, width: float) -> Points:
        """Return the matrix from the camera's axes to pixels of an image, [3, 3]."""
        focal = self.focal * width / self.aspect, self.focal * height
        return np.array([[focal[0], 0.0, width / 2], [0.0, focal[1], height / 2], [0.0, 0.0, 1.0]])

    def to_camera(self, points: Any) -> Points:
        """Return world points [..., 3] in the camera's axes; the last is the depth."""
        return (np.asarray(points) - self.eye) @ self.rotation.T

    def on_picture(self, seen: Points, height: float, width: float) -> Points:
        """Return points in the camera's axes as x and y in pixels, [..., 2]."""
        return (seen / np.maximum(seen[..., 2:], _NEAR) @ self.lens(height, width).T)[..., :2]

    def polygon(self, corners: Any, picture: Picture) -> Points | None:
        """Return a plane polygon's corners [N, 3] in pixels of ``picture``, cut before the eye; None if behind it."""
        return self.polygons(self.to_camera(corners)[None], picture)[0]

    def polygons(self, seen: Points, picture: Picture) -> list[Points | None]:
        """Return what `polygon` does, for several polygons in the camera's axes, [F, N, 3]."""
        pixels = self.on_picture(seen, *picture.shape[:2])
        if seen[..., 2].min(initial=_NEAR) >= _NEAR and np.abs(pixels).max(initial=0.0) < _REACH * max(picture.shape):
            return list(pixels)
        across, down = _REACH * self.aspect / 2 / self.focal, _REACH / 2 / self.focal
        ahead, sides = (0, 0, 1, _NEAR), [(-1, 0, across, 0), (1, 0, across, 0), (0, -1, down, 0), (0, 1, down, 0)]
        parts = (reduce(_cut, [ahead, *sides], polygon) for polygon in seen)
        return [self.on_picture(part, *picture.shape[:2]) if len(part) > 2 else None for part in parts]


def _cut(corners: Points, plane: tuple[float, ...]) -> Points:
    """Return the part of a polygon [N, 3] where ``corners @ plane[:3] >= plane[3]``."""
    kept: list[Points] = []
    over = corners @ np.array(plane[:3]) - plane[3]
    for i, (here, value) in enumerate(zip(corners, over, strict=True)):
        if (value >= 0) != (over[i - 1] >= 0):
            kept.append(here + (corners[i - 1] - here) * (value / (value - over[i - 1])))
        if value >= 0:
            kept.append(here)
    return np.array(kept).reshape(-1, 3)


class Pose(NamedTuple):
    """Where something is on the ground, metres, which way it goes (unit vector in x and z), and where in its step."""

    x: float
    z: float
    heading: tuple[float, float]
    phase: float = 0.0

    def place(self, points: Any) -> Points:
        """Return points (ahead, to the left, up) [..., 3] of something in the world."""
        (along, across, up), (x, z) = np.moveaxis(np.asarray(points, dtype=np.float64), -1, 0), self.heading
        return np.stack([self.x + along * x - across * z, up, self.z + along * z + across * x], axis=-1)

    def ground(self, points: Any) -> Points:
        """Return points (ahead, to the left) [..., 2] of something on the ground."""
        return self.place(np.insert(np.asarray(points, dtype=np.float64), 2, 0.0, axis=-1))


class Solid:
    """A convex body, from its side view: four corners (ahead, up) in metres, and half its width."""

    def __init__(self, pose: Pose, profile: Any, half: float, colour: Colour, glass: Colour | None = None) -> None:
        self.corners = pose.place([(a, side * half, up) for side in (-1, 1) for a, up in profile])  # [8, 3]
        self._colour, self._glass = colour, glass

    def draw(self, picture: Picture, view: View) -> None:
        """Draw the faces that can be seen."""
        faces = view.to_camera(self.corners)[_FACES]
        panes = 0.8 * faces + 0.2 * faces.mean(axis=1, keepdims=True)
        seen = np.flatnonzero(np.linalg.det(faces[:, :3]) > 0)
        polygons = view.polygons(np.concatenate([faces[seen], panes[seen]]), picture)
        for i, number in enumerate(seen.tolist()):
            fill(picture, polygons[i], scaled(self._colour, _LIGHTS[number]))
            if self._glass and number not in (2, 4):
                fill(picture, polygons[i + len(seen)], scaled(self._glass, _LIGHTS[number]))


def box(x: float, z: float, size: tuple[float, float, float], colour: Colour, turn: float = 0.0) -> Solid:
    """Return a box that stands at (x, z): size is (width, height, depth) in metres, ``turn`` radians."""
    half, high = size[0] / 2, size[1]
    profile = [(-half, 0.0), (half, 0.0), (half, high), (-half, high)]
    return Solid(Pose(x, z, (math.cos(turn), math.sin(turn))), profile, size[2] / 2, colour)


class Walker:
    """A person, drawn upright and facing the image's plane, with swinging arms and legs."""

    speed = (0.9, 1.7)  # metres per second

    def __init__(self, rng: Rng, colour: Colour | None = None) -> None:
        self.size = (0.4, 0.4, float(rng.uniform(1.55, 1.92)))  # length, width and height in metres
        coats = ((0.45, 0.7), (0.35, 0.65)) if rng.random() < 0.4 else ((0.08, 0.9), (0.0, 0.25))
        drawn = random_colour(rng, *coats)
        self._coat = colour or drawn
        self._legs = random_colour(rng, (0.08, 0.42), (0.0, 0.5), (0.55, 0.68))
        self._skin = scaled((224, 182, 150), rng.uniform(0.45, 1.05))
        self._hair = random_colour(rng, (0.1, 0.45), (0.3, 0.6), (0.03, 0.12))

    def draw(self, picture: Picture, view: View, pose: Pose) -> None:
        """Draw the person with their shadow."""
        ends = view.to_camera([[pose.x, 0.0, pose.z], [pose.x, self.size[2], pose.z]])
        if ends[:, 2].min() < _NEAR:
            return
        foot, head = view.on_picture(ends, *picture.shape[:2])
        shadow = view.polygon(pose.ground(CIRCLE * (0.3, 0.22)) + np.array([0.08, 0, 0]), picture)
        darken(picture, shadow, 0.4, 0.04 * float(foot[1] - head[1]))
        metre = view.focal * picture.shape[1] / view.aspect / float(ends[:, 2].mean())
        sideways = abs(pose.heading[0] * math.cos(view.yaw) - pose.heading[1] * math.sin(view.yaw))

        swing, front = math.sin(pose.phase), 1 - sideways
        shoulder = 0.15 + 0.08 * front
        legs, arms = [], []  # x and level at both ends, width: from, to; the far ones first
        for sign in (-1, 1):
            x, lift = sign * (0.3 * sideways * swing + 0.07 * front), 0.05 * max(0.0, sign * swing)
            legs.append((sign * 0.06 * front, x, 0.5, lift, 0.09, scaled(self._legs, 0.85 + 0.15 * sign)))
            legs.append((x + 0.02, x + 0.02, lift + 0.05, lift, 0.09, (30, 28, 28)))
            arm = sign * shoulder * (1 - 0.8 * sideways)
            hand = arm - sign * (0.26 * sideways * swing - 0.03)
            arms.append((arm, hand, 0.8, 0.5, 0.05, scaled(self._coat, 0.74 + 0.12 * sign)))
            arms.append((hand, hand, 0.51, 0.46, 0.035, self._skin))
        trunk = [(0.0, 0.0, 0.85, 0.8, 0.6 * shoulder, self._coat), (0.0, 0.0, 0.82, 0.46, shoulder, self._coat)]
        shade = (0.6 * shoulder, 0.5 * shoulder, 0.81, 0.46, 0.4 * shoulder, scaled(self._coat, 0.72))
        limbs = [*legs, *arms[:2], *trunk, shade, *arms[2:]]
        a, b, top, bottom, wide = np.array([limb[:5] for limb in limbs]).T
        across = metre * np.stack([a - wide, a + wide, b + 0.7 * wide, b - 0.7 * wide], axis=1)
        strips = foot + np.stack([top, top, bottom, bottom], axis=1)[..., None] * (head - foot)
        strips[..., 0] += across
        for strip, limb in zip(strips, limbs, strict=True):
            fill(picture, strip, limb[5])
        size, neck = metre * np.array([0.11, 0.13]), foot + 0.93 * (head - foot)
        fill(picture, neck + CIRCLE * size, self._hair if pose.heading[1] > 0.5 else self._skin)
        fill(picture, neck - (0, 0.35 * size[1]) + CIRCLE * (1.0, 0.65) * size, self._hair)


class Vehicle:
    """A car or van: a body, a cabin, wheels, lamps."""

    speed = (4.0, 11.0)  # metres per second

    def __init__(self, rng: Rng, colour: Colour | None = None) -> None:
        van = rng.random() < 0.25
        self.size = (float(rng.uniform(4.0, 4.9)), 1.8, 2.1 if van else 1.45)  # length, width and height in metres
        vivid = rng.random() < 0.35
        drawn = random_colour(rng, (0.45, 0.7), (0.5, 0.8)) if vivid else random_colour(rng, (0.08, 0.97), (0, 0.08))
        self._paint, glass = colour or drawn, scaled((70, 85, 95), rng.uniform(0.5, 1.3))
        waist, sill, roof = (0.5, (-0.97, 0.6), (0.25, -0.95)) if van else (0.58, (-0.85, 0.42), (0.12, -0.58))
        body = [(-1, 0.14), (1, 0.14), (0.97, waist), (-0.98, waist)]
        cabin = [(sill[0], waist), (sill[1], waist), (roof[0], 1), (roof[1], 1)]
        sides = np.array([body, cabin]) * (self.size[0] / 2, self.size[2])
        self._parts = list(zip(sides, (None, glass), strict=True))

    def solids(self, pose: Pose) -> list[Solid]:
        """Return body and cabin."""
        return [Solid(pose, side, self.size[1] / 2, self._paint, glass) for side, glass in self._parts]

    def draw(self, picture: Picture, view: View, pose: Pose) -> None:
        """Draw the vehicle with its shadow."""
        depth = float(view.to_camera([pose.x, 0.5, pose.z])[2])
        if depth < 0.5:
            return
        long, wide, high = self.size[0] / 2, self.size[1] / 2, self.size[2]
        metre = view.focal * picture.shape[0] / depth
        shadow = pose.ground(np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (long, 1.1 * wide))
        darken(picture, view.polygon(shadow + np.array([0.15, 0, 0]), picture), 0.6, 0.1 * metre)
        body, cabin = self.solids(pose)
        body.draw(picture, view)
        for end, colour in ((-long, (190, 25, 25)), (long, (250, 245, 215))) if metre > 6 else ():  # lamps
            lamp = [(end - 0.04, 0.26), (end + 0.02, 0.26), (end + 0.02, 0.36), (end - 0.04, 0.36)]
            Solid(pose, np.array(lamp) * (1, high), 0.9 * wide, colour).draw(picture, view)
        for side in (-wide, wide) if metre > 6 else ():
            hub = pose.place((0.0, side, 0.33))
            if (hub - (pose.x, 0.33, pose.z)) @ (view.eye - hub) > 0:
                wheels = [(along, r, t) for along in (-0.62 * long, 0.62 * long) for r, t in ((0.34, 24), (0.18, 120))]
                rims = pose.place([[(along + r * a, side, 0.33 + r * b) for a, b in CIRCLE] for along, r, _ in wheels])
                for rim, (_, _, tone) in zip(view.polygons(view.to_camera(rims), picture), wheels, strict=True):
                    fill(picture, rim, (tone, tone, tone + 3))
        cabin.draw(picture, view)


Actor = Walker | Vehicle
