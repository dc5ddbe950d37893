"""Networks as they are listed in the paper: one cell a layer, with parameters and multiply-accumulates; exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keyframe_bench.core.cells import FORMAT
from keyframe_bench.core.files import digest
from keyframe_bench.core.registry import register
from keyframe_bench.metrics.base import Column
from keyframe_bench.models.base import Network
from keyframe_bench.models.networks import ConvolutionalNetwork
from keyframe_bench.tables.figure import Figure

from .network_diagram import network_diagram_png

_ABOUT = {
    "params": "trained numbers",
    "mmacs": "million multiply-accumulates per image",
    "total_params": "trained numbers of encoder and decoder",
    "total_mmacs": "million multiply-accumulates per image of encoder and decoder",
    "layers": "layers of the encoder",
    "channels": "channels that come out",
    "height": "pixels",
    "width": "pixels",
    "ratio": "numbers of the input over numbers of the code",
}


@register("chen2021/structure")
class Structure(Figure):
    """The layers of ``networks``, as cells whose label says which ("input", "layer 1", "whole")."""

    columns = {name: Column("none", "1", about) for name, about in _ABOUT.items()}  # noqa: RUF012 - never changed
    options = ("networks",)

    def cells(self, table: Any, settings: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        """Return the cells of every network, counted from the layer table of the code."""
        for name in settings["networks"]:
            yield from _cells(_network(name), table.experiment.source)


@register("chen2021/diagram")
class Diagram(Figure):
    """The drawing of one ``network``: every map between its layers, with sizes, from input to output."""

    options = ("network",)

    def draw(self, cells: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> bytes | None:  # noqa: ARG002
        """Return the image; it needs no results."""
        return network_diagram_png(_network(settings["network"]))


def _network(name: str) -> ConvolutionalNetwork:
    network = Network.registry.build(name)
    assert isinstance(network, ConvolutionalNetwork)
    return network


def _cells(network: ConvolutionalNetwork, reference: str) -> list[dict[str, Any]]:
    """Return the cells of a network: its input, every layer of its encoder, and the whole.

    ``structure`` is the text that the paper's tables print there.
    """
    size = {"height": network.input_height, "width": network.input_width, "channels": 3}
    parts: list[tuple[str, str, Mapping[str, float]]] = [("input", f"{size['height']}*{size['width']}", size)]
    for number, layer in enumerate(network.layers, start=1):
        numbers = {"params": layer.params, "mmacs": layer.macs / 1e6, "channels": layer.outputs}
        parts.append((f"layer {number}", str(layer), {**numbers, "height": layer.height, "width": layer.width}))
    channels, height, width = network.code_shape
    whole = {
        "layers": len(network.layers),
        "params": network.encoder_params,
        "mmacs": network.encoder_macs / 1e6,
        "total_params": network.total_params,
        "total_mmacs": network.total_macs / 1e6,
        "channels": channels,
        "height": height,
        "width": width,
        "ratio": network.compression,
    }
    parts.append(("whole", f"{channels}*{height}*{width}", whole))
    params = {key: value for key, value in network.params.items() if key != "name"}
    return [
        {
            "format": FORMAT,
            "key": digest([network.params, label]),
            "status": "ok",
            "extractor": network.name,
            "params": {**params, "part": label},
            "label": label,
            "structure": text,
            "reference": reference,
            "unit": "exact",
            "dataset": "none",
            "video": "structure",
            "seed": 0,
            "metrics": dict(metrics),
        }
        for label, text, metrics in parts
    ]
