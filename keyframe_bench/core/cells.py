"""A cell: one extractor with its parameters on one video at one budget, sampling and seed."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass, fields
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

    @functools.cached_property
    def key(self) -> str:
        """Hash of the identity, 20 hex digits: the name of the cell's file."""
        return digest({field.name: getattr(self, field.name) for field in fields(self)})

    @property
    def video_record(self) -> str:
        """Name of the file about the video: copies of one file are videos of their own, with their own annotation."""
        return digest([self.dataset, self.video, self.video_sha256, self.annotation])

    def to_json(self) -> dict[str, Any]:
        """Return the identity as plain data, with its key."""
        return {
            "key": self.key,
            **asdict(self),
            "features": list(self.features),
            "video_record": self.video_record,
        }
