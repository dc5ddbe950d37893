"""Reading and writing safetensors files: weights and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .errors import UsageError
from .files import canonical_json, printable, write_atomic


def read_tensors(
    path: str | Path, option: str, way_out: str, *, framework: Literal["numpy", "pt"] | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tensors of a safetensors file by name, and its metadata. Nothing is ever unpickled.

    Parameters
    ----------
    path : str or Path
    option, way_out : str
        For messages: the option that names the file, and the way out.
    framework : {"numpy", "pt"} or None
        Tensor library; None: metadata only. Completeness is checked either way.

    Raises
    ------
    UsageError
        If it cannot be read, is pickled, truncated, or something else.
    """
    from safetensors import SafetensorError, safe_open

    named = f"{option}={str(path)!r}"
    if printable(str(path)) != str(path):
        raise UsageError(f"{named} has a name that is not UTF-8, which safetensors does not open; rename it")
    try:
        with safe_open(path, framework=framework or "numpy") as file:
            names = file.keys() if framework else ()
            return {name: file.get_tensor(name) for name in names}, dict(file.metadata() or {})
    except OSError as error:
        raise UsageError(f"{named} cannot be read ({error.strerror or error}); {way_out}") from error
    except (SafetensorError, ValueError) as error:
        # Checked only now: a safetensors file starts with its header length and so with any byte.
        if _is_pickled(path):
            raise UsageError(
                f"{named} is a pickled checkpoint, which could run code when loaded; "
                "convert it with safetensors.torch.save_file"
            ) from error
        text = " ".join(str(error).split())[:100]
        raise UsageError(f"{named} is no complete safetensors file ({text}); {way_out}") from error


def write_tensors(path: Path, tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write arrays as a safetensors file, atomically; equal tensors and metadata give equal bytes.

    Raises
    ------
    OutputError
    """
    from safetensors.numpy import save

    data = save({name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}, dict(metadata))
    start = 8 + int.from_bytes(data[:8], "little")
    header = canonical_json(json.loads(data[8:start])).encode()  # sorted: the library shuffles it
    header += b" " * (-len(header) % 8)  # tensors begin at a multiple of 8
    write_atomic(path, len(header).to_bytes(8, "little") + header + data[start:])


def _is_pickled(path: str | Path) -> bool:
    """Say whether a file is what ``torch.save`` writes, now (a zip archive) or before version 1.6."""
    with open(path, "rb") as file:
        head = file.read(2)
    return head == b"PK" or head[:1] == b"\x80"
