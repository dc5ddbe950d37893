"""Codes and reconstructions of a trained auto-encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView
from ..core.registry import register

if TYPE_CHECKING:
    from ..models.encoding import Encoding


class AutoencoderFeature(Feature):
    """Base of the features of a trained auto-encoder; those of one checkpoint encode a frame once in a pass.

    A row is of a frame alone. On a processor it depends on nothing else, to the last bit; on a GPU, which computes
    several frames at a time, rows agree up to rounding.
    """

    elsewhere = True

    def __init__(self, *, checkpoint: str = "bundled", precision: Literal["fp32", "bf16"] = "fp32") -> None:
        self.checkpoint, self.precision = checkpoint, precision

    @property
    def key_params(self) -> dict[str, Any]:
        """The sha256 of the checkpoint stands in for where it lies."""
        from ..models.checkpoint import network_id

        return self.params | {"checkpoint": network_id(self.checkpoint)}

    def unavailable(self) -> str | None:
        """Return why the network cannot run here, or None."""
        from ..models.checkpoint import why_unavailable

        return why_unavailable(self.checkpoint)

    def network(self) -> Encoding:
        """Return the network; a process loads it once."""
        from ..models.encoding import load_encoding

        return load_encoding(self.checkpoint, self.precision)

    def prepare(self) -> None:
        """Load the network, and run it once: the first time takes longer."""
        self.network()

    def images(self, frames: Sequence[FrameView]) -> NDArray[np.uint8]:
        """Return the network's input, uint8 [B, H, W, 3]: the upright images, their aspect ratio not kept."""
        network = self.network()
        return np.stack([frame.rgb(network.height, network.width) for frame in frames])


@register("autoencoder_code")
class AutoencoderCode(AutoencoderFeature):
    """What the encoder of a trained network makes of the image, resized to its input without keeping its shape.

    Parameters
    ----------
    checkpoint : str
        "bundled" (an ``ae_final`` that ships in the package), or the path of a safetensors file that
        ``keyframe-bench train`` wrote. It says which network it is.
    precision : {"fp32", "bf16"}
        Of the products in the network, see `keyframe_bench.models.encoding`. "bf16" is twice as quick where the
        processor has it (avx512_bf16, amx_bf16), and slow elsewhere. It moves codes by half a percent of their spread
        and a seventh of the reconstruction's levels by 1, distances of frames by 0.0001: enough to move a key frame
        here and there, which is why it is no default.

    Notes
    -----
    Source: Chen et al. 2021, sections 3.2 and 3.4.
    """

    summary = "float32 [C, h, w], any range: the code of the image, 8 x 12 x 24 for ae_final"

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.float32]:
        """Return float32 [B, C, h, w]."""
        return self.network().codes(self.images(frames))


@register("reconstruction")
class Reconstruction(AutoencoderFeature):
    """The image that the decoder of a trained network makes of the code, of the size of the network's input.

    Parameters
    ----------
    checkpoint, precision
        As for `AutoencoderCode`.

    Notes
    -----
    Source: Chen et al. 2021, section 3.2. Levels are rounded to 8 bits, a quarter of the floats' size: images are
    kept for the whole video.
    """

    summary = "uint8 [H, W, 3], red, green, blue, 0 to 255: the decoded code, 96 x 192 pixels for ae_final"

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.uint8]:
        """Return uint8 [B, H, W, 3]."""
        return self.network().reconstructions(self.images(frames))
