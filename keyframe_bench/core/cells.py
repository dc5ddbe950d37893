"""Cells: one extractor with its parameters on one video at one budget, sampling and seed; reading and checking them."""

from __future__ import annotations

import functools
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from .errors import os_reason
from .files import MAX_JSON_BYTES, digest, parse_json, read_file
from .version import PASS_VERSION

FORMAT = "keyframe_bench/cell@1"
"""The format that every stored cell declares."""

HUMAN = "human"
"""Extractor name of the row of the human annotators (leave-one-out); reserved."""

NO_NETWORK = "no network"
"""Label of a row that is a method without its network, which shows what the network adds."""

PLACE = (
    *("dataset", "video", "extractor", "params", "budget", "sampling", "run_sampling", "seed"),
    *("split", "fold", "training", "training_seed"),
)
"""What can stand only once in a table; features and their weights may have been others before."""

NO_IDENTITY = ("path", "untrained", "seen")
"""Fields of a `Cell` that are not part of its identity and are not stored."""


def thumbnails_folder(out: Path, sha256: str) -> Path:
    """Return where a run in ``out`` keeps the thumbnails of a video; another pass version has another folder."""
    return out / "thumbs" / f"{sha256}-{PASS_VERSION}"


@dataclass(frozen=True)
class Cell:
    """Identity of one result; its key is the hash of all fields but `NO_IDENTITY`."""

    extractor: str  # the method: registered name, class version, parameters
    version: int
    params: dict[str, Any]
    features: tuple[str, ...]  # keys of the features it reads (they carry versions and the sha256 of weights)
    dataset: str  # name of the data set, and digest of its annotation of this video
    annotation: str
    video: str  # id in the data set and hash of the bytes
    video_sha256: str
    budget: str  # in the grammar of `core.grammar`; the sampling is the method's own where it declares one
    sampling: str
    run_sampling: str  # the run's sampling: relative budgets are resolved on it
    seed: int
    pass_version: int = PASS_VERSION  # of decoding and conversions
    source: str = ""  # hash of the code of a plug-in extractor; empty for those of the package
    # Trainable methods: sha256 of the checkpoint; None if the training failed. ``params`` has no path.
    checkpoint: str | None = None
    # How it was trained: ``options``; ``data``; ``chosen``, the epoch; ``inner``, the split that chose
    # it; ``init``
    training: Mapping[str, Any] | None = None
    training_seed: int | None = None  # none for other methods, and for those whose training is deterministic
    split: str | None = None  # trainable methods; all methods where the split decides which part of a video is scored
    # Methods trained by the run: hash of which videos train in which fold, and the fold
    division: str | None = None
    fold: int | None = None
    part: tuple[int, int] | None = None  # Half-open range of ordinals that is scored; None: all
    # Where the checkpoint, or another file that it reads, lies now; not part of the identity
    path: str = ""
    untrained: str = ""  # why there is no checkpoint; not part of the identity
    # Whether training has seen what is scored; follows from the checkpoint, so not part of the identity
    seen: bool | None = None

    @functools.cached_property
    def key(self) -> str:
        """Hash of the identity, 20 hex digits: the name of the cell's file."""
        return digest(self._identity)

    @property
    def _identity(self) -> dict[str, Any]:
        """Fields by name without those that are None: keys of cells from before a field existed stay valid."""
        known = {field.name: getattr(self, field.name) for field in _FIELDS}
        return {name: value for name, value in known.items() if value is not None}

    @property
    def video_record(self) -> str:
        """Name of the video's record; copies of one file may have different annotations."""
        return digest([self.dataset, self.video, self.video_sha256, self.annotation])

    def to_json(self) -> dict[str, Any]:
        """Return the identity as plain data, with its key."""
        listed = {name: list(v) if isinstance(v, tuple) else v for name, v in self._identity.items()}
        return {"key": self.key, **listed, "video_record": self.video_record}


