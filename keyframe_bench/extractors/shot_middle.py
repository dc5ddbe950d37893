"""One frame of each shot, or more of long ones."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip, KeyFrames
from ..core.errors import UsageError
from ..core.feature import Feature
from ..core.grammar import with_options
from ..core.registry import Range, register
from ..features.images import Gray
from ..selection.clustering import medoids
from ..selection.segments import borders_at, change_threshold, middles, segments_of
from ._rows import FEATURE, feature_named, flat_rows
from .base import NOTHING_ABOVE, Extractor

Counts = NDArray[np.int64]


@register("shot_middle")
class ShotMiddle(Extractor):
    """The middle, the sharpest or the most typical frame of each shot, as many per shot as its length asks for.

    Where the change from the frame before reaches a threshold, a shot begins. The threshold stays with a budget of k:
    each shot gets a key frame, the longest first, and what is left of the budget goes, one by one, to the shot with the
    most frames per key frame. A shot of several is cut into equal parts. (`pixel_distance` makes as many shots as there
    are key frames instead.)

    Parameters
    ----------
    change : str
        Any registered feature whose row is a number that is high at a cut, with its parameters after a question mark:
        ``pixel_difference``, ``histogram_difference?bins=64``, ``scene_score``; or a row of windows with a number for
        each of their frames, ``transnetv2``, which reads every frame and goes with ``threshold=absolute level=0.5``.
    frame : {"middle", "sharpest", "medoid"}
        Of each part the middle frame; the one whose grey image has the Laplacian of highest variance; or the one
        nearest to the mean of its rows of ``feature``.
    feature : str
        As ``change``, but any row of numbers; read for "medoid" only.
    threshold : {"mean+std", "mean", "absolute", "rolling", "adaptive"}
        As of `histogram_distance`.
    factor : float
        Raise it for fewer shots.
    level : float
        Absolute threshold, in the unit of ``change``.
    window_s : float
        Seconds of the rolling window; it shrinks at the edges.

    Notes
    -----
    Time grows with N log N for N frames, apart from the features; for "medoid" with N D for rows of D numbers.
    """

    reference = "none"
    supports = frozenset({"fixed", "free"})
    budget_rule = "one frame a shot, the longest shots first; more by length; free: one a shot"
    stochastic = False

    def __init__(
        self,
        change: str = "pixel_difference",
        frame: Literal["middle", "sharpest", "medoid"] = "middle",
        feature: str = FEATURE,
        threshold: Literal["mean+std", "mean", "absolute", "rolling", "adaptive"] = "mean+std",
        factor: Annotated[float, Range(0)] = 1.0,
        level: Annotated[float, Range(0)] = 10.0,
        window_s: Annotated[float, Range(0.001)] = 60.0,
    ) -> None:
        self.change = change
        self.frame = frame
        self.feature = feature
        self.threshold = threshold
        self.factor = factor
        self.level = level
        self.window_s = window_s

    @property
    def needs(self) -> tuple[Feature, ...]:
        """The change, and what the frame of a shot is chosen by."""
        by: dict[str, tuple[Feature, ...]] = {"sharpest": (Gray(height=120, width=160),)}
        by["medoid"] = (feature_named(self.feature),) if self.frame == "medoid" else ()
        change: Feature = Feature.registry.build(*with_options(self.change))
        return (change, *by.get(self.frame, ()))

    @property
    def sampling(self) -> str | None:
        """Every frame where the change is of windows, which are of frames that follow one another."""
        return None if self.needs[0].window is None else "every"

    @property
    def label(self) -> str:
        """Say so when a feature is of a network that was never trained."""
        return "random init" if any(getattr(feature, "weights", "") == "random" for feature in self.needs) else ""

    def unavailable(self) -> str | None:
        """Return why a feature cannot be computed here, or None."""
        reasons = (getattr(feature, "unavailable", lambda: None)() for feature in self.needs)
        return next(filter(None, reasons), None)

    def must_download(self) -> str | None:
        """Return what a feature would have to fetch first, or None."""
        reasons = (getattr(feature, "must_download", lambda: None)() for feature in self.needs)
        return next(filter(None, reasons), None)

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002 - interface
        """Return the key frames in order of time; the score of each is the share of the frames in its part."""
        change = self._change(clip)
        thresholds = change_threshold(
            change, clip.times, self.threshold, factor=self.factor, level=self.level, window_s=self.window_s
        )
        shots = segments_of(borders_at(change, thresholds), len(clip))
        counts = np.ones(len(shots), dtype=np.int64) if k is None else by_length(np.diff(shots)[:, 0], k)
        parts = np.concatenate([_cut(start, end, n) for (start, end), n in zip(shots, counts, strict=True) if n])
        return clip.pick(
            self._frames(clip, parts),
            scores=np.diff(parts)[:, 0] / len(clip),
            frame_scores=change,
            thresholds=thresholds if k is None else None,
            fallback=NOTHING_ABOVE if k is None and len(shots) == 1 else "",
        )

    def _change(self, clip: Clip) -> NDArray[np.floating]:
        """Return a number per frame, float [N]; of a frame in several windows that of the one it lies deepest in."""
        feature = self.needs[0]
        rows, windows = clip[feature], clip.windows(feature)
        if rows.ndim == 1 and feature.window is None:
            return rows
        if rows.ndim != 2 or feature.window is None or (np.diff(windows)[:, 0] != rows.shape[1]).any():
            raise UsageError(f"change={self.change} is not a number per frame; choose another, such as scene_score")
        at = windows[:, :1] + np.arange(rows.shape[1])  # [W, n]
        depth = np.minimum(np.arange(rows.shape[1]), np.arange(rows.shape[1])[::-1])
        deepest_last = np.argsort(np.broadcast_to(depth, at.shape), axis=None, kind="stable")
        found = np.zeros(len(clip), dtype=rows.dtype)
        found[at.ravel()[deepest_last]] = rows.ravel()[deepest_last]
        return found

    def _frames(self, clip: Clip, parts: Counts) -> Counts:
        """Return a position in each of the parts [P, 2], which do not overlap."""
        if self.frame == "middle":
            return middles(parts)
        lengths = np.diff(parts)[:, 0]
        part = np.repeat(np.arange(len(parts)), lengths)
        inside: Counts = np.arange(len(part)) - np.repeat(np.cumsum(lengths) - lengths - parts[:, 0], lengths)
        if self.frame == "medoid":
            nearest: Counts = inside[medoids(flat_rows(clip, self.needs[1], "feature")[inside], part)]
            return nearest
        import cv2

        sharp = np.array([cv2.Laplacian(clip[self.needs[1]][at], cv2.CV_64F).var() for at in inside])
        sharpest: Counts = inside[np.lexsort((inside, -sharp, part))[np.cumsum(lengths) - lengths]]
        return sharpest


def by_length(lengths: Counts, k: int) -> Counts:
    """Return how many of k key frames each of S shots gets, int64 [S], at most its length.

    One each, the longest first, the earlier of equals; then to the shot of the largest ``length / (n + 1)``, n being
    what it has (D'Hondt's rule).

    Examples
    --------
    >>> import numpy as np
    >>> [by_length(np.array([6, 2, 1]), k).tolist() for k in (2, 3, 5)]
    [[1, 1, 0], [1, 1, 1], [3, 1, 1]]
    """
    shot = np.repeat(np.arange(len(lengths)), lengths)
    nth = 1 + np.arange(len(shot)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    order = np.lexsort((shot, -lengths[shot] / nth, nth > 1))
    return np.bincount(shot[order[:k]], minlength=len(lengths)).astype(np.int64)


def _cut(start: np.int64, end: np.int64, n: np.int64) -> Counts:
    """Return n ranges of equal length, up to a frame, int64 [n, 2], of a half-open one."""
    edges = start + np.arange(n + 1) * (end - start) // n
    return np.stack([edges[:-1], edges[1:]], axis=1)
