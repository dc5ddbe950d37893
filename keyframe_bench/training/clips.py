"""The clips that a training reads: decoded once, kept in the feature store, read where they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.clip import Clip
from ..core.errors import ContractError
from ..core.feature import Feature


class Clips(Sequence[Clip]):
    """Clips of one part of a split, opened when they are asked for.

    Parameters
    ----------
    opened : callable
        From the number of a video to the clip of all its sampled frames; it should remember the latest.
    places : int64 [N, 2]
        Of every frame of this part: the number of its video, and its place among the sampled frames of that video.
    mirrored : bool
        Whether frames may be mirrored left to right in training (photographs: yes).
    name : str
        Of the data, for messages and captions.

    Attributes
    ----------
    places : int64 [N, 2]
    n_frames : int
        N.
    """

    def __init__(
        self, opened: Callable[[int], Clip], places: NDArray[np.int64], *, mirrored: bool = False, name: str = ""
    ) -> None:
        self._opened = opened
        self.places = places
        self.mirrored = mirrored
        self.name = name
        self._sorted = places[np.lexsort((places[:, 1], places[:, 0]))]
        self._videos, self._starts = np.unique(self._sorted[:, 0], return_index=True)

    @classmethod
    def of(cls, clips: Sequence[Clip], name: str = "") -> Clips:
        """Return clips in memory as a part of a split that takes all their frames."""
        places = [(number, place) for number, clip in enumerate(clips) for place in range(len(clip))]
        return cls(clips.__getitem__, np.array(places, dtype=np.int64).reshape(-1, 2), name=name)

    @property
    def n_frames(self) -> int:
        """Frames of all clips together."""
        return len(self.places)

    def thinned(self, positions: NDArray[np.int64]) -> Clips:
        """Return the clips of some of the frames, at these ``positions`` of `places`."""
        return Clips(self._opened, self.places[positions], mirrored=self.mirrored, name=self.name)

    def __len__(self) -> int:
        return len(self._videos)

    @overload
    def __getitem__(self, which: int) -> Clip: ...
    @overload
    def __getitem__(self, which: slice) -> list[Clip]: ...
    def __getitem__(self, which: int | slice) -> Clip | list[Clip]:
        """Return the clip of the frames of one video that belong to this part, in order of time."""
        if isinstance(which, slice):
            return [self[i] for i in range(len(self))[which]]
        which = range(len(self))[which]
        end = self._starts[which + 1] if which + 1 < len(self) else len(self._sorted)
        return self._opened(int(self._videos[which])).taken(self._sorted[self._starts[which] : end, 1])

    def __iter__(self) -> Iterator[Clip]:
        # Sequence's own would end at any IndexError, also at one raised while a clip is opened.
        return (self[i] for i in range(len(self)))

    def rows(self, feature: Feature) -> Rows:
        """Return the rows of ``feature`` of all frames of this part, in the order of `places`.

        Raises `ContractError` for a feature over windows, of which a frame has no row.
        """
        if feature.window is not None:
            raise ContractError(
                f"feature {feature.key} has a row per window, not per frame: read clip[feature] of each clip"
            )
        return Rows(lambda video: self._opened(video)[feature], self.places)


class Rows:
    """Rows of a feature of many videos, read from where they are stored when they are asked for.

    ``opened``: from the number of a video to the rows of all its sampled frames, array [n, ...], often memory-mapped;
    ``places`` (int64 [N, 2]): as in `Clips`. ``shape``, ``ndim`` and ``dtype`` are those of all rows as one array.
    """

    def __init__(self, opened: Callable[[int], NDArray[Any]], places: NDArray[np.int64]) -> None:
        self._opened = opened
        self.places = places
        first = opened(int(places[0, 0])) if len(places) else np.zeros((0,))
        self.shape: tuple[int, ...] = (len(places), *first.shape[1:])
        self.ndim, self.dtype = first.ndim, first.dtype

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, part: slice) -> NDArray[Any]:
        """Return the rows of a slice, a new array."""
        return self.take(np.arange(*part.indices(len(self))))

    def take(self, positions: ArrayLike) -> NDArray[Any]:
        """Return the rows at ``positions`` [n] of 0 to N - 1, a new array [n, ...]."""
        index = self.places[np.asarray(positions, dtype=np.int64)]
        found: NDArray[Any] = np.zeros((0, *self.shape[1:]), self.dtype)
        for video in np.unique(index[:, 0]).tolist():
            here = index[:, 0] == video
            rows: NDArray[Any] = np.take(self._opened(video), index[here, 1], axis=0)
            if here.all():
                return rows
            found = found if len(found) else np.empty((len(index), *rows.shape[1:]), rows.dtype)
            if rows.shape[1:] != found.shape[1:]:
                raise ContractError(
                    f"rows of {list(rows.shape[1:])} and of {list(found.shape[1:])} do not fit into one array"
                )
            found[here] = rows
        return found
