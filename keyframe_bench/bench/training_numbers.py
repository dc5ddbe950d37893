"""What the history of a training says in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..metrics.base import Column

Numbers = dict[str, "float | None"]  # None: not measurable

HISTORY_COLUMNS: Mapping[str, Column] = {
    "fit_loss": Column("lower", "1", "the loss on as many training rows, of the finished method"),
    "gap": Column("lower", "1", "loss on validation rows over that on training rows, of the finished method"),
    "train_loss": Column("lower", "1", "mean loss of the batches of the best epoch, while it was trained"),
    "validation_loss": Column("lower", "1", "lowest validation loss of all epochs"),
    "last_validation_loss": Column("lower", "1", "validation loss after the last epoch"),
    "start_loss": Column("lower", "1", "validation loss before the first step"),
    "first_loss": Column("lower", "1", "validation loss after the first epoch"),
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

    Parameters
    ----------
    record : mapping
        Of the training (`keyframe_bench.bench.train.Trained`).
    other : sequence of mapping
        History of the training it is timed against; its own for none.
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
