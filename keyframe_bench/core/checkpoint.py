"""Checkpoints: tensors and a record in one safetensors file; nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import UnavailableError, UsageError, os_reason
from .files import canonical_json, printable, remembered_sha256, write_atomic

FORMAT = "keyframe_bench/checkpoint@1"
BUNDLED = "bundled"
"""Name of the checkpoint that ships with the package, accepted wherever a path is."""

_FIELDS: Mapping[str, type] = {
    **{"extractor": str, "version": int, "options": dict, "trained_on": list, "supervision": str, "features": list},
    **{"split": str, "chosen": str, "seed": int, "history": list, "numbers": dict, "versions": dict},
}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a method has learned: tensors and how they were trained.

    Attributes
    ----------
    tensors : mapping
        Name to array, of any shape.
    record : mapping
        Plain data: ``extractor`` and its ``version``; ``options`` of the training; ``features``, the keys of those it
        was trained on; ``trained_on``, a list of mappings ``video``, ``sha256``, ``start_s``, ``end_s`` (the range of
        time that was looked at), ``part`` ("train", or "validation" where it chose the epoch); ``supervision`` ("none",
        or "users": learned from human annotators); ``split``; ``chosen`` ("best_val", "last" or "only": which epoch it
        is of); ``history``, a mapping an epoch; ``numbers``, what else the method keeps by name; ``seed``;
        ``versions``. Neither clock nor machine, so that equal trainings give equal files.
    """

    tensors: Mapping[str, NDArray[Any]]
    record: Mapping[str, Any]

    @property
    def problem(self) -> str:
        """Why it cannot be stored: a tensor or number that is not finite, or no plain data; empty if it can."""
        if bad := _not_finite(self.tensors):
            return f"its tensor {bad!r} is not of finite numbers"
        for name, value in {**self.numbers, "history": self.record["history"]}.items():
            try:
                canonical_json(value)
            except (TypeError, ValueError) as error:
                return f"its {name} is not plain data with finite numbers ({error})"
        return ""

    def write(self, path: Path) -> None:
        """Write it as one file, atomically; equal checkpoints give equal bytes; `OutputError`."""
        write_tensors(path, self.tensors, {"format": FORMAT, "record": canonical_json(self.record)})

    @property
    def options(self) -> dict[str, Any]:
        """Every option of the training, by name."""
        return dict(self.record["options"])

    @property
    def numbers(self) -> dict[str, Any]:
        """Further results of the training, by name."""
        return dict(self.record["numbers"])


def checkpoint_file(checkpoint: str | Path, method: str, option: str = "checkpoint") -> Path:
    """Return the file that ``checkpoint`` names: "bundled", or a path; whether it exists is not checked.

    Raises `UnavailableError` if none is bundled for ``method``.
    """
    if checkpoint != BUNDLED:
        return Path(checkpoint)
    file = files(__name__.partition(".")[0]) / BUNDLED / f"{method}.safetensors"
    if not (isinstance(file, Path) and file.is_file()):
        raise UnavailableError(
            f"{option}={BUNDLED}: no checkpoint of {method!r} is in this installation of keyframe_bench; "
            f"{_way_out(method, option)}"
        )
    return file


def shown_file(out: Path, sha256: str) -> Path:
    """Return where a run in ``out`` keeps what its report shows of the checkpoint with this hash."""
    return out / "learned" / f"{sha256}.json"


def checkpoint_id(checkpoint: str | Path, method: str, option: str = "checkpoint") -> str:
    """Return the sha256 of the file: what identifies a checkpoint in keys; `UnavailableError` if it cannot be read."""
    path = checkpoint_file(checkpoint, method, option)
    try:
        return remembered_sha256(path)
    except OSError as error:
        message = f"checkpoint file {str(path)!r} cannot be read ({os_reason(error)}); {_way_out(method, option)}"
        raise UnavailableError(why_missing(checkpoint, method) or message) from error


