"""The video that a table of trainings chooses key frames from: its file, its events, and when something moves in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.errors import UsageError, VideoError
from ..core.files import cache_folder, sha256_of_file
from ..datasets._annotations import FILE_NAME, read_annotations
from ..training.sources.camera import Camera
from ..training.sources.rendered import FPS, Rendered
from ..video.decode import VideoReader
from ..video.encode import write_h264
from ..video.surveillance import make_camera
from .training_sets import TrainingSet

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

    Events are read from an ``annotations.json`` in the folder that was given, or beside the file.

    Raises
    ------
    UsageError
        If it is no camera, no file can be decoded, or the annotation file is wrong.
    """
    if isinstance(one.source, Rendered) and one.is_camera:
        return _rendered_video(one)
    if not isinstance(one.source, Camera):
        raise UsageError(f"keyframes: video {one.slot!r} is no camera, and key frames are chosen from a camera's video")
    root = Path(one.path).expanduser()
    reasons = []
    for name, path in one.source.files().items():  # as the training data chooses and sorts them
        try:
            _require_frame(path)
        except VideoError as error:
            reasons.append(f"{name}: {error.reason}")
            continue
        inside = root.is_dir()
        shown = f"{one.name}/{name}" if inside else one.name
        return FilmedVideo(path, shown, sha256_of_file(path), _events_of(root if inside else root.parent, name))
    raise UsageError(f"data.{one.slot}={one.path!r} holds no video that can be decoded ({'; '.join(reasons[:5])})")


def _require_frame(path: Path) -> None:
    with VideoReader(path) as reader:
        if next(iter(reader), None) is None:
            raise VideoError(path, "it holds no frame")


def _events_of(folder: Path, name: str) -> NDArray[np.int64] | None:
    """Return what the annotation file of a folder, if it has one, says of the video at this path below it."""
    file = folder / FILE_NAME
    if not os.path.lexists(file):
        return None
    found = read_annotations(file).get(name)
    return None if found is None else found.events


def _rendered_video(one: TrainingSet) -> FilmedVideo:
    """Return the video of the camera whose frames the source draws, in the user's cache."""
    source = one.source
    assert isinstance(source, Rendered)
    camera = make_camera(source.kind[-1], source.seed, n_frames=source.n + source.n_validation, fps=FPS)
    path = cache_folder() / f"{source.kind}-{source.digest()}.mp4"
    if not path.is_file():  # a complete one is renamed into place
        write_h264(path, camera.pictures(), FPS)
    return FilmedVideo(path, one.name, sha256_of_file(path), camera.annotation().events)


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
