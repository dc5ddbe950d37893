"""Trained auto-encoders: the network that a checkpoint of the extractor ``autoencoder`` holds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.checkpoint import Checkpoint, checkpoint_file, checkpoint_id, read_checkpoint, read_record, why_missing
from ..core.errors import KeyframeBenchError, UsageError
from ..core.registry import parameters_of
from ..core.sources import source_digest
from .base import Network
from .weights import load_strictly, missing_package

if TYPE_CHECKING:
    from .autoencoder import EncoderDecoder

METHOD = "autoencoder"
"""The extractor whose checkpoints these are."""


def why_unavailable(checkpoint: str | Path) -> str | None:
    """Return why ``checkpoint`` cannot be used here, or None; quick, nothing heavy is imported."""
    return missing_package("torch", "safetensors") or why_missing(checkpoint, METHOD)


def network_of(record: Mapping[str, Any]) -> Network:
    """Return the network that a record names; `UsageError` if this installation does not have it."""
    options = record["options"]
    try:
        name = str(options.get("network", ""))
        known = parameters_of(Network.registry.get(name))
        return Network.registry.build(name, {key: value for key, value in options.items() if key in known})
    except KeyframeBenchError as error:
        raise UsageError(f"a checkpoint names a network that is not installed ({error})") from error


def network_id(checkpoint: str | Path) -> str:
    """Return what identifies a trained network in keys: the sha256 of its file, and a hash of a plug-in's code.

    Raises `UnavailableError` if the file cannot be read.
    """
    content = checkpoint_id(checkpoint, METHOD)
    try:
        code = _code_of(str(checkpoint_file(checkpoint, METHOD)), content)
    except KeyframeBenchError:  # who reads the network says it
        code = ""
    return f"{content}+{code}" if code else content


@lru_cache(maxsize=64)
def _code_of(path: str, content: str) -> str:  # noqa: ARG001 - a changed file must be read again
    cls: type = type(network_of(read_record(path, METHOD)))
    return source_digest(cls)


def unfinished(record: Mapping[str, Any]) -> str | None:
    """Return a sentence if ``record`` is of a training that was not finished, else None.

    Its checkpoint has weights, but nothing that is calibrated at the end: ``thresholds``, ``code_low``, ``code_high``.
    """
    if record["chosen"] == "only" or "thresholds" in record["numbers"]:
        return None
    return "its training was not finished; run the same command again to resume it"


def load_autoencoder(checkpoint: str | Path, network: Network | None = None) -> tuple[EncoderDecoder, dict[str, Any]]:
    """Return the model in evaluation mode, with its weights, and the record.

    ``checkpoint``: "bundled", or a path; ``network``: what it must be; by default what the file says. ``p2_1`` and
    ``ae_final`` are one network. Raises `UsageError` if the file is missing, pickled, truncated, no auto-encoder, or of
    another network; `UnavailableError` if the bundled one is missing.
    """
    found = read_checkpoint(checkpoint, METHOD)
    return with_weights(found, "checkpoint", network).eval(), dict(found.record)


def with_weights(checkpoint: Checkpoint, option: str = "checkpoint", network: Network | None = None) -> EncoderDecoder:
    """Return the model of a checkpoint that was read; ``option`` is what messages call it, see `load_autoencoder`."""
    import torch

    from .autoencoder import EncoderDecoder

    found = network_of(checkpoint.record)
    if network is not None and network.structure != found.structure:
        raise UsageError(
            f"{option} is of network {_called(found)}, not of {_called(network)} that was asked for; "
            f"ask for {_called(found)}, or give a checkpoint of {_called(network)}"
        )
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and overwritten
        model = EncoderDecoder(found)
    state = {name: torch.from_numpy(tensor) for name, tensor in checkpoint.tensors.items()}
    load_strictly(model, state, f"{option} does not fit its own network {_called(found)}", "give another checkpoint")
    return model


def _called(network: Network) -> str:
    usual = type(network)().params
    options = ", ".join(f"{name}={value}" for name, value in network.params.items() if value != usual[name])
    return f"{network.name} ({options})" if options else network.name
