"""Many videos and many methods: `keyframe_bench.sweep`."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .core.errors import KeyframeBenchError, UsageError
from .core.files import printable
from .core.grammar import Budget, Split
from .datasets.base import Dataset, VideoItem
from .video.frame_folder import VideoPath, as_video

if TYPE_CHECKING:
    import pandas as pd


def sweep(
    videos: VideoPath | Sequence[VideoPath],
    extractors: Sequence[str] | str = "all",
    *,
    budget: str | int | Sequence[str | int] = 8,
    seeds: Sequence[int] = (0,),
    grid: Mapping[str, Mapping[str, Any]] | None = None,
    sampling: str = "2fps",
    out: str | Path | None = None,
    n_jobs: int = 1,
    on_error: str = "raise",
    cache_gb: float = 0,
    split: str = "",
    split_seed: int = 0,
    trainer: Mapping[str, Mapping[str, Any]] | None = None,
    trainings: str | Path = "outputs/trainings",
    leak: str = "refuse",
    external: Mapping[str, str | Path] | None = None,
) -> pd.DataFrame:
    """Compare extractors on videos, one decode a video, and return one row per cell.

    Parameters
    ----------
    videos : str, Path, FrameFolder or list of them
        A folder of videos (with ``annotations.json`` if there is one), ``"synthetic"``, or videos: files, and
        folders of images in a list or as `FrameFolder`.
    extractors : list of str or "all"
        ``random`` and ``uniform`` are always added.
    budget : str, int or list of them
    seeds : list of int
    grid : mapping, optional
        ``{"pixel_distance": {"threshold": ["mean", "mean+std"]}}``: parameters to sweep.
    sampling : str
    out : str or Path, optional
        Folder of the cells; given again, only missing cells are computed. Default: kept in memory only.
    n_jobs : int
        Worker processes.
    on_error : {"raise", "warn", "skip"}
    cache_gb : float
        Gigabytes of features kept on disk, for all videos together, so that the next call (another budget, other
        parameters) decodes nothing; 0 keeps and uses none. ``keyframe-bench cache`` shows them.
    split : str
        ``"kfold:5"``, ``"videos:0.8"``, ``"temporal:0.8"``, ``"given"`` or the path of a JSON file: extractors that
        learn are trained on the training videos of each fold, once per seed, and all are scored on what is held out.
    split_seed : int
        Decides which videos those are.
    trainer : mapping, optional
        ``{"autoencoder": {"epochs": [5, 40]}}``: options of trainings to sweep.
    trainings : str or Path
        Folder of the checkpoints; what is there is not trained again.
    leak : {"refuse", "allow"}
        Whether what learned from human annotators may be scored on videos that it has seen.
    external : mapping, optional
        ``{"mine": "picks.json"}``: rows of picks that other tools made, by name.

    Returns
    -------
    pandas.DataFrame
        Long: one row per extractor, parameters, video, budget and seed, with a column per metric.

    Examples
    --------
    >>> import keyframe_bench as kb
    >>> table = kb.sweep([kb.demo_video()], ["pixel_distance"], budget=4)
    >>> sorted(table["extractor"].unique())
    ['pixel_distance', 'random', 'uniform']
    """
    from .bench.execute import run_benchmark
    from .bench.spec import RunSpec
    from .tables.load import load_results

    budgets = [budget] if isinstance(budget, (str, int)) else list(budget)
    with tempfile.TemporaryDirectory(prefix="keyframe_bench-") as temporary:
        spec = RunSpec(
            dataset=_dataset_of(videos),
            out=Path(out) if out is not None else Path(temporary),
            extractors=[extractors] if isinstance(extractors, str) and extractors != "all" else extractors,
            grid=grid or {},
            budgets=[Budget.parse(b) for b in budgets],
            sampling=sampling,
            seeds=seeds,
            on_error=on_error,  # type: ignore[arg-type]  # RunSpec checks it
            backend="loky" if n_jobs > 1 else "serial",
            n_jobs=n_jobs,
            cache_gb=cache_gb,
            split=Split.parse(split) if split else None,
            split_seed=split_seed,
            trainer=trainer or {},
            trainings=Path(trainings),
            leak=leak,  # type: ignore[arg-type]  # RunSpec checks it
            external={name: str(file) for name, file in (external or {}).items()},
        )
        summary = run_benchmark(spec, command="keyframe_bench.sweep(...)")
        for note in summary.notes:
            warnings.warn(note, stacklevel=2)
        if summary.lost:
            raise KeyframeBenchError(summary.failures[0])
        return load_results(spec.out / "results.jsonl")


class _VideoFiles(Dataset):
    """A list of files without annotations."""

    name = "files"

    def __init__(self, paths: Sequence[VideoPath]) -> None:
        self.paths = list(dict.fromkeys(as_video(p) for p in paths))

    def videos(self) -> list[VideoItem]:
        """Return the files; equal names keep their folders."""
        if not self.paths:
            raise UsageError("there are no videos; give a folder, or a list with at least one file")
        short = len({p.name for p in self.paths}) == len(self.paths)
        return [VideoItem(printable(p.name if short else Path(p).as_posix()), p) for p in self.paths]

    def revision(self) -> str:
        """Return nothing: each cell knows its file's hash."""
        return ""


def _dataset_of(videos: VideoPath | Sequence[VideoPath]) -> Dataset:
    if isinstance(videos, str) and videos == "synthetic":
        return Dataset.registry.build("synthetic")
    if isinstance(videos, (str, Path)) and Path(videos).is_dir():
        return Dataset.registry.build("folder", {"root": str(videos)})
    return _VideoFiles([videos] if isinstance(videos, (str, os.PathLike)) else videos)
