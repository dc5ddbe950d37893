"""Checks of methods that learn: what ``fit`` reads, what its checkpoint holds, and that only the right one is taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

from ...core.checkpoint import Checkpoint
from ...core.errors import ContractError, KeyframeBenchError, RowsWrittenError, UnavailableError
from ...core.feature import opens_file
from ...core.registry import parameters_of
from ...metrics.base import Column
from ...training.clips import Clips
from ...training.options import TrainerOptions
from ..base import Extractor
from ..in_memory import as_trained
from ..trainable import Trainable, evaluated
from .rule import Check, only, require, results, rule, same
from .training import tiny_options, trial, trial_clips, with_checkpoint

_learns = only(lambda e: isinstance(e, Trainable), "it does not learn")


def _why_not(extractor: Extractor) -> str:
    if not isinstance(extractor, Trainable):
        return _learns(extractor)
    try:
        if opens_file(extractor.train_needs(tiny_options(extractor))):
            return "it learns from the video file itself; the clips of the checks are images in memory"
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
    for missing in trial(method).missing:
        raise ContractError(f"fit reads {missing}, which train_needs does not declare; add that feature to train_needs")


@_learning_rule
def check_fit_writes_no_rows(method: Trainable) -> None:
    """``fit`` writes into no array of its clips: other methods learn from them too."""
    error = trial(method).error
    require(not isinstance(error, RowsWrittenError) and "read-only" not in str(error), f"{error}; work on a copy")


@_learning_rule
def check_fit_gives_checkpoint(method: Trainable) -> None:
    """``fit`` returns a checkpoint of arrays, all finite, and plain data."""
    _ = trial(method).checkpoint


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
    one, other = first.tensors, second.tensors
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@_learning_rule
def check_checkpoint_round_trip(method: Trainable) -> None:
    """What was learned is in the file: written to another place, it selects the same."""
    first = with_checkpoint(method, trial(method).checkpoint)
    require(
        _select_the_same(first, with_checkpoint(method, first.learned())),
        "a copy of the checkpoint selects other frames; keep in it everything that select needs, and nothing beside it",
    )


def _select_the_same(first: Trainable, second: Trainable) -> bool:
    return all(same(one[2], other[2]) for one, other in zip(results(first), results(second), strict=True))


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
        try:
            other.learned()
            refused = False
        except KeyframeBenchError:
            refused = other.unavailable() is not None
        require(
            refused,
            f"it takes a checkpoint of another {what}; read it with self.learned(), and let an own unavailable() ask "
            "super().unavailable() too",
        )


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
    require(
        _identity(first) != _identity(other) or _select_the_same(first, other),
        "another checkpoint selects other frames, and its results would be taken for the same; let an own "
        "depends_on hold super().depends_on too",
    )


def _identity(method: Trainable) -> tuple[tuple[str, ...], ...]:
    return method.depends_on, tuple(feature.key for feature in method.needs)


@_learning_rule
def check_evaluate_gives_numbers(method: Trainable) -> None:
    """``evaluate`` returns exactly ``numbers``, all finite, on clips as a training gives them."""
    for clip in as_trained(method, trial_clips(method)):
        evaluated(method, trial(method).checkpoint, Clips.of([clip]))
