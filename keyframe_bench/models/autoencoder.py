"""What every network becomes: an auto-encoder as a torch module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from .base import Network


class EncoderDecoder(nn.Module):
    """Encoder and decoder of a network."""

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
