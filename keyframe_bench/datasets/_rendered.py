"""Data sets that make their own videos: made when first asked for, reused, never over somebody's files.

Beside the videos lie their annotation file and a record, JSON that says with which parameters each video was made.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ..core.errors import OutputError, UsageError
from ..core.files import cache_folder, canonical_json, read_json, write_atomic
from ._annotations import FILE_NAME, annotations_text
from .base import Dataset, VideoItem

Entries = dict[str, dict[str, Any]]


@dataclass(eq=False)
class RenderedSet(Dataset):
    """A data set whose videos are made from its parameters.

    Attributes
    ----------
    record : str
        File name of the record; each data set has its own, so that none takes another's folder for its own.
    """

    root: str | None = None
    _makes: bool = field(default=True, init=False, repr=False)  # whether `make` makes what is missing
    record: ClassVar[str]
    fits = "what is made so far fits; the rest is made when it is first asked for"

    def verify(self) -> list[str]:
        """Return what does not fit in the videos that were made before; none is made."""
        looking = copy.copy(self)
        looking._makes = False
        return super(RenderedSet, looking).verify()

    def place(self, revision: str) -> Path:
        """Return the folder for the files: the root, or one in the user's cache."""
        return Path(self.root).expanduser() if self.root else cache_folder() / self.name / revision

    def make(self, items: list[VideoItem], entries: Entries, render: Callable[[str, Path], object]) -> list[VideoItem]:
        """Make the folder of ``items`` hold exactly these videos and their annotation file; do nothing if it does.

        Where nothing is to be made, return those that are there.

        Two processes may do so at once: files are renamed into place complete, and equal parameters give equal files.

        Parameters
        ----------
        items : list of VideoItem
            All in one folder. They are returned.
        entries : dict
            Everything that each video depends on, plain data, by file name.
        render : callable
            Called with name and path of each video that is missing.

        Raises
        ------
        UsageError
            If the folder holds files that the data set did not render.
        OutputError
            If the folder cannot be written.
        """
        root = items[0].path.parent if isinstance(items[0].path, Path) else Path()
        text = annotations_text({item.id: item.annotation for item in items if item.annotation is not None})
        held, ready, notes = self._held(root), Entries(), root / FILE_NAME
        for name, entry in entries.items():
            if (root / name).is_file() and held.get(name) == {**entry, "bytes": (root / name).stat().st_size}:
                ready[name] = held[name]
        if not self._makes:
            return [item for item in items if item.id in ready]
        if len(ready) == len(entries) == len(held) and notes.is_file() and notes.read_bytes() == text.encode():
            return items
        try:
            if not held or any(
                {**entries.get(name, {}), "bytes": entry.get("bytes")} != entry for name, entry in held.items()
            ):
                notes.unlink(missing_ok=True)  # of other videos, or unknown ones: it must not lie beside new ones
            for name in held.keys() - entries.keys():
                (root / name).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(root, error) from error
        self._write(root, ready)
        for name, entry in entries.items():
            if name not in ready:
                render(name, root / name)
                ready[name] = {**entry, "bytes": (root / name).stat().st_size}
                self._write(root, ready)
        write_atomic(notes, text)
        return items

    def _held(self, root: Path) -> Entries:
        """Return the record, empty for a new folder; refuse a folder in which rendering could destroy files."""
        # The listing comes first: another process that renders here writes its record before its first video.
        held = [file.name for file in root.iterdir() if not file.name.startswith(".")] if root.is_dir() else []
        try:
            videos = read_json(root / self.record)["videos"]
            return {str(name): dict(entry) for name, entry in videos.items() if Path(name).name == name}
        except (FileNotFoundError, NotADirectoryError):
            if held or (root.exists() and not root.is_dir()):
                why = f"holds files that it did not render, such as {min(held)!r}" if held else "is not a folder"
                way_out = "give an empty folder with dataset.root=DIR"
                raise UsageError(f"data set {self.name!r}: {str(root)!r} {why}; {way_out}") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # damaged, but ours: every video is rendered again
        return {}

    def _write(self, root: Path, videos: Entries) -> None:
        text = canonical_json({"format": "keyframe_bench/rendered@1", "videos": videos})
        write_atomic(root / self.record, text + "\n")
