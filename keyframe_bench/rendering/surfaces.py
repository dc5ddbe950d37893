"""Colours, noise and textures of everything that is drawn; pictures are uint8 [height, width, 3], RGB."""

from __future__ import annotations

import colorsys
import math
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Picture = NDArray[Any]  # uint8 [height, width, 3], RGB
Colour = tuple[int, int, int]
Range = tuple[float, float]

_GRAIN_SHIFT = 32  # pixels by which sensor noise may be shifted from frame to frame


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return a colour from hue, saturation and value in 0..1; the hue may lie outside."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def random_colour(rng: Rng, value: Range, saturation: Range = (0.0, 0.06), hue: Range = (0.0, 1.0)) -> Colour:
    """Return a colour from ranges of value, saturation and hue, nearly grey by default."""
    return hsv(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value))


def scaled(colour: Colour, factor: float) -> Colour:
    """Return a brighter or darker colour."""
    return cast(Colour, tuple(min(255, round(c * factor)) for c in colour))


def smooth_noise(rng: Rng, height: int, width: int, coarsest: float) -> NDArray[np.float32]:
    """Return noise of four octaves, the coarsest ``coarsest`` pixels wide: float32 [height, width] in 0..1."""
    total: Picture = np.zeros((1, 1), dtype=np.float32)
    for octave in range(4):
        cell = max(coarsest / 2**octave, 1.0)
        grid = rng.random((math.ceil(height / cell) + 1, math.ceil(width / cell) + 1), dtype=np.float32)
        total = cv2.resize(total, grid.shape[::-1], interpolation=cv2.INTER_CUBIC) + 0.5**octave * grid
    total = cv2.resize(total, (width, height), interpolation=cv2.INTER_CUBIC)
    return cast(NDArray[np.float32], cv2.normalize(total, total, 0, 1, cv2.NORM_MINMAX))


def blend(share: NDArray[Any], first: Colour, second: Colour) -> Picture:
    """Return ``first`` where ``share`` [H, W] is 0 and ``second`` where it is 1, in 256 steps."""
    steps = np.rint(np.linspace(first, second, 256)).clip(0, 255).astype(np.uint8)
    levels = cv2.convertScaleAbs(np.maximum(share, 0), alpha=255)
    return cv2.LUT(cv2.merge([levels] * 3), steps[:, None])


class Surface(NamedTuple):
    """What a texture looks like.

    Attributes
    ----------
    value, saturation, hue : (float, float)
        Of the colour, 0..1.
    spread : float
        Share by which blots are lighter and darker.
    blot : float
        Size of the blots, metres.
    grain : float
        Standard deviation of fine noise as a share of the light.
    cell : (float, float), optional
        Height and width of bricks, tiles or boards, metres.
    offset : float
        Share of a cell by which every other row is shifted.
    """

    value: Range
    saturation: Range = (0.0, 0.06)
    hue: Range = (0.0, 1.0)
    spread: float = 0.1
    blot: float = 3.0
    grain: float = 0.03
    cell: tuple[float, float] | None = None
    offset: float = 0.5


SURFACES = {
    "asphalt": Surface((0.3, 0.5), spread=0.24, grain=0.07),
    "bricks": Surface((0.45, 0.7), (0.35, 0.6), (0.0, 0.1), 0.15, 2.0, cell=(0.16, 0.4)),
    "concrete": Surface((0.5, 0.85), (0.0, 0.2), spread=0.16, blot=1.0),
    "grass": Surface((0.35, 0.48), (0.35, 0.6), (0.15, 0.32), 0.35, 2.5, 0.14),
    "hedge": Surface((0.2, 0.4), (0.3, 0.55), (0.15, 0.34), 0.7, 0.8, 0.12),
    "paint": Surface((0.55, 0.97), (0.0, 0.35), spread=0.06, blot=4.0, grain=0.015),
    "paving": Surface((0.45, 0.7), (0.0, 0.18), spread=0.14, cell=(0.28, 0.5)),
    "planks": Surface((0.45, 0.7), (0.2, 0.55), (0.04, 0.12), 0.12, 1.0, cell=(0.13, 1.8), offset=0.37),
    "tiles": Surface((0.45, 0.9), (0.0, 0.18), spread=0.08, cell=(0.6, 0.6), offset=0.0),
}


def texture(rng: Rng, name: str, size: tuple[int, int], scale: float) -> Picture:
    """Return one of `SURFACES`, or a house ``front``, of (height, width) pixels, ``scale`` of them a metre."""
    if name == "front":
        return _front(rng, size, scale)
    surface = SURFACES[name]
    tone = random_colour(rng, surface.value, surface.saturation, surface.hue)
    light = 1 + surface.spread * (2 * smooth_noise(rng, *size, max(surface.blot * scale, 4.0)) - 1)
    if surface.cell:
        light *= _cells(rng, size, [rng.uniform(0.8, 1.6) * side * scale for side in surface.cell], surface.offset)
    noise = cv2.GaussianBlur(rng.standard_normal(size, dtype=np.float32), (0, 0), 0.6)
    cv2.scaleAdd(noise, 1.5 * surface.grain, light, light)
    return blend(light / 2, (0, 0, 0), cast(Colour, tuple(2 * c for c in tone)))


