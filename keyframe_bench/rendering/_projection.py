"""A pinhole camera over a world in metres: x to the right, y up, z into the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
_NEAR = 0.25  # metres before the eye; nearer things are cut off
_REACH = 3.0  # pictures' widths and heights in which polygons are kept: far out, fixed point would overflow
_FORWARD = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class View:
    """Where a camera hangs and how it looks.

    Attributes
    ----------
    height : float
        Of the eye above the ground, metres; it stands at x = z = 0.
    pitch, yaw : float
        Radians downwards and to the right.
    focal : float
        Focal length in picture heights: 0.8 is a wide lens, 2 a narrow one.
    aspect : float
        Width of the picture over its height.
    """

    height: float
    pitch: float
    yaw: float
    focal: float
    aspect: float = 16 / 9

    @property
    def rotation(self) -> Points:
        """Rows: the camera's right, down and forward in the world, float64 [3, 3]."""
        sin_p, cos_p, sin_y, cos_y = math.sin(self.pitch), math.cos(self.pitch), math.sin(self.yaw), math.cos(self.yaw)
        return np.array(
            [
                [cos_y, 0.0, -sin_y],
                [-sin_p * sin_y, -cos_p, -sin_p * cos_y],
                [cos_p * sin_y, -sin_p, cos_p * cos_y],
            ]
        )

    @property
    def eye(self) -> Points:
        """In the world, float64 [3]."""
        return np.array([0.0, self.height, 0.0])

    def to_camera(self, points: Points) -> Points:
        """Return world points [..., 3] in the camera's axes; the last is the depth."""
        return (points - self.eye) @ self.rotation.T

    def on_picture(self, seen: Points) -> Points:
        """Return points in the camera's axes as u (0 left, `aspect` right) and v (0 top, 1 bottom), [..., 2]."""
        depth = np.maximum(seen[..., 2], _NEAR)
        u = self.aspect / 2 + self.focal * seen[..., 0] / depth
        v = 0.5 + self.focal * seen[..., 1] / depth
        return np.stack([u, v], axis=-1)

    def project(self, points: Points) -> Points:
        """Return where world points [..., 3] before the camera appear, as `on_picture`."""
        return self.on_picture(self.to_camera(points))

    def polygon(self, corners: Points, height: int, width: int) -> NDArray[np.float64] | None:
        """Return a plane polygon's corners in pixels, cut before the eye, [M, 2]; None when all is behind it."""
        return self.cut(self.to_camera(corners), height, width)

    def cut(self, seen: Points, height: int, width: int) -> Points | None:
        """Return what `polygon` does, for corners in the camera's axes."""
        ahead = seen[:, 2:]
        reach = _REACH * np.array([self.aspect / 2, 0.5]) / self.focal
        if ahead.min() < _NEAR or np.any(np.abs(seen[:, :2]) > reach * ahead):
            sides = [(sign * np.eye(3)[axis] + reach[axis] * _FORWARD, 0.0) for axis in (0, 1) for sign in (-1, 1)]
            for normal, least in [(_FORWARD, _NEAR), *sides]:
                seen = _cut(seen, normal, least)
            if len(seen) < 3:
                return None
        return self.on_picture(seen) * self.pixels(height, width)

    def pixels(self, height: int, width: int) -> Points:
        """Return the factors from u and v to pixels, float64 [2]."""
        return np.array([width / self.aspect, float(height)])

    def homography(self, origin: Points, along: Points, down: Points, height: int, width: int) -> Points:
        """Return the 3 x 3 matrix from (s, t) of the plane ``origin + s along + t down`` to pixels."""
        factors = self.pixels(height, width)
        lens = np.array(
            [
                [self.focal * factors[0], 0.0, width / 2],
                [0.0, self.focal * factors[1], height / 2],
                [0.0, 0.0, 1.0],
            ]
        )
        return lens @ self.rotation @ np.stack([along, down, origin - self.eye], axis=1)


def _cut(corners: Points, normal: Points, least: float) -> Points:
    """Return the part of a polygon [N, 3] where ``corners @ normal >= least``."""
    kept: list[Any] = []
    over = corners @ normal - least
    for i, (here, value) in enumerate(zip(corners, over, strict=True)):
        if value >= 0:
            kept.append(here)
        if (value >= 0) != (over[i - 1] >= 0):
            crossing = here + (corners[i - 1] - here) * (value / (value - over[i - 1]))
            kept.insert(len(kept) - (value >= 0), crossing)
    return np.array(kept).reshape(-1, 3)


def fill(picture: NDArray[Any], polygon: Points, colour: tuple[int, ...]) -> None:
    """Fill a convex polygon [M, 2] in pixels, with soft edges."""
    import cv2

    cv2.fillConvexPoly(picture, np.rint(polygon * 16).astype(np.int32), colour, cv2.LINE_AA, 4)
