"""Rows of picks that another tool made: read from a file, scored like any selection."""

from __future__ import annotations

import functools
import os
from typing import Any

import numpy as np

from ..core.annotation import nearest_frames
from ..core.clip import Clip, KeyFrames
from ..core.errors import UsageError
from ..datasets._picks import Picks, read_picks
from .base import Extractor


class External(Extractor):
    """The picks of a file; a time stands for the frame nearest to it.

    Not registered: a run gives it the name of its row (`External.of`).

    Parameters
    ----------
    file : str
        What `keyframe_bench.datasets._picks.read_picks` reads.
    """

    name = "external"
    supports = frozenset({"fixed", "free"})
    budget_rule = "what its file has"
    may_return_fewer = "its file has fewer picks, or two of them are one frame"
    sampling = "every"
    label = "from a file"
    stochastic = False
    timed = False

    def __init__(self, file: str = "") -> None:
        self.file = file

    @classmethod
    def of(cls, name: str, file: str) -> External:
        """Return the row ``name`` of the picks in ``file``."""
        found = cls(file)
        found.name = name  # type: ignore[misc]  # that of registered classes is the class's
        return found

    @property
    def picks(self) -> Picks:
        """What the file has; `UsageError` as `read_picks`."""
        try:
            about = os.stat(self.file)
        except OSError:  # reading says why
            return read_picks(self.file)
        return _read(self.file, about.st_size, about.st_mtime_ns)

    @property
    def params(self) -> dict[str, Any]:
        """A hash of the picks: by it, not by where the file lies, results are kept and rows told apart."""
        return {"picks": self.picks.digest}

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002 - it draws nothing
        """Return the frames that the file names for the video of this name.

        Raises
        ------
        UsageError
            If a pick lies outside the video, or there are more than ``k``.
        """
        video, picks = clip.video.name, self.picks
        found, about = picks.items[video], f"picks {self.name!r} of {video!r}"
        if not len(found):
            raise UsageError(f"{about} are none; leave the item out of the file where it was not tried")
        if picks.unit == "seconds":
            try:
                found = np.unique(nearest_frames(clip.times, found, about))
            except UsageError as error:
                raise UsageError(f"{error}; write times of this very file, in seconds") from None
        elif found.max() >= len(clip):
            raise UsageError(
                f"{about} name frame {found.max()} counted from 0, but the video has frames 0 to {len(clip) - 1}; "
                'write frames of this very file, or times with "unit": "seconds"'
            )
        if k is not None and len(found) > k:
            raise UsageError(
                f"{about} are {len(found)}, more than the {k} of the budget; give a larger number, or budget=picks, as "
                "many as one file has of each video"
            )
        return clip.pick(found)


@functools.lru_cache(maxsize=8)
def _read(file: str, size: int, changed_ns: int) -> Picks:  # noqa: ARG001 - a changed file is read again
    return read_picks(file)
