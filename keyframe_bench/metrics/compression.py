"""How short a summary is."""

from __future__ import annotations

from typing import ClassVar

from ..core.annotation import Annotation
from ..core.clip import Clip
from ..core.keyframes import KeyFrames
from ..core.registry import register
from .base import Column, Metric


@register("compression")
class Compression(Metric):
    """Size of the summary beside the decoded frames of the video, before any sampling (C4)."""

    columns: ClassVar[dict[str, Column]] = {
        "n_keyframes": Column("none", "1", "key frames, K", headline=True),
        "compression": Column("none", "1", "compression ratio 1 - K / N"),
        "reduction": Column("none", "1", "reduction factor N / K; N for an empty summary"),
        "keyframes_per_min": Column("none", "1/min", "key frames per minute of video; 0 if its duration is unknown"),
    }

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the columns; N is ``len(clip)``: all frames, or those of the part that is looked at."""
        k, n, minutes = len(keyframes), len(clip), clip.video.duration_s / 60
        return {
            "n_keyframes": float(k),
            "compression": 1 - k / n if n else 0.0,
            "reduction": n / max(k, 1),
            "keyframes_per_min": k / minutes if minutes > 0 else 0.0,
        }
