"""The clips of either part of a training's data: decoded where they are not stored, counted, divided."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip
from ..core.errors import UsageError, VideoError
from ..core.feature import Feature
from ..core.files import cache_folder, printable
from ..core.grammar import EVERY, Sampling
from ..datasets.base import VideoItem
from ..features.images import PictureId, Rgb
from ..selection.spacing import evenly_spaced
from ..video.decode import Reader
from ..video.folder_reader import open_video
from ..video.frame_folder import FrameFolder
from ..video.onepass import Pass, is_stored, read_pass
from ..video.store import FeatureStore
from .clips import Clips
from .data import TrainingData
from .splits import LOOK_HEIGHT, LOOK_WIDTH, divide_images, divided_frames

Index = NDArray[np.int64]
Say = Callable[[str], None]

TOLD_EVERY_S = 60.0  # how often a long reading says how far it is
_BLACK = 24  # grey levels of 255 that the noise of a covered lens stays below
_OPEN_FILES = 512  # of rows, half of what a process may usually open
_NAMED = 5  # files that a message names
_MUCH_BYTES = 1e9
_LOOK = Rgb(height=LOOK_HEIGHT, width=LOOK_WIDTH)  # the small image by which images are compared


def rows_folder() -> Path:
    """Return where rows of trainings are kept: apart from the features of runs, which would push them out."""
    return cache_folder() / "rows"


@dataclass(frozen=True)
class Parts:
    """Clips that train, clips that are held out, and what is known of the data as plain data."""

    train: Clips
    validation: Clips
    facts: dict[str, Any] = field(default_factory=dict)

    def trained_on(self) -> list[dict[str, Any]]:
        """Return for each video and part the range of time that was used, in seconds: leaks are found by it."""
        found = []
        for part, clips in (("train", self.train), ("validation", self.validation)):
            for clip in clips:
                sha256 = {"sha256": clip.video.sha256} if clip.video.sha256 else {}  # images in memory have none
                times = {"start_s": float(clip.times.min()), "end_s": float(clip.times.max())}
                found.append({"video": clip.video.name, "part": part, **sha256, **times})
        return found


CheckLength = Callable[[str, NDArray[np.float64]], None]
"""Raises where a video, of this name and sampled frames at these times, is too long."""


def read_parts(
    data: TrainingData, features: Sequence[Feature], report: Say, check_length: CheckLength = lambda *_: None
) -> Parts:
    """Return the clips of both parts with the rows of ``features``, after decoding what is not stored.

    Raises `UsageError` if a part would be empty; what ``check_length`` raises of annotated videos, before that.
    """
    reader = _DataReader(data, features, report)
    reader.check_annotated(check_length)
    return reader.parts()


class _DataReader:
    """One reading of all videos of a training."""

    def __init__(self, data: TrainingData, features: Sequence[Feature], report: Say) -> None:
        self.data = data
        self.features = tuple(dict.fromkeys(features))
        self.report = report
        self.store = FeatureStore(rows_folder(), int(data.cache_gb * 1e9)) if data.cache_gb else None
        self.of_images = all(item.photographs for item in data.items)
        # Images are told apart by their pixels and looks as well.
        self.needed = (*self.features, PictureId(), _LOOK) if self.of_images else self.features
        self.problems: dict[str, list[str]] = {}
        self.unreadable: dict[str, str] = {}
        self.copies: dict[str, str] = {}
        self.same: dict[int, int] = {}  # number of an annotated video to that of the first with the same frames
        # Of images, by number of the folder and place in it; and small images [n, ...] by number.
        self.names: dict[tuple[int, int], str] = {}
        self.pixels: dict[tuple[int, int], bytes] = {}
        self.looks: dict[int, NDArray[np.uint8]] = {}

    def parts(self) -> Parts:
        """Decode what is not stored, and return both parts."""
        data = self.data
        self._announce_size()
        counts = self._read_videos()
        for problem in self.store.problems if self.store else ():
            self.report(problem)
        if not counts:
            reasons = "; ".join(": ".join(told) for told in list(self.unreadable.items())[:_NAMED])
            raise UsageError(f"data set {data.dataset.name!r}: none of it can be decoded ({reasons})")
        train, validation, facts = self._divided(counts)
        if not (len(train) and len(validation)):
            raise UsageError(
                f"data set {data.dataset.name!r} leaves {len(train)} frames for training and {len(validation)} "
                f"for validation at split={data.split}, sampling={data.sampling}; training needs at least "
                "one of either: add videos or frames"
            )
        opened = lru_cache(maxsize=max(1, _OPEN_FILES // (len(self.features) + 1)))(self._clip)  # of both parts
        trained, held_out = (
            Clips(opened, places, mirrored=self.of_images, name=data.dataset.caption) for places in (train, validation)
        )
        facts = {**self._facts(counts), **facts, "train": len(train), "validation": len(validation)}
        return Parts(trained, held_out, facts)

    def _pass(self, item: VideoItem, features: Sequence[Feature]) -> Pass:
        requests, sha256 = {self.data.sampling: features}, self.data.sha256_of(item)
        return read_pass(item.path, requests, store=self.store, name=item.id, sha256=sha256)

    def _clip(self, number: int) -> Clip:
        item = self.data.items[number]
        read = self._pass(item, self.features)
        shown = item.annotation if self.data.annotated else None
        known = None if shown is None else shown.aligned(read.times, item.id)
        return read.clip(self.data.sampling, self.features, known)

    def check_annotated(self, check_length: CheckLength) -> None:
        """Raise for an annotation that does not fit its video, or one that is too long: before features are computed.

        Where frames are divided or thinned out, clips are shorter than videos: `fit` will judge them.
        """
        data = self.data
        whole = not data.split.by_frames and (data.until, data.limit, data.limit_validation) == (None, None, None)
        for item in data.items if data.annotated else ():
            with suppress(VideoError):  # reported when it is decoded
                read = self._pass(item, ())
                if item.annotation is not None:
                    item.annotation.aligned(read.times, item.id)
                if whole:
                    check_length(item.id, read.times[read.grid(data.sampling)])

    def _announce_size(self) -> None:
        """Say how much disk the rows that are not stored yet will take, where that is much."""
        frames, row_bytes, every = 0.0, 0, str(EVERY)
        for item in self.data.items:
            if self.store and is_stored(self.data.sampling, self.needed, self.store, self.data.sha256_of(item)):
                continue
            with suppress(VideoError):  # reported when it is decoded
                with open_video(item.path) as reader:
                    frames += _expected_frames(reader, Sampling.parse(self.data.sampling))
                if not row_bytes:
                    clip = read_pass(item.path, {every: self.needed}, limit=1).clip(every, self.needed)
                    row_bytes = sum(rows.nbytes for rows in clip.columns.values())
        if (size := frames * row_bytes) > _MUCH_BYTES:
            left = "" if size < self.data.cache_gb * 1e9 else f", more than cache_gb={self.data.cache_gb:g} keeps"
            self.report(f"rows of about {frames:.0f} frames take {size / 1e9:.1f} GB in {str(rows_folder())!r}{left}")

    def _read_videos(self) -> dict[int, int]:
        """Decode every video, and return how many sampled frames each has that counts, by number."""
        data, counts, reported = self.data, {}, time.monotonic()
        seen: dict[tuple[str, bytes], int] = {}
        sizes: dict[str, tuple[str, str]] = {}
        cameras = {item.id: item.group for item in data.listed if item.group}
        for number, item in enumerate(data.items):
            if time.monotonic() - reported >= TOLD_EVERY_S:
                reported = time.monotonic()
                self.report(f"reading {number + 1} of {len(data.items)}: {item.id}")
            try:
                read = self._pass(item, self.needed)
            except VideoError as error:
                self.unreadable[item.id] = error.reason
                continue
            clip = read.clip(data.sampling, self.needed)
            rows = clip[self.features[0]] if self.features else None  # a prior of positions reads none
            if self.of_images:
                self.names |= {(number, place): name for place, name in enumerate(_image_names(item, clip))}
                self.pixels |= {(number, place): row.tobytes() for place, row in enumerate(clip[PictureId()])}
                self.looks[number] = np.array(clip[_LOOK])
            elif not item.photographs:
                if data.split.by_frames and item.id in cameras:
                    self._require_one_size(item, read, sizes, cameras[item.id])
                content = data.sha256_of(item).encode()
                if rows is not None:
                    content = hashlib.sha256(np.ascontiguousarray(rows).data).digest()
                first = seen.setdefault((item.group, content), number)
                if first != number and data.annotated:
                    self.same[number] = first
                elif first != number:
                    self.copies[item.id] = f"the frames of {data.items[first].id}"
                    continue
            end = read.info.n_frames if data.until is None else data.until[item.id]
            if count := int(np.searchsorted(clip.ordinals, end)):
                counts[number] = count
            if told := [*read.health.problems, *([] if rows is None else _monotonous(rows))]:
                self.problems[item.id] = told
        return counts

    def _require_one_size(self, item: VideoItem, read: Pass, sizes: dict[str, tuple[str, str]], camera: str) -> None:
        """Raise `UsageError` where videos of one fixed camera, divided in time like one, differ in size."""
        size = f"{read.info.height} x {read.info.width}"
        first, wanted = sizes.setdefault(camera, (item.id, size))
        if size != wanted or read.health.size_changes:
            raise UsageError(
                f"data set {self.data.dataset.name!r}: {item.id!r} has images of {size} pixels (height x width) with "
                f"{read.health.size_changes} changes, {first!r} of {wanted}: the view differs; cut the video there, "
                "train on a part of one size, or move the other files away"
            )

    def _divided(self, counts: Mapping[int, int]) -> tuple[Index, Index, dict[str, Any]]:
        """Return the places of either part (`Clips.places`), and facts about the division."""
        data, split = self.data, self.data.split
        if self.of_images and split.kind == "frames":
            return self._divided_images(counts)
        sides: tuple[list[Index], list[Index]] = ([_frames([], counts)], [_frames([], counts)])
        if split.by_frames:
            for group in dict.fromkeys(data.items[number].group for number in counts):
                mine = [n for n in counts if data.items[n].group == group]
                frames = _frames([n for n in mine if n not in self.same], counts)
                for side, part in zip(sides, divided_frames(len(frames), split, data.split_seed), strict=True):
                    side.append(frames[part])
                    for copy in (n for n in mine if n in self.same):  # its frames go where those of the first go
                        here = frames[part][frames[part][:, 0] == self.same[copy], 1]
                        side.append(np.stack([np.full(len(here), copy), here], axis=1))
        else:
            fold = data.chosen_fold()
            for side, ids in zip(sides, (fold.train, fold.test), strict=True):
                side.append(_frames([n for n in counts if data.items[n].id in ids], counts))
        train, validation = (np.concatenate(side) for side in sides)
        validation, facts = self._unseen(train, validation) if self.of_images else (validation, {})
        return _thinned(train, data.limit), _thinned(validation, data.limit_validation), facts

    def _unseen(self, train: Index, validation: Index) -> tuple[Index, dict[str, Any]]:
        """Return the held-out images of which no copy trains, and facts about the others."""
        seen = {self.pixels[n, place]: self.names[n, place] for n, place in train.tolist()}
        held = [(self.names[n, place], seen.get(self.pixels[n, place])) for n, place in validation.tolist()]
        copies = [f"{name} is {other}" for name, other in held if other is not None]
        facts = {"copies": len(copies), "copies_names": copies[:_NAMED]} if copies else {}
        return validation[[other is None for _, other in held]], facts

    def _divided_images(self, counts: Mapping[int, int]) -> tuple[Index, Index, dict[str, Any]]:
        index = _frames(list(counts), counts)
        names = [self.names[n, place] for n, place in index.tolist()]
        pixels = [self.pixels[n, place] for n, place in index.tolist()]
        looks = np.concatenate([self.looks[number][:count] for number, count in counts.items()])
        train, validation, facts = divide_images(names, pixels, looks, self.data.split.value, self.data.split_seed)
        return index[train[: self.data.limit]], index[validation[: self.data.limit_validation]], facts

    def _facts(self, counts: Mapping[int, int]) -> dict[str, Any]:
        """Return what a record says of the data."""
        data = self.data
        facts: dict[str, Any] = {
            "dataset": data.dataset.name,
            "name": data.dataset.caption,
            "videos": len(counts),
            "frames": sum(counts.values()),
            "split": str(data.split),
            "sampling": data.sampling,
            "mirrored": self.of_images,
        }
        if data.annotated:
            known = {item.id for item in data.items}
            left_out = [item.id for item in data.listed if item.id not in known]
            facts |= {"unannotated": len(left_out), "unannotated_names": left_out}
        found = {"copies": self.copies, "problems": self.problems, "unreadable": self.unreadable}
        return facts | {name: value for name, value in found.items() if value}


def _expected_frames(reader: Reader, sampling: Sampling) -> float:
    """Return about how many frames a video gives, by what it declares."""
    declared = reader.health.declared_duration_s or (reader.health.declared_frames or 0) * reader.frame_s
    fps = 1 / reader.frame_s
    return declared * min(sampling.value if sampling.kind == "fps" else fps / sampling.value, fps)


def _image_names(item: VideoItem, clip: Clip) -> list[str]:
    """Return the path of every image of a clip below the root of its data set, or what stands for it in a video."""
    below = "" if item.id == "." else f"{item.id}/"
    if not isinstance(item.path, FrameFolder):
        return [f"{below}{ordinal}" for ordinal in clip.ordinals.tolist()]
    files = item.path.files()  # one that cannot be read has a time and no frame
    return [below + printable(files[round(time * item.path.rate)].name) for time in clip.times.tolist()]


def _frames(numbers: Sequence[int], counts: Mapping[int, int]) -> Index:
    """Return the index of all sampled frames of some videos, in order."""
    parts = [np.stack([np.full(counts[n], n), np.arange(counts[n])], axis=1) for n in numbers]
    return np.concatenate([np.zeros((0, 2), dtype=np.int64), *parts])


def _thinned(index: Index, limit: int | None) -> Index:
    return index if limit is None else index[evenly_spaced(len(index), limit)]


def _monotonous(rows: NDArray[Any]) -> list[str]:
    """Say whether all frames look the same: a covered lens, or a camera that hangs."""
    if rows.ndim == 4 and rows.dtype == np.uint8 and len(rows) and int(rows.max()) <= _BLACK:
        return ["all its frames are black"]
    if len(rows) > 1 and all(np.array_equal(row, rows[0]) for row in rows[1:]):
        return ["all its frames are the same image"]
    return []
