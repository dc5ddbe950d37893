"""Auto-encoders as torch modules: what every network becomes, and the layers of stacks of convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .base import Network
    from .networks import Layer


class Autoencoder(nn.Module):
    """Encoder and decoder of a network.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.encoder, self.decoder = network.encoder_decoder()

    def encode(self, images: Tensor) -> Tensor:
        """Return the codes, float [B, C, h, w], of float [B, 3, H, W] images, RGB in 0 to 1."""
        codes: Tensor = self.encoder(images)  # [B, C, h, w]
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Return the images, float [B, 3, H, W], RGB in 0 to 1, of codes [B, C, h, w]."""
        images: Tensor = self.decoder(codes)  # [B, 3, H, W]
        return images

    def forward(self, images: Tensor) -> Tensor:
        """Return the reconstruction of float [B, 3, H, W] images, RGB in 0 to 1, of the same shape and range."""
        return self.decode(self.encode(images))


def mirrored(layers: Sequence[Layer], *, code_act: str, up: str) -> tuple[nn.Sequential, nn.Sequential]:
    """Return the encoder of these layers, and its mirror as decoder.

    Every layer is a convolution without bias, batch normalisation and ReLU, except the code (no ReLU unless
    ``code_act`` says so) and the last layer (bias and sigmoid, no normalisation).

    Notes
    -----
    Source: Chen et al. 2021, section 3.2 ("full convolution connection, and each layer of convolution uses a batch
    normalization layer") and tables 1 to 4. Activations and the decoder's operator are not given there.
    """
    encoder = nn.Sequential(*(_down(layer, relu=layer is not layers[-1] or code_act == "relu") for layer in layers))
    decoder = nn.Sequential(*(_up(layer, up, last=layer is layers[0]) for layer in reversed(layers)))
    return encoder, decoder


def _down(layer: Layer, *, relu: bool) -> nn.Sequential:
    """Return ``layer``: [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
    return nn.Sequential(
        nn.Conv2d(layer.inputs, layer.outputs, layer.kernel, layer.stride, padding=1, bias=False),
        nn.BatchNorm2d(layer.outputs),
        *([nn.ReLU()] if relu else []),
    )


def _up(layer: Layer, up: str, *, last: bool) -> nn.Sequential:
    """Return the mirror of ``layer``: [B, outputs, h, w] to [B, inputs, h stride, w stride]."""
    parts: list[nn.Module] = [nn.Sigmoid()] if last else [nn.BatchNorm2d(layer.inputs), nn.ReLU()]
    if layer.stride == 2 and up == "tconv":
        return nn.Sequential(nn.ConvTranspose2d(layer.outputs, layer.inputs, 4, stride=2, padding=1, bias=last), *parts)
    doubled = [nn.Upsample(scale_factor=2, mode="nearest")] if layer.stride == 2 else []
    return nn.Sequential(*doubled, nn.Conv2d(layer.outputs, layer.inputs, 3, padding=1, bias=last), *parts)
