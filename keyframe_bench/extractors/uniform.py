"""Frames at regular times."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from ..core.clip import Clip, KeyFrames
from ..core.registry import Range, register
from ..selection.spacing import distinct, every_seconds, first_at_or_after
from .base import Extractor


@register("uniform")
class Uniform(Extractor):
    """The first sampled frame at or after each point of a regular grid of time.

    Without a budget the grid is 0, ``every_s``, 2 ``every_s`` ... seconds after the first frame: the article's baseline
    of one frame every two seconds. With k the duration is cut into k equal parts.

    Parameters
    ----------
    every_s : float
        Seconds between key frames when the budget is free.
    phase : {"centre", "start"}
        Where in each of the k equal parts the frame is taken (fixed budget only).
    """

    reference = "platformai"
    supports = frozenset({"fixed", "free"})
    budget_rule = "k points evenly spaced in time"
    stochastic = False

    def __init__(
        self, every_s: Annotated[float, Range(0.001)] = 2.0, phase: Literal["centre", "start"] = "centre"
    ) -> None:
        self.every_s = every_s
        self.phase = phase

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002
        """Return ``min(k, N)`` frames, or one per ``every_s`` seconds (a gap gives one, not several)."""
        if k is None:
            return clip.pick(every_seconds(clip.times, self.every_s))
        k = min(k, len(clip))
        start = clip.times[0]
        # The last frame is on screen until the video's end, which its PTS does not tell.
        length = max(clip.video.duration_s, float(clip.times.max() - start))
        shift = 0.5 if self.phase == "centre" else 0.0
        wanted = start + (np.arange(k) + shift) * (length / k)
        return clip.pick(distinct(first_at_or_after(clip.times, wanted), len(clip)))
