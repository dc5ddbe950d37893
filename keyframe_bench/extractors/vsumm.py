"""VSUMM: k-means over hue histograms."""

from __future__ import annotations

import functools
import warnings
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip, KeyFrames
from ..core.registry import Range, register
from ..features.histograms import HueHistogram
from ..features.images import GrayStd
from .base import NOTHING_ABOVE, Extractor

Rows = NDArray[np.float64]


@register("vsumm")
class Vsumm(Extractor):
    """VSUMM1 and VSUMM2: blank frames out, k-means over 16-bin hue histograms, similar key frames out.

    The number of clusters starts at 1 and grows by one for every pair of consecutive frames whose histograms differ by
    more than ``change``; a fixed budget replaces it. Every cluster gives the frame nearest its centre, the earlier one
    when two are equally near. If every frame is blank, all are kept.

    Parameters
    ----------
    variant : {"vsumm1", "vsumm2"}
        vsumm2 keeps only clusters of more than half the mean cluster size.
    rate : {"1fps", "run"}
        Sampling: the paper's one frame per second, or that of the run.
    mono_std : float
        Frames whose grey levels deviate less than this (0 to 127.5, in units of 0-255) are blank.
    change : float
        Histogram distance above which two consecutive frames count as a change.
    similar : float
        A key frame nearer than this to an earlier one that was kept is dropped; 0 keeps all.
    distance : {"l1", "l2"}
        Histogram distance of ``change`` and ``similar``: L1 (0 to 2) or Euclidean (0 to 1.41). k-means is Euclidean.
    init : {"temporal", "kmeans++"}
        First centres: the means of equal pieces of the video (deterministic), or k-means++.
    """

    reference = "deavila2011vsumm"
    needs = (HueHistogram(bins=16, height=60, width=80), GrayStd(height=60, width=80))  # GrayStd tells blank frames
    supports = frozenset({"fixed", "free"})
    budget_rule = "k clusters, one frame each; similar key frames are dropped"
    may_return_fewer = "similar key frames are dropped, and there are no more clusters than distinct histograms"

    def __init__(
        self,
        *,
        variant: Literal["vsumm1", "vsumm2"] = "vsumm1",
        rate: Literal["1fps", "run"] = "1fps",
        mono_std: Annotated[float, Range(0, 127.5)] = 8.0,
        change: Annotated[float, Range(0, 2)] = 0.5,
        similar: Annotated[float, Range(0, 2)] = 0.5,
        distance: Literal["l1", "l2"] = "l1",
        init: Literal["temporal", "kmeans++"] = "temporal",
    ) -> None:
        self.variant = variant
        self.rate = rate
        self.mono_std = mono_std
        self.change = change
        self.similar = similar
        self.distance = distance
        self.init = init

    @property
    def stochastic(self) -> bool:  # type: ignore[override]  # depends on a parameter here
        """True with k-means++ only."""
        return self.init == "kmeans++"

    @property
    def sampling(self) -> str | None:
        """The paper's one frame per second, unless ``rate`` is "run"."""
        return None if self.rate == "run" else self.rate

    def prepare(self) -> None:
        """Import scikit-learn."""
        import sklearn.cluster  # noqa: F401 - importing it takes a second that is not selection

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:
        """Return the key frames in order of time; a key frame's score is its cluster's share of the frames kept."""
        kept, rows, fallback = self._not_blank(clip)
        if k is None:
            k = self._estimated(rows)
            fallback = fallback or (NOTHING_ABOVE if k == 1 else "")
        labels = _clusters(rows, k, None if self.init == "temporal" else rng)
        sizes = np.bincount(labels)
        clusters = np.flatnonzero(sizes)  # k-means may leave clusters empty
        if self.variant == "vsumm2":
            clusters = clusters[sizes[clusters] > sizes[clusters].mean() / 2]
        nearest = np.array([_nearest_to_mean(rows, labels == c) for c in clusters], dtype=np.int64)
        order = np.argsort(nearest)
        nearest, share = nearest[order], sizes[clusters[order]] / len(rows)
        unlike = _drop_similar(rows[nearest], self.similar, self.distance)
        return clip.pick(kept[nearest[unlike]], scores=share[unlike], fallback=fallback)

    def estimated_k(self, clip: Clip) -> int:
        """Return the number of clusters that a free budget begins with; the clip has the features of `needs`."""
        return self._estimated(self._not_blank(clip)[1])

    def _estimated(self, rows: Rows) -> int:
        return 1 + int((_lengths(np.diff(rows, axis=0), self.distance) > self.change).sum())

    def _not_blank(self, clip: Clip) -> tuple[NDArray[np.int64], Rows, str]:
        """Return the positions of the frames that are not blank, their histograms, and why if these are all."""
        histogram, contrast = self.needs
        kept, fallback = np.flatnonzero(clip[contrast] >= self.mono_std), ""
        if kept.size == 0:
            kept, fallback = np.arange(len(clip)), "every frame is blank"
        return kept, np.asarray(clip[histogram], dtype=np.float64)[kept], fallback


def _lengths(differences: Rows, distance: str) -> Rows:
    """L1 or Euclidean length along the last axis."""
    lengths: Rows = np.linalg.norm(differences, ord=1 if distance == "l1" else 2, axis=-1)
    return lengths


def _clusters(rows: Rows, k: int, rng: np.random.Generator | None) -> NDArray[np.int64]:
    """Label every row by Euclidean k-means with at most k clusters, from equal pieces in time or (rng) k-means++."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    k = min(k, len(np.unique(rows, axis=0)))
    if k == 1:
        return np.zeros(len(rows), dtype=np.int64)
    if rng is None:
        # k pieces whose lengths differ by one at most, as np.array_split makes them.
        starts = np.searchsorted(np.arange(len(rows)) * k // len(rows), np.arange(k))
        lengths = np.diff(np.append(starts, len(rows)))
        model = KMeans(k, init=np.add.reduceat(rows, starts) / lengths[:, None], n_init=1, random_state=0)
    else:
        model = KMeans(k, init="k-means++", n_init=1, random_state=int(rng.integers(2**31)))
    # Fewer than 512 rows are one piece of work, on which further threads would only wait.
    with warnings.catch_warnings(), _openmp().limit(limits=1 if len(rows) < 512 else None, user_api="openmp"):
        # Pieces with equal means may end as one cluster: fewer key frames, not a fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(model.fit(rows).labels_, dtype=np.int64)


@functools.cache  # looking for the loaded libraries takes longer than clustering
def _openmp() -> Any:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def _nearest_to_mean(rows: Rows, members: NDArray[np.bool_]) -> int:
    """Index of the first member that is nearest to the members' mean."""
    where = np.flatnonzero(members)
    # Recomputed here: the library sums in threads, so its centres differ in the last digit from run to run.
    away = np.linalg.norm(rows[where] - rows[where].mean(axis=0), axis=1)
    return int(where[np.argmax(away <= away.min() + 1e-9)])


def _drop_similar(rows: Rows, limit: float, distance: str) -> NDArray[np.int64]:
    """Return the indices of the rows, in order of time, at least ``limit`` away from every row kept before."""
    kept: list[int] = []
    for index, row in enumerate(rows):
        if not kept or _lengths(rows[kept] - row, distance).min() >= limit:
            kept.append(index)
    return np.array(kept, dtype=np.int64)
