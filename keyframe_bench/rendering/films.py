"""Rendered videos with an exactly known answer: real H.264 files for tests, demos and the data set ``synthetic``.

======== ============================================================================================
kind     what it shows
======== ============================================================================================
cuts     hard cuts between different places, camera and things moving gently
dissolves cross-fades of 0.5 to 1 s; the shot boundary is the middle of the fade
pans     a fast camera inside every shot, hard cuts between them
static   one picture, nothing moves
flashes  hard cuts, and inside shots one or two flash-lit frames that are no boundary
noise    hard cuts under strong sensor noise
camera   a fixed camera: walkers, cars and balls cross an otherwise empty scene; one shot, exact events
mixed    all of it but the events
======== ============================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..core.annotation import Annotation
from ..core.errors import UsageError
from ..core.files import cache_folder
from ..core.seeding import rng_for
from ..video.encode import write_h264
from .plan import KINDS, Plan, make_plan
from .scenes import Picture, Scene, palette, some_thing

__all__ = ["KINDS", "RENDERER_VERSION", "demo_annotation", "demo_video", "render_video"]

RENDERER_VERSION = 1  # bump it when the same parameters may give another video

_DEMO_KIND, _DEMO_S = "mixed", 12.0


def render_video(
    path: str | Path,
    kind: str,
    seed: int,
    *,
    height: int = 240,
    width: int = 320,
    fps: float = 25,
    duration_s: float = 12.0,
) -> Annotation:
    """Render a video and return what is in it.

    The same arguments give the same bytes on one machine and version of the encoder. A few pictures are held at a time,
    so that the length is bounded by the disk only; small pictures render fast.

    Parameters
    ----------
    path : str or Path
        An MP4 file; it appears only when it is complete and replaces what was there.
    kind : str
        One of `KINDS`.
    seed : int
        At least 0.
    height, width : int
        Pixels, even, 16 to 4096.
    fps : float
        Frames per second, 1 to 240.
    duration_s : float
        Seconds; the video has ``round(duration_s * fps)`` frames, at least 1.

    Returns
    -------
    Annotation
        Shots (and, for ``camera``, events) as half-open ranges of ordinals, int64 [., 2]; one user ``truth`` with the
        middle frame of each shot, or of each event and of the empty scene. A shot that follows a dissolve begins in its
        middle.

    Raises
    ------
    UsageError
        For a wrong kind, seed, size, rate or duration.
    OutputError
        If the file cannot be written.
    """
    for name, size in (("height", height), ("width", width)):
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size % 2 or not 16 <= size <= 4096:
            raise UsageError(f"{name}={size!r} is not an even whole number between 16 and 4096")
    plan = make_plan(kind, seed, fps=fps, duration_s=duration_s)
    write_h264(path, draw_frames(plan, height=int(height), width=int(width)), fps)
    return plan.annotation()


def draw_frames(plan: Plan, *, height: int, width: int) -> Iterator[Picture]:
    """Yield the pictures of ``plan`` in order, RGB uint8 [height, width, 3]."""
    import cv2

    base_hue = float(rng_for(plan.seed, "hue", plan.kind).random())

    def scene(i: int) -> Scene:
        shot = plan.shots[i]
        span = (shot.end - shot.first) / plan.fps
        rng = rng_for(plan.seed, "scene", plan.kind, i)
        return Scene(rng, i, base_hue, height=height, width=width, span_s=span, motion=shot.motion)

    actors = _Actors(plan, height, width)
    before, now = None, scene(0)
    for i, shot in enumerate(plan.shots):
        after = scene(i + 1) if i + 1 < len(plan.shots) else None
        grain = _Grain(plan, i, height, width) if shot.noise else None
        fade_in = plan.shots[i - 1].fade if i else 0
        for frame in range(shot.first, shot.end):
            picture = now.draw((frame - shot.first) / plan.fps)
            if before is not None and frame < shot.first + fade_in // 2:
                other = before.draw((frame - plan.shots[i - 1].first) / plan.fps)
                weight = (frame - shot.first + fade_in // 2 + 1) / (fade_in + 1)
                picture = cv2.addWeighted(picture, weight, other, 1 - weight, 0)
            elif after is not None and frame >= shot.end - shot.fade // 2:
                other = after.draw((frame - shot.end) / plan.fps)
                weight = (frame - shot.end + shot.fade // 2 + 1) / (shot.fade + 1)
                picture = cv2.addWeighted(other, weight, picture, 1 - weight, 0)
            actors.draw(picture, frame)
            if shot.flash[0] <= frame < shot.flash[1]:
                picture = cv2.convertScaleAbs(picture, alpha=0.35, beta=165.0)
            yield picture if grain is None else grain.add(picture, frame)
        before, now = now, after if after is not None else now


class _Grain:
    """Sensor noise: one field of Gaussian grain per shot, shown at another place in every frame."""

    def __init__(self, plan: Plan, index: int, height: int, width: int) -> None:
        rng = rng_for(plan.seed, "grain", plan.kind, index)
        shape = height + 32, width + 32, 3
        self._field = np.rint(plan.shots[index].noise * rng.standard_normal(shape, dtype=np.float32)).astype(np.int16)
        count = plan.shots[index].end - plan.shots[index].first
        self._first, self._places = plan.shots[index].first, rng.integers(0, 33, size=(count, 2), dtype=np.int8)

    def add(self, picture: Picture, frame: int) -> Picture:
        import cv2

        height, width = picture.shape[:2]
        y, x = self._places[frame - self._first].tolist()
        return cv2.add(picture, self._field[y : y + height, x : x + width], dtype=cv2.CV_8U)


class _Actors:
    """What crosses the scene of a fixed camera: at least partly visible in exactly the frames of its event."""

    def __init__(self, plan: Plan, height: int, width: int) -> None:
        self._plan, self._height, self._width = plan, height, width
        self._events = plan.events or ()
        self._index = -1
        self._end = 0

    def _enter(self, index: int) -> None:
        rng = rng_for(self._plan.seed, "actor", self._plan.kind, index)
        self._index, self._end = index, self._events[index][1]
        self._thing = some_thing(rng, palette(rng, 0, float(rng.random())))
        self._size = self._height * rng.uniform(0.3, 0.42)
        self._feet = self._height * rng.uniform(0.8, 0.95)
        self._to_the_left = rng.random() < 0.5

    def draw(self, picture: Picture, frame: int) -> None:
        """Draw the actor of ``frame`` if there is one; frames must come in order."""
        if frame >= self._end:
            following = self._index + 1
            if following >= len(self._events) or frame < self._events[following][0]:
                return
            self._enter(following)
        first, end = self._events[self._index]
        share = (frame - first + 1) / (end - first + 1)
        half = self._thing.half_width * self._size
        x = -half + share * (self._width + 2 * half)
        x = self._width - x if self._to_the_left else x
        self._thing.draw(picture, x, self._feet, self._size, 9 * frame / self._plan.fps)


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
    if path is not None:
        target = Path(path)
    else:
        make_plan(_DEMO_KIND, seed, duration_s=_DEMO_S)  # a wrong seed must not become part of a file name
        target = cache_folder() / f"demo-seed{seed}-renderer{RENDERER_VERSION}.mp4"
        if target.is_file() and target.stat().st_size > 0:  # complete: it was renamed into place
            return target
    render_video(target, _DEMO_KIND, seed, duration_s=_DEMO_S)
    return target


def demo_annotation(seed: int = 0) -> Annotation:
    """Return the exact shots and key frames of ``demo_video(seed=seed)``, without rendering it."""
    return make_plan(_DEMO_KIND, seed, duration_s=_DEMO_S).annotation()
