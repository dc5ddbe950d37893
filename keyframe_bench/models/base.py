"""The interfaces of networks and losses: registered by name like features, with torch imported only where they run."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.errors import UsageError
from ..core.registry import Configurable, Registry

if TYPE_CHECKING:
    from torch import Tensor, nn


class TrainingPart(Configurable, ABC):
    """What networks and losses share: records of trainings hold the name beside the parameters."""

    name: ClassVar[str]  # set by `register`
    version: ClassVar[int] = 1  # bump it when the same parameters give other results: part of the key of trainings
    name_in_records: ClassVar[str] = "name"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        taken = {"name", cls.name_in_records} & inspect.signature(cls.__init__).parameters.keys()
        if taken:
            raise UsageError(f"{cls.__name__} has a parameter {min(taken)!r}, which means its own name; rename it")

    @property
    def params(self) -> dict[str, Any]:
        """Name and parameters, as records and checkpoints hold them."""
        return {self.name_in_records: self.name, **super().params}


class Network(TrainingPart):
    """An auto-encoder, described without torch: what goes in, what comes out, and how to build it.

    Parameters are keyword scalars, as those of an `Extractor`. Sizes may be attributes of the class, or properties
    that depend on parameters.

    Attributes
    ----------
    input_height, input_width : int
        Of an image, in pixels.
    code_shape : tuple of int
        Channels, height and width of the code.
    """

    registry: ClassVar[Registry[Network]] = Registry("network", "keyframe_bench.models.networks")

    @property
    @abstractmethod
    def input_height(self) -> int:
        """In pixels."""

    @property
    @abstractmethod
    def input_width(self) -> int:
        """In pixels."""

    @property
    @abstractmethod
    def code_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the code."""

    @abstractmethod
    def encoder_decoder(self) -> tuple[nn.Module, nn.Module]:
        """Return both halves with initial weights, drawn from torch's own generator.

        Returns
        -------
        encoder : nn.Module
            Images, float [B, 3, input_height, input_width], RGB in 0 to 1, to codes [B, *code_shape].
        decoder : nn.Module
            Codes to images of that shape and range; what is outside the range is clipped in extraction.
        """

    @property
    def structure(self) -> object:
        """What two networks must share for the weights of one to fit the other."""
        return self.params

    @property
    def compression(self) -> float:
        """Numbers of the input over numbers of the code; below 1 the code is larger than the image."""
        channels, height, width = self.code_shape
        return 3 * self.input_height * self.input_width / (channels * height * width)

    @property
    def total_params(self) -> int | None:
        """Trained numbers of encoder and decoder; None unless a class knows them without building the module."""
        return None

    @property
    def total_macs(self) -> int | None:
        """Multiply-accumulates of both for one image; None unless a class knows them without building the module."""
        return None


class Loss(TrainingPart):
    """How far a reconstruction is from its image: 0 for equal images, with a finite gradient elsewhere.

    Parameters are keyword scalars, as those of an `Extractor`.
    """

    registry: ClassVar[Registry[Loss]] = Registry("loss", "keyframe_bench.models.losses")
    name_in_records: ClassVar[str] = "kind"

    @abstractmethod
    def per_picture(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of every pair, [B], of float32 [B, 3, H, W] images in 0 to 1."""

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the mean of `per_picture`, a scalar, in float32 whatever the precision of the training."""
        import torch

        with torch.autocast(first.device.type, enabled=False):
            return self.per_picture(first.float(), second.float()).mean()
