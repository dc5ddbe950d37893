"""A table of trainings: every run is trained once per seed, kept by its key, and evaluated; the results are cells."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.cells import FORMAT
from ..core.errors import OutputError, UnavailableError, UsageError
from ..core.files import canonical_json, digest, make_folder, sha256_of_file, write_atomic, write_over
from ..core.params import check_params
from ..core.records import read_cell
from ..metrics.base import Column
from ..training.data import Pictures
from ..training.spec import Trained, TrainerOptions, TrainSpec
from .failures import error_record, message_of, raise_interrupt
from .provenance import ended_record, started_record
from .training_cells import COLUMNS, VERSION, evaluated, training_numbers
from .training_plan import Run, Size, TrainingOptions, TrainingSummary, common_size, run_of, structure_text
from .training_sets import TrainingSet, TrainingTable, training_sets

if TYPE_CHECKING:
    from ..training.keeper import Report as Progress
    from .training_keyframes import KeyframesPlan

Report = Callable[[str], None]
_SHOWN = 3  # pictures that a figure of reconstructions shows


def run_trainings(
    asked: TrainingTable,
    out: Path,
    options: TrainingOptions,
    *,
    command: str = "",
    facts: Mapping[str, Any] | None = None,
    report: Report | None = None,
    progress: Progress | None = None,
) -> TrainingSummary:
    """Train what is missing, evaluate it, and write ``results.jsonl`` and ``run.json`` into ``out``.

    A training that fails is a recorded row, and so are those that begin from it. ``report`` is told what is done now,
    ``progress`` how far a training is (`keyframe_bench.training.fit.fit`).

    Raises
    ------
    UsageError, UnavailableError
        When data, a network, a loss or an option is wrong: before anything is trained.
    OutputError
    """
    table = _Table(asked, out, options, report, progress)
    started = time.monotonic()
    record = started_record(command) | dict(facts or {})
    records = table.records()
    record |= table.facts() | {"seconds": round(time.monotonic() - started, 1), **ended_record()}
    write_atomic(out / "results.jsonl", "".join(canonical_json(r) + "\n" for r in records))
    write_atomic(out / "run.json", json.dumps(record, indent=1) + "\n")
    return table.summary


class _Table:
    def __init__(
        self,
        table: TrainingTable,
        out: Path,
        options: TrainingOptions,
        report: Report | None,
        progress: Progress | None,
    ) -> None:
        self.table, self.out, self.options = table, out, options
        self.report: Report = report or (lambda _: None)
        self.progress = progress
        self.settings = table.settings
        self.seeds = list(self.settings["seeds"] if options.seeds is None else options.seeds)
        asked = {**(self.settings.get("trainer") or {}), **options.trainer}
        self.trainer = TrainerOptions(**check_params(TrainerOptions, asked, "trainer"))
        self.asked = asked
        self.runs = [run_of(run, self.settings) for run in table.runs]
        self.sets = training_sets(table, options.data)
        self.common = common_size(self.runs, self.settings)
        self.summary = TrainingSummary(make_folder(out))
        self.keyframes = self._keyframes_plans()
        self._pictures: dict[tuple[str, Size], Pictures] = {}
        self._trained: dict[tuple[str, int], Trained | BaseException] = {}
        self._seconds: dict[str, float] = {}

    def _keyframes_plans(self) -> list[KeyframesPlan]:
        if not self.table.keyframes:
            return []
        from .training_keyframes import keyframes_plans

        return keyframes_plans(self.table.keyframes, self.sets)

    def pictures(self, slot: str, size: Size) -> Pictures:
        """Return the pictures of a data set at a size, read once."""
        if (slot, size) not in self._pictures:
            self.report(f"reading {self.sets[slot].paper} at {size[0]} x {size[1]}")
            self._pictures[slot, size] = self.sets[slot].source.pictures(*size)
        return self._pictures[slot, size]

    def records(self) -> list[dict[str, Any]]:
        """Return the cells, in the order of the runs; every cell is on disk as soon as it is there."""
        for run in self.runs:  # what is wrong with the data is told before anything is trained
            filmed = [plan.slot for plan in self.keyframes if plan.run == run.name]
            for slot in dict.fromkeys([*run.slots, *filmed]):
                for size in filter(None, (run.size, self.common)):
                    self.pictures(slot, size)
        found: dict[tuple[str, int], list[dict[str, Any]]] = {}
        total = len(self.seeds) * len(self.runs)
        for seed in self.seeds:
            for run in self.runs:
                place = f"{len(found) + 1} of {total}: {run.name}, seed {seed}"
                found[run.name, seed] = self._cells(run, seed, place)
        return [cell for run in self.runs for seed in self.seeds for cell in found[run.name, seed]]

    def _cells(self, run: Run, seed: int, place: str) -> list[dict[str, Any]]:
        """Return the cells of one training; where it or its evaluation fails, all of them say so.

        Key frames that cannot be had leave the numbers of the training as they are.
        """
        about = self._about(run, seed)
        try:
            trained = self._train(run, seed, place)
            self._trained[run.name, seed] = trained
            cells = [self._cell(run, slot, seed, trained) for slot in run.slots]
        except (OutputError, UnavailableError):
            raise
        except BaseException as error:  # noqa: BLE001 - a failing training is a recorded row; the others go on
            raise_interrupt(error)
            self._trained[run.name, seed] = error
            self.summary.failures.append(f"{run.name}, seed {seed}: {type(error).__name__}: {message_of(error)}")
            return [_failed({**about, "dataset": slot}, error, COLUMNS) for slot in run.slots]
        plans = [plan for plan in self.keyframes if plan.run == run.name]
        return cells + (self._keyframes_cells(plans, trained, about) if plans else [])

    def _keyframes_cells(
        self, plans: Sequence[KeyframesPlan], trained: Trained, about: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the cells of the key frames of one training; one that fails says so."""
        from .training_keyframes import Reading

        reading, cells = Reading(plans, trained), []
        for plan in plans:
            try:
                cells.append(
                    self._kept(
                        plan.identity(trained), plan.about(about), functools.partial(plan.record, reading, about)
                    )
                )
            except (OutputError, UnavailableError):
                raise
            except BaseException as error:  # noqa: BLE001 - a failing row is recorded; the others go on
                raise_interrupt(error)
                what = f"key frames of {about['label']} ({plan.params['distance_space']}), seed {about['seed']}"
                self.summary.failures.append(f"{what}: {type(error).__name__}: {message_of(error)}")
                cells.append(_failed(plan.about(about), error, plan.columns))
        return cells

    def _train(self, run: Run, seed: int, place: str) -> Trained:
        """Return the training of a run, made now or found by its key."""
        from ..training.fit import fit

        init = None
        if run.init:
            first = self._trained[run.init, seed]
            if isinstance(first, BaseException):
                raise UsageError(f"it begins from {run.init}, whose training failed")
            init = str(first.best)
        source = self.sets[run.data].source
        spec = TrainSpec(run.network, run.loss, source, Path(), self.trainer, init=init, seed=seed)
        spec = replace(spec, out=self.options.trainings / spec.key)
        self.report(f"training {place}")
        trained = fit(spec, report=self.progress)
        self.summary.n_trained += trained.epochs_now > 0
        self._seconds[spec.key] = float(trained.record.get("seconds") or 0.0)
        return trained

    def _cell(self, run: Run, slot: str, seed: int, trained: Trained) -> dict[str, Any]:
        pictures = self.pictures(slot, run.size)
        figure = self.table.figure
        panels = [panel["run"] for panel in figure.get("panels", [])]
        drawn = figure.get("draw") == "reconstructions" and slot == figure.get("data", run.data) and run.name in panels
        n_shown = int(figure.get("number", _SHOWN)) if drawn and seed == self.seeds[0] else 0
        common = self.common and self.pictures(slot, self.common)
        weights = [sha256_of_file(path) for path in (trained.best, trained.last)]
        identity = [VERSION, run.name, weights, slot, pictures.digest, self.common, n_shown, self._rival(run, seed)]

        def compute() -> dict[str, Any]:
            own = slot == run.data
            metrics, shown = evaluated(trained, run.loss, pictures, common, n_shown=n_shown, own=own)
            if own:
                metrics |= training_numbers(trained.record, self._history_of(run.against or run.name, seed))
            history = {"history": trained.record["history"]} if own else {}
            return {**about, "metrics": metrics, **history, **shown}

        about = {**self._about(run, seed), "dataset": slot}
        return self._kept(identity, about, compute)

    def _rival(self, run: Run, seed: int) -> Any:
        """Return what tells apart the trainings that ``run`` may be timed against."""
        rival = self._trained.get((run.against, seed))
        return sha256_of_file(rival.last) if isinstance(rival, Trained) else None

    def _history_of(self, name: str, seed: int) -> Sequence[Mapping[str, Any]]:
        found = self._trained[name, seed]
        return found.record["history"] if isinstance(found, Trained) else ()

    def _kept(self, identity: Any, about: Mapping[str, Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
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

    def _about(self, run: Run, seed: int) -> dict[str, Any]:
        """Return what a cell says of the run and the seed."""
        network = {name: value for name, value in run.network.params.items() if name != "name"}
        params = {"run": run.name, "loss": run.loss.name, "trained_on": run.data, "init": run.init or None, **network}
        return {
            "extractor": run.network.name,
            "params": params,
            "version": VERSION,
            "label": run.name,
            "structure": structure_text(run.network),
            "reference": self.table.source,
            "video": f"seed {seed}",
            "unit": "seed",
            "seed": seed,
        }

    def facts(self) -> dict[str, Any]:
        """Return what ``run.json`` says of the trainings."""
        return {
            "data": {slot: one.about(self._any_size(one)) for slot, one in self.sets.items()},
            "network": dict(self.settings.get("network") or {}),
            "trainer": self.asked or {"epochs": self.trainer.epochs},
            "seeds": self.seeds,
            **({"keyframes": {"video": self.keyframes[0].video.name}} if self.keyframes else {}),
            "n_trainings": len(self._seconds),
            "trained_s": round(sum(self._seconds.values()), 1),
            "machine": self._machine(),
            "images_per_s": self._speeds(),
            "columns": {name: {"metric": "training", **vars(column)} for name, column in self._columns().items()},
        }

    def _columns(self) -> dict[str, Column]:
        return {**COLUMNS, **(self.keyframes[0].columns if self.keyframes else {})}

    def _any_size(self, one: TrainingSet) -> Pictures:
        return next(pictures for (slot, _), pictures in self._pictures.items() if slot == one.slot)

    def _machine(self) -> str:
        """Return what the trainings ran on, as their own records say."""
        found = (t.record.get("machine") or {} for t in self._trained.values() if isinstance(t, Trained))
        texts = (f"{one.get('device', '')} ({one.get('cores')} cores)" for one in found)
        precision = (t.record.get("precision", "") for t in self._trained.values() if isinstance(t, Trained))
        return ", ".join([*dict.fromkeys(texts), *dict.fromkeys(precision)])

    def _speeds(self) -> list[float]:
        """Return the lowest and the highest number of training pictures per second."""
        found = [t.record.get("images_per_s") for t in self._trained.values() if isinstance(t, Trained)]
        known = [float(speed) for speed in found if speed]
        return [min(known), max(known)] if known else []


def _failed(about: Mapping[str, Any], error: BaseException, columns: Mapping[str, Column]) -> dict[str, Any]:
    """Return the cell of what could not be had, with none of ``columns`` measured."""
    about = {**about, "metrics": dict.fromkeys(columns)}
    key = digest([about, message_of(error)])
    return {**about, "key": key, "format": FORMAT, "status": "failed", "error": error_record(error)}
