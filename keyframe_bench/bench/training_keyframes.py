"""Key frames and key clips of a fixed camera by the networks of a table: figure 4 (key frames) of Chen et al. 2021."""

from __future__ import annotations

import base64
import itertools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip
from ..core.feature import Feature
from ..core.keyframes import KeyFrames
from ..core.params import check_params
from ..core.seeding import rng_for
from ..extractors.base import Extractor, run_extractor
from ..metrics.base import Column
from ..metrics.distances import GRAY
from ..metrics.events import Events, event_agreement
from ..models.losses import ReconstructionLoss
from ..selection.key_clips import ClipRules, KeyClips, key_clips
from ..training.spec import Trained
from ..video.clips import write_clips
from ..video.images import encode_image, fit_width
from ..video.onepass import Pass, read_pass
from ..video.pictures import fetch_pictures
from .training_sets import TrainingSet
from .training_video import FilmedVideo, busy_frames, filmed_video, spans_of

VERSION = 2
"""Bump it when the records of the same key frames may change."""

_EVERY = "every"
_SHOWN = 12  # key frames in the montage
_WIDTH = 256
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


@dataclass(frozen=True)
class KeyframesPlan:
    """What is chosen from which video with which network.

    Attributes
    ----------
    run : str
        Whose best checkpoints are used.
    slot : str
        Data set that the video is of.
    video : FilmedVideo
    params : dict
        Of the extractor ``autoencoder``.
    rules : ClipRules
    drawn : bool
        Whether the record holds what the figure shows: curve and pictures.
    """

    run: str
    slot: str
    video: FilmedVideo
    params: Mapping[str, Any]
    rules: ClipRules
    drawn: bool = True

    @property
    def columns(self) -> Mapping[str, Column]:
        """What the numbers of its records are."""
        return COLUMNS

    def method(self, trained: Trained) -> Extractor:
        """Return the extractor with the network of a training."""
        return Extractor.registry.build("autoencoder", {**self.params, "checkpoint": str(trained.best)})

    def identity(self, trained: Trained) -> Any:
        """Return what the record depends on, as plain data; the features' keys hold that of the network."""
        method = self.method(trained)
        features = [feature.key for feature in (*method.needs, GRAY)]
        events = None if self.video.events is None else self.video.events.tolist()
        return [
            *("keyframes", VERSION, self.run, self.slot, method.name, method.version, features, dict(self.params)),
            *(self.rules.params, self.video.name, self.video.sha256, events, self.drawn),
        ]

    def about(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the record says of itself beside what is known of the training."""
        params = {**about["params"], **self.params}
        return {
            **about,
            "extractor": "autoencoder",
            "label": "key frames",
            "params": params,
            "dataset": self.slot,
            "source": self.video.name,
        }

    def record(self, reading: Reading, about: Mapping[str, Any]) -> dict[str, Any]:
        """Return the cell of one training: numbers of its key frames and clips, and what is drawn of them.

        Raises
        ------
        VideoError
            If the file gives no frames.
        UsageError
            If an annotated event lies outside the video.
        """
        method = self.method(reading.trained)
        read = reading.read
        clip = read.clip(method.sampling or _EVERY, method.needs)
        found = run_extractor(method, clip, None, rng=rng_for(0, self.video.sha256, method.name, 0))
        clips = key_clips(found.frames, read.times, clip.video.duration_s, self.rules)
        known = self.video.annotation(read.times)
        events = reading.moving if known is None or known.events is None else known.events
        metrics = _metrics(found, clip, clips, reading.busy, events)
        metrics["saved_byte_ratio"] = reading.byte_ratio(clips, self.rules.snap_s)
        if self.params["distance_space"] in ("reconstruction", "input"):
            metrics["distance_next"] = float(np.median(neighbour_distances(clip[method.needs[0]])))
        record = {
            **self.about(about),
            "n_frames": len(read.times),
            "n_sampled": len(clip),
            "keyframes": {"frames": found.frames.tolist(), "cost": dict(found.cost)},
            "metrics": metrics,
        }
        if self.drawn:
            events_are = "something moves" if known is None else "events"
            record["timeline"] = {**_timeline(found, clip, read, clips, events), "events_are": events_are}
            record["pictures"] = self._pictures(found, read)
        return record

    def _pictures(self, found: KeyFrames, read: Pass) -> dict[str, Any]:
        pictures = fetch_pictures(self.video.path, _some(found.frames, _SHOWN).tolist(), read)
        shown = [
            (frame.time - read.times[0], frame.rgb(*fit_width(frame.height, frame.width, _WIDTH))) for frame in pictures
        ]
        return {
            "keyframes": [base64.b64encode(encode_image(one, ".jpg")).decode("ascii") for _, one in shown],
            "times": [round(float(time), 2) for time, _ in shown],
        }


class Reading:
    """One pass over a video, for all plans with the network of one training; nothing is read before it is needed.

    Parameters
    ----------
    plans : sequence of KeyframesPlan
        Of one video.
    trained : Trained
    """

    def __init__(self, plans: Sequence[KeyframesPlan], trained: Trained) -> None:
        self.plans = plans
        self.trained = trained
        self._bytes: dict[Any, float] = {}

    @cached_property
    def read(self) -> Pass:
        """Every feature that a plan needs, and small grey pictures of every frame."""
        requests: dict[str, list[Feature]] = {_EVERY: [GRAY]}
        for plan in self.plans:
            method = plan.method(self.trained)
            requests.setdefault(method.sampling or _EVERY, []).extend(method.needs)
        video = self.plans[0].video
        return read_pass(video.path, requests, name=video.name, sha256=video.sha256)

    @cached_property
    def busy(self) -> NDArray[np.bool_]:
        """In which frames [N] something moves."""
        return busy_frames(self.read.clip(_EVERY, (GRAY,))[GRAY], self.read.times)

    @cached_property
    def moving(self) -> NDArray[np.int64]:
        """What moves, as events [E, 2]: where nobody has annotated them."""
        return spans_of(self.busy, self.read.times)

    def byte_ratio(self, clips: KeyClips, snap_s: float) -> float:
        """Return the bytes of the clips, written as files, over those of the video's own packets."""
        spans = tuple((int(first), int(end)) for first, end in clips.frames)
        if (spans, snap_s) not in self._bytes:  # several plans often keep the same
            with tempfile.TemporaryDirectory() as folder:
                path = self.plans[0].video.path
                files, video_bytes = write_clips(path, spans, Path(folder), self.read, snap_s=snap_s)
            self._bytes[spans, snap_s] = sum(file.bytes for file in files) / video_bytes if video_bytes else 0.0
        return self._bytes[spans, snap_s]


def keyframes_plans(asked: Mapping[str, Any], sets: Mapping[str, TrainingSet]) -> list[KeyframesPlan]:
    """Return what a table's ``keyframes`` asks for: one plan for every combination of parameters that are lists.

    Parameters
    ----------
    asked : mapping
        ``run``, ``video``, ``params`` (a mapping, or a list of them), ``clips``; or empty. The first plan is drawn.
    sets : mapping
        Its data sets.

    Raises
    ------
    UsageError
        If the data set holds no video that can be decoded, or a parameter is wrong.
    """
    if not asked:
        return []
    rules = ClipRules(**check_params(ClipRules, asked.get("clips") or {}, "clips"))
    video = filmed_video(sets[asked["video"]])
    plans: list[KeyframesPlan] = []
    for given in settings_of(asked.get("params") or {}):
        method = Extractor.registry.build("autoencoder", given)
        params = {name: value for name, value in method.params.items() if name != "checkpoint"}
        plans.append(KeyframesPlan(asked["run"], asked["video"], video, params, rules, drawn=not plans))
    return plans


def settings_of(params: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return every combination of parameters that are lists, of each mapping in turn.

    >>> settings_of([{"a": 1, "b": [2, 3]}, {"a": 4}])
    [{'a': 1, 'b': 2}, {'a': 1, 'b': 3}, {'a': 4}]
    """
    found = []
    for given in [params] if isinstance(params, Mapping) else params:
        axes = [value if isinstance(value, list) else [value] for value in given.values()]
        found += [dict(zip(given, values, strict=True)) for values in itertools.product(*axes)]
    return found


def neighbour_distances(frames: NDArray[np.uint8], loss: ReconstructionLoss | None = None) -> NDArray[np.float64]:
    """Return the loss between each of ``frames`` [N, H, W, 3] and the one before it, [N - 1]; by default ``mix``."""
    import torch

    loss = loss or ReconstructionLoss()
    found = []
    with torch.inference_mode():
        for start in range(0, len(frames) - 1, _BATCH):
            part = torch.from_numpy(np.array(frames[start : start + _BATCH + 1])).permute(0, 3, 1, 2).float() / 255
            found.append(loss.per_picture(part[:-1], part[1:]).double().numpy())
    return np.concatenate(found) if found else np.zeros(1)


def _metrics(
    found: KeyFrames, clip: Clip, clips: KeyClips, busy: NDArray[np.bool_], events: NDArray[np.int64]
) -> dict[str, float | None]:
    inside = np.zeros(len(busy), dtype=bool)
    for start, end in clips.frames:
        inside[start:end] = True
    assert found.frame_scores is not None  # the extractor gives them
    distances = np.asarray(found.frame_scores, dtype=np.float64)
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
        sampled = frames[clip.ordinals]
        metrics[f"kept_{name}"] = float(inside[frames].mean()) if frames.any() else None
        metrics[f"distance_{name}"] = float(np.quantile(distances[sampled], share)) if sampled.any() else None
    return metrics


def _timeline(found: KeyFrames, clip: Clip, read: Pass, clips: KeyClips, events: NDArray[np.int64]) -> dict[str, Any]:
    assert found.frame_scores is not None and found.thresholds is not None  # the extractor gives both
    start = float(read.times[0])
    places = _some(np.arange(len(clip)), _POINTS)
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


def _some(values: NDArray[Any], most: int) -> NDArray[Any]:
    """Return at most ``most`` of ``values``, evenly spread, the first and the last among them."""
    if len(values) <= most:
        return values
    found: NDArray[Any] = values[np.linspace(0, len(values) - 1, most).round().astype(np.int64)]
    return found
