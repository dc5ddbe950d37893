"""Rows of numbers about single frames, computed when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT_BYTES = 4_000_000

AT_A_TIME = 32
"""Frames computed together, so that memory does not grow with their number."""


class Kept:
    """A row of numbers for a frame; the summaries of a sweep have many key frames in common.

    Parameters
    ----------
    width : int
        Numbers in a row.
    dtype : type
        Of what is kept.
    compute : callable
        From ordinals [B] to rows [B, width]. It must not refer to the owner: memory would then go late.
    """

    def __init__(
        self, width: int, dtype: type[np.floating], compute: Callable[[NDArray[np.int64]], NDArray[np.floating]]
    ) -> None:
        room = max(AT_A_TIME, KEPT_BYTES // max(1, width * np.dtype(dtype).itemsize))
        self._rows = np.empty((room, width), dtype=dtype)
        self._places: dict[int, int] = {}
        self._compute = compute

    def parts(self, frames: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield ranges of ``frames`` and their rows, [at most `AT_A_TIME`, width]."""
        for start in range(0, len(frames), AT_A_TIME):
            part = slice(start, min(start + AT_A_TIME, len(frames)))
            yield part, self._of(frames[part].tolist())

    def _of(self, frames: list[int]) -> NDArray[Any]:
        new = list(dict.fromkeys(frame for frame in frames if frame not in self._places))
        if len(self._places) + len(new) > len(self._rows):
            self._places, new = {}, list(dict.fromkeys(frames))  # full: begin anew
        if new:
            first = len(self._places)
            self._rows[first : first + len(new)] = self._compute(np.array(new, dtype=np.int64))
            self._places |= {frame: first + i for i, frame in enumerate(new)}
        rows: NDArray[Any] = self._rows[[self._places[frame] for frame in frames]]
        return rows
