"""The folder of one training: its files, and whether it is the training that is asked for."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ..core.checkpoint import read_record
from ..core.errors import UsageError
from ..core.files import read_json, write_atomic

FORMAT = "keyframe_bench/training@2"
_NAMED = 5  # differences that a message names
_NOTHING = object()  # what a shorter list lacks
_LONG = 160  # characters of a value in it


class TrainingFolder:
    """Names, reading and writing; every file appears as a whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.best = path / "best.safetensors"
        self.last = path / "last.safetensors"
        self.record = path / "training.json"
        self.history = path / "history.csv"
        self.curves, self.strip = path / "curves.png", path / "reconstructions.jpg"  # not of every method
        self.state = path / "state.safetensors"  # what an interrupted training goes on from

    def read(self, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the record, or None where nothing was trained yet.

        Raises `UsageError` if it is the record of another training, or none.
        """
        try:
            record = read_json(self.record)
            if record["format"] != FORMAT:
                raise ValueError(f"its format is {record['format']!r}")
            theirs = record["identity"]
            _ = record["finished"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{str(self.record)!r} is not the record of a training ({error}); choose another folder with out=DIR"
            ) from error
        if found := differences(theirs, dict(identity)):
            more = f" and {len(found) - _NAMED} more differences" if len(found) > _NAMED else ""
            raise UsageError(
                f"{str(self.path)!r} holds another training: {'; '.join(found[:_NAMED])}{more}; choose another folder "
                "with out=DIR"
            )
        return dict(record)

    def has_checkpoints(self, method: str, key: str) -> bool:
        """Whether both are there, of the training with this key.

        Raises `UsageError` if one is damaged or of another training; it is not overwritten, since there may be a copy
        of the right one.
        """
        both = self.best, self.last
        if not all(path.is_file() for path in both):
            return False
        for path in both:
            try:
                if read_record(path, method).get("key") != key:
                    raise UsageError("its key is another one")
            except UsageError as error:
                raise UsageError(
                    f"{str(path)!r} is damaged, or a checkpoint of another training; put a copy of the right one in "
                    "its place, or remove it and the same command trains again"
                ) from error
        return True

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Write ``training.json``; `OutputError` when that fails."""
        document = {"format": FORMAT, **record}
        write_atomic(self.record, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def write_history(self, history: Sequence[Mapping[str, float]]) -> None:
        """Write ``history.csv``: a line per row, a column per name that any has; `OutputError` when that fails."""
        text = io.StringIO()
        fields = list(dict.fromkeys(name for row in history for name in row)) or ["epoch"]
        writer = csv.DictWriter(text, fieldnames=fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        write_atomic(self.history, text.getvalue())


def differences(theirs: object, ours: object, where: str = "") -> list[str]:
    """Return in words what differs between two identities; a key that one lacks is None there.

    >>> differences({"seed": 0, "options": {"loss": "mix"}}, {"seed": 0, "options": {"loss": "l2"}})
    ["options.loss is 'mix' there and 'l2' here"]
    """
    if theirs == ours:
        return []
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = dict.fromkeys([*theirs, *ours])
        pairs = [(theirs.get(k), ours.get(k), f"{where}.{k}".lstrip(".")) for k in keys]
        return [text for pair in pairs for text in differences(*pair)]
    if isinstance(theirs, list) and isinstance(ours, list):
        rows = enumerate(zip_longest(theirs, ours, fillvalue=_NOTHING))
        found = [text for i, (a, b) in rows for text in differences(a, b, f"{where}[{i}]")[:1]]
        return [found[0] + (f" (and {len(found) - 1} more of {where})" if len(found) > 1 else "")] if found else []
    return [f"{where or 'all'} is {_short(theirs)} there and {_short(ours)} here"]


def _short(value: object) -> str:
    text = "nothing" if value is _NOTHING else repr(value)
    return text if len(text) <= _LONG else f"{text[: _LONG - 3]}..."
