"""k-means over features that a network learned from the video itself."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from ..core.clip import Clip, KeyFrames
from ..core.feature import Feature
from ..core.registry import Range, register
from ..features.deep_clustering import DeepClusterEmbedding
from ..selection.clustering import k_by_length, representatives
from .base import Extractor


@register("deep_cluster")
class DeepCluster(Extractor):
    """Frames nearest to the centres of k-means clusters of features that deep clustering learned from the video.

    The network learns nothing from other videos. Its training is part of the feature, which is kept, so that a sweep
    over k trains once; its time counts in every row.

    Parameters
    ----------
    backbone, weights, classes, epochs, batch, lr
        Of the training, see `DeepClusterEmbedding`. 60 frames (30 s at two a second) take 1.5 s of a processor with the
        small network, and 6 s an epoch with an EfficientNet-Lite0 (``backbone=timm:tf_efficientnet_lite0.in1k``).
    training_seed : int
        Of the training; the seed of a run is that of the last k-means.
    seconds_per_key, growth
        Of a free budget, as of `EmbeddingKMeans`.
    n_init : int
        Starts of the last k-means.

    Notes
    -----
    Source: the platform.ai article, which gives no settings; Caron et al. 2018. Where only a part of a video is scored
    (``split=temporal:``), the network is trained on that part, while it is selected from.
    The training of the small network changes little: on six rendered films of 20 s, as many key frames as shots reach
    0.913 of the shots, and 0.905 before it (two seeds; pixels of 64 x 64: 0.874).
    """

    reference = "caron2018deepcluster"
    supports = frozenset({"fixed", "free"})
    budget_rule = (
        "k clusters of learned features, the real frame nearest to each centre; free: k grows with the duration"
    )

    def __init__(
        self,
        *,
        backbone: str = "small",
        weights: str = "bundled",
        classes: Annotated[int, Range(2, 10000)] = 16,
        epochs: Annotated[int, Range(0, 1000)] = 10,
        batch: Annotated[int, Range(1, 4096)] = 16,
        lr: Annotated[float, Range(0)] = 1e-3,
        training_seed: Annotated[int, Range(0)] = 0,
        seconds_per_key: Annotated[float, Range(0.001)] = 8.0,
        growth: Literal["linear", "sqrt"] = "linear",
        n_init: Annotated[int, Range(1, 1000)] = 10,
    ) -> None:
        self.backbone, self.weights, self.classes, self.epochs = backbone, weights, classes, epochs
        self.batch, self.lr, self.training_seed = batch, lr, training_seed
        self.seconds_per_key, self.growth, self.n_init = seconds_per_key, growth, n_init

    @property
    def learned(self) -> DeepClusterEmbedding:
        """The features of the video's frames."""
        own = ("seconds_per_key", "growth", "n_init")
        return DeepClusterEmbedding(**{name: value for name, value in self.params.items() if name not in own})

    @property
    def needs(self) -> tuple[Feature, ...]:
        """The learned features, and the images, from which those of a part of the video are learned."""
        return self.learned, self.learned.images

    def unavailable(self) -> str | None:
        """Return what is missing: a package, or the weights file."""
        return self.learned.unavailable()

    def must_download(self) -> str | None:
        """Return which weights are not on this machine yet."""
        return self.learned.must_download()

    def prepare(self) -> None:
        """Import scikit-learn."""
        import sklearn.cluster  # noqa: F401 - importing it takes a second that is not selection

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:
        """Return one frame per cluster; its score is the share of the frames that the cluster holds."""
        learned, images = self.needs
        rows = clip[learned][0] if len(clip[learned]) else self.learned.compute_window(clip[images])
        if k is None:
            k = k_by_length(clip.video.duration_s, self.seconds_per_key, self.growth)
        found = representatives(rows, k, rng=rng, n_init=self.n_init)
        return clip.pick(found.positions, scores=found.shares)
