"""Where key frames fall among the scenes that a question about the video is on: the protocol of KFS-Bench."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip, KeyFrames
from ..core.registry import register
from .base import Column, Metric

Floats = NDArray[np.float64]

LEAST = 0.01
"""What a UKSS below it counts as, since the mean over questions is geometric."""

_POWERS = np.arange(11)[:, None] / 10


def counts(times: Floats, scenes: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return how many key frames fall into each scene, float64 [..., S], and into any, float64 [...].

    Parameters
    ----------
    times : float64 [..., n]
        Of the key frames, in seconds; equal ones count each.
    scenes : sequence of S float64 [I, 2]
        Intervals of each scene in seconds, both ends included. A time may lie in several scenes and counts for each.
    """
    intervals = np.concatenate(scenes)
    inside = (times[..., None] >= intervals[:, 0]) & (times[..., None] <= intervals[:, 1])  # [..., n, intervals]
    firsts = np.cumsum([0, *(len(scene) for scene in scenes[:-1])])
    by_scene = np.logical_or.reduceat(inside, firsts, axis=-1)
    return by_scene.sum(axis=-2).astype(np.float64), inside.any(axis=-1).sum(axis=-1).astype(np.float64)


def balanced_recall(found: Floats, hits: Floats, lengths: Floats) -> Floats:
    """Return the share of scenes with as many key frames as are due to them, float64 [...].

    Due are at least one, and the smaller of the scene's share of the length and an equal share of all hits, rounded
    down.

    Parameters
    ----------
    found : float64 [..., S]
        Key frames in each scene.
    hits : float64 [...]
        Key frames in any scene.
    lengths : float64 [S]
        Of the scenes, in seconds, above 0.
    """
    share = lengths / lengths.sum() * hits[..., None]
    due = np.floor(np.minimum(share, hits[..., None] / len(lengths)))
    recall: Floats = (found >= np.maximum(due, 1)).mean(axis=-1)
    return recall


def balanced_similarity(found: Floats, lengths: Floats) -> Floats:
    """Return the largest cosine of the counts and the lengths to a power of 0, 0.1, ... 1, float64 [...].

    0 without any hit. Power 0 asks for equally many key frames in every scene, 1 for as many as it is long.

    Parameters
    ----------
    found : float64 [..., S]
    lengths : float64 [S]
        In seconds, above 0.
    """
    weights = lengths**_POWERS
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    norm = np.linalg.norm(found, axis=-1)
    best = (found @ weights.T).max(axis=-1)
    similarity: Floats = np.divide(best, norm, out=np.zeros_like(norm), where=norm > 0)
    return similarity


def scene_scores(times: Floats, scenes: Sequence[Floats]) -> dict[str, Floats]:
    """Return the columns of `Scenes`, float64 [...], of key frames at ``times`` [..., n], n >= 0; see `counts`."""
    found, hits = counts(times, scenes)
    lengths = np.array([np.diff(scene, axis=1).sum() for scene in scenes])
    rate = hits / max(times.shape[-1], 1)
    recall, similarity = balanced_recall(found, hits, lengths), balanced_similarity(found, lengths)
    return {
        "key_frame_rate": rate,
        "scene_hit_rate": (found > 0).mean(axis=-1),
        "scene_recall": recall,
        "scene_similarity": similarity,
        "ukss": np.maximum(np.cbrt(rate * recall * similarity), LEAST),
    }


@register("scenes")
class Scenes(Metric):
    """Whether key frames lie in the scenes that answer a question, in all of them, and evenly (KFS-Bench).

    Key frame rate and scene hit rate are plain shares. The unified score (UKSS) is the cube root of key frame rate x
    balanced scene recall x balanced distribution similarity, at least 0.01. As published, the mean of UKSS over
    questions is **geometric** (``geometric: ukss`` in a paper's table); that of the other numbers is arithmetic.
    """

    requires = "scenes"
    reference = "li2026kfsbench"
    columns: ClassVar[dict[str, Column]] = {
        "key_frame_rate": Column("higher", "1", "share of the key frames that lie in a scene"),
        "scene_hit_rate": Column("higher", "1", "share of the scenes with a key frame"),
        "scene_recall": Column("higher", "1", "share of the scenes with as many key frames as are due (BSR)"),
        "scene_similarity": Column("higher", "1", "cosine of key frames and lengths of the scenes (BDS)"),
        "ukss": Column("higher", "1", "cube root of rate x BSR x BDS, at least 0.01 (published: geometric mean)"),
    }

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the columns; without key frames or scenes all are 0, but the UKSS 0.01."""
        if annotation is None or not annotation.scenes:
            return {**dict.fromkeys(self.columns, 0.0), "ukss": LEAST}
        return {name: float(value) for name, value in scene_scores(keyframes.times, annotation.scenes).items()}
