"""Rendered images as videos: training that works everywhere, in the place of photographs and of private cameras.

The folder holds ``camera_a.mov``, or ``scenes-train.mov`` and ``scenes-validation.mov``, their ``annotations.json``,
and ``rendered_pictures.json``, the record of what each file was rendered with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.files import digest
from ..core.registry import Range, register
from ..core.seeding import rng_for
from ..core.threads import in_order, n_cores
from ..rendering.plan import CAMERA_FPS, RENDERER_VERSION, SURVEILLANCE_VERSION
from ..video.encode import write_h264, write_lossless
from ._rendered import Entries, RenderedSet
from .base import VideoItem

if TYPE_CHECKING:
    from ..rendering.cameras import Camera

_BLOCK = 18  # images of the mixture, a third of them still scenes, the others of one camera ...
_MIXED_S = 90.0  # ... spread over so many seconds


@register("rendered")
@dataclass(eq=False)
class Rendered(RenderedSet):
    """Rendered images: diverse scenes, a surveillance camera, or a mixture of scenes and many cameras.

    Parameters
    ----------
    root : str, optional
        Folder for the files, empty or rendered by this data set before; by default one in the user's cache
        (``KEYFRAME_BENCH_CACHE``). One folder holds one set: other parameters render it anew.
    kind : {"scenes", "camera_a", "camera_b", "camera_c", "mixed"}
        "scenes": every image another place, in the place of photographs. "camera_a", "camera_b", "camera_c": one
        video of a fixed camera, quiet, medium, or busy under changing light (`keyframe_bench.rendering.cameras`),
        5 frames per second, with its events. "mixed": one third scenes, two thirds frames of many cameras. Scenes and
        mixture are two videos, for training and for validation, which share no place and no camera.
    n, n_validation : int
        Images to train and to validate on; a camera has as many frames as both.
    seed : int
        Other places, other visitors.
    coded : {"lossless", "h264"}
        How they are stored: the very images (PNG, about 0.1 to 0.3 MB each), or as a camera would send them.

    Notes
    -----
    In the place of Caltech 256 and of the private cameras A, B and C of Chen et al. 2021, section 3.1; protocols D. The
    same parameters give the same images up to rounding in the drawing libraries.
    """

    kind: Literal["scenes", "camera_a", "camera_b", "camera_c", "mixed"] = "scenes"
    n: Annotated[int, Range(1)] = 1000
    n_validation: Annotated[int, Range(1)] = 200
    seed: Annotated[int, Range(0)] = 0
    coded: Literal["lossless", "h264"] = "lossless"

    description = "rendered scenes or surveillance cameras to train on; works everywhere"
    licence = "CC0"
    layout = "nothing to prepare"
    record = "rendered_pictures.json"

    def videos(self) -> list[VideoItem]:
        """Return the videos, after rendering those that are missing.

        Two processes may do so at once: files are renamed into place complete.

        Raises
        ------
        UsageError
            If the folder holds files that this data set did not render, or a mixture is to be H.264.
        OutputError
            If the folder cannot be written.
        """
        if self.kind == "mixed" and self.coded == "h264":
            raise UsageError("data set 'rendered': kind=mixed has images of two sizes, which H.264 does not take")
        camera, lossless, root = self._camera(), self.coded == "lossless", self.place(self.revision())
        parts: dict[Literal["", "train", "validation"], int]
        parts = {"": self.n + self.n_validation} if camera else {"train": self.n, "validation": self.n_validation}
        versions = [self.version, RENDERER_VERSION, SURVEILLANCE_VERSION]
        common = {"kind": self.kind, "seed": self.seed, "coded": self.coded, "made_by": versions}
        items, entries, notes = [], Entries(), camera.annotation if camera else None
        for part, count in parts.items():
            name = f"{self.kind}{part and f'-{part}'}.{'mov' if lossless else 'mp4'}"
            entries[name] = {**common, "part": part, "n": count}  # everything its images depend on
            items.append(VideoItem(name, root / name, notes, photographs=camera is None, part=part))

        def render(name: str, path: Path) -> None:
            draw = scene_pictures if self.kind == "scenes" else mixed_pictures
            part, count = entries[name]["part"], entries[name]["n"]
            pictures = camera.pictures() if camera else draw(self.seed, part, count)
            (write_lossless if lossless else write_h264)(path, pictures, CAMERA_FPS if camera else 1)

        return self.make(items, entries, render)

    @property
    def caption(self) -> str:
        """What a table calls the data."""
        named = {"scenes": "rendered scenes", "mixed": "rendered mixture"}
        return named.get(self.kind, f"rendered camera {self.kind[-1].upper()}")

    @property
    def usual_split(self) -> str:  # type: ignore[override]  # depends on a parameter here
        """The parts that it has, or as many earlier frames of a camera as are to train."""
        camera = self.kind.startswith("camera")
        return f"temporal:{self.n / (self.n + self.n_validation):.15g}" if camera else "given"

    def revision(self) -> str:
        """Return a digest of the parameters and of the versions of the renderers."""
        params = {name: value for name, value in self.params.items() if name != "root"}
        return digest([self.version, params, RENDERER_VERSION, SURVEILLANCE_VERSION])

    def _camera(self) -> Camera | None:
        if not self.kind.startswith("camera"):
            return None
        from ..rendering.cameras import Camera  # listing loads no OpenCV

        return Camera(self.kind[-1], self.seed, n_frames=self.n + self.n_validation, fps=CAMERA_FPS)


def scene_pictures(seed: int, part: str, count: int) -> Iterator[NDArray[np.uint8]]:
    """Yield still scenes, every image another place, uint8 [288, 576, 3]; other parts show other places."""
    from ..rendering.films import draw_scene

    yield from in_order(partial(draw_scene, seed, part), range(count))


def mixed_pictures(seed: int, part: str, count: int) -> Iterator[NDArray[np.uint8]]:
    """Yield one third still scenes, two thirds frames of many cameras, of 288 x 576 and 288 x 512 pixels."""
    missing = count
    for block in in_order(partial(_block, seed, part), range(0, count, _BLOCK), room=lambda: n_cores() + 1):
        yield from block[:missing]
        missing -= len(block)


def _block(seed: int, part: str, number: int) -> list[NDArray[np.uint8]]:
    """Return images of one camera, most of them of its events, and half as many scenes, in mixed order."""
    from ..rendering.cameras import Camera
    from ..rendering.films import draw_scene

    rng, n_frames, n_seen = rng_for(seed, "mixed", part, number), round(_MIXED_S * CAMERA_FPS), 2 * _BLOCK // 3
    camera = Camera("any", int(rng.integers(2**31)), n_frames=n_frames, fps=CAMERA_FPS)
    busy = rng.permutation(np.flatnonzero(camera.busy))[: 3 * n_seen // 4]
    others = rng.permutation(np.setdiff1d(np.arange(n_frames), busy))[: n_seen - len(busy)]
    found = [camera.picture(frame) for frame in sorted([*busy.tolist(), *others.tolist()])]
    found += [draw_scene(seed, f"mixed {part}", number + i) for i in range(_BLOCK // 3)]
    return [found[i] for i in rng.permutation(len(found))]
