"""Thresholds that belong to a trained auto-encoder: how far frames of a scene without an event are apart (A4)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...core.seeding import rng_for
from ...selection.spacing import evenly_spaced
from ...training.clips import Rows

if TYPE_CHECKING:
    from ...models.autoencoder import Autoencoder
    from ...models.frame_distance import Distances

QUANTILE = 0.995  # of the distances of frames between which nothing happens
MARGIN = 2.0  # times which they are a threshold
NOISE = 1.15  # standard deviation of the simulated sensor, in levels of 255: that of an even +-2
EXPOSURES = (1.0, 0.98, 0.99, 1.0, 1.01, 1.02)  # of the first simulated image, and of those compared with it
_SCENES = 8
_STRETCH = 16  # consecutive images of the quietest stretch
_RANGE = (0.1, 99.9)  # percentiles of the codes of training images
_RANGE_PICTURES = 48


def calibrated(model: Autoencoder, train: Rows, validation: Rows, *, still_camera: bool) -> dict[str, Any]:
    """Return what the extractor `autoencoder` needs to know of the data: a threshold for each of its distance spaces.

    A threshold is `MARGIN` times the `QUANTILE` of the distances between a first image and later ones in which
    nothing happens. Those are simulated: validation images as a fixed camera would show them again and again, with
    the noise of a sensor and an exposure that flickers by 2 %. Where the data is a fixed camera, whose own noise can be
    stronger, the quietest `_STRETCH` validation images in a row are another such sequence, and count if they give the
    higher value; there without a margin, since something may move in them after all.

    Parameters
    ----------
    model : Autoencoder
    train, validation : Rows
        Images that it was trained and validated on, uint8 [N, H, W, 3].
    still_camera : bool
        Whether they are frames of videos.

    Returns
    -------
    dict
        ``thresholds``, distance space to threshold, above 0; ``code_low`` and ``code_high`` (`code_range`).


    Notes
    -----
    The distance of images is ``mix`` with its own defaults whatever a network was trained with, as in
    `keyframe_bench.extractors.autoencoder`.
    """
    low, high = code_range(model, train)
    simulated, stretch = _Distances(model, low, high), _Distances(model, low, high)
    for frames in _still_scenes(validation):
        simulated.add(frames)
    if still_camera and len(validation) >= _STRETCH:
        stretch.add(_quietest(validation, _STRETCH))
    found = _with_margin(simulated.quantiles())
    for space, value in stretch.quantiles().items():
        found[space] = max(found[space], value)
    return {"thresholds": found, "code_low": low, "code_high": high}


def _with_margin(quantiles: dict[str, float]) -> dict[str, float]:
    """Return the thresholds for these quantiles.

    The cosine's distance grows with the square of a small difference, and so does its margin. ``cross`` begins at what
    the network fails to reconstruct, which no noise makes larger: the margin is that of ``reconstruction``.
    """
    found = {space: MARGIN * value for space, value in quantiles.items()}
    found["feature_cos"] = MARGIN**2 * quantiles["feature_cos"]
    found["cross"] = quantiles["cross"] + (MARGIN - 1) * quantiles["reconstruction"]
    return found


def code_range(model: Autoencoder, train: Rows) -> tuple[list[float], list[float]]:
    """Return what the codes of training images reach in each channel: their 0.1 and 99.9 percentiles.

    Returns
    -------
    low, high : list of float
        One for each channel: ``code_low`` and ``code_high`` of a checkpoint's record, for
        ``distance_space=feature_mix``.

    """
    from ...models.encoding import Encoding

    codes = Encoding(model, "fp32").codes(train.take(evenly_spaced(len(train), _RANGE_PICTURES)))
    channels = np.moveaxis(codes, 1, 0).reshape(codes.shape[1], -1)
    low, high = np.percentile(channels, _RANGE, axis=1)
    return low.tolist(), high.tolist()


class _Distances:
    """Distances of later images to the first one, in every space."""

    def __init__(self, model: Autoencoder, low: list[float], high: list[float]) -> None:
        from ...models.encoding import Encoding

        self._network = Encoding(model, "fp32")
        self._low, self._high = low, high
        self._found: dict[str, list[NDArray[np.float64]]] = {}

    def add(self, frames: NDArray[np.uint8]) -> None:
        """Add a sequence, uint8 [n, H, W, 3], n at least 2."""
        for space, distances in self._spaces(frames):
            self._found.setdefault(space, []).append(distances(0, 1, len(frames)))

    def quantiles(self) -> dict[str, float]:
        """Return the `QUANTILE` of all, by space; at least a number above 0, so that equal frames never exceed it."""
        tiny = float(np.finfo(np.float32).tiny)
        return {space: max(float(np.quantile(np.concatenate(v), QUANTILE)), tiny) for space, v in self._found.items()}

    def _spaces(self, frames: NDArray[np.uint8]) -> Iterator[tuple[str, Distances]]:
        from ...models.frame_distance import CODE_SPACES, code_distances, picture_distances

        outputs, codes = self._network.reconstructions(frames), self._network.codes(frames)
        yield "reconstruction", picture_distances(outputs, outputs)
        yield "input", picture_distances(frames, frames)
        yield "cross", picture_distances(frames, outputs)
        for space in CODE_SPACES:
            yield space, code_distances(codes, space, self._low, self._high)


def _still_scenes(pictures: Rows) -> Iterator[NDArray[np.uint8]]:
    """Yield sequences of one scene each, uint8 [6, H, W, 3], as a fixed camera would record it."""
    rng = rng_for(0, "still scenes")
    exposures = np.array(EXPOSURES)[:, None, None, None]
    for picture in pictures.take(evenly_spaced(len(pictures), _SCENES)):
        levels = picture * exposures + rng.normal(0, NOISE, (len(exposures), *picture.shape))
        yield np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _quietest(pictures: Rows, length: int) -> NDArray[np.uint8]:
    """Return the ``length`` images in a row that change least from one to the next."""
    starts = range(0, len(pictures), _STRETCH)
    singly = (picture for start in starts for picture in pictures[start : start + _STRETCH])
    changes = [float(np.abs(after.astype(np.int16) - before).mean()) for before, after in pairwise(singly)]
    sums = np.convolve(changes, np.ones(length - 1), mode="valid")
    start = int(sums.argmin())
    return pictures[start : start + length]
