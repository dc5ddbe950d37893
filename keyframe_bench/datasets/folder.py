"""Any folder of videos, with an optional annotation file.

Every file below the root whose name ends in one of `EXTENSIONS` (in any case) is a video; hidden files and folders are
skipped, and so are linked folders. The annotation file, by default ``annotations.json`` in the root, is described in
`keyframe_bench.datasets._annotations` and in ``data/README.md``::

    {"format": "keyframe_bench/annotations@1",
     "videos": {"<relative path>": {"shots": [[first, end_exclusive], ...],
                                    "events": [[first, end_exclusive], ...],
                                    "users": {"<name>": {"frames": [...]} or {"times": [...]}}}}}
"""

from __future__ import annotations

import hashlib
import os
from fnmatch import fnmatchcase
from pathlib import Path

from ..core.errors import UsageError
from ..core.files import printable
from ..core.registry import register
from ._annotations import FILE_NAME, read_annotations
from .base import Dataset, VideoItem

EXTENSIONS = frozenset(
    [
        *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
        *(".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
    ]
)


@register("folder")
class Folder(Dataset):
    """The videos below a folder, sorted by name.

    Parameters
    ----------
    root : str
        The folder.
    annotations : str, optional
        Annotation file; by default ``annotations.json`` in the root, if there is one.
    pattern : str
        Shell pattern that the path below the root must match, such as ``day1/*.mp4`` (``*`` also matches ``/``); empty
        for all.
    """

    description = "any folder of videos, annotations.json optional"
    licence = "yours"

    def __init__(self, root: str | None = None, annotations: str | None = None, pattern: str = "") -> None:
        self.root = root
        self.annotations = annotations
        self.pattern = pattern

    def videos(self) -> list[VideoItem]:
        """Return the videos with what the annotation file says of them.

        Raises
        ------
        UsageError
            If the folder or its videos are missing, or the annotation file is wrong.
        """
        files, chosen = self._find()
        file = self._annotation_file()
        known = {} if file is None else read_annotations(file, files)
        return [VideoItem(name, files[name], known.get(name)) for name in chosen]

    def revision(self) -> str:
        """Return a digest of the annotation file's bytes and the videos' names (not of their content)."""
        _, chosen = self._find()
        file = self._annotation_file()
        state = hashlib.sha256(b"" if file is None else _bytes_of(file))
        state.update(b"\0".join([b"", *(name.encode() for name in chosen)]))
        return state.hexdigest()[:20]

    def _find(self) -> tuple[dict[str, Path], list[str]]:
        """Return every video by id, and the sorted ids that match the pattern."""
        files = find_videos(self._root())
        if not files:
            raise UsageError(
                f"data set 'folder': there is no video below {self.root!r}; give another folder with dataset.root=DIR "
                f"(video files end in {', '.join(sorted(EXTENSIONS))})"
            )
        chosen = sorted(name for name in files if not self.pattern or fnmatchcase(name, self.pattern))
        if not chosen:
            raise UsageError(f"data set 'folder': none of the {len(files)} videos matches pattern={self.pattern!r}")
        return files, chosen

    def _root(self) -> Path:
        if not self.root:
            raise UsageError("data set 'folder' needs the folder of the videos; give it with dataset.root=DIR")
        root = Path(self.root).expanduser()
        if not root.is_dir():
            reason = "is not a folder" if root.exists() else "does not exist"
            raise UsageError(f"data set 'folder': {self.root!r} {reason}; give a folder with dataset.root=DIR")
        return root

    def _annotation_file(self) -> Path | None:
        if self.annotations:
            return Path(self.annotations).expanduser()
        file = self._root() / FILE_NAME
        return file if os.path.lexists(file) else None


def find_videos(root: Path) -> dict[str, Path]:
    """Return the video files below ``root`` by id: the relative path with forward slashes.

    Bytes of a name that are not UTF-8 appear as backslash escapes in the id: it can be printed and stored anywhere.

    Raises
    ------
    UsageError
        If a folder cannot be read: skipping it silently would shrink the data set.
    """

    def refuse(error: OSError) -> None:
        reason = error.strerror or str(error)
        raise UsageError(f"folder {str(error.filename)!r} cannot be read: {reason}; change that or move it away")

    found = {}
    for folder, below, names in os.walk(root, onerror=refuse):  # does not follow linked folders, so no loops
        below[:] = [name for name in below if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            if name.startswith(".") or path.suffix.lower() not in EXTENSIONS:
                continue
            if path.is_file() or path.is_symlink():  # no pipes or sockets; a broken link is reported when it is opened
                found[printable(path.relative_to(root).as_posix())] = path
    return dict(sorted(found.items()))


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"annotation file {str(file)!r} cannot be read: {reason}; give another one") from error
