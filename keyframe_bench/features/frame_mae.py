"""What a trained FrameMAE says of windows of 16 sampled frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView
from ..core.registry import register
from ..models.frame_mae_weights import (
    METHOD,
    N_FRAMES,
    PRESETS,
    TrainedBy,
    frame_mae_told,
    load_frame_mae,
    positions_of,
    why_unavailable,
)
from ..video.image_files import fit
from .images import Rgb

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.frame_mae import FrameMAE


class FrameMaeFeature(Feature):
    """Base of the features of a trained FrameMAE: `rows_of_clip` makes the row of a window.

    A clip shorter than a window has one row: its last frame is repeated.
    """

    elsewhere = True
    window = N_FRAMES

    def __init__(
        self,
        *,
        checkpoint: str = "",
        trained_by: TrainedBy = METHOD,
        resize: Literal["crop", "stretch"] = "crop",
        precision: Literal["fp32", "bf16"] = "fp32",
    ) -> None:
        self.checkpoint, self.trained_by, self.resize, self.precision = checkpoint, trained_by, resize, precision

    @property
    def key_params(self) -> Mapping[str, Any]:
        """A hash of the weights stands in for the checkpoint: it is the same in one that embeds them."""
        told = frame_mae_told(self.checkpoint, self.trained_by)
        own = {name: value for name, value in self.params.items() if name not in ("checkpoint", "trained_by")}
        options = told["options"]
        kind = {"positions": positions} if (positions := positions_of(options)) != "flattened" else {}
        return {"weights": told["weights"], **{n: options[n] for n in ("target", "std_floor")}, **kind, **own}

    def unavailable(self) -> str | None:
        """Return why the network cannot run here, or None."""
        return why_unavailable(self.checkpoint, self.trained_by)

    def prepare(self) -> None:
        """Load the network."""
        load_frame_mae(self.checkpoint, self.trained_by)

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.uint8]:
        """Return the images, uint8 [B, side, side, 3]."""
        size = PRESETS[frame_mae_told(self.checkpoint, self.trained_by)["options"]["preset"]]
        side, whole = size.side, Rgb(short_side=size.stored_side)
        if self.resize == "stretch":
            return Rgb(height=side, width=side).compute(frames)
        return np.stack([fit(image, side, side, "crop") for frame in frames for image in whole.compute([frame])])

    def compute_window(self, rows: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the row of one window of images."""
        import torch

        model = load_frame_mae(self.checkpoint, self.trained_by)
        rows = rows[np.minimum(np.arange(N_FRAMES), len(rows) - 1)]  # [16, side, side, 3]
        images = torch.from_numpy(rows).to(model.mean.device)
        clips = images.permute(3, 0, 1, 2)[None].float() / 255  # [1, 3, 16, side, side]
        bf16 = torch.autocast(clips.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode(), bf16:
            found = self.rows_of_clip(model, clips)[0].float().cpu().numpy()
        return np.asarray(found, dtype=np.float32)

    def rows_of_clip(self, model: FrameMAE, clips: Tensor) -> Tensor:
        """Return the rows, [B, ...], of clips [B, 3, 16, side, side]."""
        raise NotImplementedError


@register("frame_mae_errors")
class FrameMaeErrors(FrameMaeFeature):
    """How badly a FrameMAE reconstructs a window from each choice of 2 of its 8 pairs of frames.

    Parameters
    ----------
    checkpoint : str
        The path of a safetensors file that ``keyframe-bench train`` wrote, or "bundled".
    trained_by : {"frame_mae_oracle", "frame_rs"}
        The extractor whose checkpoint it is: the FrameMAE's own, or one that embeds it.
    resize : {"crop", "stretch"}
        The middle of the image, as in training, or all of it with another aspect ratio.
    precision : {"fp32", "bf16"}
        Of the products in the network.
    errors : {"masked_only", "all_frames"}
        See `keyframe_bench.models.frame_masks.pair_errors`.

    Notes
    -----
    Source: Fu et al. 2023, section 4.1. The window has as many sampled frames as the network was trained on; the paper
    samples every other frame.
    """

    summary = "float32 [28], at least 0: mean squared error with tokens (0, 1), (0, 2) ... (6, 7) kept"

    def __init__(
        self,
        *,
        checkpoint: str = "",
        trained_by: TrainedBy = METHOD,
        resize: Literal["crop", "stretch"] = "crop",
        precision: Literal["fp32", "bf16"] = "fp32",
        errors: Literal["masked_only", "all_frames"] = "masked_only",
    ) -> None:
        super().__init__(checkpoint=checkpoint, trained_by=trained_by, resize=resize, precision=precision)
        self.errors = errors

    def rows_of_clip(self, model: FrameMAE, clips: Tensor) -> Tensor:
        """Return the errors, [B, 28]."""
        from ..models.frame_masks import pair_errors

        return pair_errors(model, clips, self.errors)


@register("frame_mae_tokens")
class FrameMaeTokens(FrameMaeFeature):
    """What enters the decoder of a FrameMAE where no frame is masked, its maximum over four bands of a frame.

    Parameters
    ----------
    checkpoint, trained_by, resize, precision
        As for `FrameMaeErrors`.

    Notes
    -----
    Source: Fu et al. 2023, section 3.2.
    """

    summary = "float32 [d, 8, 4], any range: d = 384 for base, 192 for small, 48 for tiny"

    def rows_of_clip(self, model: FrameMAE, clips: Tensor) -> Tensor:
        """Return the maxima, [B, d, 8, 4]."""
        from ..models.frame_masks import pooled_input

        return pooled_input(model, clips)
