"""What happens before a rendered camera: who passes when and where, and how the light changes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._actors import Actor, Pose, Vehicle, Walker
from ._places import Place, Route
from ._projection import View

_SEEN = 0.01  # of the picture's height: what overlaps it by less is not there
_STEP_M = 0.75  # length of half a stride


@dataclass(frozen=True)
class Conditions:
    """What a level fixes.

    Attributes
    ----------
    places : tuple of str
    gap_s : (float, float)
        Seconds from one arrival to the next; where ``alone``, from one leaving to the next arrival.
    alone : bool
    phases_s : (float, float) or None
        Seconds in which people come, and after them seconds in which nobody does; None: no such phases.
    noise : float
        Standard deviation of the grain in 8-bit units.
    drift, flicker, clouds : float
        Largest slow change of the light, standard deviation from frame to frame, largest loss by a cloud or a step of
        the exposure; shares of the light.
    sway : float
        Of tree crowns, share of the picture's height.
    grey, clock : bool
        A camera without colour; the time of day in a corner, which is no event.
    """

    places: tuple[str, ...]
    gap_s: tuple[float, float]
    alone: bool
    phases_s: tuple[float, float] | None
    noise: float
    drift: float
    flicker: float
    clouds: float
    sway: float
    grey: bool = False
    clock: bool = False


@dataclass(frozen=True)
class Visit:
    """Somebody or something that passes.

    Attributes
    ----------
    actor : Walker or Vehicle
    start, end : (float, float)
        Of the way, (x, z) in metres.
    begins_s : float
    speed : float
        Metres per second.
    pause : (float, float)
        Share of the way after which it stops, and for how many seconds.
    first, stop : int
        Frames in which it can be seen, half-open.
    """

    actor: Actor
    start: tuple[float, float]
    end: tuple[float, float]
    begins_s: float
    speed: float
    pause: tuple[float, float] = (1.0, 0.0)
    first: int = 0
    stop: int = 0

    @property
    def length(self) -> float:
        """Of the way, metres."""
        return math.dist(self.start, self.end)

    @property
    def ends_s(self) -> float:
        """When it is at the end of its way."""
        return self.begins_s + self.length / self.speed + self.pause[1]

    @property
    def heading(self) -> tuple[float, float]:
        """Unit vector in x and z."""
        return (self.end[0] - self.start[0]) / self.length, (self.end[1] - self.start[1]) / self.length

    def walked(self, t: NDArray[Any]) -> NDArray[Any]:
        """Return the metres behind it at times ``t``."""
        run = t - self.begins_s
        stands_at = self.pause[0] * self.length / self.speed
        return self.speed * np.where(run <= stands_at, run, np.maximum(stands_at, run - self.pause[1]))

    def pose(self, t: float) -> Pose:
        """Return place, heading and phase of the step at time ``t``."""
        far = float(self.walked(np.array(t)))
        x, z = (a + h * far for a, h in zip(self.start, self.heading, strict=True))
        return Pose(x, z, self.heading, math.pi * far / _STEP_M)


def make_visits(rng: np.random.Generator, place: Place, conditions: Conditions, n: int, fps: float) -> Iterator[Visit]:
    """Yield who passes, with the frames in which they are seen."""
    duration = n / fps
    pace = min(1.0, duration / 60)
    t = pace * rng.uniform(*conditions.gap_s) + 0.02 * duration
    busy_until = t + pace * conditions.phases_s[0] if conditions.phases_s else math.inf
    latest = 0.0
    while t < duration:
        visit = _visit(rng, place.routes[int(rng.integers(len(place.routes)))], t)
        latest = max(latest, visit.ends_s)
        seen = _seen(visit, place.view, n, fps)
        if seen is not None:
            yield Visit(visit.actor, visit.start, visit.end, t, visit.speed, visit.pause, *seen)
        t = (visit.ends_s if conditions.alone else t) + pace * rng.uniform(*conditions.gap_s)
        if t > busy_until and conditions.phases_s is not None:
            t = latest + pace * conditions.phases_s[1] * rng.uniform(0.6, 1.4)
            busy_until = t + pace * conditions.phases_s[0] * rng.uniform(0.6, 1.4)


def _visit(rng: np.random.Generator, route: Route, t: float) -> Visit:
    actor: Actor = Walker(rng) if route.kind == "walker" else Vehicle(rng)
    start, end = (route.end, route.start) if route.both and rng.random() < 0.5 else (route.start, route.end)
    aside = rng.uniform(-route.spread, route.spread)
    length = max(math.dist(start, end), 1e-6)
    shift = aside * (end[1] - start[1]) / length, -aside * (end[0] - start[0]) / length
    start, end = (start[0] + shift[0], start[1] + shift[1]), (end[0] + shift[0], end[1] + shift[1])
    pauses = route.kind == "walker" and rng.random() < 0.2
    pause = (float(rng.uniform(0.35, 0.65)), float(rng.uniform(1.5, 5))) if pauses else (1.0, 0.0)
    return Visit(actor, start, end, t, float(rng.uniform(*actor.speed)), pause)


def _seen(visit: Visit, view: View, n: int, fps: float) -> tuple[int, int] | None:
    """Return the half-open range of frames in which a visitor overlaps the picture; None when there is none."""
    first, stop = math.ceil(visit.begins_s * fps), min(n, math.floor(visit.ends_s * fps) + 1)
    if stop <= first:
        return None
    far = visit.walked(np.arange(first, stop) / fps)
    places = [a + h * far for a, h in zip(visit.start, visit.heading, strict=True)]
    seen = view.to_camera(visit.actor.hull(places[0], places[1], visit.heading))
    corners = view.on_picture(seen)
    low, high = corners.min(axis=1), corners.max(axis=1)
    inside = np.minimum(high, (view.aspect, 1.0)) - np.maximum(low, 0.0) > _SEEN
    frames = np.flatnonzero(inside.all(axis=1) & (seen[..., 2].min(axis=1) > 0.5))
    return (first + int(frames[0]), first + int(frames[-1]) + 1) if frames.size else None


def merged(spans: list[tuple[int, int]]) -> NDArray[np.int64]:
    """Return the union of half-open ranges as disjoint ones in order; those that touch become one."""
    found: list[list[int]] = []
    for first, stop in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1][1] = max(found[-1][1], stop)
        else:
            found.append([first, stop])
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def make_light(rng: np.random.Generator, conditions: Conditions, n: int, fps: float) -> NDArray[np.float32]:
    """Return the factors on red, green and blue of every frame, float32 [n, 3]."""
    t = np.arange(n) / fps
    gain = 1 + conditions.drift * np.sin(2 * np.pi * (t / rng.uniform(40, 90) + rng.random()))
    gain += conditions.flicker * rng.standard_normal(n)
    knots, values = [0.0], [1.0]
    while conditions.clouds > 0 and knots[-1] < t[-1]:
        begins = knots[-1] + rng.uniform(4, 16)
        lasts = 0.15 if rng.random() < 0.35 else rng.uniform(1, 4)  # a step of the exposure, or a cloud
        knots += [begins, begins + lasts]
        values += [values[-1], 1 - conditions.clouds * rng.random()]
    dimmed = np.interp(t, knots, values)
    tint = 1 + np.array([0.12, 0.0, -0.1]) * (dimmed[:, None] - 1)
    return ((gain * dimmed)[:, None] * tint).astype(np.float32)
