"""Pictures that show the same, found by what they show: stored twice, coded anew, or made smaller."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LOOK_HEIGHT, LOOK_WIDTH = 8, 16
"""Pixels of the small picture that is compared: the same for networks of all sizes, and so is the split."""

TOLERANCE = 12  # levels of 255 in every sample of it


def first_alike(looks: NDArray[np.uint8]) -> list[int]:
    """Return for each picture the place of an earlier one that it looks like, or else its own.

    Pictures look alike where no sample of `LOOK_HEIGHT` x `LOOK_WIDTH` differs by more than `TOLERANCE` levels. The
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
    for place, look in enumerate(flat):
        if found[place] < 0:
            near = np.array(tree.query_ball_point(look, TOLERANCE, p=np.inf))
            found[near[found[near] < 0]] = place
    return found.tolist()


def without_copies(names: Sequence[str], pixels: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return the places of pictures that are no copy of an earlier one, and of every copy the two names.

    Parameters
    ----------
    names : sequence of str
    pixels : sequence of str
        Equal where decoded pictures are.
    """
    first: dict[str, str] = {}
    copies, kept = [], []
    for place, (name, known) in enumerate(zip(names, pixels, strict=True)):
        if known in first:
            copies.append(f"{name} is {first[known]}")
        else:
            first[known] = name
            kept.append(place)
    return kept, copies
