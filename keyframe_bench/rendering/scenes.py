"""Drawing for rendered videos: painted scenes larger than the picture, over which a camera and a few things move."""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[Any]  # uint8 [height, width, 3], RGB
Colour = tuple[int, int, int]

_GOLDEN = 0.381966  # golden angle as a share of the circle: hues of neighbouring shots lie far apart
_SUBPIXEL = 4  # cv2's `shift`: coordinates in 1/16 pixel, so that slow motion does not jump


@dataclass(frozen=True)
class Palette:
    """Colours of one scene, RGB 0..255."""

    far: Colour
    near: Colour
    dark: Colour
    accent: Colour


def palette(rng: np.random.Generator, index: int, base_hue: float) -> Palette:
    """Return colours of scene ``index``: hue a golden angle from the scene before, bright and dim by turns."""
    hue = base_hue + index * _GOLDEN
    light = rng.uniform(0.85, 1.0) if index % 2 == 0 else rng.uniform(0.55, 0.68)

    def colour(turn: float, saturation: float, value: float) -> Colour:
        red, green, blue = colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value * light)
        return round(255 * red), round(255 * green), round(255 * blue)

    return Palette(
        far=colour(0.0, rng.uniform(0.3, 0.5), 0.95),
        near=colour(rng.uniform(0.1, 0.3), rng.uniform(0.4, 0.7), 0.62),
        dark=colour(rng.uniform(-0.05, 0.05), 0.6, 0.25),
        accent=colour(rng.uniform(0.42, 0.58), 0.75, 0.9),
    )


def smooth_noise(rng: np.random.Generator, height: int, width: int, coarsest: float) -> NDArray[np.float32]:
    """Return noise of four octaves, the coarsest ``coarsest`` pixels wide: float32 [height, width] in 0..1."""
    import cv2

    total = np.zeros((height, width), dtype=np.float32)
    for octave in range(4):
        cell = max(coarsest / 2**octave, 1.0)
        rows, columns = math.ceil(height / cell) + 1, math.ceil(width / cell) + 1
        grain = rng.random((rows, columns), dtype=np.float32)
        total += 0.5**octave * cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def ramp(mask: NDArray[np.float32], first: Colour, second: Colour) -> Picture:
    """Return the colour mixture ``first`` (mask 0) to ``second`` (mask 1), uint8 [H, W, 3]."""
    start, end = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return np.clip(start + mask[..., None] * (end - start), 0, 255).astype(np.uint8)


def _hills(rng: np.random.Generator, height: int, width: int, colours: Palette) -> Picture:
    """Paint a sky with clouds above three ridges of textured ground."""
    down = np.linspace(0, 0.6, height, dtype=np.float32)[:, None]
    canvas = ramp(down + 0.4 * smooth_noise(rng, height, width, height / 2), colours.far, (250, 246, 240))
    rows = np.arange(height)[:, None]
    for layer, horizon in enumerate((0.4, 0.58, 0.75)):
        ridge = height * (horizon + 0.22 * (smooth_noise(rng, 1, width, height / (1.2 + layer))[0] - 0.5))
        ground = ramp(smooth_noise(rng, height, width, height / 6), colours.near, colours.dark)
        shade = 0.6 + 0.2 * layer
        canvas = np.where((rows > ridge)[..., None], (ground * shade).astype(np.uint8), canvas)
    return canvas


