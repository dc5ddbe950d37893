"""The data set interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from ..core.annotation import Annotation
from ..core.errors import UsageError, VideoError
from ..core.files import printable
from ..core.registry import Configurable, Registry
from ..video.frame_folder import FrameFolder, Timeline


@dataclass(frozen=True)
class VideoItem:
    """One video of a data set.

    Attributes
    ----------
    id : str
        Stable name inside the data set (its path below the root, with forward slashes).
    path : Path or FrameFolder
        The file, or the folder of images; a `Timeline` where only picks made elsewhere are scored.
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
    path: Path | FrameFolder | Timeline
    annotation: Annotation | None = None
    group: str = ""
    photographs: bool = False
    part: Literal["", "train", "validation"] = ""


@dataclass(frozen=True)
class Published:
    """What the lists and annotation files of a data set say of one video.

    Attributes
    ----------
    n_frames : int
        0 where it is not known.
    fps : float or None
    title : str
    annotation : Annotation or None
        None where there is none, or its file is absent.
    part : {"", "train", "validation"}
        As `VideoItem.part`.
    video : str
        Name of the video where several items, such as questions, are about one; empty: that of the item.
    duration_s : float
        0 where it is not known.
    """

    n_frames: int = 0
    fps: float | None = None
    title: str = ""
    annotation: Annotation | None = None
    part: Literal["", "train", "validation"] = ""
    video: str = ""
    duration_s: float = 0.0


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
    page : str
        Address where a user gets it, if there is one.
    usual_split : str
        How a training divides it when nothing is asked for.
    fits : str
        What ``check`` says where `verify` finds nothing.
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
    page: ClassVar[str] = ""
    usual_split: ClassVar[str] = "videos:0.8"
    fits: ClassVar[str] = "all is there and fits"

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

    def published(self) -> Mapping[str, Published]:
        """Return what is published about every video of the data set, there or not, by `VideoItem.id`."""
        return {}

    def timelines(self) -> list[VideoItem]:
        """Return the items whose duration is published, as videos without pixels, sorted by id."""
        known = sorted(self.published().items())
        return [
            VideoItem(name, Timeline(name, about.duration_s), about.annotation, group=about.video)
            for name, about in known
            if about.duration_s
        ]

    def verify(self) -> list[str]:
        """Return what is missing or does not fit, one line each: videos, annotations, numbers of frames.

        Every video is read; where its packets do not tell its frames, it is decoded.
        """
        try:
            items, listed = self.videos(), self.published()
        except UsageError as error:
            return [str(error)]
        there, lines = {item.id for item in items}, []
        for name, about in listed.items():
            if name not in there:
                lines.append(f"{name}: the video is absent{about.title and f' ({about.title})'}")
            if about.annotation is None:
                lines.append(f"{name}: the annotation is absent")
        return lines + [line for item in items if (line := self._misfit(item))]

    def _misfit(self, item: VideoItem) -> str:
        """Return why a video cannot be read or does not fit its annotation; empty if it does."""
        from ..video.onepass import read_pass  # listing loads no decoder

        try:
            times = read_pass(item.path, {"every": ()}).times
            if item.annotation is not None:
                item.annotation.aligned(times, item.id)
        except (UsageError, VideoError) as error:
            return f"{item.id}: {error}"
        return ""

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
