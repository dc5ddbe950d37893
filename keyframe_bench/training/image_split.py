"""Which images train and which are held out: by their names, copies once, look-alikes on one side."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError

LOOK_HEIGHT, LOOK_WIDTH = 8, 16
"""Pixels of the small image that is compared: the same for networks of all sizes, and so is the split."""

TOLERANCE = 12  # grey levels of 255, in every sample of it
_NAMED = 5  # files that the facts name


class DividedImages(NamedTuple):
    """Positions of images in the order in which a limit takes them, and what is recorded of the others."""

    train: list[int]
    validation: list[int]
    facts: dict[str, Any]


def divide_images(
    names: Sequence[str], pixels: Sequence[Hashable], looks: NDArray[np.uint8], share: float, seed: int
) -> DividedImages:
    """Return which images train.

    Each belongs to a side by a hash of its name: adding images moves none of those that were there, and every class
    (folder) is divided in about the same ratio. Images with equal pixels count once, under the first name; those that
    look like an earlier one (coded anew, made smaller) go where that one goes.

    Parameters
    ----------
    names : sequence of str
        Paths below the root of the data set.
    pixels : sequence
        Equal where decoded images are.
    looks : uint8 [N, LOOK_HEIGHT, LOOK_WIDTH, 3]
    share : float
        Of the images that train, 0 to 1.
    seed : int

    Raises
    ------
    UsageError
        If all images are the same.
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
    facts: dict[str, Any] = {}
    for what, found in (("copies", copies), ("alike", alike)):
        facts |= {what: len(found), f"{what}_names": found[:_NAMED]}
    train, validation = ([position for position, group in pairs if (group in held) == side] for side in (False, True))
    return DividedImages(_over_classes(train, names, rank), _over_classes(validation, names, rank), facts)


def first_alike(looks: NDArray[np.uint8]) -> list[int]:
    """Return for each image the position of an earlier one that it looks like, or else its own.

    Images look alike where no sample of `LOOK_HEIGHT` x `LOOK_WIDTH` differs by more than `TOLERANCE` grey levels. The
    earlier one looks like none before it, so that a slow change does not make one group of everything.

    Parameters
    ----------
    looks : uint8 [N, LOOK_HEIGHT, LOOK_WIDTH, 3]

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
    turns: Counter[str] = Counter()
    keys = {}
    for position in sorted(positions, key=lambda p: (rank[p], names[p])):
        folder = names[position].rpartition("/")[0]
        keys[position] = (turns[folder], rank[position], names[position])
        turns[folder] += 1
    return sorted(positions, key=keys.__getitem__)
