"""Networks whose last two layers are fine-tuned, and the rest a hundredth as fast or not at all (Lin et al. 2015)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..core.checkpoint import Checkpoint, checkpoint_id, read_checkpoint
from ..core.errors import UsageError
from .backbones import Backbone, load_backbone
from .weights import input_of_last_two, load_strictly, normalisation

METHOD = "deep_metric"
"""The extractor whose checkpoints these networks come from."""

_BATCH = 32


class MetricNetwork(nn.Module):
    """The layers that are fine-tuned; always in evaluation mode, so that nothing depends on the rest of a batch.

    Parameters
    ----------
    hidden, output : nn.Linear
        The last two layers.
    relu : bool
        Whether negative outputs of ``hidden`` become 0.
    unit_length : bool
        Whether `embedded` divides features by their length.
    trunk : nn.Module, optional
        What comes before, float [B, 3, height, width] to [B, D]; None: rows are what enters ``hidden``.
    mean, std : Tensor [1, 3, 1, 1], optional
        Normalisation of the trunk's images.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(
        self,
        hidden: nn.Linear,
        output: nn.Linear,
        *,
        relu: bool,
        unit_length: bool,
        trunk: nn.Module | None = None,
        mean: Tensor | None = None,
        std: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.last = nn.ModuleDict({"hidden": hidden, "output": output})
        self.relu, self.unit_length, self.trunk = relu, unit_length, trunk
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def train(self, mode: bool = True) -> MetricNetwork:  # noqa: ARG002 - the signature is torch's
        """Stay in evaluation mode: statistics of batch normalisation stay those of the pretraining, and no dropout."""
        return super().train(False)

    def forward(self, rows: Tensor) -> Tensor:
        """Return features [B, C] of rows [B, D], or of images, uint8 [B, height, width, 3]."""
        if self.trunk is not None:
            assert self.mean is not None and self.std is not None
            images = rows.permute(0, 3, 1, 2).float() / 255  # [B, 3, H, W]
            rows = self.trunk((images - self.mean) / self.std).flatten(1)  # [B, D]
        hidden = self.last["hidden"](rows)  # [B, D']
        found: Tensor = self.last["output"](hidden.relu() if self.relu else hidden)  # [B, C]
        return found

    def embedded(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Return the features that frames are compared by, float32 [N, C], of what `forward` takes."""
        at = next(self.parameters()).device
        with torch.inference_mode():
            found = [self(torch.tensor(rows[i : i + _BATCH]).to(at)) for i in range(0, len(rows), _BATCH)]
            features = torch.cat(found).float()
            features = nn.functional.normalize(features, dim=1) if self.unit_length else features
            return np.asarray(features.cpu().numpy())


def pretrained(options: Mapping[str, Any]) -> MetricNetwork:
    """Return the network before the first step: its output is that of the pretrained network.

    ``options``: ``backbone``, ``weights``, ``mean``, ``std`` as of the feature ``embedding``; ``trunk`` and
    ``feature_norm``. Raises `UsageError` if the network's classifier does not read its pooled features;
    `UnavailableError` if a package or the weights are missing.
    """
    before, layer = _before(options, options["weights"]), input_of_last_two(options["backbone"])
    with torch.inference_mode():
        image = torch.zeros(1, 3, before.height, before.width, device=before.device)
        width = before.module(image).flatten(1).shape[1]
    if layer == "logits":
        hidden, output = _identity(width), _identity(width)
    else:
        whole = load_backbone(options["backbone"], options["weights"], "logits", None, None).module
        linear = [part for part in whole.modules() if isinstance(part, nn.Linear)]
        output = copy.deepcopy(linear[-1]).cpu() if linear else nn.Linear(0, 0)
        hidden = copy.deepcopy(linear[-2]).cpu() if layer == "fc6" else _identity(output.in_features)
        if hidden.in_features != width:
            raise UsageError(
                f"backbone={options['backbone']} has no fully connected classifier of its pooled features; choose "
                "another, such as timm:tf_efficientnet_lite0.in1k or torchvision:alexnet"
            )
    return _built(options, hidden, output, before)


def network_of(checkpoint: Checkpoint) -> MetricNetwork:
    """Return the network of a checkpoint of the extractor `deep_metric`, on the CPU.

    Raises `UsageError` if the tensors do not fit the network that the record names.
    """
    options = checkpoint.record["options"]
    shapes = [checkpoint.tensors[f"last.{name}.weight"].shape for name in ("hidden", "output")]
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and overwritten
        hidden, output = (nn.Linear(width, n) for n, width in shapes)
    network = _built(options, hidden, output, None if options["trunk"] == "frozen" else _before(options, "random"))
    state = {name: torch.from_numpy(tensor) for name, tensor in checkpoint.tensors.items()}
    load_strictly(network, state, "checkpoint does not fit its own network", "give another checkpoint")
    return network


def load_network(checkpoint: str) -> MetricNetwork:
    """Return the network of a checkpoint's file, on the best device; a process keeps the two used last."""
    return _load(checkpoint, checkpoint_id(checkpoint, METHOD))


@lru_cache(maxsize=2)
def _load(checkpoint: str, identity: str) -> MetricNetwork:  # noqa: ARG001 - a changed file is loaded again
    network = network_of(read_checkpoint(checkpoint, METHOD))
    return network.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def _built(options: Mapping[str, Any], hidden: nn.Linear, output: nn.Linear, before: Backbone | None) -> MetricNetwork:
    relu, unit = input_of_last_two(options["backbone"]) == "fc6", options["feature_norm"] == "l2"
    more: dict[str, Any] = {}
    if before is not None and options["trunk"] == "tuned":
        more = {"trunk": copy.deepcopy(before.module).cpu(), "mean": before.mean.cpu(), "std": before.std.cpu()}
    return MetricNetwork(hidden, output, relu=relu, unit_length=unit, **more).requires_grad_(True).eval()


def _before(options: Mapping[str, Any], weights: str) -> Backbone:
    """Return everything before the last two layers."""
    scale = normalisation(options["weights"], options["mean"], options["std"])
    return load_backbone(options["backbone"], weights, input_of_last_two(options["backbone"]), *scale)


def _identity(width: int) -> nn.Linear:
    layer = nn.Linear(width, width)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
