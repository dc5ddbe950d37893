"""How far the frame is from the key frames that is shown worst by them."""

from __future__ import annotations

from typing import ClassVar

from ..core.annotation import Annotation
from ..core.clip import Clip
from ..core.keyframes import KeyFrames
from ..core.registry import register
from .base import Column
from .looks import GrayLooks, HueLooks, looks_of
from .visual import Visual


class _Fidelity(Visual):
    reference = "chang1999fidelity"
    family: ClassVar[str]

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return both columns; of `MAX_FRAMES` evenly spaced frames when there are more. 0 without key frames."""
        if len(keyframes) == 0 or len(clip) == 0:
            return dict.fromkeys(self.columns, 0.0)
        looks = looks_of(clip, self.looks)
        distance = looks.nearest(keyframes.frames) / looks.largest
        return {
            f"fidelity_{self.family}": float(1 - distance.max()),
            f"fidelity_mean_{self.family}": float(1 - distance.mean()),
        }


@register("fidelity_hue")
class FidelityHue(_Fidelity):
    """1 - (semi-Hausdorff distance) / 2 with the L1 distance of hue histograms, whose range is 0 to 2 (C4).

    The semi-Hausdorff distance of a video to its key frames is that of the frame which is farthest from its nearest key
    frame: one odd frame decides. The column ``_mean`` takes the mean over frames instead of the largest.
    """

    looks = HueLooks
    family = "hue"
    columns: ClassVar[dict[str, Column]] = {
        "fidelity_hue": Column("higher", "1", "likeness of the worst shown frame to a key frame (hue histogram)"),
        "fidelity_mean_hue": Column("higher", "1", "mean likeness of the frames to a key frame (hue histogram)"),
    }


@register("fidelity_gray")
class FidelityGray(_Fidelity):
    """1 - (semi-Hausdorff distance) / 255 with the RMS difference of small grey pictures, whose range is 0 to 255."""

    looks = GrayLooks
    family = "gray"
    columns: ClassVar[dict[str, Column]] = {
        "fidelity_gray": Column("higher", "1", "likeness of the worst shown frame to a key frame (grey)"),
        "fidelity_mean_gray": Column("higher", "1", "mean likeness of the frames to a key frame (grey)"),
    }
