"""A comparison whose cells a figure makes itself, of the options of one run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ..core.cells import FORMAT, Cell
from ..core.errors import UsageError, VideoError
from ..core.files import canonical_json, digest, write_atomic
from ..datasets.base import VideoItem
from ..tables.experiment import Experiment
from ..tables.figure import Figure
from ..training.reading import Say
from .plan import make_plan
from .provenance import ended_record, started_record
from .spec import RunSpec


class VideoTable:
    """What a `Figure` makes cells of: the videos of a run, and its options.

    Attributes
    ----------
    spec : RunSpec
    skipped : list of dict
        Videos that cannot be read, and why.
    say : callable
        Told what is trained.
    """

    def __init__(self, spec: RunSpec, say: Say = lambda _: None) -> None:
        self.spec, self.say = spec, say
        self.skipped: list[dict[str, str]] = []

    @cached_property
    def items(self) -> list[VideoItem]:
        """The videos that are there, or what a figure sets in their place, which needs no pixels."""
        return self.spec.dataset.videos()[: self.spec.limit]

    @cached_property
    def planned(self) -> dict[str, tuple[Cell, ...]]:
        """The cells that the run would compute of each video that is scored, by its id.

        They name the checkpoints of what a split has trained: asking for them trains what is missing.
        """
        return {job.item.id: job.cells for job in make_plan(self.spec, say=self.say).jobs if not job.unreadable}

    def each(self, make: Callable[[VideoItem], Iterable[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
        """Yield what ``make`` gives for every video that can be read; with ``on_error=raise`` others raise."""
        for item in self.items:
            try:
                yield from list(make(item))
            except VideoError as error:
                if self.spec.on_error == "raise":
                    raise
                self.skipped.append({"video": item.id, "reason": error.reason})


def row_of(cell: Cell, item: VideoItem, label: str, params: Mapping[str, Any], **found: Any) -> dict[str, Any]:
    """Return the record of one of several rows that are made of a cell of a run, told apart by ``label``.

    ``params``: besides those of the method; ``found``: ``n_sampled``, ``metrics`` and the like.
    """
    kept = ("extractor", "version", "dataset", "checkpoint", "training", "split", "fold", "training_seed", "seed")
    return {
        **{field: getattr(cell, field) for field in (*kept, "video_sha256", "sampling", "run_sampling")},
        "params": {**cell.params, **params},
        "label": label,
        "video": item.id,
        "budget": "free",
        "key": digest([cell.key, label]),
        "format": FORMAT,
        "status": "ok",
        **found,
    }


def run_records(
    experiment: Experiment, spec: RunSpec, *, command: str = "", facts: Mapping[str, Any], say: Say = lambda _: None
) -> Path:
    """Write ``results.jsonl`` and ``run.json`` with the cells that `Experiment.records` names, and return the folder.

    ``say`` is told what is trained.

    Raises
    ------
    UsageError
        If no video can be read.
    """
    record, table = started_record(command), VideoTable(spec, say)
    figure = Figure.registry.build(experiment.records["make"])
    records = list(figure.cells(table, experiment.records))
    if not records:
        raise UsageError(f"none of the {len(table.items)} videos of data set {spec.dataset.name!r} can be read")
    run = {
        **record,
        **ended_record(),
        **facts,
        "dataset": spec.dataset.name,
        "n_videos": len(table.items),
        "skipped": table.skipped,
        "columns": {name: {"metric": figure.name, **vars(column)} for name, column in figure.columns.items()},
    }
    write_atomic(spec.out / "results.jsonl", "".join(canonical_json(r) + "\n" for r in records))
    write_atomic(spec.out / "run.json", json.dumps(run, indent=1) + "\n")
    return spec.out
