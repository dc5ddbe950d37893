"""Key frames by scores that were computed elsewhere."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip, KeyFrames
from ..core.errors import KeyframeBenchError, UsageError, os_reason, suggestion
from ..core.files import MAX_JSON_BYTES, parse_json, read_file, remembered_sha256
from ..core.registry import Range, register
from ..selection.peaks import peaks
from ..selection.relevance import adaptive, inverse_transform, watershed
from ..selection.spacing import TIME_TOLERANCE_S, nearest_times
from .base import Extractor

FORMAT = "keyframe_bench/scores@1"
_BASES = {"seconds": None, "frames from 0": 0, "frames from 1": 1}  # units: times, or ordinals counted from
_LARGEST = 1e30  # float32 holds it, and no squares are taken


@register("scored_frames")
class ScoredFrames(Extractor):
    """The frames of highest relevance, spread by a rule, by scores from a file: of CLIP, BLIP, a saliency model ...

    A sampled frame has the score of its PTS, or of its ordinal; between two scores the values are interpolated. Each
    rule returns exactly k frames, unless ``as_released``.

    * ``topk``: the k highest scores.
    * ``aks`` (Tang et al. 2025): a segment is halved, with its share of the key frames, until its best scores stand out
      from its mean; each segment gives its best frames.
    * ``inverse_transform`` (BOLT, Liu et al. 2025): frames at evenly spaced quantiles of the cumulated scores.
    * ``watershed``: the peaks that stand out most when the upturned curve is flooded (Vincent and Soille 1991). No
      paper says how to get k of them; here they are ranked by their height above the place where they meet a higher
      one.

    Parameters
    ----------
    scores : str
        Path of the file, JSON or CSV; see the guide "Your videos".
    rule : {"topk", "aks", "inverse_transform", "watershed"}
        How frames are chosen.
    threshold : float
        aks: by how much the best scores must exceed the mean, of scores scaled to 0 to 1.
    depth : int
        aks: how often a segment is halved at most.
    power : float
        inverse_transform: exponent of the scaled scores (in the paper's scripts 3, on LongVideoBench 2.5).
    as_released : bool
        aks, inverse_transform: as the authors' code answers, which may be fewer than k frames.

    Notes
    -----
    As published: the recursion, the quantiles, and the defaults, which are those of the authors' code and scripts.
    Mended, unless ``as_released``: AKS rounds the share of every segment down, and returns nothing for k below 32 where
    all segments are halved five times, and 32 frames for k = 50; it judges every segment by its k best scores, so that
    none of at most k frames stands out. BOLT's quantiles go from 1/k to 1 - 1/k and several may fall on one frame, of
    which it returns duplicates (for k = 2 always); equal scores give the first frame k times. What each rule does
    instead: `keyframe_bench.selection.relevance`.
    """

    reference = "tang2025aks"
    supports = frozenset({"fixed", "inferred"})
    budget_rule = "exactly k: of the highest scores, spread by the rule"
    stochastic = False
    file_parameter = "scores"

    def __init__(
        self,
        scores: str = "",
        rule: Literal["topk", "aks", "inverse_transform", "watershed"] = "topk",
        threshold: Annotated[float, Range(0, 1)] = 0.8,
        depth: Annotated[int, Range(0, 30)] = 5,
        power: Annotated[float, Range(0.01, 100)] = 3.0,
        as_released: bool = False,
    ) -> None:
        self.scores = scores
        self.rule = rule
        self.threshold = threshold
        self.depth = depth
        self.power = power
        self.as_released = as_released

    @property
    def by_score(self) -> bool:  # type: ignore[override]  # depends on a parameter here
        """True with topk only."""
        return self.rule == "topk"

    @property
    def may_return_fewer(self) -> str:  # type: ignore[override]  # depends on parameters here
        """Why there may be fewer: only as released."""
        as_released = {
            "aks": "as released, shares of segments are rounded down",
            "inverse_transform": "as released, quantiles may fall on one frame",
        }
        return as_released.get(self.rule, "") if self.as_released else ""

    def unavailable(self) -> str | None:
        """Return that no scores are given, or what is wrong with the file."""
        if not self.scores:
            return f"no scores are given; {self.give_file('FILE')}"
        try:
            _read(self.scores)
        except KeyframeBenchError as error:
            return str(error)
        return None

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002 - it draws nothing
        """Return the frames that the rule chooses.

        Raises
        ------
        UsageError
            If the file has no scores of this video, or they do not fit it.
        """
        assert k is not None  # there is no free budget
        scores, fallback = _at_frames(_read(self.scores), clip, f"scores file {self.scores!r}"), ""
        as_is = self.as_released
        if self.rule == "aks":
            chosen = adaptive(scores, k, threshold=self.threshold, depth=self.depth, as_released=as_is)
        elif self.rule == "inverse_transform":
            chosen = inverse_transform(scores, k, power=self.power, as_released=as_is)
        else:
            chosen = watershed(scores, k) if self.rule == "watershed" else peaks(scores, k)
        if not len(chosen):
            chosen, fallback = peaks(scores, 1), "as released, no segment has a share of a whole frame"
        return clip.pick(chosen, scores=scores[chosen], frame_scores=scores, fallback=fallback)


class _Scores(NamedTuple):
    """The scores of one video."""

    base: int | None  # what the file counts frames from; None: it has times
    at: NDArray[np.float64]  # seconds, or ordinals counted from 0; increasing, [S]
    scores: NDArray[np.float64]


def _at_frames(known: Mapping[str, _Scores], clip: Clip, where: str) -> NDArray[np.float64]:
    """Return the score of every sampled frame, float64 [N]; `UsageError` where they do not fit the video."""
    video = clip.video
    if video.name not in known:
        raise UsageError(f"{where} has no scores of video {video.name!r}; {suggestion(video.name, known)}")
    base, at, scores = known[video.name]
    frames = clip.times if base is None else clip.ordinals
    step = float(np.median(np.diff(at))) if len(at) > 1 else 1.0
    slack = min(step, video.duration_s)

    def told(moment: float) -> str:
        return f"{moment:g} s" if base is None else f"frame {moment + base:.0f}"

    first, last = video.start_s - slack, video.start_s + video.duration_s + slack
    if base is not None:
        first, last = 0.0, video.n_frames - 1.0
    outside = at[((at < first) & (video.first == 0)) | (at > last)]  # a later part of a video has scores before it
    if outside.size:
        span = f"{video.start_s:g} to {video.start_s + video.duration_s:g} s"
        if base is not None:
            span = f"frame {base} to {video.n_frames - 1 + base}"
        raise UsageError(
            f"{where} has a score of {video.name!r} at {told(outside[0])}, but the video lasts from {span}; give the "
            "scores of this very file"
        )
    away = np.abs(frames - at[nearest_times(at, frames)])
    between = (frames >= at[0]) & (frames <= at[-1])
    # Half a step is usual between two scores, and up to one after the last.
    far = np.flatnonzero(away > np.where(between, 0.75, 1.0) * step + TIME_TOLERANCE_S)
    if far.size:
        apart = f"scores lie {step:g} {'s' if base is None else 'frames'} apart" if len(at) > 1 else "it has one score"
        raise UsageError(
            f"{where} has no score of {video.name!r} near {told(float(frames[far[0]]))}, where a frame is sampled "
            f"({apart}); give scores of the whole video"
        )
    return np.interp(frames, at, scores)


def _read(path: str) -> Mapping[str, _Scores]:
    """Return the scores by video; `UsageError` names the file, the video and what is wrong."""
    try:
        return _parsed(path, remembered_sha256(path))
    except OSError as error:
        raise UsageError(f"scores file {path!r} cannot be read ({os_reason(error)}); give another one") from error


@lru_cache(maxsize=8)
def _parsed(path: str, sha256: str) -> Mapping[str, _Scores]:  # noqa: ARG001 - a changed file is read again
    where = f"scores file {path!r}"
    try:
        text = read_file(path, MAX_JSON_BYTES).decode("utf-8-sig")
        unit, items = _table(text, where) if Path(path).suffix.lower() == ".csv" else _document(parse_json(text), where)
    except UsageError:
        raise
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{where} cannot be used: {error}") from error
    return {item: _checked(pairs, unit, f"{where}, item {item!r}") for item, pairs in items.items()}


def _document(document: Any, where: str) -> tuple[str, dict[str, Any]]:
    """Return the unit and the pairs of every item of a JSON file."""
    told = document if isinstance(document, dict) else {}
    unit, items = told.get("unit"), told.get("items")
    known = told.keys() == {"format", "unit", "items"} and told["format"] == FORMAT
    if not known or not isinstance(items, dict) or not isinstance(unit, str) or unit not in _BASES:
        units = ", ".join(map(json.dumps, _BASES))
        raise UsageError(
            f'{where} is not {{"format": "{FORMAT}", "unit": "seconds", "items": {{"film.mp4": [[0.5, 0.2]]}}}} with a '
            f"unit of {units}"
        )
    return unit, items


def _table(text: str, where: str) -> tuple[str, dict[str, Any]]:
    """Return the unit and the pairs of every item of a CSV file."""
    lines = [[word.strip() for word in row] for row in csv.reader(text.splitlines())]
    header = lines[0] if lines else []
    units = [unit for unit in _BASES if header == ["item", unit, "score"]]
    if not units:
        known = ", ".join(f"item,{unit},score" for unit in _BASES)
        raise UsageError(f"{where} begins with {','.join(header)!r}, not with one of {known}")
    items: dict[str, Any] = {}
    for i, row in enumerate(lines[1:], 2):
        if row and (len(row) != 3 or not row[0]):
            raise UsageError(f"{where}, line {i} is {','.join(row)!r}, not {','.join(header)}")
        if row:
            items.setdefault(row[0], []).append([_number(word) for word in row[1:]])
    return units[0], items


def _number(word: str) -> float | str:
    """Return the number that a word is, else the word."""
    for read in (int, float):
        try:
            return read(word)
        except ValueError:
            pass
    return word


def _checked(pairs: Any, unit: str, where: str) -> _Scores:
    """Return the scores of an item in order; `UsageError` says what is wrong with them."""
    base = _BASES[unit]
    if not isinstance(pairs, list) or not pairs:
        raise UsageError(f"{where} is not a list of pairs [{unit}, score]; leave out what has no scores")
    for pair in pairs:
        numbers = isinstance(pair, list) and all(type(n) in (int, float) and abs(n) < _LARGEST for n in pair)
        if not numbers or len(pair) != 2 or pair[0] < (base or 0) or (base is not None and type(pair[0]) is not int):
            what = "a time of at least 0" if base is None else f"a whole number of at least {base}"
            raise UsageError(f"{where} has {json.dumps(pair)[:60]}, not a pair of {what} and a finite score")
    at, scores = np.array(pairs, dtype=np.float64).T
    order = np.argsort(at, kind="stable")
    twice = np.flatnonzero(np.diff(at[order]) == 0)
    if twice.size:
        raise UsageError(f"{where} has two scores at {at[order][twice[0]]:.10g} ({unit}); give one")
    return _Scores(base, at[order] - (base or 0), scores[order])
