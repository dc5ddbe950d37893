"""Training of an auto-encoder: it learns to reproduce images (Chen et al. 2021, section 3.3), and is calibrated.

Its thresholds are how far frames of a scene without an event are apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.checkpoint import Checkpoint
from ...core.seeding import rng_for
from ...models.autoencoder import EncoderDecoder
from ...models.checkpoint import with_weights
from ...models.encoding import Encoding
from ...models.frame_distance import CODE_SPACES, code_distances, picture_distances
from ...selection.spacing import evenly_spaced
from ...training.batches import Batch, RowBatches
from ...training.clips import Clips, Rows
from ...training.fit_module import fit_module
from ...training.module import LossModule
from ...training.session import Batches, Session
from .options import AutoencoderOptions

QUANTILE = 0.995  # of the distances of frames between which nothing happens
MARGIN = 2.0  # times which they are a threshold
NOISE = 1.15  # standard deviation of the simulated sensor, in levels of 255: that of an even +-2
EXPOSURES = (1.0, 0.98, 0.99, 1.0, 1.01, 1.02)  # of the first simulated image, and of those compared with it
_SCENES = 8
_STRETCH = 16  # consecutive images of the quietest stretch
_RANGE = (0.1, 99.9)  # percentiles of the codes of training images
_RANGE_PICTURES = 48


def fit_autoencoder(train: Clips, validation: Clips, session: Session) -> Checkpoint:
    """Return the trained network with its calibrated thresholds; see `Trainable.fit`.

    Raises `UsageError` if the checkpoint to start from is of another network.
    """
    options = cast(AutoencoderOptions, session.options)
    rows, held_out = train.rows(options.pictures), validation.rows(options.pictures)
    batches = Batches(
        train=RowBatches(rows, options.batch, seed=session.seed, mirrored=train.mirrored),
        validation=RowBatches(held_out, options.batch),
        seen=RowBatches(rows, options.batch),
    )
    return fit_module(
        lambda: AutoencoderModule(_start(options, session.init), options),
        batches,
        session,
        threads=options.torch_threads,
        finish=lambda model: calibrated(cast(EncoderDecoder, model), rows, held_out, still_camera=not train.mirrored),
    )


def _start(options: AutoencoderOptions, init: Checkpoint | None) -> EncoderDecoder:
    """Return the network before the first step: from the seed, or from a checkpoint."""
    network = options.built_network
    model = EncoderDecoder(network) if init is None else with_weights(init, "init", network)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    return model.to(memory_format=layout).requires_grad_(True).train()


class AutoencoderModule(LossModule):
    """Trains a network to reproduce its input."""

    options: AutoencoderOptions

    def loss_of(self, batch: Batch) -> Tensor:
        """Return the mean loss of a batch, a scalar."""
        pictures = as_input(batch, channels_last=self.options.channels_last)  # [B, 3, H, W]
        loss: Tensor = self.options.built_loss(pictures, self.model(pictures))
        return loss


def as_input(batch: Batch, *, channels_last: bool) -> Tensor:
    """Return what a network takes of a batch of uint8 [B, H, W, 3] images: float32 [B, 3, H, W] in 0 to 1."""
    pictures = batch.rows.permute(0, 3, 1, 2)  # [B, 3, H, W], whose memory is channels_last
    if batch.flips is not None:
        pictures = torch.where(batch.flips[:, None, None, None], pictures.flip(-1), pictures)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return pictures.to(torch.float32, memory_format=layout).div_(255)


def calibrated(model: EncoderDecoder, train: Rows, validation: Rows, *, still_camera: bool) -> dict[str, Any]:
    """Return what the extractor `autoencoder` needs to know of the data: a threshold for each of its distance spaces.

    A threshold is `MARGIN` times the `QUANTILE` of the distances between a first image and later ones in which nothing
    happens. Those are simulated: validation images as a fixed camera would show them again and again, with the noise of
    a sensor and an exposure that flickers by 2 %. Where the data is a fixed camera, whose own noise can be stronger,
    the quietest `_STRETCH` validation images in a row are another such sequence, and count if they give the higher
    value; there without a margin, since something may move in them after all. ``train`` and ``validation``: images that
    it was trained and validated on, uint8 [N, H, W, 3]; ``still_camera``: whether they are frames of videos.

    ``thresholds``, distance space to threshold, above 0; ``code_low`` and ``code_high`` (`code_range`).

    Notes
    -----
    The distance of images is ``mix`` with its own defaults whatever a network was trained with, as in
    `keyframe_bench.extractors.autoencoder`.
    """
    low, high = code_range(model, train)
    found = _with_margin(_quantiles(model, low, high, _still_scenes(validation)))
    if still_camera and len(validation) >= _STRETCH:
        measured = _quantiles(model, low, high, [_quietest(validation, _STRETCH)])
        found = {space: max(value, measured[space]) for space, value in found.items()}
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


def code_range(model: EncoderDecoder, train: Rows) -> tuple[list[float], list[float]]:
    """Return what the codes of training images reach in each channel: their 0.1 and 99.9 percentiles.

    Returns
    -------
    low, high : list of float
        One for each channel: ``code_low`` and ``code_high`` of a checkpoint's record, for
        ``distance_space=feature_mix``.
    """
    codes = Encoding(model, "fp32").codes(train.take(evenly_spaced(len(train), _RANGE_PICTURES)))
    channels = np.moveaxis(codes, 1, 0).reshape(codes.shape[1], -1)
    low, high = np.percentile(channels, _RANGE, axis=1)
    return low.tolist(), high.tolist()


def _quantiles(
    model: EncoderDecoder, low: list[float], high: list[float], sequences: Iterable[NDArray[np.uint8]]
) -> dict[str, float]:
    """Return the `QUANTILE` of the distances of later images to the first of each sequence, by space.

    It is a number above 0, so that equal frames never exceed it. Sequences are uint8 [n, H, W, 3], n at least 2.
    """
    network = Encoding(model, "fp32")
    found: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for frames in sequences:
        outputs, codes = network.reconstructions(frames), network.codes(frames)
        pairs = {"reconstruction": (outputs, outputs), "input": (frames, frames), "cross": (frames, outputs)}
        spaces = {space: picture_distances(*pair) for space, pair in pairs.items()}
        spaces |= {space: code_distances(codes, space, low, high) for space in CODE_SPACES}
        for space, distances in spaces.items():
            found[space].append(distances(0, 1, len(frames)))
    tiny = float(np.finfo(np.float32).tiny)
    return {space: max(float(np.quantile(np.concatenate(v), QUANTILE)), tiny) for space, v in found.items()}


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
