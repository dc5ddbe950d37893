"""How many human annotators the metrics of agreement average."""

from __future__ import annotations

from typing import ClassVar

from ..core.annotation import Annotation
from ..core.clip import Clip
from ..core.keyframes import KeyFrames
from ..core.registry import register
from .base import Column, Metric


@register("annotators")
class Annotators(Metric):
    """Who chose key frames, and who chose none: agreement with nothing is not defined, so these are left out."""

    wants = "users"
    reference = "none"
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
