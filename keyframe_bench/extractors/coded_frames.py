"""Frames chosen by how the encoder coded them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..core.clip import Clip, KeyFrames
from ..core.feature import Feature
from ..core.registry import register
from ..features.container import CodedPicture
from ..selection.spacing import distinct, nearest_times
from .base import Extractor


@register("coded_frames")
class CodedFrames(Extractor):
    """The frames that the encoder marked: key frames, I pictures, or I and P pictures.

    Only key frames stand alone; P and B pictures are predicted from others. Where an encoder puts them says as much
    about its settings (group length, scene-cut threshold) as about the film: a re-encoded copy gives other frames.

    Parameters
    ----------
    types : {"key", "I", "IP"}
        "key": the key flag, which demuxing alone gives for most files; "I" and "IP": the picture type, which needs
        decoding. With open groups of pictures there are more I pictures than key frames.
    """

    reference = "ffmpeg"
    sampling = "every"
    supports = frozenset({"fixed", "free"})
    budget_rule = "thinned evenly in time; free: all of them"
    may_return_fewer = "the encoder decides how many there are"
    stochastic = False

    def __init__(self, *, types: Literal["key", "I", "IP"] = "key") -> None:
        self.types = types

    @property
    def needs(self) -> tuple[Feature, ...]:
        """Key flags, and picture types if they are asked for."""
        return (CodedPicture(key_only=self.types == "key"),)

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002
        """Return the marked frames; ``segments`` reach from each to the next. Without any, the first frame."""
        key, picture = clip[self.needs[0]].T
        marked = {"key": key == 1, "I": picture == 1, "IP": (picture == 1) | (picture == 2)}[self.types]
        positions, fallback = np.flatnonzero(marked), ""
        if positions.size == 0:
            positions, fallback = np.zeros(1, dtype=np.int64), "the encoder marked no frame"
        if k is not None and k < positions.size:
            start = float(clip.times[0])
            # The last frame is on screen until the video's end, which its PTS does not tell.
            end = start + max(clip.video.duration_s, float(clip.times.max()) - start)
            centres = start + (np.arange(k) + 0.5) / k * (end - start)
            positions = positions[distinct(nearest_times(clip.times[positions], centres), len(positions))]
        borders = np.concatenate([[0], positions[1:], [len(clip)]])
        return clip.pick(positions, segments=np.stack([borders[:-1], borders[1:]], axis=1), fallback=fallback)
