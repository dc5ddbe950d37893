"""A table of trainings: every run is trained once per seed, kept by its key, and evaluated; the results are cells."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..core.cells import FORMAT, read_cell
from ..core.checkpoint import Checkpoint, read_checkpoint
from ..core.errors import OutputError, UnavailableError, UsageError
from ..core.files import canonical_json, digest, make_folder, sha256_of_file, write_atomic, write_over
from ..extractors.trainable import Trainable, evaluated
from ..metrics.base import Column
from ..selection.spacing import evenly_spaced
from ..tables.experiment import Experiment
from ..tables.figure import Figure
from ..training.options import TrainerOptions
from ..training.reading import Parts, Say, read_parts
from ..training.session import EpochReport
from .failures import error_record, message_of, raise_interrupt
from .provenance import ended_record, started_record
from .train import (
    HISTORY_COLUMNS,
    Numbers,
    Trained,
    Training,
    after_first_stage,
    check_warm_start,
    finite,
    history_numbers,
    train,
    trainable,
)
from .training_sets import TrainingSet, training_sets

VERSION = 2
"""Bump it when the numbers of a trained method may change."""


@dataclass(frozen=True)
class TableOptions:
    """What the command line says about a table of trainings."""

    data: Mapping[str, str] = field(default_factory=dict)  # data set to a path or ``rendered``
    # Folder in which trainings are kept by their keys, and found again by other tables
    trainings: Path = Path("outputs/trainings")
    seeds: Sequence[int] | None = None  # instead of the scale's
    trainer: Mapping[str, Any] = field(default_factory=dict)  # options of the trainings instead of the scale's


@dataclass(frozen=True)
class Run:
    """One run of the table as objects."""

    name: str
    options: TrainerOptions
    data: str  # what it is trained on
    sets: list[str]  # what it is evaluated on: ``data`` first
    init: str = ""  # other runs, or empty
    against: str = ""


def run_trainings(
    experiment: Experiment,
    scale: str,
    out: Path,
    options: TableOptions,
    *,
    command: str = "",
    report: Say | None = None,
    progress: EpochReport | None = None,
) -> TrainingTable:
    """Train what is missing, evaluate it, write ``results.jsonl`` and ``run.json`` into ``out``, and return the table.

    A training that fails is a recorded row, and so are those that begin from it. ``report`` is called with what is done
    now, ``progress`` with how far a training is (`keyframe_bench.bench.train.train`). Raises `UsageError`,
    `UnavailableError` when data or an option is wrong: before anything is trained; `OutputError`.
    """
    table = TrainingTable(experiment, scale, out, options, report, progress)
    started = time.monotonic()
    record = started_record(command) | {"table": experiment.name, "scale": scale}
    records = table.records()
    record |= table.facts() | {"seconds": round(time.monotonic() - started, 1), **ended_record()}
    write_atomic(out / "results.jsonl", "".join(canonical_json(r) + "\n" for r in records))
    write_atomic(out / "run.json", json.dumps(record, indent=1) + "\n")
    return table


class TrainingTable:
    """A table of trainings while it is measured; what a `Figure` that makes cells of its own works with."""

    def __init__(
        self,
        experiment: Experiment,
        scale: str,
        out: Path,
        options: TableOptions,
        report: Say | None,
        progress: EpochReport | None,
    ) -> None:
        self.experiment, self.out, self.options = experiment, out, options
        self.report: Say = report or (lambda _: None)
        self.progress = progress
        self.settings = experiment.scale(scale)
        self.seeds = list(self.settings.get("seeds", [0]) if options.seeds is None else options.seeds)
        self.asked = {**(self.settings.get("trainer") or {}), **options.trainer}
        self.method: Trainable = trainable(experiment.extractor) if experiment.runs else None  # type: ignore[assignment]  # a table may train nothing
        self.runs = [self._run(run) for run in experiment.runs_at(scale)]
        needed = dict.fromkeys(name for run in self.runs for name in run.sets)
        needed |= dict.fromkeys(self._figure_sets())
        learns_from_users = bool(experiment.runs) and self.method.supervision == "users"
        self.sets = training_sets(experiment, scale, list(needed), options.data, annotated=learns_from_users)
        make_folder(out)
        self.failures: list[str] = []  # one line each
        self.n_trained = 0  # made now; the others were found
        self.sources: list[str] = []  # videos that further cells are about
        self._parts: dict[tuple[str, ...], Parts] = {}
        self._trained: dict[tuple[str, int], Trained | BaseException] = {}
        self._seconds: dict[str, float] = {}

    def _run(self, run: Mapping[str, Any]) -> Run:
        """Return a run of the YAML file at the settings of the scale."""
        try:
            options = self.method.Options.build({**self.asked, **run.get("options", {})})
            if run.get("init"):
                check_warm_start(self.method, run["init"])
        except UsageError as error:
            raise UsageError(f"table {self.experiment.name}: run {run['name']}: {error}") from error
        sets = list(dict.fromkeys([run["data"], *run.get("evaluate", [])]))
        return Run(run["name"], options, run["data"], sets, run.get("init", ""), run.get("against", ""))

    def _figure_sets(self) -> list[str]:
        """Return the data sets that cells besides those of runs are about, where their run is of this scale."""
        more = self.experiment.records
        wanted = more.get("run") is None or more["run"] in [run.name for run in self.runs]
        return [more["data"]] if wanted and "data" in more else []

    def parts(self, name: str, options: TrainerOptions) -> Parts:
        """Return the clips of a data set with the features that a training with these options reads, opened once."""
        features = self.method.train_needs(options)
        key = (name, *(feature.key for feature in features))
        if key not in self._parts:
            self._parts[key] = read_parts(self.sets[name].data, features, self.report)
        return self._parts[key]

    def trained(self, run: str, seed: int) -> Trained | BaseException:
        """Return the training of a run, or why there is none."""
        return self._trained[run, seed]

    def records(self) -> list[dict[str, Any]]:
        """Return the cells, in the order of the runs; every cell is on disk as soon as it is there."""
        self.runs = [self._after_first_stage(run) for run in self.runs]
        for run in self.runs:  # what is wrong with the data is reported before anything is trained
            for name in run.sets:
                self.parts(name, run.options)
        found: dict[tuple[str, int], list[dict[str, Any]]] = {}
        total = len(self.seeds) * len(self.runs)
        for seed in self.seeds:
            for run in self.runs:
                self.report(f"training {len(found) + 1} of {total}: {run.name}, seed {seed}")
                found[run.name, seed] = self._cells(run, seed)
        cells = [cell for run in self.runs for seed in self.seeds for cell in found[run.name, seed]]
        if more := self.experiment.records:
            made = list(Figure.registry.build(more["make"]).cells(self, more))
            self.sources = list(dict.fromkeys(cell["source"] for cell in made if cell.get("source")))
            cells += made
        return cells

    def _after_first_stage(self, run: Run) -> Run:
        """Return a run with the checkpoint that its trainings build on, the same for all seeds."""
        data, folder = self.sets[run.data].data, self.options.trainings
        training = Training(extractor=self.method.name, options=run.options, data=data, out=folder)
        ready = after_first_stage(training, folder, report=self.progress, say=self.report)
        assert ready is not None
        return replace(run, options=ready.options)

    def _cells(self, run: Run, seed: int) -> list[dict[str, Any]]:
        """Return the cells of one training; where it or its evaluation fails, all of them say so."""
        about = self.about(run, seed)
        try:
            trained = self._train(run, seed)
            self._trained[run.name, seed] = trained
            return [self._cell(run, name, seed, trained) for name in run.sets]
        except (OutputError, UnavailableError):
            raise
        except BaseException as error:  # noqa: BLE001 - a failing training is a recorded row; the others go on
            raise_interrupt(error)
            self._trained[run.name, seed] = error
            return [self.failed({**about, "dataset": name}, error, self.columns) for name in run.sets]

    def failed(self, about: Mapping[str, Any], error: BaseException, columns: Mapping[str, Column]) -> dict[str, Any]:
        """Return the cell of what could not be had, with none of ``columns`` measured, and note it for the end."""
        what = f"{about['label']}, seed {about['seed']}"
        self.failures.append(f"{what}: {type(error).__name__}: {message_of(error)}")
        about = {**about, "metrics": dict.fromkeys(columns)}
        key = digest([about, message_of(error)])
        return {**about, "key": key, "format": FORMAT, "status": "failed", "error": error_record(error)}

    def _train(self, run: Run, seed: int) -> Trained:
        """Return the training of a run, made now or found by its key."""
        init = None
        if run.init:
            first = self._trained[run.init, seed]
            if isinstance(first, BaseException):
                raise UsageError(f"it starts from {run.init}, whose training failed")
            init = str(first.best)
        data = self.sets[run.data].data
        training = Training(
            extractor=self.method.name, options=run.options, data=data, out=Path(), init=init, seed=seed
        )
        training = replace(training, out=self.options.trainings / training.key)
        trained = train(training, report=self.progress)
        self.n_trained += trained.computed
        self._seconds[training.key] = float(trained.record.get("seconds") or 0.0)
        return trained

    def _cell(self, run: Run, name: str, seed: int, trained: Trained) -> dict[str, Any]:
        figure = self.experiment.figure
        drawn = figure if seed == self.seeds[0] and name == figure.get("data", run.data) else {}
        if run.name not in [panel["run"] for panel in drawn.get("panels", [])]:
            drawn = {}
        weights = [sha256_of_file(path) for path in (trained.best, trained.last)]
        data = self.sets[name].data.identity
        rival = self._trained.get((run.against, seed))
        against = sha256_of_file(rival.last) if isinstance(rival, Trained) else None
        identity = [VERSION, run.name, weights, name, data, dict(drawn), against]
        about = {**self.about(run, seed), "dataset": name}

        def compute() -> dict[str, Any]:
            own, parts = name == run.data, self.parts(name, run.options)
            checkpoint = read_checkpoint(trained.best, self.method.name)
            metrics = self._numbers(checkpoint, parts, own=own)
            if own:
                metrics |= history_numbers(trained.record, self._history_of(run.against or run.name, seed))
            history: dict[str, Any] = {
                k: trained.record[k] for k in ("history", "step_losses") if own and k in trained.record
            }
            shown = {}
            if drawn:
                shown = Figure.registry.build(drawn["draw"]).stored(checkpoint, parts.validation, drawn)
            return {**about, "metrics": metrics, **history, **shown}

        return self.kept(identity, about, compute)

    def _numbers(self, checkpoint: Checkpoint, parts: Parts, *, own: bool) -> Numbers:
        """Return what the method is judged by on held-out frames, and how well it fits those it was trained on."""
        metrics = evaluated(self.method, checkpoint, parts.validation)
        if own and "loss" in metrics:
            seen = parts.train.thinned(evenly_spaced(parts.train.n_frames, parts.validation.n_frames))
            metrics["fit_loss"] = evaluated(self.method, checkpoint, seen)["loss"]
            metrics["gap"] = metrics["loss"] / metrics["fit_loss"] if metrics["fit_loss"] > 0 else math.nan
        return finite(metrics)

    def _history_of(self, name: str, seed: int) -> Sequence[Mapping[str, Any]]:
        found = self._trained[name, seed]
        return found.record["history"] if isinstance(found, Trained) else ()

    def kept(self, identity: Any, about: Mapping[str, Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the cell of an identity, which says ``about`` of itself: from its file, or computed and written."""
        key = digest(json.loads(json.dumps(identity)))
        file = self.out / "cells" / f"{key}.json"
        problems: list[str] = []
        cell = read_cell(file, problems, needed=())
        for problem in problems:
            self.report(problem)
        said = json.loads(canonical_json(about))
        if cell is not None and cell["status"] == "ok" and said.items() <= cell.items():
            return cell
        finished = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        cell = {**compute(), "key": key, "format": FORMAT, "status": "ok", "finished": finished}
        write_over({file: canonical_json(cell)})
        return cell

    def about(self, run: Run, seed: int) -> dict[str, Any]:
        """Return what a cell says of the run and the seed."""
        params = {"run": run.name, "trained_on": run.data, "init": run.init or None, **run.options.identity}
        return {
            "extractor": self.method.name,
            "params": params,
            "version": VERSION,
            "label": run.name,
            "structure": self.method.described(run.options),
            "reference": self.experiment.source,
            "video": f"seed {seed}",
            "unit": "seed",
            "seed": seed,
        }

    @property
    def columns(self) -> dict[str, Column]:
        """Every number of the cells of runs."""
        return {**(self.method.numbers if self.runs else {}), **HISTORY_COLUMNS}

    def facts(self) -> dict[str, Any]:
        """Return what ``run.json`` says of the trainings."""
        more = Figure.registry.get(self.experiment.records["make"]).columns if self.experiment.records else {}
        columns = {**(self.columns if self.runs else {}), **more}
        described = {name: {"metric": "training", **vars(column)} for name, column in columns.items()}
        if not self.runs:
            return {"columns": described}
        sets = {name: one.facts(self._any_parts(one)) for name, one in self.sets.items()}
        return {
            "data": sets,
            "trainer": self.asked,
            "seeds": self.seeds,
            **({"sources": self.sources} if self.sources else {}),
            "n_trainings": len(self._seconds),
            "trained_s": round(sum(self._seconds.values()), 1),
            "machine": self._machine(),
            "images_per_s": self._speeds(),
            "columns": described,
        }

    def _any_parts(self, one: TrainingSet) -> Parts:
        found = (parts for (name, *_), parts in self._parts.items() if name == one.name)
        return next(found, None) or self.parts(one.name, self.runs[0].options)  # only further records are about it

    @property
    def _records(self) -> list[dict[str, Any]]:
        return [trained.record for trained in self._trained.values() if isinstance(trained, Trained)]

    def _machine(self) -> str:
        """Return what the trainings ran on, as their own records say."""
        machines = (record.get("machine") or {} for record in self._records)
        texts = (f"{one.get('device', '')} ({one.get('cores')} cores)" for one in machines if one)
        precision = (record.get("precision", "") for record in self._records)
        return ", ".join([*dict.fromkeys(texts), *filter(None, dict.fromkeys(precision))])

    def _speeds(self) -> list[float]:
        """Return the lowest and the highest number of rows trained on per second."""
        known = [float(speed) for record in self._records if (speed := record.get("images_per_s"))]
        return [min(known), max(known)] if known else []
