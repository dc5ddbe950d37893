"""``keyframe-bench train``: any extractor that learns; ``-m`` sweeps with Hydra's launchers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..bench.train import Trained, Training, train, trainable
from ..core.errors import UsageError
from ..core.files import file_name
from ..core.registry import load_plugins
from ..core.split import Split
from ..datasets.base import Dataset
from ..tables.format import one_line
from ..training.data import TrainingData
from ..training.defects import defects
from .arguments import Arguments, path_text
from .compose import built_params, composed, jobs_of, text_parameters
from .options import COMMANDS
from .progress import MinuteLines, say
from .sweep import print_failed, swept

if TYPE_CHECKING:
    from ..training.session import Progress as Reached
    from ..training.session import Report


def run(found: Arguments) -> int:
    """Train once, or sweep."""
    load_plugins(found.plugins)
    given = {word.partition("=")[0].partition(".")[0] for word in found.overrides}
    if old := sorted(given & {"network", "loss", "data"}):
        raise UsageError(
            f"train takes no {old[0]}= any more; write keyframe-bench train extractor=autoencoder dataset=NAME "
            "dataset.root=PATH trainer.network=NAME trainer.loss=NAME"
        )
    texts, overrides = text_parameters("dataset", found.overrides)
    typed = found.values | texts
    if "-m" in typed:
        return _sweep(typed, overrides)
    training = _placed(make_training(composed("train", overrides), typed), typed.get("out"))
    with training_progress() as report:
        trained = train(training, report=report, say=say)
    _print_end(trained, training)
    if trained.problem:
        print(f"keyframe-bench: the checkpoint is kept, but it could not be judged: {trained.problem}", file=sys.stderr)
    return 1 if trained.problem else 0


def make_training(config: Mapping[str, Any], typed: Mapping[str, Any]) -> Training:
    """Return the training that a composed configuration describes, in the folder ``out`` itself.

    ``typed`` has the options that no grammar touches: ``out``, ``init``, ``dataset.root`` and the like; ``split`` if it
    is a file.
    """
    if not config.get("extractor"):
        raise UsageError("train needs extractor=NAME, a method that learns; keyframe-bench list shows which do")
    name, _ = built_params(config["extractor"])
    method = trainable(name)
    _, given = built_params(config["trainer"])
    dataset_name, params = built_params(config["dataset"])
    params |= {key.removeprefix("dataset."): text for key, text in typed.items() if key.startswith("dataset.")}
    dataset = Dataset.registry.build(dataset_name, params)
    logger, params = built_params(config["logger"])
    known = {"wandb_mode": params.pop("mode")} if logger == "wandb" and "mode" in params else {}
    for unknown in params:
        raise UsageError(f"logger={logger} has no option {unknown!r}; logger=wandb has mode")
    data = TrainingData(
        dataset=dataset,
        split=Split.parse(typed.get("split") or config["split"] or dataset.usual_split),
        **{key: config[key] for key in ("fold", "split_seed", "sampling", "limit", "limit_validation", "cache_gb")},
    )
    return Training(
        extractor=name,
        options=method.Options.build(given),
        data=data,
        out=Path(typed.get("out") or COMMANDS["train"].default("out")),
        init=None if typed.get("init") == "null" else typed.get("init"),
        seed=config["seed"],
        logger=logger,  # type: ignore[arg-type]  # Training checks it
        **known,
    )


def _placed(training: Training, out: str | None) -> Training:
    """Give a training without ``out=`` a folder of its own."""
    return training if out is not None else replace(training, out=training.out / file_name(training.label))


def _print_end(trained: Trained, training: Training) -> None:
    console, record, summary = Console(highlight=False), trained.record, training.options.summary
    data = record["data"]
    start = "" if record["init"] is None else f", from checkpoint {record['init'][:12]}"
    lines = [
        f"data {data['name']}: {data['train']} frames for training, {data['validation']} for validation",
        *(f"data: {text}" for text in defects(data)),
        f"{record['extractor']}: {_options(record['options'])}, seed {record['seed']}{start}",
        *([f"{record['extractor']}: {summary}"] if summary else []),
        *_losses(record),
        *_validated(record),
        _computed(trained),
        f"written to {path_text(training.out)}: best.safetensors, last.safetensors, training.json, history.csv",
    ]
    for line in lines:
        console.print(escape(one_line(line)), soft_wrap=True)


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items() if value is not None) or "no options"


def _losses(record: Mapping[str, Any]) -> list[str]:
    """Return what the losses were at the start, at the best epoch and at the end; nothing where no rows tell."""
    told = {"epoch", "train_loss", "validation_loss"}
    if len(record["history"]) < 2 or not all(told <= row.keys() for row in record["history"]):
        return []
    if record["best_epoch"] is None:  # all rows are of before the first step
        return []
    first, last = record["history"][0], record["history"][-1]
    start, best = first["validation_loss"], record["best_validation_loss"]
    worse = ["no epoch is better than the start: train longer, or with another trainer.lr"] if best >= start else []
    before = [f"before training: training loss {first['train_loss']:.5f}, validation {start:.5f}", *worse]
    return [
        *(before if first["epoch"] == 0 else []),
        f"best epoch {record['best_epoch']}: training loss {record['train_loss']:.5f}, validation {best:.5f}",
        f"last epoch {last['epoch']} of {record['options'].get('epochs', last['epoch'])}: training loss "
        f"{last['train_loss']:.5f}, validation {last['validation_loss']:.5f}",
    ]


def _validated(record: Mapping[str, Any]) -> list[str]:
    """Return what the method is judged by on the validation part, where there are no epochs that tell."""
    found = record.get("validation")
    return ["validation: " + ", ".join(f"{name} {value:.5g}" for name, value in found.items())] if found else []


def _computed(trained: Trained) -> str:
    record, n = trained.record, trained.epochs_now
    if not trained.computed:
        return "0 epochs computed now: this training was finished before"
    if "images_per_s" not in record:  # it was trained without `fit_module`
        return "trained now"
    n_all = int(record["history"][-1]["epoch"])
    early = ", stopped early: no better for so long" if n_all < record["options"].get("epochs", n_all) else ""
    speed, seconds = record["images_per_s"], record["seconds"]
    return f"{n} of {n_all} epochs computed now{early}; {speed:.1f} rows/s, {seconds:.0f} s in all"


def line_a_minute() -> Report:
    """Return what prints epoch and losses once a minute."""
    tell = MinuteLines()

    def report(reached: Reached) -> None:
        done = (reached.epoch - 1 + reached.step / reached.steps) / reached.epochs
        tell(done, f"epoch {reached.epoch} of {reached.epochs}, training loss {reached.train_loss:.4f}")

    return report


@contextmanager
def training_progress() -> Iterator[Report | None]:
    """Show epoch and losses on a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield line_a_minute()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[losses]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None, losses="")

        def report(reached: Reached) -> None:
            losses = f"training loss {reached.train_loss:.4f}"
            if reached.best is not None:
                losses += f", best validation {reached.best:.4f}"
            done, total = (reached.epoch - 1) * reached.steps + reached.step, reached.epochs * reached.steps
            text = f"epoch {reached.epoch} of {reached.epochs}"
            bar.update(task, completed=done, total=total, description=text, losses=losses)

        yield report


