"""What moves before a rendered camera, and solid things that stand there: people, vehicles, boxes, in perspective."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._projection import Points, View, fill
from ._textures import colour_of, grey_of, scaled
from .scenes import Colour, Picture

_LIGHT = np.array([-0.45, 0.8, -0.4])  # towards the light: from the upper left, behind the camera
# Bottom, top and sides of a body of eight corners.
_FACES = np.array([(0, 1, 2, 3), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)])
_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 17)[:-1]), np.sin(np.linspace(0, 2 * np.pi, 17)[:-1])], axis=1)


@dataclass(frozen=True)
class Pose:
    """Where something is and which way it goes.

    Attributes
    ----------
    x, z : float
        Metres.
    heading : (float, float)
        Unit vector in x and z.
    phase : float
        Of the step, radians.
    """

    x: float
    z: float
    heading: tuple[float, float]
    phase: float = 0.0


def darken(picture: Picture, polygon: Points, share: float, softness: float) -> None:
    """Take ``share`` of the light from a convex polygon [M, 2] in pixels; its edge is ``softness`` pixels wide."""
    import cv2

    height, width = picture.shape[:2]
    reach = math.ceil(2 * softness) + 1
    low = np.maximum(np.floor(polygon.min(axis=0)).astype(int) - reach, 0)
    high = np.minimum(np.ceil(polygon.max(axis=0)).astype(int) + reach, (width, height))
    if np.any(high - low < 1):
        return
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), dtype=np.uint8)
    fill(mask, polygon - low, (255,))
    if softness > 0.5:
        mask = cv2.GaussianBlur(mask, (0, 0), softness)
    part = picture[low[1] : high[1], low[0] : high[0]]
    part[:] = part * (1 - mask[..., None].astype(np.float32) * (share / 255))


def on_ground(view: View, outline: NDArray[Any], height: int, width: int) -> Points | None:
    """Return a polygon of (x, z) on the ground in pixels."""
    return view.polygon(np.insert(outline.astype(np.float64), 1, 0.0, axis=1), height, width)


@dataclass(frozen=True)
class Solid:
    """A convex body of eight corners: the four of its foot in turn, then those above them, metres, float64 [8, 3]."""

    corners: Points
    colour: Colour
    glass: Colour | None = None

    def draw(self, picture: Picture, view: View) -> None:
        """Draw the faces that can be seen, each as light as its direction."""
        height, width = picture.shape[:2]
        faces = self.corners[_FACES]
        centres = faces.mean(axis=1)
        normals = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
        normals /= np.maximum(np.sqrt((normals**2).sum(axis=1, keepdims=True)), 1e-9)
        normals *= np.where((normals * (centres - self.corners.mean(axis=0))).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
        lights = 0.62 + 0.45 * np.maximum(normals @ _LIGHT, 0.0)
        seen = view.to_camera(faces)
        for number in np.flatnonzero((normals * (view.eye - centres)).sum(axis=1) > 0).tolist():
            polygon = view.cut(seen[number], height, width)
            if polygon is None:
                continue
            fill(picture, polygon, scaled(self.colour, lights[number]))
            if self.glass is not None and number > 1:
                middle = seen[number].mean(axis=0)
                pane = view.cut(middle + 0.8 * (seen[number] - middle), height, width)
                if pane is not None:
                    fill(picture, pane, scaled(self.glass, lights[number]))


def box(
    x: float, z: float, size: tuple[float, float, float], colour: Colour, turn: float = 0.0, foot: float = 0.0
) -> Solid:
    """Return a box with its foot's middle at (x, z): size is (width, height, depth) in metres, ``turn`` radians."""
    wide, high, deep = size
    along = np.array([math.cos(turn), math.sin(turn)])
    across = np.array([-math.sin(turn), math.cos(turn)])
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    base = [(x, z) + a * wide / 2 * along + b * deep / 2 * across for a, b in signs]
    corners = [(p[0], level, p[1]) for level in (foot, foot + high) for p in base]
    return Solid(np.array(corners), colour)


