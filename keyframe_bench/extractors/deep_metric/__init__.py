"""k-means over features that were learned from what annotators chose (Lin et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np

from ...core.checkpoint import Checkpoint
from ...core.clip import Clip, KeyFrames
from ...core.errors import UnavailableError
from ...core.feature import Feature
from ...core.registry import Range, register
from ...features.metric_embedding import MetricEmbedding
from ...metrics.base import Column
from ...selection.clustering import representatives
from ...training.clips import Clips
from ...training.fit_module import require_lightning
from ...training.options import TrainerOptions
from ...training.session import Session
from ..trainable import Trainable
from ..vsumm import Vsumm
from .options import DeepMetricOptions


@register("deep_metric")
class DeepMetric(Trainable):
    """Frames nearest to the centres of k-means clusters of features that were learned from annotators.

    A pretrained network is fine-tuned so that frames lie near one of the key frames that an annotator chose of the
    video, and key frames apart from each other.

    Parameters
    ----------
    checkpoint : str
        The path of ``best.safetensors``, which ``keyframe-bench train extractor=deep_metric`` writes.
    k_rule : {"vsumm_estimate", "user_mean"}
        With a free budget, k is what VSUMM begins with (one, and one for every change of the hue histogram from one
        second to the next), or the annotators' mean rate of key frames in the training videos.
    n_init : int
        Starts of k-means.

    Notes
    -----
    Source: Lin et al. 2015. The last two layers learn, at the full rate; those below at a hundredth of it
    (``trainer.trunk=tuned``) or not at all ("frozen", which reads their output once). In AlexNet and VGG they are the
    last two fully connected layers, as in the paper. Other networks have one, the classifier: before it comes a square
    layer that begins as the identity, without a nonlinearity, since pooled features may be negative. SqueezeNet's
    classifier is a convolution, averaged after a rectifier: two such layers come behind its output. Before the first
    step the features are those of the pretrained network in any case: `embedding_kmeans` with ``layer=logits`` is this
    method untrained. Batch normalisation keeps its statistics, and nothing is dropped out. The paper does not say how k
    is chosen.
    """

    reference = "lin2015metric"
    supports = frozenset({"fixed", "free"})
    budget_rule = "k clusters of learned features, the real frame nearest to each centre"
    supervision = "users"
    Options = DeepMetricOptions
    tiny: ClassVar[Mapping[str, object]] = {"backbone": "timm:test_resnet.r160_in1k", "weights": "random"}
    numbers: ClassVar[Mapping[str, Column]] = {
        "loss": Column("lower", "1", "the loss of the training", headline=True),
        "intra": Column("lower", "1", "mean softmin distance of frames to key frames"),
        "inter": Column("lower", "1", "mean inverse distance between key frames"),
        "effective_keys": Column("none", "1", "key frames that the softmin of a frame weighs, mean; 1: the nearest"),
        "purity": Column("higher", "1", "share of a frame's 5 nearest frames that show the same shot", headline=True),
    }

    def __init__(
        self,
        *,
        checkpoint: str = "",
        k_rule: Literal["vsumm_estimate", "user_mean"] = "vsumm_estimate",
        n_init: Annotated[int, Range(1, 1000)] = 10,
    ) -> None:
        self.checkpoint = checkpoint
        self.k_rule = k_rule
        self.n_init = n_init

    @property
    def needs(self) -> tuple[Feature, ...]:
        """What enters the last two layers, or what a network that was tuned as a whole makes of a frame."""
        options: DeepMetricOptions = self.trained_options()
        return (options.input if options.trunk == "frozen" else MetricEmbedding(checkpoint=self.checkpoint),)

    @property
    def free_needs(self) -> tuple[Feature, ...]:
        """What VSUMM's estimate reads."""
        return Vsumm.needs if self.k_rule == "vsumm_estimate" else ()

    def train_needs(self, options: TrainerOptions) -> tuple[Feature, ...]:
        """Return what enters the last two layers, or the images."""
        assert isinstance(options, DeepMetricOptions)
        return (options.input,)

    def check_options(self, options: TrainerOptions) -> None:
        """Build the network: packages, weights, and whether its last layers are known."""
        assert isinstance(options, DeepMetricOptions)
        require_lightning()
        if (reason := options.input.unavailable()) is not None:
            raise UnavailableError(reason)
        from ...models.metric_network import pretrained

        pretrained(options.params)

    def unavailable(self) -> str | None:
        """Return what is missing: the checkpoint, a package, or the weights of the layers that were not tuned."""
        return super().unavailable() or self.needs[0].unavailable()  # type: ignore[attr-defined]  # both have one

    def fit(self, train: Clips, validation: Clips, session: Session) -> Checkpoint:
        """Fine-tune the network on the key frames of every annotator of every video."""
        from .learning import fit_deep_metric

        return fit_deep_metric(train, validation, session)

    def evaluate(self, checkpoint: Checkpoint, clips: Clips) -> dict[str, float]:
        """Return the loss and its parts, and how pure the neighbourhoods of frames are."""
        from .learning import evaluate

        return evaluate(checkpoint, clips)

    def prepare(self) -> None:
        """Import scikit-learn, and load the network."""
        import sklearn.cluster  # noqa: F401 - importing it takes a second that is not selection

        from ...models.metric_network import load_network

        load_network(self.checkpoint)

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:
        """Return one frame per cluster; its score is the share of the frames that the cluster holds."""
        from ...models.metric_network import load_network

        rows = clip[self.needs[0]]
        if not isinstance(self.needs[0], MetricEmbedding):
            rows = load_network(self.checkpoint).embedded(rows)
        found = representatives(rows, self.free_k(clip) if k is None else k, rng=rng, n_init=self.n_init)
        return clip.pick(found.positions, scores=found.shares)

    def free_k(self, clip: Clip) -> int:
        """Return the number of clusters of a free budget, at least 1."""
        if self.k_rule == "vsumm_estimate":
            seconds = clip.times[0] + np.arange(np.ptp(clip.times) + 1e-6)  # VSUMM looks at one frame a second
            seen = clip.restricted(Vsumm.needs, annotation=False)
            return Vsumm().estimated_k(seen.taken(np.unique(np.searchsorted(clip.times, seconds - 2e-6))))
        from .learning import minutes_of

        rate = float(self.trained_record()["numbers"]["keys_per_min"])
        return max(1, round(rate * minutes_of(clip)))
