"""What a training reads, before it is read: a data set, how it is divided, and which of its frames count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..core.annotation import annotation_json
from ..core.errors import UsageError, VideoError
from ..core.files import digest, remembered_sha256
from ..core.grammar import Sampling, Split
from ..core.registry import Parameter, Range
from ..core.sources import source_digest
from ..core.version import PASS_VERSION
from ..datasets.base import Dataset, VideoItem
from ..video.frame_folder import FrameFolder
from .splits import Fold, folds_of, grouped, refuse_parted, split_document, split_name

CACHE_GB = 80.0  # Caltech 256 at the four sizes of Chen et al.'s table 3 takes 36 GB
_NUMBERS = (
    *(Parameter(name, (int,), range=Range(0)) for name in ("fold", "split_seed")),
    *(Parameter(name, (int,), optional=True, range=Range(1)) for name in ("limit", "limit_validation")),
    Parameter("cache_gb", (float,), range=Range(0, 1e9)),
)


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What a training reads."""

    dataset: Dataset
    split: Split
    fold: int = 0  # of ``kfold``, and of a file with several
    split_seed: int = 0  # which videos or frames go where
    sampling: str = "every"  # which frames are taken
    # At most so many frames of either part: of videos evenly spread in time, of photographs over the classes, so that a
    # smaller limit gives some of those of a larger one
    limit: int | None = None
    limit_validation: int | None = None
    only: tuple[str, ...] | None = None  # Ids of the videos to be used, such as the training videos of an outer fold
    # Use only videos in which human annotators chose key frames, and show their choices; else clips have none
    annotated: bool = False
    # Id to the ordinal before which frames may be used, where a later part of each video is held out altogether
    until: Mapping[str, int] | None = None
    cache_gb: float = CACHE_GB  # gigabytes (10^9 bytes) of rows that may be kept on disk for the next training

    def __post_init__(self) -> None:
        object.__setattr__(self, "sampling", str(Sampling.parse(self.sampling)))
        for number in _NUMBERS:
            object.__setattr__(self, number.name, number.check(getattr(self, number.name), "training"))
        if self.fold and self.split.by_frames:
            raise UsageError(f"fold={self.fold}: split={self.split} has no folds; use kfold:5, or leave fold out")

    @cached_property
    def listed(self) -> list[VideoItem]:
        """The videos to be used, as the data set lists them."""
        return [item for item in self.dataset.videos() if self.only is None or item.id in self.only]

    @cached_property
    def items(self) -> list[VideoItem]:
        """The videos, before any is opened; copies of a file belong to one group; `UsageError` if there is none."""
        items = self.listed
        if not items:
            raise UsageError(f"data set {self.dataset.name!r} has no videos to train on; check dataset.root")
        if self.annotated:
            items = [item for item in items if item.annotation is not None and item.annotation.choosers]
            if not items:
                part = "" if self.only is None else " among those that train in this fold"
                raise UsageError(
                    f"data set {self.dataset.name!r} has no video in which human annotators chose key frames{part}, "
                    "and the method learns from them; choose another data set or split, or add them (dataset=folder: "
                    "annotations.json)"
                )
        return grouped(items, [self.sha256_of(item) for item in items])

    def sha256_of(self, item: VideoItem) -> str:
        """Return the hash of a video's bytes; empty where it cannot be read."""
        try:
            return item.path.sha256() if isinstance(item.path, FrameFolder) else remembered_sha256(item.path)
        except (OSError, VideoError):
            return ""

    @property
    def identity(self) -> dict[str, Any]:
        """Return everything on which the clips depend, but the features, as plain data."""
        split, fold = self.named_split
        folds = [] if self.split.by_frames else split_document([self.chosen_fold()])["folds"]
        photographs = any(item.photographs for item in self.items)
        groups = {group: n for n, group in enumerate(dict.fromkeys(item.group for item in self.items))}
        return {
            "dataset": [self.dataset.name, self.dataset.version, source_digest(type(self.dataset))],
            "videos": [[i.id, self.sha256_of(i), groups[i.group], i.photographs] for i in self.items],
            "split": split,
            "fold": [fold, *folds],
            "split_seed": self.split_seed if self.split.drawn or photographs else 0,
            "sampling": self.sampling,
            "limits": [self.limit, self.limit_validation],
            "pass": PASS_VERSION,
            **({} if self.until is None else {"until": dict(self.until)}),
            **({"annotations": [annotation_json(item.annotation) for item in self.items]} if self.annotated else {}),
        }

    @property
    def told(self) -> dict[str, Any]:
        """What records say of it besides its videos: how frames were chosen, and a hash of everything but the split."""
        limits = {name: getattr(self, name) for name in ("limit", "limit_validation")}
        identity = {name: value for name, value in self.identity.items() if name not in ("split", "fold")}
        told = {"split_seed": identity["split_seed"] or None, **limits, "data_digest": digest(identity)[:8]}
        return {name: value for name, value in told.items() if value is not None}

    @cached_property
    def _folds(self) -> list[Fold]:
        return folds_of(self.split, self.items, self.split_seed)

    @property
    def named_split(self) -> tuple[str, int | None]:
        """What records call the split, and the fold where there are several."""
        folds = [] if self.split.by_frames else self._folds
        return split_name(self.split, folds), self.fold if len(folds) > 1 else None

    def chosen_fold(self) -> Fold:
        """Return which videos train and which are held out, where whole videos are divided."""
        if not 0 <= self.fold < len(self._folds):
            raise UsageError(f"fold={self.fold}: split={self.split} has the folds 0 to {len(self._folds) - 1}")
        found = self._folds[self.fold]
        refuse_parted(self.split, [found], self.items)
        return found