def _sweep(typed: Mapping[str, Any], overrides: Sequence[str]) -> int:
    """Train once per combination through the configured Hydra launcher, each in a folder of its own below ``out``."""
    for config in jobs_of("train", overrides):  # a wrong value is told before the first job starts
        make_training(config, typed)
    out = Path(typed.get("out") or COMMANDS["train"].default("out"))
    words = {"failed": "the sweep was stopped", "kept": "finished epochs"}
    jobs = swept("train", overrides, out / "hydra", partial(_trained, typed=typed), **words)
    if trainings := [job.return_value for job in jobs if isinstance(job.return_value, Trained)]:
        _print_sweep(trainings, out)
    return 1 if print_failed(jobs, "training", "the same command tries them again") else 0


def _trained(config: Mapping[str, Any], at: Callable[[str], None], typed: Mapping[str, Any]) -> Trained:
    """Do one job of a sweep."""
    training = _placed(make_training(config, typed), None)
    at(path_text(training.out))
    return train(training, report=line_a_minute())


def _print_sweep(trainings: Sequence[Trained], out: Path) -> None:
    """Print a line for each training; plain, since a table of rich would shorten names of folders."""
    names = [one_line(trained.best.parent.name) for trained in trainings]
    width = max(map(len, names))
    print(f"{'training':{width}}  best epoch  validation loss  training loss    rows/s")
    for name, record in zip(names, (trained.record for trained in trainings), strict=True):
        keys = {"best_epoch": ".0f", "best_validation_loss": ".5f", "train_loss": ".5f", "images_per_s": ".1f"}
        texts = ["-" if record.get(key) is None else f"{record[key]:{form}}" for key, form in keys.items()]
        judged = "".join(f"  {line}" for line in _validated(record))
        print(f"{name:{width}}  {texts[0]:>10}  {texts[1]:>15}  {texts[2]:>13}  {texts[3]:>8}{judged}")
    data = [trained.record["data"] for trained in trainings]
    for line in dict.fromkeys(f"data {one['name']}: {line}" for one in data for line in defects(one)):
        print(one_line(line))
    n, made = sum(trained.epochs_now for trained in trainings), sum(trained.computed for trained in trainings)
    now = f"{n} epochs" if n or not made else f"{made} trainings"
    print(f"{now} computed now; written to {path_text(out)}")
