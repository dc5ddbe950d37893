"""``keyframe-bench train``: an auto-encoder on pictures; ``-m`` sweeps with Hydra's launchers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..bench.cluster import Start
from ..bench.failures import message_of
from ..core.errors import KeyframeBenchError, UsageError
from ..core.files import file_name
from ..core.params import check_params
from ..core.registry import load_plugins, plugin_files
from ..models.base import Loss, Network
from ..tables.format import one_line
from ..training.data import TrainingData, defects
from ..training.fit import fit
from ..training.spec import Trained, TrainerOptions, TrainSpec
from .arguments import Arguments, path_text, split
from .compose import adapted, built_params, composed, hydra_ready, jobs_of, parse, text_parameters
from .launching import launcher_errors
from .progress import MinuteLines
from .ray_sweep import ray_ready

if TYPE_CHECKING:
    from ..training.keeper import Progress as Reached
    from ..training.keeper import Report

DEFAULT_OUT = "outputs/train"  # each training in a folder of its own there


@dataclass(frozen=True)
class _Typed:
    """Options whose values no grammar may touch.

    Attributes
    ----------
    out, init : str or None
    data : dict
        Parameters of the data that are text.
    """

    out: str | None
    init: str | None
    data: Mapping[str, str]


def run(arguments: list[str]) -> int:
    """Train once, or sweep."""
    found = split(arguments, switches=["-m", "--multirun"])
    load_plugins(found.plugins)
    typed, overrides = _typed(found)
    if {"-m", "--multirun"} & found.switches:
        return _sweep(typed, overrides)
    spec = _placed(make_spec(composed("train", overrides), typed), typed.out)
    _print_start(spec)
    with training_progress() as report:
        trained = fit(spec, report=report)
    _print_end(trained, spec.out)
    return 0


def _typed(found: Arguments) -> tuple[_Typed, list[str]]:
    """Take paths out of the arguments; what is left is Hydra's."""
    out, init = found.paths.pop("out", None), None
    for unknown in found.paths:
        raise UsageError(f"train takes no {unknown}=; pictures are given by data=NAME data.root=PATH")
    left = []
    for line in found.overrides:
        key, _, value = line.partition("=")
        if key != "init":
            left.append(line)
        elif not value:
            raise UsageError("init= is empty; give the path of a checkpoint after it, or leave it out")
        else:
            init = None if value == "null" else value
    texts, left = text_parameters("data", left)
    for name, value in texts.items():
        if not value:
            raise UsageError(f"data.{name}= is empty; give a value after it, or leave it out")
    return _Typed(out, init, texts), left


def make_spec(config: Mapping[str, Any], typed: _Typed) -> TrainSpec:
    """Return the training that a composed configuration describes, in the folder ``out`` itself."""
    name, params = built_params(config["network"])
    network = Network.registry.build(name, params)
    name, params = built_params(config["loss"])
    loss = Loss.registry.build(name, params)
    name, params = built_params(config["data"])
    data = TrainingData.registry.build(name, {**params, **typed.data})
    _, params = built_params(config["trainer"])
    options = TrainerOptions(**check_params(TrainerOptions, params, "trainer"))
    logger, params = built_params(config["logger"])
    known = {"wandb_mode": params.pop("mode")} if logger == "wandb" and "mode" in params else {}
    for unknown in params:
        raise UsageError(f"logger={logger} has no option {unknown!r}; logger=wandb has mode")
    return TrainSpec(
        network=network,
        loss=loss,
        data=data,
        out=Path(typed.out or DEFAULT_OUT),
        trainer=options,
        init=typed.init,
        seed=config["seed"],
        logger=logger,  # type: ignore[arg-type]  # TrainSpec checks it
        **known,
    )


def _placed(spec: TrainSpec, out: str | None) -> TrainSpec:
    """Give a training without ``out=`` a folder of its own."""
    return spec if out is not None else replace(spec, out=spec.out / file_name(spec.label))


def _print_start(spec: TrainSpec) -> None:
    network, console = spec.network, Console(highlight=False)
    code = " x ".join(map(str, network.code_shape))
    console.print(
        f"[bold]{escape(network.name)}[/]  input {network.input_height} x {network.input_width}, code {code} "
        f"({network.compression:.3g} : 1), {network.total_params:,} parameters, "
        f"{network.total_macs / 1e6:,.2f} million multiply-accumulates a picture",
        soft_wrap=True,
    )


def _print_end(trained: Trained, out: Path) -> None:
    console, record = Console(highlight=False), trained.record
    data, history = record["data"], record["history"]
    first, last, precision = history[0], history[-1], record["precision"]
    start = "random weights" if record["init"] is None else one_line(str(record["init"]["path"]))
    lines = [
        f"data {data['name']}: {data['train']} pictures for training, {data['validation']} for validation",
        *(f"data: {text}" for text in defects(data)),
        f"loss {record['loss']['kind']}, seed {record['seed']}, {precision}, from {start}",
        f"before training: training loss {first['train_loss']:.5f}, validation {first['validation_loss']:.5f}",
        *_no_better(record),
        f"best epoch {record['best_epoch']}: training loss {record['train_loss']:.5f}, "
        f"validation {record['best_validation_loss']:.5f}",
        f"last epoch {last['epoch']} of {record['trainer']['epochs']}: training loss {last['train_loss']:.5f}, "
        f"validation {last['validation_loss']:.5f}",
        _computed(trained),
        f"written to {path_text(out)}: best.safetensors, last.safetensors, training.json, history.csv",
    ]
    for line in lines:
        console.print(escape(one_line(line)), soft_wrap=True)


