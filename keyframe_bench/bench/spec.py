"""What a run is asked to do."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ..core.errors import UnavailableError, UsageError
from ..core.feature import opens_file
from ..core.grammar import Budget, Sampling, Split
from ..core.registry import Parameter, Range
from ..datasets.base import Dataset
from ..extractors._external import External
from ..extractors.asked import unsupported
from ..extractors.base import Extractor
from ..extractors.trainable import Trainable
from ..training.options import TrainerOptions

OnError = Literal["raise", "warn", "skip"]
Leak = Literal["refuse", "allow"]
Backend = Literal["serial", "loky", "ray"]

_OPTIONS = {
    "on_error": Parameter("on_error", (), choices=get_args(OnError)),
    "limit": Parameter("limit", (int,), optional=True, range=Range(1)),
    "cache_gb": Parameter("cache_gb", (float,), range=Range(0, 1e9)),
    "split_seed": Parameter("split_seed", (int,), range=Range(0)),
    "leak": Parameter("leak", (), choices=get_args(Leak)),
    "backend": Parameter("executor", (), choices=get_args(Backend)),
    "threads": Parameter("executor.threads", (int,), optional=True, range=Range(1)),
    "address": Parameter("executor.address", (str,)),
}
_N_JOBS = Parameter("executor.n_jobs", (int,), range=Range(1))
_SEED = Parameter("seeds", (int,), range=Range(0, 2**63 - 1))

CHECKPOINT = "checkpoint"
"""The parameter that says what a method has learned."""

# Every table carries these (design: floor and plain choice), whatever was asked for.
CONTROLS = ("random", "uniform")


@dataclass(frozen=True)
class RunSpec:
    """One run: data set x extractors (with grids) x budgets x seeds, on one sampling, into one folder.

    ``external`` maps the names of further rows to files of picks that other tools made (`datasets._picks`). ``items``
    are the ids of the only videos that are looked at (None: all), ``limit`` keeps the first of them only. Without
    ``pixels`` they are known by their duration alone (`Dataset.timelines`): methods and metrics that need more have no
    rows and columns.

    ``cache_gb`` gigabytes (10^9 bytes) of features, of all data sets together, are kept on disk and used by the next
    run; 0 keeps none and uses none.

    ``split`` (`core.grammar.Split`; empty: none) trains every extractor that learns on the training videos of each
    fold, once per seed, with options that ``trainer`` names as ``grid`` names parameters; checkpoints are kept in
    ``trainings``. All extractors are then scored on the videos, or the later part of each, that are held out.
    ``split_seed`` decides which videos those are. ``leak`` says whether a checkpoint that learned from human annotators
    may be scored on a video it has seen. Trainings run one after another in this process, whatever the ``backend``.

    ``backend`` runs up to ``n_jobs`` videos at a time (None: as many as the cluster has room for) and each with
    ``threads`` threads (None: FFmpeg's choice in one process, the share of the cores of a worker, one on a cluster).
    ``address`` is the Ray cluster's. Raises `UsageError` when a budget, sampling, seed, grid or option is wrong.
    """

    dataset: Dataset
    out: Path
    extractors: Sequence[str] | Literal["all"]
    budgets: Sequence[Budget]
    sampling: str
    seeds: Sequence[int]
    on_error: OnError
    grid: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    backend: Backend = "serial"
    n_jobs: int | None = 1
    threads: int | None = None
    address: str = "auto"
    plugins: Sequence[str] = ()
    limit: int | None = None
    cache_gb: float = 0
    split: Split | None = None
    split_seed: int = 0
    trainings: Path = Path("outputs/trainings")
    trainer: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    leak: Leak = "refuse"
    external: Mapping[str, str] = field(default_factory=dict)
    items: frozenset[str] | None = None
    pixels: bool = True

    def __post_init__(self) -> None:
        for name, given, such in (
            ("budget", self.budgets, "budget=8"),
            ("seeds", self.seeds, "seeds=[0]"),
            ("extractors", self.extractors, "extractors='[uniform,vsumm]'"),
        ):
            if not given:
                raise UsageError(f"{name}=[] is empty; give at least one, such as {such}")
        for name, option in _OPTIONS.items():
            option.check(getattr(self, name), "run")
        replace(_N_JOBS, optional=self.backend == "ray").check(self.n_jobs, "run")
        if self.backend == "serial" and self.n_jobs != 1:
            raise UsageError(f"executor.n_jobs={self.n_jobs} needs worker processes; add executor=loky")
        if not self.address:
            raise UsageError(f"executor.address={self.address!r} is not auto or HOST:PORT")
        parsed = {
            "budgets": tuple(dict.fromkeys(map(Budget.parse, self.budgets))),
            "sampling": str(Sampling.parse(self.sampling)),
            "seeds": tuple(dict.fromkeys(_SEED.check(seed, "run") for seed in self.seeds)),
            "split": Split.parse(self.split) if self.split else None,
        }
        for name, value in parsed.items():
            object.__setattr__(self, name, value)
        if self.split is None and self.trainer:
            name = next(iter(self.trainer))
            raise UsageError(f"trainer.{name} is given, and nothing is trained without split=, such as split=kfold:5")
        if self.split is not None and self.split.kind == "frames":
            raise UsageError(
                f"split={self.split} holds out frames whose neighbours train, so that nearly every one was seen: run "
                "scores on whole videos or later parts; use split=kfold:5, videos:0.8 or temporal:0.8"
            )

    @property
    def in_time(self) -> bool:
        """Whether the later part of each video is scored, after training on the earlier ones."""
        return self.split is not None and self.split.kind == "temporal"

    @property
    def named(self) -> list[str]:
        """Extractors asked for by name; none for "all"."""
        return [] if self.extractors == "all" else [name for name in self.extractors if name != "all"]

    @property
    def everything(self) -> bool:
        """Whether all extractors that can run are wanted, with or without some by name."""
        return "all" in self.extractors


@dataclass(frozen=True)
class Variant:
    """An extractor with one setting of its parameters; where a run trains it, with options of that.

    ``picks`` is the file that has the picks of a method from elsewhere, which is not registered.
    """

    name: str
    params: dict[str, Any]
    options: TrainerOptions | None = None
    picks: str = ""

    def build(self) -> Extractor:
        """Return a fresh instance."""
        if self.picks:
            return External.of(self.name, self.picks)
        return Extractor.registry.build(self.name, self.params)

    def with_checkpoint(self, path: str) -> Variant:
        """Return the same with what it has learned."""
        return replace(self, params={**self.params, CHECKPOINT: path})


@dataclass(frozen=True)
class NotRun:
    """An extractor that was left out, and why."""

    extractor: str
    reason: str


def variants(spec: RunSpec) -> tuple[list[Variant], list[NotRun]]:
    """Return the settings to run, each once, controls first, and the extractors left out with their reasons.

    Beside the settings of a method with a network stand the same without it (`Extractor.without_network`).

    ``extractors=all`` leaves out what cannot run here, and black boxes; an extractor asked for by name (``[all,NAME]``)
    or with parameters raises instead where it cannot run. Raises `UsageError`, `UnavailableError` for unknown or broken
    names, wrong parameters, and what was named but cannot run.
    """
    registry, named = Extractor.registry, spec.named
    for name in [*named, *spec.grid]:
        registry.get(name)
    for option, given in (("grid", spec.grid), ("trainer", spec.trainer)):
        unused = [name for name in given if not (spec.everything or name in named or name in CONTROLS)]
        if unused:
            raise UsageError(
                f"{option}.{unused[0]} is given, but {unused[0]!r} is not among extractors={','.join(named)}"
            )
    names = [*named, *(registry.entries() if spec.everything else ())]
    found, left_out = [], []
    for name in dict.fromkeys([*CONTROLS, *names]):
        entry = registry.entries()[name]
        if entry.cls is None:
            left_out.append(NotRun(name, str(entry.error)))
            continue
        asked = [registry.build(name, params).params for params in _settings(name, spec.grid.get(name, {}))]
        own_control = entry.cls.without_network
        rows = asked + [{**params, **own_control} for params in asked if own_control]
        trainings = _trainings(spec, name, entry.cls)
        for params, options in itertools.product(rows, trainings):
            variant = Variant(name, params, options)
            asked_for = (name in named or name in spec.grid) and params in asked
            reason = _obstacle(variant, spec, asked_for=asked_for)
            if reason is None:
                found.append(variant)
            elif asked_for:
                raise UnavailableError(f"extractor {name!r} cannot run: {reason}")
            else:
                left_out.append(NotRun(name, reason))
    once: dict[Any, Variant] = {}
    for variant in found:  # 1, 1.0 and, where a parameter may be both, true: only the first two are equal
        options = variant.options.params if variant.options else {}
        settings = [(n, v, v is True or v is False) for n, v in [*variant.params.items(), *options.items()]]
        once.setdefault((variant.name, *settings), variant)
    return [*once.values(), *_external(spec)], list(dict.fromkeys(left_out))  # a method's settings lack the same


def _external(spec: RunSpec) -> list[Variant]:
    """Return the rows of picks that were made elsewhere; `UsageError` for a name that is taken, or a wrong file."""
    found = [Variant(name, {}, picks=file) for name, file in spec.external.items()]
    for variant in found:
        if variant.name in Extractor.registry.entries() or variant.name in Extractor.registry.reserved:
            raise UsageError(
                f"external={variant.name}={variant.picks}: {variant.name!r} is the name of an extractor of this "
                "package; give the row another name"
            )
        if spec.in_time:
            raise UsageError(
                f"external={variant.name}={variant.picks}: the picks are of whole videos, and split={spec.split} "
                "scores a part of each; leave one of them out"
            )
        method = variant.build()
        for refusal in (unsupported(method, budget) for budget in spec.budgets):
            if refusal is not None:
                raise UsageError(f"external={variant.name}={variant.picks}: {refusal}")
    return found


def _trainings(spec: RunSpec, name: str, cls: type[Extractor]) -> list[TrainerOptions | None]:
    """Return the options that a method is trained with; [None] where the run does not train it."""
    if name in spec.trainer and not issubclass(cls, Trainable):
        raise UsageError(f"trainer.{name} is given, but extractor {name!r} does not learn; leave it out")
    if spec.split is None or not issubclass(cls, Trainable):
        return [None]
    if CHECKPOINT in spec.grid.get(name, {}):
        raise UsageError(
            f"split={spec.split} trains {name!r} on each fold: leave out grid.{name}.checkpoint, or leave out split"
        )
    return [cls.Options.build(one) for one in _settings(name, spec.trainer.get(name, {}), "trainer")]


def _settings(name: str, grid: Mapping[str, Any], option: str = "grid") -> list[dict[str, Any]]:
    axes = {}
    for parameter, values in grid.items():
        axes[parameter] = list(values) if isinstance(values, (list, tuple)) else [values]
        if not axes[parameter]:
            raise UsageError(f"{option}.{name}.{parameter}=[] is empty; give at least one value")
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _obstacle(variant: Variant, spec: RunSpec, *, asked_for: bool) -> str | None:
    extractor = variant.build()
    refusals = [unsupported(extractor, budget) for budget in spec.budgets]
    no_budget = None if None in refusals else refusals[0]
    # What a method that learns needs may be known after its training only.
    black_box = not isinstance(extractor, Trainable) and opens_file(extractor.needs)
    if black_box and not asked_for:  # installed or not
        return f"a peer tool, never part of all: ask for it by name, extractors='[all,{variant.name}]'"
    if variant.options is not None:  # it has no checkpoint yet; what is missing besides, its training tells
        return no_budget
    if (reason := extractor.unavailable()) is not None:
        return reason
    if (reason := extractor.must_download()) is not None:
        if not asked_for:
            return reason
        # Fetched before planning: the weights' hash is part of every cell's key.
        for feature in (*extractor.needs, *extractor.free_needs):
            feature.prepare()
    if black_box and spec.in_time:
        return f"it reads the whole file itself, and split={spec.split} scores a part of it"
    return no_budget
