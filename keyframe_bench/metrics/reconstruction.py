"""How well the skipped frames can be made from the key frames: the shot reconstruction degree."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip
from ..core.keyframes import KeyFrames
from ..core.registry import register
from .base import Column
from .looks import Compared, GrayLooks, looks_of
from .visual import Visual

PEAK = 255.0

ROUNDING = 1 / 12
"""Mean squared error of rounding to whole levels: a picture is known no better, so a smaller error counts as this."""

PERFECT_DB = float(10 * np.log10(PEAK**2 / ROUNDING))
"""PSNR of a reconstruction without error: 58.9 dB."""


@register("srd")
class ShotReconstruction(Visual):
    """Mean PSNR of the skipped frames, reconstructed from the key frames around them in time (C4).

    A frame between two key frames is their linear blend by presentation time, one before the first or after the last is
    that one; ``srd_hold_db`` repeats the last key frame instead of blending. No shots are looked at: a blend goes
    across cuts, so a summary without frames on both sides of a cut pays for it. The pictures are the grey ones of
    18 x 32, in which noise and fine motion are averaged away. (60 x 80 would need eight times the memory and time, more
    than the 5 ms that a metric may take.)

    An error below that of rounding to whole levels counts as that: a perfect reconstruction has 58.9 dB, and so has a
    summary that skips nothing. Without key frames it is 0 dB, what white in place of black has.
    """

    reference = "liu2004srd"
    looks = GrayLooks
    columns: ClassVar[dict[str, Column]] = {
        "srd_db": Column(
            "higher", "dB", "mean PSNR of skipped frames, blended in time from the key frames around", headline=True
        ),
        "srd_hold_db": Column("higher", "dB", "mean PSNR of skipped frames, the last key frame held"),
    }

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:  # noqa: ARG002 - interface
        """Return both columns; of `MAX_FRAMES` evenly spaced frames when there are more."""
        if len(keyframes) == 0:
            return dict.fromkeys(self.columns, 0.0)
        looks = looks_of(clip, GrayLooks)
        skipped = np.ones(len(clip), dtype=bool)
        skipped[keyframes.frames] = False
        compared, counted = looks.compared(keyframes.frames), skipped[looks.judged]
        blend, hold = _errors(compared, looks.judged_times)
        return {"srd_db": _mean_psnr(blend[counted]), "srd_hold_db": _mean_psnr(hold[counted])}


def _errors(compared: Compared, times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean squared error of every judged frame, blended and held, from inner products alone."""
    before, after = compared.before, compared.after
    start, end = compared.key_times[before], compared.key_times[after]
    weight = np.where(end > start, (times - start) / np.where(end > start, end - start, 1.0), 0.0)
    from_before = compared.sizes + compared.key_sizes[before] - 2 * compared.with_before
    from_after = compared.sizes + compared.key_sizes[after] - 2 * compared.with_after
    apart = compared.sizes - compared.with_before - compared.with_after + compared.steps[before]  # of the differences
    blend = (1 - weight) ** 2 * from_before + weight**2 * from_after + 2 * weight * (1 - weight) * apart
    pixels = GrayLooks.feature.height * GrayLooks.feature.width
    return blend / pixels, from_before / pixels


def _mean_psnr(errors: NDArray[np.float64]) -> float:
    if len(errors) == 0:
        return PERFECT_DB
    return float(np.mean(10 * np.log10(PEAK**2 / np.maximum(errors, ROUNDING))))