def why_missing(checkpoint: str | Path, method: str, give: str = "") -> str | None:
    """Return why there is no such checkpoint, and how to ``give`` a trained one, or None; it is not opened."""
    way_out = _way_out(method, "checkpoint", give)
    if not checkpoint:
        return f"it is not trained; {way_out}"
    try:
        path = checkpoint_file(checkpoint, method)
    except UnavailableError as error:
        return str(error)
    if path.is_file():
        return None
    reason = "is a folder: name the file in it" if path.is_dir() else "does not exist"
    return f"checkpoint file {str(path)!r} {reason}; {way_out}"


def read_record(checkpoint: str | Path, method: str, option: str = "checkpoint") -> dict[str, Any]:
    """Return the record of a checkpoint of ``method`` without its tensors.

    Raises `UsageError` if the file is not a complete checkpoint, or one of another method; `UnavailableError` if none
    is bundled.
    """
    return _read(checkpoint, method, option, None)[1]


def read_checkpoint(checkpoint: str | Path, method: str, option: str = "checkpoint") -> Checkpoint:
    """Return a checkpoint of ``method``, with all its numbers finite; errors as `read_record`."""
    tensors, record = _read(checkpoint, method, option, "numpy")
    if bad := _not_finite(tensors):
        raise UsageError(
            f"{option}={str(checkpoint_file(checkpoint, method, option))!r} has numbers that are not finite, first in "
            f"{bad}; {_way_out(method, option)}"
        )
    return Checkpoint(tensors, record)


def _not_finite(tensors: Mapping[str, NDArray[Any]]) -> str:
    """Return the name of the first tensor with non-finite values; empty if there is none."""
    numeric = ((name, np.asarray(tensor)) for name, tensor in tensors.items())
    return next((name for name, t in numeric if t.dtype.kind not in "biuf" or not np.isfinite(t).all()), "")


def _way_out(method: str, option: str, give: str = "") -> str:
    give = give or f"give {option}=DIR/best.safetensors"
    return f"train one with keyframe-bench train extractor={method}, and {give}"


def _read(
    checkpoint: str | Path, method: str, option: str, framework: Literal["numpy"] | None
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return tensors (none without ``framework``) and the checked record."""
    path, way_out = checkpoint_file(checkpoint, method, option), _way_out(method, option)
    tensors, metadata = read_tensors(path, option, way_out, framework=framework)
    named, written = f"{option}={str(path)!r}", metadata.get("format")
    if written is None or "record" not in metadata:
        raise UsageError(f"{named} is not a keyframe_bench checkpoint; {way_out}")
    if written != FORMAT:
        raise UsageError(f"{named} has the format {written[:60]!r}, this version reads {FORMAT!r}; {way_out}")
    try:
        record: dict[str, Any] = json.loads(metadata["record"])
        for field, kind in _FIELDS.items():
            if not isinstance(record[field], kind):
                raise ValueError(f"{field} is not of type {kind.__name__}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{named} has a damaged record ({' '.join(str(error).split())[:80]}); {way_out}") from error
    if record["extractor"] != method:
        raise UsageError(f"{named} is a checkpoint of extractor {record['extractor']!r}, not of {method!r}; {way_out}")
    return tensors, record


def read_tensors(
    path: str | Path, option: str, way_out: str, *, framework: Literal["numpy", "pt"] | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tensors of a safetensors file by name, and its metadata. Nothing is ever unpickled.

    ``option`` and ``way_out``: for messages: the option that names the file, and the way out; ``framework``: tensor
    library; None: metadata only. Completeness is checked either way. Raises `UsageError` if it cannot be read, is
    pickled, truncated, or something else.
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
        raise UsageError(f"{named} cannot be read ({os_reason(error)}); {way_out}") from error
    except (SafetensorError, ValueError) as error:
        # Checked only now: a safetensors file starts with its header length and so with any byte.
        if _is_pickled(path):
            raise UsageError(
                f"{named} is a pickled checkpoint, which could run code when loaded; "
                "convert it with safetensors.torch.save_file"
            ) from error
        text = " ".join(str(error).split())[:100]
        raise UsageError(f"{named} is not a complete safetensors file ({text}); {way_out}") from error


def write_tensors(path: Path, tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write arrays as a safetensors file, atomically; equal tensors and metadata give equal bytes; `OutputError`."""
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
