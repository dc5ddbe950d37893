"""What a table draws, or measures besides its runs: named by its YAML file, found like every other plug-in."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ..core.registry import Registry

if TYPE_CHECKING:
    from ..core.checkpoint import Checkpoint
    from ..training.clips import Clips

Cell = Mapping[str, Any]


class Measured(Protocol):
    """What a table hands to a figure that makes cells of its own; of kinds of tables each gives what it has."""

    settings: Mapping[str, Any]
    seeds: Sequence[int]


class Figure(ABC):
    """A picture of a table, and what must be measured for it; subclasses are registered under the name in the YAML file.

    A paper's own are in ``figures.py`` beside its YAML files; those that any table can name in
    `keyframe_bench.report.figures`; for other files they come with ``--plugin``, since they are code.

    Attributes
    ----------
    name : str
        Set by `register`.
    columns : mapping
        Name to `keyframe_bench.metrics.base.Column`: numbers of the cells that `cells` gives.
    options : tuple of str
        What may stand beside ``draw`` or ``make`` in the YAML file.
    """

    registry: ClassVar[Registry[Figure]] = Registry("figure", "keyframe_bench.report.figures")
    name: ClassVar[str]
    columns: ClassVar[Mapping[str, Any]] = {}
    options: ClassVar[tuple[str, ...]] = ()

    def check(self, settings: Mapping[str, Any], at: str) -> None:
        """Raise `UsageError` where the settings of the YAML file are wrong; ``at`` is their place."""

    def cells(self, table: Any, settings: Mapping[str, Any]) -> Iterable[dict[str, Any]]:  # noqa: ARG002 - interface
        """Return further cells of a table that has been measured; by default none."""
        return ()

    def stored(
        self,
        checkpoint: Checkpoint,
        clips: Clips,
        settings: Mapping[str, Any],  # noqa: ARG002 - interface
    ) -> dict[str, Any]:
        """Return what a training's cell must hold for the picture: plain data, not kept in small files."""
        return {}

    def draw(self, cells: Sequence[Cell], settings: Mapping[str, Any]) -> bytes | None:  # noqa: ARG002 - interface
        """Return the picture as PNG, from good cells; None where these hold nothing to draw."""
        return None
