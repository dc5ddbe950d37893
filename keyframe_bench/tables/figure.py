"""What a table draws, or measures besides its runs: named by its YAML file, found like every other plug-in."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.registry import Registry

if TYPE_CHECKING:
    from ..core.checkpoint import Checkpoint
    from ..training.clips import Clips


class Figure(ABC):
    """An image of a table, and what must be measured for it; registered under the name that YAML files use.

    A paper's own are in ``figures.py`` beside its YAML files, as ``<source>/<name>``; those that any table can name in
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

    def check(self, settings: Mapping[str, Any], at: str) -> None:  # noqa: B027 - most have nothing to check
        """Raise `UsageError` where the settings of the YAML file are wrong; ``at`` is their place."""

    def cells(self, table: Any, settings: Mapping[str, Any]) -> Iterable[dict[str, Any]]:  # noqa: ARG002 - interface
        """Return cells of a table: of trainings besides those of its runs, else in place of them; by default none.

        ``table`` is a `keyframe_bench.bench.training_table.TrainingTable`, or a
        `keyframe_bench.bench.record_table.VideoTable`.
        """
        return ()

    def stored(self, checkpoint: Checkpoint, clips: Clips, settings: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return what a training's cell must hold for the image: plain data, not kept in small files."""
        return {}

    def draw(self, cells: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> bytes | None:  # noqa: ARG002 - interface
        """Return the image as PNG, from good cells; None where these hold nothing to draw."""
        return None
