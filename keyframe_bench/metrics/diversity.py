"""How much the key frames of one summary differ from each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip
from ..core.keyframes import KeyFrames
from ..core.registry import register
from .base import Column
from .looks import GrayLooks, HueLooks, looks_of
from .visual import Visual

_AT_A_TIME = 512  # key frames


def diversity(batches: Iterable[NDArray[Any]]) -> float:
    """Return the mean of 1 - cos over all pairs of vectors (C4): 0 to 1 for vectors of numbers that are not negative.

    Fewer than two vectors have 0. A vector of zeros, which has no direction, is 0 from another one and 1 from any other
    vector.

    Parameters
    ----------
    batches : iterable of float [B, dimensions]
        The vectors.

    Examples
    --------
    >>> diversity([np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([[0.0, 1.0]])])
    0.6666666666666667
    """
    n, n_zero, total = 0, 0, np.zeros(1)
    for vectors in batches:
        size = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        total = total + (vectors / np.where(size > 0, size, 1.0)[:, None]).sum(axis=0)
        n, n_zero = n + len(vectors), n_zero + int((size == 0).sum())
    if n < 2:
        return 0.0
    # The square of the sum of unit vectors has the cosine of every pair twice, and n - n_zero own squares.
    cosines = float(total @ total) - (n - n_zero) + n_zero * (n_zero - 1)
    return min(1.0, max(0.0, 1 - cosines / (n * (n - 1))))


class _Diversity(Visual):
    reference = "zhou2018drdsn"

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the diversity of the key frames' rows."""
        frames, looks = keyframes.frames, looks_of(clip, self.looks)
        batches = (looks.vectors(frames[i : i + _AT_A_TIME]) for i in range(0, len(frames), _AT_A_TIME))
        return dict.fromkeys(self.columns, diversity(batches))


@register("diversity_hue")
class DiversityHue(_Diversity):
    """Mean of 1 - cos over pairs of key frames, with hue histograms as they are (C4); 0 for fewer than two."""

    looks = HueLooks
    columns: ClassVar[dict[str, Column]] = {
        "diversity_hue": Column("higher", "1", "mean of 1 - cos over pairs of key frames (hue histogram)")
    }


@register("diversity_gray")
class DiversityGray(_Diversity):
    """The same with small grey pictures as they are, black being 0.

    Frames of 25 different clips were 0.16 apart in the median, and one pair in ten more than 0.36.
    """

    looks = GrayLooks
    columns: ClassVar[dict[str, Column]] = {
        "diversity_gray": Column("higher", "1", "mean of 1 - cos over pairs of key frames (grey)")
    }
