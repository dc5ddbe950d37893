"""Painting a place as its camera sees it: textures in perspective, solids, leaves, light and shadow."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from .bodies import Points, View, darken, extent, fill
from .places import RIGHT, Place, Plane
from .surfaces import Picture, Rng, foliage, sky, smooth_noise, texture

_TILE_M = 16.0  # a texture is mirrored beyond so many metres


class Scenery(NamedTuple):
    """The empty place, painted for one size of pictures.

    Attributes
    ----------
    background : uint8 [height, width, 3]
        Everything but tree crowns.
    depth : float32 [height, width]
        Metres to the solid things that somebody may pass behind, infinite elsewhere.
    crowns : list of Crown
    """

    background: Picture
    depth: NDArray[np.float32]
    crowns: list[Crown]


class Crown(NamedTuple):
    """A painted tree crown, `foliage`; its middle in pixels, its depth in metres."""

    foliage: NDArray[np.float32]
    middle: Points
    depth: float

    def draw(self, picture: Picture, shift: float) -> None:
        """Draw it ``shift`` pixels to the right of its place."""
        high, wide = self.foliage.shape[:2]
        corner = self.middle + np.array([shift - wide / 2, -high / 2])
        rows, columns = extent(corner + np.array([[0, 0], [wide, high]]), picture, 0)
        size = columns.stop - columns.start, rows.stop - rows.start
        if min(size) > 0:
            move = np.array([[1, 0, corner[0] - columns.start], [0, 1, corner[1] - rows.start]])
            moved = cv2.warpAffine(self.foliage, move, size)
            part = picture[rows, columns]
            part[:] = part * (1 - moved[..., 3:]) + moved[..., :3]


def paint(rng: Rng, place: Place, height: int, width: int, finer: int = 2) -> Scenery:
    """Return the place as its camera sees it when nobody is there; painted finer, edges of planes are soft."""
    view, crowns = place.view, []
    for tree in place.trees:
        seen = view.to_camera([tree.x, tree.level, tree.z])
        middle, metre = view.on_picture(seen, height, width), view.focal / max(float(seen[2]), 1.0)
        size = np.maximum(tree.size * metre * np.array([height, width / view.aspect]), 3).astype(int)
        if seen[2] > 1 and size[0] < 3 * height and abs(middle[0] - width / 2) < width / 2 + size[1]:
            crowns.append(Crown(foliage(rng, *size.tolist()), middle, float(seen[2])))

    canvas = sky(rng, finer * height, finer * width)
    for plane in place.planes:
        _paint_plane(np.random.default_rng(rng.integers(2**32)), canvas, view, plane)
    for corners, colour in place.flats:
        fill(canvas, view.polygon(corners, canvas), colour)
    for corners, share in place.shadows:
        darken(canvas, view.polygon(corners, canvas), share, 0.012 * height)
    solids = sorted(place.solids, key=lambda solid: -solid.distance(view))
    for solid in solids:
        foot = solid.corners[[0, 1, 5, 4]]
        shadow = foot + 0.2 * (foot - foot.mean(axis=0)) + 0.1 * RIGHT
        darken(canvas, view.polygon(shadow, canvas), 0.45, 0.016 * height)
        solid.draw(canvas, view)
    for vehicle, pose in sorted(place.parked, key=lambda parked: -math.hypot(parked[1].x, parked[1].z)):
        vehicle.draw(canvas, view, pose)
        solids += vehicle.solids(pose)
    background = _expose(rng, cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA))

    depth = np.full((height, width), np.inf, dtype=np.float32)
    for seen in sorted((view.to_camera(solid.corners) for solid in solids), key=lambda seen: -float(seen[:, 2].mean())):
        if seen[:, 2].min() > 0.5:
            pixels = np.clip(view.on_picture(seen, height, width), -20_000, 20_000)
            cv2.fillConvexPoly(depth, cv2.convexHull(np.rint(pixels).astype(np.int32)), float(seen[:, 2].mean()))
    return Scenery(background, depth, crowns)


def _paint_plane(rng: Rng, canvas: Picture, view: View, plane: Plane) -> None:
    """Paint one textured rectangle; far parts are taken from averaged copies of the texture."""
    end, down = plane.origin + plane.size[1] * plane.along, plane.size[0] * plane.down
    polygon = view.polygon([plane.origin, end, end + down, plane.origin + down], canvas)
    rows, columns = extent(polygon, canvas) if polygon is not None else (slice(0), slice(0))
    part = canvas[rows, columns]
    if polygon is None or min(part.shape[:2]) < 2:
        return
    size = [min(side, _TILE_M) for side in plane.size]
    scale = min(canvas.shape[0] / 18, 700 / max(size))
    image = texture(rng, plane.texture, (max(round(size[0] * scale), 8), max(round(size[1] * scale), 8)), scale)
    axes = np.stack([plane.along, plane.down, plane.origin - view.eye], axis=1)
    matrix = np.linalg.inv(view.lens(*canvas.shape[:2]) @ view.rotation @ axes)
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
    cv2.copyTo(cv2.convertScaleAbs(painted, alpha=plane.light), mask, part)


def _coarseness(matrix: Points, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return, for every pixel, the logarithm to base 3 of how many pixels of the texture lie below it, [H, W]."""
    y, x = np.linspace(0, size[0], size[0] // 8 + 2)[:, None], np.linspace(0, size[1], size[1] // 8 + 2)
    across, down, depth = (row[0] * x + row[1] * y + row[2] for row in matrix)
    places = across / depth, down / depth
    steps = [np.hypot(*(np.gradient(p, axis=i) for p in places)) / (y[1, 0], x[1])[i] for i in (0, 1)]
    level = np.log(np.maximum(np.maximum(*steps), 1)) / math.log(3)
    return cast(NDArray[np.float32], cv2.resize(level.astype(np.float32), size[::-1]))


def _expose(rng: Rng, picture: Picture) -> Picture:
    """Return the picture as a camera would expose it, unevenly lit, darker towards the corners, a little soft."""
    height, width = picture.shape[:2]
    small = height // 8 + 2, width // 8 + 2
    rows, columns = np.ogrid[-1 : 1 : small[0] * 1j, -1 : 1 : small[1] * 1j]
    light = 1 - rng.uniform(0.05, 0.25) * (rows**2 + columns**2) / 2
    light *= 0.85 + 0.3 * smooth_noise(rng, *small, small[1] / 2)
    tint = 1 + rng.uniform(-0.06, 0.06, 3) * (1.0, 0.4, 1.0)
    light3 = cv2.resize((light[..., None] * tint).astype(np.float32), (width, height))
    brightest = float(np.percentile(picture[::4, ::4] * light3[::4, ::4], 96))
    lit = cv2.multiply(picture, light3, scale=255 * rng.uniform(0.72, 1.05) / max(brightest, 40.0), dtype=cv2.CV_8U)
    curve = np.rint(255 * np.linspace(0, 1, 256) ** rng.uniform(0.75, 1.2)).astype(np.uint8)
    return cast(Picture, cv2.GaussianBlur(cv2.LUT(lit, curve), (0, 0), rng.uniform(0.3, 0.8) * height / 288))
