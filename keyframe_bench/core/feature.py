"""The feature interface: decoded frames in, one row of numbers per frame, or per window of frames, out."""

from __future__ import annotations

import copy
import itertools
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import ContractError
from .registry import Configurable, Range, Registry
from .sources import source_digest

Height = Annotated[int, Range(1, 4320)]
"""Height in pixels of the small images that a feature is computed on."""
Width = Annotated[int, Range(1, 7680)]
"""Their width."""


class FrameView(Protocol):
    """A decoded frame as features see it: lazy views, each converted once and shared by all features."""

    ordinal: int
    time: float
    width: int
    height: int
    picture_type: str
    key_frame: bool

    def luma(self, height: int, width: int) -> NDArray[np.uint8]:
        """Return the upright grey image, uint8 [height, width], 0 black to 255 white whatever the coded range."""

    def rgb(self, height: int, width: int) -> NDArray[np.uint8]:
        """Return the upright image resized to uint8 [height, width, 3], RGB."""

    def planes(self) -> list[NDArray[np.uint8]]:
        """Return the decoder's 8-bit planes at native size, as coded (no copy, not rotated)."""


class Feature(Configurable, ABC):
    """A small array per frame, or per window of frames, computed in one decode pass.

    Subclasses are registered, take keyword scalars (see `Extractor`), and keep any state of a video in the instance:
    the runner makes a fresh one per video.

    A feature over windows of sampled frames sets ``window``, and usually ``hop``, on the class, in ``__init__`` or as a
    property, and gives `compute_window` beside `compute`. Parameters are part of the key; where these two are none,
    bump ``version`` when they change.

    Attributes
    ----------
    name : str
        Set by `register`.
    version : int
        Part of the key; bump it when rows may change.
    source : {"frames", "packets", "file"}
        "packets" if demuxing may be enough; frames then carry no pixels. "file" if a black box opens the file itself:
        every row is its path, and `compute` is not called.
    elsewhere : bool
        True if the work is done outside the calling thread (another process, a GPU, a library's threads): its cost is
        then wall time, else CPU time of that thread, which the decoder does not inflate.
    stateful : bool
        True when a row depends on earlier frames, hence on the sampling.
    window : int or None
        Sampled frames that a row covers, at least 1; None: there is a row for every frame.
    hop : int or None
        Sampled frames from the start of a window to the start of the next, at least 1; None: ``window``.
    opaque : bool
        True when rows are no measurements (a hash, a file, a code), so that the distance of two says nothing.
    summary : str
        What a row is: shape, unit, range.
    """

    registry: ClassVar[Registry[Feature]] = Registry("feature", "keyframe_bench.features")
    name: ClassVar[str]
    version: ClassVar[int] = 1
    source: ClassVar[Literal["frames", "packets", "file"]] = "frames"
    elsewhere: ClassVar[bool] = False
    stateful: ClassVar[bool] = False
    opaque: ClassVar[bool] = False
    window: int | None = None
    hop: int | None = None
    summary: ClassVar[str] = ""

    @property
    def key(self) -> str:
        """Cache key: name, version and `key_params`.

        `ContractError` where a class that is not registered bears the name of one that is: rows are found by the name.
        """
        owner = self.registry.owner(self.name)
        if owner not in (None, type(self)):
            mine, its = (f"{cls.__module__}.{cls.__qualname__}" for cls in (type(self), owner))
            raise ContractError(f"feature {self.name!r} is {its}, and {mine} has its name; register it under another")
        return f"{self.name}@{self.version}({','.join(f'{name}={value}' for name, value in self.key_params.items())})"

    @property
    def key_params(self) -> Mapping[str, Any]:
        """The parameters as the key tells them; networks give the sha256 of their weights for where they lie."""
        return self.params

    def prepare(self) -> None:
        """Import and load heavy things once before the pass; not part of the feature's cost."""

    @abstractmethod
    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return one row per frame, array [B, ...], for a batch of frames in decode order.

        A feature over windows gives a row for every sampled frame too: what `compute_window` must know of it.
        """

    def compute_window(self, rows: NDArray[Any]) -> ArrayLike:  # noqa: ARG002 - interface
        """Return the row [...] of one window from what `compute` gave for its frames, array [n, ...], a copy.

        n is ``window``, or all frames of a clip that is shorter. Windows come in order, each as soon as it is whole.
        """
        raise ContractError(f"feature {self.key} sets window={self.window}; give it compute_window(rows) as well")

    def windows(self, n_frames: int) -> NDArray[np.int64]:
        """Return the positions that each row covers in a clip of ``n_frames``, int64 [W, 2], half-open, read-only.

        Windows start every ``hop`` frames. The one that the end of the clip would cut starts earlier instead, so that
        it is whole and ends with the clip; a clip shorter than a window has one short window, which is the clip. With
        ``hop <= window`` every frame is covered. Rows of frames cover one frame each. Raises `ContractError` if
        ``window`` or ``hop`` is not a whole number of at least 1.
        """
        window, hop = (1, 1) if self.window is None else (self.window, self.window if self.hop is None else self.hop)
        if any(not isinstance(n, int) or isinstance(n, bool) or n < 1 for n in (window, hop)):
            raise ContractError(
                f"feature {self.key} has window={window!r} and hop={hop!r}; give whole numbers of at least 1"
            )
        ends = np.arange(window, n_frames + 1, hop, dtype=np.int64)
        if len(ends) * hop < n_frames and n_frames not in ends:
            ends = np.append(ends, n_frames)
        found = np.stack([np.maximum(ends - window, 0), ends], axis=1)
        found.flags.writeable = False
        return found

    @property
    def depends_on_sampling(self) -> bool:
        """Whether rows depend on the sampling: they look back, or cover windows."""
        return self.stateful or self.window is not None

    def fresh(self) -> Feature:
        """Return a new instance with the same parameters and no state."""
        return type(self)(**self.params)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Feature) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


class _PrivateFrame:
    """A frame that returns copies: its images are shared, and torch and ctypes ignore read-only flags."""

    def __init__(self, frame: FrameView) -> None:
        self._frame = frame

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._frame, name)
        return (lambda *size: copy.deepcopy(found(*size))) if name in ("luma", "rgb", "planes") else found


def rows_of(feature: Feature, frames: Sequence[FrameView]) -> NDArray[Any]:
    """Return the rows of ``feature``; `ContractError` names it and its file unless there is one per frame.

    Features of plug-ins get copies of the images.
    """
    if source_digest(type(feature)):
        frames = [_PrivateFrame(frame) for frame in frames]
    rows = np.asarray(feature.compute(frames))
    if rows.ndim and len(rows) == len(frames):
        return rows
    given = f"{len(rows)} rows" if rows.ndim else f"a single {type(rows.item()).__name__}"
    later = "" if feature.window is None else ", of which compute_window makes that of a window"
    raise _broken(feature, f"gave {given} for {len(frames)} frames; return an array with a row for each{later}")


def _broken(feature: Feature, what: str) -> ContractError:
    file = getattr(sys.modules.get(type(feature).__module__), "__file__", None) or type(feature).__module__
    return ContractError(f"feature {feature.key} in {file} {what}")


class FeatureRows:
    """The rows of one video as its frames arrive; of a feature over windows it holds those of the last frames.

    ``feature``: rows are computed by a fresh instance.
    """

    def __init__(self, feature: Feature) -> None:
        self.feature = feature.fresh()
        self.feature.windows(0)  # refuses an invalid window before anything is decoded
        self._recent: deque[Any] = deque(maxlen=self.feature.window)
        self._n_frames = self._n_windows = 0
        self._kinds: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}

    def of(self, frames: Sequence[FrameView], *, last: bool) -> Iterator[NDArray[Any]]:
        """Yield the rows, arrays [B, ...], that ``frames`` complete, and the ``last`` ones of the video."""
        batches = [self._alike("frame", rows_of(self.feature, frames))] if frames else []
        window = self.feature.window
        if window is None:
            yield from batches
            return
        hop = self.feature.hop or window
        for row in itertools.chain(*batches):
            self._recent.append(row)
            self._n_frames += 1
            if self._n_frames >= window and (self._n_frames - window) % hop == 0:
                yield self._of_window()
        if last and self._n_windows < len(self.feature.windows(self._n_frames)):
            yield self._of_window()

    def _of_window(self) -> NDArray[Any]:
        row = np.array(self.feature.compute_window(np.stack(self._recent)))  # a copy: a view would keep the window
        if row.dtype.hasobject:
            raise _broken(self.feature, "gave no numbers for a window; return an array from compute_window")
        self._n_windows += 1
        return self._alike("window", row[np.newaxis])

    def _alike(self, whose: str, rows: NDArray[Any]) -> NDArray[Any]:
        shape, dtype = self._kinds.setdefault(whose, (rows.shape[1:], rows.dtype))
        if (rows.shape[1:], rows.dtype) != (shape, dtype):
            raise _broken(self.feature, f"changed the row of a {whose} from {dtype} {list(shape)}")
        return rows


def opens_file(features: Iterable[Feature]) -> bool:
    """Return whether one of these features is a black box that opens the video file itself."""
    return any(feature.source == "file" for feature in features)
