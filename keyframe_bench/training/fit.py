"""``fit``: train an auto-encoder with Lightning, go on with what was interrupted, compute nothing twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.errors import UnavailableError, UsageError
from ..core.files import locked, make_folder, remove_leftovers
from .data import Pictures
from .folder import TrainingFolder
from .spec import Trained, TrainSpec

if TYPE_CHECKING:
    from pytorch_lightning import Trainer
    from pytorch_lightning.loggers import Logger

    from ..models.autoencoder import Autoencoder
    from .keeper import Keeper, Report


def fit(spec: TrainSpec, *, report: Report | None = None) -> Trained:
    """Train, or go on from the last finished epoch, or return what the folder holds already.

    Parameters
    ----------
    spec : TrainSpec
    report : callable, optional
        Called with a `keyframe_bench.training.keeper.Progress` after every step.

    Raises
    ------
    UsageError
        If the folder holds another training or a damaged checkpoint, the checkpoint to start from is of another
        network, or the loss is not finite (`keyframe_bench.training.module.NotFiniteError`; earlier epochs are kept).
    UnavailableError
        If Lightning is missing, or W&B is missing or refuses.
    OutputError
    KeyboardInterrupt
        After Ctrl-C; what is finished is kept.

    Notes
    -----
    Weights depend on `TrainSpec.identity` and on the versions and the precision of the machine: on one machine the same
    seed gives the same weights, interrupted or not. On a GPU sums may be added in another order each time.
    """
    identity = spec.identity
    folder = TrainingFolder(make_folder(spec.out))
    with locked(folder.path):
        remove_leftovers(folder.path)
        record = folder.read(identity)
        if record is not None and record["finished"] and folder.has_checkpoints(spec.key):
            return Trained(folder.best, folder.last, record)
        _require_lightning()  # it takes seconds to import: only where something is left to train
        from ..models.contract import check_parts

        check_parts(spec.network, spec.loss)
        pictures = spec.data.pictures(spec.network.input_height, spec.network.input_width)
        return _Training(spec, folder, pictures, resuming=record is not None).run(report)


def _require_lightning() -> None:
    try:
        import pytorch_lightning  # noqa: F401
    except ImportError as error:
        raise UnavailableError(
            f"training needs a package that is missing ({error}): pip install 'keyframe_bench[training]'"
        ) from error


class _Training:
    """One training that is not finished."""

    def __init__(self, spec: TrainSpec, folder: TrainingFolder, pictures: Pictures, *, resuming: bool) -> None:
        from .machine import resolved_precision

        self.spec = spec
        self.folder = folder
        self.pictures = pictures
        self.resuming = resuming and folder.state.is_file() and folder.has_checkpoints(spec.key)
        self.precision = resolved_precision(spec.trainer.precision)

    def run(self, report: Report | None) -> Trained:
        from .keeper import Keeper, is_over
        from .machine import undisturbed
        from .state import read_state
        from .tracking import tracked

        spec = self.spec
        with undisturbed(spec.seed, spec.threads):
            keeper = Keeper(self.folder, self._facts(), self.pictures, spec.trainer, report)
            if self.resuming:
                keeper.load_state_dict(read_state(self.folder.state)["callbacks"][keeper.state_key])
            if not is_over(keeper.history, spec.trainer):
                with tracked(spec) as loggers:
                    self._train(keeper, loggers)
            return self._finished(keeper)

    def _train(self, keeper: Keeper, loggers: list[Logger]) -> None:
        from .batches import plain_batches, training_batches
        from .module import Reconstruction

        spec, options = self.spec, self.spec.trainer
        batches = training_batches(self.pictures, options.batch, spec.seed)
        module = Reconstruction(self._start(), spec.loss, options, len(batches) * options.epochs)
        trainer = self._trainer(keeper, loggers)
        try:
            trainer.fit(
                module,
                batches,
                plain_batches(self.pictures.validation, options.batch),
                ckpt_path=str(self.folder.state) if self.resuming else None,
            )
        except SystemExit as stop:  # Lightning's answer to Ctrl-C
            raise KeyboardInterrupt from stop

    def _start(self) -> Autoencoder:
        """Return the network before the first step: from the seed, or from a checkpoint."""
        import torch

        from ..models.autoencoder import Autoencoder
        from ..models.checkpoint import load_autoencoder

        spec = self.spec
        if spec.init is None:
            model = Autoencoder(spec.network)
        else:
            model, _ = load_autoencoder(spec.init, spec.network, option="init")
        layout = torch.channels_last if spec.trainer.channels_last else torch.contiguous_format
        return model.to(memory_format=layout).requires_grad_(True).train()

    def _trainer(self, keeper: Keeper, loggers: list[Logger]) -> Trainer:
        """Return Lightning's trainer; another strategy, or more devices, would be given here."""
        import pytorch_lightning as pl
        from lightning_fabric.plugins.environments.lightning import LightningEnvironment

        from .state import StateFile

        return pl.Trainer(
            accelerator="auto",
            devices=1,
            precision="bf16-mixed" if self.precision == "bf16" else "32-true",
            max_epochs=self.spec.trainer.epochs,
            callbacks=[keeper],
            logger=loggers or False,
            # A scheduler's job is one process here, whatever its variables say.
            plugins=[StateFile(self.folder.state), LightningEnvironment()],
            default_root_dir=str(self.folder.path),
            num_sanity_val_steps=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )

    def _finished(self, keeper: Keeper) -> Trained:
        """Calibrate, write checkpoints and record as they stay, and remove what only an interruption would need."""
        from ..models.checkpoint import load_autoencoder, save_autoencoder
        from .calibration import calibrated

        found: dict[bytes, dict[str, Any]] = {}  # by weights: often the last ones are the best
        for path, chosen in ((self.folder.last, "last"), (self.folder.best, "best_val")):
            model, written = load_autoencoder(path, self.spec.network)
            record = keeper.checkpoint_record(chosen)
            if (written.get("epoch"), written.get("validation_loss")) != (record["epoch"], record["validation_loss"]):
                # A process was killed between this file and the state, and the epoch was repeated with other sums.
                record = written
            weights = b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values())
            if weights not in found:
                found[weights] = calibrated(model, self.pictures)
            save_autoencoder(path, model, record | found[weights])
        best = {name: record[name] for name in ("best_epoch", "best_validation_loss", "train_loss")} | found[weights]
        self.folder.write_record(keeper.record(finished=True) | best)
        self.folder.state.unlink(missing_ok=True)
        final = self.folder.read(self.spec.identity)  # as a later call will find it
        assert final is not None
        return Trained(self.folder.best, self.folder.last, final, keeper.epochs_now)

    def _facts(self) -> dict[str, Any]:
        """Return what the record says of this training before it is run."""
        from .machine import machine, versions

        spec, pictures, network = self.spec, self.pictures, self.spec.network
        if len(pictures.train) == 0 or len(pictures.validation) == 0:
            raise UsageError(f"data {pictures.name!r} has no pictures for training, or none for validation; give more")
        return {
            "identity": spec.identity,
            "key": spec.key,
            "network": {**network.params, "parameters": network.total_params, "macs": network.total_macs},
            "loss": spec.loss.params,
            "data": {
                "name": pictures.name,
                "digest": pictures.digest,
                "train": len(pictures.train),
                "validation": len(pictures.validation),
                "flip": pictures.flip,
                **pictures.facts,
            },
            "trainer": spec.trainer.params,
            "precision": self.precision,
            "init": None if spec.init is None else {"path": spec.init, "sha256": spec.identity["init"]},
            "seed": spec.seed,
            "versions": versions(),
            "machine": machine(),
        }
