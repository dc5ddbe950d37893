"""Numbers and curves of the key frames and key clips of a fixed camera's video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keyframe_bench.core.clip import Clip, KeyFrames
from keyframe_bench.metrics.base import Column
from keyframe_bench.metrics.events import Events, event_agreement
from keyframe_bench.models.base import Loss
from keyframe_bench.selection.key_clips import KeyClips
from keyframe_bench.selection.spacing import evenly_spaced
from keyframe_bench.video.onepass import Pass

_POINTS = 2000  # of the curve
_BATCH = 64

COLUMNS: Mapping[str, Column] = {
    "n_keyframes": Column("none", "1", "key frames"),
    "n_clips": Column("none", "1", "key clips"),
    "saved_duration_ratio": Column("lower", "1", "duration of the clips over that of the video"),
    "saved_byte_ratio": Column("lower", "1", "bytes of the clips as files over those of the video"),
    **{name: Events.columns[name] for name in ("event_recall", "false_clips_per_h")},
    "kept_busy": Column("higher", "1", "share of the frames in which something moves that clips have"),
    "kept_still": Column("lower", "1", "share of the frames in which nothing moves that clips have"),
    "busy": Column("none", "1", "share of the frames in which something moves"),
    "distance_next": Column("none", "1", "median distance of neighbouring frames"),
    "distance_still": Column("none", "1", "99th percentile of the distance to the latest key frame, nothing moves"),
    "distance_busy": Column("none", "1", "median distance to the latest key frame, something moves"),
}


def neighbour_distances(frames: NDArray[np.uint8], loss: Loss | None = None) -> NDArray[np.float64]:
    """Return the loss between each of ``frames`` [N, H, W, 3] and the one before it, [N - 1]; by default ``mix``."""
    import torch

    loss = loss or Loss.registry.build("mix")
    found = []
    with torch.inference_mode():
        for start in range(0, len(frames) - 1, _BATCH):
            part = torch.from_numpy(np.array(frames[start : start + _BATCH + 1])).permute(0, 3, 1, 2).float() / 255
            found.append(loss.per_picture(part[:-1], part[1:]).double().numpy())
    return np.concatenate(found) if found else np.zeros(1)


def evenly_spaced_frames(n: int, times: NDArray[np.float64]) -> KeyFrames:
    """Return the middles of ``n`` equal stretches of a video with frames at ``times`` [N], as key frames."""
    frames = evenly_spaced(len(times), n)
    return KeyFrames(frames, times[frames])


def clip_numbers(
    found: KeyFrames, clip: Clip, clips: KeyClips, busy: NDArray[np.bool_], events: NDArray[np.int64]
) -> dict[str, float | None]:
    """Return the numbers of `COLUMNS`, all but those that need files or images; None where nothing is to measure.

    Parameters
    ----------
    found : KeyFrames
    clip : Clip
        What they were chosen from.
    clips : KeyClips
    busy : bool [N]
        In which of all frames of the video something moves.
    events : int64 [E, 2]
        Half-open ranges of ordinals.
    """
    inside = np.zeros(len(busy), dtype=bool)
    for start, end in clips.frames:
        inside[start:end] = True
    seconds = clip.video.duration_s
    metrics: dict[str, float | None] = {
        **dict.fromkeys(COLUMNS),
        "n_keyframes": float(len(found)),
        "n_clips": float(len(clips)),
        "saved_duration_ratio": clips.duration_s / seconds if seconds > 0 else 0.0,
        "busy": float(busy.mean()),
    }
    if len(events):
        agreement = event_agreement(clips, events, seconds)
        metrics |= {name: agreement[name] for name in ("event_recall", "false_clips_per_h")}
    for name, frames, share in (("busy", busy, 0.5), ("still", ~busy, 0.99)):
        metrics[f"kept_{name}"] = float(inside[frames].mean()) if frames.any() else None
        sampled = frames[clip.ordinals]
        if found.frame_scores is not None and sampled.any():
            distances = np.asarray(found.frame_scores, dtype=np.float64)[sampled]
            metrics[f"distance_{name}"] = float(np.quantile(distances, share))
    return metrics


def time_line(found: KeyFrames, clip: Clip, read: Pass, clips: KeyClips, events: NDArray[np.int64]) -> dict[str, Any]:
    """Return the curve of distances and what lies along it, in seconds from the first frame."""
    assert found.frame_scores is not None and found.thresholds is not None  # the extractor gives both
    start = float(read.times[0])
    places = some(np.arange(len(clip)), _POINTS)
    ends = np.append(read.times, start + clip.video.duration_s)
    return {
        "times": np.round(clip.times[places] - start, 3).tolist(),
        "distances": np.round(np.asarray(found.frame_scores, dtype=np.float64)[places], 5).tolist(),
        "threshold": float(found.thresholds[-1]),
        "keyframes": np.round(found.times - start, 3).tolist(),
        "clips": np.round(clips.times - start, 3).tolist(),
        "events": np.round(ends[events] - start, 3).tolist(),
        "duration_s": round(float(clip.video.duration_s), 3),
    }


def some(values: NDArray[Any], most: int) -> NDArray[Any]:
    """Return at most ``most`` of ``values``, evenly spaced, the first and the last among them."""
    if len(values) <= most:
        return values
    found: NDArray[Any] = values[np.linspace(0, len(values) - 1, most).round().astype(np.int64)]
    return found
