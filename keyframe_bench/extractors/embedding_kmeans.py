"""k-means over what a pretrained network sees."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from ..core.clip import Clip, KeyFrames
from ..core.registry import Range, register
from ..features.embedding import Embedding
from ..selection.clustering import k_by_length, representatives
from .base import Extractor


@register("embedding_kmeans")
class EmbeddingKMeans(Extractor):
    """Frames nearest to the centres of k-means clusters of network embeddings.

    Parameters
    ----------
    backbone : str
        ``timm:NAME`` or ``torchvision:NAME``, with builder options after a question mark (``timm:x?pad_type=same``).
    weights : str
        "bundled" (EfficientNet-Lite0, `keyframe_bench[semantic]`), "hub" (downloaded), "random" (untrained, and
        labelled so), or the path of a safetensors file.
    layer : {"pool", "logits"}
        "logits" is the article's "activations before the softmax layer" word for word; "pool" the features before them.
    mean, std : float, optional
        Normalisation where the weights want another than the network's own.
    seconds_per_key : float
        With a free budget, one key frame per so many seconds; the article says only that it depends on the length.
    growth : {"linear", "sqrt"}
        With a free budget, k = ceil(duration / seconds_per_key), or ceil of the square root of that ratio.
    n_init : int
        Starts of k-means.
    """

    reference = "platformai"
    supports = frozenset({"fixed", "free"})
    budget_rule = "k clusters, the real frame nearest to each centre; free: k grows with the duration"

    def __init__(
        self,
        *,
        backbone: str = "timm:tf_efficientnet_lite0.in1k",
        weights: str = "bundled",
        layer: Literal["pool", "logits"] = "pool",
        mean: Annotated[float, Range(0, 1)] | None = None,
        std: Annotated[float, Range(0.001, 1)] | None = None,
        seconds_per_key: Annotated[float, Range(0.001)] = 8.0,
        growth: Literal["linear", "sqrt"] = "linear",
        n_init: Annotated[int, Range(1, 1000)] = 10,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.layer = layer
        self.mean = mean
        self.std = std
        self.seconds_per_key = seconds_per_key
        self.growth = growth
        self.n_init = n_init

    @property
    def needs(self) -> tuple[Embedding]:
        """One embedding per sampled frame."""
        return (
            Embedding(backbone=self.backbone, weights=self.weights, layer=self.layer, mean=self.mean, std=self.std),
        )

    @property
    def label(self) -> str:
        """Say so when the network was never trained."""
        return "random init" if self.weights == "random" else ""

    def unavailable(self) -> str | None:
        """Return what is missing: a package, or the weights file."""
        return self.needs[0].unavailable()

    def must_download(self) -> str | None:
        """Return which weights are not on this machine yet."""
        return self.needs[0].must_download()

    def prepare(self) -> None:
        """Import scikit-learn."""
        import sklearn.cluster  # noqa: F401 - importing it takes a second that is not selection

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:
        """Return one frame per cluster; its score is the share of the frames that the cluster holds."""
        if k is None:
            k = k_by_length(clip.video.duration_s, self.seconds_per_key, self.growth)
        found = representatives(clip[self.needs[0]], k, rng=rng, n_init=self.n_init)
        return clip.pick(found.positions, scores=found.shares)
