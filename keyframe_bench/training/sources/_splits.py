"""Which frames of a camera are for training, and which for validation."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...core.seeding import rng_for

Split = Literal["temporal", "random"]


def split_rows(n: int, n_train: int, split: Split, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of training and of validation out of ``n``, both increasing.

    Parameters
    ----------
    n, n_train : int
    split : {"temporal", "random"}
        "temporal": the first ``n_train`` train. "random": any do, and validation frames have neighbours among them.
    seed : int
        Of the random split.
    """
    order = np.arange(n) if split == "temporal" else rng_for(seed, "split", n).permutation(n)
    return np.sort(order[:n_train]), np.sort(order[n_train:])


def rows_of(pictures: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the rows, without a copy where they are neighbours."""
    first, end = int(rows[0]), int(rows[-1]) + 1
    return pictures[first:end] if end - first == len(rows) else pictures[rows]
