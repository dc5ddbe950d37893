"""Surfaces for rendered cameras: asphalt, bricks, tiles, fronts of houses, leaves; uint8 [height, width, 3], RGB."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .scenes import Colour, Picture, smooth_noise

Texture = Callable[[np.random.Generator, int, int, float], Picture]  # (rng, height, width, pixels per metre)


def grey_of(rng: np.random.Generator, low: float, high: float, tint: float = 0.06) -> Colour:
    """Return a nearly grey colour of a value between ``low`` and ``high`` (0..1)."""
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, tint), rng.uniform(low, high))
    return round(255 * red), round(255 * green), round(255 * blue)


def colour_of(rng: np.random.Generator, hue: tuple[float, float], saturation: float, value: float) -> Colour:
    """Return a colour near the given saturation and value, its hue between the two (0..1)."""
    strength, light = saturation * rng.uniform(0.7, 1.2), value * rng.uniform(0.8, 1.15)
    part = colorsys.hsv_to_rgb(rng.uniform(*hue) % 1, strength, light)
    return tuple(round(255 * min(max(c, 0.0), 1.0)) for c in part)  # type: ignore[return-value]


def scaled(colour: Colour, factor: float) -> Colour:
    """Return a brighter or darker colour."""
    return tuple(min(255, round(c * factor)) for c in colour)  # type: ignore[return-value]


def grain(rng: np.random.Generator, picture: Picture, strength: float) -> Picture:
    """Return the picture with fine grey grain of a standard deviation of ``strength`` (0..255)."""
    import cv2

    noise: NDArray[Any] = rng.standard_normal(picture.shape[:2], dtype=np.float32)
    noise = cv2.addWeighted(noise, 0.6 * strength, cv2.GaussianBlur(noise, (0, 0), 1.0), 1.2 * strength, 0)
    rounded = np.rint(noise).astype(np.int16)
    return cv2.add(picture, cv2.merge([rounded] * 3), dtype=cv2.CV_8U)


def mixed(share: NDArray[np.float32], first: Colour, second: Colour) -> Picture:
    """Return ``first`` where ``share`` [H, W] is 0 and ``second`` where it is 1, in 256 steps."""
    import cv2

    steps = np.linspace(first, second, 256)
    levels = cv2.convertScaleAbs(np.maximum(share, 0), alpha=255)
    return cv2.LUT(cv2.merge([levels] * 3), np.rint(steps).astype(np.uint8)[:, None])


def mottled(rng: np.random.Generator, height: int, width: int, colour: Colour, spread: float, cell: float) -> Picture:
    """Return ``colour``, lighter and darker by up to ``spread`` in blots ``cell`` pixels wide."""
    blots = smooth_noise(rng, height, width, max(cell, 4.0))
    return mixed(blots, scaled(colour, 1 - spread), scaled(colour, 1 + spread))


def asphalt(rng: np.random.Generator, height: int, width: int, scale: float) -> Picture:
    """Return worn asphalt: blots, cracks, patches and grain."""
    import cv2

    base = mottled(rng, height, width, grey_of(rng, 0.3, 0.5), 0.22, 3 * scale)
    for _ in range(rng.integers(1, 5)):
        x, y = rng.integers(0, width), rng.integers(0, height)
        size = (rng.uniform(0.5, 3, 2) * scale).astype(int)
        patch = base[y : y + size[0], x : x + size[1]]
        patch[:] = (patch * rng.uniform(0.72, 0.92)).astype(np.uint8)
    for _ in range(rng.integers(2, 7)):
        steps = rng.normal(0, 0.6 * scale, (12, 2)).cumsum(0) + rng.uniform(0, 1, 2) * (width, height)
        cv2.polylines(base, [steps.astype(np.int32)], False, scaled((90, 90, 90), rng.uniform(0.5, 1)), 1, cv2.LINE_AA)
    return grain(rng, base, 7)


def concrete(rng: np.random.Generator, height: int, width: int, scale: float) -> Picture:
    """Return concrete or plaster with stains that run downwards."""
    import cv2

    base = mottled(rng, height, width, grey_of(rng, 0.5, 0.85, 0.2), 0.12, 2 * scale).astype(np.float32)
    stains = cv2.resize(smooth_noise(rng, max(height // 8, 2), width, max(scale / 3, 4.0)), (width, height))
    return grain(rng, np.clip(base * (0.86 + 0.2 * stains[..., None]), 0, 255).astype(np.uint8), 3)


def screed(rng: np.random.Generator, height: int, width: int, scale: float) -> Picture:
    """Return a plain floor or slab: blots of two sizes, a few wide joints."""
    base = mottled(rng, height, width, grey_of(rng, 0.45, 0.8, 0.2), 0.12, 3 * scale).astype(np.float32)
    base *= 0.93 + 0.14 * smooth_noise(rng, height, width, max(0.4 * scale, 4.0))[..., None]
    step = round(scale * rng.uniform(2, 5))
    base[::step] *= 0.75
    base[:, ::step] *= 0.75
    return grain(rng, np.clip(base, 0, 255).astype(np.uint8), 3)


def _cells(
    rng: np.random.Generator, height: int, width: int, cell: tuple[float, float], joint: float, offset: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return a random number 0..1 for the stone at each pixel, and where joints are, [height, width]."""
    rows = np.arange(height) / cell[0]
    row = rows.astype(np.int64)
    columns = np.arange(width)[None] / cell[1] + (offset * (row % 2))[:, None]
    column = columns.astype(np.int64)
    table = rng.random((int(row.max()) + 1, int(column.max()) + 1), dtype=np.float32)
    joints = ((rows - row) * cell[0] < joint)[:, None] | ((columns - column) * cell[1] < joint)
    return table[row[:, None], column], joints


