"""The folder of a data set that makes its own videos: made when first asked for, reused, never over somebody's files.

Beside the videos lie their annotation file and a record, JSON that says with which parameters each video was made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..core.annotation import Annotation
from ..core.errors import OutputError, UsageError
from ..core.files import canonical_json, read_json, write_atomic
from ._annotations import FILE_NAME, annotations_text

Entries = dict[str, dict[str, Any]]


class RenderedFolder:
    """A folder that one data set fills.

    Parameters
    ----------
    root : Path
        New, empty, or filled by this data set before.
    owner : str
        The data set, for messages.
    record : str
        File name of the record; each data set has its own, so that none takes another's folder for its own.
    """

    def __init__(self, root: Path, owner: str, record: str) -> None:
        self.root = root
        self.owner = owner
        self.record = root / record

    def bring_to(
        self, wanted: Entries, annotations: Mapping[str, Annotation], render: Callable[[str, Path], object]
    ) -> None:
        """Make the folder hold exactly the videos ``wanted`` and their annotation file; do nothing if it does.

        Two processes may do so at once: files are renamed into place complete, and equal parameters give equal files.

        Parameters
        ----------
        wanted : dict
            Parameters of every video, plain data, by file name.
        annotations : mapping
            By file name.
        render : callable
            Called with name and path of each video that is missing.

        Raises
        ------
        UsageError
            If the folder holds files that the data set did not render.
        OutputError
            If the folder cannot be written.
        """
        held = self._read()
        ready = {name: held[name] for name, w in wanted.items() if self._is_ready(name, held.get(name), w)}
        text = annotations_text(annotations)
        if len(ready) == len(wanted) == len(held) and self._annotated() == text:
            return
        try:
            if any({**wanted.get(name, {}), "bytes": entry.get("bytes")} != entry for name, entry in held.items()):
                # The annotation file belongs to another set: never leave it beside new files.
                (self.root / FILE_NAME).unlink(missing_ok=True)
            for name in held.keys() - wanted.keys():
                (self.root / name).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(self.root, error.strerror or str(error)) from error
        self._write(ready)
        for name, w in wanted.items():
            if name not in ready:
                render(name, self.root / name)
                ready[name] = {**w, "bytes": (self.root / name).stat().st_size}
                self._write(ready)
        write_atomic(self.root / FILE_NAME, text)

    def _annotated(self) -> str:
        try:
            return (self.root / FILE_NAME).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""

    def _is_ready(self, name: str, recorded: dict[str, Any] | None, w: dict[str, Any]) -> bool:
        """Say whether the file was rendered with the parameters ``w`` and has kept its length."""
        path = self.root / name
        return path.is_file() and recorded == {**w, "bytes": path.stat().st_size}

    def _read(self) -> Entries:
        """Return the record, empty for a new folder; refuse a folder in which rendering could destroy files."""
        root = self.root
        if root.exists() and not root.is_dir():
            raise UsageError(
                f"data set {self.owner!r}: {str(root)!r} is not a folder; give another one with dataset.root=DIR"
            )
        # The listing comes first: another process that renders here writes its record before its first video.
        held = [file.name for file in root.iterdir() if not file.name.startswith(".")] if root.is_dir() else []
        try:
            videos = read_json(self.record)["videos"]
            return {str(name): dict(entry) for name, entry in videos.items() if Path(name).name == name}
        except FileNotFoundError:
            if held:
                raise UsageError(
                    f"data set {self.owner!r}: {str(root)!r} holds files that it did not render, such as "
                    f"{min(held)!r}; give an empty folder with dataset.root=DIR"
                ) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # damaged, but ours: every video is rendered again
        return {}

    def _write(self, videos: Entries) -> None:
        write_atomic(self.record, canonical_json({"format": "keyframe_bench/rendered@1", "videos": videos}) + "\n")
