"""Training of a deep metric: batches of what one annotator chose of one video (Lin et al. 2015, sections 2.3, 3.1)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.checkpoint import Checkpoint
from ...core.clip import Clip
from ...core.errors import UsageError
from ...core.feature import Feature
from ...core.seeding import rng_for
from ...models.metric_loss import MetricLoss, squared_distances
from ...models.metric_network import MetricNetwork, network_of, pretrained
from ...training.clips import Clips
from ...training.fit_module import fit_module
from ...training.module import LossModule, Mean
from ...training.session import Batches, Session
from .options import DeepMetricOptions

TRUNK_SHARE = 0.01  # of the learning rate that layers below the last two have
NEIGHBOURS = 5
_ROWS = 512  # whose distances to all others are in memory together


class KeyBatch(NamedTuple):
    """Rows of one step.

    Attributes
    ----------
    rows : Tensor [B, ...]
        Of the key frames first.
    n_keys : int
    indices : int64 [B]
        Their places among all rows, by video and time.
    """

    rows: Tensor
    n_keys: int
    indices: NDArray[np.int64]


class KeyBatches:
    """Batches of an epoch: for each video and annotator all key frames, with portions of the other frames.

    Annotators who chose nothing are left out, and those whose choice says nothing: the only frame.

    Parameters
    ----------
    clips : Clips
        With annotations.
    feature : Feature
    batch : int
        Frames of a step, at most.
    seed : int, optional
        Of the random order, another one in every epoch; without it frames and videos come in their own order.
    part : str
        What messages call the clips.

    Raises
    ------
    UsageError
        If an annotator chose as many frames as a batch has, or nothing is left.
    """

    def __init__(
        self, clips: Clips, feature: Feature, batch: int, *, seed: int | None = None, part: str = "training"
    ) -> None:
        self.clips, self.feature, self.seed, self.epoch = clips, feature, seed, 0
        self.sampler, self.batch_sampler = self, None  # Lightning sets the sampler's epoch, also after an interruption
        self.starts = np.zeros(len(clips), dtype=np.int64)
        self.choices: list[tuple[int, NDArray[np.int64], NDArray[np.int64], int]] = []  # video, S*, S, portions
        n = 0
        for video, clip in enumerate(clips):
            self.starts[video] = n
            n += len(clip)
            for keys in clip.choices():
                others = np.setdiff1d(np.arange(len(clip)), keys)
                if len(keys) >= batch:
                    raise UsageError(
                        f"an annotator chose {len(keys)} of the {len(clip)} sampled frames of {clip.video.name!r}, and "
                        f"trainer.batch={batch} must hold them and others; give a larger one, or leave the video out"
                    )
                if len(others) or len(keys) > 1:
                    portions = max(1, math.ceil(len(others) / (batch - len(keys))))
                    self.choices.append((video, keys, others, portions))
        if not self.choices:
            raise UsageError(
                f"no annotator's key frames can be told from other frames in the {part} part: give videos of more "
                "sampled frames, or another split (split=videos:0.8 keeps videos whole)"
            )

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of this epoch, from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return sum(portions for *_, portions in self.choices)

    def __iter__(self) -> Iterator[KeyBatch]:
        rng = None if self.seed is None else rng_for(self.seed, "training", self.epoch)
        steps = []
        for video, keys, others, portions in self.choices:
            mixed = others if rng is None else rng.permutation(others)
            steps += [(video, keys, portion) for portion in np.array_split(mixed, portions)]
        for step in range(len(steps)) if rng is None else rng.permutation(len(steps)):
            video, keys, portion = steps[step]
            positions = np.concatenate([keys, np.sort(portion)])
            rows = np.take(self.clips[video][self.feature], positions, axis=0)  # a copy
            yield KeyBatch(torch.from_numpy(rows), len(keys), self.starts[video] + positions)


class MetricModule(LossModule):
    """Trains a network by `MetricLoss`."""

    options: DeepMetricOptions
    model: MetricNetwork

    def __init__(self, model: MetricNetwork, options: DeepMetricOptions) -> None:
        super().__init__(model, options)
        self.loss = loss_of(options)

    def loss_of(self, batch: KeyBatch) -> Tensor:
        """Return the loss of a batch, a scalar."""
        terms = self.loss.terms(self.model(batch.rows), batch.n_keys)
        n_others = len(batch.indices) - batch.n_keys
        if self.training and n_others:
            self.noted["effective_keys"].add(float(terms.effective_keys), n_others)
        return terms.intra + self.loss.inter_weight * terms.inter

    def configure_optimizers(self) -> Any:
        """Return gradient descent with momentum, whose learning rate falls by a factor from epoch to epoch."""
        options, trunk = self.options, self.model.trunk
        groups = [{"params": [*self.model.last.parameters()], "lr": options.lr}]
        if trunk is not None:
            groups.append({"params": [*trunk.parameters()], "lr": options.lr * TRUNK_SHARE})
        descent = torch.optim.SGD(groups, momentum=options.momentum, weight_decay=options.weight_decay)
        steps = torch.optim.lr_scheduler.ExponentialLR(descent, options.lr_decay)
        return {"optimizer": descent, "lr_scheduler": {"scheduler": steps, "interval": "epoch"}}


def loss_of(options: DeepMetricOptions) -> MetricLoss:
    """Return the loss that the options ask for."""
    names = ("softmin", "tau", "inter_weight", "feature_norm")
    return MetricLoss(**{name: getattr(options, name) for name in names})


def fit_deep_metric(train: Clips, validation: Clips, session: Session) -> Checkpoint:
    """Return the fine-tuned layers and the rate of the annotators' key frames; see `Trainable.fit`."""
    options = cast(DeepMetricOptions, session.options)
    feature, batch = options.input, options.batch
    batches = Batches(
        train=KeyBatches(train, feature, batch, seed=session.seed),
        validation=KeyBatches(validation, feature, batch, part="validation"),
        seen=KeyBatches(train, feature, batch),
    )
    numbers = {"keys_per_min": keys_per_min(train)}
    return fit_module(
        lambda: MetricModule(pretrained(options.params), options),
        batches,
        session,
        threads=options.threads or (1 if options.trunk == "frozen" else None),
        finish=lambda _: numbers,
    )


