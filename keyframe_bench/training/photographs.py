"""Which photographs train and which are held out: by their names, copies once, look-alikes on one side."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from .alike import first_alike, without_copies

_NAMED = 5  # files that the facts name


@dataclass(frozen=True)
class DividedPhotographs:
    """Places of photographs in the order in which a limit takes them, and what is to be said of the others."""

    train: list[int]
    validation: list[int]
    facts: dict[str, Any]


def divide_photographs(
    names: Sequence[str], pixels: Sequence[str], looks: NDArray[np.uint8], share: float, seed: int
) -> DividedPhotographs:
    """Return which photographs train.

    Each belongs to a side by a hash of its name: adding pictures moves none of those that were there, and every class
    (folder) is divided in about the same ratio. Pictures with equal pixels count once, under the first name; those that
    look like an earlier one (coded anew, made smaller) go where that one goes.

    Parameters
    ----------
    names : sequence of str
        Paths below the root of the data set, sorted.
    pixels : sequence of str
        Equal where decoded pictures are.
    looks : uint8 [N, LOOK_HEIGHT, LOOK_WIDTH, 3]
    share : float
        Of the pictures that train.
    seed : int

    Raises
    ------
    UsageError
        If all pictures are the same.
    """
    kept, copies = without_copies(names, pixels)
    if len(kept) < 2:
        raise UsageError(
            "the pictures that can be read are all the same, and training needs at least two (one to validate on); "
            "add others"
        )
    own = [names[place] for place in kept]
    first = dict(zip(own, [own[place] for place in first_alike(looks[kept])], strict=True))
    if len(set(first.values())) == 1:
        first = {name: name for name in own}  # all look alike: that tells nothing
    alike = [f"{name} looks like {earlier}" for name, earlier in first.items() if name != earlier]
    rank = {name: _rank(name, seed) for name in own}
    held = _held_out(first, rank, 1 - share)
    validation = {name for name in own if first[name] in held}
    place_of = dict(zip(own, kept, strict=True))
    facts: dict[str, Any] = {}
    for what, found in (("copies", copies), ("alike", alike)):
        facts |= {what: len(found), f"{what}_names": found[:_NAMED]}
    train, validated = (
        [place_of[name] for name in _spread(side, rank)] for side in (set(own) - validation, validation)
    )
    return DividedPhotographs(train, validated, facts)


def _held_out(first: Mapping[str, str], rank: Mapping[str, float], share: float) -> set[str]:
    """Return which of the first pictures of those that look alike are held out, at least one and not all."""
    size = Counter(first.values())
    free = {name for name, n in size.items() if 2 * n <= len(first)}  # more than half are too many to spare
    held = {name for name in free if rank[name] < share}
    if not held:
        return {min(free, key=rank.__getitem__)}
    return held - {max(held, key=rank.__getitem__)} if len(held) == len(size) else held


def _rank(name: str, seed: int) -> float:
    """Return a number in 0 to 1 that depends on nothing but name and seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:7], "big") / 2**56


def _spread(names: Iterable[str], rank: Mapping[str, float]) -> list[str]:
    """Return names so that every beginning of the list holds about as many of each class."""
    classes = defaultdict(list)
    for name in sorted(names, key=lambda name: (rank[name], name)):
        classes[name.rpartition("/")[0]].append(name)
    turns = [(turn, rank[name], name) for held in classes.values() for turn, name in enumerate(held)]
    return [name for _, _, name in sorted(turns)]
