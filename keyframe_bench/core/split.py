"""Grammar of splits: which part of a data set trains, and which is held out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from .errors import UsageError

_HELP = "use temporal:0.8, videos:0.8, frames:0.8, kfold:5, given, or the path of a FILE.json"
_MOST_FOLDS = 1000


@dataclass(frozen=True)
class Split:
    """How a data set is divided into training and held-out data.

    Attributes
    ----------
    kind : {"temporal", "videos", "frames", "kfold", "given", "file"}
        * ``temporal``: the earlier frames of each video (of each group) train.
        * ``videos``: whole videos (groups) do.
        * ``frames``: random frames. Leaks for videos, where nearly every held-out frame has a training neighbour;
          the usual split of photographs.
        * ``kfold``: whole videos (groups), each held out in one of the folds.
        * ``given``: the data set's own division.
        * ``file``: from a JSON file (`keyframe_bench.training.splits`).
    value : float
        Share that trains, or the number of folds.
    path : str

    Examples
    --------
    >>> Split.parse("kfold:5")
    Split(kind='kfold', value=5.0, path='')
    >>> str(Split.parse("temporal:0.80"))
    'temporal:0.8'
    """

    kind: Literal["temporal", "videos", "frames", "kfold", "given", "file"]
    value: float = 0.0
    path: str = ""

    @classmethod
    def parse(cls, text: str | Split) -> Split:
        """Read a split; `UsageError` shows the grammar."""
        if isinstance(text, Split):
            return text
        word = str(text).strip()
        if word.endswith(".json"):
            return cls("file", path=word)
        if word == "given":
            return cls("given")
        share = re.fullmatch(r"(temporal|videos|frames):(0?\.\d+)", word)
        if share and 0 < float(share[2]) < 1:
            return cls(share[1], float(share[2]))  # type: ignore[arg-type]  # one of the kinds
        folds = re.fullmatch(r"kfold:(\d{1,4})", word)
        if folds and 2 <= int(folds[1]) <= _MOST_FOLDS:
            return cls("kfold", float(folds[1]))
        raise UsageError(f"split={word} is not a split; {_HELP}")

    def __str__(self) -> str:
        if self.kind == "kfold":
            return f"kfold:{self.value:.0f}"
        return {"given": "given", "file": self.path}.get(self.kind, f"{self.kind}:{self.value:.15g}")

    @property
    def by_frames(self) -> bool:
        """Whether frames of one video may lie on both sides."""
        return self.kind in ("temporal", "frames")

    @property
    def drawn(self) -> bool:
        """Whether ``split_seed`` decides what goes where."""
        return self.kind in ("frames", "videos", "kfold")

    @property
    def n_folds(self) -> int:
        """Number of folds; a file has its own."""
        return int(self.value) if self.kind == "kfold" else 1
