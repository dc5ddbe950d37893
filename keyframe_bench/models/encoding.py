"""A trained auto-encoder as extraction uses it: images in, codes and reconstructions out.

On a processor each core encodes one image at a time. That is as quick as batches of any size, since its maps stay in
the cache (``experiments/speed/encoding.py`` measures it), and a row depends on its own image only, to the last bit,
however many are asked for at a time.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..core.errors import UnavailableError, UsageError
from .checkpoint import load_autoencoder, network_id, why_unavailable
from .computing import side_by_side
from .networks import ConvolutionalNetwork

if TYPE_CHECKING:
    from .autoencoder import EncoderDecoder

Precision = Literal["fp32", "bf16"]

_AT_A_TIME = {"cpu": 1, "cuda": 16}  # a GPU needs several images to be busy; their rows then agree up to rounding


class Encoding:
    """A network in evaluation mode: batch normalisation folded into the convolutions, channels last in memory.

    Halves of a network whose layers are not known run as they are, with "bf16" under autocast.

    Parameters
    ----------
    model : EncoderDecoder
        It is copied.
    precision : {"fp32", "bf16"}
        Of the factors of products; sums have 32 bits either way. With "bf16" weights and the maps between layers have 8
        significant bits, but for the last layer of encoder and decoder, a hundredth of the work, so that codes and
        images are not rounded to as few.
    named : str
        What messages call it.
    """

    def __init__(self, model: EncoderDecoder, precision: Precision, named: str = "the network") -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.height, self.width = model.network.input_height, model.network.input_width  # in pixels
        self.named = named
        inner = torch.bfloat16 if precision == "bf16" else torch.float32
        exact = copy.deepcopy(model).eval().requires_grad_(False)
        self._encoder: Sequence[Callable[[Tensor], Tensor]]
        self._decoder: Sequence[Callable[[Tensor], Tensor]]
        if isinstance(model.network, ConvolutionalNetwork):
            exact.to("cpu", torch.float64)
            # Levels 0 to 255 are exact in 8 significant bits, their 255th parts are not: the first layer divides.
            next(exact.encoder.parameters()).div_(255)
            self._encoder, self._decoder = (self._ready(half, inner) for half in (exact.encoder, exact.decoder))
        else:
            exact.to(self.device)
            self._encoder = [_whole(lambda levels: exact.encoder(levels / 255), inner)]
            self._decoder = [_whole(lambda codes: exact.decoder(codes).clamp(0, 1), inner)]
        self._last: tuple[NDArray[np.uint8], NDArray[np.float32]] | None = None

    def codes(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 [B, C, h, w] for uint8 [B, height, width, 3] RGB images.

        The codes of the batch before are kept: where codes and reconstructions are asked for of the same images, they
        are encoded once. Raises `UsageError` if a number is not finite.
        """
        last = self._last
        if last is None or not np.array_equal(last[0], images):
            rows = self._each(lambda part: self._encoded(images[part]), len(images))
            last = self._last = images.copy(), np.concatenate(rows)
        return last[1].copy()

    def reconstructions(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return uint8 [B, height, width, 3] RGB for images of that type and shape; errors as in `codes`."""
        codes = self.codes(images)
        return np.concatenate(self._each(lambda part: self._decoded(codes[part]), len(codes)))

    def warm_up(self) -> None:
        """Encode and decode a black image: the first one takes longer, as kernels are made for these sizes."""
        self.reconstructions(np.zeros((1, self.height, self.width, 3), dtype=np.uint8))
        self._last = None

    def _each(self, function: Callable[[slice], NDArray[Any]], n: int) -> list[NDArray[Any]]:
        """Return what ``function`` gives for the parts of n images that go through the network together."""
        step = _AT_A_TIME[self.device.type]
        parts = [slice(i, i + step) for i in range(0, n, step)]
        return [function(part) for part in parts] if self.device.type == "cuda" else side_by_side(function, parts)

    def _encoded(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        codes = self._through(self._encoder, torch.tensor(images).permute(0, 3, 1, 2))  # [B, C, h, w]
        return codes.contiguous().cpu().numpy()

    def _decoded(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        levels = (self._through(self._decoder, torch.tensor(codes)) * 255).round().to(torch.uint8)  # [B, 3, H, W]
        return levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()

    def _through(self, layers: Sequence[Callable[[Tensor], Tensor]], maps: Tensor) -> Tensor:
        """Return float32 maps, of finite numbers, in the layout of `torch.channels_last`."""
        exact: AbstractContextManager[None] = nullcontext()
        if self.device.type == "cuda":
            exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), exact:
            maps = maps.to(self.device, memory_format=torch.channels_last)
            for layer in layers:
                weight = getattr(layer, "weight", None)
                maps = layer(maps if weight is None else maps.to(weight.dtype))
            maps = maps.float()
            if not math.isfinite(maps.sum().item()):
                raise UsageError(f"{self.named} gives numbers that are not finite; choose another checkpoint")
            return maps

    def _ready(self, part: nn.Module, inner: torch.dtype) -> list[nn.Module]:
        """Return the layers of encoder or decoder, all of one kind: convolutions and functions without weights."""
        layers = [layer for block in part.children() for layer in folded(block)]
        convolutions = [layer for layer in layers if hasattr(layer, "weight")]
        for layer in convolutions:
            dtype = torch.float32 if layer is convolutions[-1] else inner
            layer.to(self.device, dtype).to(memory_format=torch.channels_last)
        return layers


def _whole(half: Callable[[Tensor], Tensor], inner: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Return half of a network as a function of maps of any type."""

    def run(maps: Tensor) -> Tensor:
        with torch.autocast(maps.device.type, torch.bfloat16, enabled=inner == torch.bfloat16):
            return half(maps.float())

    return run


def folded(block: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules of one layer, the batch normalisation folded into the convolution before it."""
    layers = list(block.children())
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)) and isinstance(following, nn.BatchNorm2d):
            yield fuse_conv_bn_eval(layer, following, transpose=isinstance(layer, nn.ConvTranspose2d))
        elif isinstance(layer, nn.ReLU):
            yield nn.ReLU(inplace=True)
        elif not isinstance(layer, nn.BatchNorm2d):
            yield layer


def load_encoding(checkpoint: str, precision: Precision) -> Encoding:
    """Return the network of a checkpoint, loaded and warm; a process keeps the four used last.

    ``checkpoint``: "bundled", or a path. Raises `UnavailableError` if torch or the file is missing; `UsageError` if the
    file is not a checkpoint of an auto-encoder.
    """
    return _load(checkpoint, network_id(checkpoint), precision)


@lru_cache(maxsize=4)
def _load(checkpoint: str, identity: str, precision: Precision) -> Encoding:  # noqa: ARG001 - a changed file is loaded again
    reason = why_unavailable(checkpoint)
    if reason is not None:
        raise UnavailableError(reason)
    model, _ = load_autoencoder(checkpoint)
    network = Encoding(model, precision, f"checkpoint={checkpoint!r}")
    network.warm_up()
    return network
