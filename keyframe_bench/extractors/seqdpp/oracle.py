"""The oracle summary that a training imitates: one summary of a video that agrees best with all annotators."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...core.clip import Clip
from ...metrics.distances import HUE, HUE_THRESHOLD, hue_distance
from ..oracle import Oracle, UserMatching, greedy_summary
from .model import Mask, SeqdppOptions


def oracle_summary(clip: Clip, options: SeqdppOptions) -> Mask:
    """Return which sampled frames the oracle chooses, bool [N]: none where no frame agrees with an annotator."""
    if options.oracle == "time":
        found = Oracle(tau_s=options.tau_s).select(clip, rng=np.random.default_rng(0))
        return np.isin(clip.ordinals, found.frames) & (not found.fallback)
    users = [_ByAppearance(clip, chosen) for chosen in clip.choices()]
    positions, f1 = greedy_summary(users, len(clip), len(clip), until_worse=True)
    return np.isin(np.arange(len(clip)), positions) & bool(f1.max() > 0)


class _ByAppearance(UserMatching):
    """A largest matching with the key frames of one annotator, by hue histograms as the metric `cus` compares them."""

    def __init__(self, clip: Clip, chosen: NDArray[np.int64]) -> None:
        super().__init__(clip.times[chosen], clip.times, 0.0)
        rows = clip[HUE]
        self.near = hue_distance(rows, rows[chosen]) < HUE_THRESHOLD  # [N, K]

    def gains(self) -> Mask:
        """Whether adding each frame makes the matching one larger, bool [N]."""
        return np.asarray((self.near & self._open()[0]).any(axis=1))

    def _first(self, position: int, is_open: Mask) -> int:
        return int((self.near[position] & is_open).argmax())

    def _open(self) -> tuple[Mask, NDArray[np.int64]]:
        is_open, onward = self.partner < 0, np.full(len(self.partner), -1)
        while True:
            closed = np.flatnonzero(~is_open)
            within = self.near[self.partner[closed]] & is_open  # where else their partners could go
            freed = within.any(axis=1)
            if not freed.any():
                return is_open, onward
            is_open[closed[freed]] = True
            onward[closed[freed]] = within[freed].argmax(axis=1)
