"""``fit_module``: train a network with Lightning, resume bit-exactly what was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..core.checkpoint import Checkpoint, read_checkpoint
from ..core.errors import ContractError, UnavailableError
from .options import ModuleOptions
from .session import Batches, Session, headlines, is_over

if TYPE_CHECKING:
    from torch import nn

    from .module import LossModule
    from .training_checkpoint import TrainingCheckpoint

Finish = Callable[["nn.Module"], Mapping[str, Any]]


def fit_module(
    made: Callable[[], LossModule],
    batches: Batches,
    session: Session,
    *,
    threads: int | None = None,
    finish: Finish = lambda _: {},
) -> Checkpoint:
    """Train, or resume from the last finished epoch; return the checkpoint of the best one, leave that of the last.

    On one machine the same seed gives the same weights, interrupted or not; on a GPU, up to the order of its sums.

    Parameters
    ----------
    made : callable
        Returns the module before the first step. Torch is seeded by then.
    session : Session
        Its options are `ModuleOptions`.
    threads : int, optional
        Of torch; None: its own choice.
    finish : callable
        From a trained network, in evaluation mode, to the numbers that its checkpoint keeps.

    Raises
    ------
    UsageError
        If the loss is not finite (`NotFiniteError`; earlier epochs are kept), or the state to resume from is damaged.
    ContractError
        If the session holds a training already.
    UnavailableError
        If Lightning is missing, or W&B refuses.
    KeyboardInterrupt, OutputError
        After Ctrl-C, and where a file cannot be written; what is finished is kept.
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

    options, folder = session.options, session.folder
    assert isinstance(options, ModuleOptions)
    with undisturbed(session.seed, threads):
        session.facts |= {"machine": machine(), "precision": resolved_precision(options.precision)}
        callback = TrainingCheckpoint(session, batches)
        resuming = all(path.is_file() for path in (folder.state, folder.best, folder.last))
        if resuming:
            callback.load_state_dict(read_state(folder.state)["callbacks"][callback.state_key])
        else:
            folder.state.unlink(missing_ok=True)  # checkpoints of its epochs are gone
        module = made()
        module.n_steps = len(batches.train) * options.epochs
        if not is_over(session.history, options):
            _train(module, callback, str(folder.state) if resuming else None)
        return _finished(session, module.model, finish)


def require_lightning() -> None:
    """Raise `UnavailableError` where Lightning is not installed."""
    try:
        import pytorch_lightning  # noqa: F401
    except ImportError as error:
        raise UnavailableError(
            f"training needs a package that is missing ({error}): pip install 'keyframe_bench[training]'"
        ) from error


def _train(module: LossModule, callback: TrainingCheckpoint, state: str | None) -> None:
    """Run Lightning's trainer; another strategy, or more devices, would be given here."""
    import pytorch_lightning as pl
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment

    from .training_checkpoint import StateFile

    session, batches = callback.session, callback.batches
    trainer = pl.Trainer(
        devices=1,
        precision="bf16-mixed" if session.facts["precision"] == "bf16" else "32-true",
        max_epochs=session.options.epochs,
        callbacks=[callback],
        logger=False,  # the callback logs
        # A scheduler's job is one process here, whatever its variables say.
        plugins=[StateFile(session.folder.state), LightningEnvironment()],
        default_root_dir=str(session.folder.path),
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    try:
        trainer.fit(module, batches.train, batches.validation, ckpt_path=state)
    except SystemExit as stop:  # Lightning's answer to Ctrl-C
        raise KeyboardInterrupt from stop


def _finished(session: Session, model: nn.Module, finish: Finish) -> Checkpoint:
    """Return the best checkpoint with its numbers, and leave the last one; equal weights have equal numbers."""
    import torch

    numbers: dict[bytes, Mapping[str, Any]] = {}  # by weights: often the last ones are the best
    made = []
    for path, chosen in ((session.folder.last, "last"), (session.folder.best, "best_val")):
        written = read_checkpoint(path, session.about["extractor"])
        history, told = session.history, written.record["history"]
        if not any(told[-1].items() <= row.items() for row in history):
            # A process was killed between this file and the state, and the epoch was repeated with other sums.
            history = told
            session.facts |= headlines(history) if chosen == "best_val" else {}
        weights = b"".join(tensor.tobytes() for tensor in written.tensors.values())
        if weights not in numbers:
            model.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in written.tensors.items()})
            numbers[weights] = finish(model.cpu().eval())
        made.append(session.checkpoint(written.tensors, chosen=chosen, history=history, **numbers[weights]))
    session.last, best = made
    return best
