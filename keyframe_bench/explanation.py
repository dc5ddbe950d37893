"""Why a frame was chosen or not: one extraction, looked at from one frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .api import Extraction, extract
from .core.clip import Clip, KeyFrames, quantiles_of, share_below, watched
from .core.errors import UsageError
from .core.registry import Parameter, Range
from .extractors.asked import DEFAULT_EXTRACTOR, Asked, Inferred, what_decided
from .extractors.base import Extractor, rank_of
from .video.frame_folder import VideoPath
from .video.onepass import Progress

NEIGHBOURS = 5


@dataclass(frozen=True)
class Neighbour:
    """One sampled frame near the one that is explained; ``starts`` says whether a segment begins with it."""

    frame: int
    time: float
    score: float | None
    threshold: float | None
    chosen: bool
    starts: bool


@dataclass(frozen=True)
class Explanation:
    """Why one frame of a video was chosen or not.

    Attributes
    ----------
    video, extractor : str
    params : dict
        Of the extractor.
    budget : str
    k : int or None
        The budget as a number.
    sampling : str
        The one the method works on.
    n_sampled, n_keyframes : int
    frame : int
        Decoder ordinal asked for.
    time : float
        Its PTS in seconds.
    sampled : bool
        Whether the method saw it.
    judged : int
        The sampled frame that everything below is about: the frame itself, or the nearest sampled one in time.
    score, threshold : float or None
        Its score, and the threshold this was compared with; for ``budget="inferred"`` the knee of the sorted scores,
        which those that k was counted from lie above.
    rank : int or None
        1 for the highest score of all sampled frames; None where frames are not chosen by their scores.
    above : float or None
        Share of the sampled frames whose score is lower.
    quantiles : tuple of float
        Of the scores of all sampled frames: median, 0.9, 0.99 and the highest. They say whether a score is large.
    lowest_chosen : float or None
        With k: the smallest score that was enough to be chosen, or to start a segment.
    coverage, coverage_below : float or None
        For ``budget="inferred-coverage"``: share of the sampled frames that k key frames cover, and that k - 1 do.
    chosen : bool
    why : str
        One sentence.
    fallback : str
        Empty, or why the method's rule chose nothing and its key frames are a fallback.
    segment : (int, int) or None
        Half-open range of ordinals it lies in, where the method makes segments.
    key_frame : int
        The key frame that stands for it: that of its segment, or the nearest in time.
    neighbours : tuple of Neighbour
        The judged frame with up to five sampled frames before and after it.
    """

    video: str
    extractor: str
    params: dict[str, Any]
    budget: str
    k: int | None
    sampling: str
    n_sampled: int
    n_keyframes: int
    frame: int
    time: float
    sampled: bool
    judged: int
    score: float | None
    threshold: float | None
    rank: int | None
    above: float | None
    quantiles: tuple[float, ...]
    lowest_chosen: float | None
    coverage: float | None
    coverage_below: float | None
    chosen: bool
    why: str
    fallback: str
    segment: tuple[int, int] | None
    key_frame: int
    neighbours: tuple[Neighbour, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def explain(
    path: VideoPath,
    extractor: str | Extractor = DEFAULT_EXTRACTOR,
    *,
    fps: float | None = None,
    times: str | None = None,
    frame: int | None = None,
    time: float | None = None,
    budget: str | int = 8,
    sampling: str = "2fps",
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Explanation:
    """Extract key frames and say why one frame of the video is among them or not.

    Parameters
    ----------
    path : str, Path or FrameFolder
        Video file, or folder of images.
    extractor : str or Extractor
    frame : int, optional
        Decoder ordinal of the frame, from 0; or give ``time``.
    time : float, optional
        Presentation time in seconds, as `keyframe_bench.extract` gives it: the frame on screen then.
    fps, times, budget, sampling, params, seed, progress
        As for `keyframe_bench.extract`.

    Returns
    -------
    Explanation

    Raises
    ------
    UsageError
        Neither or both of ``frame`` and ``time``, or outside the video; and what `keyframe_bench.extract` raises.

    Examples
    --------
    >>> import keyframe_bench as kb
    >>> found = kb.explain(kb.demo_video(), "pixel_distance", frame=88, budget=4)
    >>> found.sampled, found.chosen, found.n_keyframes
    (True, True, 4)
    """
    if isinstance(frame, np.integer):  # one of `KeyFrames.frames`
        frame = int(frame)
    _check_place(frame, time)
    method = Extractor.registry.build(extractor, params) if isinstance(extractor, str) else extractor
    done = extract(path, method, fps=fps, times=times, budget=budget, sampling=sampling, seed=seed, progress=progress)
    ordinal = _ordinal(done, frame, time)
    asked = Asked.of(method, budget, sampling)
    clip = asked.clip(done.source)
    inferred = what_decided(method, clip, asked.budget, done.k, rng=asked.rng(done.source, done.seed))
    return _explained(method, done, clip, ordinal, inferred)


def _check_place(frame: int | None, time: float | None) -> None:
    if (frame is None) == (time is None):
        raise UsageError("explain needs one frame: frame=N, counted from 0, or time=SECONDS")
    if frame is not None:
        Parameter("frame", (int,), range=Range(0)).check(frame, "explain")
    else:
        Parameter("time", (float,)).check(time, "explain")


def _ordinal(done: Extraction, frame: int | None, time: float | None) -> int:
    last, times, start = done.video.n_frames - 1, done.source.times, done.video.start_s
    if frame is not None:
        if frame > last:
            raise UsageError(f"frame={frame} is beyond the end of {done.video.name}: its last frame is {last}")
        return frame
    assert time is not None
    # On screen is the frame with the latest PTS not after that moment; times are printed to the millisecond.
    shown = np.flatnonzero(times <= time + 0.0005)
    if not shown.size or time > start + done.video.duration_s:
        end = start + done.video.duration_s
        raise UsageError(
            f"time={time:g} is outside {done.video.name}: its frames are shown from {start:.3f} to {end:.3f} s"
        )
    return int(shown[times[shown].argmax()])


def _explained(method: Extractor, done: Extraction, clip: Clip, ordinal: int, inferred: Inferred) -> Explanation:
    result, time = done.keyframes, float(done.source.times[ordinal])
    position = int(np.searchsorted(clip.ordinals, ordinal))
    sampled = position < len(clip) and int(clip.ordinals[position]) == ordinal
    if not sampled:
        position = int(np.abs(clip.times - time).argmin())
    judged, scores = int(clip.ordinals[position]), result.frame_scores
    knee = inferred.threshold
    thresholds = result.thresholds if knee is None else np.full(len(clip), knee)
    segment, key_frame = None, int(result.frames[np.abs(result.times - time).argmin()])
    if result.segments is not None:
        index = max(0, int(np.searchsorted(result.segments[:, 0], ordinal, side="right")) - 1)
        key_frame, segment = int(result.frames[index]), (int(result.segments[index, 0]), int(result.segments[index, 1]))
    view = clip.restricted(method.needs, annotation=False)
    with watched(method, view):
        why = method.why(view, result, position, done.k)
    near = range(max(0, position - NEIGHBOURS), min(len(clip), position + NEIGHBOURS + 1))
    return Explanation(
        video=done.video.name,
        extractor=method.name,
        params=method.params,
        budget=done.budget,
        k=done.k,
        sampling=done.sampling,
        n_sampled=len(clip),
        n_keyframes=len(result),
        frame=ordinal,
        time=time,
        sampled=sampled,
        judged=judged,
        score=None if scores is None else float(scores[position]),
        threshold=None if thresholds is None else float(thresholds[position]),
        rank=None if scores is None or not method.by_score else rank_of(scores, position),
        above=None if scores is None else float(share_below(scores, scores[position])),
        quantiles=() if scores is None else quantiles_of(scores),
        lowest_chosen=None if done.k is None else method.lowest_chosen(result),
        coverage=inferred.coverage,
        coverage_below=inferred.coverage_below,
        chosen=sampled and judged in result.frames,
        why=why,
        fallback=result.fallback,
        segment=segment,
        key_frame=key_frame,
        neighbours=tuple(_neighbour(result, thresholds, clip, p) for p in near),
    )


def _neighbour(result: KeyFrames, thresholds: NDArray[Any] | None, clip: Clip, position: int) -> Neighbour:
    frame, scores = int(clip.ordinals[position]), result.frame_scores
    return Neighbour(
        frame=frame,
        time=float(clip.times[position]),
        score=None if scores is None else float(scores[position]),
        threshold=None if thresholds is None else float(thresholds[position]),
        chosen=frame in result.frames,
        starts=result.segments is not None and frame in result.segments[:, 0],
    )