def _no_better(record: Mapping[str, Any]) -> list[str]:
    """Return a warning if training made nothing better: files hold the best epoch, not the start."""
    start, best = record["history"][0]["validation_loss"], record["best_validation_loss"]
    if best < start:
        return []
    return ["no epoch is better than the start: train longer, or with another trainer.lr"]


def _computed(trained: Trained) -> str:
    record, n = trained.record, trained.epochs_now
    if not n:
        return "0 epochs computed now: this training was finished before"
    n_all = int(record["history"][-1]["epoch"])
    early = ", stopped early: no better for so long" if n_all < record["trainer"]["epochs"] else ""
    speed, seconds = record["images_per_s"], record["seconds"]
    return f"{n} of {n_all} epochs computed now{early}; {speed:.1f} images/s, {seconds:.0f} s in all"


def line_a_minute() -> Report:
    """Return what prints epoch and losses once a minute."""
    tell = MinuteLines()

    def report(reached: Reached) -> None:
        done = (reached.epoch - 1 + reached.step / reached.steps) / reached.epochs
        tell(done, f"epoch {reached.epoch} of {reached.epochs}, training loss {reached.train_loss:.4f}")

    return report


@contextmanager
def training_progress() -> Iterator[Report | None]:
    """Show epoch, pictures and losses on a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield line_a_minute()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[losses]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading pictures", total=None, losses="")

        def report(reached: Reached) -> None:
            losses = f"training loss {reached.train_loss:.4f}"
            if reached.best is not None:
                losses += f", best validation {reached.best:.4f}"
            done, total = (reached.epoch - 1) * reached.steps + reached.step, reached.epochs * reached.steps
            text = f"epoch {reached.epoch} of {reached.epochs}"
            bar.update(task, completed=done, total=total, description=text, losses=losses)

        yield report


def _sweep(typed: _Typed, overrides: Sequence[str]) -> int:
    """Train once per combination through the configured Hydra launcher, each in a folder of its own below ``out``."""
    parsed = parse(overrides)
    lines = [adapted(override, "train", sweep=True) for override in parsed]
    for config in jobs_of("train", overrides):  # a wrong value is told before the first job starts
        make_spec(config, typed)
    lines += ["hydra/job_logging=disabled", "hydra/hydra_logging=disabled"]
    out = Path(typed.out or DEFAULT_OUT)
    folder = out / "hydra"
    os.environ["KEYFRAME_BENCH_SWEEP_DIR"] = str(folder)
    task = partial(_job, typed=typed, plugins=plugin_files(), start=Start.here())
    with (
        hydra_ready(),
        launcher_errors(folder, "the sweep was stopped", "finished epochs"),
        ray_ready(parsed, folder) as told,
    ):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None  # initialised by hydra_ready
        batches = hydra.multirun("train", task_function=task, overrides=[*lines, *told], with_log_configuration=False)
    jobs = [job for batch in batches for job in batch]
    if trainings := [job.return_value for job in jobs if isinstance(job.return_value, Trained)]:
        _print_sweep(trainings, out)
    shared = set.intersection(*(set(job.overrides) for job in jobs))
    failed = [job for job in jobs if isinstance(job.return_value, _Failed)]
    for job in failed:
        words = " ".join(word.lstrip("+") for word in job.overrides if word not in shared) or "the only training"
        line = f"failed: {words} ({job.return_value.folder}): {job.return_value.reason}"
        print(one_line(line), file=sys.stderr)
    if failed:
        counted = f"{len(failed)} of {len(jobs)} trainings failed"
        print(f"keyframe-bench: {counted}; the same command trains them, and no other, again", file=sys.stderr)
    return 1 if failed else 0


@dataclass(frozen=True)
class _Failed:
    reason: str
    folder: str


def _job(config: Any, typed: _Typed, plugins: list[str], start: Start) -> Trained | _Failed:
    """Run one job of a sweep, possibly on another machine; an error comes back as its sentence."""
    folder = "no folder yet"
    try:
        start.enter()
        load_plugins(plugins)
        plain = dict(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]  # a mapping
        spec = _placed(make_spec(plain, typed), None)
        folder = path_text(spec.out)
        return fit(spec, report=line_a_minute())
    except KeyframeBenchError as error:
        return _Failed(str(error), folder)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - of a plug-in or a machine: the other trainings go on
        return _Failed(f"{type(error).__name__}: {message_of(error)}", folder)


def _print_sweep(trainings: Sequence[Trained], out: Path) -> None:
    """Print a line for each training; plain, since a table of rich would shorten names of folders."""
    names = [one_line(trained.best.parent.name) for trained in trainings]
    width = max(map(len, names))
    print(f"{'training':{width}}  best epoch  validation loss  training loss  images/s")
    for name, record in zip(names, (trained.record for trained in trainings), strict=True):
        losses = f"{record['best_validation_loss']:15.5f}  {record['train_loss']:13.5f}"
        print(f"{name:{width}}  {record['best_epoch']:10}  {losses}  {record['images_per_s']:8.1f}")
    data = [trained.record["data"] for trained in trainings]
    for line in dict.fromkeys(f"data {one['name']}: {line}" for one in data for line in defects(one)):
        print(one_line(line))
    n = sum(trained.epochs_now for trained in trainings)
    print(f"{n} epochs computed now; written to {path_text(out)}")