def _town(rng: np.random.Generator, height: int, width: int, colours: Palette) -> Picture:
    """Paint house fronts with lit windows under a sky."""
    import cv2

    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    canvas = ramp(np.broadcast_to(down, (height, width)), colours.far, (235, 225, 215))
    left = 0
    while left < width:
        broad = int(rng.uniform(0.18, 0.34) * height) + 2
        top = int(rng.uniform(0.2, 0.6) * height)
        wall = ramp(smooth_noise(rng, height - top, min(broad, width - left), height / 8), colours.near, colours.dark)
        canvas[top:, left : left + broad] = wall
        cell = max(broad // 4, 3)
        lit = rng.random((height // cell + 1, 4)) < 0.55
        for row, column in np.argwhere(lit):
            x, y = left + column * cell + cell // 4, top + row * cell + cell // 3
            cv2.rectangle(canvas, (x, y), (x + cell // 2, y + cell // 2), colours.accent, -1)
        left += broad + int(rng.uniform(0, 0.08) * height)
    return canvas


def _room(rng: np.random.Generator, height: int, width: int, colours: Palette) -> Picture:
    """Paint a striped wall, a floor, pictures and furniture."""
    import cv2

    stripes = 0.5 + 0.5 * np.sin(np.arange(width, dtype=np.float32) * (rng.uniform(40, 70) / height))
    canvas = ramp(0.35 * stripes[None] + 0.3 * smooth_noise(rng, height, width, height / 3), colours.far, colours.near)
    floor = int(0.72 * height)
    canvas[floor:] = ramp(smooth_noise(rng, height - floor, width, height / 10), colours.dark, colours.near)
    for left in np.arange(rng.uniform(0, 0.2), width / height, 0.45) * height:
        x, y = int(left), int(rng.uniform(0.15, 0.3) * height)
        broad, tall = int(rng.uniform(0.15, 0.3) * height), int(rng.uniform(0.15, 0.25) * height)
        cv2.rectangle(canvas, (x, y), (x + broad, y + tall), (245, 240, 230), -1)
        cv2.rectangle(canvas, (x, y), (x + broad, y + tall), colours.accent, max(height // 60, 1))
        base = floor - int(rng.uniform(0.08, 0.2) * height)
        colour = tuple(int(rng.uniform(0.5, 0.9) * c) for c in colours.accent)
        cv2.rectangle(canvas, (x + broad, base), (x + 2 * broad, floor + height // 12), colour, -1)
    return canvas


def _pebbles(rng: np.random.Generator, height: int, width: int, colours: Palette) -> Picture:
    """Paint stones and leaves on textured ground, seen from above."""
    import cv2

    canvas = ramp(smooth_noise(rng, height, width, height / 5), colours.dark, colours.near)
    for _ in range(int(40 * width / height)):
        centre = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        axes = int(rng.uniform(0.02, 0.08) * height) + 1, int(rng.uniform(0.015, 0.05) * height) + 1
        pick = colours.accent if rng.random() < 0.3 else colours.far
        colour = tuple(int(rng.uniform(0.55, 1.0) * c) for c in pick)
        cv2.ellipse(canvas, centre, axes, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
    return canvas


_STYLES = (_hills, _room, _pebbles, _town)


@dataclass(frozen=True)
class Thing:
    """Something that moves: its kind and colours."""

    kind: str
    colour: Colour
    second: Colour

    def draw(self, picture: Picture, x: float, y: float, size: float, phase: float) -> None:
        """Draw into ``picture`` with the feet at (``x``, ``y``), ``size`` pixels tall; ``phase`` moves the legs."""
        import cv2

        def at(dx: float, dy: float) -> tuple[int, int]:
            return round((x + dx * size) * 2**_SUBPIXEL), round((y + dy * size) * 2**_SUBPIXEL)

        def fill(points: list[tuple[float, float]], colour: Colour) -> None:
            polygon = np.array([at(*p) for p in points], dtype=np.int32)
            cv2.fillConvexPoly(picture, polygon, colour, cv2.LINE_AA, _SUBPIXEL)

        def disc(dx: float, dy: float, radius: float, colour: Colour) -> None:
            cv2.circle(picture, at(dx, dy), round(radius * size * 2**_SUBPIXEL), colour, -1, cv2.LINE_AA, _SUBPIXEL)

        if self.kind == "walker":
            swing = 0.16 * math.sin(phase)
            for side in (swing, -swing):
                fill([(-0.05, -0.45), (0.05, -0.45), (side + 0.05, 0.0), (side - 0.05, 0.0)], self.second)
            fill([(-0.14, -0.8), (0.14, -0.8), (0.1, -0.4), (-0.1, -0.4)], self.colour)
            disc(0, -0.89, 0.1, (224, 182, 150))
        elif self.kind == "car":
            fill([(-0.9, -0.5), (0.9, -0.5), (0.95, -0.12), (-0.95, -0.12)], self.colour)
            fill([(-0.5, -0.9), (0.4, -0.9), (0.6, -0.5), (-0.65, -0.5)], self.second)
            for wheel in (-0.55, 0.55):
                disc(wheel, -0.14, 0.15, (25, 25, 28))
        else:
            disc(0, -0.5, 0.5, self.colour)
            disc(-0.15, -0.65, 0.18, self.second)

    @property
    def half_width(self) -> float:
        """Largest distance from the middle to the side, as a share of ``size``."""
        return {"walker": 0.15, "car": 0.95}.get(self.kind, 0.5)


def some_thing(rng: np.random.Generator, colours: Palette) -> Thing:
    """Return a random walker, car or ball."""
    kind = str(rng.choice(["walker", "car", "ball"]))
    return Thing(kind, colours.accent, colours.dark if kind != "ball" else colours.far)


class Scene:
    """One place, filmed: ``draw(t)`` gives its picture at any time (also before 0, for cross-fades).

    Parameters
    ----------
    rng : numpy.random.Generator
    index : int
        Number of the scene in its video: neighbours differ in style, hue and brightness.
    base_hue : float
        Hue of scene 0, 0..1.
    height, width : int
        Size of the pictures, pixels.
    span_s : float
        Seconds it is filmed, for the reach of a pan.
    motion : {"live", "pan", "still", "empty"}
        Swaying camera and moving things; a camera that travels sideways; nothing moves; nothing but the background.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        index: int,
        base_hue: float,
        *,
        height: int,
        width: int,
        span_s: float,
        motion: str,
    ) -> None:
        self.height, self.width, self.motion = height, width, motion
        self.colours = palette(rng, index, base_hue)
        self._margin = max(round(0.08 * height), 2)
        speed = rng.uniform(0.35, 0.5) * width if motion == "pan" else 0.0
        self._travel = speed * rng.choice([-1.0, 1.0])
        self._reach = math.ceil(speed * (span_s + 1.0))  # a cross-fade shows up to half a second before and after
        size = height + 2 * self._margin, width + 2 * self._margin + self._reach
        self._canvas = _STYLES[index % len(_STYLES)](rng, *size, self.colours)
        self._things = [some_thing(rng, self.colours) for _ in range(0 if motion == "empty" else 2)]
        self._paths = rng.uniform(0, 1, size=(len(self._things), 4))

    def draw(self, t: float) -> Picture:
        """Return the picture at ``t`` seconds, RGB uint8 [height, width, 3]; a new array each time."""
        import cv2

        if self.motion in ("still", "empty"):
            t = 0.0
        sway = 0.4 * self._margin if self.motion == "live" else 0.0
        start = self._reach * (0.0 if self._travel > 0 else 1.0)
        x = self._margin + self.width / 2 + start + self._travel * (t + 0.5) + sway * math.sin(1.1 * t)
        y = self._margin + self.height / 2 + sway * math.cos(0.9 * t)
        picture = cv2.getRectSubPix(self._canvas, (self.width, self.height), (x - 0.5, y - 0.5))
        for thing, (place, depth, tempo, phase) in zip(self._things, self._paths, strict=True):
            turn = 2 * math.pi * (phase + (0.06 + 0.08 * tempo) * t)
            size = self.height * (0.22 + 0.16 * depth)
            across = self.width * (0.3 + 0.4 * place + 0.25 * math.sin(turn))
            thing.draw(picture, across, self.height * (0.72 + 0.22 * depth), size, 7 * t + turn)
        return picture
