"""What the container says: how each frame is coded, and where the file is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.feature import Feature, FrameView
from ..core.registry import register

_CODES = {"I": 1, "P": 2, "B": 3}


@register("coded_picture")
class CodedPicture(Feature):
    """Key flag and picture type of each frame.

    The two differ: with open groups of pictures an I picture need not be a point where decoding can start, and only
    such a point carries the key flag.

    Parameters
    ----------
    key_only : bool
        True leaves the picture type 0, so that packets can be enough; the type needs decoding.
    """

    opaque = True
    summary = "uint8 [2]: key flag 0 or 1; picture type 1 I, 2 P, 3 B, 0 other or not asked for"

    def __init__(self, *, key_only: bool = False) -> None:
        self.key_only = key_only

    @property
    def source(self) -> Literal["frames", "packets"]:  # type: ignore[override]  # depends on the parameter here
        """Packets carry the key flag only."""
        return "packets" if self.key_only else "frames"

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.uint8]:
        """Return uint8 [B, 2]."""
        codes = {} if self.key_only else _CODES
        return np.array([[bool(f.key_frame), codes.get(f.picture_type, 0)] for f in frames], dtype=np.uint8)


@register("source_file")
class SourceFile(Feature):
    """The path of the video, the same in every row: a black box opens the file itself.

    The pass over the file fills the column; no frame is decoded for it.

    Parameters
    ----------
    tool : str
        Which tool of which version opens the file: part of the key of its results.
    """

    source = "file"
    summary = "str: absolute path of the video"

    def __init__(self, *, tool: str = "") -> None:
        self.tool = tool

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:  # noqa: ARG002 - interface
        """Raise `UsageError`: a frame does not know its file, and images in memory have none."""
        raise UsageError(f"{self.tool or 'this tool'} opens the video file itself; images in memory have none")
