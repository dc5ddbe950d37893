"""Places before a rendered camera, in metres: corridor, room, car park, square, street, road."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from .bodies import CIRCLE, Colour, Pair, Points, Pose, Rng, Solid, Vehicle, View, Walker, box, random_colour

RIGHT, UP, AHEAD = np.eye(3)


@dataclass
class Place:
    """What a camera sees when nobody is there; all of a list is painted in its order."""

    rng: Rng
    view: View
    # Textured rectangles: the texture, axes [3, 3], height and width in metres, and the light on it. From its corner,
    # the last of the axes, it extends along the first and down the second.
    planes: list[tuple[str, Points, Pair, float]] = field(default_factory=list)
    # Polygons [M, 3] in one colour: doors, posters, lines on the ground
    flats: list[tuple[Points, Colour]] = field(default_factory=list)
    # Polygons [M, 3] on the ground, and the share of light that they take
    shadows: list[tuple[Points, float]] = field(default_factory=list)
    solids: list[Solid] = field(default_factory=list)
    parked: list[tuple[Vehicle, Pose]] = field(default_factory=list)  # vehicles and where they stand
    # Middles of tree crowns [3] and their sizes in metres
    trees: list[tuple[Points, float]] = field(default_factory=list)
    # Straight ways on the ground, which walkers take in both directions: who takes it, from and to which point (x, z),
    # and up to how many metres to a side. They begin and end where they cannot be seen, or at doors.
    routes: list[tuple[type[Walker] | type[Vehicle], Pair, Pair, float]] = field(default_factory=list)

    def floor(self, textures: str, x: Pair, z: Pair, level: float = 0.0) -> None:
        """Add a level rectangle with one of several textures: a piece of ground, or a ceiling."""
        axes = np.array([RIGHT, -AHEAD, (x[0], level, z[1])])
        self.planes.append((str(self.rng.choice(textures.split())), axes, (z[1] - z[0], x[1] - x[0]), 1.0))

    def wall(self, textures: str, start: Pair, end: Pair, high: float) -> None:
        """Add an upright rectangle between two points, with one of several textures."""
        way, light = np.array([end[0] - start[0], 0.0, end[1] - start[1]]), float(self.rng.uniform(0.7, 1.0))
        long = float(np.linalg.norm(way))
        axes = np.array([way / long, -UP, (start[0], high, start[1])])
        self.planes.append((str(self.rng.choice(textures.split())), axes, (high, long), light))

    def line(self, start: Pair, end: Pair, wide: float = 0.13, colour: Colour = (225, 225, 218)) -> None:
        """Paint a line on the ground."""
        a, b = (np.array([point[0], 0.0, point[1]]) for point in (start, end))
        aside = np.cross(b - a, UP) / np.linalg.norm(b - a) * wide / 2
        self.flats.append((np.array([a - aside, b - aside, b + aside, a + aside]), colour))

    def panel(self, start: Points, along: Points, levels: Pair, colour: Colour) -> None:
        """Add an upright flat rectangle between two levels, from a point on the ground on."""
        low, high = start + levels[0] * UP, start + levels[1] * UP
        self.flats.append((np.array([low, low + along, high + along, high]), colour))

    def door(self, start: Points, along: Points, inwards: Points) -> None:
        """Add a door with its frame, and the way to it from below the image."""
        self.panel(start, 1.1 * along, (0, 2.15), random_colour(self.rng, (0.3, 0.95)))
        self.panel(start + 0.08 * along, 0.94 * along, (0, 2.07), random_colour(self.rng, (0.3, 0.8), (0.1, 0.5)))
        if self.rng.random() < 0.4:
            self.panel(start + 0.3 * along, 0.5 * along, (1.1, 1.9), random_colour(self.rng, (0.2, 0.95), (0, 0.3)))
        before = start + 0.5 * along + 0.3 * inwards
        self.routes.append((Walker, (0.0, 0.25), (before[0], before[2]), 0.15))

    def furnish(self, start: Points, along: Points, inwards: Points, cupboards: float) -> None:
        """Add, before a piece of wall, a door, a window or poster, a cupboard, or nothing."""
        rng, kind = self.rng, self.rng.random()
        if kind < 0.35:
            self.door(start, along, inwards)
        elif kind < 0.65:
            low, colour = rng.uniform(1.0, 1.4), random_colour(rng, (0.4, 1.0), (0.0, 0.5))
            self.panel(start, rng.uniform(0.6, 1.2) * along, (low, low + rng.uniform(0.5, 0.9)), colour)
        elif kind < 0.65 + cupboards:
            x, _, z = start + 0.6 * along + 0.35 * inwards
            size = rng.uniform(0.6, 1.2), rng.choice([0.75, 1.2, 1.9]), rng.uniform(0.4, 0.6)
            colour = random_colour(rng, (0.4, 0.65), (0.2, 0.5), (0.02, 0.12))
            self.solids.append(box(x, z, size, colour, math.atan2(along[2], along[0])))

    def reach(self, z: float, margin: float = 1.5) -> Pair:
        """Return the x where the camera's view ends on the left and right at depth ``z``, ``margin`` metres beyond."""
        half = math.atan(self.view.aspect / 2 / self.view.focal)
        left, right = (1.25 * z * math.tan(np.clip(self.view.yaw + side, -1.35, 1.35)) for side in (-half, half))
        return left - margin, right + margin

    def avenue(self, z: float) -> None:
        """Add trees with their shadows, and lamp posts, in a row."""
        rng, (left, right) = self.rng, np.clip(self.reach(z), -40, 40)
        for x in np.arange(left + rng.uniform(0, 5), right, rng.uniform(4.5, 9)) if rng.random() < 0.75 else ():
            wide, level = rng.uniform(2, 4), rng.uniform(3.2, 4.6)
            bark = random_colour(rng, (0.2, 0.3), (0.3, 0.5), (0.05, 0.1))
            self.solids.append(box(x, z, (0.24, level, 0.24), bark))
            self.trees.append((np.array([x, level, z]), wide))
            self.shadows.append((Pose(x + 1.2, z + 0.4, (1, 0)).ground(CIRCLE * wide * (0.5, 0.3)), 0.35))
        for x in np.arange(left + rng.uniform(0, 14), right, 14.0):
            self.solids.append(box(x, z - 0.4, (0.12, 5.5, 0.12), random_colour(rng, (0.25, 0.6))))