def minutes_of(clip: Clip) -> float:
    """Return how long the sampled frames of a clip are shown; of a single one, the whole video."""
    n = len(clip)
    return float(np.ptp(clip.times)) * n / (n - 1) / 60 if n > 1 else clip.video.duration_s / 60


def keys_per_min(clips: Clips) -> float:
    """Return the key frames of an annotator in a minute of video: all of them by all minutes that were looked at."""
    seen = [(len(keys), minutes_of(clip)) for clip in clips for keys in clip.choices()]
    keys, minutes = np.sum(seen, axis=0)
    return float(keys / minutes) if minutes > 0 else 0.0


def evaluate(checkpoint: Checkpoint, clips: Clips) -> dict[str, float]:
    """Return the numbers of `DeepMetric` on ``clips``."""
    options = DeepMetricOptions.build(checkpoint.record["options"])
    network, loss = network_of(checkpoint), loss_of(options)
    means = {name: Mean() for name in ("loss", "intra", "inter", "effective_keys", "purity")}
    with torch.inference_mode():
        for batch in KeyBatches(clips, options.input, options.batch, part="evaluated"):
            terms, n = loss.terms(network(batch.rows), batch.n_keys), len(batch.indices)
            for name, value in terms._asdict().items():
                means[name].add(float(value), n)
            means["loss"].add(float(terms.intra + loss.inter_weight * terms.inter), n)
    for clip in clips:
        same = purities(network.embedded(clip[options.input]), _labels(clip))
        means["purity"].add(float(same.mean()), len(same))
    return {name: mean.value for name, mean in means.items()}


def _labels(clip: Clip) -> NDArray[np.int64]:
    """Return what each frame shows: its shot or, without annotated shots, the first annotator's nearest key frame."""
    known = clip.annotation
    assert known is not None
    if known.shots is not None and len(known.shots):
        return np.searchsorted(known.shots[:, 0], clip.ordinals, side="right")
    keys = next(iter(clip.choices()), np.zeros(1, dtype=np.int64))
    return np.asarray(np.abs(np.arange(len(clip))[:, None] - keys).argmin(axis=1))


def purities(features: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each row which share of the `NEIGHBOURS` nearest others has its label, [N]; 1 for a single row."""
    n = min(NEIGHBOURS, len(features) - 1)
    if n < 1:
        return np.ones(len(features))
    rows, found = torch.from_numpy(features).double(), []
    for start in range(0, len(rows), _ROWS):
        part = torch.arange(start, min(start + _ROWS, len(rows)))
        away = squared_distances(rows[part], rows)  # [b, N]
        away[torch.arange(len(part)), part] = torch.inf  # not its own neighbour
        near = away.topk(n, largest=False).indices.numpy()  # [b, n]
        found.append((labels[near] == labels[part.numpy()][:, None]).mean(axis=1))
    return np.concatenate(found)
