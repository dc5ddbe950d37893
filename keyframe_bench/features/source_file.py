"""The file itself, for tools that do their own decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.feature import Feature, FrameView
from ..core.registry import register


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
        """Raise `UsageError`: a frame does not know its file, and pictures in memory have none."""
        raise UsageError(f"{self.tool or 'this tool'} opens the video file itself; pictures in memory have none")
