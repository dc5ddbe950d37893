"""What the metrics by looks share: each of them stands twice, by hue and by grey pictures."""

from __future__ import annotations

from typing import ClassVar

from ..core.feature import Feature
from .base import Metric
from .looks import Looks


class Visual(Metric):
    """A metric by one family of features, named by ``looks``, so that no selector is judged by its own feature only."""

    looks: ClassVar[type[Looks]]

    @property
    def needs(self) -> tuple[Feature, ...]:
        """The family's feature."""
        return (self.looks.feature,)
