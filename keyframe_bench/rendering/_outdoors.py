"""Outdoor places for rendered cameras: a street, a road, a car park, a square."""

from __future__ import annotations

import numpy as np

from ._actors import Pose, Vehicle, box
from ._places import Place, Route, Tree, across, beside, ground, pick
from ._projection import View
from ._textures import asphalt, bricks, colour_of, concrete, front, grass, grey_of, paving, screed, tiles, woods


def street(rng: np.random.Generator) -> Place:
    """Return a street seen across: pavements, two lanes, parked cars, trees, a row of houses."""
    yaw = rng.uniform(-0.35, 0.35)
    view = View(rng.uniform(3.5, 6.5), rng.uniform(0.2, 0.34), yaw, rng.uniform(0.85, 1.25))
    place = Place(view)
    kerb, lane = rng.uniform(6.0, 8.0), rng.uniform(2.9, 3.5)
    back = kerb + 2 * lane + rng.uniform(2, 4.5)
    place.planes = [
        across(front, (-45, 0), back, rng.uniform(7, 13), 1.0, 28),
        across(front, (0, 45), back, rng.uniform(7, 13), 0.95, 28),
        ground(pick(rng, paving, screed), (-45, 45), (0, kerb), 36),
        ground(asphalt, (-45, 45), (kerb, kerb + 2 * lane), 30),
        ground(pick(rng, paving, tiles), (-45, 45), (kerb + 2 * lane, back), 30),
    ]
    for z in (kerb, kerb + 2 * lane):
        place.line((-45, z), (45, z), 0.18, grey_of(rng, 0.55, 0.8))
    for x in np.arange(-40, 40, 4.5):
        place.line((x, kerb + lane), (x + 2, kerb + lane), 0.13, (225, 225, 218))
    if rng.random() < 0.5:
        x = rng.uniform(-3, 3)
        for z in np.arange(kerb + 0.3, kerb + 2 * lane - 0.3, 1.0):
            place.line((x, z), (x + 2.8, z), 0.5, (228, 228, 222))
    _avenue(rng, place, kerb + 2 * lane + 0.8, (-22, 22))
    if rng.random() < 0.6:
        for x in np.arange(-20, 20, rng.uniform(5.5, 8)):
            if rng.random() < 0.6:
                place.parked.append((Vehicle(rng, 0.0), Pose(x, kerb + 2 * lane - 0.9, (1.0, 0.0))))
    place.crossing("vehicle", kerb + 0.5 * lane, both=False, spread=0.25)
    place.routes.append(_turned(place.routes[-1], kerb + 1.4 * lane))
    for z in (kerb - 1.2, kerb - 2.2, (kerb + 2 * lane + back) / 2, back - 0.8):
        place.crossing("walker", z, spread=0.35)
    if rng.random() < 0.6:
        edge = rng.uniform(-8, 8)
        near = np.array([[edge, 0], [45, 0], [45, back], [edge + rng.uniform(-4, 4), back]])
        place.shadows.append((near, rng.uniform(0.25, 0.5)))
    return place


def _turned(route: Route, z: float) -> Route:
    return Route(route.kind, (route.end[0], z), (route.start[0], z), both=False, spread=route.spread)


def _avenue(rng: np.random.Generator, place: Place, z: float, x: tuple[float, float]) -> None:
    """Add trees and lamp posts in a row."""
    step = rng.uniform(4.5, 9)
    if rng.random() < 0.75:
        for at in np.arange(x[0] + rng.uniform(0, step), x[1], step):
            wide, level = rng.uniform(2, 4), rng.uniform(3.2, 4.6)
            place.solids.append(box(at, z, (0.24, level, 0.24), colour_of(rng, (0.05, 0.1), 0.4, 0.28)))
            place.trees.append(Tree(at, z, level, (wide * rng.uniform(0.8, 1.2), wide)))
            around = np.linspace(0, 2 * np.pi, 12, endpoint=False)
            blot = np.stack([at + 1.2 + 0.5 * wide * np.cos(around), z + 0.4 + 0.3 * wide * np.sin(around)], axis=1)
            place.shadows.append((blot, 0.35))
    for at in np.arange(x[0] + rng.uniform(0, 14), x[1], 14.0):
        place.solids.append(box(at, z - 0.4, (0.12, 5.5, 0.12), grey_of(rng, 0.25, 0.6)))


