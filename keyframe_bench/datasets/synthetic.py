"""Rendered videos with exactly known shots, events and key frames: the data set that always works.

The folder holds ``000-cuts.mp4``, ``001-dissolves.mp4``, ... (the kinds of `keyframe_bench.rendering.films` in turn),
their ``annotations.json``, and ``rendered.json``, the record of the parameters each file was rendered with.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ..core.registry import Range, register
from ..rendering.plan import KINDS, RENDERER_VERSION, FilmPlan
from ._rendered import RenderedSet
from .base import VideoItem


@register("synthetic")
@dataclass(eq=False)
class Synthetic(RenderedSet):
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

    n_videos: Annotated[int, Range(1, 1000)] = 8
    seed: Annotated[int, Range(0)] = 0
    duration_s: Annotated[float, Range(0.2, 7200)] = 12.0

    description = "rendered videos with exactly known shots, events and key frames"
    licence = "CC0"
    record = "rendered.json"

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
        plans = {}
        for i in range(self.n_videos):
            kind = KINDS[i % len(KINDS)]
            plans[f"{i:03d}-{kind}.mp4"] = FilmPlan(kind, 1000 * self.seed + i, duration_s=float(self.duration_s))

        def render(name: str, path: Path) -> None:
            from ..rendering.films import render_video  # listing loads no OpenCV

            render_video(path, plans[name].kind, plans[name].seed, duration_s=self.duration_s)

        root, common = self.place(self.revision()), {"renderer": RENDERER_VERSION, "duration_s": float(self.duration_s)}
        items = [VideoItem(name, root / name, plan.annotation) for name, plan in plans.items()]
        entries = {name: {**common, "kind": plan.kind, "seed": plan.seed} for name, plan in plans.items()}
        return self.make(items, entries, render)

    def revision(self) -> str:
        """Return parameters and version of the renderer."""
        return f"renderer{RENDERER_VERSION}-n{self.n_videos}-seed{self.seed}-{self.duration_s:.12g}s"
