"""Pre-training of a FrameMAE: clips cut from stored frames, masks, AdamW with warm-up and half a cosine."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.checkpoint import Checkpoint
from ...core.feature import Feature
from ...core.seeding import rng_for
from ...features.images import RgbJpeg
from ...models.frame_filling import by_network, same_tokens
from ...models.frame_mae import FrameMAE
from ...models.frame_mae_weights import N_FRAMES, PAIRS, UNIFORM, built, frame_mae_of, load_videomae, weights_id
from ...models.frame_masks import draw_kept, pair_errors
from ...selection.spacing import evenly_spaced
from ...training.clips import Clips
from ...training.fit_module import fit_module
from ...training.module import LossModule
from ...training.session import Batches, Session
from ...video.image_files import fit, resized
from ..trainable import Pair
from .options import FrameMaeOptions

BETAS = (0.9, 0.95)
_SCALES = (1.0, 0.875, 0.75, 0.66)
_WARMUP_START = 1 / 150  # of the learning rate
_EVALUATED = 8  # clips of which all pairs are scored together
UNIFORM_PAIR = PAIRS.index(UNIFORM)


class ClipBatch(NamedTuple):
    """Clips of one step."""

    clips: Tensor  # uint8 [B, 16, side, side, 3]
    kept: Tensor  # int64 [B, V], the tokens that are not masked
    indices: NDArray[np.int64]  # [B], their places among all clips


class ClipBatches:
    """Batches of an epoch: clips of 16 sampled frames, as many of each video as do not overlap, at least one.

    With a seed they begin anywhere in their video, in another place in every epoch, and are cut at random; without it
    they lie side by side, show the middle of the image, and are masked alike in every epoch. Of a video that is too
    short the last frame is repeated.
    """

    def __init__(self, clips: Clips, options: FrameMaeOptions, *, seed: int | None = None) -> None:
        self.clips, self.options, self.seed, self.epoch = clips, options, seed, 0
        self.feature: Feature = options.pictures
        self.sampler, self.batch_sampler = self, None  # Lightning sets the sampler's epoch, also after an interruption
        lengths = np.array([len(clip) for clip in clips])
        counts = np.maximum(lengths // N_FRAMES, 1)
        self.videos = np.repeat(np.arange(len(clips)), counts)  # of each clip
        self.starts = N_FRAMES * np.concatenate([np.arange(count) for count in counts])
        self.latest = np.maximum(lengths - N_FRAMES, 0)[self.videos]  # start of a clip

    def set_epoch(self, epoch: int) -> None:
        """Choose order, places, cuts and masks of this epoch, from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self.videos) / self.options.batch)

    def __iter__(self) -> Iterator[ClipBatch]:
        random, n = self.seed is not None, len(self.videos)
        rng = rng_for(0, "frame_mae validation") if self.seed is None else rng_for(self.seed, "training", self.epoch)
        order = rng.permutation(n) if random else np.arange(n)
        starts = rng.integers(self.latest + 1) if random else self.starts
        for first in range(0, n, self.options.batch):
            indices = order[first : first + self.options.batch]
            clips = np.stack([self._cut(i, starts[i], rng if random and self.options.crop else None) for i in indices])
            kept = draw_kept(len(indices), self.options.n_masked, rng)
            yield ClipBatch(torch.from_numpy(clips), torch.from_numpy(kept), indices)

    def middle(self, index: int) -> NDArray[np.uint8]:
        """Return a clip as validation sees it, uint8 [16, side, side, 3]."""
        return self._cut(index, self.starts[index], None)

    def _cut(self, index: int, start: int, rng: np.random.Generator | None) -> NDArray[np.uint8]:
        """Return a clip, uint8 [16, side, side, 3]: one cut for all of its frames."""
        rows = self.clips[int(self.videos[index])][self.feature]
        positions = np.minimum(start + np.arange(N_FRAMES), len(rows) - 1)
        frames, side = np.take(rows, positions, axis=0), self.options.size.side  # [16, h, w, 3], or files; a copy
        frames = RgbJpeg.images(frames) if self.options.stored == "jpeg" else frames  # [16, h, w, 3]
        if rng is None:
            return np.stack([fit(frame, side, side, "crop") for frame in frames])
        short, first = min(frames.shape[1:3]), rng.integers(len(_SCALES))
        second = np.clip(first + rng.integers(-1, 2), 0, len(_SCALES) - 1)
        height, width = (round(short * _SCALES[scale]) for scale in (first, second))
        top, left = rng.integers(frames.shape[1] - height + 1), rng.integers(frames.shape[2] - width + 1)
        parts = frames[:, top : top + height, left : left + width]
        return np.stack([resized(part, side, side) for part in parts])


