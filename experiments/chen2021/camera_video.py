"""The video of a camera from which key frames are chosen: its file, its events, and when something moves in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keyframe_bench.bench.training_sets import TrainingSet
from keyframe_bench.core.annotation import Annotation
from keyframe_bench.core.errors import UsageError, VideoError
from keyframe_bench.core.files import sha256_of_file
from keyframe_bench.datasets._annotations import FILE_NAME, read_annotations
from keyframe_bench.datasets.base import Dataset, VideoItem
from keyframe_bench.video.decode import VideoReader

_CHANGED = 8  # grey levels: sensor noise is below 1 in a cell that averages hundreds of pixels
_LEAST = 3  # of 576 cells
_BEFORE_S = 0.2
_GAP_S, _LEAST_S = 1.0, 0.3


@dataclass(frozen=True)
class FilmedVideo:
    """One video of a fixed camera.

    Attributes
    ----------
    path : Path
    name : str
        For captions: of a folder of videos with the file.
    sha256 : str
    events : int64 [E, 2] or None
        Half-open ranges of ordinals in which something happens; None where nobody has annotated it.
    """

    path: Path
    name: str
    sha256: str
    events: NDArray[np.int64] | None = None

    def annotation(self, times: NDArray[np.float64]) -> Annotation | None:
        """Return the events, if they are known.

        Parameters
        ----------
        times : float64 [N]
            PTS of every frame.

        Raises
        ------
        UsageError
            If an event lies outside the video.
        """
        return None if self.events is None else Annotation(events=self.events).aligned(times, self.name)


def filmed_video(one: TrainingSet) -> FilmedVideo:
    """Return the video of a camera: of several files the first that can be decoded, in the order of the training data.

    Events are those of the data set, or of an ``annotations.json`` beside the file.

    Raises
    ------
    UsageError
        If it is no camera, no file can be decoded, or the annotation file is wrong.
    """
    items = one.data.dataset.videos() if one.path else _as_h264(one.data.dataset).videos()
    if any(item.photographs for item in items):
        raise UsageError(f"records: data {one.name!r} is no camera, and key frames are chosen from a camera's video")
    reasons = []
    for item in items:
        try:
            with VideoReader(item.path) as reader:
                if next(iter(reader), None) is None:
                    raise VideoError(item.path, "it holds no frame")
        except VideoError as error:
            reasons.append(f"{item.id}: {error.reason}")
            continue
        inside = bool(one.path) and Path(one.path).expanduser().is_dir()
        shown = f"{one.caption}/{item.id}" if inside else one.caption
        return FilmedVideo(Path(item.path), shown, sha256_of_file(item.path), _events(item))
    raise UsageError(f"data.{one.name}={one.path!r} holds no video that can be decoded ({'; '.join(reasons[:5])})")


def _as_h264(dataset: Dataset) -> Dataset:
    """Return the rendered camera as a camera would have written it: the sizes of clips are compared with its own."""
    return Dataset.registry.build(dataset.name, {**dataset.params, "coded": "h264"})


def _events(item: VideoItem) -> NDArray[np.int64] | None:
    beside = Path(item.path).parent / FILE_NAME
    known = item.annotation
    if known is None and os.path.lexists(beside):
        known = read_annotations(beside).get(Path(item.path).name)
    return None if known is None else known.events


def busy_frames(gray: NDArray[np.uint8], times: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return in which frames [N] of a fixed camera something moves, by small grey images [N, h, w] and their times.

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