def bricks(rng: np.random.Generator, height: int, width: int, scale: float) -> Picture:
    """Return a brick wall."""
    tone = colour_of(rng, (0.0, 0.1), 0.5, 0.6)
    cell = 0.12 * scale * rng.uniform(1, 1.8), 0.3 * scale * rng.uniform(1, 1.8)
    shade, joints = _cells(rng, height, width, cell, max(0.018 * scale, 1.0), 0.5)
    wall = mixed(shade, scaled(tone, 0.75), scaled(tone, 1.2))
    wall[joints] = grey_of(rng, 0.55, 0.75)
    blots = 0.85 + 0.3 * smooth_noise(rng, height, width, max(2 * scale, 4.0))
    return grain(rng, np.clip(wall * blots[..., None], 0, 255).astype(np.uint8), 4)


def tiles(rng: np.random.Generator, height: int, width: int, scale: float) -> Picture:
    """Return a floor of tiles or slabs, of one colour or two."""
    side = scale * rng.uniform(0.3, 1.0)
    shade, joints = _cells(rng, height, width, (side, side * rng.choice([1.0, 1.0, 2.0])), max(0.02 * scale, 1.0), 0.0)
    tone = colour_of(rng, (0.0, 1.0), 0.15, rng.uniform(0.45, 0.85))
    floor = mixed(0.5 + 0.25 * (shade - 0.5), scaled(tone, 0.7), scaled(tone, 1.25))
    if rng.random() < 0.35:
        rows, columns = (np.arange(height) / side).astype(int), (np.arange(width) / side).astype(int)
        dark = (rows[:, None] + columns[None]) % 2 == 1
        floor[dark] = (floor[dark] * rng.uniform(0.45, 0.8)).astype(np.uint8)
    floor[joints] = scaled(tone, rng.choice([0.55, 1.3]))
    return grain(rng, floor, 3)


def paving(rng: np.random.Generator, height: int, width: int, scale: float) -> Picture:
    """Return small paving stones in bond."""
    tone = grey_of(rng, 0.45, 0.7, 0.18)
    cell = 0.22 * scale * rng.uniform(0.8, 1.6), 0.4 * scale * rng.uniform(0.8, 1.6)
    shade, joints = _cells(rng, height, width, cell, max(0.02 * scale, 1.0), 0.5)
    ground = mixed(shade, scaled(tone, 0.8), scaled(tone, 1.15))
    ground[joints] = scaled(tone, 0.6)
    blots = 0.8 + 0.35 * smooth_noise(rng, height, width, max(3 * scale, 4.0))
    return grain(rng, np.clip(ground * blots[..., None], 0, 255).astype(np.uint8), 4)