def _moved(points: Points, x: NDArray[Any], z: NDArray[Any]) -> Points:
    """Return points [P, 3] about the origin at every place on the ground, [T, P, 3]."""
    places: Points = np.stack([x, np.zeros_like(x), z], axis=-1)
    return places[:, None] + points


def _frame_of(pose: Pose) -> Callable[[float, float, float], tuple[float, float, float]]:
    """Return the function from metres (ahead, to the left, up) of something to the world."""
    ahead_x, ahead_z = pose.heading

    def at(along: float, across: float, level: float) -> tuple[float, float, float]:
        return pose.x + along * ahead_x - across * ahead_z, level, pose.z + along * ahead_z + across * ahead_x

    return at


class Walker:
    """A person: drawn upright and facing the camera's plane, with swinging arms and legs."""

    speed = (0.9, 1.7)  # metres per second

    def __init__(self, rng: np.random.Generator) -> None:
        self.tall = float(rng.uniform(1.55, 1.92))
        self.broad = float(rng.uniform(0.85, 1.2))
        bright = rng.random() < 0.4
        self._coat = colour_of(rng, (0.0, 1.0), 0.55, 0.6) if bright else grey_of(rng, 0.08, 0.9, 0.25)
        self._legs = colour_of(rng, (0.55, 0.68), 0.45, 0.3) if rng.random() < 0.5 else grey_of(rng, 0.08, 0.5, 0.15)
        self._skin = scaled((224, 182, 150), rng.uniform(0.45, 1.05))
        self._hair = colour_of(rng, (0.03, 0.12), 0.5, rng.choice([0.12, 0.25, 0.5]))
        self._shoes = grey_of(rng, 0.05, 0.3)
        self._skirt = bool(rng.random() < 0.2)
        self._bag = colour_of(rng, (0.0, 1.0), 0.5, 0.4) if rng.random() < 0.4 else None

    def hull(self, x: NDArray[Any], z: NDArray[Any], heading: tuple[float, float]) -> Points:  # noqa: ARG002 - as Vehicle
        """Return points that enclose the person at each place, float64 [T, P, 3]."""
        side, top = 0.24 * self.broad, self.tall
        offsets = np.array([[-side, 0, 0], [side, 0, 0], [-side, top, 0], [side, top, 0]])
        return _moved(offsets, x, z)

    def draw(self, picture: Picture, view: View, pose: Pose) -> None:
        """Draw the person with their shadow."""
        height, width = picture.shape[:2]
        seen = view.to_camera(np.array([[pose.x, 0.0, pose.z], [pose.x, self.tall, pose.z]]))
        if seen[:, 2].min() < 0.3:
            return
        foot, head = view.on_picture(seen) * view.pixels(height, width)
        metre = view.focal * width / view.aspect / float(seen[:, 2].mean()) * self.broad
        ground = on_ground(view, np.array([pose.x + 0.08, pose.z]) + _CIRCLE * (0.34, 0.2), height, width)
        if ground is not None:
            darken(picture, ground, 0.4, 0.06 * metre)

        def part(points: list[tuple[float, float]], colour: Colour) -> None:
            fill(picture, np.array([foot + share * (head - foot) + (dx * metre, 0) for dx, share in points]), colour)

        sideways = abs(pose.heading[0] * math.cos(view.yaw) - pose.heading[1] * math.sin(view.yaw))
        away = pose.heading[1] > 0.5
        swing = math.sin(pose.phase)
        self._draw_legs(part, sideways, swing)
        shoulder, hip = 0.15 + 0.08 * (1 - sideways), 0.12 + 0.05 * (1 - sideways)
        self._draw_arm(part, -1, shoulder, sideways, swing)
        bottom = 0.3 if self._skirt else 0.46
        flare = 0.08 if self._skirt else 0.0
        part([(-shoulder, 0.8), (shoulder, 0.8), (hip + flare, bottom), (-hip - flare, bottom)], self._coat)
        dark = scaled(self._coat, 0.72)
        part([(0.4 * shoulder, 0.8), (shoulder, 0.8), (hip + flare, bottom), (0.5 * hip, bottom)], dark)
        part([(-0.7 * shoulder, 0.8), (0.7 * shoulder, 0.8), (0.05, 0.85), (-0.05, 0.85)], self._coat)
        if self._bag is not None:
            part([(-0.12, 0.76), (0.08, 0.76), (0.08, 0.56), (-0.12, 0.56)], self._bag)
        self._draw_arm(part, 1, shoulder, sideways, swing)
        neck = float(foot[1] + 0.93 * (head[1] - foot[1]))
        across = float(foot[0] + 0.93 * (head[0] - foot[0]))
        size = 0.11 * metre / self.broad * np.array([1.0, 1.2])
        fill(picture, (across, neck) + _CIRCLE * size, self._hair if away else self._skin)
        fill(picture, (across, neck - 0.35 * size[1]) + _CIRCLE * (1.0, 0.65) * size, self._hair)

    def _draw_legs(self, part: Any, sideways: float, swing: float) -> None:
        for sign in (-1, 1):
            x = sign * (0.3 * sideways * swing + 0.07 * (1 - sideways))
            lift = 0.05 * max(0.0, sign * swing) * (1.2 - sideways)
            tone = self._legs if sign > 0 else scaled(self._legs, 0.75)
            top = sign * 0.06 * (1 - sideways)
            part([(top - 0.09, 0.5), (top + 0.09, 0.5), (x + 0.06, 0.05 + lift), (x - 0.06, 0.05 + lift)], tone)
            part([(x - 0.07, 0.06 + lift), (x + 0.08, 0.06 + lift), (x + 0.1, lift), (x - 0.08, lift)], self._shoes)

    def _draw_arm(self, part: Any, sign: int, shoulder: float, sideways: float, swing: float) -> None:
        top = sign * shoulder * (1 - 0.8 * sideways)
        hand = top - sign * 0.26 * sideways * swing + sign * 0.03
        tone = scaled(self._coat, 0.85 if sign > 0 else 0.62)
        part([(top - 0.05, 0.8), (top + 0.05, 0.8), (hand + 0.04, 0.5), (hand - 0.04, 0.5)], tone)
        part([(hand - 0.035, 0.51), (hand + 0.035, 0.51), (hand + 0.03, 0.46), (hand - 0.03, 0.46)], self._skin)


