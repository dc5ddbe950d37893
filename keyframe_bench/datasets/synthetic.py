"""Rendered videos with exactly known shots, events and key frames: the data set that always works.

The folder holds ``000-cuts.mp4``, ``001-dissolves.mp4``, ... (the kinds of `keyframe_bench.rendering.films` in turn),
their ``annotations.json``, and ``rendered.json``, the record of the parameters each file was rendered with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ..core.annotation import Annotation
from ..core.files import cache_folder
from ..core.registry import Range, register
from ..rendering.plan import KINDS, RENDERER_VERSION, FilmPlan
from ._rendered import RenderedFolder
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

        def render(name: str, path: Path) -> None:
            from ..rendering.films import render_video  # listing loads no OpenCV

            w = wanted[name]
            render_video(path, w["kind"], w["seed"], duration_s=w["duration_s"])

        RenderedFolder(root, "synthetic", _RECORD).bring_to(wanted, annotations, render)
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


def _annotation(w: dict[str, Any]) -> Annotation:
    return FilmPlan(w["kind"], w["seed"], duration_s=w["duration_s"]).annotation
