"""The feature interface: decoded frames in, one row of numbers per frame out."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import ContractError
from .params import Configurable
from .registry import Registry
from .sources import source_digest


class FrameView(Protocol):
    """What a feature sees of a decoded frame: lazy views, each conversion made once and shared by all features."""

    ordinal: int
    time: float
    width: int
    height: int
    picture_type: str
    key_frame: bool

    def luma(self, height: int, width: int) -> NDArray[np.uint8]:
        """Return the upright grey picture, uint8 [height, width], 0 black to 255 white whatever the coded range."""

    def rgb(self, height: int, width: int) -> NDArray[np.uint8]:
        """Return the upright picture resized to uint8 [height, width, 3], RGB."""

    def planes(self) -> list[NDArray[np.uint8]]:
        """Return the decoder's 8-bit planes at native size, as coded (no copy, not rotated)."""


class Feature(Configurable, ABC):
    """A small array per frame, computed in the one decode pass.

    Subclasses are registered, take keyword scalars (see `Extractor`), and keep any state of a video in the instance:
    the runner makes a fresh one per video.

    Attributes
    ----------
    name : str
        Set by `register`.
    version : int
        Bump it when rows may change: it is part of the key.
    source : {"frames", "packets", "file"}
        "packets" when demuxing can be enough; the frames given then carry no pixels. "file" when a black box opens the
        file itself: every row is its path, and `compute` is not called.
    elsewhere : bool
        True when the work is done outside the calling thread (another process, a GPU, threads of a library): its cost
        is then the time until it is done, else processor time of that thread, which the decoder beside it does not
        inflate.
    stateful : bool
        True when a row depends on earlier frames, hence on the sampling.
    summary : str
        What a row is: shape, unit, range.
    """

    registry: ClassVar[Registry[Feature]] = Registry("feature", "keyframe_bench.features")
    name: ClassVar[str]
    version: ClassVar[int] = 1
    source: ClassVar[Literal["frames", "packets", "file"]] = "frames"
    elsewhere: ClassVar[bool] = False
    stateful: ClassVar[bool] = False
    summary: ClassVar[str] = ""

    @property
    def key(self) -> str:
        """Cache key: name, version and parameters (networks add the sha256 of their weights).

        `ContractError` where a class that is not registered bears the name of one that is: rows are found by the name.
        """
        owner = self.registry.owner(self.name)
        if owner not in (None, type(self)):
            mine, its = (f"{cls.__module__}.{cls.__qualname__}" for cls in (type(self), owner))
            raise ContractError(f"feature {self.name!r} is {its}, and {mine} bears its name; register it under another")
        inner = ",".join(f"{k}={v}" for k, v in self.params.items())
        return f"{self.name}@{self.version}({inner})"

    def prepare(self) -> None:
        """Import and load what is heavy, once before the pass: its time is not the feature's cost."""

    @abstractmethod
    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return one row per frame, array [B, ...], for a batch of frames in decode order."""

    def fresh(self) -> Feature:
        """Return a new instance with the same parameters and no state."""
        return type(self)(**self.params)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Feature) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


class _PrivateFrame:
    """A frame whose pictures are copies: those of the frame are shared, and torch and ctypes write where they like."""

    def __init__(self, frame: FrameView) -> None:
        self._frame = frame

    def __getattr__(self, name: str) -> Any:
        return getattr(self._frame, name)

    def luma(self, height: int, width: int) -> NDArray[np.uint8]:
        return self._frame.luma(height, width).copy()

    def rgb(self, height: int, width: int) -> NDArray[np.uint8]:
        return self._frame.rgb(height, width).copy()

    def planes(self) -> list[NDArray[np.uint8]]:
        return [plane.copy() for plane in self._frame.planes()]


def rows_of(feature: Feature, frames: Sequence[FrameView]) -> NDArray[Any]:
    """Return what ``feature`` computes; `ContractError` names it and its file where that is not one row per frame.

    A plug-in's feature is given copies of the pictures.
    """
    if source_digest(type(feature)):
        frames = [_PrivateFrame(frame) for frame in frames]
    rows = np.asarray(feature.compute(frames))
    if rows.ndim and len(rows) == len(frames):
        return rows
    file = getattr(sys.modules.get(type(feature).__module__), "__file__", None) or type(feature).__module__
    given = f"{len(rows)} rows" if rows.ndim else f"a single {type(rows.item()).__name__}"
    raise ContractError(
        f"feature {feature.key} in {file} gave {given} for {len(frames)} frames; return an array with a row for each"
    )


def opens_file(features: Iterable[Feature]) -> bool:
    """Say whether something with these needs is a black box, which opens the video file itself."""
    return any(feature.source == "file" for feature in features)