def road(rng: np.random.Generator) -> Place:
    """Return a road that runs away from a camera on a bridge or mast: vehicles come and go."""
    view = View(rng.uniform(5, 8.5), rng.uniform(0.2, 0.34), rng.uniform(-0.15, 0.15), rng.uniform(0.95, 1.4))
    place = Place(view)
    lane, lanes, far = 3.4, int(rng.choice([2, 2, 4])), 95.0
    half = lane * lanes / 2
    side = rng.uniform(3, 8)
    left, right = pick(rng, front, woods, bricks), pick(rng, front, front, woods)
    place.planes = [
        across(pick(rng, front, woods, woods), (-90, 90), far + 20, rng.uniform(5, 14), 0.8, 12),
        ground(pick(rng, grass, grass, paving), (-90, 90), (0, far + 20), 12),
        ground(asphalt, (-half, half), (0, far), 24),
    ]
    if rng.random() < 0.7:
        place.planes.append(beside(left, -half - side, (2, far), rng.uniform(1, 9), 0.8))
    if rng.random() < 0.7:
        place.planes.append(beside(right, half + side, (2, far), rng.uniform(1, 9), 0.95))
    white = (226, 226, 220)
    for x in (-half + 0.2, half - 0.2):
        place.line((x, 0.5), (x, far), 0.15, white)
    for x in np.arange(-half + lane, half - 0.1, lane):
        for z in np.arange(1.0, far, 9.0):
            place.line((x, z), (x, z + (8.5 if abs(x) < 0.1 and lanes == 4 else 4.0)), 0.15, white)
    for x in np.arange(-half + lane / 2, half, lane):
        start, end = ((x, 1.0), (x, far - 5)) if x > 0 else ((x, far - 5), (x, 1.0))
        place.routes += [Route("vehicle", start, end, both=False, spread=0.3)] * 2
    for sign in (-1, 1):
        if rng.random() < 0.6:
            at = sign * (half + 0.5 * side)
            for z in np.arange(rng.uniform(10, 16), 70, rng.uniform(8, 14)):
                wide, level = rng.uniform(2.5, 5), rng.uniform(3, 5)
                place.solids.append(box(at, z, (0.3, level, 0.3), colour_of(rng, (0.05, 0.1), 0.4, 0.28)))
                place.trees.append(Tree(at, z, level, (wide, wide)))
        place.routes.append(Route("walker", (sign * (half + 1.0), 1.0), (sign * (half + 1.0), 60.0), spread=0.4))
    place.solids.sort(key=lambda solid: -float(solid.corners[:, 2].mean()))
    return place


def parking(rng: np.random.Generator) -> Place:
    """Return a car park seen from a roof: rows of bays, some taken, an aisle, a hedge or houses behind."""
    view = View(rng.uniform(5, 8), rng.uniform(0.32, 0.5), rng.uniform(-0.4, 0.4), rng.uniform(0.85, 1.2))
    place = Place(view)
    first, bay = rng.uniform(6.5, 9), 2.6
    aisle = first + 5.0
    second, back = aisle + 6.0, aisle + 6.0 + 5.0 + rng.uniform(2, 6)
    place.planes = [
        across(pick(rng, front, bricks, concrete), (-50, 50), back + 3, rng.uniform(2.5, 8), 0.9, 24),
        ground(pick(rng, asphalt, asphalt, paving), (-50, 50), (0, back), 26),
        ground(pick(rng, grass, paving), (-50, 50), (back, back + 3), 24),
    ]
    white = (222, 222, 214)
    for z, turn in ((first, 1.0), (second, -1.0)):
        taken = rng.uniform(0.3, 0.85)
        for x in np.arange(-12 * bay, 12 * bay, bay):
            place.line((x, z), (x, z + 5), 0.12, white)
            if rng.random() < taken:
                pose = Pose(x + bay / 2 + rng.uniform(-0.15, 0.15), z + 2.5, (0.0, turn * rng.choice([-1.0, 1.0])))
                place.parked.append((Vehicle(rng, 0.0), pose))
    place.parked.sort(key=lambda there: -there[1].z)
    _avenue(rng, place, back + 1.0, (-28, 28))
    place.crossing("vehicle", aisle + 1.6, both=False, spread=0.3)
    place.routes.append(_turned(place.routes[-1], aisle + 4.2))
    for z in (first - 1.2, aisle + 0.6, aisle + 3.0, back - 0.7):
        place.crossing("walker", z, spread=0.4)
    return place


def plaza(rng: np.random.Generator) -> Place:
    """Return a square or yard: paving, lawn, benches, trees, a house front; people cross it in all directions."""
    view = View(rng.uniform(3.2, 6), rng.uniform(0.2, 0.36), rng.uniform(-0.4, 0.4), rng.uniform(0.8, 1.2))
    place = Place(view)
    back = rng.uniform(14, 24)
    place.planes = [
        across(front, (-45, 45), back, rng.uniform(5, 12), 1.0, 26),
        ground(pick(rng, paving, tiles, screed), (-45, 45), (0, back), 34),
    ]
    for _ in range(rng.integers(0, 3)):
        x, z = rng.uniform(-14, 8), rng.uniform(6, back - 4)
        place.planes.append(ground(grass, (x, x + rng.uniform(3, 9)), (z, z + rng.uniform(1.5, 3.5)), 30))
    for _ in range(rng.integers(1, 6)):
        size = rng.uniform(0.5, 2.2), rng.uniform(0.4, 1.0), rng.uniform(0.4, 0.8)
        tone = colour_of(rng, (0.0, 1.0), 0.3, 0.5)
        place.solids.append(box(rng.uniform(-9, 9), rng.uniform(6, back - 1), size, tone, rng.uniform(-0.7, 0.7)))
    _avenue(rng, place, back - rng.uniform(1.5, 4), (-24, 24))
    place.solids.sort(key=lambda solid: -float(solid.corners[:, 2].mean()))
    depths = np.linspace(5.5, back - 1, 4)
    for z in depths:
        place.crossing("walker", float(z), spread=0.8)
    for near, far in ((depths[0], depths[2]), (depths[3], depths[1])):
        start, end = (place.reach(near, 1.5)[0], float(near)), (place.reach(far, 1.5)[1], float(far))
        place.routes.append(Route("walker", start, end, spread=0.8))
    if rng.random() < 0.5:
        edge = rng.uniform(-6, 6)
        shade = np.array([[-45, 0], [edge, 0], [edge + rng.uniform(-5, 5), back], [-45, back]])
        place.shadows.append((shade, rng.uniform(0.25, 0.5)))
    return place
