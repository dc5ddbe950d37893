"""Rendered videos with an exactly known answer: real H.264 files for tests, demos and the data set ``synthetic``.

======== ============================================================================================
kind     what it shows
======== ============================================================================================
cuts     hard cuts between different places, camera and things moving gently
dissolves cross-fades of 0.5 to 1 s; the shot boundary is the middle of the fade
pans     a fast camera inside every shot, hard cuts between them
static   one image, nothing moves
flashes  hard cuts, and inside shots one or two flash-lit frames that are no boundary
noise    hard cuts under strong sensor noise
camera   a fixed camera: walkers and cars cross an otherwise empty scene; one shot, exact events
mixed    all of it but the events
======== ============================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from ..core.annotation import Annotation
from ..core.files import cache_folder
from ..core.seeding import rng_for
from ..video.encode import write_h264
from .bodies import Actor, Picture, Pose, Rng, Size, Vehicle, View, Walker, hsv
from .painting import Grain, Scenery, blend
from .places import PLACES
from .plan import RENDERER_VERSION, FilmPlan, check

_EYE_M, _FOCAL = 2.0, 1.3  # of the camera, which looks straight ahead
_STILL_SIZE = 288, 576  # height and width of an image to train on


def render_video(
    path: str | Path, kind: str, seed: int, *, height: int = 240, width: int = 320, **timing: float
) -> Annotation:
    """Render a video and return what is in it.

    The same arguments give the same bytes on one machine and version of the encoder. A few images are held at a time,
    so that the length is bounded by the disk only; small images render fast. Raises `UsageError` for a wrong kind,
    seed, size, rate or duration; `OutputError` if the file cannot be written.

    The annotation has shots (and, for ``camera``, events) as half-open ranges of ordinals, int64 [., 2]; one user
    ``truth`` with the middle frame of each shot, or of each event and of the empty scene. A shot that follows a
    dissolve begins in its middle.

    Parameters
    ----------
    path : str or Path
        An MP4 file; it appears only when it is complete and replaces what was there.
    kind : str
        One of `keyframe_bench.rendering.plan.KINDS`.
    seed : int
        At least 0.
    height, width : int
        Pixels, even, 16 to 4096.
    **timing
        ``fps`` and ``duration_s`` of `FilmPlan`.
    """
    check(height=height, width=width)
    plan = FilmPlan(kind, seed, **timing)
    write_h264(path, draw_frames(plan, height=height, width=width), plan.fps)
    return plan.annotation


def draw_frames(plan: FilmPlan, *, height: int, width: int) -> Iterator[Picture]:
    """Yield the images of ``plan`` in order, RGB uint8 [height, width, 3]."""
    shots, size = plan.shots, (int(height), int(width))
    base_hue = float(rng_for(plan.seed, "hue", plan.kind).random())
    fading, crossed = dict[int, int](), dict[int, int]()  # the second shot of a cross-fade, the event, by frame
    for i, shot in enumerate(shots):
        fading |= dict.fromkeys(range(shot.end - shot.fade // 2, shot.end + shot.fade // 2), i + 1)
    for i, event in enumerate(plan.events.tolist()):
        crossed |= dict.fromkeys(range(*event), i)

    @lru_cache(2)
    def scene(i: int) -> Scene:
        span_s = (shots[i].end - shots[i].first) / plan.fps
        return Scene(rng_for(plan.seed, "scene", plan.kind, i), i, base_hue, size, shots[i].motion, span_s=span_s)

    def shown(i: int, frame: int) -> Picture:
        return scene(i).draw((frame - shots[i].first) / plan.fps)

    for i, shot in enumerate(shots):
        rng = rng_for(plan.seed, "grain", plan.kind, i)
        grain = Grain(rng, shot.noise, size, shot.end - shot.first) if shot.noise else None
        for frame in range(shot.first, shot.end):
            if late := fading.get(frame):
                before = shots[late - 1]
                weight = (frame - before.end + before.fade // 2 + 1) / (before.fade + 1)
                picture = cv2.addWeighted(shown(late, frame), weight, shown(late - 1, frame), 1 - weight, 0)
            else:
                picture = shown(i, frame)
            if frame in crossed:
                _draw_event(picture, plan, crossed[frame], frame)
            if shot.flash[0] <= frame < shot.flash[1]:
                picture = cv2.convertScaleAbs(picture, alpha=0.35, beta=165.0)
            yield picture if grain is None else grain.add(picture, frame - shot.first)


def _draw_event(picture: Picture, plan: FilmPlan, index: int, frame: int) -> None:
    """Draw what crosses the scene of a fixed camera: partly visible in the first and last frame of its event."""
    rng = rng_for(plan.seed, "actor", plan.kind, index)
    actor = some_actor(rng, float(rng.random()))
    z, left, (first, end) = rng.uniform(6, 9), bool(rng.random() < 0.5), plan.events[index].tolist()
    across = 2 * (frame - first + 1) / (end - first + 1) - 1
    draw_actor(picture, actor, -across if left else across, z, 9 * frame / plan.fps, to_the_left=left)


def demo_video(path: str | Path | None = None, seed: int = 0) -> Path:
    """Return a rendered video of 12 s (kind ``mixed``, 320 x 240, 25 frames per second) whose answer is known.

    Parameters
    ----------
    path : str or Path, optional
        MP4 file to write, replacing what was there; by default a file in `cache_folder`, rendered only once.
    seed : int
        Which video.

    Returns
    -------
    Path
        The file; what is in it says `demo_annotation`.

    Raises
    ------
    UsageError, OutputError
        As `render_video`.
    """
    if path is None:
        check(seed=seed)  # a wrong one must not become part of a file name
        path = cache_folder() / f"demo-seed{seed}-renderer{RENDERER_VERSION}.mp4"
        if path.is_file() and path.stat().st_size > 0:  # complete: it was renamed into place
            return path
    render_video(path, "mixed", seed)
    return Path(path)


def demo_annotation(seed: int = 0) -> Annotation:
    """Return the exact shots and key frames of ``demo_video(seed=seed)``, without rendering it."""
    return FilmPlan("mixed", seed).annotation


def some_actor(rng: Rng, hue: float, *, vehicles: bool = True) -> Actor:
    """Return a walker or a vehicle in a strong colour."""
    colour = hsv(hue, rng.uniform(0.5, 0.8), rng.uniform(0.6, 0.95))
    return Vehicle(rng, colour) if vehicles and rng.random() < 0.5 else Walker(rng, colour)


def draw_actor(picture: Picture, actor: Actor, across: float, z: float, phase: float, *, to_the_left: bool) -> None:
    """Draw an actor ``z`` metres away that passes from side to side.

    Its middle is at ``across``: -1 and 1 are where it has just left the image on the left and on the right.
    """
    view = View((0.0, _EYE_M, 0.0), 0.0, 0.0, _FOCAL, picture.shape[1] / picture.shape[0])
    end = view.aspect / 2 / view.focal * (z - actor.size[1] / 2) + actor.size[0] / 2
    actor.draw(picture, view, Pose(across * end, z, (-1.0 if to_the_left else 1.0, 0.0), phase))


class Scene:
    """One place, filmed: ``draw(t)`` gives its image at any time (also before 0, for cross-fades).

    Parameters
    ----------
    rng : numpy.random.Generator
    index : int
        Number of the scene in its video: neighbours differ in place, hue and brightness.
    base_hue : float
        Hue of scene 0, 0..1.
    size : (int, int)
        Height and width of the images, pixels.
    motion : {"live", "pan", "still", "empty"}
        Swaying camera and moving things; a camera that travels sideways; nothing moves; nothing but the background.
    span_s : float
        Seconds it is filmed, for the reach of a pan.
    tint : float
        How far the colours of the place lean to the hue, 0..1.
    """

    def __init__(
        self, rng: Rng, index: int, base_hue: float, size: Size, motion: str, *, span_s: float = 1.0, tint: float = 0.6
    ) -> None:
        (self.height, self.width), self.motion = size, motion
        hue = base_hue + index * 0.381966  # the golden angle: hues of neighbouring shots lie far apart
        self._margin = max(round(0.08 * self.height), 2)
        speed = rng.uniform(0.35, 0.5) * self.width if motion == "pan" else 0.0
        self._travel = speed * rng.choice([-1.0, 1.0])
        self._reach = math.ceil(speed * (span_s + 1.0))  # a cross-fade shows up to half a second before and after
        high, wide = self.height + 2 * self._margin, self.width + 2 * self._margin + self._reach
        kind = ("street", "room", "plaza", "corridor")[index % 4]
        place = PLACES[kind](rng, view=View((0.0, _EYE_M, 0.0), 0.0, 0.0, _FOCAL, wide / high))
        scenery = Scenery(rng, place, (high, wide), finer=1)
        for crown in scenery.crowns:
            crown.draw(scenery.background)
        # Colours of the place lean to the hue; scenes are bright and dim by turns.
        light = rng.uniform(0.95, 1.0) if index % 2 == 0 else rng.uniform(0.38, 0.46)
        saturation = rng.uniform(0.35, 0.6)
        grey = cv2.cvtColor(scenery.background, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
        tinted = blend(grey, hsv(hue + rng.uniform(-0.06, 0.06), 0.7, 0.1), hsv(hue, saturation, light))
        self._canvas = cv2.addWeighted(scenery.background, (1 - tint) * light, tinted, tint, 0)
        count = 0 if motion == "empty" else 1 + index % 2
        self._actors = [some_actor(rng, hue + rng.uniform(0.42, 0.58), vehicles=index % 2 == 0) for _ in range(count)]
        paths = rng.uniform(0, 1, size=(count, 4))
        self._paths = paths[np.argsort(-paths[:, 1])]  # the farthest first
        self._still = self._draw(0.0) if motion in ("still", "empty") else None

    def draw(self, t: float) -> Picture:
        """Return the image at ``t`` seconds, RGB uint8 [height, width, 3]; a new array each time."""
        return self._draw(t) if self._still is None else self._still.copy()

    def _draw(self, t: float) -> Picture:
        sway = 0.4 * self._margin if self.motion == "live" else 0.0
        start = self._reach * (0.0 if self._travel > 0 else 1.0)
        x = self._margin + self.width / 2 + start + self._travel * (t + 0.5) + sway * math.sin(1.1 * t)
        y = self._margin + self.height / 2 + sway * math.cos(0.9 * t)
        picture = cv2.getRectSubPix(self._canvas, (self.width, self.height), (x - 0.5, y - 0.5))
        for actor, (place, depth, tempo, phase) in zip(self._actors, self._paths, strict=True):
            turn = 2 * math.pi * (phase + (0.06 + 0.08 * tempo) * t)
            across, left = 0.8 * place - 0.4 + 0.5 * math.sin(turn), math.cos(turn) < 0
            draw_actor(picture, actor, across, 6 + 5 * depth, 7 * t + turn, to_the_left=left)
        return picture


def draw_scene(seed: int, part: str, number: int) -> Picture:
    """Return a `Scene` at a random zoom, brightness, contrast and sharpness, RGB uint8 [288, 576, 3]."""
    rng = rng_for(seed, "scenes", part, number)
    zoom = rng.uniform(1.0, 1.5)
    height, width = (round(side * zoom) for side in _STILL_SIZE)
    motion = str(rng.choice(["live", "live", "empty"]))
    index, hue, tint = int(rng.integers(1000)), float(rng.random()), float(rng.uniform(0, 0.5))
    whole = Scene(rng, index, hue, (height, width), motion, tint=tint).draw(float(rng.uniform(0, 8)))
    top, left = rng.integers(0, height - _STILL_SIZE[0] + 1), rng.integers(0, width - _STILL_SIZE[1] + 1)
    picture = whole[top : top + _STILL_SIZE[0], left : left + _STILL_SIZE[1]]
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 2.5))
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    contrast, grey = rng.uniform(0.6, 1.25), rng.uniform(0, 128)  # that grey stays as it is
    return cast(Picture, cv2.convertScaleAbs(np.ascontiguousarray(picture), alpha=contrast, beta=grey * (1 - contrast)))
