"""``train``: one training of a method that learns, found again where it is finished, and what its history says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.checkpoint import Checkpoint, checkpoint_id, read_checkpoint
from ..core.errors import ContractError, UsageError
from ..core.files import canonical_json, digest, file_name, locked, make_folder, remove_leftovers, write_atomic
from ..core.registry import Parameter, Range
from ..core.sources import source_digest
from ..extractors.base import Extractor
from ..extractors.trainable import Trainable, about_method, evaluated, fitted, to_fetch
from ..metrics.base import Column
from ..training.clips import Clips
from ..training.data import TrainingData
from ..training.folder import TrainingFolder
from ..training.options import ModuleOptions, TrainerOptions
from ..training.pictures import curves, errors, strip
from ..training.reading import Parts, read_parts
from ..training.session import EpochReport, Session
from ..training.wandb_logger import Logger, WandbMode, check_logger, tracked
from ..video.image_files import encode_image
from .failures import described, raise_interrupt
from .provenance import package_versions
from .spec import CHECKPOINT

_SHOWN = 64  # images whose reconstruction is looked at, at most
VERSION = 2  # of training itself: raised when the same options give other weights


def trainable(name: str) -> Trainable:
    """Return an instance of a method that learns, with its default parameters.

    Raises `UsageError` if there is no such extractor, or it does not learn.
    """
    method = Extractor.registry.build(name)
    if not isinstance(method, Trainable):
        registry = Extractor.registry
        others = [other for other in registry.names() if issubclass(registry.get(other), Trainable)]
        raise UsageError(f"extractor {name!r} does not learn; those that do are {', '.join(others) or 'none'}")
    return method


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training."""

    extractor: str  # registered name of a `Trainable`
    options: TrainerOptions
    data: TrainingData
    out: Path  # folder of checkpoints, history and record
    init: str | None = None  # checkpoint to start from, a path or "bundled"
    seed: int = 0
    logger: Logger = "csv"  # CSV is always written
    wandb_mode: WandbMode = "offline"

    def __post_init__(self) -> None:
        Parameter("seed", (int,), range=Range(0)).check(self.seed, "train")
        check_logger(self.logger, self.wandb_mode, "train")
        if self.init is not None:
            check_warm_start(self.method, self.init)
        if self.logger != "csv" and not isinstance(self.options, ModuleOptions):
            raise UsageError(
                f"logger={self.logger}: {self.extractor} does not train with fit_module, which logs there; leave it "
                "out, history.csv is always written"
            )
        if self.method.supervision == "users" and not self.data.annotated:  # a copy would list the videos again
            object.__setattr__(self, "data", replace(self.data, annotated=True))

    @cached_property
    def method(self) -> Trainable:
        """The method, before it has learned."""
        return trainable(self.extractor)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything on which the result depends, as plain data: what `key` is the hash of.

        Raises `UsageError`, `UnavailableError` if the checkpoint to start from, or the data, cannot be read.
        """
        needs = self.method.train_needs(self.options)
        for feature in needs:
            if to_fetch(feature) is not None:  # fetched first: the weights' hash is part of the key
                feature.prepare()
        return {
            "training": VERSION,
            "extractor": [self.extractor, *_code(self.method)],
            "options": self.options.identity,
            "chosen": [_code(one) for one in self.options.all_chosen],
            "features": [feature.key + source_digest(type(feature)) for feature in needs],
            "data": self.data.identity,
            "init": None if self.init is None else checkpoint_id(self.init, self.extractor, "init"),
            "seed": self.seed if self.method.seeded else 0,
        }

    @cached_property
    def key(self) -> str:
        """Return the hash of `identity`."""
        return digest(self.identity)

    @property
    def label(self) -> str:
        """Return a name for a folder: what one tells trainings apart by, and the start of `key`."""
        chosen = [str(getattr(self.options, field)) for field in self.options.choices]
        started = ["init"] if self.init is not None else []
        parts = [self.extractor, *chosen, self.data.dataset.name, *started, f"seed{self.seed}", self.key[:8]]
        return "-".join(parts)


@dataclass(frozen=True)
class Trained:
    """What a training left behind."""

    # Checkpoints: of the epoch with the lowest validation loss, of the last epoch; the same where there are none
    best: Path
    last: Path
    record: dict[str, Any]  # what ``training.json`` holds
    epochs_now: int = 0  # how many epochs this call computed; the others were there
    computed: bool = False  # whether anything was computed now
    logged: str = ""  # where this call logged besides (`Tracker.place`)

    @property
    def problem(self) -> str:
        """Why `evaluate` gave no numbers; empty if all is well."""
        return str(self.record.get("evaluation_failed") or "")


def train(
    training: Training, *, report: EpochReport | None = None, say: Callable[[str], None] = lambda _: None
) -> Trained:
    """Train, or go on from the last finished epoch, or return what the folder holds already.

    ``report`` is called with a `keyframe_bench.training.session.Progress` after every step, ``say`` with what is read.

    Raises
    ------
    UsageError
        If the folder holds another training or a damaged checkpoint, data is wrong, or the method cannot learn from it.
    UnavailableError
        If a package is missing.
    ContractError
        If what the method learned is not a checkpoint of finite numbers; nothing is written. Where `evaluate` fails,
        the checkpoint is kept, and `Trained.problem` says why there are no numbers.
    OutputError
    KeyboardInterrupt
        After Ctrl-C; what is finished is kept.
    """
    identity, method = training.identity, training.method
    folder = TrainingFolder(make_folder(training.out))
    with locked(folder.path):
        remove_leftovers(folder.path)
        if (done := finished(training)) is not None:
            folder.state.unlink(missing_ok=True)  # of a process that was killed after its last word
            return done
        record = folder.read(identity)
        method.check_options(training.options)
        start = _start(training)
        fits = partial(method.check_length, training.options)
        parts = read_parts(training.data, method.train_needs(training.options), say, fits)
        session = _session(training, folder, parts, start, report)
        if record is None or record["finished"]:
            folder.state.unlink(missing_ok=True)  # not of this training, or a checkpoint was removed
        with tracked(training.logger, training.wandb_mode, training.label, folder.path, session.about) as session.track:
            _learned(training, parts, session)
        final = finished(training)  # as a later call will find it
        assert final is not None
        return replace(final, epochs_now=session.epochs_now, computed=True, logged=session.track.place)


def _learned(training: Training, parts: Parts, session: Session) -> None:
    """Train, and leave everything in the folder."""
    method, folder = training.method, session.folder
    best, last = fitted(method, parts.train, parts.validation, session)
    session.facts["numbers"] = best.numbers
    losses = any("validation_loss" in row for row in session.history)
    judged = losses and isinstance(training.options, ModuleOptions)  # by the loss that it minimised
    session.facts |= {} if judged else _evaluation(method, best, parts.validation)
    _check_plain(training.extractor, "session.history", session.history)
    _check_plain(training.extractor, "session.facts", session.facts)
    best.write(folder.best)
    last.write(folder.last)
    session.facts |= _pictures(method, best, parts, session)
    session.write(finished=True)
    folder.state.unlink(missing_ok=True)
    session.track.images({one.stem: [("", one)] for one in (folder.curves, folder.strip) if one.is_file()})
    session.track.artifact(training.label, "checkpoint", folder.path, ["*.safetensors", "training.json", "history.csv"])


def after_first_stage(
    training: Training,
    folder: Path,
    *,
    only_found: bool = False,
    report: EpochReport | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Training | None:
    """Return the training with the checkpoint of its first stage (`Trainable.first_stage`), which is trained or found.

    It is kept in a folder of its own name below ``folder``. None with ``only_found`` where it is not there yet; errors
    as `train`.
    """
    stage = training.method.first_stage(training.options)
    if stage is None:
        return training
    options = trainable(stage.extractor).Options.build(stage.options)
    first = Training(extractor=stage.extractor, options=options, data=training.data, out=folder)
    first = replace(first, out=folder / file_name(first.label))
    found = finished(first)
    if found is None and not only_found:
        say(f"training {stage.extractor} first, in {str(first.out)!r}")
        found = train(first, report=report, say=say)
    if found is None:
        return None
    given = {**training.options.params, stage.option: str(found.best)}
    return replace(training, options=training.method.Options.build(given))


def finished(training: Training) -> Trained | None:
    """Return what a training left behind that was finished before, or None; errors as `train`."""
    folder = TrainingFolder(training.out)
    record = folder.read(training.identity)
    if record is None or not record["finished"] or not folder.has_checkpoints(training.extractor, training.key):
        return None
    return Trained(folder.best, folder.last, record)


def check_warm_start(method: Trainable, init: str) -> None:
    """Raise `UsageError` unless a training of the method can start from a checkpoint, as ``init`` asks for."""
    if not method.warm_start:
        raise UsageError(f"init={init!r}: extractor {method.name!r} cannot start from a checkpoint; leave it out")


def _code(part: Any) -> list[Any]:
    """Return the version of an object's class, and the hash of its source if it is a plug-in's."""
    cls: type = type(part)
    return [getattr(cls, "version", 1), source_digest(cls)]


def _start(training: Training) -> Checkpoint | None:
    """Return the checkpoint to start from: one with which the method could select here."""
    if training.init is None:
        return None
    found = read_checkpoint(training.init, training.extractor, "init")
    method = Extractor.registry.build(training.extractor, {CHECKPOINT: training.init})
    assert isinstance(method, Trainable)
    try:
        method.trained_record()
    except UsageError as error:
        raise UsageError(f"init={training.init!r} cannot be started from: {error}") from error
    return found


def _evaluation(method: Trainable, checkpoint: Checkpoint, clips: Clips) -> dict[str, Any]:
    """Return what ``training.json`` says of `evaluate`: a mistake in it must not throw away what was learned."""
    try:
        return {"validation": evaluated(method, checkpoint, clips)}
    except Exception as error:  # noqa: BLE001 - code of a plug-in
        raise_interrupt(error)
        return {"evaluation_failed": described(error)}


def _pictures(method: Trainable, checkpoint: Checkpoint, parts: Parts, session: Session) -> dict[str, Any]:
    """Leave the pictures of a training in its folder, and return what ``training.json`` says of them.

    It has the errors of what was reconstructed, sorted. A mistake here must not lose a training.
    """
    folder = session.folder
    try:
        pictures = {folder.curves: curves(session.history), folder.strip: None}
        both = {"validation": parts.validation, "train": parts.train}
        shown = {name: method.reconstructions(checkpoint, clips, _SHOWN) for name, clips in both.items()}
        pairs = {name: pair for name, pair in shown.items() if pair is not None}
        found = {name: np.sort(errors(*pair)).tolist() for name, pair in pairs.items()}
        if pairs:
            part, pair = next(iter(pairs.items()))
            pictures[folder.strip] = strip(part, *pair, found)
        for path, picture in pictures.items():
            path.unlink(missing_ok=True)
            if picture is not None:
                write_atomic(path, encode_image(picture, path.suffix))
        return {"reconstruction_errors": found} if found else {}
    except Exception as error:  # noqa: BLE001 - code of a plug-in
        raise_interrupt(error)
        return {"pictures_failed": described(error)}


def _check_plain(name: str, what: str, value: object) -> None:
    """Raise `ContractError` unless ``training.json`` can hold what ``fit`` has put into its session."""
    try:
        canonical_json(value)
    except (TypeError, ValueError) as error:
        raise ContractError(f"{what} of {name!r} is not plain data with finite numbers: {error}") from error


def _session(
    training: Training, folder: TrainingFolder, parts: Parts, start: Checkpoint | None, report: EpochReport | None
) -> Session:
    seen = parts.trained_on()
    method = about_method(training.method, training.options)
    if start is not None:  # what it starts from knows its own videos
        seen = list({canonical_json(part): part for part in [*start.record["trained_on"], *seen]}.values())
        if start.record["supervision"] == "users":
            method["supervision"] = "users"
    identity = training.identity
    split, fold = training.data.named_split
    # Videos that could not train anything are listed in training.json, and change nothing in checkpoints.
    known = {name: fact for name, fact in parts.facts.items() if not name.startswith("unannotated")}
    about = {
        **method,
        "trained_on": seen,
        "data": {**known, **training.data.told, "split": split},
        "split": split,
        "fold": fold,
        "init": identity["init"],
        "seed": identity["seed"],
        "key": training.key,
        "versions": package_versions(),
    }
    return Session(
        options=training.options,
        seed=identity["seed"],
        folder=folder,
        about=about,
        identity=identity,
        label=training.label,
        init=start,
        report=report,
        facts={"data": {**parts.facts, **training.data.told, "split": split}},
    )


Numbers = dict[str, "float | None"]  # None: not measurable

HISTORY_COLUMNS: Mapping[str, Column] = {
    "fit_loss": Column("lower", "1", "the loss on as many training rows, of the finished method"),
    "gap": Column("lower", "1", "loss on validation rows over that on training rows, of the finished method"),
    "train_loss": Column("lower", "1", "mean loss of the batches of the best epoch, while it was trained"),
    "validation_loss": Column("lower", "1", "lowest validation loss of all epochs"),
    "last_validation_loss": Column("lower", "1", "validation loss after the last epoch"),
    "start_loss": Column("lower", "1", "validation loss before the first step"),
    "first_loss": Column("lower", "1", "validation loss after the first epoch"),
    "second_loss": Column("lower", "1", "validation loss after the second epoch"),
    "mean_loss": Column("lower", "1", "geometric mean of the validation loss over all epochs"),
    "best_epoch": Column("none", "1", "epoch of the lowest validation loss"),
    "epochs": Column("none", "1", "epochs trained"),
    "epochs_to_reach": Column(
        "lower", "1", "epochs until the lowest validation loss of the other training is reached; one more than there "
        "are where it is not"
    ),
    "images_per_s": Column("higher", "1/s", "training rows per second"),
}  # fmt: skip


def history_numbers(record: Mapping[str, Any], other: Sequence[Mapping[str, Any]]) -> Numbers:
    """Return what the history of a training says, and how soon it reached what ``other`` reached.

    ``record`` is that of `Trained`; ``other`` the history of the training it is timed against, its own for none.
    """
    history = [row for row in record["history"] if {"epoch", "validation_loss"} <= row.keys()]
    if not history:
        return {}
    losses = [float(row["validation_loss"]) for row in history]
    trained, started = _trained(history), history[0]["epoch"] == 0
    found = {
        "train_loss": record["train_loss"],
        "validation_loss": record["best_validation_loss"],
        "last_validation_loss": record["last_validation_loss"],
        "start_loss": losses[0] if started else math.nan,
        "first_loss": trained[0] if trained else math.nan,
        "second_loss": trained[1] if len(trained) > 1 else math.nan,
        "mean_loss": math.exp(sum(map(math.log, trained)) / len(trained)) if trained and min(losses) > 0 else math.nan,
        "best_epoch": record["best_epoch"],
        "epochs": history[-1]["epoch"],
        "images_per_s": record.get("images_per_s"),  # of a network
    }
    if theirs := _trained(other):
        wanted = min(theirs)
        reached = (row["epoch"] for row in history if float(row["validation_loss"]) <= wanted)
        found["epochs_to_reach"] = next(reached, history[-1]["epoch"] + 1)
    return finite({name: math.nan if value is None else float(value) for name, value in found.items()})


def _trained(history: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the validation losses after the first step, where there are any."""
    return [float(row["validation_loss"]) for row in history if row.get("epoch") != 0 and "validation_loss" in row]


def finite(numbers: Mapping[str, float]) -> Numbers:
    """Return numbers with None for what is not finite."""
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}