_FIELDS = tuple(field for field in fields(Cell) if field.name not in NO_IDENTITY)
IDENTITY = tuple(field.name for field in _FIELDS if field.default is not None)
"""What a stored cell must have for its key to be checked."""

_LARGEST = {int: 2**63 - 1, float: sys.float_info.max}
_STORED = (*IDENTITY, "metric_versions", "warnings")  # what a run's own cells have
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}

# A form is a type, [form] for a list, {name: form} for an object ("" stands for every other name), or (form,) where
# null is allowed. Names that are not listed may hold anything, and every name may be missing.
_CELL: dict[str, Any] = {
    **dict.fromkeys(("key", "status", "extractor", "video", "format"), str),
    **dict.fromkeys(("label", "reference", "budget_rule", "known_defects", "structure", "unit", "finished"), (str,)),
    **dict.fromkeys(("dataset", "revision", "annotation", "video_sha256", "video_record", "source"), (str,)),
    **dict.fromkeys(("budget", "sampling", "run_sampling", "checkpoint", "split", "division"), (str,)),
    **dict.fromkeys(("version", "pass_version", "seed", "k", "n_sampled", "n_frames", "draws"), (int,)),
    **dict.fromkeys(("training_seed", "fold"), (int,)),
    **dict.fromkeys(("privileged", "control", "exported", "trained_on_this_video"), (bool,)),
    "training": ({"options": {}},),
    "part": ([int],),
    **dict.fromkeys(("features", "warnings"), ([str],)),
    **dict.fromkeys(("versions", "metric_versions"), ({"": str},)),
    "params": ({},),
    "metrics": ({"": (float,)},),
    "error": ({"": (str,)},),
    "history": ([{"": (float,)}],),
    "keyframes": ({"frames": [int], "times": ([float],), "scores": ([float],), "cost": ({"": (float,)},)},),
}
_VIDEO: dict[str, Any] = {
    **dict.fromkeys(("video", "sha256"), str),
    **dict.fromkeys(("n_frames", "width", "height"), int),
    **dict.fromkeys(("start_s", "duration_s", "fps"), float),
    "health": {
        **dict.fromkeys(("decoded_frames", "missing_pts", "non_monotonic_pts", "decode_errors", "corrupt_frames"), int),
        **dict.fromkeys(("duplicate_pts", "rotation", "size_changes"), int),
        **dict.fromkeys(("declared_frames", "n_gaps"), (int,)),
        **dict.fromkeys(("declared_duration_s", "decoded_duration_s"), (float,)),
        "gaps": [[float]],
        "notes": [str],
    },
    "change": {"times": [float], "values": [float]},
    "shots_s": ([[float]],),
    "users": [{"name": str, "times": [float], "frames": [int]}],
}
_CHOICES: dict[str, Any] = {
    "address": str,
    "curves": {"": {"times": [float], "scores": [float], "thresholds": [float]}},
    "choices": {"": {"segments_s": [[float]], "ranks": [int], "lowest": float, "curve": str, "frame_scores": [float]}},
}


def parse_cell(text: str) -> dict[str, Any]:
    """Return the cell that a line of ``results.jsonl`` holds; `ValueError` says what is wrong with it.

    Lines without the full `IDENTITY` (older small results, trainings) are valid; if it is complete, the key must be its
    hash.
    Unknown fields are kept.
    """
    cell = parse_json(text)
    if not isinstance(cell, dict) or cell.get("format", FORMAT) != FORMAT:
        raise ValueError(f"it is not a {FORMAT} object")
    _need(cell, ("key", "status", "extractor", "video"))
    _check(cell, _CELL, "it")
    if cell["status"] not in ("ok", "failed", "skipped"):
        raise ValueError(f"it has status {cell['status']!r}, not ok, failed or skipped")
    found = cell.get("keyframes") or {}
    frames = found.get("frames", [])
    if any(b <= a for a, b in pairwise([-1, *frames])):
        raise ValueError("its key frames are not in order")
    if any(found.get(name) is not None and len(found[name]) != len(frames) for name in ("times", "scores")):
        raise ValueError("its key frames have other times or scores than frames")
    identity = {field.name: cell[field.name] for field in _FIELDS if cell.get(field.name) is not None}
    made = Cell(**identity).to_json() if identity.keys() >= set(IDENTITY) else {}
    if any(cell.get(name, value) != value for name, value in made.items()):
        raise ValueError("its key is not the hash of what it says it is about")
    return cell


