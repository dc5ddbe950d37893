"""What the training of a deep metric can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ...core.registry import Range
from ...features.embedding import Embedding
from ...models.weights import input_of_last_two
from ...training.options import ModuleOptions


@dataclass(frozen=True, kw_only=True)
class DeepMetricOptions(ModuleOptions):
    """Options of a training: those of `ModuleOptions`, the network, the loss, and stochastic gradient descent.

    Parameters
    ----------
    epochs : int
        Passes over the frames of all annotators.
    batch : int
        Frames of a step: all key frames of an annotator, and a portion of the other frames of the video.
    lr : float
        Learning rate of the last two layers in the first epoch: the paper's, with which logits of other networks learn
        too (distances there are 50 to 5000, and 1e-4 diverges); with ``feature_norm=l2`` about 0.1.
    backbone, weights, mean, std
        The pretrained network, as of the feature ``embedding``; the paper's is ``torchvision:alexnet``.
    trunk : {"frozen", "tuned"}
        Everything below the last two layers: "frozen" computes its output once, "tuned" learns at a hundredth of the
        learning rate from stored images.
    softmin, tau, inter_weight, feature_norm
        Of the loss, see `keyframe_bench.models.metric_loss.MetricLoss`; ``inter_weight`` is the paper's lambda.
    lr_decay : float
        Factor of the learning rate at the beginning of every epoch but the first.
    momentum, weight_decay : float
        Of the descent.
    """

    epochs: Annotated[int, Range(1)] = 10
    batch: Annotated[int, Range(2)] = 128
    lr: Annotated[float, Range(0)] = 1e-6
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    backbone: str = "timm:tf_efficientnet_lite0.in1k"
    weights: str = "bundled"
    mean: Annotated[float, Range(0, 1)] | None = None
    std: Annotated[float, Range(0.001, 1)] | None = None
    trunk: Literal["frozen", "tuned"] = "frozen"
    softmin: Literal["inverse_exp", "neg_exp", "hard"] = "inverse_exp"
    tau: Annotated[float, Range(1e-9)] = 1.0
    inter_weight: Annotated[float, Range(0)] = 1.0
    feature_norm: Literal["none", "l2"] = "none"
    lr_decay: Annotated[float, Range(0, 1)] = 1 / 3
    momentum: Annotated[float, Range(0, 1)] = 0.9
    weight_decay: Annotated[float, Range(0)] = 5e-4

    @property
    def input(self) -> Embedding:
        """What a training reads of a frame: what enters the last two layers, or the image."""
        layer = input_of_last_two(self.backbone) if self.trunk == "frozen" else "input"
        return Embedding(backbone=self.backbone, weights=self.weights, layer=layer, mean=self.mean, std=self.std)
