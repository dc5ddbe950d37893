"""What an interrupted training goes on from, as safetensors and JSON: nothing is ever unpickled."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..core.errors import UsageError
from ..core.files import write_atomic

FORMAT = "keyframe_bench/training_state@1"


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write nested mappings, lists and tuples of arrays, tensors and scalars as one file, atomically.

    Raises `OutputError`; `TypeError` if there is anything else in ``state``, which names where.
    """
    arrays: dict[str, NDArray[Any]] = {}
    tree = json.dumps(_pack(state, "", arrays))
    write_atomic(path, save(arrays, {"format": FORMAT, "tree": tree}))


def read_state(path: Path) -> dict[str, Any]:
    """Return what `write_state` wrote; `UsageError` if the file is not complete, or something else."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError("it is of another format")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        state: dict[str, Any] = _unpack(json.loads(metadata["tree"]), arrays)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{str(path)!r} is not the state of an interrupted training ({error}); remove it to train from the start"
        ) from error
    return state


def _pack(value: Any, where: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """Return JSON: scalars as they are, everything else as a mapping with one key that says what it is."""
    name, torch = f"{len(arrays)}{where}", sys.modules.get("torch")  # who has a tensor has imported it
    if isinstance(value, np.ndarray):
        arrays[name] = np.array(value, order="C")
        return {"array": name}
    if torch is not None and isinstance(value, torch.Tensor):
        arrays[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format).numpy()
        plain = value.dim() != 4 or value.is_contiguous() or not value.is_contiguous(memory_format=torch.channels_last)
        return {"tensor" if plain else "channels_last": name}  # moments must be laid out as their weights are
    if isinstance(value, Mapping):
        return {"dict": [[_scalar(k, where), _pack(v, f"{where}/{k}", arrays)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_pack(v, f"{where}/{n}", arrays) for n, v in enumerate(value)]}
    return _scalar(value, where)


def _scalar(value: Any, where: str) -> bool | int | float | str | None:
    if value is None or type(value) in (bool, int, float, str):
        return value  # type: ignore[no-any-return]
    for kind in (str, int, float):  # enumerations, numpy's numbers
        if isinstance(value, kind):
            return kind(value)
    raise TypeError(f"{where or '/'}: a {type(value).__name__} cannot be kept in a state file")


def _unpack(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "array":
        return arrays[content]
    if kind in ("tensor", "channels_last"):
        import torch

        tensor = torch.from_numpy(arrays[content])
        return tensor if kind == "tensor" else tensor.contiguous(memory_format=torch.channels_last)
    if kind == "dict":
        return {k: _unpack(v, arrays) for k, v in content}
    found = [_unpack(v, arrays) for v in content]
    return tuple(found) if kind == "tuple" else found
