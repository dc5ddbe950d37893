"""Key frames and key clips of a fixed camera by the networks of a table: figure 4 (key frames) of Chen et al. 2021."""

from __future__ import annotations

import base64
import itertools
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip
from ..core.errors import UsageError
from ..core.files import cache_folder, sha256_of_file
from ..core.keyframes import KeyFrames
from ..core.params import check_params
from ..core.seeding import rng_for
from ..datasets.folder import find_videos
from ..extractors.base import Extractor, run_extractor
from ..metrics.base import Column
from ..metrics.distances import GRAY
from ..models.losses import ReconstructionLoss
from ..selection.key_clips import ClipRules, KeyClips, key_clips
from ..training.sources.rendered import FPS, Rendered
from ..training.spec import Trained
from ..video.clips import write_clips
from ..video.decode import check_file
from ..video.encode import write_h264
from ..video.images import encode_image, fit_width
from ..video.onepass import Pass, read_pass
from ..video.pictures import fetch_pictures
from ..video.surveillance import make_camera
from .training_sets import TrainingSet

_SHOWN = 12  # key frames in the montage
_WIDTH = 256
_POINTS = 2000  # of the curve
_BATCH = 64

_CHANGED = 8  # grey levels: sensor noise is below 1 in a cell that averages hundreds of pixels
_LEAST = 3  # of 576 cells
_BEFORE_S = 0.2
_GAP_S, _LEAST_S = 1.0, 0.3

