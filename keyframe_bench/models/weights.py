"""Names of pretrained networks, where their weights are, and the one reader of a user's file of weights."""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.checkpoint import BUNDLED
from ..core.errors import UnavailableError, UsageError
from ..core.hashes import remembered_sha256
from . import bundled

if TYPE_CHECKING:
    from torch import Tensor, nn

GRAMMAR = "write timm:resnet18.a1_in1k, torchvision:resnet18 or timm:mobilenetv2_100?pad_type=same"
WAYS_OUT = "give weights=PATH (a safetensors file), or weights=random for an untrained network"
RANDOM_SEED = 0


@dataclass(frozen=True)
class BackboneName:
    """A network by name: ``source:name[?option=value[&option=value]]``.

    Attributes
    ----------
    source : {"timm", "torchvision"}
        The package that builds it.
    name : str
        Its name there; for timm with the tag of its weights after a dot.
    options : tuple of (str, value)
        Keywords for the package's builder.
    """

    source: str
    name: str
    options: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def parse(cls, text: str) -> BackboneName:
        """Read the grammar above; `UsageError` shows it.

        Examples
        --------
        >>> BackboneName.parse("timm:mobilenetv2_100?pad_type=same")
        BackboneName(source='timm', name='mobilenetv2_100', options=(('pad_type', 'same'),))
        """
        source, colon, rest = text.partition(":")
        name, _, query = rest.partition("?")
        pairs = [part.partition("=") for part in query.split("&")] if query else []
        if source not in ("timm", "torchvision") or not colon or not name or not all(k and v for k, _, v in pairs):
            raise UsageError(f"backbone={text!r} is no network name; {GRAMMAR}")
        return cls(source, name, tuple((key, _value(value)) for key, _, value in pairs))

    @property
    def network(self) -> str:
        """The name without the tag of its weights."""
        return self.name.partition(".")[0] if self.source == "timm" else self.name

    def __str__(self) -> str:
        return f"{self.source}:{self.name}"


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def known(name: BackboneName, names: list[str]) -> None:
    """Raise `UsageError` with the nearest names unless ``names`` has the network."""
    if name.network not in names:
        near = difflib.get_close_matches(name.network, names, n=3)
        hint = f"did you mean {', '.join(near)}" if near else GRAMMAR
        raise UsageError(f"{name.source} has no network {name.network!r}; {hint}")


def why_unavailable(backbone: str, weights: str) -> str | None:
    """Return why ``backbone`` with ``weights`` cannot be used here, or None; quick, and without any connection.

    Raises
    ------
    UsageError
        If ``backbone`` is not in the grammar, or the bundled weights are of another network.
    """
    name = BackboneName.parse(backbone)
    if weights == BUNDLED and (name.source, name.network) != ("timm", bundled.NETWORK):
        raise UsageError(
            f"weights={BUNDLED} fits backbone=timm:{bundled.NETWORK}, not {name}; {WAYS_OUT}, or weights=hub"
        )
    reason = missing_package("torch", name.source, "safetensors")
    if reason is not None:
        return reason
    if weights == BUNDLED:
        reason = bundled.why_not_bundled()
        return reason and f"{reason}; or {WAYS_OUT}"
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

    Hub weights that are not on this machine yet are identified by "hub" until they are.

    Raises
    ------
    UnavailableError
        If the local file cannot be read.
    """
    if weights == BUNDLED:
        return bundled.SHA256
    if weights == "random":
        return f"random{RANDOM_SEED}"
    if weights == "hub":
        return _hub_id(backbone)
    return file_id(weights, "weights", WAYS_OUT)


def normalisation(weights: str, mean: float | None, std: float | None) -> tuple[float | None, float | None]:
    """Return ``mean`` and ``std``; what is not given is that of the bundled weights, or else None."""
    if weights == BUNDLED:
        return bundled.MEAN if mean is None else mean, bundled.STD if std is None else std
    return mean, std


def file_id(path: str | Path, option: str, ways_out: str) -> str:
    """Return the sha256 of a file of weights, hashed again only when the file has changed.

    Parameters
    ----------
    path : str or Path
    option, ways_out : str
        What the message calls the file, and what it says can be done.

    Raises
    ------
    UnavailableError
        If it cannot be read.
    """
    try:
        return remembered_sha256(path)
    except OSError as error:
        reason = error.strerror or error
        raise UnavailableError(f"{option} file {str(path)!r} cannot be read ({reason}); {ways_out}") from error


def _hub_id(backbone: str) -> str:
    name = BackboneName.parse(backbone)
    if name.source == "timm":
        file = timm_cached(name.name)
    else:
        import torchvision

        known(name, torchvision.models.list_models())
        file = _torch_cache() / Path(torchvision.models.get_model_weights(name.name).DEFAULT.url).name
    if file is None or not file.is_file():
        return "hub"
    return file_id(file, "weights", WAYS_OUT)


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

    Raises
    ------
    UsageError
        Beginning with ``misfit``, then what is wrong with the tensors, and ending with ``way_out``.
    """
    wanted = module.state_dict()
    wrong = {
        "missing": sorted(wanted.keys() - state.keys()),
        "unexpected": sorted(state.keys() - wanted.keys()),
        "of another shape": sorted(k for k in wanted.keys() & state.keys() if wanted[k].shape != state[k].shape),
    }
    found = [f"{len(names)} tensors {what}, first {names[0]}" for what, names in wrong.items() if names]
    if found:
        raise UsageError(f"{misfit} ({'; '.join(found)}); {way_out}")
    module.load_state_dict(dict(state), strict=True)
