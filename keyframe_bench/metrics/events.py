"""Agreement of key clips with the annotated events of a fixed camera."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip, KeyFrames
from ..core.registry import register
from ..selection.key_clips import ClipRules, KeyClips, key_clips
from .base import Column, Metric


@register("events")
class Events(Metric):
    """Which annotated events the key clips show, and how much else they keep.

    The clips are those of `selection.key_clips` with the defaults of `ClipRules`, whatever the extractor. An event
    counts as soon as a clip has one frame of it: ``event_covered`` says how much of it the clips have. Videos without
    any event are left out, since there is nothing to recall.
    """

    requires = "events"
    reference = "chen2021autoencoder"
    columns: ClassVar[dict[str, Column]] = {
        "event_recall": Column("higher", "1", "share of the events of which a clip has a frame", headline=True),
        "event_covered": Column("higher", "1", "share of an event's frames that clips have, mean over events"),
        "false_clips_per_h": Column("lower", "1/h", "clips without a frame of any event, per hour", headline=True),
        "n_clips": Column("none", "1", "key clips"),
        "saved_duration_ratio": Column("lower", "1", "duration of the clips over that of the video"),
    }

    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:
        """Return the columns; events are half-open ranges of ordinals and may overlap. Without key frames all are 0."""
        if annotation is None or annotation.events is None or len(annotation.events) == 0 or len(clip) == 0:
            return dict.fromkeys(self.columns, 0.0)
        seconds = clip.video.duration_s
        clips = key_clips(keyframes.frames, clip.times, seconds, ClipRules())
        return {
            **event_agreement(clips, annotation.events, seconds),
            "n_clips": float(len(clips)),
            "saved_duration_ratio": clips.duration_s / seconds if seconds > 0 else 0.0,
        }


def event_agreement(clips: KeyClips, events: NDArray[np.int64], duration_s: float) -> dict[str, float]:
    """Return ``event_recall``, ``event_covered`` and ``false_clips_per_h`` (see `Events`) of clips of any rules.

    Parameters
    ----------
    clips : KeyClips
    events : int64 [E, 2]
        Half-open ranges of ordinals, E at least 1; they may overlap.
    duration_s : float
        Of the video.
    """
    end = np.minimum(events[:, None, 1], clips.frames[None, :, 1])
    shared = np.maximum(end - np.maximum(events[:, None, 0], clips.frames[None, :, 0]), 0)  # [events, clips]
    n_false = int((shared.sum(axis=0) == 0).sum())
    return {
        "event_recall": float((shared.sum(axis=1) > 0).mean()),
        "event_covered": float((shared.sum(axis=1) / (events[:, 1] - events[:, 0])).mean()),
        "false_clips_per_h": n_false / duration_s * 3600 if duration_s > 0 else 0.0,
    }