def as_input(clips: Tensor) -> Tensor:
    """Return what the network takes, float32 [B, 3, 16, H, W], of uint8 [B, 16, H, W, 3]."""
    return clips.permute(0, 4, 1, 2, 3).float() / 255


class FrameMaeModule(LossModule):
    """Trains a FrameMAE to predict what is masked."""

    options: FrameMaeOptions
    model: FrameMAE

    def __init__(self, model: FrameMAE, options: FrameMaeOptions) -> None:
        super().__init__(model, options)
        self._errors = torch.compile(model.forward) if options.compile else model.forward

    def loss_of(self, batch: ClipBatch) -> Tensor:
        """Return the mean loss of a batch, a scalar."""
        loss: Tensor = self._errors(as_input(batch.clips), batch.kept).mean()  # [B] -> []
        return loss

    def configure_optimizers(self) -> Any:
        """Return AdamW, its learning rate by `learning_rate`."""
        options, weights = self.options, [*self.model.parameters()]
        matrices = [w for w in weights if w.ndim > 1 and w is not self.model.mask_token]
        others = [w for w in weights if w.ndim <= 1 or w is self.model.mask_token]
        groups = [
            {"params": matrices, "weight_decay": options.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=options.lr, betas=BETAS)
        warmup = round(options.warmup * self.n_steps / options.epochs)
        lowest = options.lr_end / options.lr if options.lr else 1.0
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate(step, warmup, self.n_steps, lowest)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def learning_rate(step: int, warmup: int, n_steps: int, lowest: float) -> float:
    """Return the learning rate of a step, from 0, as a share of the highest: a straight line, then half a cosine."""
    if step < warmup:
        return _WARMUP_START + (1 - _WARMUP_START) * step / warmup
    done = min(1.0, (step - warmup) / max(1, n_steps - 1 - warmup))
    return lowest + (1 - lowest) * (1 + math.cos(math.pi * done)) / 2


def fit_frame_mae(train: Clips, validation: Clips, session: Session) -> Checkpoint:
    """Return the trained network; see `Trainable.fit`."""
    options = cast(FrameMaeOptions, session.options)
    batches = Batches(
        train=ClipBatches(train, options, seed=session.seed),
        validation=ClipBatches(validation, options),
        seen=ClipBatches(train, options),
    )

    def made() -> FrameMaeModule:
        given = options.params
        model = built(given) if session.init is None else frame_mae_of(session.init, "init", given)
        if options.videomae:
            load_videomae(model, options.videomae, options.preset)
        return FrameMaeModule(model.requires_grad_(True).train(), options)

    def finished(model: torch.nn.Module) -> dict[str, Any]:
        return {"weights": weights_id({name: t.numpy() for name, t in model.state_dict().items()})}

    return fit_module(made, batches, session, threads=options.threads, finish=finished)


def evaluate(checkpoint: Checkpoint, clips: Clips) -> dict[str, float]:
    """Return the numbers of `FrameMaeOracle` on ``clips``."""
    options = FrameMaeOptions.build(checkpoint.record["options"])
    model = frame_mae_of(checkpoint)
    model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    losses, errors = [], []
    with torch.inference_mode():
        for batch in ClipBatches(clips, options):
            shown = as_input(batch.clips.to(model.mean.device))
            losses.append(model(shown, batch.kept.to(shown.device)))  # [B]
            errors += [pair_errors(model, part) for part in torch.split(shown, _EVALUATED)]  # [b, 28]
    pairs, loss = torch.cat(errors).double().cpu(), torch.cat(losses).double().mean()  # [n, 28]
    return {
        "loss": float(loss),
        "pair_best": float(pairs.min(dim=1).values.mean()),
        "pair_mean": float(pairs.mean()),
        "pair_uniform": float(pairs[:, UNIFORM_PAIR].mean()),
    }


def reconstructions(checkpoint: Checkpoint, clips: Clips, n: int) -> Pair:
    """Return images and their reconstructions; see `FrameMaeOracle`. Which masked frame is shown differs by clip."""
    model = frame_mae_of(checkpoint).to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    batches = ClipBatches(clips, FrameMaeOptions.build(checkpoint.record["options"]))
    kept = same_tokens(N_FRAMES, UNIFORM)
    masked, shown = np.flatnonzero(~kept), []
    for place, index in enumerate(evenly_spaced(len(batches.videos), n).tolist()):
        frames, which = batches.middle(index), masked[place % len(masked)]  # [16, side, side, 3]
        shown.append((frames[which], by_network(model, frames, kept, "target")[which]))
    inputs, outputs = zip(*shown, strict=True)
    return np.stack(inputs), np.stack(outputs)
