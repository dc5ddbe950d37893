"""Painting a place as its camera sees it: textures in perspective, solids, leaves, light and shadow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ._actors import darken, on_ground
from ._places import Place, Plane, Tree
from ._projection import View, fill
from ._textures import leaves, sky
from .scenes import Picture, smooth_noise

_FINER = 2  # painted at twice the size and averaged: edges of planes are soft then
_MAX_TEXTURE = 2600  # pixels a side


@dataclass(frozen=True, eq=False)
class Scenery:
    """The empty place, painted.

    Attributes
    ----------
    background : uint8 [height, width, 3]
        Everything but tree crowns, RGB.
    depth : float32 [height, width]
        Metres to the solid things that somebody may pass behind, infinite elsewhere.
    crowns : list of Crown
        The farthest first.
    """

    background: Picture
    depth: NDArray[np.float32]
    crowns: list[Crown]

    def cover(self, picture: Picture, depth: float, part: tuple[slice, slice]) -> None:
        """Show again, in a part of ``picture``, the solid things nearer than ``depth``."""
        nearer = self.depth[part] < depth
        if nearer.any():
            picture[part][nearer] = self.background[part][nearer]


def paint(rng: np.random.Generator, place: Place, height: int, width: int) -> Scenery:
    """Return the place as its camera sees it when nobody is there."""
    crowns = _paint_crowns(rng, place, height, width)
    return Scenery(_paint_background(rng, place, height, width), _depth(place, height, width), crowns)


def _depth(place: Place, height: int, width: int) -> NDArray[np.float32]:
    import cv2

    depth = np.full((height, width), np.inf, dtype=np.float32)
    bodies = [solid.corners for solid in place.solids]
    bodies += [solid.corners for vehicle, pose in place.parked for solid in vehicle.solids(pose)]
    seen = [place.view.to_camera(corners) for corners in bodies]
    for corners in sorted(seen, key=lambda corners: -float(corners[:, 2].mean())):
        if corners[:, 2].min() < 0.5:
            continue
        pixels = np.clip(place.view.on_picture(corners) * place.view.pixels(height, width), -20_000, 20_000)
        outline = cv2.convexHull(np.rint(pixels).astype(np.int32))
        cv2.fillConvexPoly(depth, outline, float(corners[:, 2].mean()))
    return depth


def _paint_background(rng: np.random.Generator, place: Place, height: int, width: int) -> Picture:
    import cv2

    high, wide = _FINER * height, _FINER * width
    canvas = sky(rng, high, wide) if place.outdoors else np.full((high, wide, 3), 90, dtype=np.uint8)
    for plane in place.planes:
        _paint_plane(rng, canvas, place.view, plane)
    for outline, colour in place.marks:
        polygon = on_ground(place.view, outline, high, wide)
        if polygon is not None:
            fill(canvas, polygon, colour)
    for corners, colour in place.panels:
        polygon = place.view.polygon(corners, high, wide)
        if polygon is not None:
            fill(canvas, polygon, colour)
    for outline, share in place.shadows:
        polygon = on_ground(place.view, outline, high, wide)
        if polygon is not None:
            darken(canvas, polygon, share, 0.006 * high)
    for solid in place.solids:
        foot = solid.corners[:4, [0, 2]]
        around = on_ground(place.view, foot.mean(axis=0) + 1.2 * (foot - foot.mean(axis=0)) + (0.1, 0.0), high, wide)
        if around is not None:
            darken(canvas, around, 0.45, 0.008 * high)
        solid.draw(canvas, place.view)
    for vehicle, pose in place.parked:
        vehicle.draw(canvas, place.view, pose)
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return _lit(rng, small, place)


def _paint_plane(rng: np.random.Generator, canvas: Picture, view: View, plane: Plane) -> None:
    """Paint one textured rectangle; far parts are taken from averaged copies of the texture."""
    import cv2

    height, width = canvas.shape[:2]
    high_m, long_m = plane.size
    origin = np.array(plane.origin)
    corners = [origin, origin + long_m * plane.along]
    corners += [corners[1] + high_m * plane.down, origin + high_m * plane.down]
    polygon = view.polygon(np.array(corners), height, width)
    if polygon is None or np.any(polygon.max(axis=0) < 0) or np.any(polygon.min(axis=0) > (width, height)):
        return
    matrix = view.homography(origin, plane.along, plane.down, height, width)
    start, end = _visible(matrix, (width, height), plane.size)
    scale = min(plane.scale, _MAX_TEXTURE / max(high_m, end - start))
    size = max(round(high_m * scale), 8), max(round((end - start) * scale), 8)
    texture = plane.texture(rng, *size, scale)
    inverse = np.array([[scale, 0, -scale * start], [0, scale, 0], [0, 0, 1.0]]) @ np.linalg.inv(matrix)
    low = np.clip(np.floor(polygon.min(axis=0)).astype(int), 0, (width, height))
    high = np.clip(np.ceil(polygon.max(axis=0)).astype(int) + 1, 0, (width, height))
    if np.any(high - low < 1):
        return
    area = inverse @ np.array([[1, 0, low[0]], [0, 1, low[1]], [0, 0, 1.0]])
    shape = (int(high[0] - low[0]), int(high[1] - low[1]))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    level = _footprint(area, shape)
    painted = cv2.warpPerspective(texture, area, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    for number, factor in enumerate((3, 9), start=1):
        if level.max() < number - 0.5:
            break
        fewer = max(size[1] // factor, 1), max(size[0] // factor, 1)
        small = cv2.resize(texture, fewer, interpolation=cv2.INTER_AREA)
        shrink = np.diag([small.shape[1] / size[1], small.shape[0] / size[0], 1.0])
        averaged = cv2.warpPerspective(small, shrink @ area, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        weight = np.clip(level - (number - 1), 0, 1)[..., None]
        painted += weight * (averaged - painted)
    mask = np.zeros((shape[1], shape[0]), dtype=np.uint8)
    fill(mask, polygon - low, (255,))
    shaded = cv2.convertScaleAbs(painted, alpha=plane.light)
    cv2.copyTo(shaded, mask, canvas[low[1] : high[1], low[0] : high[0]])


def _visible(matrix: NDArray[np.float64], shape: tuple[int, int], size_m: tuple[float, float]) -> tuple[float, float]:
    """Return from where to where along a plane, in metres, there is something to see: only that is textured."""
    columns, rows = np.meshgrid(np.linspace(0, shape[0], 97), np.linspace(0, shape[1], 97))
    found = np.linalg.inv(matrix) @ np.stack([columns.ravel(), rows.ravel(), np.ones(columns.size)])
    along, down = found[:2] / found[2]
    on_it = (matrix[2] @ np.stack([along, down, np.ones(along.size)]) > 0) & (down > -0.5) & (down < size_m[0] + 0.5)
    places = along[on_it & (along > -1) & (along < size_m[1] + 1)]
    if places.size == 0:
        return 0.0, min(size_m[1], 1.0)
    margin = 1.0 + 0.06 * float(places.max() - places.min())
    return max(float(places.min()) - margin, 0.0), min(float(places.max()) + margin, size_m[1])


def _footprint(area: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return, for every pixel, the logarithm to base 3 of how many texture pixels lie below its longer side."""
    columns, rows = np.arange(shape[0], dtype=np.float64), np.arange(shape[1], dtype=np.float64)[:, None]
    depth = area[2, 0] * columns + area[2, 1] * rows + area[2, 2]
    depth = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
    across = (area[0, 0] * columns + area[0, 1] * rows + area[0, 2]) / depth
    down = (area[1, 0] * columns + area[1, 1] * rows + area[1, 2]) / depth
    steps = [np.hypot(area[0, i] - area[2, i] * across, area[1, i] - area[2, i] * down) / np.abs(depth) for i in (0, 1)]
    longest: NDArray[np.float64] = np.maximum(np.maximum(*steps), 1e-6)
    level: NDArray[np.float32] = (np.log(longest) / np.log(3)).astype(np.float32)
    return level


