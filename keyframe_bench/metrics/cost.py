"""What a summary cost."""

from __future__ import annotations

from typing import ClassVar

from ..core.annotation import Annotation
from ..core.clip import Clip
from ..core.keyframes import KeyFrames
from ..core.registry import register
from .base import Column, Metric


@register("cost")
class Cost(Metric):
    """Seconds as if the extractor had run alone, and memory of the process that ran all; what was not measured is 0.

    Memory cannot be told apart by method inside one process: ``peak_mb`` is that of the whole pass, with every method
    (and video) that the process had run by then.
    """

    columns: ClassVar[dict[str, Column]] = {
        "decode_s": Column("lower", "s", "decoding the video, or reading its packets where that is enough"),
        "features_s": Column("lower", "s", "computing the features that were needed"),
        "select_s": Column("lower", "s", "choosing the key frames"),
        "total_s": Column("lower", "s", "decoding, features and selection", headline=True),
        "frames_per_s": Column("higher", "1/s", "decoded frames per second of total_s"),
        "peak_mb": Column("lower", "MB", "highest anonymous memory of the process that ran all methods of the pass"),
    }

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the columns from ``keyframes.cost`` and the number of decoded frames."""
        measured = {name: float(keyframes.cost.get(name, 0.0)) for name in self.columns}
        total = measured["decode_s"] + measured["features_s"] + measured["select_s"]
        rate = clip.video.n_frames / total if total > 0 else 0.0
        return measured | {"total_s": total, "frames_per_s": rate}
