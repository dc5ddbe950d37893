"""Features of a network that was fine-tuned as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.checkpoint import checkpoint_id, read_record, why_missing
from ..core.feature import Feature, FrameView
from ..core.registry import register
from .embedding import Embedding


@register("metric_embedding")
class MetricEmbedding(Feature):
    """Output of a network that ``deep_metric`` has fine-tuned as a whole (``trainer.trunk=tuned``).

    Parameters
    ----------
    checkpoint : str
        The path of a safetensors file that ``keyframe-bench train extractor=deep_metric`` wrote.

    Notes
    -----
    Source: Lin et al. 2015, section 2.3. The image is that of the feature ``embedding`` with ``layer=input``.
    """

    elsewhere = True
    summary = "float32 [D], any range: the fine-tuned classifier's output, D = 1000 for networks of ImageNet"

    def __init__(self, checkpoint: str = "") -> None:
        self.checkpoint = checkpoint

    @property
    def key_params(self) -> Mapping[str, Any]:
        """The sha256 of the checkpoint stands in for where it lies."""
        return {"checkpoint": checkpoint_id(self.checkpoint, "deep_metric")}

    def unavailable(self) -> str | None:
        """Return why the network cannot run here, or None."""
        from ..models.weights import missing_package

        return missing_package("torch", "safetensors") or why_missing(self.checkpoint, "deep_metric")

    def prepare(self) -> None:
        """Load the network."""
        from ..models.metric_network import load_network

        load_network(self.checkpoint)
        self._input.prepare()

    @property
    def _input(self) -> Embedding:
        options = read_record(self.checkpoint, "deep_metric")["options"]
        # Only the network's preprocessing is asked for: the weights are those of the checkpoint.
        return Embedding(backbone=options["backbone"], weights="random", layer="input")

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.float32]:
        """Return float32 [B, D]."""
        from ..models.metric_network import load_network

        return load_network(self.checkpoint).embedded(self._input.compute(frames))