def read_cell(path: Path, problems: list[str], needed: tuple[str, ...] = _STORED) -> dict[str, Any] | None:
    """Return the cell in ``path``, whose name is its key; None where there is none.

    ``problems``: gets a sentence if the file exists but is not a valid cell; ``needed``: further required fields.
    """

    def parse(text: str) -> dict[str, Any]:
        cell = parse_cell(text)
        _need(cell, ("format", "finished", "metrics", *needed))
        if cell["key"] != path.stem:
            raise ValueError("its name is not its key")
        return cell

    return _read(path, parse, problems)


def read_video_record(path: Path, video: str, sha256: str, problems: list[str]) -> dict[str, Any] | None:
    """Return the record of a video's bytes, None where there is none; ``problems`` as in `read_cell`."""

    def parse(text: str) -> dict[str, Any]:
        record = parse_json(text)
        _check(record, _VIDEO, "it")
        _need(record, tuple(name for name in _VIDEO if name != "shots_s"))
        if (record["video"], record["sha256"]) != (video, sha256):
            raise ValueError("it is about another video")
        if len(record["change"].get("times", ())) != len(record["change"].get("values", ())):
            raise ValueError("its change has other times than values")
        return dict(record)

    return _read(path, parse, problems)


def choices_path(record: Path) -> Path:
    """Return where a run keeps what only its report shows of the choices on the video with this record."""
    return record.parent.parent / "choices" / record.name


def read_choices(record: Path) -> dict[str, Any]:
    """Return what `choices_path` holds; nothing where that cannot be read."""

    def parse(text: str) -> dict[str, Any]:
        found = parse_json(text)
        _check(found, _CHOICES, "it")
        _need(found, tuple(_CHOICES))
        return dict(found)

    return _read(choices_path(record), parse, []) or {}


def _read(path: Path, parse: Any, problems: list[str]) -> dict[str, Any] | None:
    try:
        text = read_file(path, MAX_JSON_BYTES).decode()
        found: dict[str, Any] = parse(text)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()  # lone surrogates cannot be written back
        return found
    except FileNotFoundError:
        return None
    except UnicodeError:
        reason = "it is not UTF-8 text"
    except (OSError, ValueError) as error:
        reason = os_reason(error)
    problems.append(f"{str(path)!r} cannot be used ({reason}); it counts as missing")
    return None


def _need(record: Mapping[str, Any], names: tuple[str, ...]) -> None:
    missing = [name for name in names if record.get(name) is None]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")


def _check(value: Any, form: Any, name: str) -> None:
    """Raise `ValueError`, which names the part, unless ``value`` is of ``form`` (see `_CELL`)."""
    kind: Any = type(form) if isinstance(form, (list, dict)) else form
    no_number = isinstance(value, bool) and kind in (int, float)
    if no_number or not isinstance(value, (int, float) if kind is float else kind):
        what = _WORDS.get(kind, "a list" if kind is list else "an object")
        raise ValueError(f"{name} is {str(value)[:40]!r}, not {what}")
    if isinstance(value, (int, float)) and abs(value) > _LARGEST.get(kind, math.inf):
        raise ValueError(f"{name} is too large")
    if isinstance(value, list):
        for part in value:
            if type(part) is not form[0] or form[0] is int:  # most need no closer look
                _check(part, form[0], name)
    elif isinstance(value, dict):
        other = form.get("")
        for key, part in value.items():
            inner = form.get(key, other)
            if type(inner) is tuple:
                inner = None if part is None else inner[0]
            if inner is not None and (type(part) is not inner or inner is int):
                _check(part, inner, f"{name}.{key[:40]}".removeprefix("it."))
