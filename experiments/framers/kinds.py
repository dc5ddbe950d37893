"""What a selector is worth on each kind of videos: those of each folder within the data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from keyframe_bench.bench.training_table import TrainingTable
from keyframe_bench.core.checkpoint import read_checkpoint
from keyframe_bench.core.files import sha256_of_file
from keyframe_bench.core.registry import register
from keyframe_bench.extractors.trainable import evaluated
from keyframe_bench.tables.figure import Figure
from keyframe_bench.training.clips import Clips

VERSION = 1
"""Bump it when these numbers may change."""


def kind_of(video: str) -> str:
    """Return the folder of a video's id, or "all" of one that lies in none."""
    return PurePosixPath(video).parent.name or "all"


@register("framers/kinds")
class Kinds(Figure):
    """The numbers of one run on the held-out videos of each folder, for every training seed."""

    options = ("run",)

    def cells(self, table: TrainingTable, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a cell for each kind and seed."""
        run = next(run for run in table.runs if run.name == settings["run"])
        held = list(table.parts(run.data, run.options).validation)
        for seed in table.seeds:
            trained = table.trained(run.name, seed)
            for kind in dict.fromkeys(kind_of(clip.video.name) for clip in held):
                about = {**table.about(run, seed), "label": kind, "dataset": run.data}
                if isinstance(trained, BaseException):
                    yield table.failed(about, trained, table.columns)
                    continue
                clips = Clips.of([clip for clip in held if kind_of(clip.video.name) == kind])
                identity = [VERSION, sha256_of_file(trained.best), table.sets[run.data].data.identity, kind]
                yield table.kept(identity, about, partial(_measured, table, about, trained.best, clips))


def _measured(table: TrainingTable, about: Mapping[str, Any], best: Path, clips: Clips) -> dict[str, Any]:
    checkpoint = read_checkpoint(best, table.method.name)
    return {**about, "metrics": evaluated(table.method, checkpoint, clips)}