class Vehicle:
    """A car, van or lorry of a few solids."""

    speed = (4.0, 11.0)  # metres per second

    def __init__(self, rng: np.random.Generator, lorries: float = 0.12) -> None:
        kind = rng.random()
        self.kind = "lorry" if kind < lorries else "van" if kind < lorries + 0.18 else "car"
        plain = rng.random() < 0.65
        self._paint = grey_of(rng, 0.08, 0.97, 0.08) if plain else colour_of(rng, (0.0, 1.0), 0.7, 0.6)
        self._glass = scaled((70, 85, 95), rng.uniform(0.5, 1.3))
        self.long = {"lorry": 7.0, "van": 4.9, "car": 4.3}[self.kind] * float(rng.uniform(0.93, 1.07))
        self.wide = 2.3 if self.kind == "lorry" else 1.8
        self.tall = {"lorry": 3.1, "van": 2.1, "car": 1.45}[self.kind]

    def hull(self, x: NDArray[Any], z: NDArray[Any], heading: tuple[float, float]) -> Points:
        """Return points that enclose the vehicle at each place, float64 [T, P, 3]."""
        ahead, aside = np.array([heading[0], 0, heading[1]]), np.array([-heading[1], 0, heading[0]])
        up = np.array([0, self.tall, 0])
        signs = ((a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (0, 1))
        ends = [a * ahead * self.long / 2 + b * aside * self.wide / 2 + c * up for a, b, c in signs]
        return _moved(np.array(ends), x, z)

    def draw(self, picture: Picture, view: View, pose: Pose) -> None:
        """Draw the vehicle with its shadow."""
        height, width = picture.shape[:2]
        at = _frame_of(pose)
        seen = view.to_camera(np.array([at(0, 0, 0.5)]))[0]
        if seen[2] < 0.5:
            return
        long, wide = self.long / 2, self.wide / 2
        shadow = np.array([(at(a * long, b * wide * 1.1, 0)[0::2]) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
        ground = on_ground(view, shadow + np.array([0.15, 0.0]), height, width)
        if ground is not None:
            darken(picture, ground, 0.6, 0.1 * view.focal * height / float(seen[2]))
        for solid in self.solids(pose):
            solid.draw(picture, view)
            if solid.corners[0][1] < 0.4 and view.focal * height / float(seen[2]) > 6:  # pixels a metre
                self._draw_details(picture, view, at)

    def solids(self, pose: Pose) -> list[Solid]:
        """Return its parts, lower before upper."""
        at = _frame_of(pose)

        def hexahedron(
            foot: tuple[float, float, float], top: tuple[float, float, float], levels: tuple[float, float]
        ) -> Points:
            corners = []
            for (back, front, half), level in zip((foot, top), levels, strict=True):
                corners += [at(a, b, level) for a, b in ((back, -half), (front, -half), (front, half), (back, half))]
            return np.array(corners)

        long, wide = self.long / 2, self.wide / 2
        if self.kind == "lorry":
            load = hexahedron((-long, 0.42 * long, wide), (-long, 0.42 * long, wide), (0.7, self.tall))
            cab = hexahedron((0.46 * long, long, wide), (0.46 * long, 0.92 * long, 0.95 * wide), (0.9, 2.4))
            base = hexahedron((-long, long, 0.9 * wide), (-long, long, 0.9 * wide), (0.3, 0.9))
            cabin = Solid(cab, scaled(self._paint, 0.85), self._glass)
            return [Solid(base, (60, 60, 62)), Solid(load, self._paint), cabin]
        waist = 0.5 * self.tall if self.kind == "van" else 0.58 * self.tall
        body = hexahedron((-long, long, wide), (-0.98 * long, 0.97 * long, 0.96 * wide), (0.22, waist))
        back, front = (-0.97, 0.6) if self.kind == "van" else (-0.85, 0.42)
        roof_back, roof_front = (-0.95, 0.25) if self.kind == "van" else (-0.58, 0.12)
        sill, roof = (back * long, front * long, 0.93 * wide), (roof_back * long, roof_front * long, 0.78 * wide)
        upper = hexahedron(sill, roof, (waist, self.tall))
        return [Solid(body, self._paint), Solid(upper, self._paint, self._glass)]

    def _draw_details(self, picture: Picture, view: View, at: Any) -> None:
        """Draw wheels and lamps on the sides that can be seen."""
        height, width = picture.shape[:2]
        long, wide = self.long / 2, self.wide / 2
        for sign in (-1, 1):
            side, middle = np.array(at(0, sign * wide, 0.4)), np.array(at(0, 0, 0.4))
            if float((side - middle) @ (view.eye - side)) > 0:
                for along in (-0.62 * long, 0.62 * long):
                    for radius, tone in ((0.34, (24, 24, 26)), (0.18, (120, 120, 124))):
                        rim = np.array([at(along + radius * a, sign * wide, 0.33 + radius * b) for a, b in _CIRCLE])
                        polygon = view.polygon(rim, height, width)
                        if polygon is not None:
                            fill(picture, polygon, tone)
            end = np.array(at(sign * long, 0, 0.4))
            if float((end - middle) @ (view.eye - end)) > 0:
                lamp = (250, 245, 215) if sign > 0 else (190, 25, 25)
                for across in (-0.75, 0.55):
                    corners = [(across, 0.55), (across + 0.2, 0.55), (across + 0.2, 0.72), (across, 0.72)]
                    quad = np.array([at(sign * long, b * wide, level) for b, level in corners])
                    polygon = view.polygon(quad, height, width)
                    if polygon is not None:
                        fill(picture, polygon, lamp)


Actor = Walker | Vehicle
