"""Pictures that the project renders itself: training that works everywhere, without any file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.files import digest
from ...core.params import Range
from ...core.registry import register
from ...core.seeding import rng_for
from ...core.threads import in_order
from ..data import Pictures, TrainingData
from ..kept_pictures import Append, Facts, keep
from ._image_files import Image, fit
from ._splits import Split, rows_of, split_rows

FPS = 5.0  # of the rendered cameras
_SCENE_HEIGHT, _SCENE_WIDTH = 288, 576
_PER_CAMERA = 12  # pictures of one camera in the mixture
_MIXED_S = 90.0  # seconds over which they are spread
_STILLS = 3  # one picture in so many of the mixture is a still scene


@register("rendered")
class Rendered(TrainingData):
    """Rendered pictures: diverse scenes, a surveillance camera, or a mixture of scenes and many cameras.

    Parameters
    ----------
    kind : {"scenes", "camera_a", "camera_b", "camera_c", "mixed"}
        "scenes": every picture another place, in the place of photographs. "camera_a", "camera_b", "camera_c": a fixed
        camera, quiet, medium, or busy under changing light (`keyframe_bench.video.surveillance`), 5 frames per second;
        the earlier frames are for training, the later ones for validation. "mixed": one third scenes, two thirds frames
        of many cameras, validated on scenes and cameras that are in none of the training pictures.
    n, n_validation : int
        Pictures to train and to validate on.
    seed : int
        Other places, other visitors.
    split : {"temporal", "random"}
        Of a camera's frames: "random" shows how a validation loss flatters whose frames have neighbours in training.

    Notes
    -----
    In the place of Caltech 256 and of the private cameras A, B and C of Chen et al. 2021, section 3.1; protocols D. All
    sizes show the same pictures: they are drawn at one size and then made smaller or larger. The same parameters give
    the same pictures up to rounding in the drawing libraries.
    """

    description = "rendered scenes or surveillance cameras; works everywhere"
    layout = "nothing to prepare"

    def __init__(
        self,
        *,
        kind: Literal["scenes", "camera_a", "camera_b", "camera_c", "mixed"] = "scenes",
        n: Annotated[int, Range(1)] = 1000,
        n_validation: Annotated[int, Range(1)] = 200,
        seed: Annotated[int, Range(0)] = 0,
        split: Split = "temporal",
    ) -> None:
        self.kind = kind
        self.n = n
        self.n_validation = n_validation
        self.seed = seed
        self.split = split

    @property
    def _is_camera(self) -> bool:
        return self.kind.startswith("camera")

    def digest(self) -> str:
        """Return a hash of the options and of the renderers' versions."""
        return digest([self._drawn_digest(), self.split]) if self.split == "random" else self._drawn_digest()

    def _drawn_digest(self) -> str:
        """Return what the drawn pictures depend on: the same for every split."""
        from ...video.surveillance import SURVEILLANCE_VERSION
        from ...video.synthetic import RENDERER_VERSION

        params = {name: value for name, value in self.params.items() if name != "split"}
        return digest([self.name, self.version, params, RENDERER_VERSION, SURVEILLANCE_VERSION])

    def pictures(self, height: int, width: int) -> Pictures:
        """Return the pictures at this size, uint8, RGB; see `TrainingData.pictures`.

        Raises
        ------
        UsageError
            If anything but a camera is to be split at random.
        """
        if self.split == "random" and not self._is_camera:
            raise UsageError(
                f"training data 'rendered': split=random is of a camera's frames, and kind={self.kind} has "
                "other scenes in validation; leave it out or give kind=camera_a"
            )

        def produce(append: Append) -> Facts:
            for pictures in self._drawn(height, width):
                for picture in pictures:
                    append(picture)
            return self._facts()

        kept = keep({"rendered": self._drawn_digest()}, height, width, self.n + self.n_validation, produce)
        train, validation = split_rows(len(kept.rows), self.n, self.split, self.seed)
        return Pictures(
            train=rows_of(kept.rows, train),
            validation=rows_of(kept.rows, validation),
            name={"scenes": "rendered scenes", "mixed": "rendered mixture"}.get(
                self.kind, f"rendered camera {self.kind[-1].upper()}"
            ),
            digest=self.digest(),
            facts={**kept.facts, "split": self.split if self._is_camera else "other scenes and cameras"},
            flip=not self._is_camera,
        )

    def _facts(self) -> Facts:
        return {
            "source": self.name,
            "kind": self.kind,
            "seed": self.seed,
            "train": self.n,
            "validation": self.n_validation,
        }

    def _drawn(self, height: int, width: int) -> Iterator[list[Image]]:
        """Yield the training pictures, then those for validation, a few at a time."""
        shrink = partial(fit, height=height, width=width, resize="stretch")
        if self._is_camera:
            yield from self._camera(shrink)
            return
        for part, count in (("train", self.n), ("validation", self.n_validation)):
            if self.kind == "scenes":
                yield from in_order(partial(self._one_scene, part, shrink), range(count))
                continue
            blocks = range(0, count, _PER_CAMERA * _STILLS // (_STILLS - 1))
            missing = count
            for block in in_order(partial(self._block, part, shrink), blocks):
                yield block[:missing]
                missing -= len(block)

    def _camera(self, shrink: partial[Image]) -> Iterator[list[Image]]:
        from ...video.surveillance import make_camera

        total = self.n + self.n_validation
        camera = make_camera(self.kind[-1], self.seed, n_frames=total, fps=FPS)
        camera.picture(0)  # painted once, before the threads ask
        yield from in_order(lambda frame: [shrink(camera.picture(frame))], range(total))

    def _one_scene(self, part: str, shrink: partial[Image], number: int) -> list[Image]:
        return [shrink(self._scene(part, number))]

    def _block(self, part: str, shrink: partial[Image], number: int) -> list[Image]:
        """Return pictures of one camera and half as many scenes, in mixed order."""
        from ...video.surveillance import make_camera

        rng = rng_for(self.seed, "mixed", part, number)
        n_frames = round(_MIXED_S * FPS)
        camera = make_camera("any", int(rng.integers(2**31)), n_frames=n_frames, fps=FPS)
        frames = _mostly_events(rng, camera.events, n_frames)
        found = [shrink(camera.picture(int(frame))) for frame in frames]
        stills = _PER_CAMERA // (_STILLS - 1)
        found += [shrink(self._scene(f"mixed {part}", number + i)) for i in range(stills)]
        return [found[i] for i in rng.permutation(len(found))]

    def _scene(self, part: str, number: int) -> Image:
        """Return one still scene, uint8 [288, 576, 3]."""
        return draw_scene(rng_for(self.seed, "scenes", part, number))


def _mostly_events(rng: np.random.Generator, events: NDArray[np.int64], n_frames: int) -> NDArray[np.int64]:
    """Return frames of a camera, increasing: three in four show something, if there is enough."""
    busy = np.concatenate([np.arange(a, b) for a, b in events] or [np.zeros(0, dtype=np.int64)])
    chosen = rng.permutation(busy)[: 3 * _PER_CAMERA // 4]
    others = rng.permutation(np.setdiff1d(np.arange(n_frames), chosen))[: _PER_CAMERA - len(chosen)]
    return np.sort(np.concatenate([chosen, others]))


def draw_scene(rng: np.random.Generator) -> Image:
    """Return a scene of `keyframe_bench.video.scenes` at a random zoom, brightness, contrast and sharpness."""
    import cv2

    from ...video.scenes import Scene

    zoom = rng.uniform(1.0, 1.5)
    height, width = round(_SCENE_HEIGHT * zoom), round(_SCENE_WIDTH * zoom)
    motion = str(rng.choice(["live", "live", "empty"]))
    index, hue = int(rng.integers(1000)), float(rng.random())
    scene = Scene(rng, index, hue, height=height, width=width, span_s=1.0, motion=motion)
    whole = scene.draw(float(rng.uniform(0, 8)))
    top, left = rng.integers(0, height - _SCENE_HEIGHT + 1), rng.integers(0, width - _SCENE_WIDTH + 1)
    part = whole[top : top + _SCENE_HEIGHT, left : left + _SCENE_WIDTH]
    if rng.random() < 0.3:
        part = cv2.GaussianBlur(part, (0, 0), rng.uniform(0.5, 2.5))
    if rng.random() < 0.5:
        part = part[:, ::-1]
    contrast, grey = rng.uniform(0.6, 1.25), rng.uniform(0, 128)  # that grey stays as it is
    return cast(Image, cv2.convertScaleAbs(np.ascontiguousarray(part), alpha=contrast, beta=grey * (1 - contrast)))
