"""Rendered videos with exactly known shots, events and key frames: the data set that always works.

The folder holds ``000-cuts.mp4``, ``001-dissolves.mp4``, ... (the kinds of `keyframe_bench.video.synthetic` in turn),
their ``annotations.json``, and ``rendered.json``, the record of the parameters each file was rendered with.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from ..core.annotation import Annotation
from ..core.errors import OutputError, UsageError
from ..core.files import canonical_json, write_atomic
from ..core.params import Range
from ..core.registry import register
from ..video.plan import KINDS, make_plan
from ..video.synthetic import RENDERER_VERSION, cache_folder, render_video
from ._annotations import FILE_NAME, write_annotations
from .base import Dataset, VideoItem

_RECORD = "rendered.json"


@register("synthetic")
class Synthetic(Dataset):
    """Videos rendered on first use: hard cuts, dissolves, pans, static, flashes, noise, fixed camera, mixed, in turn.

    Parameters
    ----------
    root : str, optional
        Folder for the files, empty or rendered by this data set before; by default one in the user's cache
        (``KEYFRAME_BENCH_CACHE``). One folder holds one set: other parameters render it anew.
    n_videos : int
        How many, 1 to 1000; 8 cover every kind.
    seed : int
        Video ``i`` is rendered with seed ``1000 * seed + i``.
    duration_s : float
        Seconds each, 0.2 to 7200.
    """

    description = "rendered videos with exactly known shots, events and key frames"
    licence = "CC0"

    def __init__(
        self,
        root: str | None = None,
        n_videos: Annotated[int, Range(1, 1000)] = 8,
        seed: Annotated[int, Range(0)] = 0,
        duration_s: Annotated[float, Range(0.2, 7200)] = 12.0,
    ) -> None:
        self.root = root
        self.n_videos = n_videos
        self.seed = seed
        self.duration_s = duration_s

    def videos(self) -> list[VideoItem]:
        """Return the videos, after rendering those that are missing.

        Two processes may do so at once: files are renamed into place complete, and equal parameters give equal files.

        Raises
        ------
        UsageError
            If the folder holds files that this data set did not render.
        OutputError
            If the folder cannot be written.
        """
        root, wanted = self._root(), self._wanted()
        annotations = {name: _annotation(w) for name, w in wanted.items()}
        self._render(root, wanted, annotations)
        return [VideoItem(name, root / name, annotations[name]) for name in wanted]

    def revision(self) -> str:
        """Return parameters and version of the renderer."""
        return f"renderer{RENDERER_VERSION}-n{self.n_videos}-seed{self.seed}-{self.duration_s:.12g}s"

    def _root(self) -> Path:
        if self.root:
            return Path(self.root).expanduser()
        return cache_folder() / "synthetic" / self.revision()

    def _wanted(self) -> dict[str, dict[str, Any]]:
        """Return the parameters of every video, by file name."""
        return {
            f"{i:03d}-{KINDS[i % len(KINDS)]}.mp4": {
                "renderer": RENDERER_VERSION,
                "kind": KINDS[i % len(KINDS)],
                "seed": 1000 * self.seed + i,
                "duration_s": float(self.duration_s),
            }
            for i in range(self.n_videos)
        }

    def _render(self, root: Path, wanted: dict[str, dict[str, Any]], annotations: dict[str, Annotation]) -> None:
        """Bring the folder to hold exactly ``wanted`` and its annotation file; do nothing if it already does."""
        record = _read_record(root)
        ready = {name: record[name] for name, w in wanted.items() if _is_ready(root / name, record.get(name), w)}
        if len(ready) == len(wanted) == len(record) and (root / FILE_NAME).is_file():
            return
        try:
            if any({**wanted.get(name, {}), "bytes": entry.get("bytes")} != entry for name, entry in record.items()):
                (root / FILE_NAME).unlink(missing_ok=True)  # it belongs to another set: never leave it beside new files
            for name in record.keys() - wanted.keys():
                (root / name).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(root, error.strerror or str(error)) from error
        _write_record(root, ready)
        for name, w in wanted.items():
            if name not in ready:
                render_video(root / name, w["kind"], w["seed"], duration_s=w["duration_s"])
                ready[name] = {**w, "bytes": (root / name).stat().st_size}
                _write_record(root, ready)
        write_annotations(root / FILE_NAME, annotations)


def _annotation(w: dict[str, Any]) -> Annotation:
    return make_plan(w["kind"], w["seed"], duration_s=w["duration_s"]).annotation()


def _is_ready(path: Path, recorded: dict[str, Any] | None, w: dict[str, Any]) -> bool:
    """Say whether the file was rendered with the parameters ``w`` and has kept its length."""
    return path.is_file() and recorded == {**w, "bytes": path.stat().st_size}


def _read_record(root: Path) -> dict[str, dict[str, Any]]:
    """Return the record, empty for a new folder; refuse a folder in which rendering could destroy somebody's files."""
    if root.exists() and not root.is_dir():
        raise UsageError(f"data set 'synthetic': {str(root)!r} is not a folder; give another one with dataset.root=DIR")
    # The listing comes first: a process that renders here at the same time writes its record before its first video.
    held = [file.name for file in root.iterdir() if not file.name.startswith(".")] if root.is_dir() else []
    try:
        videos = json.loads((root / _RECORD).read_text(encoding="utf-8"))["videos"]
        return {str(name): dict(entry) for name, entry in videos.items() if Path(name).name == name}
    except FileNotFoundError:
        if held:
            raise UsageError(
                f"data set 'synthetic': {str(root)!r} holds files that it did not render, such as {min(held)!r}; "
                "give an empty folder with dataset.root=DIR"
            ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # damaged, but ours: every video is rendered again
    return {}


def _write_record(root: Path, videos: dict[str, dict[str, Any]]) -> None:
    write_atomic(root / _RECORD, canonical_json({"format": "keyframe_bench/rendered@1", "videos": videos}) + "\n")