def _lit(rng: np.random.Generator, picture: Picture, place: Place) -> Picture:
    """Return the picture under its lamps, exposed as a camera would, darker towards the corners, a little soft."""
    import cv2

    height, width = picture.shape[:2]
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    light = 1 - rng.uniform(0.05, 0.25) * (rows**2 + columns**2) / 2
    light *= 0.9 + 0.2 * smooth_noise(rng, height, width, max(width / 2, 4.0))
    if place.lamps:
        pools = np.full((height, width), rng.uniform(0.6, 0.85), dtype=np.float32)
        for lamp in place.lamps:
            seen = place.view.to_camera(np.array(lamp) * (1.0, 0.3, 1.0))
            if seen[2] < 0.5:
                continue
            u, v = place.view.on_picture(seen) / (place.view.aspect, 1.0) * 2 - 1
            reach = 1.6 * place.view.focal / float(seen[2])
            far = ((columns - u) / reach) ** 2 + ((rows - v) / (1.4 * reach)) ** 2
            pools += 0.35 * np.exp(-far).astype(np.float32)
        light *= np.minimum(pools, 1.3)
    tint = (1 + rng.uniform(-0.06, 0.06, 3) * (1.0, 0.4, 1.0)).astype(np.float32)
    lit = picture * (light[..., None] * tint)
    exposure = rng.uniform(0.72, 1.05) / max(float(np.percentile(lit[::4, ::4], 96)), 40.0)
    values = np.clip(lit * exposure, 0, 1) ** rng.uniform(0.75, 1.2)
    soft = cv2.GaussianBlur(values.astype(np.float32), (0, 0), rng.uniform(0.3, 0.8) * height / 288)
    return cast(Picture, cv2.convertScaleAbs(soft, alpha=255))


