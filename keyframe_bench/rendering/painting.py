"""Painting a place as its camera sees it: textures in perspective, solids, leaves, light and shadow, sensor noise."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from .bodies import Colour, Pair, Picture, Points, Rng, Size, View, darken, extent, fill, hsv, random_colour, scaled
from .places import RIGHT, Place

_GRAIN_SHIFT = 32  # pixels by which sensor noise may be shifted from frame to frame


def smooth_noise(rng: Rng, size: Size, coarsest: float) -> NDArray[np.float32]:
    """Return noise of four octaves, the coarsest ``coarsest`` pixels wide: float32 [height, width] in 0..1."""
    total: Picture = np.zeros((1, 1), dtype=np.float32)
    for octave in range(4):
        cell = max(coarsest / 2**octave, 1.0)
        grid = rng.random([math.ceil(side / cell) + 1 for side in size], dtype=np.float32)
        total = cv2.resize(total, grid.shape[::-1], interpolation=cv2.INTER_CUBIC) + 0.5**octave * grid
    total = cv2.resize(total, size[::-1], interpolation=cv2.INTER_CUBIC)
    return cast(NDArray[np.float32], cv2.normalize(total, total, 0, 1, cv2.NORM_MINMAX))


def blend(share: NDArray[Any], first: Colour, second: Colour) -> Picture:
    """Return ``first`` where ``share`` [H, W] is 0 and ``second`` where it is 1, in 256 steps."""
    steps = np.rint(np.linspace(first, second, 256)).clip(0, 255).astype(np.uint8)
    levels = cv2.convertScaleAbs(np.maximum(share, 0), alpha=255)
    return cv2.LUT(cv2.merge([levels] * 3), steps[:, None])


class Surface(NamedTuple):
    """What a texture looks like."""

    tone: tuple[Pair, ...]  # ranges of value, saturation and hue, as of `random_colour`
    spread: float = 0.1  # share by which blots are lighter and darker
    blot: float = 3.0  # size of the blots, metres
    grain: float = 0.03  # standard deviation of fine noise as a share of the light
    # Height and width of bricks, tiles or boards, metres, and the share by which every other row is shifted
    cells: tuple[float, float, float] | None = None


SURFACES = {
    "asphalt": Surface(((0.3, 0.5),), 0.24, grain=0.07),
    "bricks": Surface(((0.45, 0.7), (0.35, 0.6), (0.0, 0.1)), 0.15, 2.0, cells=(0.16, 0.4, 0.5)),
    "concrete": Surface(((0.5, 0.85), (0.0, 0.2)), 0.16, 1.0),
    "grass": Surface(((0.35, 0.48), (0.35, 0.6), (0.15, 0.32)), 0.35, 2.5, 0.14),
    "hedge": Surface(((0.2, 0.4), (0.3, 0.55), (0.15, 0.34)), 0.7, 0.8, 0.12),
    "paint": Surface(((0.55, 0.97), (0.0, 0.35)), 0.06, 4.0, 0.015),
    "paving": Surface(((0.45, 0.7), (0.0, 0.18)), 0.14, cells=(0.28, 0.5, 0.5)),
    "planks": Surface(((0.45, 0.7), (0.2, 0.55), (0.04, 0.12)), 0.12, 1.0, cells=(0.13, 1.8, 0.37)),
    "tiles": Surface(((0.45, 0.9), (0.0, 0.18)), 0.08, cells=(0.6, 0.6, 0.0)),
}


def texture(rng: Rng, name: str, size: tuple[int, int], scale: float) -> Picture:
    """Return one of `SURFACES`, or a house ``front``, of (height, width) pixels, ``scale`` of them a metre."""
    if name == "front":
        return _front(rng, size, scale)
    surface = SURFACES[name]
    tone = random_colour(rng, *surface.tone)
    light = 1 + surface.spread * (2 * smooth_noise(rng, size, max(surface.blot * scale, 4.0)) - 1)
    if surface.cells:
        *sides, offset = surface.cells
        light *= _cells(rng, size, [rng.uniform(0.8, 1.6) * side * scale for side in sides], offset)
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
    clouds = rng.uniform(0, 0.7) * smooth_noise(rng, (height, width), width / 4 + 4)
    return blend(down + clouds, colour, (242, 241, 238))


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


class Crown:
    """A painted tree crown; its middle in pixels, its depth in metres."""

    def __init__(self, rng: Rng, size: Size, middle: Points, depth: float) -> None:
        self.middle, self.depth = middle, depth
        rows, columns = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j].astype(np.float32)
        ragged, grain = smooth_noise(rng, size, size[0] / 3 + 4) - 0.5, max(size[0] / 90, 0.7)
        fine = grain * cv2.GaussianBlur(rng.standard_normal(size, dtype=np.float32), (0, 0), grain)
        opacity = np.clip(1.6 * (1.0 - np.hypot(rows, columns) + 0.75 * ragged + 0.35 * fine), 0, 1)[..., None]
        green = random_colour(rng, (0.32, 0.46), (0.35, 0.6), (0.18, 0.34))
        leaves = blend(0.5 + 0.9 * fine - 0.35 * rows + 0.5 * ragged, scaled(green, 0.35), scaled(green, 1.5))
        self._rgba = np.dstack([leaves * opacity, opacity])  # colours times opacity, float32 [height, width, 4]

    def draw(self, picture: Picture, shift: float = 0.0) -> None:
        """Draw it ``shift`` pixels to the right of its place."""
        high, wide = self._rgba.shape[:2]
        corner = self.middle + np.array([shift - wide / 2, -high / 2])
        rows, columns = extent(corner + np.array([[0, 0], [wide, high]]), picture, 0)
        part = picture[rows, columns]
        if part.size:
            move = np.array([[1, 0, corner[0] - columns.start], [0, 1, corner[1] - rows.start]])
            moved = cv2.warpAffine(self._rgba, move, part.shape[1::-1])
            part[:] = part * (1 - moved[..., 3:]) + moved[..., :3]


class Scenery:
    """A place as its camera sees it when nobody is there, painted for one ``size``; finer, edges of planes are soft.

    Attributes
    ----------
    background : uint8 [height, width, 3]
        Everything but tree crowns.
    depth : float32 [height, width]
        Metres to the solid things that somebody may pass behind, infinite elsewhere.
    crowns : list of Crown
    """

    def __init__(self, rng: Rng, place: Place, size: Size, finer: int = 2) -> None:
        view, (height, width) = place.view, size
        self.crowns = []
        for tree, metres in place.trees:
            seen = view.to_camera(tree)
            middle, metre = view.on_picture(seen, *size), view.focal / max(float(seen[2]), 1.0)
            high, wide = np.maximum(metres * metre * np.array([height, width / view.aspect]), 3).astype(int).tolist()
            if seen[2] > 1 and high < 3 * height and abs(middle[0] - width / 2) < width / 2 + wide:
                self.crowns.append(Crown(rng, (high, wide), middle, float(seen[2])))

        canvas = sky(rng, finer * height, finer * width)
        for plane in place.planes:
            _paint_plane(np.random.default_rng(rng.integers(2**32)), canvas, view, *plane)
        for corners, colour in place.flats:
            fill(canvas, view.polygon(corners, canvas), colour)
        for corners, share in place.shadows:
            darken(canvas, view.polygon(corners, canvas), share, 0.012 * height)
        solids = sorted(place.solids, key=lambda solid: -np.linalg.norm(solid.corners.mean(axis=0) - view.eye))
        for solid in solids:
            foot = solid.corners[[0, 1, 5, 4]]
            shadow = foot + 0.2 * (foot - foot.mean(axis=0)) + 0.1 * RIGHT
            darken(canvas, view.polygon(shadow, canvas), 0.45, 0.016 * height)
            solid.draw(canvas, view)
        for vehicle, pose in sorted(place.parked, key=lambda parked: -math.hypot(parked[1].x, parked[1].z)):
            vehicle.draw(canvas, view, pose)
            solids += vehicle.solids(pose)
        self.background = _expose(rng, cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA))

        self.depth = np.full(size, np.inf, dtype=np.float32)
        for seen in sorted((view.to_camera(solid.corners) for solid in solids), key=lambda seen: -seen[:, 2].mean()):
            if seen[:, 2].min() > 0.5:
                pixels = np.clip(view.on_picture(seen, *size), -20_000, 20_000)
                cv2.fillConvexPoly(self.depth, cv2.convexHull(np.rint(pixels).astype(np.int32)), seen[:, 2].mean())


def _paint_plane(rng: Rng, canvas: Picture, view: View, name: str, axes: Points, metres: Pair, light: float) -> None:
    """Paint one textured rectangle of a `Place`; far parts are taken from averaged copies of the texture."""
    along, down, origin = axes
    end, foot = origin + metres[1] * along, metres[0] * down
    polygon = view.polygon([origin, end, end + foot, origin + foot], canvas)
    rows, columns = extent(polygon, canvas) if polygon is not None else (slice(0), slice(0))
    part = canvas[rows, columns]
    if polygon is None or min(part.shape[:2]) < 2:
        return
    size = [min(side, 16.0) for side in metres]  # beyond, the texture is mirrored
    scale = min(canvas.shape[0] / 18, 700 / max(size))
    image = texture(rng, name, (max(round(size[0] * scale), 8), max(round(size[1] * scale), 8)), scale)
    matrix = np.linalg.inv(view.lens(*canvas.shape[:2]) @ view.rotation @ np.array([along, down, origin - view.eye]).T)
    matrix = np.diag([scale, scale, 1.0]) @ matrix @ np.array([[1, 0, columns.start], [0, 1, rows.start], [0, 0, 1]])
    level, painted = _coarseness(matrix, part.shape[:2]), part
    for number, factor in enumerate((1, 3, 9)):
        if level.max() > number - 1 and level.min() < number + 1:  # else it has no share, or the next one hides it
            weight = np.clip(level - (number - 1), 0, 1)
            small = cv2.resize(image, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
            shrunk, flags = np.diag([1 / factor, 1 / factor, 1.0]) @ matrix, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            found = cv2.warpPerspective(small, shrunk, part.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)
            painted = cv2.blendLinear(found, np.ascontiguousarray(painted), weight, 1 - weight)
    mask = np.zeros(part.shape[:2], dtype=np.uint8)
    fill(mask, polygon - (columns.start, rows.start), (255,))
    cv2.copyTo(cv2.convertScaleAbs(painted, alpha=light), mask, part)


def _coarseness(matrix: Points, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return, for every pixel, the logarithm to base 3 of how many pixels of the texture lie below it, [H, W]."""
    y, x = np.linspace(0, size[0], size[0] // 8 + 2)[:, None], np.linspace(0, size[1], size[1] // 8 + 2)
    across, down, depth = (row[0] * x + row[1] * y + row[2] for row in matrix)
    places = across / depth, down / depth
    steps = [np.hypot(*(np.gradient(p, axis=i) for p in places)) / (y[1, 0], x[1])[i] for i in (0, 1)]
    level = np.log(np.maximum(np.maximum(*steps), 1)) / math.log(3)
    return cast(NDArray[np.float32], cv2.resize(level.astype(np.float32), size[::-1]))


def _expose(rng: Rng, picture: Picture) -> Picture:
    """Return the image as a camera would expose it, unevenly lit, darker towards the corners, a little soft."""
    height, width = picture.shape[:2]
    small = height // 8 + 2, width // 8 + 2
    rows, columns = np.ogrid[-1 : 1 : small[0] * 1j, -1 : 1 : small[1] * 1j]
    light = 1 - rng.uniform(0.05, 0.25) * (rows**2 + columns**2) / 2
    light *= 0.85 + 0.3 * smooth_noise(rng, small, small[1] / 2)
    tint = 1 + rng.uniform(-0.06, 0.06, 3) * (1.0, 0.4, 1.0)
    light3 = cv2.resize((light[..., None] * tint).astype(np.float32), (width, height))
    brightest = float(np.percentile(picture[::4, ::4] * light3[::4, ::4], 96))
    lit = cv2.multiply(picture, light3, scale=255 * rng.uniform(0.72, 1.05) / max(brightest, 40.0), dtype=cv2.CV_8U)
    curve = np.rint(255 * np.linspace(0, 1, 256) ** rng.uniform(0.75, 1.2)).astype(np.uint8)
    return cast(Picture, cv2.GaussianBlur(cv2.LUT(lit, curve), (0, 0), rng.uniform(0.3, 0.8) * height / 288))
