"""Agreement with annotators who scored every frame: the keyshot protocol of SumMe and TVSum, and rank correlation."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation, UserSummary
from ..core.clip import Clip, KeyFrames
from ..core.feature import Feature
from ..core.grammar import Sampling
from ..core.registry import register
from ..selection.knapsack import knapsack
from ..selection.kts import kts
from .base import Column, Metric
from .distances import GRAY, HUE
from .matching import precision_recall_f

PERCENT = 15
"""A summary has at most this share of the frames, rounded down."""

PENALTY = 0.5
"""C of `kts`, for rows of length 1."""

_SAMPLES = ("2fps", 2000)  # what KTS looks at, and how many at most
_UNITS = ("0.5fps", 1000)  # what is ranked: two seconds, the unit that TVSum's annotators scored
_STEPS = 2.0**30

Frames = NDArray[np.int64]


def ticks(times: NDArray[np.float64], sampling: str, most: int) -> Frames:
    """Return the positions that ``sampling`` keeps of frames at ``times``; every second, third, ... above ``most``."""
    kept = Sampling.parse(sampling).ordinals(times - times[0])
    return kept[:: -(-len(kept) // most)]


def means(scores: NDArray[np.floating], starts: Frames) -> Frames:
    """Return the mean score of every segment in steps of 2^-30 of the largest absolute score, int64 [..., S].

    Equal means are then equal, however long the segments are, and sums of them exact.

    Parameters
    ----------
    scores : float [..., N]
    starts : int64 [S]
        Where each segment starts, from 0 on.
    """
    largest = np.abs(scores).max(axis=-1, keepdims=True).astype(np.float64)
    relative = np.divide(scores, largest, out=np.zeros(scores.shape), where=largest > 0)
    sums = np.add.reduceat(relative, starts, axis=-1)
    return np.rint(sums / np.diff(starts, append=scores.shape[-1]) * _STEPS).astype(np.int64)


def keyshots(scores: NDArray[np.floating], starts: Frames) -> NDArray[np.bool_]:
    """Return the frames of the summary that frame scores lead to, bool [N].

    The value of a segment is the mean score of its frames, its weight their number; the summary is the exact 0/1
    knapsack of `PERCENT` % of the frames. Where scores are below 0, the lowest counts as 0.

    Parameters
    ----------
    scores : float [N]
    starts : int64 [S]
        Where each segment starts, from 0 on.
    """
    n, lengths = len(scores), np.diff(starts, append=len(scores))
    chosen = np.zeros(len(starts), dtype=bool)
    chosen[knapsack(means(scores - min(0.0, scores.min()), starts), lengths, PERCENT * n // 100)] = True
    return np.repeat(chosen, lengths)


def user_keyshots(importance: NDArray[np.floating], starts: Frames) -> NDArray[np.bool_]:
    """Return the summary of an annotator, bool [N]: the chosen frames of a binary one, else `keyshots` of the scores.

    Importance is binary where it is 0 or one other number, and has both.
    """
    chosen = importance > 0
    levels = importance[chosen]
    binary = 0 < len(levels) < len(importance) and levels.min() == levels.max()
    return chosen if binary else keyshots(importance, starts)


def frame_scores(keyframes: KeyFrames, n: int) -> NDArray[np.float64]:
    """Return the score of each of ``n`` frames, float64 [n]: that of the last frame scored, the first before it.

    Without frame scores it is 1 on key frames and 0 elsewhere.
    """
    if keyframes.frame_scores is None or keyframes.scored is None or not len(keyframes.scored):
        return np.bincount(keyframes.frames, minlength=n).astype(np.float64)
    held = np.searchsorted(keyframes.scored, np.arange(n), side="right") - 1
    return keyframes.frame_scores[np.maximum(held, 0)].astype(np.float64)


def rank_correlations(
    predicted: NDArray[np.number], users: NDArray[np.number]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Kendall's tau-b and Spearman's rho (average ranks) with every user; 0 where either is constant.

    Parameters
    ----------
    predicted : [n]
    users : [U, n]

    Returns
    -------
    tau, rho : float64 [U]
    """
    from scipy.stats import rankdata

    ranks = rankdata(np.vstack([predicted, users]), axis=1)
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    squares = np.einsum("un,un->u", centred, centred)
    signs = (np.sign(row[:, None] - row).ravel() for row in ranks.astype(np.float32))
    own = next(signs)
    pairs = np.array([(np.einsum("p,p", own, theirs), np.count_nonzero(theirs)) for theirs in signs], dtype=np.float64)
    tau = _ratio(pairs[:, 0], np.count_nonzero(own) * pairs[:, 1])
    return tau, _ratio(centred[1:] @ centred[0], squares[0] * squares[1:])


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, np.sqrt(below), out=np.zeros(len(above)), where=below > 0)


