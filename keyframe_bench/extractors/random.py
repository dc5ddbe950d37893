"""Control: frames drawn at random."""

from __future__ import annotations

import numpy as np

from ..core.clip import Clip, KeyFrames
from ..core.registry import register
from .base import Extractor


@register("random")
class Random(Extractor):
    """k sampled frames drawn uniformly without replacement: the floor that every table carries."""

    reference = "none"
    budget_rule = "k frames drawn without replacement"
    draws = 100

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:
        """Return ``min(k, N)`` frames."""
        wanted = len(clip) if k is None else min(k, len(clip))
        return clip.pick(rng.choice(len(clip), size=wanted, replace=False))
