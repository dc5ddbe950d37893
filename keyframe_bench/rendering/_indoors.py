"""Indoor places for rendered cameras: a corridor, a room."""

from __future__ import annotations

import numpy as np

from ._actors import box
from ._places import AHEAD, DOWN, RIGHT, Place, Plane, Route, across, beside, ground, pick
from ._projection import Points, View
from ._textures import bricks, colour_of, concrete, grey_of, painted, planks, screed, tiles


def _door(rng: np.random.Generator, place: Place, corner: tuple[float, float, float], along: Points) -> None:
    frame, leaf = grey_of(rng, 0.3, 0.95), colour_of(rng, (0.0, 1.0), rng.choice([0.1, 0.45]), rng.uniform(0.3, 0.8))
    place.panel(corner, along, (2.15, 1.1), frame)
    inner = np.array(corner) + 0.08 * along + 0.08 * DOWN
    place.panel((inner[0], inner[1], inner[2]), along, (2.07, 0.94), leaf)
    if rng.random() < 0.4:
        pane = inner + 0.25 * along + 0.25 * DOWN
        place.panel((pane[0], pane[1], pane[2]), along, (0.8, 0.44), grey_of(rng, 0.2, 0.95, 0.3))


def corridor(rng: np.random.Generator) -> Place:
    """Return a corridor: floor, ceiling with lamps, doors on both sides; people come from below or through a door."""
    left, right = -rng.uniform(0.8, 1.7), rng.uniform(0.8, 1.7)
    high, long = rng.uniform(2.6, 3.2), rng.uniform(9, 20)
    view = View(high - 0.2, rng.uniform(0.22, 0.4), rng.uniform(-0.12, 0.12), rng.uniform(0.75, 1.05))
    place = Place(view, outdoors=False)
    wall = pick(rng, painted, painted, concrete, bricks, planks)
    floor = pick(rng, tiles, tiles, screed, planks)
    place.planes = [
        across(pick(rng, painted, concrete), (left, right), long, high, 0.8),
        beside(wall, left, (0, long), high, rng.uniform(0.7, 1)),
        beside(wall, right, (0, long), high, rng.uniform(0.7, 1)),
        ground(floor, (left, right), (0, long), 60),
        Plane((left, high, long), RIGHT, -AHEAD, (long, right - left), pick(rng, concrete, tiles), 40.0, 0.95),
    ]
    for z in np.arange(rng.uniform(1.5, 2.5), long - 0.5, rng.uniform(2.2, 3.5)):
        middle = (left + right) / 2
        lamp = [(middle - 0.3, high - 0.01, z), (middle + 0.3, high - 0.01, z)]
        lamp += [(middle + 0.3, high - 0.01, z + 1.1), (middle - 0.3, high - 0.01, z + 1.1)]
        place.panels.append((np.array(lamp), (255, 253, 245)))
        place.lamps.append((middle, high - 0.3, z + 0.5))
    for x, sign in ((left, 1), (right, -1)):
        for z in np.arange(rng.uniform(2.0, 3.5), long - 1.5, rng.uniform(2.4, 4.5)):
            if rng.random() < 0.75:
                _door(rng, place, (x + 0.01 * sign, 2.15, z), AHEAD)
                place.routes.append(Route("walker", (0.0, 0.25), (x + 0.2 * sign, z + 0.5), spread=0.1))
            elif rng.random() < 0.6:
                place.panel((x + 0.01 * sign, 1.9, z), AHEAD, (0.7, 1.0), colour_of(rng, (0, 1), 0.5, 0.7))
    _door(rng, place, ((left + right) / 2 - 0.5, 2.15, long - 0.02), RIGHT)
    place.routes += [Route("walker", (0.0, 0.25), ((left + right) / 2, long - 0.4), spread=0.25)] * 2
    return place


def room(rng: np.random.Generator) -> Place:
    """Return a room or hall seen from a corner: furniture, a door and windows in the back wall, one side wall."""
    deep, high, side = rng.uniform(6, 11), rng.uniform(2.7, 4.0), rng.uniform(4, 8)
    view = View(high - rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.5), rng.uniform(-0.1, 0.3), rng.uniform(0.75, 1.1))
    place = Place(view, outdoors=False)
    wall = pick(rng, painted, painted, concrete, bricks)
    place.planes = [
        across(wall, (-30, side), deep, high, rng.uniform(0.75, 0.95)),
        beside(wall, side, (0, deep), high, rng.uniform(0.65, 1)),
        ground(pick(rng, tiles, planks, screed, planks), (-30, side), (0, deep), 60),
        Plane((-30, high, deep), RIGHT, -AHEAD, (deep, side + 30), pick(rng, concrete, tiles), 40.0, 0.9),
    ]
    left, _ = place.reach(deep, 0)
    doors = rng.uniform(max(left, -4) + 0.5, side - 1.5)
    for x in np.arange(left - 1, side - 1.2, rng.uniform(1.6, 2.6)):
        if abs(x - doors) < 1.6:
            continue
        if rng.random() < 0.5:  # a window or a poster
            tone = (250, 250, 248) if rng.random() < 0.4 else colour_of(rng, (0, 1), 0.4, 0.7)
            shape = rng.uniform(0.5, 1.2), rng.uniform(0.6, 1.3)
            place.panel((x, rng.uniform(1.8, 2.2), deep - 0.01), RIGHT, shape, tone)
        if rng.random() < 0.6:  # something against the wall
            size = rng.uniform(0.6, 1.4), rng.choice([0.75, 1.2, 1.9]), rng.uniform(0.4, 0.7)
            place.solids.append(box(x + 0.5, deep - 0.4, size, colour_of(rng, (0.02, 0.12), 0.4, 0.55)))
    for z in np.arange(2.5, deep - 1.5, 1.8):
        if rng.random() < 0.5:
            size = rng.uniform(0.5, 0.8), rng.choice([0.5, 0.75, 1.3]), rng.uniform(0.6, 1.5)
            place.solids.append(box(side - 0.5, z, size, colour_of(rng, (0.0, 1.0), 0.3, 0.55)))
    for _ in range(rng.integers(0, 4)):  # tables in the room
        x, z = rng.uniform(-2, side - 1.5), rng.uniform(2.6, deep - 2)
        size = rng.uniform(0.5, 1.6), rng.uniform(0.4, 0.8), rng.uniform(0.5, 0.9)
        place.solids.append(box(x, z, size, colour_of(rng, (0.0, 1.0), 0.35, 0.6), rng.uniform(-0.4, 0.4)))
    place.solids.sort(key=lambda solid: -float(np.linalg.norm(solid.corners.mean(axis=0) - view.eye)))
    _door(rng, place, (doors, 2.15, deep - 0.01), RIGHT)
    place.lamps = [(x, high - 0.3, z) for x in (-3.0, 1.0, 5.0) for z in (2.5, 6.0)]
    for z in (0.45 * deep, 0.6 * deep, 0.75 * deep):
        place.routes.append(Route("walker", (place.reach(z, 1.5)[0], z), (doors + 0.5, deep - 0.5), spread=0.15))
    place.routes.append(Route("walker", (0.3, 0.25), (doors + 0.5, deep - 0.5), spread=0.15))
    return place
