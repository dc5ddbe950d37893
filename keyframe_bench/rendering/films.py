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
camera   a fixed camera: walkers and cars cross an otherwise empty scene; one shot, exact events
mixed    all of it but the events
======== ============================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ..core.annotation import Annotation
from ..core.errors import UsageError
from ..core.files import cache_folder
from ..core.seeding import rng_for
from ..video.encode import write_h264
from .plan import KINDS, RENDERER_VERSION, FilmPlan, plan_film
from .scenes import Scene, draw_actor, some_actor
from .surfaces import Grain, Picture

__all__ = ["KINDS", "RENDERER_VERSION", "demo_annotation", "demo_video", "render_video"]


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
    plan = plan_film(kind, seed, fps=fps, duration_s=duration_s)
    write_h264(path, draw_frames(plan, height=int(height), width=int(width)), fps)
    return plan.annotation()


def draw_frames(plan: FilmPlan, *, height: int, width: int) -> Iterator[Picture]:
    """Yield the pictures of ``plan`` in order, RGB uint8 [height, width, 3]."""
    base_hue, size = float(rng_for(plan.seed, "hue", plan.kind).random()), (height, width)

    def scene(i: int) -> Scene:
        shot = plan.shots[i]
        rng, span_s = rng_for(plan.seed, "scene", plan.kind, i), (shot.end - shot.first) / plan.fps
        return Scene(rng, i, base_hue, size=size, span_s=span_s, motion=shot.motion)

    events = iter(enumerate(plan.events or ()))
    passing = next(events, None)
    before, now = None, scene(0)
    for i, shot in enumerate(plan.shots):
        after = scene(i + 1) if i + 1 < len(plan.shots) else None
        rng = rng_for(plan.seed, "grain", plan.kind, i)
        grain = Grain(rng, shot.noise, size, shot.end - shot.first) if shot.noise else None
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
            if passing is not None and frame >= passing[1][1]:
                passing = next(events, None)
            if passing is not None and frame >= passing[1][0]:
                _draw_event(picture, plan, *passing, frame)
            if shot.flash[0] <= frame < shot.flash[1]:
                picture = cv2.convertScaleAbs(picture, alpha=0.35, beta=165.0)
            yield picture if grain is None else grain.add(picture, frame - shot.first)
        before, now = now, after if after is not None else now


def _draw_event(picture: Picture, plan: FilmPlan, index: int, event: tuple[int, int], frame: int) -> None:
    """Draw what crosses the scene of a fixed camera: partly visible in the first and last frame of its event."""
    rng = rng_for(plan.seed, "actor", plan.kind, index)
    actor = some_actor(rng, float(rng.random()))
    z, left = rng.uniform(6, 9), bool(rng.random() < 0.5)
    across = 2 * (frame - event[0] + 1) / (event[1] - event[0] + 1) - 1
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
    if path is not None:
        target = Path(path)
    else:
        plan_film(_DEMO_KIND, seed, duration_s=_DEMO_S)  # a wrong seed must not become part of a file name
        target = cache_folder() / f"demo-seed{seed}-renderer{RENDERER_VERSION}.mp4"
        if target.is_file() and target.stat().st_size > 0:  # complete: it was renamed into place
            return target
    render_video(target, _DEMO_KIND, seed, duration_s=_DEMO_S)
    return target


def demo_annotation(seed: int = 0) -> Annotation:
    """Return the exact shots and key frames of ``demo_video(seed=seed)``, without rendering it."""
    return plan_film(_DEMO_KIND, seed, duration_s=_DEMO_S).annotation()
