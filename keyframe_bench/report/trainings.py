"""What the report shows of trainings: curves, reconstructions beside their inputs, and the losses of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.checkpoint import shown_file
from ..core.files import read_json
from ..tables.spec import Table
from ..training.session import best_row

if TYPE_CHECKING:
    import pandas as pd

_HEX, _BASE64 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[A-Za-z0-9+/]+=*")
_PICTURES = {
    "curves": ("losses and other numbers over the epochs", "png"),
    "reconstructions": ("images, their reconstructions, and the differences", "jpeg"),
}


class Shown(NamedTuple):
    """The trainings of one row."""

    label: str
    about: str
    pictures: list[tuple[str, str, str]]  # of the first training that has any: name, type, base64
    losses: list[list[str]]  # fold, seed, epochs, best epoch and its losses, of each training


def trainings(out: Path, table: Table, cells: pd.DataFrame, stored: Mapping[str, Mapping[str, Any]]) -> list[Shown]:
    """Return what is shown of the checkpoints that the rows of ``table`` rest on; rows of the same ones are one.

    ``cells`` as `tables.load_results` gives them, ``stored`` the same by key; ``learned/`` in ``out`` has the pictures.
    """
    used: dict[str, dict[str, Mapping[str, Any]]] = {}
    for group, key in zip(cells["group"], cells["key"], strict=True):
        if _HEX.fullmatch(sha256 := str(stored[key].get("checkpoint") or "")):
            used.setdefault(group, {}).setdefault(sha256, stored[key])
    shown: dict[tuple[str, ...], Shown] = {}
    for row in sorted(table.rows, key=lambda row: len(row.label)):  # of rows of the same ones the shortest name
        them = used.get(row.group, {})
        if tuple(them) not in shown:
            shown[tuple(them)] = _shown(row.label, [_read(out, *one) for one in them.items()])
    return sorted(one for one in shown.values() if one.pictures or one.losses)


def _read(out: Path, sha256: str, cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a checkpoint, with the fold and seed of ``cell``; nothing where that cannot be used."""
    try:
        found = read_json(shown_file(out, sha256))
        place = {"fold": cell.get("fold"), "seed": cell.get("training_seed")}
        return {**found, **place, "best": best_row(found["history"]) or {}, "last": (found["history"] or [{}])[-1]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # an older run, or no file of ours
        return {}


def _shown(label: str, found: list[dict[str, Any]]) -> Shown:
    known = sorted(filter(None, found), key=lambda one: (one["fold"] or 0, one["seed"] or 0))
    each = [
        [(*told, str(one[name])) for name, told in _PICTURES.items() if _BASE64.fullmatch(str(one.get(name, "")))]
        for one in known
    ]
    pictures = next(filter(None, each), [])
    about = f"{len(known)} trainings" if len(known) > 1 else ""
    about += f", the pictures are of number {each.index(pictures) + 1}" if about and pictures else ""
    losses = [_numbers(one) for one in known if one["best"]]
    return Shown(label, about, pictures, losses)


def _numbers(one: Mapping[str, Any]) -> list[str]:
    fold = None if one["fold"] is None else one["fold"] + 1
    best = (one["best"].get(name) for name in ("epoch", "validation_loss", "train_loss"))
    values = (fold, one["seed"], one["last"].get("epoch"), *best)
    return [
        f"{value:.4g}" if isinstance(value, float) else str(value) if isinstance(value, int) else "" for value in values
    ]
