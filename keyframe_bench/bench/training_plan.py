"""What a table of trainings consists of, as objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..models.base import Loss, Network
from ..models.networks import ConvolutionalNetwork
from .training_sets import slots_of

Size = tuple[int, int]


@dataclass(frozen=True)
class TrainingOptions:
    """What the command line says about a table of trainings.

    Attributes
    ----------
    data : mapping
        Data set to a path or ``rendered``.
    trainings : Path
        Folder in which trainings are kept by their keys, and found again by other tables.
    seeds : sequence of int or None
        Instead of the scale's.
    trainer : mapping
        Options of the trainer instead of the scale's.
    """

    data: Mapping[str, str] = field(default_factory=dict)
    trainings: Path = Path("outputs/trainings")
    seeds: Sequence[int] | None = None
    trainer: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One run of the table as objects.

    Attributes
    ----------
    name : str
    network : Network
    loss : Loss
    data : str
        What it is trained on.
    slots : list of str
        What it is evaluated on: ``data`` first.
    init, against : str
        Other runs, or empty.
    """

    name: str
    network: Network
    loss: Loss
    data: str
    slots: list[str]
    init: str = ""
    against: str = ""

    @property
    def size(self) -> Size:
        """Height and width of the network's input."""
        return self.network.input_height, self.network.input_width


@dataclass
class TrainingSummary:
    """What was done.

    Attributes
    ----------
    out : Path
    n_trained : int
        Trainings made now; the others were found.
    failures : list of str
        One line each.
    """

    out: Path
    n_trained: int = 0
    failures: list[str] = field(default_factory=list)


def run_of(run: Mapping[str, Any], settings: Mapping[str, Any]) -> Run:
    """Return a run of a YAML file at the settings of a scale.

    Raises
    ------
    UsageError
        If network or loss are wrong.
    """
    network = Network.registry.build(run["network"], {**(settings.get("network") or {}), **run.get("params", {})})
    loss = {"kind": "mix", **run.get("loss", {})}
    others = {name: run.get(name, "") for name in ("init", "against")}
    built = Loss.registry.build(loss.pop("kind"), loss)
    return Run(run["name"], network, built, run["data"], slots_of(run), **others)


def common_size(runs: Sequence[Run], settings: Mapping[str, Any]) -> Size | None:
    """Return the size at which all are compared where inputs differ: that of ae_final at this geometry."""
    if len({run.size for run in runs}) < 2:
        return None
    final = Network.registry.build("ae_final", {"geometry": (settings.get("network") or {}).get("geometry", 1.0)})
    return final.input_height, final.input_width


def structure_text(network: Network) -> str:
    """Return a network in one line: input size, then kernel and channels of every layer, or the size of the code.

    >>> structure_text(ConvolutionalNetwork.build("p1_3"))
    '96*192: 3*3 conv-32, 3*3 conv-64, 4*4 conv-128'
    """
    if isinstance(network, ConvolutionalNetwork):
        parts = ", ".join(str(layer).rpartition(",")[0] for layer in network.layers)
    else:
        parts = f"code {'*'.join(map(str, network.code_shape))}"
    return f"{network.input_height}*{network.input_width}: {parts}"