COLUMNS: Mapping[str, Column] = {
    "n_keyframes": Column("none", "1", "key frames"),
    "n_clips": Column("none", "1", "key clips"),
    "saved_duration_ratio": Column("lower", "1", "duration of the clips over that of the video"),
    "saved_byte_ratio": Column("lower", "1", "bytes of the clips as files over those of the video"),
    "event_recall": Column("higher", "1", "share of the events of which a clip has a frame"),
    "false_clips_per_h": Column("lower", "1/h", "clips without a frame of any event, per hour"),
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
    path : Path
    name : str
        Of the video, for captions.
    sha256 : str
    params : dict
        Of the extractor ``autoencoder``.
    rules : ClipRules
    annotation : Annotation or None
        Events, where they are known.
    """

    run: str
    slot: str
    path: Path
    name: str
    sha256: str
    params: Mapping[str, Any]
    rules: ClipRules
    annotation: Annotation | None = None

    @property
    def columns(self) -> Mapping[str, Column]:
        """What the numbers of its records are."""
        return COLUMNS

    def identity(self, trained: Trained) -> Any:
        """Return what the record depends on, as plain data."""
        return ["keyframes", 1, sha256_of_file(trained.best), self.sha256, dict(self.params), self.rules.params]

    def record(self, trained: Trained, about: Mapping[str, Any]) -> dict[str, Any]:
        """Return the cell of one training: numbers of its key frames and clips, time line, some pictures.

        Raises
        ------
        VideoError
            If the file gives no frames.
        """
        params = {**self.params, "checkpoint": str(trained.best)}
        method = Extractor.registry.build("autoencoder", params)
        features = (*method.needs, GRAY)
        read = read_pass(self.path, {"every": features}, name=self.path.name, sha256=self.sha256)
        clip = read.clip("every", features)
        found = run_extractor(method, clip, None, rng=rng_for(0, self.sha256, method.name, 0))
        clips = key_clips(found.frames, clip.times, clip.video.duration_s, self.rules)
        busy = busy_frames(clip[GRAY], clip.times)
        events = self.annotation or Annotation(events=spans_of(busy, clip.times))
        metrics = _metrics(found, clip, clips, busy, events)
        metrics["saved_byte_ratio"] = self._byte_ratio(clips, read)
        if self.params["distance_space"] in ("reconstruction", "input", "cross"):
            metrics["distance_next"] = float(np.median(neighbour_distances(clip[method.needs[0]])))
        pictures = fetch_pictures(self.path, _some(found.frames, _SHOWN).tolist(), read)
        shown = [
            (frame.time - clip.times[0], frame.rgb(*fit_width(frame.height, frame.width, _WIDTH))) for frame in pictures
        ]
        return {
            **about,
            "extractor": method.name,
            "label": "key frames",
            "params": {**about["params"], **self.params},
            "dataset": self.slot,
            "source": self.name,
            "n_frames": len(clip),
            "n_sampled": len(clip),
            "keyframes": {"frames": found.frames.tolist(), "cost": dict(found.cost)},
            "metrics": metrics,
            "timeline": _timeline(found, clip, clips, events, "events" if self.annotation else "something moves"),
            "pictures": {
                "keyframes": [base64.b64encode(encode_image(one, ".jpg")).decode("ascii") for _, one in shown],
                "times": [round(float(time), 2) for time, _ in shown],
            },
        }

    def _byte_ratio(self, clips: KeyClips, read: Pass) -> float:
        """Return the bytes of the clips, written as files, over those of the video's own packets."""
        with tempfile.TemporaryDirectory() as folder:
            spans = [(int(first), int(end)) for first, end in clips.frames]
            files, video_bytes = write_clips(self.path, spans, Path(folder), read, snap_s=self.rules.snap_s)
        return sum(file.bytes for file in files) / video_bytes if video_bytes else 0.0


def keyframes_plans(asked: Mapping[str, Any], sets: Mapping[str, TrainingSet]) -> list[KeyframesPlan]:
    """Return what a table's ``keyframes`` asks for: one plan for every combination of parameters that are lists.

    Parameters
    ----------
    asked : mapping
        ``run``, ``video``, ``params``, ``clips``; or empty.
    sets : mapping
        Its data sets.

    Raises
    ------
    UsageError
        If the data set holds no video, or a parameter is wrong.
    VideoError
        If the file is not there.
    """
    if not asked:
        return []
    rules = ClipRules(**check_params(ClipRules, asked.get("clips") or {}, "clips"))
    one = sets[asked["video"]]
    path, annotation = _video_of(one)
    sha256 = sha256_of_file(path)
    axes = {name: value if isinstance(value, list) else [value] for name, value in (asked.get("params") or {}).items()}
    plans = []
    for values in itertools.product(*axes.values()):
        method = Extractor.registry.build("autoencoder", dict(zip(axes, values, strict=True)))
        params = {name: value for name, value in method.params.items() if name != "checkpoint"}
        plans.append(KeyframesPlan(asked["run"], one.slot, path, one.name, sha256, params, rules, annotation))
    return plans


def _video_of(one: TrainingSet) -> tuple[Path, Annotation | None]:
    if isinstance(one.source, Rendered):
        return rendered_video(one.source)
    path = Path(one.path).expanduser()
    if path.is_dir():
        files = find_videos(path)
        if not files:
            raise UsageError(f"data.{one.slot}={one.path!r} holds no video, and key frames are chosen from one")
        path = files[min(files)]
    check_file(path)
    return path, None


def rendered_video(source: Rendered) -> tuple[Path, Annotation]:
    """Return the video of the camera whose frames ``source`` draws, in the user's cache, and its events."""
    camera = make_camera(source.kind[-1], source.seed, n_frames=source.n + source.n_validation, fps=FPS)
    path = cache_folder() / f"{source.kind}-{source.digest()}.mp4"
    if not path.is_file():  # a complete one is renamed into place
        write_h264(path, camera.pictures(), FPS)
    return path, camera.annotation()


def busy_frames(gray: NDArray[np.uint8], times: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return in which frames [N] of a fixed camera something moves, by small grey pictures [N, h, w] and their times.

    A frame is busy when at least 3 pixels differ by more than 8 levels from the frame 0.2 s before, apart from what all
    of them differ by (their median): no network and no threshold of one is involved. (From the median over the video,
    which was tried first, every frame of one_by_one_person.mp4 differs: its camera sets the exposure.)
    """
    before = np.maximum(np.searchsorted(times, times - _BEFORE_S + 1e-6, side="right") - 1, 0)
    change = (gray.astype(np.float32) - gray[before].astype(np.float32)).reshape(len(gray), -1)
    change -= np.median(change, axis=1, keepdims=True)
    found: NDArray[np.bool_] = (np.abs(change) > _CHANGED).sum(axis=1) >= _LEAST
    return found


def spans_of(busy: NDArray[np.bool_], times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the half-open ranges [E, 2] of busy frames; pauses below 1 s do not count, nor ranges below 0.3 s."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], busy.astype(np.int8), [0]])))
    spans = edges.reshape(-1, 2)
    if len(spans) == 0:
        return np.zeros((0, 2), dtype=np.int64)
    last = times[spans[:, 1] - 1]
    apart = np.flatnonzero(times[spans[1:, 0]] - last[:-1] >= _GAP_S)
    joined = np.stack([spans[np.append(0, apart + 1), 0], spans[np.append(apart, len(spans) - 1), 1]], axis=1)
    long = times[joined[:, 1] - 1] - times[joined[:, 0]] >= _LEAST_S
    found: NDArray[np.int64] = joined[long].astype(np.int64)
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
    found: KeyFrames, clip: Clip, clips: KeyClips, busy: NDArray[np.bool_], events: Annotation
) -> dict[str, float | None]:
    inside = np.zeros(len(clip), dtype=bool)
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
    if events.events is not None and len(events.events):  # as `metrics.events`, with the clips of this table's rules
        happens = np.zeros(len(clip), dtype=bool)
        for start, end in events.events:
            happens[start:end] = True
        n_false = sum(not happens[start:end].any() for start, end in clips.frames)
        metrics["event_recall"] = float(np.mean([inside[start:end].any() for start, end in events.events]))
        metrics["false_clips_per_h"] = n_false / seconds * 3600 if seconds > 0 else 0.0
    for name, frames in (("busy", busy), ("still", ~busy)):
        if frames.any():
            metrics[f"kept_{name}"] = float(inside[frames].mean())
            metrics[f"distance_{name}"] = float(np.quantile(distances[frames], 0.5 if name == "busy" else 0.99))
    return metrics


def _timeline(found: KeyFrames, clip: Clip, clips: KeyClips, events: Annotation, events_are: str) -> dict[str, Any]:
    assert found.frame_scores is not None and found.thresholds is not None  # the extractor gives both
    start = float(clip.times[0])
    places = _some(np.arange(len(clip)), _POINTS)
    ends = np.append(clip.times, start + clip.video.duration_s)
    spans = events.events if events.events is not None else np.zeros((0, 2), dtype=np.int64)
    return {
        "times": np.round(clip.times[places] - start, 3).tolist(),
        "distances": np.round(np.asarray(found.frame_scores, dtype=np.float64)[places], 5).tolist(),
        "threshold": float(found.thresholds[-1]),
        "keyframes": np.round(found.times - start, 3).tolist(),
        "clips": np.round(clips.times - start, 3).tolist(),
        "events": np.round(ends[spans] - start, 3).tolist(),
        "events_are": events_are,
        "duration_s": round(float(clip.video.duration_s), 3),
    }


def _some(values: NDArray[Any], most: int) -> NDArray[Any]:
    """Return at most ``most`` of ``values``, evenly spread, the first and the last among them."""
    if len(values) <= most:
        return values
    found: NDArray[Any] = values[np.linspace(0, len(values) - 1, most).round().astype(np.int64)]
    return found
