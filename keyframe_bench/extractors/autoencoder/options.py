"""What the training of an auto-encoder can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, cast

from ...core.registry import Registry, parameters_of
from ...features.images import Rgb
from ...models.base import Loss, Network
from ...training.options import NetworkOptions

SMALL_STEP_MACS = 1_000_000_000  # forward, below which threads wait for each other more than they compute


@dataclass(frozen=True, kw_only=True)
class AutoencoderOptions(NetworkOptions):
    """Options of a training: those of `NetworkOptions`, and the parameters of the network and of the loss.

    Chen et al. give none of `NetworkOptions` (here: Adam, cosine).

    Parameters
    ----------
    network, loss : str
        Registered names; their parameters are options too.
    resize : {"stretch", "letterbox", "crop"}
        How an image gets the network's shape: all of it with another aspect ratio, all of it between black bars, or
        its middle. Frames that the trained network looks at are stretched.
    """

    choices: ClassVar[Mapping[str, Registry[Any]]] = {"network": Network.registry, "loss": Loss.registry}

    network: str = "ae_final"
    loss: str = "mix"
    resize: Literal["stretch", "letterbox", "crop"] = "stretch"

    @property
    def built_network(self) -> Network:
        """The network that is chosen."""
        return cast(Network, self.chosen("network"))

    @property
    def built_loss(self) -> Loss:
        """The loss that is chosen."""
        return cast(Loss, self.chosen("loss"))

    @cached_property
    def counts(self) -> tuple[int, int]:
        """The network's trained numbers, and its multiply-accumulates for one image: counted unless its class knows."""
        params, macs = self.built_network.total_params, self.built_network.total_macs
        if params is None or macs is None:
            from ...models.contract import checked_counts

            return checked_counts(self.built_network)
        return params, macs

    @property
    def summary(self) -> str:
        """The network's input, code, parameters and multiply-accumulates."""
        network, (params, macs) = self.built_network, self.counts
        code = " x ".join(map(str, network.code_shape))
        return (
            f"input {network.input_height} x {network.input_width}, code {code} ({network.compression:.3g} : 1), "
            f"{params:,} parameters, {macs / 1e6:,.2f} million multiply-accumulates per image"
        )

    @property
    def pictures(self) -> Rgb:
        """The network's input."""
        network = self.built_network
        return Rgb(height=network.input_height, width=network.input_width, resize=self.resize)

    @property
    def common_pictures(self) -> Rgb:
        """The same at the size at which networks with inputs of different sizes are compared: that of ``ae_final``."""
        network = self.built_network
        if "geometry" not in parameters_of(type(network)):
            return self.pictures
        final, scale = Network.registry.build("ae_final"), network.params["geometry"]
        height, width = round(final.input_height * scale), round(final.input_width * scale)
        return Rgb(height=height, width=width, resize=self.resize)

    @property
    def torch_threads(self) -> int | None:
        """Threads of torch; None leaves its own choice."""
        small = self.counts[1] * self.batch < SMALL_STEP_MACS
        return 1 if self.threads is None and small else self.threads
