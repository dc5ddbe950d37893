"""Numbers of one training on one data set: how good its reconstructions are, and how its losses went."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.base import Column
from ..models.base import Loss
from ..selection.spread import spread
from ..training.data import Pictures
from ..training.evaluation import COLUMNS as EVALUATED
from ..training.evaluation import evaluate, evaluate_at
from ..training.spec import Trained
from ..video.images import encode_image

if TYPE_CHECKING:
    from ..models.autoencoder import Autoencoder

Numbers = dict[str, "float | None"]  # None: not measurable

VERSION = 1
"""Bump it when the numbers of a trained network may change."""

COLUMNS: Mapping[str, Column] = {
    **EVALUATED,
    "fit_loss": Column("lower", "1", "the loss on as many training pictures, of the finished network"),
    "gap": Column("lower", "1", "loss on validation pictures over that on training pictures, of the finished network"),
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
    "images_per_s": Column("higher", "1/s", "training pictures per second"),
}  # fmt: skip


def evaluated(
    trained: Trained, loss: Loss, pictures: Pictures, common: Pictures | None, *, n_shown: int, own: bool
) -> tuple[Numbers, dict[str, Any]]:
    """Return the numbers of the best checkpoint on validation pictures, and some reconstructions.

    Parameters
    ----------
    trained : Trained
    loss : Loss
        Of the training.
    pictures, common : Pictures
        At the size of the network, and (or None) the same ones at the size at which networks are compared.
    n_shown : int
        Reconstructions to keep, evenly spread over the validation pictures.
    own : bool
        Whether it was trained on this data: its training pictures then tell how well it fits.

    Returns
    -------
    tuple
        Metrics; and ``pictures`` (``input`` and ``output``, PNG as base64) if there are any.
    """
    import torch

    from ..models.checkpoint import load_autoencoder

    model, _ = load_autoencoder(trained.best)
    model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    metrics = evaluate(model, pictures.validation, loss)
    if common is not None:
        metrics |= evaluate_at(model, pictures.validation, common.validation, loss)
    if own:
        seen = pictures.train[spread(len(pictures.train), len(pictures.validation))]
        metrics["fit_loss"] = evaluate(model, seen, loss)["loss"]
        metrics["gap"] = metrics["loss"] / metrics["fit_loss"] if metrics["fit_loss"] > 0 else math.nan
    if not n_shown:
        return _finite(metrics), {}
    chosen = pictures.validation[spread(len(pictures.validation), n_shown)]
    shown = {"input": _encoded(chosen), "output": _encoded(_reconstructed(model, chosen))}
    return _finite(metrics), {"pictures": shown}


def training_numbers(record: Mapping[str, Any], other: Sequence[Mapping[str, Any]]) -> Numbers:
    """Return what the history of a training says, and how soon it reached what ``other`` reached.

    Parameters
    ----------
    record : mapping
        Of the training (`keyframe_bench.training.spec.Trained`).
    other : sequence of mapping
        History of the training it is timed against; its own for none.
    """
    history = list(record["history"])
    losses = [float(row["validation_loss"]) for row in history]
    found = {
        "train_loss": record["train_loss"],
        "validation_loss": record["best_validation_loss"],
        "last_validation_loss": record["last_validation_loss"],
        "start_loss": losses[0],
        "first_loss": losses[1] if len(losses) > 1 else math.nan,
        "mean_loss": math.exp(sum(map(math.log, losses[1:])) / len(losses[1:])) if min(losses) > 0 else math.nan,
        "best_epoch": record["best_epoch"],
        "epochs": history[-1]["epoch"],
        "images_per_s": record["images_per_s"],
    }
    if len(other) > 1:
        wanted = min(float(row["validation_loss"]) for row in other[1:])
        reached = (row["epoch"] for row in history if float(row["validation_loss"]) <= wanted)
        found["epochs_to_reach"] = next(reached, history[-1]["epoch"] + 1)
    return _finite({name: math.nan if value is None else float(value) for name, value in found.items()})


def _finite(numbers: Mapping[str, float]) -> Numbers:
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


def _reconstructed(model: Autoencoder, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what the network makes of pictures, uint8 [N, H, W, 3] both."""
    import torch

    device = next(model.parameters()).device
    with torch.inference_mode():
        source = torch.from_numpy(np.array(pictures)).to(device).permute(0, 3, 1, 2).float() / 255
        output = model(source).float().clamp(0, 1).mul(255).round().byte()
    found: NDArray[np.uint8] = output.permute(0, 2, 3, 1).cpu().numpy()
    return found


def _encoded(pictures: NDArray[np.uint8]) -> list[str]:
    return [base64.b64encode(encode_image(np.ascontiguousarray(one), ".png")).decode("ascii") for one in pictures]
