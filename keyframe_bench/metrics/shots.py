"""Agreement with annotated shots, and key frames that show a shot again."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip, KeyFrames
from ..core.registry import register
from .base import Column, Metric


def most_in_shots(frames: NDArray[np.int64], shots: NDArray[np.int64]) -> int:
    """Return the size of a largest one-to-one matching of key frames and the shots that they lie in.

    Giving every shot, from the first to end to the last, its first free key frame is one of the largest matchings:
    whoever took that key frame instead, a shot that ends no earlier, can have the later one.

    Parameters
    ----------
    frames : int64 [K]
        Ordinals, increasing.
    shots : int64 [n, 2]
        Half-open ranges of ordinals, in any order; they may overlap.
    """
    free = np.ones(len(frames), dtype=bool)
    for first, end in np.searchsorted(frames, shots[np.argsort(shots[:, 1], kind="stable")]).tolist():
        inside = np.flatnonzero(free[first:end])
        free[first + inside[:1]] = False
    return len(frames) - int(free.sum())


@register("shots")
class Shots(Metric):
    """Which of the annotated shots have a key frame. With fewer key frames than shots the recall cannot reach 1."""

    version = 2
    requires = "shots"
    columns: ClassVar[dict[str, Column]] = {
        "shot_recall": Column("higher", "1", "share of the shots with at least one key frame", headline=True),
        "shot_f1": Column("higher", "1", "F1 of key frames and shots, each key frame inside a shot of its own"),
        "keyframes_per_shot": Column("none", "1", "key frames inside shots, per shot"),
    }

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the columns; shots are half-open ranges of ordinals and may overlap or leave gaps."""
        if annotation is None or annotation.shots is None or len(annotation.shots) == 0:
            return dict.fromkeys(self.columns, 0.0)
        inside = np.searchsorted(keyframes.frames, annotation.shots)
        counts = inside[:, 1] - inside[:, 0]
        matched = most_in_shots(keyframes.frames, annotation.shots)
        return {
            "shot_recall": float((counts > 0).mean()),
            "shot_f1": 2 * matched / (len(keyframes) + len(annotation.shots)),
            "keyframes_per_shot": float(counts.mean()),
        }


@register("repetition")
class Repetition(Metric):
    """How many key frames repeat a shot that an earlier one has shown; the shots are annotated.

    A key frame is a repetition when it lies in a shot, and every shot it lies in holds an earlier key frame (shots may
    overlap). One outside all shots repeats nothing, but counts among the key frames. With more key frames than shots
    some must be repetitions.
    """

    requires = "shots"
    columns: ClassVar[dict[str, Column]] = {
        "repeated_shot": Column("lower", "1", "share of the key frames in shots that already have one"),
        "keyframes_per_hit_shot": Column("none", "1", "key frames inside shots that have any, per such shot"),
    }

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the columns; 0 for an empty summary, and without a shot that is hit."""
        if annotation is None or annotation.shots is None or len(annotation.shots) == 0 or len(keyframes) == 0:
            return dict.fromkeys(self.columns, 0.0)
        first, end = np.searchsorted(keyframes.frames, annotation.shots).T
        hit = end > first
        opened = np.zeros(len(keyframes) + 1, dtype=np.int64)
        np.add.at(opened, first[hit], 1)
        np.add.at(opened, end[hit], -1)
        inside = np.cumsum(opened[:-1]) > 0
        repeated = int(inside.sum()) - len(np.unique(first[hit]))
        return {
            "repeated_shot": repeated / len(keyframes),
            "keyframes_per_hit_shot": float((end - first)[hit].mean()) if hit.any() else 0.0,
        }
