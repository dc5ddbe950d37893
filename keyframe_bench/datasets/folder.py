"""Any folder of videos, with an optional annotation file.

Every file below the root with the name of a video file (in any case of letters) is a video, and so is every folder
below it that directly holds images and no video file; hidden files and folders are skipped, and so are linked folders
and what ``extract`` and ``run`` wrote. Where there is nothing else, images in the root itself are a video. The
annotation file, by default ``annotations.json`` in the root, is described in `keyframe_bench.datasets._annotations` and
in ``docs/guides/datasets.md``::

    {"format": "keyframe_bench/annotations@1",
     "videos": {"<relative path>": {"shots": [[first, end_exclusive], ...],
                                    "events": [[first, end_exclusive], ...],
                                    "users": {"<name>": {"frames": [...]} or {"times": [...]}}}}}
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from ..core.errors import UsageError, os_reason
from ..core.files import natural, printable
from ..core.registry import Range, register
from ..video.frame_folder import VIDEO_EXTENSIONS, Video, as_video
from ..video.image_files import is_image_name
from ._annotations import FILE_NAME, read_annotation_file, read_annotations
from .base import Dataset, VideoItem

# What tells a folder that `extract` or `run` wrote: their images are no videos.
_WRITTEN = frozenset({"keyframes.json", "run.json"})
_WRITTEN_FOLDERS = {"cells", "thumbs"}


@register("folder")
@dataclass(eq=False)
class Folder(Dataset):
    """The videos below a folder, sorted by name.

    Parameters
    ----------
    root : str
        The folder.
    annotations : str, optional
        Annotation file, JSON, or CSV with a line ``video,user,frame`` (or ``time``) for each key frame; by default
        ``annotations.json`` in the root, if there is one.
    pattern : str
        Shell pattern that the path below the root must match, such as ``day1/*.mp4`` (``*`` also matches ``/``); empty
        for all.
    camera : bool
        Whether all videos are of one fixed camera: they are a group, in natural order of names (``cam_2`` before
        ``cam_10``), and the root may also be a single video.
    fps, times : optional
        Of folders of images, as for `FrameFolder`: images per second (default: 25, and the health record says so),
        and whether the numbers in the names are the times.
    """

    root: str | None = None
    annotations: str | None = None
    pattern: str = ""
    camera: bool = False
    fps: Annotated[float, Range(1e-6, 1e6)] | None = None
    times: Literal["index", "names"] | None = None

    description = "any folder of videos, annotations.json optional"
    licence = "yours"
    layout = (
        "a video file, or a folder of videos; those of one camera are named so that they sort by time "
        f"(cam_a/2021-03-04.mp4); file names end in {', '.join(sorted(VIDEO_EXTENSIONS))}"
    )

    def videos(self) -> list[VideoItem]:
        """Return the videos with what the annotation file says of them.

        Raises
        ------
        UsageError
            If the folder or its videos are missing, or the annotation file is wrong.
        """
        files, chosen = self._find()
        file = self._annotation_file()
        known = {} if file is None else read_annotations(file, files if self._root().is_dir() else None)
        group = as_video(self._root()).name if self.camera else ""
        return [VideoItem(name, files[name], known.get(name), group=printable(group)) for name in chosen]

    @property
    def usual_split(self) -> str:  # type: ignore[override]  # depends on a parameter here
        """Earlier frames of a camera train, else whole videos."""
        return "temporal:0.8" if self.camera else "videos:0.8"

    def revision(self) -> str:
        """Return a digest of the annotation file's bytes and the videos' names (not of their content)."""
        _, chosen = self._find()
        file = self._annotation_file()
        state = hashlib.sha256(b"" if file is None else read_annotation_file(file))
        state.update(b"\0".join([b"", *(name.encode() for name in chosen)]))
        return state.hexdigest()[:20]

    def _find(self) -> tuple[dict[str, Video], list[str]]:
        """Return every video by id, and the sorted ids that match the pattern."""
        root = self._root()
        folders = find_frame_folders(root) if root.is_dir() else {}
        files: dict[str, Video] = {**(find_videos(root) if root.is_dir() else {printable(root.name): root})}
        if files or len(folders) > 1:
            folders.pop(".", None)
        for name, path in folders.items():
            files[name if name != "." else printable(as_video(root).name)] = as_video(path, self.fps, self.times)
        if not files:
            raise UsageError(
                f"data set 'folder': there is no video below {self.root!r}; give another folder with dataset.root=DIR "
                f"(video files end in {', '.join(sorted(VIDEO_EXTENSIONS))}; a folder of images is a video too)"
            )
        if not folders and (self.fps or self.times):
            raise UsageError(
                f"data set 'folder': fps= and times= are for folders of images, and there is none below {self.root!r}; "
                "leave them out"
            )
        found = (name for name in files if not self.pattern or fnmatchcase(name, self.pattern))
        chosen = sorted(found, key=natural if self.camera else None)
        if not chosen:
            raise UsageError(
                f"data set 'folder': none of the {len(files)} videos matches pattern={self.pattern!r}; "
                "patterns are compared with paths below the folder"
            )
        return files, chosen

    def _root(self) -> Path:
        if self.root and self.camera and (root := Path(self.root).expanduser()).exists():
            return root
        return self.folder("root", "the folder of the videos", "give a folder with dataset.root=DIR")

    def _annotation_file(self) -> Path | None:
        if self.annotations:
            return Path(self.annotations).expanduser()
        root = self._root()
        file = (root if root.is_dir() else root.parent) / FILE_NAME
        return file if os.path.lexists(file) else None


def find_videos(root: Path) -> dict[str, Path]:
    """Return the video files below ``root`` by id: the relative path with forward slashes.

    Bytes of a name that are not UTF-8 appear as backslash escapes in the id: it can be printed and stored anywhere.

    Raises
    ------
    UsageError
        If a folder cannot be read: skipping it silently would shrink the data set.
    """
    found = {}
    for folder, _, names in _walk(root):
        for name in names:
            path = Path(folder, name)
            if name.startswith(".") or path.suffix.lower() not in VIDEO_EXTENSIONS:
                continue
            if path.is_file() or path.is_symlink():  # no pipes or sockets; a broken link is reported when it is opened
                found[printable(path.relative_to(root).as_posix())] = path
    return dict(sorted(found.items()))


def find_frame_folders(root: Path) -> dict[str, Path]:
    """Return the folders at and below ``root`` that are videos by their id, ``"."`` for the root itself.

    Those are the folders that directly hold images. Where there are video files beside them, images are taken for
    covers of these; what ``extract`` and ``run`` wrote is not looked at.

    Raises
    ------
    UsageError
        If a folder cannot be read.
    """
    found = {}
    for folder, below, names in _walk(root):
        if not _WRITTEN.isdisjoint(names) or set(below) >= _WRITTEN_FOLDERS:
            below.clear()
            continue
        films = any(Path(name).suffix.lower() in VIDEO_EXTENSIONS for name in names)
        if not films and any(is_image_name(name) for name in names):
            found[printable(Path(folder).relative_to(root).as_posix())] = Path(folder)
    return dict(sorted(found.items()))


def _walk(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield folders as `os.walk` does, without hidden and linked ones."""

    def refuse(error: OSError) -> None:
        reason = os_reason(error)
        raise UsageError(f"folder {str(error.filename)!r} cannot be read: {reason}; change that or move it away")

    for folder, below, names in os.walk(root, onerror=refuse):  # does not follow linked folders, so no loops
        below[:] = [name for name in below if not name.startswith(".")]
        yield folder, below, names
