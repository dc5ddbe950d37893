"""Which videos, or which frames, train, and which are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.files import digest, read_json
from ..core.grammar import Split
from ..core.seeding import rng_for
from ..datasets.base import VideoItem

FORMAT = "keyframe_bench/split@1"
"""Of a split in a file: ``{"format": ..., "folds": [{"train": [ids], "test": [ids]}, ...]}``."""


@dataclass(frozen=True)
class Fold:
    """One division of the videos of a data set: ids, in the order of the data set."""

    train: tuple[str, ...]
    test: tuple[str, ...]


def folds_of(split: Split, items: Sequence[VideoItem], seed: int = 0) -> list[Fold]:
    """Return the divisions that a split of whole videos stands for.

    Videos of one `VideoItem.group` stay together.

    Parameters
    ----------
    split : Split
        No split by frames.
    items : sequence of VideoItem
    seed : int
        Which group goes where, with ``videos`` and ``kfold``.

    Raises
    ------
    UsageError
        If a side would be empty, or a file does not fit the data set.
    """
    ids = [item.id for item in items]
    if split.kind == "file":
        return _read_folds(Path(split.path), ids)
    if split.kind == "given":
        parts = [{item.id for item in items if item.part == part} for part in ("train", "validation")]
        if not all(parts):
            raise UsageError("split=given: this data set has no split of its own; choose another split")
        return [Fold(*(tuple(i for i in ids if i in part) for part in parts))]
    groups = list(dict.fromkeys(group_of(item) for item in items))
    n_folds = split.n_folds
    if len(groups) < max(2, n_folds):
        one, many = ("video", "videos") if len(groups) == len(items) else ("group of videos", "groups of videos")
        raise UsageError(
            f"split={split} needs at least {max(2, n_folds)} {many}, and there "
            f"{f'is 1 {one}' if len(groups) == 1 else f'are {len(groups)} {many}'}; add videos, or use temporal:0.8"
        )
    order = rng_for(seed, "split", len(groups)).permutation(len(groups))
    n_train = n_training(len(groups), split.value)
    held = np.array_split(order, n_folds) if split.kind == "kfold" else [order[n_train:]]
    found = []
    for part in held:
        out = {groups[i] for i in part}
        test = {item.id for item in items if group_of(item) in out}
        found.append(Fold(tuple(i for i in ids if i not in test), tuple(i for i in ids if i in test)))
    return found


def group_of(item: VideoItem) -> str:
    """Return what keeps videos together: their group, else their own id."""
    return item.group or item.id


def grouped(items: Sequence[VideoItem], hashes: Sequence[str]) -> list[VideoItem]:
    """Return the items with the groups that hold together: those of the data set, joined where they share a file.

    Parameters
    ----------
    items : sequence of VideoItem
    hashes : sequence of str
        Of their bytes; empty where a file cannot be read.
    """
    joined: dict[str, str] = {}

    def root(name: str) -> str:
        while joined.setdefault(name, name) != name:
            name = joined[name]
        return name

    for item, sha256 in zip(items, hashes, strict=True):
        joined[root(f"bytes {sha256 or item.id}")] = root(f"group {group_of(item)}")
    names: dict[str, str] = {}
    return [replace(i, group=names.setdefault(root(f"group {group_of(i)}"), group_of(i))) for i in items]


def n_training(n: int, share: float) -> int:
    """Return how many of ``n`` train, so that there is at least one on either side."""
    return min(max(1, round(n * share)), n - 1)


def divided_frames(n: int, split: Split, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of ``n`` frames of a group train and which are held out, both increasing.

    Parameters
    ----------
    n : int
        At least 2.
    split : Split
        ``temporal`` or ``frames``.
    seed : int
        Of ``frames``.
    """
    order = np.arange(n) if split.kind == "temporal" else rng_for(seed, "split", n).permutation(n)
    n_train = n_training(n, split.value)
    return np.sort(order[:n_train]), np.sort(order[n_train:])


def split_document(folds: Sequence[Fold]) -> dict[str, Any]:
    """Return divisions as ``FILE.json`` holds them."""
    return {"format": FORMAT, "folds": [{"train": list(f.train), "test": list(f.test)} for f in folds]}


def split_name(split: Split, folds: Sequence[Fold]) -> str:
    """Return what records and rows call a split: of a file its name and what it holds, not where it lies."""
    if split.kind != "file":
        return str(split)
    return f"{Path(split.path).name}@{digest(split_document(folds))[:8]}"


def refuse_parted(split: Split, folds: Sequence[Fold], items: Sequence[VideoItem]) -> None:
    """Raise `UsageError` where videos of a group train and are held out: a file or the data set may divide so."""
    group = {item.id: group_of(item) for item in items}
    for fold in folds:
        trained = {group[name]: name for name in reversed(fold.train)}
        for name in fold.test:
            if group[name] in trained:
                raise UsageError(
                    f"split={str(split)!r} has {trained[group[name]]!r} in train and {name!r} in test, which belong "
                    "together (copies of a file, or one group of the data set); put both on one side"
                )


def _read_folds(path: Path, ids: Sequence[str]) -> list[Fold]:
    named = f"split={str(path)!r}"
    try:
        told = read_json(path.expanduser())
    except (OSError, ValueError) as error:
        raise UsageError(f"{named} cannot be read ({getattr(error, 'strerror', None) or error})") from error
    layout = f'it should hold {{"format": "{FORMAT}", "folds": [{{"train": [ids], "test": [ids]}}]}}'
    listed = told.get("folds") if isinstance(told, Mapping) and told.get("format") == FORMAT else None
    if not isinstance(listed, list) or not listed:
        raise UsageError(f"{named} is not a split file; {layout}")
    return [_read_fold(fold, ids, f"{named}: fold {number}", layout) for number, fold in enumerate(listed)]


def _read_fold(fold: Any, ids: Sequence[str], at: str, layout: str) -> Fold:
    sides = [fold.get(side) if isinstance(fold, Mapping) else None for side in ("train", "test")]
    for side in sides:
        if not isinstance(side, list) or not side or not all(isinstance(name, str) for name in side):
            raise UsageError(f"{at} has no list of videos for train and for test; {layout}")
    known, train, test = set(ids), set(sides[0] or ()), set(sides[1] or ())
    for name in sorted((train | test) - known):
        raise UsageError(f"{at} names {name!r}, which the data set does not have; its videos are called {ids[0]!r} ...")
    for name in sorted(train & test):
        raise UsageError(f"{at} has {name!r} in train and in test; leave it out of one of them")
    return Fold(tuple(i for i in ids if i in train), tuple(i for i in ids if i in test))