def _cells(rng: Rng, size: tuple[int, int], cell: list[float], offset: float) -> NDArray[np.float32]:
    """Return the light of each brick or tile, and of the joints between them, float32 [height, width]."""
    rows, columns = np.arange(size[0]) / cell[0], np.arange(size[1])[None] / cell[1]
    columns = columns + (offset * (rows.astype(int) % 2))[:, None]
    row, column = rows.astype(int)[:, None], columns.astype(int)
    table = rng.uniform(0.8, 1.15, (int(row.max()) + 1, int(column.max()) + 1)).astype(np.float32)
    if offset == 0 and rng.random() < 0.35:  # a chequered floor
        table[np.indices(table.shape).sum(axis=0) % 2 == 1] *= rng.uniform(0.45, 0.8)
    light: NDArray[np.float32] = table[row, column]
    light[((rows[:, None] - row) * cell[0] < 1) | ((columns - column) * cell[1] < 1)] = rng.choice([0.6, 1.2])
    return light


def _front(rng: Rng, size: tuple[int, int], scale: float) -> Picture:
    """Return a house front: a wall with rows of windows, doors and shop windows at its foot."""
    wall = texture(rng, str(rng.choice(["bricks", "concrete", "paint"])), size, scale)
    frame, line = random_colour(rng, (0.2, 0.95)), max(round(0.07 * scale), 1)
    storey, step = scale * rng.uniform(2.8, 3.4), scale * rng.uniform(1.6, 3.2)
    high, wide = scale * rng.uniform(1.2, 1.7), step * rng.uniform(0.4, 0.72)
    rows, columns = np.arange(size[0] - 1.2 * storey, high, -storey), np.arange(0.2 * step, size[1], step)
    spots = [(x, y, wide, high) for y in rows for x in columns]
    spots += [(x, size[0], scale * rng.uniform(0.9, 2.2), 2.1 * scale) for x in np.arange(0, size[1], 2.5 * scale)]
    glasses = [random_colour(rng, (0.15, 0.55), (0.2, 0.36), (0.52, 0.65)) for _ in range(6)] + [hsv(0.13, 0.3, 0.9)]
    kinds, brights = rng.random((2, len(spots)))
    for (x, y, w, h), kind, bright in zip(np.rint(spots).astype(int).tolist(), kinds, brights, strict=True):
        glass = glasses[int(7 * kind)]
        cv2.rectangle(wall, (x, y - h), (x + w, y), glass, -1)
        if bright < 0.5:  # a curtain, a door's upper half, or what the glass mirrors
            cv2.rectangle(wall, (x, y - h), (x + w, y - round(2 * h * bright)), scaled(glass, 1.5), -1)
        cv2.rectangle(wall, (x, y - h), (x + w, y), frame, line)
        cv2.line(wall, (x + w // 2, y - h), (x + w // 2, y), frame, line)
    return wall


def sky(rng: Rng, height: int, width: int) -> Picture:
    """Return a sky, clear or clouded, brighter towards the horizon."""
    colour = random_colour(rng, (0.7, 0.95), (0.05, 0.5), (0.55, 0.62))
    down = np.linspace(0, 0.8, height, dtype=np.float32)[:, None]
    return blend(down + rng.uniform(0, 0.7) * smooth_noise(rng, height, width, width / 4 + 4), colour, (242, 241, 238))


def foliage(rng: Rng, height: int, width: int) -> NDArray[np.float32]:
    """Return a tree crown: red, green, blue times opacity, and opacity 0..1, float32 [height, width, 4]."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    ragged, size = smooth_noise(rng, height, width, height / 3 + 4) - 0.5, max(height / 90, 0.7)
    fine = size * cv2.GaussianBlur(rng.standard_normal((height, width), dtype=np.float32), (0, 0), size)
    opacity = np.clip(1.6 * (1.0 - np.hypot(rows, columns) + 0.75 * ragged + 0.35 * fine), 0, 1)[..., None]
    green = random_colour(rng, (0.32, 0.46), (0.35, 0.6), (0.18, 0.34))
    crown = blend(0.5 + 0.9 * fine - 0.35 * rows + 0.5 * ragged, scaled(green, 0.35), scaled(green, 1.5))
    return np.dstack([crown * opacity, opacity])


class Grain:
    """Sensor noise: one field of grain for ``size`` (height, width), shown at another place in every frame.

    Its standard deviation is ``strength`` in 8-bit units; ``grey`` noise is the same on all three channels.
    """

    def __init__(self, rng: Rng, strength: float, size: tuple[int, int], n_frames: int, *, grey: bool = False) -> None:
        fine = rng.standard_normal((size[0] + _GRAIN_SHIFT, size[1] + _GRAIN_SHIFT, 3), dtype=np.float32)
        if grey:
            fine[:] = fine[..., :1]
        blots = cv2.GaussianBlur(fine[::-1], (0, 0), 1.2)
        self._field = np.rint(strength * (0.8 * fine + 0.6 * blots / blots.std())).astype(np.int16)
        self._places = rng.integers(0, _GRAIN_SHIFT + 1, size=(n_frames, 2), dtype=np.int8)

    def add(self, picture: Picture, frame: int) -> Picture:
        """Return ``picture`` with the noise of a frame."""
        y, x = self._places[frame].tolist()
        return cv2.add(picture, self._field[y : y + len(picture), x : x + picture.shape[1]], dtype=cv2.CV_8U)
