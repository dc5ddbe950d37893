"""What a network sees that was trained on the very video, by deep clustering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView
from ..core.registry import Range, register
from ..selection.clustering import pseudo_labels
from .embedding import Embedding
from .images import Rgb

_ALL = 2**40  # frames: more than a video has, so that its one window is all of them


@register("deep_cluster_embedding")
class DeepClusterEmbedding(Feature):
    """Features of all sampled frames of a video, after deep clustering of these frames: one row, [N, D].

    In every epoch the features are reduced to principal components, whitened, divided by their length and clustered by
    k-means; then the network learns to tell the clusters apart.

    Parameters
    ----------
    backbone : str
        "small" (four convolutions on 64 x 64 pixels, from scratch), or a network as of the feature ``embedding``, which
        is fine-tuned as a whole.
    weights : str
        As of the feature ``embedding``; of no meaning for "small".
    classes : int
        Clusters that the network is trained on, at most a quarter of the frames.
    epochs : int
        Times that frames are clustered and seen.
    batch : int
        Frames of a step.
    lr : float
        Learning rate of stochastic gradient descent (momentum 0.9, weight decay 1e-5).
    training_seed : int
        Of initial weights, clusters, and the order and crops of frames.

    Notes
    -----
    Source: the platform.ai article; Caron et al. 2018, who do not say how a single video is trained on. Here frames are
    cropped to half or more of their sides and mirrored at random, and at most a quarter as many components are kept as
    there are frames: N frames whitened to N - 1 components are equally far from each other. Time is linear in frames
    times epochs; the images of a video are in memory together (12 kB a frame, those of a pretrained network 150 kB).
    """

    elsewhere = True
    window = _ALL
    summary = "float32 [N, D]: a row for the video, features of its N sampled frames, D = 128 for the small network"

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
    ) -> None:
        self.backbone, self.weights, self.classes, self.epochs = backbone, weights, classes, epochs
        self.batch, self.lr, self.training_seed = batch, lr, training_seed

    @property
    def images(self) -> Rgb | Embedding:
        """What the network is shown of a frame."""
        if self.backbone == "small":
            return Rgb(height=64, width=64)
        return Embedding(backbone=self.backbone, weights=self.weights, layer="input")

    @property
    def key_params(self) -> Mapping[str, Any]:
        """The sha256 of the weights stands in for where they came from."""
        weights = "" if isinstance(self.images, Rgb) else self.images.key_params["weights"]
        return self.params | {"weights": weights}

    def unavailable(self) -> str | None:
        """Return why the network cannot run here, or None."""
        from ..models.weights import missing_package

        return missing_package("torch") if isinstance(self.images, Rgb) else self.images.unavailable()

    def must_download(self) -> str | None:
        """Return a sentence when the weights are still to be downloaded, or None."""
        return None if isinstance(self.images, Rgb) else self.images.must_download()

    def prepare(self) -> None:
        """Import torch and scikit-learn, and load the network."""
        import sklearn.cluster  # noqa: F401 - importing it takes a second that is not training

        from ..models import deep_clustering  # noqa: F401 - importing torch takes seconds that are not training

        self.images.prepare()

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.uint8]:
        """Return the images, uint8 [B, height, width, 3]."""
        return self.images.compute(frames)

    def compute_window(self, rows: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Train on the images of all frames, and return their features, float32 [N, D]."""
        from ..models.deep_clustering import DeepClustering

        options = {name: value for name, value in self.params.items() if name != "training_seed"}
        return DeepClustering(**options, seed=self.training_seed).embedded(rows, pseudo_labels)
