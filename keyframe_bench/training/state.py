# ruff: noqa: ARG002 - the signatures are those of Lightning
"""What Lightning needs to go on with an interrupted training, as safetensors and JSON: nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..core.errors import UsageError
from ..core.files import write_atomic

FORMAT = "keyframe_bench/training_state@1"


class StateFile(CheckpointIO):
    """One file, always the same: the path that Lightning names is ignored, since its grammar would misread some.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def save_checkpoint(self, checkpoint: dict[str, Any], path: object, storage_options: object = None) -> None:
        """Replace the file, atomically."""
        write_state(self.path, checkpoint)

    def load_checkpoint(
        self, path: object, map_location: object = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return what was saved, on the CPU; Lightning moves it."""
        return read_state(self.path)

    def remove_checkpoint(self, path: object) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write nested mappings, lists and tuples of tensors and scalars as one file, atomically.

    Raises
    ------
    OutputError
    TypeError
        If there is anything else in ``state``, which names where.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = json.dumps(_pack(state, "", tensors))
    write_atomic(path, save(tensors, {"format": FORMAT, "tree": tree}))


def read_state(path: Path) -> dict[str, Any]:
    """Return what `write_state` wrote.

    Raises
    ------
    UsageError
        If the file is not complete, or something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError("it says that it is something else")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        state: dict[str, Any] = _unpack(json.loads(metadata["tree"]), tensors)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{str(path)!r} is no state of an interrupted training ({error}); remove it to train from the start"
        ) from error
    return state


def _pack(value: Any, where: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Return JSON: scalars as they are, everything else as a mapping with one key that says what it is."""
    if isinstance(value, torch.Tensor):
        name = f"{len(tensors)}{where}"
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        plain = value.dim() != 4 or value.is_contiguous() or not value.is_contiguous(memory_format=torch.channels_last)
        return {"tensor" if plain else "channels_last": name}  # moments must be laid out as their weights are
    if isinstance(value, Mapping):
        return {"dict": [[_scalar(k, where), _pack(v, f"{where}/{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_pack(v, f"{where}/{n}", tensors) for n, v in enumerate(value)]}
    return _scalar(value, where)


def _scalar(value: Any, where: str) -> bool | int | float | str | None:
    if value is None or type(value) in (bool, int, float, str):
        return value  # type: ignore[no-any-return]
    for kind in (str, int, float):  # enumerations, numpy's numbers
        if isinstance(value, kind):
            return kind(value)
    raise TypeError(f"{where or '/'}: a {type(value).__name__} cannot be kept in a state file")


def _unpack(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "channels_last":
        return tensors[content].contiguous(memory_format=torch.channels_last)
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {k: _unpack(v, tensors) for k, v in content}
    found = [_unpack(v, tensors) for v in content]
    return tuple(found) if kind == "tuple" else found
