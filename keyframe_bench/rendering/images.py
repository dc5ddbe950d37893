"""Drawn pictures to train on: still scenes, one camera, and a mixture of scenes and many cameras."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.seeding import rng_for
from ..core.threads import in_order, n_cores
from .cameras import Camera, make_camera
from .plan import CAMERA_FPS
from .scenes import Scene
from .surfaces import Picture

_SCENE_HEIGHT, _SCENE_WIDTH = 288, 576
_PER_CAMERA = 12  # pictures of one camera in the mixture
_MIXED_S = 90.0  # seconds over which they are spread
_STILLS = 3  # one picture in so many of the mixture is a still scene


def camera_pictures(camera: Camera) -> Iterator[Picture]:
    """Yield the frames of a camera, drawn side by side."""
    camera.picture(0)  # painted once, before the threads ask
    yield from in_order(camera.picture, range(camera.n_frames))


def scene_pictures(seed: int, part: str, count: int) -> Iterator[Picture]:
    """Yield still scenes, every picture another place, uint8 [288, 576, 3]; other parts show other places."""
    yield from in_order(partial(_scene, seed, part), range(count))


def mixed_pictures(seed: int, part: str, count: int) -> Iterator[Picture]:
    """Yield one third still scenes, two thirds frames of many cameras, of 288 x 576 and 288 x 512 pixels."""
    blocks = range(0, count, _PER_CAMERA * _STILLS // (_STILLS - 1))
    missing = count
    for block in in_order(partial(_block, seed, part), blocks, room=lambda: n_cores() + 1):
        yield from block[:missing]
        missing -= len(block)


def _scene(seed: int, part: str, number: int) -> Picture:
    return draw_scene(rng_for(seed, "scenes", part, number))


def _block(seed: int, part: str, number: int) -> list[Picture]:
    """Return pictures of one camera and half as many scenes, in mixed order."""
    rng = rng_for(seed, "mixed", part, number)
    n_frames = round(_MIXED_S * CAMERA_FPS)
    camera = make_camera("any", int(rng.integers(2**31)), n_frames=n_frames, fps=CAMERA_FPS)
    found = [camera.picture(int(frame)) for frame in _mostly_events(rng, camera.events, n_frames)]
    found += [_scene(seed, f"mixed {part}", number + i) for i in range(_PER_CAMERA // (_STILLS - 1))]
    return [found[i] for i in rng.permutation(len(found))]


def _mostly_events(rng: np.random.Generator, events: NDArray[np.int64], n_frames: int) -> NDArray[np.int64]:
    """Return frames of a camera, increasing: three in four show something, if there is enough."""
    busy = np.concatenate([np.arange(a, b) for a, b in events] or [np.zeros(0, dtype=np.int64)])
    chosen = rng.permutation(busy)[: 3 * _PER_CAMERA // 4]
    others = rng.permutation(np.setdiff1d(np.arange(n_frames), chosen))[: _PER_CAMERA - len(chosen)]
    return np.sort(np.concatenate([chosen, others]))


def draw_scene(rng: np.random.Generator) -> Picture:
    """Return a scene of `keyframe_bench.rendering.scenes` at a random zoom, brightness, contrast and sharpness."""
    zoom = rng.uniform(1.0, 1.5)
    height, width = round(_SCENE_HEIGHT * zoom), round(_SCENE_WIDTH * zoom)
    motion = str(rng.choice(["live", "live", "empty"]))
    index, hue = int(rng.integers(1000)), float(rng.random())
    scene = Scene(rng, index, hue, size=(height, width), motion=motion, tint=float(rng.uniform(0, 0.5)))
    whole = scene.draw(float(rng.uniform(0, 8)))
    top, left = rng.integers(0, height - _SCENE_HEIGHT + 1), rng.integers(0, width - _SCENE_WIDTH + 1)
    part = whole[top : top + _SCENE_HEIGHT, left : left + _SCENE_WIDTH]
    if rng.random() < 0.3:
        part = cv2.GaussianBlur(part, (0, 0), rng.uniform(0.5, 2.5))
    if rng.random() < 0.5:
        part = part[:, ::-1]
    contrast, grey = rng.uniform(0.6, 1.25), rng.uniform(0, 128)  # that grey stays as it is
    return cast(Picture, cv2.convertScaleAbs(np.ascontiguousarray(part), alpha=contrast, beta=grey * (1 - contrast)))