@dataclass(frozen=True)
class Crown:
    """A painted tree crown: picture and opacity float32 [h, w, .], its middle in pixels and its depth in metres."""

    colour: NDArray[np.float32]
    opacity: NDArray[np.float32]
    centre: tuple[float, float]
    depth: float

    def draw(self, picture: Picture, shift: float) -> None:
        """Draw it ``shift`` pixels to the right of its place."""
        import cv2

        high, wide = self.opacity.shape
        left, top = self.centre[0] + shift - wide / 2, self.centre[1] - high / 2
        x, y = int(np.floor(left)), int(np.floor(top))
        first = max(-x, 0), max(-y, 0)
        end = min(picture.shape[1] - x, wide), min(picture.shape[0] - y, high)
        if end[0] <= first[0] or end[1] <= first[1]:
            return
        move = np.array([[1, 0, left - x], [0, 1, top - y]], dtype=np.float64)
        inner = np.s_[first[1] : end[1], first[0] : end[0]]
        colour = cv2.warpAffine(self.colour, move, (wide, high))[inner]
        cover = cv2.warpAffine(self.opacity, move, (wide, high))[inner][..., None]
        part = picture[y + first[1] : y + end[1], x + first[0] : x + end[0]]
        part[:] = part * (1 - cover) + colour * cover


def _paint_crowns(rng: np.random.Generator, place: Place, height: int, width: int) -> list[Crown]:
    found = [_crown(rng, place.view, tree, height, width) for tree in place.trees]
    return sorted((crown for crown in found if crown is not None), key=lambda crown: -crown.depth)


def _crown(rng: np.random.Generator, view: View, tree: Tree, height: int, width: int) -> Crown | None:
    seed = int(rng.integers(2**32))  # so that a tree looks the same whether others are in the picture or not
    seen: Any = view.to_camera(np.array([tree.x, tree.level, tree.z]))
    if seen[2] < 1:
        return None
    u, v = view.on_picture(seen) * view.pixels(height, width)
    factor = view.focal / float(seen[2]) * view.pixels(height, width)
    size = max(round(tree.size[0] * factor[1]), 3), max(round(tree.size[1] * factor[0]), 3)
    if abs(u - width / 2) > width / 2 + size[1] or size[0] > 3 * height:
        return None
    picture = leaves(np.random.default_rng(seed), *size)
    soft = picture[..., 3].astype(np.float32) * np.float32(1 / 255)
    return Crown(picture[..., :3].astype(np.float32), soft, (float(u), float(v)), float(seen[2]))
