"""What an extractor returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DTYPES = {
    **{"frames": np.int64, "times": np.float64, "scores": np.float64, "segments": np.int64},
    **{"frame_scores": np.float32, "thresholds": np.float32},
}


@dataclass(frozen=True, eq=False)
class KeyFrames:
    """Key frames of one video, in order of time.

    Attributes
    ----------
    frames : int64 [K]
        0-based ordinals in the order in which the decoder returns the frames, strictly increasing.
    times : float64 [K]
        Presentation times (PTS) in seconds, as the container states them.
    scores : float64 [K] or None
        The method's own score of each key frame.
    segments : int64 [K, 2] or None
        Half-open range of ordinals that each key frame stands for.
    frame_scores : float32 [N] or None
        Score of every sampled frame.
    cost : dict
        Seconds: ``decode_s``, ``features_s``, ``select_s``.
    thresholds : float32 [N] or None
        The threshold that each frame score was compared with; None where there was none (a budget of k key frames).
    fallback : str
        Empty, or why the method's rule chose nothing and these frames are a fallback ("nothing above the threshold").
    shortfall : str
        Empty, or why there are fewer than requested.
    """

    frames: NDArray[np.int64]
    times: NDArray[np.float64]
    scores: NDArray[np.float64] | None = None
    segments: NDArray[np.int64] | None = None
    frame_scores: NDArray[np.float32] | None = None
    cost: Mapping[str, float] = field(default_factory=dict)
    thresholds: NDArray[np.float32] | None = None
    fallback: str = ""
    shortfall: str = ""

    def __len__(self) -> int:
        return len(self.frames)

    def moved(self, by: int) -> KeyFrames:
        """Return the same key frames with every ordinal shifted by ``by``."""
        segments = None if self.segments is None else self.segments + by
        return replace(self, frames=self.frames + by, segments=segments)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers; `from_json` restores the same key frames."""
        arrays = {name: None if (a := getattr(self, name)) is None else a.tolist() for name in _DTYPES}
        return arrays | {"cost": dict(self.cost), "fallback": self.fallback, "shortfall": self.shortfall}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> KeyFrames:
        """Read what `to_json` wrote."""
        arrays: dict[str, Any] = {
            name: None if data.get(name) is None else np.asarray(data[name], dtype) for name, dtype in _DTYPES.items()
        }
        if arrays["segments"] is not None:
            arrays["segments"] = arrays["segments"].reshape(-1, 2)
        texts = {name: data.get(name, "") for name in ("fallback", "shortfall")}
        return cls(**arrays, cost=dict(data.get("cost", {})), **texts)
