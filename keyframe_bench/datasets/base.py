"""The data set interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from ..core.annotation import Annotation
from ..core.errors import UsageError
from ..core.files import printable
from ..core.registry import Configurable, Registry
from ..video.frame_folder import FrameFolder


@dataclass(frozen=True)
class VideoItem:
    """One video of a data set.

    Attributes
    ----------
    id : str
        Stable name inside the data set (its path below the root, with forward slashes).
    path : Path or FrameFolder
        The file, or the folder of images.
    annotation : Annotation or None
        What is known about it; frames and times not yet aligned with the decoded file.
    group : str
        Videos of one group are kept together when a data set is split; empty: the video is a group of its own.
    photographs : bool
        The frames are unrelated images: sizes may differ, order means nothing, and they may be mirrored in training.
    part : {"", "train", "validation"}
        What the video is for where the data set comes divided; empty: it does not.
    """

    id: str
    path: Path | FrameFolder
    annotation: Annotation | None = None
    group: str = ""
    photographs: bool = False
    part: Literal["", "train", "validation"] = ""


class Dataset(Configurable, ABC):
    """A list of videos with annotations.

    Every data set has a ``root`` parameter (the command line's ``dataset.root=DIR``).

    Attributes
    ----------
    description : str
        One phrase for ``keyframe-bench list``.
    reference, licence : str
        BibTeX key or "none"; terms of use.
    layout : str
        How the files must lie, in a phrase: printed where they are missing.
    usual_split : str
        How a training divides it when nothing is asked for.
    """

    registry: ClassVar[Registry[Dataset]] = Registry(
        "data set",
        "keyframe_bench.datasets",
        reserved=("files",),  # what results call a list of video files
    )
    name: ClassVar[str]
    version: ClassVar[int] = 1
    description: ClassVar[str] = ""
    reference: ClassVar[str] = "none"
    licence: ClassVar[str] = ""
    layout: ClassVar[str] = ""
    usual_split: ClassVar[str] = "videos:0.8"

    @property
    def caption(self) -> str:
        """What captions call it."""
        root = self.params.get("root")
        return printable(Path(root).expanduser().resolve().name) if root else self.name

    @abstractmethod
    def videos(self) -> list[VideoItem]:
        """Return the videos sorted by id; `UsageError` says which path lacks what."""

    @abstractmethod
    def revision(self) -> str:
        """Return a short text that changes when videos or annotations may have changed."""

    def folder(self, parameter: str, what: str, way_out: str) -> Path:
        """Return the existing folder that a parameter names.

        Raises
        ------
        UsageError
            If the parameter is not given (``what`` says what it needs) or is no folder; with the way out.
        """
        given = self.params[parameter]
        if not given:
            raise UsageError(f"data set {self.name!r} needs {what}; {way_out}")
        folder = Path(given).expanduser()
        if not folder.is_dir():
            reason = "is not a folder" if folder.exists() else "does not exist"
            raise UsageError(f"data set {self.name!r}: {given!r} {reason}; {way_out}")
        return folder
