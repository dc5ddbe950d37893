"""A cell: one extractor with its parameters on one video at one budget, sampling and seed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .files import digest
from .version import PASS_VERSION

FORMAT = "keyframe_bench/cell@1"
"""The format that every stored cell declares."""

HUMAN = "human"
"""Extractor name of the row of the human annotators (leave-one-out); reserved."""

NO_NETWORK = "no network"
"""Label of a row that is a method without its network, which shows what the network adds."""


NO_IDENTITY = ("path", "untrained", "seen")
"""Fields of a `Cell` that are not part of its identity and are not stored."""


def thumbnails_folder(out: Path, sha256: str) -> Path:
    """Return where a run in ``out`` keeps the thumbnails of a video; another pass version has another folder."""
    return out / "thumbs" / f"{sha256}-{PASS_VERSION}"


@dataclass(frozen=True)
class Cell:
    """Identity of one result; its key is the hash of all fields but `NO_IDENTITY`.

    Attributes
    ----------
    extractor, version, params
        The method: registered name, class version, parameters.
    features : tuple of str
        Keys of the features it reads (they carry versions and the sha256 of weights).
    dataset, annotation : str
        Name of the data set, and digest of its annotation of this video.
    video, video_sha256 : str
        Id in the data set and hash of the bytes.
    budget, sampling : str
        In the grammar of `core.budget`; the sampling is the method's own where it declares one.
    run_sampling : str
        The run's sampling: relative budgets are resolved on it.
    seed : int
    pass_version : int
        Of decoding and conversions.
    source : str
        Hash of the code of a plug-in extractor; empty for those of the package.
    checkpoint : str or None
        Trainable methods: sha256 of the checkpoint; None if the training failed. ``params`` has no path.
    training : dict or None
        How it was trained: ``options``; ``data``; ``chosen``, the epoch; ``inner``, the split that chose it; ``init``.
    training_seed : int or None
        None for other methods, and for those whose training is deterministic.
    split : str or None
        Trainable methods; all methods where the split decides which part of a video is scored.
    division, fold : str or None, int or None
        Methods trained by the run: hash of which videos train in which fold, and the fold.
    part : (int, int) or None
        Half-open range of ordinals that is scored; None: all.
    path : str
        Where the checkpoint lies now; not part of the identity.
    untrained : str
        Why there is no checkpoint; not part of the identity.
    seen : bool or None
        Whether training has seen what is scored; follows from the checkpoint, so not part of the identity.
    """

    extractor: str
    version: int
    params: dict[str, Any]
    features: tuple[str, ...]
    dataset: str
    annotation: str
    video: str
    video_sha256: str
    budget: str
    sampling: str
    run_sampling: str
    seed: int
    pass_version: int = PASS_VERSION
    source: str = ""
    checkpoint: str | None = None
    training: Mapping[str, Any] | None = None
    training_seed: int | None = None
    split: str | None = None
    division: str | None = None
    fold: int | None = None
    part: tuple[int, int] | None = None
    path: str = ""
    untrained: str = ""
    seen: bool | None = None

    @functools.cached_property
    def key(self) -> str:
        """Hash of the identity, 20 hex digits: the name of the cell's file."""
        return digest(self._identity)

    @property
    def _identity(self) -> dict[str, Any]:
        """Fields by name without those that are None: keys of cells from before a field existed stay valid."""
        known = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in NO_IDENTITY}
        return {name: value for name, value in known.items() if value is not None}

    @property
    def video_record(self) -> str:
        """Name of the video's record; copies of one file may have different annotations."""
        return digest([self.dataset, self.video, self.video_sha256, self.annotation])

    def to_json(self) -> dict[str, Any]:
        """Return the identity as plain data, with its key."""
        listed = {name: list(v) if isinstance(v, tuple) else v for name, v in self._identity.items()}
        return {"key": self.key, **listed, "video_record": self.video_record}
