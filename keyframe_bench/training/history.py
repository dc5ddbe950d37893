"""What is written of every epoch, and what is read off it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .options import NetworkOptions

Row = dict[str, float]
"""``epoch`` (0 is before the first step), ``train_loss``, ``validation_loss``, ``lr``, ``seconds``.

A hand-written `fit` may leave out any, and add numbers of its own.
"""


def history_row(epoch: int, train_loss: float, validation_loss: float, *, lr: float, seconds: float) -> Row:
    """Return one row of a history."""
    row: Row = {"epoch": epoch, "train_loss": train_loss, "validation_loss": validation_loss}
    return row | {"lr": lr, "seconds": round(seconds, 3)}


def best_row(history: Sequence[Row]) -> Row | None:
    """Return the earliest row of lowest validation loss; weights before the first step are no result of training."""
    trained = [row for row in history if row.get("epoch") != 0 and "validation_loss" in row]
    return min(trained, key=lambda row: row["validation_loss"], default=None)


def is_over(history: Sequence[Row], options: NetworkOptions) -> bool:
    """Whether all epochs are done, or the last ``patience`` ones were not better than one before."""
    best = best_row(history)
    if best is None:
        return False
    last = history[-1]["epoch"]
    return last >= options.epochs or 0 < options.patience <= last - best["epoch"]


def headlines(history: Sequence[Row]) -> dict[str, Any]:
    """Return the best epoch with its losses, None before the first one is done."""
    best = best_row(history)
    found = {"best_epoch": "epoch", "best_validation_loss": "validation_loss", "train_loss": "train_loss"}
    return {name: None if best is None else best.get(key) for name, key in found.items()}


def summary(history: Sequence[Row]) -> dict[str, Any]:
    """Return the history and its headlines; nothing but the history where no row has a validation loss."""
    losses = [row["validation_loss"] for row in history if "validation_loss" in row]
    if not losses:
        return {"history": list(history)}
    return {**headlines(history), "last_validation_loss": losses[-1], "history": list(history)}
