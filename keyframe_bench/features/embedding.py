"""What a pretrained image network sees in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.feature import Feature, FrameView
from ..core.registry import Range, register


@register("embedding")
class Embedding(Feature):
    """Output of a network trained on ImageNet for the centre of the upright image, its aspect ratio kept.

    Parameters
    ----------
    backbone : str
        ``timm:NAME`` or ``torchvision:NAME``, with builder options after a question mark (``timm:x?pad_type=same``).
    weights : str
        "bundled" (EfficientNet-Lite0 of the extra ``semantic``), "hub" (downloaded by the package, or found in its
        cache), "random" (untrained, fixed seed), or the path of a safetensors file.
    layer : {"pool", "logits", "fc6", "input"}
        Globally pooled features; the classifier's output before the softmax; what enters the last two of the fully
        connected layers, where there are three (AlexNet, VGG); or the image that the network is shown.
    mean, std : float, optional
        Normalisation of all three channels on the scale 0 to 1, where the network's own configuration does not fit the
        weights.

    Notes
    -----
    The image is resized by `FrameView.rgb` (averaged over areas when it shrinks) to the size at which the central
    input of the network covers its usual share, e.g. short side 256 for a crop of 224. That leaves out the ends of a
    wide image, as the evaluation of these networks does.
    """

    elsewhere = True
    summary = "float32 [D]: pooled features or logits of the central square (layer=input: it, uint8 [height, width, 3])"

    def __init__(
        self,
        *,
        backbone: str = "timm:tf_efficientnet_lite0.in1k",
        weights: str = "bundled",
        layer: Literal["pool", "logits", "fc6", "input"] = "pool",
        mean: Annotated[float, Range(0, 1)] | None = None,
        std: Annotated[float, Range(0.001, 1)] | None = None,
    ) -> None:
        self.backbone, self.weights, self.layer = backbone, weights, layer
        self.mean, self.std = mean, std

    @property
    def key_params(self) -> dict[str, Any]:
        """The sha256 of the weights stands in for where they came from."""
        from ..models.weights import normalisation, weights_id

        mean, std = normalisation(self.weights, self.mean, self.std)
        return self.params | {"weights": weights_id(self.backbone, self.weights), "mean": mean, "std": std}

    def unavailable(self) -> str | None:
        """Return why the network cannot run here, or None."""
        from ..models.weights import why_unavailable

        return why_unavailable(self.backbone, self.weights)

    def must_download(self) -> str | None:
        """Return a sentence when the weights are still to be downloaded, or None."""
        from ..models.weights import must_download

        return must_download(self.backbone, self.weights)

    def prepare(self) -> None:
        """Load the network (and download its weights, if they come from a hub and are not here yet)."""
        from ..models.backbones import load_backbone

        load_backbone(self.backbone, self.weights, self.layer, self.mean, self.std)

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return float32 [B, D], or uint8 [B, height, width, 3]."""
        from ..models.backbones import load_backbone

        network = load_backbone(self.backbone, self.weights, self.layer, self.mean, self.std)
        images = [network.cropped(f.rgb(*network.resized(f.height, f.width))) for f in frames]
        if self.layer == "input":
            return np.stack(images)
        rows = network(np.stack(images))
        if not np.isfinite(rows).all():
            raise UsageError(f"backbone={self.backbone} gives numbers that are not finite; choose other weights")
        return rows
