"""Which videos, frames or images train, and which are held out.

Images are divided by their names: copies count once, look-alikes are on one side.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError, os_reason
from ..core.files import digest, read_json
from ..core.grammar import Split
from ..core.seeding import rng_for
from ..datasets.base import VideoItem

FORMAT = "keyframe_bench/split@1"
"""Of a split in a file: ``{"format": ..., "folds": [{"train": [ids], "test": [ids]}, ...]}``."""

LOOK_HEIGHT, LOOK_WIDTH = 8, 16
"""Pixels of the small image that is compared: the same for networks of all sizes, and so is the split."""

TOLERANCE = 12  # grey levels of 255, in every sample of it
_NAMED = 5  # files that the facts name


@dataclass(frozen=True)
class Fold:
    """One division of the videos of a data set: ids, in the order of the data set."""

    train: tuple[str, ...]
    test: tuple[str, ...]


def folds_of(split: Split, items: Sequence[VideoItem], seed: int = 0) -> list[Fold]:
    """Return the divisions that a split of whole videos stands for.

    Videos of one `VideoItem.group` stay together. ``split``: no split by frames; ``seed``: which group goes where, with
    ``videos`` and ``kfold``. Raises `UsageError` if a side would be empty, or a file does not fit the data set.
    """
    ids = [item.id for item in items]
    if split.kind == "file":
        return _read_folds(Path(split.path), ids)
    if split.kind == "given":
        parts = [{item.id for item in items if item.part == part} for part in ("train", "validation")]
        if not all(parts):
            what = "a part of its own split is absent" if any(parts) else "this data set has no split of its own"
            raise UsageError(f"split=given: {what}; choose another split")
        return [Fold(*(tuple(i for i in ids if i in part) for part in parts))]
    groups = list(dict.fromkeys(group_of(item) for item in items))
    n_folds = split.n_folds
    if len(groups) < max(2, n_folds):
        one, many = ("video", "videos") if len(groups) == len(items) else ("group of videos", "groups of videos")
        found = f"is 1 {one}" if len(groups) == 1 else f"are {len(groups)} {many}"
        raise UsageError(
            f"split={split} needs at least {max(2, n_folds)} {many}, and there {found}; add videos, or use temporal:0.8"
        )
    order = rng_for(seed, "split", len(groups)).permutation(len(groups))
    n_train = n_training(len(groups), split.value)
    held = np.array_split(order, n_folds) if split.kind == "kfold" else [order[n_train:]]
    fold_of = {groups[i]: number for number, part in enumerate(held) for i in part}
    tests = [{item.id for item in items if fold_of.get(group_of(item)) == number} for number in range(len(held))]
    return [Fold(tuple(i for i in ids if i not in test), tuple(i for i in ids if i in test)) for test in tests]


def group_of(item: VideoItem) -> str:
    """Return what keeps videos together: their group, else their own id."""
    return item.group or item.id


def grouped(items: Sequence[VideoItem], hashes: Sequence[str]) -> list[VideoItem]:
    """Return the items with the groups that hold together: those of the data set, joined where they share a file.

    ``hashes``: of their bytes; empty where a file cannot be read.
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

    ``n``: a single one trains; ``split``: ``temporal`` or ``frames``; ``seed``: of ``frames``.
    """
    order = np.arange(n) if split.kind == "temporal" else rng_for(seed, "split", n).permutation(n)
    n_train = n_training(n, split.value) if n > 1 else n
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
        listed = told.get("folds") if isinstance(told, dict) and told.get("format") == FORMAT else None
        if not isinstance(listed, list) or not listed:
            raise ValueError("another format, or no list of folds")
        folds = [[_read_side(fold, side, number) for side in ("train", "test")] for number, fold in enumerate(listed)]
    except OSError as error:
        raise UsageError(f"{named} cannot be read ({os_reason(error)})") from error
    except ValueError as error:
        layout = f'{{"format": "{FORMAT}", "folds": [{{"train": [ids], "test": [ids]}}]}}'
        raise UsageError(f"{named} is not a split file ({error}); it should hold {layout}") from error
    known = set(ids)
    for number, (train, test) in enumerate(folds):
        for name in [*train, *test]:
            at = f"{named}: fold {number} has {name!r}"
            if name not in known:
                raise UsageError(f"{at}, which the data set does not have; its videos are called {ids[0]!r} ...")
            if name in train and name in test:
                raise UsageError(f"{at} in train and in test; leave it out of one of them")
    return [Fold(*(tuple(i for i in ids if i in side) for side in fold)) for fold in folds]


def _read_side(fold: Any, side: str, number: int) -> dict[str, None]:
    names = fold.get(side) if isinstance(fold, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"fold {number} has no list of videos {side!r}")
    return dict.fromkeys(names)


def divide_images(
    names: Sequence[str], pixels: Sequence[Hashable], looks: NDArray[np.uint8], share: float, seed: int
) -> tuple[list[int], list[int], dict[str, Any]]:
    """Return positions of images that train, and of those held out, as a limit takes them, and facts of the others.

    Each belongs to a side by a hash of its name: adding images moves none of those that were there, and every class
    (folder) is divided in about the same ratio. Images with equal pixels count once, under the first name; those that
    look like an earlier one (coded anew, made smaller) go where that one goes. Raises `UsageError` if all images are
    the same.

    Parameters
    ----------
    names : sequence of str
        Paths below the root of the data set.
    pixels : sequence
        Equal where decoded images are.
    looks : uint8 [N, LOOK_HEIGHT, LOOK_WIDTH, 3]
    share : float
        Of the images that train, 0 to 1.
    """
    first: dict[Hashable, int] = {}
    copies = []
    for position in sorted(range(len(names)), key=names.__getitem__):
        if (known := first.setdefault(pixels[position], position)) != position:
            copies.append(f"{names[position]} is {names[known]}")
    kept = list(first.values())
    if len(kept) < 2:
        raise UsageError(
            "the images that can be read are all the same, and training needs at least two (one to validate on); "
            "add others"
        )
    groups = [kept[i] for i in first_alike(looks[kept])]
    if len(set(groups)) == 1:
        groups = kept  # all look alike: that tells nothing
    pairs = list(zip(kept, groups, strict=True))
    alike = [f"{names[position]} looks like {names[group]}" for position, group in pairs if position != group]
    rank = {position: _rank(names[position], seed) for position in kept}
    held = _held_out(groups, rank, 1 - share)
    facts: dict[str, Any] = {"copies": len(copies), "copies_names": copies[:_NAMED]}
    facts |= {"alike": len(alike), "alike_names": alike[:_NAMED]}
    train, validation = ([position for position, group in pairs if (group in held) == side] for side in (False, True))
    return _over_classes(train, names, rank), _over_classes(validation, names, rank), facts


def first_alike(looks: NDArray[np.uint8]) -> list[int]:
    """Return for each image the position of an earlier one that it looks like, or else its own.

    Images look alike where no sample of `LOOK_HEIGHT` x `LOOK_WIDTH` differs by more than `TOLERANCE` grey levels. The
    earlier one looks like none before it, so that a slow change does not make one group of everything. ``looks`` (uint8
    [N, LOOK_HEIGHT, LOOK_WIDTH, 3]).

    Notes
    -----
    Of 1000 photographs the two most alike are 61 levels apart; one that is coded anew as JPEG of quality 75 moves by 2
    at the median, and by 8 at most; one of half the size by 1, and 99 of 100 by 11 at most.
    """
    from scipy.spatial import cKDTree

    flat = looks.reshape(len(looks), -1)
    tree = cKDTree(flat)
    found = np.full(len(flat), -1)
    for position, look in enumerate(flat):
        if found[position] < 0:
            near = np.array(tree.query_ball_point(look, TOLERANCE, p=np.inf))
            found[near[found[near] < 0]] = position
    return found.tolist()


def _held_out(groups: Sequence[int], rank: dict[int, float], share: float) -> set[int]:
    """Return which groups of images that look alike are held out, at least one and not all."""
    size = Counter(groups)
    free = {group for group, n in size.items() if 2 * n <= len(groups)}  # more than half are too many to spare
    held = {group for group in free if rank[group] < share}
    if not held:
        return {min(free, key=rank.__getitem__)}
    return held - {max(held, key=rank.__getitem__)} if len(held) == len(size) else held


def _rank(name: str, seed: int) -> float:
    """Return a number in 0 to 1 that depends on nothing but name and seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:7], "big") / 2**56


def _over_classes(positions: Sequence[int], names: Sequence[str], rank: dict[int, float]) -> list[int]:
    """Return positions so that every beginning of the list holds about as many of each class (folder)."""
    turns: defaultdict[str, Iterator[int]] = defaultdict(count)  # of a folder: 0, 1 ...
    ordered = sorted(positions, key=lambda p: (rank[p], names[p]))
    return sorted(ordered, key=lambda p: next(turns[names[p].rpartition("/")[0]]))
