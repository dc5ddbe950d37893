"""Checkpoints of auto-encoders: safetensors with a record of how they were made; nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import KeyframeBenchError, UnavailableError, UsageError
from ..core.files import canonical_json, write_atomic
from ..core.sources import source_digest
from .base import Network
from .weights import file_id, load_strictly, missing_package, read_safetensors

if TYPE_CHECKING:
    from .autoencoder import Autoencoder

FORMAT = "keyframe_bench/autoencoder@1"
BUNDLED = "bundled"
"""The name of the checkpoint that ships in the package, wherever the path of one is asked for."""

_BUNDLED_FILE = "ae_final.safetensors"


def _ways_out(option: str) -> str:
    return f"train one with keyframe-bench train, or give {option}={BUNDLED}"


def save_autoencoder(path: Path, model: Autoencoder, record: Mapping[str, Any]) -> None:
    """Write the weights of ``model`` and its record as one safetensors file, atomically.

    Parameters
    ----------
    path : Path
    model : Autoencoder
    record : mapping
        Plain data: loss, data, trainer, seed, losses reached, thresholds (`keyframe_bench.training`).

    Raises
    ------
    OutputError
    """
    import torch
    from safetensors.torch import save

    # Copies: halves may share a tensor, and the format has no way to say so.
    state = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
    metadata = {"format": FORMAT, "network": canonical_json(model.network.params), "record": canonical_json(record)}
    write_atomic(path, _in_one_order(save(state, metadata)))


def _in_one_order(data: bytes) -> bytes:
    """Return a safetensors file with a sorted header: the library shuffles it, and equal weights need one sha256."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = canonical_json(json.loads(data[8:start])).encode()
    header += b" " * (-len(header) % 8)  # tensors begin at a multiple of 8
    return len(header).to_bytes(8, "little") + header + data[start:]


def bundled_path(option: str = "checkpoint") -> Path:
    """Return the checkpoint that ships in the package: an ``ae_final`` trained by the project.

    Raises
    ------
    UnavailableError
        If this installation lacks it.
    """
    from importlib.resources import files

    file = files(__package__) / _BUNDLED_FILE
    if not (isinstance(file, Path) and file.is_file()):
        raise UnavailableError(
            f"{option}={BUNDLED} is not in this installation of keyframe_bench ({_BUNDLED_FILE} is missing); "
            f"install the package again, or give {option}=PATH of one trained with keyframe-bench train"
        )
    return file


def checkpoint_path(checkpoint: str | Path, option: str = "checkpoint") -> Path:
    """Return the file that ``checkpoint`` names: "bundled", or a path; that it exists is not looked at.

    Raises
    ------
    UnavailableError
        See `bundled_path`.
    """
    return bundled_path(option) if checkpoint == BUNDLED else Path(checkpoint)


def checkpoint_id(checkpoint: str | Path) -> str:
    """Return the sha256 of the file, and the hash of a plug-in's code: what identifies a checkpoint in a cache key.

    Raises
    ------
    UnavailableError
        If it cannot be read.
    """
    path = checkpoint_path(checkpoint)
    content = file_id(path, "checkpoint", _ways_out("checkpoint"))
    try:
        code = _code_of(path, content)
    except KeyframeBenchError:  # who reads the network says it
        code = ""
    return f"{content}+{code}" if code else content


@lru_cache(maxsize=64)
def _code_of(path: Path, content: str) -> str:  # noqa: ARG001 - a changed file must be read again
    return source_digest(type(read_record(path)[0]))


def why_unavailable(checkpoint: str | Path) -> str | None:
    """Return why ``checkpoint`` cannot be used here, or None; quick, nothing heavy is imported."""
    reason = missing_package("torch", "safetensors")
    if reason is not None:
        return reason
    try:
        path = checkpoint_path(checkpoint)
    except UnavailableError as error:
        return str(error)
    if path.is_file():
        return None
    reason = "is a folder: name the file in it" if path.is_dir() else "does not exist"
    return f"checkpoint file {str(path)!r} {reason}; {_ways_out('checkpoint')}"


