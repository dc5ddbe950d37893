"""On which videos hue says nothing."""

from __future__ import annotations

from typing import ClassVar

from ..core.annotation import Annotation
from ..core.clip import Clip
from ..core.keyframes import KeyFrames
from ..core.registry import register
from .base import Column
from .looks import HueLooks, looks_of
from .visual import Visual


@register("degenerate")
class Degenerate(Visual):
    """Share of the frames whose hue histogram has one bin filled: black and white, or a single hue (C2).

    Such frames all look alike to the metrics by hue. It is a fact about the video, the same for every summary.
    """

    looks = HueLooks
    columns: ClassVar[dict[str, Column]] = {
        "hue_flat": Column("none", "1", "share of the video's frames with one hue bin filled (no colour)")
    }

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return the share; of `MAX_FRAMES` evenly spaced frames when there are more."""
        return {"hue_flat": looks_of(clip, HueLooks).flat_share}