def grass(rng: np.random.Generator, height: int, width: int, scale: float) -> Picture:
    """Return a lawn with bare spots."""
    green, dry = colour_of(rng, (0.2, 0.33), 0.5, 0.42), colour_of(rng, (0.1, 0.16), 0.4, 0.5)
    lawn = mixed(smooth_noise(rng, height, width, max(2.5 * scale, 4.0)) ** 2, green, dry)
    return grain(rng, lawn, 14)


def woods(rng: np.random.Generator, height: int, width: int, scale: float) -> Picture:
    """Return a hedge, or trees far away: dark below, ragged light above."""
    green = colour_of(rng, (0.15, 0.34), 0.45, 0.38)
    light = 0.55 * smooth_noise(rng, height, width, max(1.5 * scale, 4.0))
    light += np.linspace(0.5, 0.0, height, dtype=np.float32)[:, None]
    return grain(rng, mixed(light, scaled(green, 0.3), scaled(green, 1.4)), 9)


def planks(rng: np.random.Generator, height: int, width: int, scale: float) -> Picture:
    """Return boards: a wooden floor, a fence, a metal shutter."""
    tone = colour_of(rng, (0.04, 0.12), 0.45, 0.55) if rng.random() < 0.6 else grey_of(rng, 0.4, 0.75)
    shade, joints = _cells(rng, height, width, (0.11 * scale, 1.8 * scale), max(0.008 * scale, 1.0), 0.37)
    fibre = smooth_noise(rng, height, max(width // 12, 2), 4.0)
    import cv2

    boards = mixed(0.6 * shade + 0.4 * cv2.resize(fibre, (width, height)), scaled(tone, 0.75), scaled(tone, 1.2))
    boards[joints] = scaled(tone, 0.5)
    return boards


def painted(rng: np.random.Generator, height: int, width: int, scale: float) -> Picture:
    """Return an indoor wall: paint of one colour or two, a skirting board."""
    tone = colour_of(rng, (0.0, 1.0), rng.choice([0.05, 0.12, 0.3]), rng.uniform(0.6, 0.95))
    wall = mottled(rng, height, width, tone, 0.05, 4 * scale)
    if rng.random() < 0.4:  # the lower part in another colour
        start = round(height * rng.uniform(0.5, 0.65))
        lower = colour_of(rng, (0.0, 1.0), 0.3, 0.55)
        wall[start:] = mottled(rng, height - start, width, lower, 0.05, 4 * scale)
    wall[-max(round(0.1 * scale), 2) :] = scaled(tone, rng.uniform(0.4, 0.7))
    return grain(rng, wall, 2)


def front(rng: np.random.Generator, height: int, width: int, scale: float) -> Picture:
    """Return a house front: a wall with rows of windows, and doors, shop windows and signs at its foot."""
    import cv2

    wall = (bricks, concrete, painted)[rng.integers(3)](rng, height, width, scale)
    storey, step = round(rng.uniform(2.8, 3.4) * scale), round(rng.uniform(1.6, 3.2) * scale)
    frame = grey_of(rng, 0.2, 0.95)
    high, wide = round(rng.uniform(1.2, 1.7) * scale), round(step * rng.uniform(0.4, 0.72))
    for foot in range(height - storey, 0, -storey):
        for left in range((step - wide) // 2, width - wide, step):
            _window(rng, wall, (foot - round(0.5 * scale) - high, left), (high, wide), frame, scale)
    left = round(rng.uniform(0, 2) * scale)
    while left < width:
        wide = round(rng.uniform(1.0, 3.5) * scale)
        tall = round(rng.uniform(2.0, 2.4) * scale)
        if rng.random() < 0.4:
            colour = colour_of(rng, (0.0, 1.0), 0.5, 0.4)
            cv2.rectangle(wall, (left, height - tall), (left + round(scale), height), colour, -1)
        else:
            _window(rng, wall, (height - tall, left), (tall - round(0.4 * scale), wide), frame, scale)
        if rng.random() < 0.4:
            sign(rng, wall, (height - tall - round(0.6 * scale), left), (round(0.5 * scale), wide))
        left += wide + round(rng.uniform(0.4, 2) * scale)
    return wall


def _window(
    rng: np.random.Generator,
    wall: Picture,
    corner: tuple[int, int],
    size: tuple[int, int],
    frame: Colour,
    scale: float,
) -> None:
    import cv2

    (top, left), (high, wide) = corner, size
    right, bottom = left + wide, top + high
    glass = scaled(colour_of(rng, (0.52, 0.65), 0.3, 0.35), rng.uniform(0.5, 1.6))
    if rng.random() < 0.15:
        glass = colour_of(rng, (0.1, 0.16), 0.3, 0.9)  # lit
    cv2.rectangle(wall, (left, top), (right, bottom), glass, -1)
    if rng.random() < 0.5:  # a curtain, or what the glass mirrors
        middle = top + round(high * rng.uniform(0.2, 0.8))
        cv2.rectangle(wall, (left, top), (right, middle), scaled(glass, rng.uniform(1.1, 1.8)), -1)
    line = max(round(0.07 * scale), 1)
    cv2.rectangle(wall, (left, top), (right, bottom), frame, line)
    cv2.line(wall, ((left + right) // 2, top), ((left + right) // 2, bottom), frame, line)
    cv2.rectangle(wall, (left - line, bottom), (right + line, bottom + line), scaled(frame, 0.7), -1)


def sign(rng: np.random.Generator, wall: Picture, corner: tuple[int, int], size: tuple[int, int]) -> None:
    """Draw a sign with letters onto ``wall``; corner (top, left) and size (height, width) in pixels."""
    import cv2

    (top, left), (high, wide) = corner, size
    ground = colour_of(rng, (0.0, 1.0), 0.6, 0.6)
    cv2.rectangle(wall, (left, top), (left + wide, top + high), ground, -1)
    text = "".join(rng.choice(list("ABCDEFGHIKLMNOPRSTUVWXZ"), size=rng.integers(3, 9)))
    ink = (245, 245, 240) if sum(ground) < 420 else (25, 25, 30)
    size_of_letters = max(high / 32, 0.2)
    place = left + max(high // 6, 1), top + round(high * 0.78)
    cv2.putText(wall, text, place, cv2.FONT_HERSHEY_SIMPLEX, size_of_letters, ink, max(high // 12, 1), cv2.LINE_AA)


def sky(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Return a sky, clear or clouded, brighter towards the horizon."""
    down = np.linspace(0, 0.8, height, dtype=np.float32)[:, None]
    clouds = smooth_noise(rng, height, width, max(width / 4, 4.0))
    blue = colour_of(rng, (0.55, 0.62), rng.choice([0.05, 0.3, 0.5]), 0.85)
    return mixed(np.clip(down + rng.uniform(0, 0.7) * clouds, 0, 1), blue, (240, 240, 238))


def leaves(rng: np.random.Generator, height: int, width: int) -> NDArray[Any]:
    """Return a tree crown or bush, uint8 [height, width, 4] with its opacity."""
    import cv2

    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    ragged = smooth_noise(rng, height, width, max(height / 3, 4.0)) - 0.5
    fine = rng.standard_normal((height, width), dtype=np.float32)
    fine = cv2.GaussianBlur(fine, (0, 0), max(height / 90, 0.7)) * max(height / 90, 0.7)
    inside = 1.0 - np.hypot(rows, columns) + 0.75 * ragged + 0.35 * fine
    green = colour_of(rng, (0.18, 0.36), 0.5, 0.4)
    light = np.clip(0.5 + 0.9 * fine - 0.35 * rows + 0.5 * ragged, 0, 1)
    crown = mixed(light, scaled(green, 0.35), scaled(green, 1.5))
    return np.dstack([crown, np.clip(inside * 400, 0, 255).astype(np.uint8)])
