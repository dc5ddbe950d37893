"""What the training of a FrameMAE can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from ...core.files import remembered_sha256
from ...core.registry import Range
from ...features.images import Rgb, RgbJpeg
from ...models.frame_mae_weights import N_FRAMES, PRESETS, Size
from ...training.options import ModuleOptions


@dataclass(frozen=True, kw_only=True)
class FrameMaeOptions(ModuleOptions):
    """Options of a training: those of `ModuleOptions`, where ``lr`` is the highest learning rate, and these.

    VideoMAE, whose settings the paper keeps, trains with ``lr`` 1.5e-4 for each 256 clips of a batch.

    Parameters
    ----------
    preset : {"tiny", "small", "base"}
        Size of the network: of 64 x 64 pixels for a CPU, and VideoMAE's of 224 x 224.
    n_masked : {3, 6, "uniform"}
        Tokens of 8 that are masked: 3 as in the paper, 6 as it is used afterwards, or 3 to 6 at random.
    target : {"normalised", "pixels"}
        What is predicted: each channel of a patch less its mean over its standard deviation, or the pixels.
    std_floor : float
        Least standard deviation, in units of the range 0 to 1; VideoMAE has none.
    positions : {"auto", "flattened", "separable"}
        As of `keyframe_bench.models.frame_mae.FrameMAE`; "auto": separable for tiny, flattened for VideoMAE's sizes.
    crop : bool
        Whether clips are cut at random: height and width 1, .875, .75 or .66 of the shorter side, not more than a step
        apart. Otherwise, and for validation, the middle.
    stored : {"bytes", "jpeg"}
        How frames are kept on disk: as they are, or as JPEG files in an eighth of the bytes.
    warmup : float
        Epochs in which the learning rate rises to ``lr``; afterwards half a cosine leads to ``lr_end``.
    lr_end : float
    weight_decay : float
        Of AdamW, for weights; biases, normalisations and the mask token have none.
    videomae : str
        A safetensors file of VideoMAE's pre-trained weights to start from; empty: random ones.
    compile : bool
        Whether torch.compile is used: faster on a GPU after a minute, equal up to rounding.
    """

    lr: Annotated[float, Range(0)] = 1e-3
    preset: Literal["tiny", "small", "base"] = "tiny"
    n_masked: Literal[3, 6, "uniform"] = 3
    target: Literal["normalised", "pixels"] = "normalised"
    std_floor: Annotated[float, Range(0, 1)] = 0.0
    positions: Literal["auto", "flattened", "separable"] = "auto"
    crop: bool = True
    stored: Literal["bytes", "jpeg"] = "bytes"
    warmup: Annotated[float, Range(0)] = 2.0
    lr_end: Annotated[float, Range(0)] = 1e-5
    weight_decay: Annotated[float, Range(0)] = 0.05
    videomae: str = ""
    compile: bool = False

    @property
    def identity(self) -> dict[str, Any]:
        """Those on which the result depends: of a file its content."""
        content = {"videomae": remembered_sha256(Path(self.videomae))} if Path(self.videomae).is_file() else {}
        return {**super().identity, **content}

    @property
    def size(self) -> Size:
        """The sizes that ``preset`` names."""
        return PRESETS[self.preset]

    @property
    def pictures(self) -> Rgb | RgbJpeg:
        """What a training reads: whole frames."""
        kind = RgbJpeg if self.stored == "jpeg" else Rgb
        return kind(short_side=self.size.stored_side)

    @property
    def summary(self) -> str:
        """The network's input and parameters."""
        size = self.size
        return f"clips of {N_FRAMES} x {size.side} x {size.side}, {size.n_params:,} parameters"
