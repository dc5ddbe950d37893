"""What an extractor reads and returns: the features of one video, and its key frames."""

from __future__ import annotations

import math
import pickle
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .annotation import Annotation
from .errors import ContractError, RowsWrittenError
from .feature import Feature
from .sources import source_digest

_DTYPES = {
    **{"frames": np.int64, "times": np.float64, "scores": np.float64, "segments": np.int64},
    **{"frame_scores": np.float32, "thresholds": np.float32},
}


@dataclass(frozen=True, eq=False)
class KeyFrames:
    """Key frames of one video, in order of time.

    Attributes
    ----------
    frames : int64 [K]
        0-based ordinals in the order in which the decoder returns the frames, strictly increasing.
    times : float64 [K]
        Presentation times (PTS) in seconds, as the container states them.
    scores : float64 [K] or None
        The number by which the method chose each key frame, in its own terms: the change that opens its segment, the
        share of its cluster, the score of the frame itself. How the frame itself scores: `own_scores`.
    segments : int64 [K, 2] or None
        Half-open range of ordinals that each key frame stands for.
    frame_scores : float32 [N] or None
        Score of every sampled frame.
    cost : dict
        Seconds: ``decode_s``, ``features_s``, ``select_s``.
    thresholds : float32 [N] or None
        The threshold that each frame score was compared with; None where there was none (a budget of k key frames).
    scored : int64 [N] or None
        Ordinals of the sampled frames, where `frame_scores` are given; not stored.
    fallback : str
        Empty, or why the method's rule chose nothing and these frames are a fallback ("nothing above the threshold").
    shortfall : str
        Empty, or why there are fewer than requested.
    repeated : tuple of int
        Ordinals that were picked more than once, for error messages; not stored.
    """

    frames: NDArray[np.int64]
    times: NDArray[np.float64]
    scores: NDArray[np.float64] | None = None
    segments: NDArray[np.int64] | None = None
    frame_scores: NDArray[np.float32] | None = None
    cost: Mapping[str, float] = field(default_factory=dict)
    thresholds: NDArray[np.float32] | None = None
    fallback: str = ""
    shortfall: str = ""
    repeated: tuple[int, ...] = ()
    scored: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def threshold_range(self) -> tuple[float, float] | None:
        """The lowest and the highest threshold, or None. The first frame's is left out: no change comes before it."""
        if self.thresholds is None:
            return None
        limits = self.thresholds[1:] if len(self.thresholds) > 1 else self.thresholds
        return float(limits.min()), float(limits.max())

    @property
    def own_scores(self) -> NDArray[np.float64] | None:
        """Score of each key frame among `frame_scores`, float64 [K]; None where these are not given, or not kept."""
        if self.frame_scores is None or self.scored is None:
            return None
        return self.frame_scores[np.searchsorted(self.scored, self.frames)].astype(np.float64)

    def moved(self, by: int) -> KeyFrames:
        """Return the same key frames with every ordinal shifted by ``by``."""
        segments = None if self.segments is None else self.segments + by
        repeated = tuple(frame + by for frame in self.repeated)
        scored = None if self.scored is None else self.scored + by
        return replace(self, frames=self.frames + by, segments=segments, repeated=repeated, scored=scored)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers; `from_json` restores all of them but `repeated` and `scored`."""
        arrays = {name: None if (a := getattr(self, name)) is None else a.tolist() for name in _DTYPES}
        return arrays | {"cost": dict(self.cost), "fallback": self.fallback, "shortfall": self.shortfall}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> KeyFrames:
        """Read what `to_json` wrote."""
        arrays: dict[str, Any] = {
            name: None if data.get(name) is None else np.asarray(data[name], dtype) for name, dtype in _DTYPES.items()
        }
        if arrays["segments"] is not None:
            arrays["segments"] = arrays["segments"].reshape(-1, 2)
        texts = {name: data.get(name, "") for name in ("fallback", "shortfall")}
        return cls(**arrays, cost=dict(data.get("cost", {})), **texts)


@dataclass(frozen=True)
class VideoInfo:
    """Facts about one decoded video.

    Attributes
    ----------
    name : str
        How tables and reports call it.
    n_frames : int
        Decoded frames (never the container's count).
    start_s, duration_s : float
        First PTS, and last PTS plus one frame minus first PTS, in seconds.
    width, height : int
        Upright size in pixels.
    rotation : int
        Degrees by which the coded picture is turned counter-clockwise for display: 0, 90, 180 or 270.
    sha256 : str
        Of the file's bytes.
    first : int
        Ordinal of the frame at ``start_s``: above 0 in `Clip.later`.
    """

    name: str
    n_frames: int
    start_s: float = 0.0
    duration_s: float = 0.0
    width: int = 0
    height: int = 0
    rotation: int = 0
    sha256: str = ""
    first: int = 0

    @property
    def fps(self) -> float:
        """Mean decoded frames per second of video (0 when the duration is unknown)."""
        return (self.n_frames - self.first) / self.duration_s if self.duration_s > 0 else 0.0


@dataclass(frozen=True, eq=False)
class Clip:
    """Sampled frames of one video with the features that were asked for, aligned.

    Attributes
    ----------
    video : VideoInfo
        The whole video.
    ordinals : int64 [N]
        Decoder ordinals of the sampled frames, increasing.
    times : float64 [N]
        Their PTS in seconds.
    columns : mapping
        Feature key to array [N, ...], of a feature over windows [W, ...]; read them with ``clip[feature]``.
    annotation : Annotation or None
        Only ``fit``, metrics and privileged extractors see it.
    spans : mapping
        Key of each feature over windows to the positions its rows cover; read them with ``clip.windows(feature)``.
    """

    video: VideoInfo
    ordinals: NDArray[np.int64]
    times: NDArray[np.float64]
    columns: Mapping[str, NDArray[Any]]
    annotation: Annotation | None = None
    spans: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ordinals)

    def __getitem__(self, feature: Feature) -> NDArray[Any]:
        """Return the rows of ``feature``, read-only: array [N, ...], or [W, ...] where it is one over windows.

        `ContractError` if it was not declared in needs.
        """
        try:
            return self.columns[feature.key]
        except KeyError:
            declared = ", ".join(self.columns) or "none"
            raise ContractError(f"feature {feature.key} was not declared in needs (declared: {declared})") from None

    def windows(self, feature: Feature) -> NDArray[np.int64]:
        """Return which positions each row of ``feature`` covers, int64 [W, 2], half-open: see `Feature.windows`.

        `ContractError` if it was not declared in needs.
        """
        n_rows = len(self[feature])
        return self.spans.get(feature.key, feature.windows(len(self)))[:n_rows]

    def restricted(self, needs: Iterable[Feature], *, annotation: bool) -> Clip:
        """Return a view with only the columns of ``needs``, with or without the annotation."""
        columns = {f.key: self.columns[f.key] for f in needs if f.key in self.columns}
        known = self.annotation if annotation else None
        return Clip(self.video, self.ordinals, self.times, columns, known, self.spans)

    def prefix(self, n: int) -> Clip:
        """Return the clip of the first ``n`` sampled frames, as a live stream would have shown it.

        Of features over windows it has the rows of windows that lie wholly inside, perhaps none.
        """
        video = self.video
        if n < len(self):  # the stream ends just before the next sampled frame
            seconds = float(self.times[n]) - video.start_s
            video = replace(video, n_frames=int(self.ordinals[n]), duration_s=seconds)
        part = replace(self, annotation=None).taken(np.arange(n))
        return replace(part, video=video, annotation=self.annotation)

    def later(self, start: int, start_s: float) -> Clip:
        """Return the clip of the frames from ordinal ``start`` on, perhaps none, as if the video began there.

        ``start_s`` is the PTS of that frame; ordinals and times stay as they are.
        """
        positions = np.flatnonzero(self.ordinals >= start)
        if not len(positions):
            return replace(self, ordinals=self.ordinals[:0], times=self.times[:0], columns={}, annotation=None)
        seconds = self.video.start_s + self.video.duration_s - start_s
        video = replace(self.video, start_s=start_s, duration_s=seconds, first=start)
        known = self.annotation
        return replace(self.taken(positions), video=video, annotation=known and known.within(start, video.n_frames))

    def taken(self, positions: NDArray[np.int64]) -> Clip:
        """Return the clip of the sampled frames at ``positions``, increasing; the video stays the whole one.

        Of the annotation only what lies between the first and the last of them is left; of features over windows the
        rows of windows that lie wholly inside.
        """
        if len(positions) == len(self):
            return self
        first, end = int(positions[0]), int(positions[-1]) + 1
        part = slice(first, end) if end - first == len(positions) else positions  # neighbours are not copied
        before = np.append(0, np.cumsum(np.isin(np.arange(len(self)), positions)))  # taken ones before each position
        whole = {key: before[w[:, 1]] - before[w[:, 0]] == w[:, 1] - w[:, 0] for key, w in self.spans.items()}
        known = self.annotation
        return replace(
            self,
            ordinals=self.ordinals[part],
            times=self.times[part],
            columns={key: rows[whole.get(key, part)] for key, rows in self.columns.items()},
            spans={key: before[windows[whole[key]]] for key, windows in self.spans.items()},
            annotation=known and known.within(int(self.ordinals[first]), int(self.ordinals[end - 1]) + 1),
        )

    def chosen(self, within_s: float) -> NDArray[np.bool_]:
        """Return which sampled frames lie within ``within_s`` seconds of one that a human annotator chose, bool [N].

        `ContractError` if the clip has no annotation: only ``fit``, ``evaluate`` and privileged extractors see it.
        """
        gaps = np.abs(self.times[:, None] - np.concatenate([np.zeros(0), *self._chosen_times()]))
        return np.asarray(gaps.min(axis=1, initial=np.inf) <= within_s)

    def choices(self) -> list[NDArray[np.int64]]:
        """Return the positions of the sampled frames nearest to what each human annotator chose, increasing, int64 [K].

        Annotators who chose nothing here are left out. `ContractError` as `chosen`.
        """
        return [np.unique(np.abs(self.times[:, None] - times).argmin(axis=0)) for times in self._chosen_times()]

    def _chosen_times(self) -> list[NDArray[np.float64]]:
        if self.annotation is None:
            raise ContractError(f"the clip of {self.video.name!r} has no annotation; only fit and evaluate see it")
        return [user.times for user in self.annotation.choosers if user.times is not None]

    def pick(
        self,
        positions: ArrayLike,
        *,
        scores: ArrayLike | None = None,
        segments: ArrayLike | None = None,
        frame_scores: ArrayLike | None = None,
        thresholds: ArrayLike | None = None,
        fallback: str = "",
    ) -> KeyFrames:
        """Return the key frames at ``positions`` of this clip: the only place where positions become ordinals and PTS.

        Raises `ContractError` if a position lies outside the clip or the lengths do not match.

        Parameters
        ----------
        positions : int [K]
            Indices into the sampled frames, in any order; duplicates are removed (the first one's values stay).
        scores : float [K], optional
            Number by which the method chose each position, in its own terms; need not be one of ``frame_scores``.
        segments : int [K, 2], optional
            Half-open range of positions each key frame stands for.
        frame_scores : float [N], optional
            Score of every sampled frame: what is shown as the score of a frame.
        thresholds : float [N], optional
            The threshold that each frame score was compared with.
        fallback : str
            Where the method's rule chose nothing and these frames stand in: why, in a few words.
        """
        where = np.asarray(positions, dtype=np.int64).reshape(-1)
        if where.size and (where.min() < 0 or where.max() >= len(self)):
            raise ContractError(f"position {int(where.max())} is outside the clip's {len(self)} sampled frames")
        unique, first, counts = np.unique(where, return_index=True, return_counts=True)

        def aligned(what: str, values: ArrayLike | None, n: int, dtype: Any) -> Any:
            array = None if values is None else np.asarray(values, dtype=dtype)
            if array is not None and len(array) != n:
                raise ContractError(f"{what} has {len(array)} entries for {n} frames")
            return array

        own = aligned("scores", scores, where.size, np.float64)
        spans = aligned("segments", segments, where.size, np.int64)
        if spans is not None:
            spans = np.append(self.ordinals, self.video.n_frames)[spans.reshape(-1, 2)[first]]
        return KeyFrames(
            self.ordinals[unique],
            self.times[unique],
            None if own is None else own[first],
            spans,
            aligned("frame_scores", frame_scores, len(self), np.float32),
            thresholds=aligned("thresholds", thresholds, len(self), np.float32),
            fallback=fallback,
            repeated=tuple(self.ordinals[unique[counts > 1]].tolist()),
            scored=None if frame_scores is None else self.ordinals,
        )


def share_below(scores: NDArray[Any], value: ArrayLike) -> NDArray[np.float64]:
    """Return the share of finite scores that lie below each value, which says whether it is large; float64 [...]."""
    known = np.sort(scores[np.isfinite(scores)])
    shares: NDArray[np.float64] = np.searchsorted(known, value) / max(1, len(known))
    return shares


def quantiles_of(scores: NDArray[Any]) -> tuple[float, ...]:
    """Return median, 0.9 and 0.99 quantile and maximum of the finite scores; nothing where there are none."""
    known = scores[np.isfinite(scores)]
    return tuple(np.quantile(known, (0.5, 0.9, 0.99, 1)).tolist()) if len(known) else ()


def standing(score: float, above: float, quantiles: Sequence[float]) -> str:
    """Return in words where a score stands among all, from `share_below` and `quantiles_of`; shares are rounded down.

    >>> standing(249, 249 / 250, (124.5, 224.1, 246.5, 249)), standing(248, 248 / 250, (124.5, 224.1, 246.5, 249))
    ('the highest', 'above 99%')
    """
    return "the highest" if above > 0 and score >= quantiles[-1] else f"above {math.floor(100 * above + 1e-9)}%"


def quantiles_told(quantiles: Sequence[float]) -> str:
    """Return in words what `quantiles_of` gives.

    >>> quantiles_told(quantiles_of(np.arange(101)))
    'half below 50, 90 % below 90, 99 % below 99, highest 100'
    """
    return "half below {:.4g}, 90 % below {:.4g}, 99 % below {:.4g}, highest {:.4g}".format(*quantiles)


@contextmanager
def watched(owner: Any, clip: Clip, result: KeyFrames | None = None, *, own: bool = False) -> Iterator[None]:
    """Raise an error that names ``owner``, a method or metric, if the block modifies ``clip`` or ``result``.

    The arrays are shared; torch and ctypes ignore that they are read-only. Raises `RowsWrittenError`.
    """
    cls: type = type(owner)
    if not own and not source_digest(cls):
        yield
        return
    shared = {"ordinals": clip.ordinals, "times": clip.times, "annotation": clip.annotation, "key frames": result}
    shared |= {f"rows of {key}": rows for key, rows in clip.columns.items()}
    before = {name: _checksum(value) for name, value in shared.items()}
    try:
        yield
    finally:
        written = [name for name, value in shared.items() if _checksum(value) != before[name]]
        if written:
            raise RowsWrittenError(
                f"{owner.registry.kind} {owner.name!r} writes into {', '.join(written)}, which all methods share; "
                "work on a copy: clip[feature].copy()"
            )


def _checksum(value: object) -> int:
    """Return the CRC-32 of everything in ``value``, whose arrays are not copied."""
    arrays: list[pickle.PickleBuffer] = []
    state = zlib.crc32(pickle.dumps(value, protocol=5, buffer_callback=arrays.append))
    for array in arrays:
        state = zlib.crc32(array.raw(), state)
    return state


def read_only(arrays: Sequence[NDArray[Any]]) -> None:
    """Make every array of ``arrays`` refuse writing."""
    for array in arrays:
        array.flags.writeable = False
