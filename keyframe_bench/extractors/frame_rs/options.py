"""What the training of a key-frame selector can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from ...core.registry import Range
from ...models.frame_mae_weights import frame_mae_told
from ...training.options import ModuleOptions

EMBEDDED = "embedded"
"""``frame_mae`` in the record of a checkpoint: it is in the checkpoint itself."""


@dataclass(frozen=True, kw_only=True)
class FrameRsOptions(ModuleOptions):
    """Options of a training: those of `ModuleOptions` for the selector, and these.

    The defaults are the authors'; they have 43,825 clips. With few clips ``lr`` 0.01 and ``momentum`` 0.9 learn sooner.

    Parameters
    ----------
    frame_mae : str
        Checkpoint of the FrameMAE, of ``keyframe-bench train extractor=frame_mae_oracle``; empty: it is trained first,
        on the same data, with seed 0 and the options ``preset``, ``n_masked`` and ``mae_...``.
    errors : {"masked_only", "all_frames"}
        By which the best pair is found, as of the feature ``frame_mae_errors``.
    resize : {"crop", "stretch"}
        How the FrameMAE is shown a frame.
    arch, blocks, dropout, share_weights
        Of the selector, see `keyframe_bench.models.frame_selector.FrameSelector`.
    momentum : float
        Of stochastic gradient descent.
    preset, n_masked, mae_target, mae_epochs, mae_batch, mae_lr
        Of a FrameMAE that is trained first: ``preset``, ``n_masked``, ``target``, ``epochs``, ``batch`` and ``lr``
        there.
    """

    epochs: Annotated[int, Range(1)] = 200
    lr: Annotated[float, Range(0)] = 1e-4
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    frame_mae: str = ""
    errors: Literal["masked_only", "all_frames"] = "masked_only"
    resize: Literal["crop", "stretch"] = "crop"
    arch: Literal["cnn", "mlp"] = "cnn"
    blocks: Annotated[int, Range(1, 32)] = 3
    dropout: Annotated[float, Range(0, 0.99)] = 0.1
    share_weights: bool = True
    momentum: Annotated[float, Range(0, 1)] = 0.0
    preset: Literal["tiny", "small", "base"] = "tiny"
    n_masked: Literal[3, 6, "uniform"] = 3
    mae_target: Literal["normalised", "pixels"] = "normalised"
    mae_epochs: Annotated[int, Range(1)] = 40
    mae_batch: Annotated[int, Range(1)] = 16
    mae_lr: Annotated[float, Range(0)] = 1e-3

    @property
    def identity(self) -> dict[str, Any]:
        """A hash of the FrameMAE's weights stands in for where it lies."""
        known = self.frame_mae not in ("", EMBEDDED)
        own = {"frame_mae": frame_mae_told(self.frame_mae, option="trainer.frame_mae")["weights"][:16]} if known else {}
        return {**super().identity, **own}
