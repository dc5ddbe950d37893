"""``fit_module``: train a network with Lightning, go on with what was interrupted, to the bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.checkpoint import Checkpoint, read_checkpoint
from ..core.errors import ContractError, UnavailableError
from .history import Row, best_row, headlines, is_over
from .options import NetworkOptions
from .session import Session

if TYPE_CHECKING:
    from pytorch_lightning import Trainer
    from pytorch_lightning.loggers import Logger
    from torch import nn

    from .module import LossModule
    from .training_checkpoint import TrainingCheckpoint


@dataclass(frozen=True)
class Batches:
    """What a network is trained on and looked at by.

    Attributes
    ----------
    train : iterable
        Batches of an epoch, with a length.
    validation, seen : iterable
        Held-out rows, and those that train, in one order.
    """

    train: Any
    validation: Any
    seen: Iterable[Any]


def fit_module(
    made: Callable[[], LossModule],
    batches: Batches,
    session: Session,
    *,
    threads: int | None = None,
    finish: Callable[[nn.Module], Mapping[str, Any]] = lambda _: {},
) -> Checkpoint:
    """Train, or go on from the last finished epoch; return the checkpoint of the best one, leave that of the last.

    Parameters
    ----------
    made : callable
        Returns the module before the first step. Torch is seeded by then.
    batches : Batches
    session : Session
        Its options are `NetworkOptions`.
    threads : int, optional
        Of torch; None: its own choice.
    finish : callable
        From a trained network, in evaluation mode, to the numbers that its checkpoint keeps.

    Raises
    ------
    UsageError
        If the loss is not finite (`keyframe_bench.training.module.NotFiniteError`; earlier epochs are kept), or the
        state to go on from is damaged.
    ContractError
        If the session holds a training already.
    UnavailableError
        If Lightning is missing, or W&B is missing or refuses.
    OutputError
    KeyboardInterrupt
        After Ctrl-C; what is finished is kept.

    Notes
    -----
    On one machine the same seed gives the same weights, interrupted or not. On a GPU sums may be added in another order
    each time.
    """
    if session.history:
        raise ContractError(
            "fit calls fit_module again, or after it has put rows into session.history; a session holds the training "
            "of one module: train all networks as one"
        )
    require_lightning()
    from .machine import machine, resolved_precision, undisturbed
    from .state import read_state
    from .training_checkpoint import TrainingCheckpoint
    from .wandb_logger import tracked

    options = session.options
    assert isinstance(options, NetworkOptions)
    with undisturbed(session.seed, threads):
        session.facts |= {"machine": machine(), "precision": resolved_precision(options.precision)}
        callback = TrainingCheckpoint(session, options, batches)
        folder = session.folder
        resuming = all(path.is_file() for path in (folder.state, folder.best, folder.last))
        if not resuming:
            folder.state.unlink(missing_ok=True)  # checkpoints of its epochs are gone
        else:
            callback.load_state_dict(read_state(folder.state)["callbacks"][callback.state_key])
        module = made()
        module.n_steps = len(batches.train) * options.epochs
        if not is_over(session.history, options):
            with tracked(session) as loggers:
                _train(module, batches, session, callback, loggers, resuming=resuming)
        return _finished(session, module.model, finish)


def require_lightning() -> None:
    """Raise `UnavailableError` where Lightning is not installed."""
    try:
        import pytorch_lightning  # noqa: F401
    except ImportError as error:
        raise UnavailableError(
            f"training needs a package that is missing ({error}): pip install 'keyframe_bench[training]'"
        ) from error


def _train(
    module: LossModule,
    batches: Batches,
    session: Session,
    callback: TrainingCheckpoint,
    loggers: list[Logger],
    *,
    resuming: bool,
) -> None:
    trainer = _trainer(session, callback, loggers)
    try:
        trainer.fit(
            module,
            batches.train,
            batches.validation,
            ckpt_path=str(session.folder.state) if resuming else None,
        )
    except SystemExit as stop:  # Lightning's answer to Ctrl-C
        raise KeyboardInterrupt from stop


def _trainer(session: Session, callback: TrainingCheckpoint, loggers: list[Logger]) -> Trainer:
    """Return Lightning's trainer; another strategy, or more devices, would be given here."""
    import pytorch_lightning as pl
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment

    from .machine import resolved_precision
    from .training_checkpoint import StateFile

    options = session.options
    assert isinstance(options, NetworkOptions)
    return pl.Trainer(
        accelerator="auto",
        devices=1,
        precision="bf16-mixed" if resolved_precision(options.precision) == "bf16" else "32-true",
        max_epochs=options.epochs,
        callbacks=[callback],
        logger=loggers or False,
        # A scheduler's job is one process here, whatever its variables say.
        plugins=[StateFile(session.folder.state), LightningEnvironment()],
        default_root_dir=str(session.folder.path),
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _finished(session: Session, model: nn.Module, finish: Callable[[nn.Module], Mapping[str, Any]]) -> Checkpoint:
    """Return the best checkpoint with its numbers, and leave the last one; equal weights have equal numbers."""
    import torch

    numbers: dict[bytes, Mapping[str, Any]] = {}  # by weights: often the last ones are the best
    made = []
    for path, chosen in ((session.folder.last, "last"), (session.folder.best, "best_val")):
        written = read_checkpoint(path, session.about["extractor"])
        history = session.history
        if _epoch_of(written.record["history"], chosen) != _epoch_of(history, chosen):
            # A process was killed between this file and the state, and the epoch was repeated with other sums.
            history = written.record["history"]
            session.facts |= headlines(history) if chosen == "best_val" else {}
        weights = b"".join(tensor.tobytes() for tensor in written.tensors.values())
        if weights not in numbers:
            model.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in written.tensors.items()})
            numbers[weights] = finish(model.cpu().eval())
        made.append(session.checkpoint(written.tensors, chosen=chosen, history=history, **numbers[weights]))
    session.last, best = made
    return best


def _epoch_of(history: Sequence[Row], chosen: str) -> tuple[float, float]:
    row = best_row(history) if chosen == "best_val" else history[-1]
    assert row is not None  # it is written after an epoch
    return row["epoch"], row["validation_loss"]
