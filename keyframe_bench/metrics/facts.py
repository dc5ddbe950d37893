"""Facts beside the scores: how short a summary is, what it cost, how many human annotators there are."""

from __future__ import annotations

from typing import ClassVar

from ..core.annotation import Annotation
from ..core.clip import Clip, KeyFrames
from ..core.registry import register
from .base import Column, Metric


@register("compression")
class Compression(Metric):
    """Size of the summary beside the decoded frames of the video, before any sampling."""

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


@register("cost")
class Cost(Metric):
    """Seconds as if the extractor had run alone, and memory of the process that ran all; what was not measured is 0.

    Memory cannot be told apart by method inside one process: ``peak_mb`` is that of the whole pass, with every method
    (and video) that the process had run by then.
    """

    measures_cost = True
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


@register("annotators")
class Annotators(Metric):
    """Who chose key frames, and who chose none: agreement with nothing is not defined, so these are left out."""

    requires = "users"
    columns: ClassVar[dict[str, Column]] = {
        "n_users": Column("none", "1", "human annotators with key frames: cus and f1 average them"),
        "n_users_empty": Column("none", "1", "human annotators without any key frame, left out of cus and f1"),
    }

    def applies(self, annotation: Annotation | None) -> bool:
        """Say whether anybody was asked."""
        return annotation is not None and len(annotation.users) > 0

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the two numbers."""
        asked, chose = (len(annotation.users), len(annotation.choosers)) if annotation else (0, 0)
        return {"n_users": float(chose), "n_users_empty": float(asked - chose)}
