"""Checks of methods that learn: what ``fit`` reads, what its checkpoint holds, and that only the right one is taken."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

from ...core.checkpoint import Checkpoint, read_checkpoint
from ...core.errors import ContractError, KeyframeBenchError, UnavailableError
from ...core.feature import opens_file
from ...core.params import parameters_of
from ...metrics.base import Column
from ...training.clips import Clips
from ...training.options import TrainerOptions
from ..base import Extractor
from ..in_memory import as_trained
from ..trainable import Trainable
from .clips import TYPICAL, clip_of
from .rule import Check, only, require, rule, same, select, some_budgets
from .training import tiny_options, trial, trial_clips, with_checkpoint

_learns = only(lambda e: isinstance(e, Trainable), "it does not learn")


def _why_not(extractor: Extractor) -> str:
    if not isinstance(extractor, Trainable):
        return _learns(extractor)
    try:
        if opens_file(extractor.train_needs(tiny_options(extractor))):
            return "it learns from the video file itself; the clips of the checks are pictures in memory"
        trial(extractor)
    except UnavailableError as error:
        return str(error)
    return ""


def _learning_rule(check: Callable[[Trainable], None]) -> Check:
    """Collect a check of a training: it gets the method before that."""
    return rule(_why_not, selects=False)(cast(Check, check))


@rule(_learns, selects=False)
def check_training_declared(extractor: Extractor) -> None:
    """A method that learns says from what, with which options, and by which numbers it is judged."""
    method = cast(Trainable, extractor)
    taken = parameters_of(type(method)).get("checkpoint")
    require(
        taken is not None and taken.types == (str,) and taken.default in ("", "bundled"),
        'take a parameter checkpoint: str = "" (not trained)',
    )
    require(method.supervision in ("none", "users"), 'supervision is "none", or "users": it learns from annotators')
    require(isinstance(method.seeded, bool), "seeded is True or False")
    options = method.Options
    require(
        isinstance(options, type) and issubclass(options, TrainerOptions) and dataclasses.is_dataclass(options),
        "Options is a class derived from TrainerOptions, with @dataclass(frozen=True, kw_only=True)",
    )
    try:
        tiny_options(method)
    except (TypeError, KeyframeBenchError) as error:
        raise ContractError(f"Options with their defaults, or those of tiny: {error}") from error
    numbers = method.numbers
    require(
        isinstance(numbers, Mapping) and all(isinstance(column, Column) for column in numbers.values()),
        "numbers is a mapping of what evaluate returns: name to Column(direction, unit, phrase)",
    )


@_learning_rule
def check_fit_reads_train_needs(method: Trainable) -> None:
    """``fit`` reads only features that ``train_needs`` declares."""
    missing = trial(method).missing
    require(
        not missing,
        f"fit reads {', '.join(missing[:1])}, which train_needs does not declare; add that feature to train_needs",
    )


@_learning_rule
def check_fit_writes_no_rows(method: Trainable) -> None:
    """``fit`` writes into no array of its clips: other methods learn from them too."""
    found = trial(method)
    require(not found.written, found.written)
    require("read-only" not in found.error, f"{found.error}; work on a copy")


@_learning_rule
def check_fit_gives_checkpoint(method: Trainable) -> None:
    """``fit`` returns a checkpoint of arrays, all finite, and plain data."""
    found = trial(method)
    for checkpoint in (found.checkpoint, found.last):
        assert checkpoint is not None
        for name, tensor in checkpoint.tensors.items():
            require(
                isinstance(tensor, np.ndarray) and tensor.dtype.kind in "biuf" and np.isfinite(tensor).all(),
                f"the checkpoint's tensor {name!r} is no array of finite numbers; make it one with np.asarray",
            )
        require(
            _is_plain(checkpoint.numbers),
            "what the checkpoint holds besides tensors is no plain data (finite numbers, text, lists, mappings with "
            "text keys); put arrays into tensors",
        )


def _is_plain(value: Any) -> bool:
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError):
        return False


@_learning_rule
def check_fit_repeatable(method: Trainable) -> None:
    """The same seed gives the same checkpoint; with ``seeded = False`` every seed does."""
    first, again = trial(method).checkpoint, trial(method, again=1).checkpoint
    require(
        _same_tensors(first, again) and first.record == again.record,
        "fit gives another checkpoint with the same seed; draw only from session.rng() and keep nothing between calls",
    )
    other = first if method.seeded else trial(method, seed=1).checkpoint
    require(_same_tensors(first, other), "fit gives another checkpoint with another seed; leave out seeded = False")


def _same_tensors(first: Checkpoint, second: Checkpoint) -> bool:
    if first.tensors.keys() != second.tensors.keys():
        return False
    pairs = [(np.asarray(tensor), np.asarray(second.tensors[name])) for name, tensor in first.tensors.items()]
    return all(a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)


@_learning_rule
def check_checkpoint_round_trip(method: Trainable) -> None:
    """What was learned is in the file: read, and written to another place, it selects the same."""
    made = trial(method).checkpoint
    first = with_checkpoint(method, made)
    read = read_checkpoint(first.checkpoint, method.name)
    require(_same_tensors(made, read) and _is_equal(made, read), "the checkpoint file gives back something else")
    second = with_checkpoint(method, read)
    require(
        _selects_alike(first, second),
        "a copy of the checkpoint selects other frames; keep in it everything that select needs, and nothing beside it",
    )


def _is_equal(first: Checkpoint, second: Checkpoint) -> bool:
    return bool(json.loads(json.dumps(first.record)) == second.record)


def _selects_alike(first: Trainable, second: Trainable) -> bool:
    kinds = [(kind, k) for kind in TYPICAL for k in some_budgets(first)]
    return all(
        same(select(first, clip_of(first, kind), k), select(second, clip_of(second, kind), k)) for kind, k in kinds
    )


@_learning_rule
def check_other_checkpoints_refused(method: Trainable) -> None:
    """A checkpoint of another method, another version, or of other features is refused."""
    made = trial(method).checkpoint
    others: dict[str, dict[str, Any]] = {
        "method": {"extractor": f"not_{method.name}"},
        "version": {"version": method.version + 1},
        "features": {"features": [*made.record["features"], "another_feature@1()"]},
    }
    for what, told in others.items():
        other = with_checkpoint(method, Checkpoint(made.tensors, {**made.record, **told}))
        require(
            other.unavailable() and _refuses(other),
            f"it takes a checkpoint of another {what}; read it with self.learned(), and let an own unavailable() ask "
            "super().unavailable() too",
        )


def _refuses(method: Trainable) -> bool:
    try:
        method.learned()
    except KeyframeBenchError:
        return True
    return False


@_learning_rule
def check_checkpoint_in_key(method: Trainable) -> None:
    """Results are kept by what the checkpoint holds, not by where it lies."""
    made = trial(method).checkpoint
    first, copy = (with_checkpoint(method, made) for _ in range(2))
    require(
        _identity(first) == _identity(copy),
        "depends_on, or a feature's key, changes with the path of the checkpoint; name its content, as super() does",
    )
    turned = {name: -tensor if tensor.dtype.kind in "if" else tensor for name, tensor in made.tensors.items()}
    other = with_checkpoint(method, Checkpoint(turned, made.record))
    if _identity(first) == _identity(other):
        require(
            _selects_alike(first, other),
            "another checkpoint selects other frames, and its results would be taken for the same; let an own "
            "depends_on hold super().depends_on too",
        )


def _identity(method: Trainable) -> tuple[tuple[str, ...], ...]:
    return method.depends_on, tuple(feature.key for feature in method.needs)


@_learning_rule
def check_evaluate_gives_numbers(method: Trainable) -> None:
    """``evaluate`` returns exactly ``numbers``, all finite, on clips as a training gives them."""
    made = trial(method).checkpoint
    for clip in as_trained(method, trial_clips(method)):
        found = method.evaluate(made, Clips.of([clip]))
        require(
            isinstance(found, dict) and set(found) == set(method.numbers),
            f"evaluate returns {', '.join(found) or 'nothing'}, and numbers declares "
            f"{', '.join(method.numbers) or 'nothing'}",
        )
        for name, value in found.items():
            require(
                isinstance(value, (int, float)) and math.isfinite(value),
                f"evaluate gives {name}={value!r}, no finite number; define its value where there is nothing to count",
            )
