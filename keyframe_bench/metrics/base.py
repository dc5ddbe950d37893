"""The metric interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..core.annotation import Annotation
from ..core.clip import Clip, KeyFrames
from ..core.errors import UsageError
from ..core.feature import Feature
from ..core.registry import Configurable, Registry


@dataclass(frozen=True)
class Column:
    """One number a metric gives.

    Attributes
    ----------
    direction : {"higher", "lower", "none"}
        Which side is better; "none" for facts.
    unit : str
        "1", "s", "MB", ...
    headline : bool
        Shown in the comparison table; the others are in the results only.
    about : str
        One phrase.
    signed : bool
        It may be below 0, as a correlation is.
    """

    direction: Literal["higher", "lower", "none"]
    unit: str
    about: str
    headline: bool = False
    signed: bool = False


class Metric(Configurable, ABC):
    """A pure function ``(key frames, clip, annotation) -> numbers``.

    Attributes
    ----------
    columns : dict
        Name of each number to its `Column`; every call returns exactly these, or nothing when the annotation lacks
        what ``requires`` names.
    requires : {"users", "importance", "shots", "events", "scenes", None}
        The part of the annotation it is measured against; users without key frames are no part of "users", nor those
        without frame scores of "importance".
    reference : str
        BibTeX key of the source, or "none".
    measures_cost : bool
        Whether it reads what the extraction has cost, not its frames alone: computed for every draw, and not of human
        annotators.
    """

    registry: ClassVar[Registry[Metric]] = Registry(
        "metric", "keyframe_bench.metrics", columns=lambda metric: metric.columns
    )
    name: ClassVar[str]
    version: ClassVar[int] = 1
    reference: ClassVar[str] = "none"
    requires: ClassVar[Literal["users", "importance", "shots", "events", "scenes"] | None] = None
    columns: ClassVar[dict[str, Column]] = {}
    measures_cost: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "wants" in vars(cls):
            raise UsageError(f"metric class {cls.__name__} sets `wants`, which is called `requires` now; rename it")
        if cls.requires not in (None, "users", "importance", "shots", "events", "scenes"):
            raise UsageError(
                f"metric class {cls.__name__}: requires={cls.requires!r} is not users, importance, shots, events, "
                "scenes or None"
            )

    @property
    def needs(self) -> tuple[Feature, ...]:
        """Features that `compute` reads, on every decoded frame."""
        return ()

    @abstractmethod
    def compute(self, keyframes: KeyFrames, clip: Clip, annotation: Annotation | None) -> dict[str, float]:
        """Return the columns, all finite.

        Parameters
        ----------
        keyframes : KeyFrames
            The summary to be judged; it may be empty.
        clip : Clip
            Every decoded frame (``clip.ordinals`` is 0..N-1), with the features of ``needs``.
        annotation : Annotation or None
            Aligned: users carry ordinals and times.
        """

    def applies(self, annotation: Annotation | None) -> bool:
        """Say whether the annotation has what ``requires`` names."""
        if self.requires is None or annotation is None:
            return self.requires is None
        if self.requires == "importance":
            return any(user.importance is not None for user in annotation.users)
        part = annotation.choosers if self.requires == "users" else getattr(annotation, self.requires)
        return part is not None and len(part) > 0
