"""What a run is asked to do."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ..core.budget import Budget, Sampling
from ..core.errors import UnavailableError, UsageError
from ..core.feature import opens_file
from ..core.split import Split
from ..datasets.base import Dataset
from ..extractors._inferred import unsupported
from ..extractors.base import Extractor
from ..extractors.trainable import Trainable
from ..training.options import TrainerOptions

OnError = Literal["raise", "warn", "skip"]
Leak = Literal["refuse", "allow"]
Backend = Literal["serial", "loky", "ray"]

CHECKPOINT = "checkpoint"
"""The parameter that says what a method has learned."""

# Every table carries these (design: floor and plain choice), whatever was asked for.
CONTROLS = ("random", "uniform")


@dataclass(frozen=True)
class RunSpec:
    """One run: data set x extractors (with grids) x budgets x seeds, on one sampling, into one folder.

    ``limit`` keeps the data set's first videos only. ``cache_gb`` gigabytes (10^9 bytes) of features, of all data sets
    together, are kept on disk and used by the next run; 0 keeps none and uses none.

    ``split`` (`core.split.Split`; empty: none) trains every extractor that learns on the training videos of each fold,
    once per seed, with options that ``trainer`` names as ``grid`` names parameters; checkpoints are kept in
    ``trainings``. All extractors are then scored on the videos, or the later part of each, that are held out.
    ``split_seed`` decides which videos those are. ``leak`` says whether a checkpoint that learned from human annotators
    may be scored on a video it has seen. Trainings run one after another in this process, whatever the ``backend``.

    ``backend`` runs up to ``n_jobs`` videos at a time (None: as many as the cluster has room for) and each with
    ``threads`` threads (None: FFmpeg's choice in one process, the share of the cores of a worker, one on a cluster).
    ``address`` is the Ray cluster's.

    Raises
    ------
    UsageError
        When a budget, sampling, seed, grid or option is wrong.
    """

    dataset: Dataset
    out: Path
    extractors: Sequence[str] | Literal["all"]
    budgets: Sequence[str]
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
    split: str = ""
    split_seed: int = 0
    trainings: Path = Path("outputs/trainings")
    trainer: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    leak: Leak = "refuse"

    def __post_init__(self) -> None:
        if not self.budgets:
            raise UsageError("budget=[] is empty; give at least one, such as budget=8")
        if not self.seeds:
            raise UsageError("seeds=[] is empty; give at least one, such as seeds=[0]")
        for seed in self.seeds:
            if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
                raise UsageError(f"seeds={seed!r} is not a whole number of at least 0 and below 2^63")
        if not self.extractors:
            raise UsageError("extractors=[] is empty; give names such as extractors='[uniform,vsumm]', or all")
        if self.on_error not in get_args(OnError):
            raise UsageError(f"on_error={self.on_error} is not one of raise, warn, skip")
        self._check_executor()
        if self.limit is not None and not _is_count(self.limit):
            raise UsageError(f"limit={self.limit!r} is not a number of videos, at least 1, or null for all")
        number = isinstance(self.cache_gb, (int, float)) and not isinstance(self.cache_gb, bool)
        if not number or not 0 <= self.cache_gb <= 1e9:
            raise UsageError(f"cache_gb={self.cache_gb!r} is not a number of gigabytes from 0 (keep nothing) to 1e9")
        self._check_split()
        object.__setattr__(self, "budgets", tuple(dict.fromkeys(str(Budget.parse(b)) for b in self.budgets)))
        object.__setattr__(self, "sampling", str(Sampling.parse(self.sampling)))
        object.__setattr__(self, "seeds", tuple(dict.fromkeys(self.seeds)))

    def _check_split(self) -> None:
        if self.leak not in get_args(Leak):
            raise UsageError(f"leak={self.leak} is not one of {', '.join(get_args(Leak))}")
        if isinstance(self.split_seed, bool) or not isinstance(self.split_seed, int) or self.split_seed < 0:
            raise UsageError(f"split_seed={self.split_seed!r} is not a whole number of at least 0")
        if not self.split:
            if self.trainer:
                name = next(iter(self.trainer))
                raise UsageError(
                    f"trainer.{name} is given, and nothing is trained without split=, such as split=kfold:5"
                )
            return
        split = Split.parse(self.split)
        if split.kind == "frames":
            raise UsageError(
                f"split={split} holds out frames whose neighbours train, so that nearly every one was seen: run scores "
                "on whole videos or later parts; use split=kfold:5, videos:0.8 or temporal:0.8"
            )
        object.__setattr__(self, "split", str(split))

    def _check_executor(self) -> None:
        if self.backend not in get_args(Backend):
            raise UsageError(f"executor={self.backend} is not one of {', '.join(get_args(Backend))}")
        free = self.n_jobs is None and self.backend == "ray"
        if not free and not _is_count(self.n_jobs):
            raise UsageError(f"executor.n_jobs={self.n_jobs!r} is not a whole number of at least 1")
        if self.backend == "serial" and self.n_jobs != 1:
            raise UsageError(f"executor.n_jobs={self.n_jobs} needs worker processes; add executor=loky")
        if self.threads is not None and not _is_count(self.threads):
            raise UsageError(f"executor.threads={self.threads!r} is not a whole number of at least 1, or null")
        if not isinstance(self.address, str) or not self.address:
            raise UsageError(f"executor.address={self.address!r} is not auto or HOST:PORT")

    @property
    def named(self) -> list[str]:
        """Extractors asked for by name; none for "all"."""
        return [] if self.extractors == "all" else [name for name in self.extractors if name != "all"]

    @property
    def everything(self) -> bool:
        """Whether all extractors that can run are wanted, with or without some by name."""
        return "all" in self.extractors


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


@dataclass(frozen=True)
class Variant:
    """An extractor with one setting of its parameters; where a run trains it, with options of that."""

    name: str
    params: dict[str, Any]
    options: TrainerOptions | None = None

    def build(self) -> Extractor:
        """Return a fresh instance."""
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
    or with parameters raises instead where it cannot run.

    Raises
    ------
    UsageError, UnavailableError
        For unknown or broken names, wrong parameters, and what was named but cannot run.
    """
    registry, named = Extractor.registry, spec.named
    for name in [*named, *spec.grid]:
        registry.get(name)
    for option, given in (("grid", spec.grid), ("trainer", spec.trainer)):
        unused = [name for name in given if not (spec.everything or name in named or name in CONTROLS)]
        if unused:
            raise UsageError(
                f"{option}.{unused[0]} is given but {unused[0]!r} is not among extractors={','.join(named)}"
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
        for number, (params, options) in enumerate(itertools.product(rows, trainings)):
            if params in rows[: number // len(trainings)]:
                continue
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
    return list(once.values()), list(dict.fromkeys(left_out))  # a method's settings lack the same


def _trainings(spec: RunSpec, name: str, cls: type[Extractor]) -> list[TrainerOptions | None]:
    """Return the options that a method is trained with, each once; [None] where the run does not train it."""
    if not issubclass(cls, Trainable):
        if name in spec.trainer:
            raise UsageError(f"trainer.{name} is given, but extractor {name!r} does not learn; leave it out")
        return [None]
    if not spec.split:
        return [None]
    if CHECKPOINT in spec.grid.get(name, {}):
        raise UsageError(
            f"split={spec.split} trains {name!r} on each fold: leave out grid.{name}.checkpoint, or leave out split"
        )
    found = [cls.Options.build(one) for one in _settings(name, spec.trainer.get(name, {}), "trainer")]
    return [one for i, one in enumerate(found) if one.params not in [other.params for other in found[:i]]]


def _settings(name: str, grid: Mapping[str, Any], option: str = "grid") -> list[dict[str, Any]]:
    axes = {}
    for parameter, values in grid.items():
        axes[parameter] = list(values) if isinstance(values, (list, tuple)) else [values]
        if not axes[parameter]:
            raise UsageError(f"{option}.{name}.{parameter}=[] is empty; give at least one value")
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _obstacle(variant: Variant, spec: RunSpec, *, asked_for: bool) -> str | None:
    extractor = variant.build()
    if variant.options is not None:  # it has no checkpoint yet; what is missing besides, its training tells
        reasons = [unsupported(extractor, Budget.parse(budget)) for budget in spec.budgets]
        return None if None in reasons else reasons[0]
    reason = extractor.unavailable()
    if reason is None and extractor.must_download() is not None:
        if not asked_for:
            return extractor.must_download()
        for feature in extractor.needs:  # fetched before planning: the weights' hash is part of every cell's key
            feature.prepare()
    if reason is None and opens_file(extractor.needs) and not asked_for:
        reason = f"a peer tool, up to minutes a video: ask for it by name, extractors='[all,{variant.name}]'"
    if reason is None and spec.split.startswith("temporal") and opens_file(extractor.needs):
        reason = f"it reads the whole file itself, and split={spec.split} scores a part of it"
    if reason is not None:
        return reason
    reasons = [unsupported(extractor, Budget.parse(budget)) for budget in spec.budgets]
    return None if None in reasons else reasons[0]
