"""Training data: pictures of one size in memory, split into training and validation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.params import Configurable
from ..core.registry import Registry

_NAMED = 3  # files that a line names
_COUNTED = {  # facts, and what a line calls them
    "unreadable": "unreadable",
    "copies": "equal to others and left out",
    "alike": "on the side of one that they look like",
}


@dataclass(frozen=True, eq=False)
class Pictures:
    """What a network is trained and validated on.

    Attributes
    ----------
    train, validation : uint8 [N, height, width, 3]
        RGB. They may be memory-mapped.
    name : str
        Of the data, for captions: "imagenet_sample", "one_by_one_person.mp4", "rendered camera A".
    digest : str
        Changes when the pictures do: part of the key of every training.
    facts : dict
        Plain data for the record: counts, split, what was left out and why.
    flip : bool
        Whether pictures may be mirrored left to right while training (photographs: yes; a fixed camera: no).
    """

    train: NDArray[np.uint8]
    validation: NDArray[np.uint8]
    name: str
    digest: str
    facts: dict[str, object] = field(default_factory=dict)
    flip: bool = False


class TrainingData(Configurable, ABC):
    """A source of pictures.

    Attributes
    ----------
    name : str
        Set by `register`.
    description : str
        One phrase for ``keyframe-bench list``.
    layout : str
        How the files must lie: printed when they do not.
    """

    registry: ClassVar[Registry[TrainingData]] = Registry("training data", "keyframe_bench.training.sources")
    name: ClassVar[str]
    version: ClassVar[int] = 1
    description: ClassVar[str] = ""
    layout: ClassVar[str] = ""

    @abstractmethod
    def digest(self) -> str:
        """Return what identifies files and options, without decoding all of them: names, sizes, hashes."""

    @abstractmethod
    def pictures(self, height: int, width: int) -> Pictures:
        """Return the pictures at this size.

        Raises
        ------
        UsageError
            If there are none, or only one.
        """


def defects(facts: Mapping[str, object]) -> list[str]:
    """Count and name what a source could not read or left out, and where it found damage.

    Parameters
    ----------
    facts : mapping
        Of `Pictures`: ``unreadable``, ``copies`` and ``alike`` are counts with ``unreadable_names`` and so on, or files
        with what is to be said; ``problems`` are files with lists of reasons.

    Returns
    -------
    list of str
        ``5 unreadable: a.jpg: truncated, b.jpg: no picture, c.jpg: truncated and 2 more``; empty if all is well.
    """
    found = []
    for key, what in _COUNTED.items():
        told, names = facts.get(key), facts.get(f"{key}_names")
        if isinstance(told, Mapping):
            found.append(_named(what, len(told), [f"{name}: {why}" for name, why in told.items()]))
        elif isinstance(told, int):
            found.append(_named(what, told, list(names) if isinstance(names, Sequence) else []))
    problems = facts.get("problems")
    if isinstance(problems, Mapping):
        found.append(_named("with problems", len(problems), [f"{n}: {', '.join(w)}" for n, w in problems.items()]))
    return [text for text in found if text]


def _named(what: str, count: int, names: Sequence[str]) -> str:
    if not count:
        return ""
    more = f" and {count - _NAMED} more" if count > _NAMED and names else ""
    return f"{count} {what}: {', '.join(names[:_NAMED])}{more}" if names else f"{count} {what}"
