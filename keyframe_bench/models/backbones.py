"""Pretrained image networks of timm and torchvision, from their hubs or from a local safetensors file."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..core.checkpoint import BUNDLED, read_tensors
from ..core.errors import KeyframeBenchError, UnavailableError, UsageError
from .weights import (
    GRAMMAR,
    RANDOM_SEED,
    WAYS_OUT,
    BackboneName,
    bundled_tensors,
    known,
    load_strictly,
    normalisation,
    timm_cached,
    weights_id,
    why_unavailable,
)

OutputLayer = Literal["logits", "pool", "fc6", "input"]

_BATCH = 32
_MAX_ASPECT = 8  # a longer image is squeezed to this, so that no frame is blown up without bound


class Backbone:
    """A network in evaluation mode with its preprocessing: images in, one row of numbers per image out.

    Parameters
    ----------
    module : torch.nn.Module
        Float [B, 3, height, width] to float [B, D].
    height, width : int
        Size of the network's input in pixels.
    crop : float
        Side of the input over side of the resized image, in (0, 1].
    mean, std : tuple of float
        Per channel R, G, B, on the scale 0 to 1.
    """

    def __init__(
        self, module: Any, *, height: int, width: int, crop: float, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # Images lie in memory with their channels last; weights laid out alike make a CPU up to 3 times as quick.
        self.module = module.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)
        self.height, self.width, self.crop = height, width, crop
        self.mean = torch.tensor(mean, device=self.device).view(1, 3, 1, 1)
        self.std = torch.tensor(std, device=self.device).view(1, 3, 1, 1)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) to which an image is resized before the centre crop, its aspect ratio kept.

        The crop covers ``crop`` of the side that limits it: for a square input of 224 and crop 0.875 the short side
        becomes 256. Beyond an aspect ratio of 8 the long side is squeezed.
        """
        inner = int(self.height / self.crop), int(self.width / self.crop)
        scale = max(inner[0] / height, inner[1] / width)
        limit = _MAX_ASPECT * max(inner)
        sides = (round(height * scale), round(width * scale))
        return min(max(sides[0], inner[0]), limit), min(max(sides[1], inner[1]), limit)

    def cropped(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the centre of a resized image, uint8 [height, width, 3]."""
        top, left = (image.shape[0] - self.height) // 2, (image.shape[1] - self.width) // 2
        return image[top : top + self.height, left : left + self.width]

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 [B, D] for uint8 [B, height, width, 3] RGB images."""
        rows = []
        with torch.inference_mode():
            for i in range(0, len(images), _BATCH):
                batch = torch.from_numpy(images[i : i + _BATCH]).to(self.device)  # [b, H, W, 3]
                batch = batch.permute(0, 3, 1, 2).float() / 255  # [b, 3, H, W]
                rows.append(self.module((batch - self.mean) / self.std).flatten(1).float().cpu().numpy())  # [b, D]
        return np.concatenate(rows).astype(np.float32, copy=False)


def load_backbone(backbone: str, weights: str, layer: OutputLayer, mean: float | None, std: float | None) -> Backbone:
    """Return the network, ready to use; a process keeps the two used last.

    Raises `UnavailableError` if a package is missing, or the weights cannot be had; `UsageError` if there is no such
    network, option or layer, or the file is no safetensors file of this network.

    Parameters
    ----------
    backbone : str
        See `BackboneName`.
    weights : str
        "bundled" (EfficientNet-Lite0 of the extra ``semantic``), "hub" (the package's own download, kept in its cache),
        "random" (initialised with a fixed seed), or the path of a safetensors file that must fit exactly.
    layer : {"logits", "pool", "fc6", "input"}
        As of the feature ``embedding``; of "input" only the preprocessing matters.
    mean, std : float or None
        Normalisation of all channels on the scale 0 to 1; None: what belongs to the bundled weights, or what the
        network's own configuration says.
    """
    return _load(backbone, weights, weights_id(backbone, weights), layer, *normalisation(weights, mean, std))


@lru_cache(maxsize=2)
def _load(
    backbone: str,
    weights: str,
    identity: str,  # noqa: ARG001 - a file that changed must be loaded again
    layer: OutputLayer,
    mean: float | None,
    std: float | None,
) -> Backbone:
    name = BackboneName.parse(backbone)
    reason = why_unavailable(backbone, weights)
    if reason is not None and weights != "hub":
        raise UnavailableError(reason)
    build = _build_timm if name.source == "timm" else _build_torchvision
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        try:
            module, settings = build(name, weights == "hub")
        except KeyframeBenchError:
            raise
        except Exception as error:  # the packages and their download clients raise anything
            raise _build_error(name, weights == "hub", error) from error
    if weights not in ("hub", "random"):
        if weights == BUNDLED:
            state = bundled_tensors(module.state_dict())
        else:
            state = read_tensors(weights, "weights", WAYS_OUT, framework="pt")[0]
        misfit = f"weights={weights!r} does not fit backbone={backbone}"
        load_strictly(module, state, misfit, "name its network with backbone=")
    if name.source == "torchvision":
        module = _torchvision_layer(module, layer, name)
    elif layer == "pool":
        module.reset_classifier(0)  # timm's way to ask for the pooled features
    elif layer == "fc6":
        raise UsageError(f"layer=fc6 is not known for {name}; use layer=pool")
    if mean is not None:
        settings["mean"] = (mean,) * 3
    if std is not None:
        settings["std"] = (std,) * 3
    return Backbone(module, **settings)


def _build_timm(name: BackboneName, hub: bool) -> tuple[Any, dict[str, Any]]:
    import timm

    known(name, timm.list_models())
    options = dict(name.options)
    if hub:
        if "." not in name.name:
            tags = ", ".join(timm.list_pretrained(f"{name.name}.*")[:3]) or "none"
            raise UsageError(f"backbone={name} names no pretrained weights; add their tag (known: {tags})")
        cached = timm_cached(name.name)
        options["pretrained"] = True
        if cached is not None:  # the file whose hash is in the feature's key, and no look-up over the network
            options["pretrained_cfg_overlay"] = {"file": str(cached)}
        else:
            _ask_hub(name)
    module = timm.create_model(name.name, **options)
    data: Any = timm.data  # untyped
    config = data.resolve_model_data_config(module)
    _, height, width = config["input_size"]
    mean, std = config["mean"], config["std"]
    return module, {"height": height, "width": width, "crop": config["crop_pct"], "mean": mean, "std": std}


def _ask_hub(name: BackboneName) -> None:
    """Raise `UnavailableError` when the hub does not answer: its own client would retry for a minute."""
    import urllib.error
    import urllib.request

    request = urllib.request.Request(os.environ.get("HF_ENDPOINT") or "https://huggingface.co", method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except urllib.error.HTTPError:
        return  # an answer
    except (OSError, ValueError) as error:
        raise UnavailableError(f"the weights of {name} cannot be downloaded (no connection); {WAYS_OUT}") from error


def _build_torchvision(name: BackboneName, hub: bool) -> tuple[Any, dict[str, Any]]:
    import torchvision

    known(name, torchvision.models.list_models(module=torchvision.models))
    pretrained = torchvision.models.get_model_weights(name.name).DEFAULT

    module = torchvision.models.get_model(name.name, weights=None, **dict(name.options))
    if hub:
        module.load_state_dict(
            pretrained.get_state_dict(progress=False, check_hash=True, weights_only=True), strict=True
        )
    transform = pretrained.transforms()
    side, mean, std = transform.crop_size[0], tuple(transform.mean), tuple(transform.std)
    crop = side / transform.resize_size[0]
    return module, {"height": side, "width": side, "crop": crop, "mean": mean, "std": std}


def _build_error(name: BackboneName, hub: bool, error: Exception) -> KeyframeBenchError:
    """Return one sentence for the many kinds of errors of a package's builder."""
    text = " ".join(str(error).split())[:160]
    if hub and not isinstance(error, TypeError) and "Invalid pretrained tag" not in text:
        return UnavailableError(f"the weights of {name} cannot be downloaded ({type(error).__name__}); {WAYS_OUT}")
    return UsageError(f"backbone={name} cannot be built ({text}); {GRAMMAR}")


def _torchvision_layer(module: Any, layer: OutputLayer, name: BackboneName) -> Any:
    """Take off the classifier: torchvision has no call for it, and its families name it differently."""
    if layer in ("logits", "input"):
        return module
    if layer == "fc6":
        module.classifier = module.classifier[: _second_to_last(module, name)]
        return module
    for attribute in ("fc", "classifier", "head", "heads"):
        last = getattr(module, attribute, None)
        if isinstance(last, nn.Linear) or (attribute == "heads" and last is not None):
            setattr(module, attribute, nn.Identity())
            return module
    if isinstance(getattr(module, "features", None), nn.Module):  # squeezenet, mobilenet, efficientnet, vgg, ...
        return nn.Sequential(module.features, nn.AdaptiveAvgPool2d(1))
    raise UsageError(f"layer=pool is not known for {name}; use layer=logits or the timm network of that name")


def _second_to_last(module: Any, name: BackboneName) -> int:
    """Return where the last but one of several fully connected layers of a classifier stands in it."""
    layers = getattr(module, "classifier", ())
    linear = (
        [i for i, layer in enumerate(layers) if isinstance(layer, nn.Linear)]
        if isinstance(layers, nn.Sequential)
        else []
    )
    if len(linear) < 3:
        raise UsageError(f"layer=fc6 is not known for {name}, only for networks such as alexnet; use layer=pool")
    return linear[-2]
