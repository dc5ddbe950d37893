"""``keyframe-bench train``: any extractor that learns; ``-m`` sweeps with Hydra's launchers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..bench.train import Trained, Training, after_first_stage, train, trainable
from ..core.errors import UsageError
from ..core.files import file_name, one_line
from ..core.grammar import Split
from ..datasets.base import Dataset
from ..training.data import TrainingData
from ..training.defects import defects
from ..training.folder import TrainingFolder
from ..training.pictures import errors_told
from ..training.session import EpochReport
from .commands import COMMANDS, Arguments, path_text
from .compose import configured, jobs_of, named
from .progress import MinuteLines, epoch_report, say, training_progress
from .sweep import print_failed, swept


def run(found: Arguments) -> int:
    """Train once, or sweep."""
    if "-m" in found.values:
        return _sweep(found)
    config = configured(found)
    with training_progress() as report:
        training = _staged(make_training(config), report)
        training = training if "out" in config else _placed(training)
        trained = train(training, report=report, say=say)
    print("\n".join(one_line(line) for line in _summary(trained, training)))
    if trained.problem:
        print(f"keyframe-bench: the checkpoint is kept, but it could not be judged: {trained.problem}", file=sys.stderr)
    return 1 if trained.problem else 0


def make_training(config: Mapping[str, Any]) -> Training:
    """Return the training that a configuration describes: ``conf/train.yaml``, its groups, ``out`` and ``init``."""
    if not config.get("extractor"):
        raise UsageError("train needs extractor=NAME, a method that learns; keyframe-bench list shows which do")
    name = str(config["extractor"]["name"])
    method = trainable(name)
    dataset = Dataset.registry.build(*named(config["dataset"]))
    # Annotators' choices are learned among the frames that `run` will show; where images are learned, all count.
    usual = COMMANDS["run"].default("sampling") if method.supervision == "users" else "every"
    data = TrainingData(
        dataset=dataset,
        split=Split.parse(config["split"] or dataset.usual_split),
        sampling=config["sampling"] or method.sampling or usual,
        **{key: config[key] for key in ("fold", "split_seed", "limit", "limit_validation", "cache_gb")},
    )
    logger, own = named(config["logger"])
    return Training(
        extractor=name,
        options=method.Options.build(named(config["trainer"])[1]),
        data=data,
        out=Path(config.get("out") or COMMANDS["train"].default("out")),
        init=None if config.get("init") == "null" else config.get("init"),
        seed=config["seed"],
        logger=logger,  # type: ignore[arg-type]  # Training checks it
        **{f"{logger}_{option}": value for option, value in own.items()},
    )


def _staged(training: Training, report: EpochReport | None) -> Training:
    """Train what comes first."""
    found = after_first_stage(training, training.out, report=report, say=say)
    assert found is not None
    return found


def _placed(training: Training) -> Training:
    """Give a training a folder of its own below ``out``."""
    return replace(training, out=training.out / file_name(training.label))


def _summary(trained: Trained, training: Training) -> Iterator[str]:
    record, data, name = trained.record, trained.record["data"], trained.record["extractor"]
    options = ", ".join(f"{option} {value}" for option, value in record["options"].items() if value is not None)
    start = "" if record["init"] is None else f", from checkpoint {record['init'][:12]}"
    yield f"data {data['name']}: {data['train']} frames for training, {data['validation']} for validation"
    yield from (f"data: {text}" for text in defects(data))
    yield f"{name}: {options or 'no options'}, seed {record['seed']}{start}"
    if training.options.summary:
        yield f"{name}: {training.options.summary}"
    yield from _losses(record)
    yield from filter(None, [_judged(record)])
    for part, values in record.get("reconstruction_errors", {}).items():
        yield f"reconstructions: {errors_told(part, values)} (mean absolute difference, in levels of 255)"
    if "pictures_failed" in record:
        yield f"pictures of the training could not be made, all else is well: {record['pictures_failed']}"
    yield _computed(trained)
    folder = TrainingFolder(training.out)
    files = [folder.best, folder.last, folder.record, folder.history, folder.curves, folder.strip]
    yield f"written to {path_text(training.out)}: {', '.join(file.name for file in files if file.is_file())}"
    yield from filter(None, [trained.logged])


def _losses(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the losses at the start, at the best epoch and at the end; nothing where the history has none."""
    history, needed = record["history"], {"epoch", "train_loss", "validation_loss"}
    known = len(history) > 1 and all(needed <= row.keys() for row in history)
    if not known or record["best_epoch"] is None:  # None: all rows are of before the first step
        return
    first, last, best = history[0], history[-1], record["best_validation_loss"]

    def losses(when: str, training: float, validation: float) -> str:
        return f"{when}: training loss {training:.5f}, validation {validation:.5f}"

    named = "best epoch"
    if first["epoch"] == 0:
        yield losses("before training", first["train_loss"], first["validation_loss"])
        if best >= first["validation_loss"]:
            option = "trainer.lr" if "lr" in record["options"] else "trainer.OPTION"
            yield f"no epoch is better than the start: train longer, or with another {option}"
            named = "best epoch after the start,"
    yield losses(f"{named} {record['best_epoch']}", record["train_loss"], best)
    last_epoch = f"last epoch {last['epoch']} of {record['options'].get('epochs', last['epoch'])}"
    yield losses(last_epoch, last["train_loss"], last["validation_loss"])