def read_record(path: str | Path) -> tuple[Network, dict[str, Any]]:
    """Return network and record of a checkpoint, without its weights; torch is not imported.

    Parameters
    ----------
    path : str or Path
        "bundled", or a path.

    Raises
    ------
    UsageError
        If the file is no complete checkpoint of an auto-encoder.
    UnavailableError
        If the bundled one is missing.
    """
    path = checkpoint_path(path)
    _, metadata = read_safetensors(path, "checkpoint", _ways_out("checkpoint"), tensors=False)
    return _parsed(path, metadata, "checkpoint")


def unfinished(record: Mapping[str, Any]) -> str | None:
    """Return a sentence if ``record`` is of a training that was not finished, else None.

    Its checkpoint has weights, but nothing that is calibrated at the end: ``thresholds``, ``code_low``, ``code_high``.
    """
    if "chosen" not in record or "thresholds" in record:  # not written by a training, or by one that was finished
        return None
    return "its training was not finished; run the same command again, it goes on from there"


def load_autoencoder(
    path: str | Path, network: Network | None = None, *, option: str = "checkpoint"
) -> tuple[Autoencoder, dict[str, Any]]:
    """Return the model in evaluation mode, with its weights, and the record.

    Parameters
    ----------
    path : str or Path
        "bundled", or a path.
    network : Network, optional
        What it must be; by default what the file says. ``p2_1`` and ``ae_final`` are one network.
    option : str
        What messages call the checkpoint: "init" where it is where a training starts.

    Raises
    ------
    UsageError
        If the file is missing, pickled, truncated, no auto-encoder, or of another network.
    UnavailableError
        If the bundled one is missing.
    """
    path = checkpoint_path(path, option)
    named, ways_out = f"{option}={str(path)!r}", _ways_out(option)
    state, metadata = read_safetensors(path, option, ways_out)
    found, record = _parsed(path, metadata, option)
    if network is not None and network.structure != found.structure:
        raise UsageError(
            f"{named} is of network {_called(found)}, not of {_called(network)} that was asked for; "
            f"ask for {_called(found)}, or give a checkpoint of {_called(network)}"
        )
    import torch

    with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and overwritten
        model = found.module()
    load_strictly(model, state, f"{named} does not fit its own network {_called(found)}", ways_out)
    bad = [name for name, tensor in model.state_dict().items() if not torch.isfinite(tensor).all()]
    if bad:
        raise UsageError(f"{named} has numbers that are not finite, first in {bad[0]}; {ways_out}")
    return model.eval(), record


def _parsed(path: Path, metadata: Mapping[str, str], option: str) -> tuple[Network, dict[str, Any]]:
    named, ways_out = f"{option}={str(path)!r}", _ways_out(option)
    written = metadata.get("format")
    if written is None or "network" not in metadata or "record" not in metadata:
        raise UsageError(f"{named} is no checkpoint of an auto-encoder of keyframe_bench; {ways_out}")
    if written != FORMAT:
        raise UsageError(f"{named} has the format {written[:60]!r}, this version reads {FORMAT!r}; {ways_out}")
    try:
        params, record = (_mapping(metadata[part]) for part in ("network", "record"))
    except (ValueError, RecursionError) as error:
        text = " ".join(str(error).split())[:80]
        raise UsageError(f"{named} has a damaged record ({text}); {ways_out}") from error
    try:
        return Network.registry.build(str(params.pop("name", "")), params), record
    except UsageError as error:
        raise UsageError(f"{named} names a network that this version does not have ({error}); {ways_out}") from error


def _mapping(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("no mapping")
    return value


def _called(network: Network) -> str:
    usual = type(network)().params
    options = ", ".join(f"{name}={value}" for name, value in network.params.items() if value != usual[name])
    return f"{network.name} ({options})" if options else network.name
