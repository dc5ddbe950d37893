"""Agreement with annotated shots."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..core.annotation import Annotation
from ..core.clip import Clip
from ..core.keyframes import KeyFrames
from ..core.registry import register
from .base import Column, Metric


@register("shots")
class Shots(Metric):
    """Which of the annotated shots have a key frame. With fewer key frames than shots the recall cannot reach 1."""

    wants = "shots"
    reference = "none"
    columns: ClassVar[dict[str, Column]] = {
        "shot_recall": Column("higher", "1", "share of the shots with at least one key frame", headline=True),
        "keyframes_per_shot": Column("none", "1", "key frames inside shots, per shot"),
    }

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the columns; shots are half-open ranges of ordinals and may overlap or leave gaps."""
        if annotation is None or annotation.shots is None or len(annotation.shots) == 0:
            return dict.fromkeys(self.columns, 0.0)
        inside = np.searchsorted(keyframes.frames, annotation.shots)
        counts = inside[:, 1] - inside[:, 0]
        return {"shot_recall": float((counts > 0).mean()), "keyframes_per_shot": float(counts.mean())}