def _indoors(rng: Rng, side: Pair, deep: Pair, high: Pair, yaw: float, view: View | None = None) -> Place:
    """Return a corridor or a room, ``side`` metres to either wall; people come from below or through doors."""
    left, right, long, top = -rng.uniform(*side), rng.uniform(*side), rng.uniform(*deep), rng.uniform(*high)
    hung = View((0.0, top - 0.25, 0.0), rng.uniform(0.24, 0.42), rng.uniform(-yaw, yaw), rng.uniform(0.75, 1.05))
    place, room = Place(rng, view or hung), right - left > 5
    for start, end in (((left, long), (right, long)), ((left, 0), (left, long)), ((right, 0), (right, long))):
        place.wall("paint paint concrete bricks", start, end, top)
    place.floor("tiles planks concrete", (left, right), (0, long))
    place.floor("concrete tiles", (left, right), (0, long), top)
    rows = max(round((right - left) / 3), 1)
    for z in np.arange(rng.uniform(1.5, 2.5), long - 1, rng.uniform(2.2, 3.5)):
        for x in left + (np.arange(rows) + 0.5) * (right - left) / rows:
            place.flats.append((Pose(x, z, (1, 0)).ground(CIRCLE * 0.4) + (top - 0.01) * UP, (255, 253, 245)))
    for x, inwards in ((left, RIGHT), (right, -RIGHT)):
        for z in np.arange(rng.uniform(2.0, 3.5), long - 1.5, rng.uniform(2.2, 4)):
            place.furnish(x * RIGHT + z * AHEAD + 0.02 * inwards, AHEAD, inwards, 0.25 * room)
    place.door((rng.uniform(left + 0.1, right - 1.2)) * RIGHT + (long - 0.02) * AHEAD, RIGHT, -AHEAD)
    for x in np.arange(left + 0.2, place.routes[-1][2][0] - 2, rng.uniform(1.8, 2.6)):
        place.furnish(x * RIGHT + (long - 0.02) * AHEAD, RIGHT, -AHEAD, 0.25)
    for _ in range(rng.integers(0, 4) if room else 0):
        x, z = rng.uniform(0.3, 0.8) * rng.choice([left, right]), rng.uniform(3.5, long - 1.5)
        size = rng.uniform(0.5, 1.6), rng.uniform(0.4, 0.8), rng.uniform(0.5, 0.9)
        place.solids.append(box(x, z, size, random_colour(rng, (0.4, 0.7), (0.2, 0.5)), rng.uniform(-1, 1)))
    return place


def _outdoors(rng: Rng, bands: str, high: Pair, pitch: Pair, yaw: Pair, view: View | None = None) -> Place:
    """Return bands of ground across the image before a row of houses; people and vehicles cross on them."""
    turn = rng.uniform(*yaw) * rng.choice([-1, 1])
    hung = View((0.0, rng.uniform(*high), 0.0), rng.uniform(*pitch), turn, rng.uniform(0.85, 1.25))
    place = Place(rng, view or hung)
    z = 0.0
    for name in bands.split():
        fill_in, textures, deep = _BANDS[name]
        start, z = z, z + rng.uniform(*deep)
        place.floor(textures, (-90, 90), (start - 40 * (start == 0), z))
        fill_in(place, start, z)
    for x in np.arange(-100, 100, 25.0) + rng.uniform(-10, 10):
        place.wall("front front front hedge", (x, z), (x + 25, z), rng.uniform(3, 12))
    place.avenue(start + 0.8)
    if rng.random() < 0.6:  # the shadow of a building
        edge, side = rng.uniform(-8, 8), rng.choice([-60, 60])
        ends = [(edge, 0, 0), (side, 0, 0), (side, 0, z), (edge + rng.uniform(-4, 4), 0, z)]
        place.shadows.append((np.array(ends, dtype=np.float64), float(rng.uniform(0.25, 0.5))))
    return place


