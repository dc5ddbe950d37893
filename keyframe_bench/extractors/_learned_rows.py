"""What methods share that learn from the rows of one feature with SciPy: the feature, its projection, L-BFGS."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip
from ..core.errors import UnavailableError, UsageError
from ..core.feature import Feature
from ..core.registry import Range, Registry
from ..training.options import TrainerOptions
from ..training.session import Progress, Session, best_row
from ._rows import flat_rows, require_rows
from .trainable import Trainable

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RowOptions(TrainerOptions):
    """The feature that is learned from, and how long.

    Parameters
    ----------
    feature : str
        Any registered feature with a row of numbers per frame; its parameters are options too.
    dims : int
        Principal components to which rows are reduced; 0 keeps the rows. Either way they are centred on the mean of all
        training frames and divided, all by one number, so that their mean squared length was 1 before the reduction.
    max_iter : int
        Iterations of L-BFGS at most. The one with the lowest validation loss is kept.
    patience : int
        Iterations without a lower validation loss after which it stops; 0 never stops early.
    """

    choices: ClassVar[Mapping[str, Registry[Any]]] = {"feature": Feature.registry}

    feature: str = "fisher"
    dims: Annotated[int, Range(0)] = 64
    max_iter: Annotated[int, Range(1)] = 500
    patience: Annotated[int, Range(0)] = 50


class RowLearner(Trainable):
    """A method that learns from what annotators chose, in the rows of the feature that its training names."""

    supervision = "users"
    seeded = False
    Options = RowOptions

    @property
    def needs(self) -> tuple[Feature, ...]:
        """The feature of the checkpoint."""
        return self.train_needs(self.trained_options())[:1]

    def train_needs(self, options: TrainerOptions) -> tuple[Feature, ...]:
        """Return the feature that the options name first; others only `fit` reads."""
        return (options.chosen("feature"),)

    def check_options(self, options: TrainerOptions) -> None:
        """Refuse a feature without a row of numbers per frame, or one that cannot be computed here."""
        feature = self.train_needs(options)[0]
        require_rows(feature, "trainer.feature")
        if reason := getattr(feature, "unavailable", lambda: None)():
            raise UnavailableError(f"trainer.feature={feature.name}: {reason}")

    def unavailable(self) -> str | None:
        """Return why there is no usable checkpoint, or its feature cannot be computed here."""
        return super().unavailable() or getattr(self.needs[0], "unavailable", lambda: None)()


def projection(clips: Sequence[Clip], feature: Feature, dims: int) -> dict[str, NDArray[np.float32]]:
    """Return how rows are projected, as tensors of a checkpoint: see `RowOptions.dims`.

    Returns
    -------
    dict
        "mean", float32 [D], and "axes", float32 [D, d], or [1], a factor, where ``dims`` is 0.

    Raises
    ------
    UsageError
        If rows are not finite, here and in `projected`, or all frames have the same.
    """
    rows = np.concatenate([flat_rows(clip, feature, "trainer.feature") for clip in clips])
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows -= mean
    length = float(np.sqrt(np.square(rows).sum(axis=1, dtype=np.float64).mean()))
    if not length > 1e-6 * float(np.linalg.norm(mean)):
        reason = "is the same on all training frames" if np.isfinite(length) else "has numbers that are too large"
        raise UsageError(f"feature {feature.key} {reason}; choose another trainer.feature")
    if not dims:
        return {"mean": mean, "axes": np.array([1 / length], np.float32)}
    from sklearn.decomposition import PCA

    axes = PCA(min(dims, *rows.shape), random_state=0).fit(rows).components_.T
    return {"mean": mean, "axes": np.ascontiguousarray(axes / length, np.float32)}


def projected(clip: Clip, feature: Feature, tensors: Mapping[str, NDArray[Any]]) -> Vector:
    """Return the rows of a feature projected as `projection` says, float64 [N, d]."""
    centred, axes = flat_rows(clip, feature, "trainer.feature") - tensors["mean"], tensors["axes"]
    return np.asarray(centred @ axes if axes.ndim == 2 else centred * axes, dtype=np.float64)


def minimised(
    loss: Callable[[Vector], tuple[float, Vector]],
    start: Vector,
    session: Session,
    judge: Callable[[Vector], float],
) -> tuple[Vector, Vector]:
    """Minimise by L-BFGS; every iteration is a row of ``session.history``, as is the start (epoch 0).

    Parameters
    ----------
    loss : callable
        Training loss and its gradient at a point.
    start : float64 [P]
    session : Session
        With `RowOptions`.
    judge : callable
        Validation loss at a point.

    Returns
    -------
    best, last : float64 [P]
        Of the iteration with the lowest validation loss (the start only where there is none), and of the last.

    Raises
    ------
    UsageError
        If a loss or the gradient is not finite.
    """
    from scipy.optimize import minimize

    history, options, began = session.history, session.options, time.perf_counter()
    best = last = start

    def require_finite(what: str, *values: float | Vector) -> None:
        if not all(np.isfinite(value).all() for value in values):
            raise UsageError(
                f"the {what} is not finite in iteration {len(history)} of L-BFGS; set trainer.max_iter lower, or "
                "choose another trainer.feature"
            )

    def checked(point: Vector) -> tuple[float, Vector]:
        value, gradient = loss(point)
        require_finite("training loss, or its gradient,", value, gradient)
        return value, gradient

    def told(point: Vector, value: float) -> None:
        nonlocal best, last
        last, epoch, held_out = point.copy(), len(history), float(judge(point))
        require_finite("validation loss", held_out)
        row = {"epoch": epoch, "train_loss": value, "validation_loss": held_out}
        history.append({**row, "seconds": round(time.perf_counter() - began - sum(r["seconds"] for r in history), 3)})
        lowest = best_row(history)
        best = last if lowest is history[-1] else best
        if session.report is not None and lowest is not None:
            session.report(Progress(epoch, options.max_iter, 1, 1, value, lowest["validation_loss"]))
        if lowest is not None and 0 < options.patience <= epoch - lowest["epoch"]:
            raise StopIteration  # SciPy ends there

    def called(intermediate_result: Any) -> None:  # SciPy goes by the name of the argument
        told(intermediate_result.x, float(intermediate_result.fun))

    told(start, checked(start)[0])
    limits: Any = {"maxiter": options.max_iter, "maxfun": 20 * options.max_iter, "ftol": 1e-10, "gtol": 1e-8}
    minimize(checked, start, jac=True, method="L-BFGS-B", callback=called, options=limits)
    session.epochs_now = len(history) - 1
    return best, last
