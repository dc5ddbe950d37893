"""Something-Something V2 as it is published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from ..core.errors import UsageError
from ..core.registry import Range, register
from ._published import PublishedSet
from .base import Published

_PARTS: tuple[Literal["train", "validation"], ...] = ("train", "validation")


@register("something_v2")
@dataclass(eq=False)
class SomethingV2(PublishedSet):
    """Short videos of someone doing something with things: many, with a label each, and without key frames.

    Parameters
    ----------
    root, annotations, fps
        As of `PublishedSet`.
    n_train, n_validation : int
        Videos of either part, evenly spread over those that are listed; 0: all. Fu et al. (2023) train on 50,000 and
        validate on 10,000.

    Notes
    -----
    ``train.json`` and ``validation.json`` hold ``[{"id": "78687", "label": "holding potato next to ...", ...}, ...]``;
    in the first release their names begin with ``something-something-v2-``. The videos are ``ID.webm``.
    """

    n_train: Annotated[int, Range(0)] = 0
    n_validation: Annotated[int, Range(0)] = 0

    description = "short videos of actions with things, for training"
    reference = "goyal2017something"
    licence = "research"
    layout = "20bn-something-something-v2/ID.webm and labels/train.json, labels/validation.json"
    page = "https://developer.qualcomm.com/software/ai-datasets/something-something"
    usual_split = "given"

    def published(self) -> Mapping[str, Published]:
        """Return label and part of every video that is listed."""
        found: dict[str, Published] = {}
        for path in self.annotation_files("*.json"):
            part = next((part for part in _PARTS if path.stem in (part, f"something-something-v2-{part}")), None)
            if part is None:
                continue
            with self.reading(path):
                listed = [(str(entry["id"]), str(entry["label"])) for entry in json.loads(path.read_bytes())]
            n = min((self.n_train if part == "train" else self.n_validation) or len(listed), len(listed))
            taken = (listed[(2 * i + 1) * len(listed) // (2 * n)] for i in range(n))
            found |= {name: Published(title=label, part=part) for name, label in taken}
        if not found:
            raise UsageError(f"data set {self.name!r}: there is no train.json or validation.json; {self._way_out}")
        return found

    def verify(self) -> list[str]:
        """Return what is missing or cannot be read, one line each: there are no annotations."""
        return [line for line in super().verify() if not line.endswith("the annotation is absent")]
