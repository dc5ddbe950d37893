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
"""What a stored cell says of itself."""

HUMAN = "human"
"""The extractor name of the people's own row (leave-one-out); no method may take it."""

NO_NETWORK = "no network"
"""The label of a row that is a method without its network: what the network adds is told from the two."""


NO_IDENTITY = ("path", "untrained", "seen")
"""Fields of a `Cell` that travel with it and are stored nowhere."""


def thumbnails_folder(out: Path, sha256: str) -> Path:
    """Return where a run in ``out`` keeps the thumbnails of a video: none of an older pass beside new numbers."""
    return out / "thumbs" / f"{sha256}-{PASS_VERSION}"


@dataclass(frozen=True)
class Cell:
    """Identity of one result; its key is the hash of everything here.

    Attributes
    ----------
    extractor, version, params
        The method: registered name, class version, parameters.
    features : tuple of str
        Keys of the features it reads (they carry versions and the sha256 of weights).
    dataset, annotation : str
        Name of the data set, and digest of what it says about this video.
    video, video_sha256 : str
        Id in the data set and hash of the bytes.
    budget, sampling : str
        As in the grammar; the sampling is the method's own where it declares one.
    run_sampling : str
        The run's sampling: relative budgets are resolved on it.
    seed : int
    pass_version : int
        Of decoding and conversions.
    source : str
        Hash of the plug-in's code that the extractor comes from; empty for the package's own.
    checkpoint : str or None
        Of a method that learns: sha256 of what it has learned; None where its training failed. ``params`` has no path.
    training : dict or None
        How that was trained: ``options``; ``data``, what on; ``chosen``, which epoch; ``inner``, the split that chose
        it; ``init``.
    training_seed : int or None
        None for other methods, and for one that learns the same with every seed.
    split : str or None
        Of a method that learns, and of every method where the split says which part of a video is scored.
    division, fold : str or None, int or None
        Of a method that was trained by the run: hash of which videos train in which fold, and which fold this is.
    part : (int, int) or None
        Half-open range of the ordinals that are looked at; None: all.
    path : str
        Where the checkpoint lies now; of no matter for the identity.
    untrained : str
        Why there is no checkpoint; of no matter for the identity.
    seen : bool or None
        Whether training has looked at what is scored; told by the checkpoint, and so of no matter either.
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
        """Fields by name; those that say nothing are left out: cells were kept before there were any."""
        known = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in NO_IDENTITY}
        return {name: value for name, value in known.items() if value is not None}

    @property
    def video_record(self) -> str:
        """Name of the file about the video: copies of one file are videos of their own, with their own annotation."""
        return digest([self.dataset, self.video, self.video_sha256, self.annotation])

    def to_json(self) -> dict[str, Any]:
        """Return the identity as plain data, with its key."""
        listed = {name: list(v) if isinstance(v, tuple) else v for name, v in self._identity.items()}
        return {"key": self.key, **listed, "video_record": self.video_record}
