"""What a place before a rendered camera is made of: surfaces, solid things, trees, ways for people and vehicles."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ._actors import Pose, Solid, Vehicle
from ._projection import Points, View
from ._textures import Texture
from .scenes import Colour

RIGHT, DOWN, AHEAD = np.array([1.0, 0, 0]), np.array([0, -1.0, 0]), np.array([0, 0, 1.0])


@dataclass(frozen=True)
class Plane:
    """A textured rectangle: from ``origin`` (metres) ``size[1]`` along one axis and ``size[0]`` along the other."""

    origin: tuple[float, float, float]
    along: NDArray[np.float64]
    down: NDArray[np.float64]
    size: tuple[float, float]
    texture: Texture
    scale: float = 40.0  # pixels of the texture per metre
    light: float = 1.0


@dataclass(frozen=True)
class Tree:
    """A crown or bush of leaves at (x, z), its middle ``level`` metres up, ``size`` (height, width) metres."""

    x: float
    z: float
    level: float
    size: tuple[float, float]


@dataclass(frozen=True)
class Route:
    """A straight way on the ground from one point (x, z) to another, in both directions or one."""

    kind: Literal["walker", "vehicle"]
    start: tuple[float, float]
    end: tuple[float, float]
    both: bool = True
    spread: float = 0.4  # metres to either side


@dataclass
class Place:
    """What a camera sees when nobody is there.

    Attributes
    ----------
    view : View
    routes : list of Route
        They begin and end where they cannot be seen, or at doors.
    planes, panels, marks, solids, parked, trees
        In the order in which they are painted. Panels are flat polygons [M, 3] with a colour, marks polygons (x, z) on
        the ground with a colour.
    shadows : list
        Polygons (x, z) on the ground and the share of light they take.
    lamps : list
        Points (x, y, z) that light their surroundings.
    outdoors : bool
    horizon : bool
        Whether sky may be seen.
    """

    view: View
    routes: list[Route] = field(default_factory=list)
    planes: list[Plane] = field(default_factory=list)
    panels: list[tuple[Points, Colour]] = field(default_factory=list)
    marks: list[tuple[NDArray[np.float64], Colour]] = field(default_factory=list)
    solids: list[Solid] = field(default_factory=list)
    parked: list[tuple[Vehicle, Pose]] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    shadows: list[tuple[NDArray[np.float64], float]] = field(default_factory=list)
    lamps: list[tuple[float, float, float]] = field(default_factory=list)
    outdoors: bool = True

    def reach(self, z: float, margin: float) -> tuple[float, float]:
        """Return the x where the camera's view ends on the left and right at depth ``z``, ``margin`` metres beyond."""
        half = math.atan(self.view.aspect / 2 / self.view.focal)
        ends = []
        for sign in (-1, 1):
            angle = min(max(self.view.yaw + sign * half, -1.4), 1.4)
            ends.append(z * math.tan(angle) * 1.25 + sign * margin)
        return ends[0], ends[1]

    def crossing(self, kind: Literal["walker", "vehicle"], z: float, *, both: bool = True, spread: float = 0.4) -> None:
        """Add a route across the picture at depth ``z``."""
        left, right = self.reach(z + spread, 1.5 if kind == "walker" else 5.0)
        self.routes.append(Route(kind, (left, z), (right, z), both=both, spread=spread))

    def panel(
        self, corner: tuple[float, float, float], along: Points, size: tuple[float, float], colour: Colour
    ) -> None:
        """Add an upright flat rectangle; ``corner`` is its upper one, size (height, length) metres."""
        start = np.array(corner)
        ends = [start, start + size[1] * along, start + size[1] * along + size[0] * DOWN, start + size[0] * DOWN]
        self.panels.append((np.array(ends), colour))

    def line(self, start: tuple[float, float], end: tuple[float, float], wide: float, colour: Colour) -> None:
        """Paint a line on the ground."""
        a, b = np.array(start), np.array(end)
        aside = np.array([-(b - a)[1], (b - a)[0]]) / max(float(np.hypot(*(b - a))), 1e-9) * wide / 2
        self.marks.append((np.array([a - aside, b - aside, b + aside, a + aside]), colour))


def ground(texture: Texture, x: tuple[float, float], z: tuple[float, float], scale: float = 40.0) -> Plane:
    """Return a piece of ground between two x and two z."""
    return Plane((x[0], 0.0, z[1]), RIGHT, -AHEAD, (z[1] - z[0], x[1] - x[0]), texture, scale)


def across(
    texture: Texture, x: tuple[float, float], z: float, high: float, light: float = 1.0, scale: float = 40.0
) -> Plane:
    """Return a wall that faces the camera."""
    return Plane((x[0], high, z), RIGHT, DOWN, (high, x[1] - x[0]), texture, scale, light)


def beside(texture: Texture, x: float, z: tuple[float, float], high: float, light: float) -> Plane:
    """Return a wall to the left or right that runs away from the camera."""
    return Plane((x, high, z[0]), AHEAD, DOWN, (high, z[1] - z[0]), texture, 40.0, light)


def pick(rng: np.random.Generator, *choices: Texture) -> Texture:
    """Return one of several textures."""
    return choices[int(rng.integers(len(choices)))]
