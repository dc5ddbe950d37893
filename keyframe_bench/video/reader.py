"""What all readers of videos have: frames in order, their times, and a health record."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .frame import Frame
from .health import Health
from .ledger import Ledger


class Reader(ABC):
    """Read one video from start to end, once.

    Use it as a context manager and iterate; `health`, `times` and `pts` are complete after the last frame.

    Attributes
    ----------
    path : path-like
    ledger : Ledger or None
        Shared by the frames, for cost accounting.
    health : Health
    frame_s : float
        Nominal duration of one frame in seconds.
    width, height : int
        Upright size of the first frame in pixels.
    """

    health: Health
    frame_s: float

    def __init__(self, path: Any, ledger: Ledger | None = None) -> None:
        self.path = path
        self.ledger = ledger
        self.width = self.height = 0
        self._pts, self._seconds, self._keys = array("q"), array("d"), array("b")

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order; `VideoError` at the end where there was none."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what was opened."""

    @property
    @abstractmethod
    def seekable(self) -> bool:
        """Whether PTS identify frames, so that single ones can be sought."""

    @property
    def times(self) -> NDArray[np.float64]:
        """PTS of the frames read so far, in seconds, float64 [N]."""
        return np.array(self._seconds, dtype=np.float64)

    @property
    def pts(self) -> NDArray[np.int64]:
        """PTS of the frames read so far in the video's time base (continued where missing), int64 [N]."""
        return np.array(self._pts, dtype=np.int64)

    @property
    def keys(self) -> NDArray[np.bool_]:
        """Key flag of the frames read so far, bool [N]."""
        return np.array(self._keys, dtype=np.bool_)

    def _note(self, frame: Frame, pts: int) -> None:
        self._pts.append(pts)
        self._seconds.append(frame.time)
        self._keys.append(frame.key_frame)
