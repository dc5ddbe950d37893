"""Auto-encoders as tables of layers, those of Chen et al. 2021: sizes, parameters, multiply-accumulates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from ..core.errors import UsageError
from ..core.registry import Range, register
from .base import Network

if TYPE_CHECKING:
    from torch import nn

# Tables 1, 2, 3 and 4 of the paper: input height and width, then "kernel-channels" of every layer of the encoder. The
# printed sizes fix the strides: a 3 x 3 layer keeps the size, a 4 x 4 layer halves it. P1_1 is printed with a width of
# 786, which its own first layer of 192 x 384 contradicts.
_TABLE: Mapping[str, tuple[int, int, str]] = {
    "ae_test_01": (192, 384, "3-8 4-16 4-32 4-64 3-8"),
    "ae_test_02": (192, 384, "3-8 4-8 4-8 4-8 3-8"),
    "p1_1": (384, 768, "4-32 4-64 4-128"),
    "p1_2": (192, 384, "3-32 4-64 4-128"),
    "p1_3": (96, 192, "3-32 3-64 4-128"),
    "p1_4": (48, 96, "3-32 3-32 3-128"),
    "p2_1": (96, 192, "3-32 3-64 4-128 4-64 4-8"),
    "p2_2": (96, 192, "3-32 3-64 4-128 4-64 4-32 4-8"),
    "p2_3": (96, 192, "3-32 3-64 4-128 4-64 4-32 4-32 4-8"),
    "ae_final": (96, 192, "3-32 3-64 4-128 4-64 4-8"),
}
CODE_CHANNELS = 8  # of every network with a bottleneck


@dataclass(frozen=True)
class Layer:
    """One layer of the encoder, a convolution with batch normalisation; the decoder mirrors it."""

    kernel: int
    stride: int
    inputs: int  # channels
    outputs: int
    height: int  # of its output, in pixels
    width: int

    @property
    def params(self) -> int:
        """Weights without bias, and the two numbers per channel of the batch normalisation."""
        return self.kernel**2 * self.inputs * self.outputs + 2 * self.outputs

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.kernel**2 * self.inputs * self.outputs * self.height * self.width

    def __str__(self) -> str:
        return f"{self.kernel}*{self.kernel} conv-{self.outputs}, {self.height}*{self.width}"


class ConvolutionalNetwork(Network):
    """A stack of convolutions and its mirror, as a row of the table of layers says; each row is a registered class.

    Parameters
    ----------
    width : float
        Factor on the channels of every layer, but the 8 of a bottleneck: the ratio of input to code stays the paper's.
    geometry : float
        Factor on height and width of the input.
    p1_4_l2 : {32, 64}
        Channels of the second layer of p1_4: as printed, or as in p1_1 to p1_3. Of no meaning for other networks.
    code_act : {"none", "relu"}
        What follows the batch normalisation of the code. The paper does not say; every other layer has a ReLU, the last
        one a sigmoid.
    up : {"tconv", "nearest_conv"}
        How the decoder doubles a size: transposed convolution 4 x 4, or repeated pixels and a convolution 3 x 3. The
        paper does not say.

    Raises
    ------
    UsageError
        For a geometry in which a halved size is not whole.

    Notes
    -----
    Source: Chen et al. 2021, tables 1 to 4 and section 3.4. The decoder is said there to have as many layers as the
    encoder; here it is its mirror.
    """

    # Height and width of the input in pixels, and "kernel-channels" of every layer of the encoder
    row: ClassVar[tuple[int, int, str]]

    def __init__(
        self,
        *,
        width: Annotated[float, Range(0.01, 8)] = 1.0,
        geometry: Annotated[float, Range(0.05, 8)] = 1.0,
        p1_4_l2: Literal[32, 64] = 32,
        code_act: Literal["none", "relu"] = "none",
        up: Literal["tconv", "nearest_conv"] = "tconv",
    ) -> None:
        self.width = width
        self.geometry = geometry
        self.p1_4_l2 = p1_4_l2
        self.code_act = code_act
        self.up = up
        _ = self.layers

    @classmethod
    def build(cls, name: str, params: Mapping[str, Any] | None = None) -> ConvolutionalNetwork:
        """Return a registered network that has a table of layers, with checked parameters.

        Raises `UsageError` for an unknown name or parameter, or a network of another kind.
        """
        network = cls.registry.build(name, params)
        if not isinstance(network, cls):
            raise UsageError(f"network {name!r} is not a stack of convolutions: it has no layers to list or draw")
        return network

    @property
    def input_height(self) -> int:
        """In pixels."""
        return round(self.row[0] * self.geometry)

    @property
    def input_width(self) -> int:
        """In pixels."""
        return round(self.row[1] * self.geometry)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The encoder's layers; `UsageError` if a size to be halved is odd."""
        found: list[Layer] = []
        inputs, height, width = 3, self.input_height, self.input_width
        rows = self.row[2].split()
        for number, row in enumerate(rows, start=1):
            kernel, outputs = (int(part) for part in row.split("-"))
            if self.name == "p1_4" and number == 2:
                outputs = self.p1_4_l2
            if not (number == len(rows) and outputs == CODE_CHANNELS):
                outputs = max(1, round(outputs * self.width))
            stride = 1 if kernel == 3 else 2
            if height % stride or width % stride or min(height, width) < stride:
                raise UsageError(
                    f"network {self.name!r}: geometry={self.geometry:g} makes layer {number} halve {height} x {width} "
                    f"pixels; choose one that keeps sizes even, such as 1 or {self._near_geometry():.4g}"
                )
            height, width = height // stride, width // stride
            found.append(Layer(kernel, stride, inputs, outputs, height, width))
            inputs = outputs
        return tuple(found)

    def _near_geometry(self) -> float:
        """Return the next larger geometry in which every halved size is whole."""
        full, _, rows = self.row
        step = 1 << sum(row.startswith("4-") for row in rows.split())
        return math.ceil(self.input_height / step) * step / full

    @property
    def code_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the code."""
        last = self.layers[-1]
        return last.outputs, last.height, last.width

    @property
    def encoder_params(self) -> int:
        """Trained numbers of the encoder."""
        return sum(layer.params for layer in self.layers)

    @property
    def encoder_macs(self) -> int:
        """Multiply-accumulates of the encoder for one image; the decoder with ``up="tconv"`` takes as many."""
        return sum(layer.macs for layer in self.layers)

    @property
    def total_params(self) -> int:
        """Trained numbers of encoder and decoder: the last layer has a bias and no batch normalisation."""
        kernels = [3 if self.up == "nearest_conv" else layer.kernel for layer in self.layers]
        decoder = sum(k**2 * x.inputs * x.outputs + 2 * x.inputs for k, x in zip(kernels, self.layers, strict=True))
        return self.encoder_params + decoder - 2 * 3 + 3

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of both for one image.

        A transposed convolution is counted by its input, as it is computed; a convolution by its output.
        """
        repeated = self.up == "nearest_conv"  # 3 x 3 on four times the pixels, in place of 4 x 4
        decoder = (x.macs * 36 // 16 if repeated and x.stride == 2 else x.macs for x in self.layers)
        return self.encoder_macs + sum(decoder)

    @property
    def structure(self) -> tuple[object, ...]:
        """Layers, not names: ``p2_1`` and ``ae_final`` are one network, and ``p1_4_l2`` has no meaning for them."""
        return self.layers, self.code_act, self.up

    def encoder_decoder(self) -> tuple[nn.Module, nn.Module]:
        """Return the encoder of the layers, and its mirror as decoder.

        Every layer is a convolution without bias, batch normalisation and ReLU, except the code (no ReLU unless
        ``code_act`` says so) and the last layer (bias and sigmoid, no normalisation).

        Notes
        -----
        Source: Chen et al. 2021, section 3.2 ("full convolution connection, and each layer of convolution uses a batch
        normalization layer") and tables 1 to 4. Activations and the decoder's operator are not given there.
        """
        from torch import nn

        layers = self.layers
        encoder = []  # of [N, inputs, H, W]
        for x in layers:
            down = nn.Conv2d(x.inputs, x.outputs, x.kernel, x.stride, padding=1, bias=False)  # [N, outputs, H/s, W/s]
            relu = [nn.ReLU()] if x is not layers[-1] or self.code_act == "relu" else []
            encoder.append(nn.Sequential(down, nn.BatchNorm2d(x.outputs), *relu))
        decoder = []  # of [N, outputs, h, w]
        for x in reversed(layers):
            last, up = x is layers[0], list[nn.Module]()
            if x.stride == 2 and self.up == "tconv":
                up.append(nn.ConvTranspose2d(x.outputs, x.inputs, 4, 2, padding=1, bias=last))  # [N, inputs, 2h, 2w]
            else:
                if x.stride == 2:
                    up.append(nn.Upsample(scale_factor=2, mode="nearest"))  # [N, outputs, 2h, 2w]
                up.append(nn.Conv2d(x.outputs, x.inputs, 3, padding=1, bias=last))  # [N, inputs, s h, s w]
            activation = [nn.Sigmoid()] if last else [nn.BatchNorm2d(x.inputs), nn.ReLU()]
            decoder.append(nn.Sequential(*up, *activation))
        return nn.Sequential(*encoder), nn.Sequential(*decoder)


def _registered(name: str, row: tuple[int, int, str]) -> type[ConvolutionalNetwork]:
    """Return the class of a row of the table, registered."""
    cls: type[ConvolutionalNetwork] = type(name, (ConvolutionalNetwork,), {"row": row, "__module__": __name__})
    register(name)(cls)
    network = cls()
    code = " x ".join(map(str, network.code_shape))
    cls.__doc__ = f"Auto-encoder for {network.input_height} x {network.input_width} pixels, code {code}."
    return cls


globals().update({name: _registered(name, row) for name, row in _TABLE.items()})  # pickle looks classes up here