def _judged(record: Mapping[str, Any]) -> str:
    """Return what the method is judged by on the validation part; empty where epochs tell."""
    found = record.get("validation")
    return "validation: " + ", ".join(f"{name} {value:.5g}" for name, value in found.items()) if found else ""


def _computed(trained: Trained) -> str:
    record = trained.record
    if not trained.computed:
        return "0 epochs computed now: this training was finished before"
    if "images_per_s" not in record:  # it was trained without `fit_module`
        return "trained now"
    n = int(record["history"][-1]["epoch"])
    early = ", stopped early: no better for so long" if n < record["options"].get("epochs", n) else ""
    speed = f"{record['images_per_s']:.1f} rows/s, {record['seconds']:.0f} s in all"
    return f"{trained.epochs_now} of {n} epochs computed now{early}; {speed}"


def _sweep(found: Arguments) -> int:
    """Train once per combination through the configured Hydra launcher, each in a folder of its own below ``out``."""
    for config in jobs_of(found):  # a wrong value is reported before the first job starts
        make_training(config)
    jobs, out = swept(found, _trained, "the sweep was stopped"), Path(found.get("out"))
    if trainings := [job.return_value for job in jobs if isinstance(job.return_value, Trained)]:
        _print_sweep(trainings, out)
    return 1 if print_failed(jobs, "training", "the same command tries them again") else 0


def _trained(config: dict[str, Any], at: Callable[[str], None]) -> Trained:
    """Do one job of a sweep."""
    report = epoch_report(MinuteLines())
    training = _placed(_staged(make_training(config), report))
    at(path_text(training.out))
    return train(training, report=report)


def _print_sweep(trainings: Sequence[Trained], out: Path) -> None:
    """Print a line for each training; plain, since a table of rich would shorten names of folders."""
    columns = {"best_epoch": ".0f", "best_validation_loss": ".5f", "train_loss": ".5f", "images_per_s": ".1f"}
    names = [one_line(trained.best.parent.name) for trained in trainings]
    width = max(map(len, names))
    print(f"{'training':{width}}  best epoch  validation loss  training loss    rows/s")
    for name, record in zip(names, (trained.record for trained in trainings), strict=True):
        texts = ["-" if record.get(key) is None else f"{record[key]:{form}}" for key, form in columns.items()]
        numbers = "  ".join(f"{text:>{w}}" for text, w in zip(texts, (10, 15, 13, 8), strict=True))
        print(f"{name:{width}}  {numbers}  {_judged(record)}".rstrip())
    data = [trained.record["data"] for trained in trainings]
    for line in dict.fromkeys(f"data {one['name']}: {line}" for one in data for line in defects(one)):
        print(one_line(line))
    n, made = sum(trained.epochs_now for trained in trainings), sum(trained.computed for trained in trainings)
    print(f"{f'{n} epochs' if n or not made else f'{made} trainings'} computed now; written to {path_text(out)}")
