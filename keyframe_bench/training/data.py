"""Training data: pictures of one size in memory, split into training and validation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.params import Configurable
from ..core.registry import Registry


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