class Timeline:
    """What is the same for every summary of a clip: its segments, its units, the annotators' summaries.

    Attributes
    ----------
    segments : int64 [S]
        Where each segment starts: `kts` on the frames at 2 per second (at most 2000, evenly spaced), whose rows are the
        square roots of the hue histogram beside the grey image less its mean, each of length 1 and of equal weight.
    units : int64 [U]
        Where each unit of two seconds starts; of longer ones above 1000 units.
    """

    def __init__(self, clip: Clip) -> None:
        self._times, self._columns = clip.times, clip.columns  # not the clip, with which this goes
        self._summaries: WeakKeyDictionary[UserSummary, NDArray[np.bool_]] = WeakKeyDictionary()

    @cached_property
    def segments(self) -> Frames:
        """Found when they are first asked for."""
        samples = ticks(self._times, *_SAMPLES)
        hue, gray = (self._columns[feature.key][samples] for feature in (HUE, GRAY))
        gray = gray.reshape(len(samples), -1).astype(np.float64)
        kernel = np.zeros((len(samples), len(samples)))
        for rows in (np.sqrt(hue, dtype=np.float64), gray - gray.mean(axis=1, keepdims=True)):
            lengths = np.linalg.norm(rows, axis=1, keepdims=True)
            unit = np.divide(rows, lengths, out=np.zeros(rows.shape), where=lengths > 0)
            kernel += unit @ unit.T / 2
        starts: Frames = samples[np.append(0, kts(kernel, PENALTY))]
        return starts

    @cached_property
    def units(self) -> Frames:
        """Found when they are first asked for."""
        return ticks(self._times, *_UNITS)

    def summary(self, user: UserSummary) -> NDArray[np.bool_]:
        """Return `user_keyshots` of a user with importance."""
        if user not in self._summaries:
            assert user.importance is not None
            self._summaries[user] = user_keyshots(user.importance, self.segments)
        return self._summaries[user]


_known: WeakKeyDictionary[Clip, Timeline] = WeakKeyDictionary()


def timeline_of(clip: Clip) -> Timeline:
    """Return the clip's `Timeline`, the same object every time."""
    if clip not in _known:
        _known[clip] = Timeline(clip)
    return _known[clip]


class _OfImportance(Metric):
    """A metric against the annotators whose importance is not the same for all frames: that of others says nothing."""

    requires = "importance"

    def applies(self, annotation: Annotation | None) -> bool:
        """Say whether there is such an annotator."""
        return annotation is not None and bool(_scoring(annotation))


def _scoring(annotation: Annotation | None) -> list[tuple[UserSummary, NDArray[np.float32]]]:
    users = [
        (user, user.importance) for user in (annotation.users if annotation else ()) if user.importance is not None
    ]
    return [(user, scores) for user, scores in users if len(scores) and scores.min() < scores.max()]


@register("keyshot_f")
class KeyshotF(_OfImportance):
    """F of summaries of 15 % of the video, made of whole segments, with those of annotators who scored its frames.

    Frame scores are held until the next sampled frame (methods without any: 1 on key frames, else 0). Kernel temporal
    segmentation cuts the video; the value of a segment is its mean score, its weight its length, and the exact knapsack
    chooses. Annotators who chose frames (SumMe) count as they are; scores (TVSum) go through the same knapsack. The
    human row goes through it as well, as any other.
    """

    reference = "zhang2016vslstm"
    columns: ClassVar[dict[str, Column]] = {
        "keyshot_f": Column("higher", "1", "F of a 15 % summary of whole segments, mean of the users' F"),
        "keyshot_f_max": Column("higher", "1", "F of a 15 % summary of whole segments, best user (optimistic)"),
        "keyshot_share": Column("none", "1", "share of the frames in that summary"),
        "keyshot_segments": Column("none", "1", "segments that the video is cut into"),
    }

    @property
    def needs(self) -> tuple[Feature, ...]:
        """What segments are found by."""
        return (HUE, GRAY)

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:
        """Return the columns; 0 without annotators."""
        users = _scoring(annotation)
        if not users or not len(clip):
            return dict.fromkeys(self.columns, 0.0)
        known = timeline_of(clip)
        summary = keyshots(frame_scores(keyframes, len(clip)), known.segments)
        theirs = np.array([known.summary(user) for user, _ in users])
        shared = np.count_nonzero(theirs & summary, axis=1)
        f = precision_recall_f(shared, summary.sum(), np.count_nonzero(theirs, axis=1))[2]
        values = (f.mean(), f.max(), summary.mean(), len(known.segments))
        return dict(zip(self.columns, map(float, values), strict=True))


@register("rank_correlation")
class RankCorrelation(_OfImportance):
    """Whether frames score higher the more important annotators find them: correlation of ranks, mean over annotators.

    Scores as in `keyshot_f` and importance are averaged over units of two seconds (TVSum's own). Scores that are the
    same everywhere have no rank correlation: they count as 0, and ``rank_constant`` says so.
    """

    reference = "otani2019rethinking"
    columns: ClassVar[dict[str, Column]] = {
        "rank_tau": Column(
            "higher", "1", "Kendall's tau-b of frame scores and importance, mean of the users'", signed=True
        ),
        "rank_rho": Column(
            "higher", "1", "Spearman's rho of frame scores and importance, mean of the users'", signed=True
        ),
        "rank_constant": Column("none", "1", "1 where all frames score the same: tau and rho then count as 0"),
    }

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:
        """Return the columns; 0 without annotators."""
        users = _scoring(annotation)
        if not users or not len(clip):
            return dict.fromkeys(self.columns, 0.0)
        units = timeline_of(clip).units
        predicted = means(frame_scores(keyframes, len(clip)), units)
        tau, rho = rank_correlations(predicted, means(np.array([scores for _, scores in users]), units))
        values = (tau.mean(), rho.mean(), predicted.min() == predicted.max())
        return dict(zip(self.columns, map(float, values), strict=True))
