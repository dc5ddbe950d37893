"""The clips of either part of a training's data: decoded where they are not stored, counted, divided."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.budget import EVERY, Sampling
from ..core.clip import Clip
from ..core.errors import UsageError, VideoError
from ..core.feature import Feature
from ..core.files import cache_folder, printable
from ..datasets.base import VideoItem
from ..features.picture_id import PictureId
from ..features.rgb import Rgb
from ..selection.spacing import evenly_spaced
from ..video.decode import Reader
from ..video.folder_reader import open_video
from ..video.frame_folder import FrameFolder
from ..video.onepass import Pass, read_pass
from ..video.store import FeatureStore
from ..video.stored_pass import is_stored, read_stored_pass
from .alike import LOOK_HEIGHT, LOOK_WIDTH
from .clips import Clips
from .division import divided_frames
from .photographs import divide_photographs

if TYPE_CHECKING:
    from .data import TrainingData

Index = NDArray[np.int64]
Report = Callable[[str], None]

TOLD_EVERY_S = 60.0  # how often a long reading says how far it is
_BLACK = 24  # levels of 255 that the noise of a covered lens stays below
_OPEN_FILES = 512  # of rows, half of what a process may usually open
_NAMED = 5  # files that a message names
_MUCH_BYTES = 1e9


def rows_folder() -> Path:
    """Return where rows of trainings are kept: apart from the features of runs, which would push them out."""
    return cache_folder() / "rows"


LOOK = Rgb(height=LOOK_HEIGHT, width=LOOK_WIDTH)
"""The small picture by which photographs are compared."""


@dataclass(frozen=True)
class Parts:
    """Clips that train, clips that are held out, and what is known of the data as plain data."""

    train: Clips
    validation: Clips
    facts: dict[str, Any] = field(default_factory=dict)

    def trained_on(self) -> list[dict[str, Any]]:
        """Return for each video and part the range of time that is looked at: what leaks are told by."""
        found = []
        for part, clips in (("train", self.train), ("validation", self.validation)):
            for clip in clips:
                times = [float(clip.times.min()), float(clip.times.max())]
                names = {"video": clip.video.name, "part": part}
                if clip.video.sha256:  # pictures in memory have none
                    names["sha256"] = clip.video.sha256
                found.append({**names, "start_s": times[0], "end_s": times[1]})
        return found


def read_parts(data: TrainingData, features: Sequence[Feature], report: Report) -> Parts:
    """Return the clips of `TrainingData.read`."""
    return _Reader(data, tuple(dict.fromkeys(features)), report).parts()


@dataclass(frozen=True)
class _Looks:
    """What photographs of a folder are told apart by: paths, digests of pixels, and small pictures [n, ...]."""

    names: list[str]
    pixels: list[bytes]
    looks: NDArray[np.uint8]


class _Reader:
    """One reading of all videos of a training."""

    def __init__(self, data: TrainingData, features: tuple[Feature, ...], report: Report) -> None:
        self.data = data
        self.features = features
        self.report = report
        self.store = FeatureStore(rows_folder(), int(data.cache_gb * 1e9)) if data.cache_gb else None
        self.photographs = all(item.photographs for item in data.items)
        self.cameras = {item.id: item.group for item in data.listed if item.group}
        self.problems: dict[str, list[str]] = {}
        self.unreadable: dict[str, str] = {}
        self.copies: dict[str, str] = {}
        self.same: dict[int, int] = {}  # of videos that stay, to the first with the same frames
        self.looks: dict[int, _Looks] = {}
        self._told = time.monotonic()

    def parts(self) -> Parts:
        self._announce()
        counts = self._counts()
        for problem in self.store.problems if self.store else ():
            self.report(problem)
        if not counts:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in list(self.unreadable.items())[:_NAMED])
            raise UsageError(f"data set {self.data.dataset.name!r}: none of it can be decoded ({reasons})")
        train, validation, facts = self._divided(counts)
        if not (len(train) and len(validation)):
            raise UsageError(
                f"data set {self.data.dataset.name!r} leaves {len(train)} frames for training and {len(validation)} "
                f"for validation at split={self.data.split}, sampling={self.data.sampling}; training needs at least "
                "one of either: add videos or frames"
            )
        opened = lru_cache(maxsize=max(1, _OPEN_FILES // (len(self.features) + 1)))(self._clip)  # of both parts
        clips = [
            Clips(opened, places, mirrored=self.photographs, name=self.data.dataset.caption)
            for places in (train, validation)
        ]
        facts = {**self._facts(counts), **facts, "train": len(train), "validation": len(validation)}
        return Parts(clips[0], clips[1], facts)

    def _pass(self, item: VideoItem, features: Sequence[Feature]) -> Pass:
        requests, sha256 = {self.data.sampling: features}, self.data.sha256_of(item)
        if self.store is None:
            return read_pass(item.path, requests, name=item.id, sha256=sha256)
        return read_stored_pass(item.path, requests, self.store, name=item.id, sha256=sha256)

    def _clip(self, number: int) -> Clip:
        item = self.data.items[number]
        read = self._pass(item, self.features)
        shown = item.annotation if self.data.annotated else None
        known = None if shown is None else shown.aligned(read.times, item.id)
        return read.clip(self.data.sampling, self.features, known)

    def _announce(self) -> None:
        """Say how much disk the rows that are not stored yet will take, where that is much."""
        total, row_bytes, every, sampling = 0.0, 0, str(EVERY), self.data.sampling
        for item in self.data.items:
            if self.store and is_stored(sampling, self._wanted, self.store, self.data.sha256_of(item)):
                continue
            try:
                with open_video(item.path) as reader:
                    total += _expected(reader, Sampling.parse(sampling))
                if not row_bytes:
                    clip = read_pass(item.path, {every: self._wanted}, limit=1).clip(every, self._wanted)
                    row_bytes = sum(rows.nbytes for rows in clip.columns.values())
            except VideoError:  # told when it is decoded
                continue
        if (size := total * row_bytes) > _MUCH_BYTES:
            left = "" if size < self.data.cache_gb * 1e9 else f", more than cache_gb={self.data.cache_gb:g} keeps"
            self.report(f"rows of about {total:.0f} frames take {size / 1e9:.1f} GB in {str(rows_folder())!r}{left}")

    def _counts(self) -> dict[int, int]:
        """Decode every video, and return how many sampled frames each has that counts, by number."""
        counts: dict[int, int] = {}
        seen: dict[tuple[str, bytes], int] = {}
        sizes: dict[str, tuple[str, int, int]] = {}
        for number, item in enumerate(self.data.items):
            self._tell(f"reading {number + 1} of {len(self.data.items)}: {item.id}")
            try:
                read = self._pass(item, self._wanted)
            except VideoError as error:
                self.unreadable[item.id] = error.reason
                continue
            clip = read.clip(self.data.sampling, self._wanted)
            rows = clip[self.features[0]] if self.features else None  # a prior of positions reads none
            if self.photographs:
                names, ids = _names(item, clip), [row.tobytes() for row in clip[PictureId()]]
                self.looks[number] = _Looks(names, ids, np.array(clip[LOOK]))
            elif not item.photographs:
                self._same_view(item, read, sizes)
                kind = self.data.sha256_of(item).encode() if rows is None else _digest(rows)
                first = seen.setdefault((item.group, kind), number)
                if first != number and not self.data.annotated:
                    self.copies[item.id] = f"the frames of {self.data.items[first].id}"
                    continue
                if first != number:
                    self.same[number] = first
            end = read.info.n_frames if self.data.until is None else self.data.until[item.id]
            counts[number] = int(np.searchsorted(clip.ordinals, end))
            if told := [*read.health.problems, *([] if rows is None else _monotonous(rows))]:
                self.problems[item.id] = told
        return {number: count for number, count in counts.items() if count}

    def _tell(self, text: str) -> None:
        """Report how far it is, if the time for it has come."""
        now = time.monotonic()
        if now - self._told >= TOLD_EVERY_S:
            self._told = now
            self.report(text)

    @property
    def _wanted(self) -> tuple[Feature, ...]:
        """Features of the pass: photographs are told apart by their pixels and looks as well."""
        return (*self.features, PictureId(), LOOK) if self.photographs else self.features

    def _same_view(self, item: VideoItem, read: Pass, sizes: dict[str, tuple[str, int, int]]) -> None:
        """Refuse videos of a group that are divided in time like one, of a fixed camera, and differ in size."""
        camera = self.cameras.get(item.id)
        if camera is None or not self.data.split.by_frames:
            return
        size = read.info.height, read.info.width
        first, *wanted = sizes.setdefault(camera, (item.id, *size))
        if (*size,) != (*wanted,) or read.health.size_changes:
            raise UsageError(
                f"data set {self.data.dataset.name!r}: {item.id!r} has pictures of {size[0]} x {size[1]} pixels "
                f"(height x width) with {read.health.size_changes} changes, {first!r} of {wanted[0]} x {wanted[1]}: "
                "the view differs; cut the video there, train on a part of one size, or move the other files away"
            )

    def _divided(self, counts: Mapping[int, int]) -> tuple[Index, Index, dict[str, Any]]:
        """Return the places of either part (`Clips.places`), and facts about the division."""
        data, split = self.data, self.data.split
        if self.photographs and split.kind == "frames":
            return self._divided_photographs(counts)
        sides: tuple[list[Index], list[Index]] = ([], [])
        if split.by_frames:
            for group in dict.fromkeys(data.items[number].group for number in counts):
                mine = [n for n in counts if data.items[n].group == group]
                frames = _frames([n for n in mine if n not in self.same], counts)
                one = np.arange(len(frames)), np.arange(0)
                parts = divided_frames(len(frames), split, data.split_seed) if len(frames) > 1 else one
                for side, part in zip(sides, parts, strict=True):
                    side.append(frames[part])
                    side += [_moved(frames[part], self.same[n], n) for n in mine if n in self.same]
        else:
            fold = data.chosen_fold()
            for side, ids in zip(sides, (fold.train, fold.test), strict=True):
                side.append(_frames([n for n in counts if data.items[n].id in ids], counts))
        train, validation = (np.concatenate([_frames([], counts), *side]) for side in sides)
        validation, facts = self._unseen(train, validation) if self.photographs else (validation, {})
        return _thinned(train, data.limit), _thinned(validation, data.limit_validation), facts

    def _unseen(self, train: Index, validation: Index) -> tuple[Index, dict[str, Any]]:
        """Return the held-out photographs of which no copy trains, and facts about the others."""
        seen = {self.looks[n].pixels[place]: self.looks[n].names[place] for n, place in train.tolist()}
        first = [seen.get(self.looks[n].pixels[place]) for n, place in validation.tolist()]
        places = zip(first, validation.tolist(), strict=True)
        copies = [f"{self.looks[n].names[place]} is {other}" for other, (n, place) in places if other is not None]
        kept = validation[[other is None for other in first]]
        return kept, {"copies": len(copies), "copies_names": copies[:_NAMED]} if copies else {}

    def _divided_photographs(self, counts: Mapping[int, int]) -> tuple[Index, Index, dict[str, Any]]:
        known = [self.looks[number] for number in counts]
        names = [name for one in known for name in one.names]
        pixels = [row.hex() for one in known for row in one.pixels]
        order = sorted(range(len(names)), key=names.__getitem__)
        found = divide_photographs(
            [names[i] for i in order],
            [pixels[i] for i in order],
            np.concatenate([one.looks for one in known])[order],
            self.data.split.value,
            self.data.split_seed,
        )
        sorted_index = _frames(list(counts), counts)[order]
        train = sorted_index[found.train[: self.data.limit]]
        validation = sorted_index[found.validation[: self.data.limit_validation]]
        return train, validation, found.facts

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
            "mirrored": self.photographs,
        }
        if data.annotated:
            known = {item.id for item in data.items}
            left_out = [i.id for i in data.dataset.videos() if i.id not in known and i.id in (data.only or (i.id,))]
            facts |= {"unannotated": len(left_out), "unannotated_names": left_out}
        for what, found in (("copies", self.copies), ("problems", self.problems), ("unreadable", self.unreadable)):
            if found:
                facts[what] = found
        return facts


def _expected(reader: Reader, sampling: Sampling) -> float:
    """Return about how many frames a video gives, by what it declares."""
    told = reader.health.declared_duration_s or (reader.health.declared_frames or 0) * reader.frame_s
    usual = 1 / reader.frame_s
    return told * min(sampling.value if sampling.kind == "fps" else usual / sampling.value, usual)


def _names(item: VideoItem, clip: Clip) -> list[str]:
    """Return the path of every picture of a clip below the root of its data set, or what stands for it in a video."""
    below = "" if item.id == "." else f"{item.id}/"
    if not isinstance(item.path, FrameFolder):
        return [f"{below}{ordinal}" for ordinal in clip.ordinals.tolist()]
    files = item.path.files()  # one that cannot be read has a time and no frame
    return [below + printable(files[round(time * item.path.rate)].name) for time in clip.times.tolist()]


def _frames(numbers: Sequence[int], counts: Mapping[int, int]) -> Index:
    """Return the index of all sampled frames of some videos, in order."""
    parts = [np.stack([np.full(counts[n], n), np.arange(counts[n])], axis=1) for n in numbers]
    return np.concatenate([np.zeros((0, 2), dtype=np.int64), *parts])


def _moved(places: Index, video: int, copy: int) -> Index:
    """Return those of the places that are of a video, as those of its copy."""
    here = places[places[:, 0] == video]
    return np.stack([np.full(len(here), copy), here[:, 1]], axis=1)


def _digest(rows: NDArray[Any]) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(rows).data).digest()


def _thinned(index: Index, limit: int | None) -> Index:
    return index if limit is None else index[evenly_spaced(len(index), limit)]


def _monotonous(rows: NDArray[Any]) -> list[str]:
    """Say whether all frames look the same: a covered lens, or a camera that hangs."""
    if rows.ndim == 4 and rows.dtype == np.uint8 and len(rows) and int(rows.max()) <= _BLACK:
        return ["all its frames are black"]
    if len(rows) > 1 and all(np.array_equal(row, rows[0]) for row in rows[1:]):
        return ["all its frames are the same picture"]
    return []