def _walk(place: Place, start: float, end: float) -> None:
    """Let people cross, away from what may be behind the camera."""
    for z in np.arange(max(start + 0.8, 0.7 * end), end - 0.5, 1.0):
        left, right = place.reach(z + 0.4)
        place.routes.append((Walker, (left, z), (right, z), 0.4))


def _drive(place: Place, start: float, end: float) -> None:
    """Lay two lanes with vehicles, kerbs and, perhaps, a zebra crossing."""
    middle, lane, rng = (start + end) / 2, (end - start) / 2, place.rng
    left, right = place.reach(end, 5.0)
    for z, ends in ((middle - lane / 2, (left, right)), (middle + lane / 2.4, (right, left))):
        place.routes += [(Vehicle, (ends[0], z), (ends[1], z), 0.25)] * 2
    for z in (start, end):
        place.line((-90, z), (90, z), 0.18, random_colour(rng, (0.55, 0.8)))
    for x in np.arange(left - left % 4.5, right, 4.5):
        place.line((x, middle), (x + 2, middle))
    zebra = rng.uniform(-3, 3) + 8 * math.sin(place.view.yaw)
    for z in np.arange(start + 0.3, end - 0.3, 1.0) if rng.random() < 0.4 else ():
        place.line((zebra, z), (zebra + 2.8, z), 0.5)


def _bays(place: Place, start: float, end: float) -> None:
    """Park vehicles in some of a row of bays."""
    rng, taken = place.rng, place.rng.uniform(0.3, 0.85)
    left, right = np.clip(place.reach(end), -31, 31)
    for x in np.arange(left - left % 2.6, right, 2.6):
        place.line((x, start), (x, end))
        if rng.random() < taken:
            pose = Pose(x + 1.3 + rng.uniform(-0.15, 0.15), (start + end) / 2, (0.0, rng.choice([-1.0, 1.0])))
            place.parked.append((Vehicle(rng), pose))


def _square(place: Place, start: float, end: float) -> None:
    """Let people cross a square in all directions, with lawns and benches."""
    rng, depths = place.rng, np.linspace(start + 5.5, end - 1, 4)
    for near, far in ((0, 0), (1, 1), (2, 2), (3, 3), (0, 2), (3, 1)):
        ends = (place.reach(depths[near])[0], depths[near]), (place.reach(depths[far])[1], depths[far])
        place.routes.append((Walker, *ends, 0.8))
    for _ in range(rng.integers(0, 3)):
        x, z = rng.uniform(-14, 8), rng.uniform(6, end - 4)
        place.floor("grass", (x, x + rng.uniform(3, 9)), (z, z + rng.uniform(1.5, 3.5)))
    for _ in range(rng.integers(1, 6)):
        size, colour = (rng.uniform(0.5, 2.2), rng.uniform(0.4, 1.0), 0.6), random_colour(rng, (0.35, 0.6), (0.15, 0.4))
        place.solids.append(box(rng.uniform(-9, 9), rng.uniform(6, end - 1), size, colour, rng.uniform(-0.7, 0.7)))


# Bands of ground, from the camera to the wall at the back: what is on them, their textures, their depth in metres.
_BANDS: dict[str, tuple[Callable[[Place, float, float], None], str, Pair]] = {
    "bays": (_bays, "asphalt", (5, 5.5)),
    "lanes": (_drive, "asphalt", (5.8, 7)),
    "lawn": (_walk, "grass paving", (2, 5)),
    "pavement": (_walk, "paving tiles", (2, 4.5)),
    "square": (_square, "paving tiles concrete", (13, 22)),
    "yard": (_walk, "paving concrete asphalt", (4, 8)),
}
PLACES: dict[str, Callable[..., Place]] = {
    "corridor": partial(_indoors, side=(0.8, 1.7), deep=(9, 20), high=(2.6, 3.2), yaw=0.12),
    "parking": partial(_outdoors, bands="yard bays lanes bays lawn", high=(5.5, 8), pitch=(0.32, 0.5), yaw=(0, 0.4)),
    "plaza": partial(_outdoors, bands="square lawn", high=(3.5, 6), pitch=(0.2, 0.36), yaw=(0, 0.4)),
    "road": partial(_outdoors, bands="pavement lanes pavement", high=(3.5, 6.5), pitch=(0.2, 0.34), yaw=(0.8, 1.1)),
    "room": partial(_indoors, side=(3, 6), deep=(7, 11), high=(2.7, 4.0), yaw=0.4),
    "street": partial(_outdoors, bands="yard lanes pavement", high=(3.5, 6.5), pitch=(0.2, 0.34), yaw=(0, 0.35)),
}
