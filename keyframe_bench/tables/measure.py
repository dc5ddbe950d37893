"""Numbers of a paper's table from cells: means, totals, ratios, differences, growth; with intervals over videos.

Cells of trainings are about seeds instead of videos (``unit`` of a cell), and those of a structure are exact.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import UsageError, suggestion
from .stats import CONFIDENCE, mean_ranks, resampled_means, student_interval

if TYPE_CHECKING:
    import pandas as pd

Excess = Callable[[float], NDArray[Any]]

_FACTS = ("n_sampled", "n_frames", "k")
_WORK = ("features_s", "select_s")
DERIVED = {"ms_per_frame": (*_WORK, "decode_s"), "work_ms_per_frame": _WORK, "work_s": _WORK}  # and what they add up
KINDS = ("mean", "geometric", "sum", "ratio", "difference", "slope", "spread", "lead", "empty")


@dataclass(frozen=True)
class Estimate:
    """A number over videos, or over seeds.

    Attributes
    ----------
    value : float
    low, high : float or None
        95 % interval: percentile bootstrap over videos, Student's t over seeds; None for fewer than two, and where a
        ratio is to nothing. Of what is exact, the number itself.
    n : int
        Videos or seeds.
    unit : {"video", "seed", "exact"}
    excess : callable or None
        Limit to one number [n] a video or seed, whose mean is above 0 where ``value`` is above the limit; None of what
        is exact.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    unit: str = "video"
    excess: Excess | None = field(default=None, repr=False, compare=False)


_MAPPINGS = {"params": ("params", ""), "trainer": ("training", "trainer.")}


def chosen(cells: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """Return the good cells that ``where`` describes.

    Parameters
    ----------
    cells : pandas.DataFrame
        Of `load_results`.
    where : mapping
        Field to a value or a list of them; ``params`` and ``trainer`` (options of the training) are mappings of which
        every entry must be equal.
    """
    found = cells[cells["status"] == "ok"]
    for name, wanted in where.items():
        if name in _MAPPINGS:
            column, prefix = _MAPPINGS[name]
            entries = {f"{prefix}{key}": value for key, value in wanted.items()}.items()
            same = [entries <= json.loads(text).items() for text in found[column]]
            found = found[np.array(same, dtype=bool)]
        else:
            found = found[_is_one_of(found[name], wanted if isinstance(wanted, list) else [wanted])]
    return found


def _is_one_of(column: pd.Series[Any], values: list[Any]) -> pd.Series[bool]:
    """Compare numbers as numbers (a budget is text, ``k`` a float), everything else as text."""
    import pandas as pd

    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        return pd.to_numeric(column, errors="coerce").isin(values)
    return column.astype(str).isin([str(v) for v in values])


def number(cells: pd.DataFrame, name: str | list[str]) -> pd.Series[float]:
    """Return number ``name`` of every cell: a metric, a cost, a fact, or one of those derived here.

    ``ms_per_frame`` is the whole cost (decoding, features, selection) per decoded frame, ``work_ms_per_frame`` that
    without decoding, ``work_s`` features and selection in seconds. Of a list ``[a, b]`` it is a minus b.

    Raises
    ------
    UsageError
        If the results have no such number.
    """
    if name in _FACTS:
        return cells[name].astype(float)
    if isinstance(name, list):
        return number(cells, name[0]) - number(cells, name[1])
    if name in DERIVED:
        seconds = sum((_stored(cells, part) for part in DERIVED[name]), start=_stored(cells, "select_s") * 0)
        return seconds if name == "work_s" else 1000 * seconds / cells["n_frames"].astype(float)
    return _stored(cells, name)


def _stored(cells: pd.DataFrame, name: str) -> pd.Series[float]:
    for prefix in ("metric", "cost"):
        if f"{prefix}.{name}" in cells:
            return cells[f"{prefix}.{name}"]
    known = [*_FACTS, *DERIVED, *(str(c).partition(".")[2] for c in cells if str(c).startswith(("metric.", "cost.")))]
    hint = suggestion(name, known, "run.json lists the columns")
    raise UsageError(f"these results have no number {name!r}; {hint}")


def estimate(
    cells: pd.DataFrame, measure: Mapping[str, Any], where: Mapping[str, Any] | None = None
) -> Estimate | None:
    """Return what ``measure`` says about ``cells``, or None when no video has it, or it is not finite.

    Parameters
    ----------
    cells : pandas.DataFrame
        Of `load_results`.
    measure : mapping
        One of the kinds below, as `keyframe_bench.tables.experiment_schema` checks, with ``where`` (see `chosen`):

        ``mean: x`` and ``sum: x``, over videos;
        ``geometric: x``, their geometric mean, or ``geometric: [{value, where}, {value, where}]``, the ratio of two,
        paired over videos; None where a number is not above 0;
        ``ratio: [{value, where}, {value, where}]``, of the totals; over seeds the geometric mean of the ratios;
        ``difference: [...]``, of the means, paired over videos (a ``value`` may be a list, see `number`);
        ``slope: [y, x]``, mean over videos of the slope of log y against log x: the exponent of growth;
        ``spread: y``, mean over videos of the slope of the standard deviation between methods against log2 of k, of the
        methods (with their settings) that the video has at every k;
        ``lead: {among: [where, ...], highest: [x, ...], lowest: [y, ...]}``, mean over videos of how far the first of
        ``among`` is ahead in the mean of its ranks by these numbers (1 is the best, equals share theirs): the smallest
        mean rank of the others minus its own, above 0 where it is the best of all;
        ``empty: true``, nothing.
    where : mapping, optional
        Of the row, merged under the measure's own.
    """
    unit = str(cells["unit"].iloc[0]) if len(cells) else "video"
    kind = next(k for k in KINDS if k in measure)
    part = {**(where or {}), **(measure.get("where") or {})}
    what = measure[kind]
    if kind == "empty":
        return None
    if kind == "geometric":
        return _geometric(cells, part, what if isinstance(what, list) else [{"value": what}], unit)
    if kind in ("mean", "sum"):
        values = _per_video(chosen(cells, part), what).to_numpy()[:, None]
        values = values * len(values) if kind == "sum" else values
    elif kind in ("ratio", "difference"):
        pair = [_per_video(chosen(cells, {**part, **(q.get("where") or {})}), q["value"]) for q in what]
        values = np.stack(pair[0].align(pair[1], join="inner"), axis=1)
        values = values if kind == "ratio" else values[:, :1] - values[:, 1:]
    elif kind == "lead":
        values = _finite(_leads(cells, part, what))
    else:
        slope = _spread if kind == "spread" else _slope
        values = _finite([slope(video, what) for _, video in chosen(cells, part).groupby("video_id")])
    return _over_videos(values) if unit == "video" else _over_seeds(values, unit)


def _geometric(
    cells: pd.DataFrame, where: Mapping[str, Any], of: list[Mapping[str, Any]], unit: str
) -> Estimate | None:
    """Return the geometric mean of one number of ``of``, or the ratio of those of two: through their logarithms."""
    import pandas as pd

    columns = [_per_video(chosen(cells, {**where, **(one.get("where") or {})}), one["value"]) for one in of]
    numbers = pd.concat(columns, axis=1, join="inner").to_numpy(dtype=float)
    if not (numbers > 0).all():
        return None
    logs = np.log(numbers[:, :1]) - np.log(numbers[:, 1:]).sum(axis=1, keepdims=True)
    found = _over_videos(logs) if unit == "video" else _over_seeds(logs, unit)
    if found is None:
        return None
    low, high = (None if end is None else math.exp(end) for end in (found.low, found.high))

    def excess(limit: float) -> NDArray[Any]:
        beyond: NDArray[Any] = logs[:, 0] - (math.log(limit) if limit > 0 else -math.inf)
        return beyond

    return replace(found, value=math.exp(found.value), low=low, high=high, excess=excess if found.excess else None)


def _finite(found: ArrayLike) -> NDArray[np.float64]:
    """Return numbers [n, 1] without those of videos that have no rank or no slope."""
    values = np.asarray(found, dtype=np.float64)
    return values[np.isfinite(values)][:, None]


def _per_video(cells: pd.DataFrame, name: str | list[str]) -> pd.Series[float]:
    """Mean over the cells (seeds) of each video."""
    return number(cells, name).groupby(cells["video_id"]).mean().dropna()


def _leads(cells: pd.DataFrame, where: Mapping[str, Any], what: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the lead of the first of those compared, of every video that all of them have [n]."""
    import pandas as pd

    signed = [(name, -1) for name in what.get("highest", [])] + [(name, 1) for name in what.get("lowest", [])]
    parts = [chosen(cells, {**where, **one}) for one in what["among"]]
    columns = [sign * _per_video(part, name) for name, sign in signed for part in parts]
    table = pd.concat(columns, axis=1, join="inner").to_numpy().reshape(-1, len(signed), len(parts))
    ranks = np.array([mean_ranks(row) for row in table.reshape(-1, len(parts))]).reshape(table.shape).mean(axis=1)
    leads: NDArray[np.float64] = ranks[:, 1:].min(axis=1) - ranks[:, 0]
    return leads


def _over_videos(values: NDArray[Any]) -> Estimate | None:
    """Return the mean of ``values`` [videos, 1], or the ratio of those of [videos, 2]; None if not finite."""
    n = len(values)
    if n == 0:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(_combined(values.mean(axis=0)))
        resampled = _combined(resampled_means(values)) if n > 1 else np.zeros(0)
    if not np.isfinite(value):
        return None  # a ratio to nothing
    if n == 1 or not np.isfinite(resampled).all():
        return Estimate(value, None, None, n)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(resampled, [tail, 100 - tail])
    weights = values[:, 1] if values.shape[1] == 2 else np.ones(n)
    sign = np.sign(weights.mean())
    return Estimate(value, float(low), float(high), n, excess=lambda limit: sign * (values[:, 0] - limit * weights))


def _combined(means: NDArray[Any]) -> NDArray[Any]:
    return means[..., 0] / means[..., 1] if means.shape[-1] == 2 else means[..., 0]


def _over_seeds(values: NDArray[Any], unit: str) -> Estimate | None:
    """Return the mean of one number a seed [n, 1], or the geometric mean of the ratios of two [n, 2].

    With Student's t interval, for ratios that of the mean of their logarithms: three values are too few to resample.
    """
    ratio = values.shape[1] == 2
    if len(values) == 0 or not np.isfinite(values).all() or (ratio and not (values > 0).all()):
        return None  # no number, or a ratio to nothing
    back: Callable[[float], float] = math.exp if ratio else float
    found = np.log(values[:, 0] / values[:, 1]) if ratio else values[:, 0]
    mean = back(found.mean())
    if unit == "exact":
        return Estimate(mean, mean, mean, len(found), unit)

    def excess(limit: float) -> NDArray[Any]:
        if not ratio:
            return found - limit
        return found - (math.log(limit) if limit > 0 else -math.inf)

    low, high = map(back, student_interval(found)) if len(found) > 1 else (None, None)
    return Estimate(mean, low, high, len(found), unit, excess)


def _slope(video: pd.DataFrame, names: list[str]) -> float:
    """Slope of log y against log x over the (three or more) different x of one video."""
    y, x = (number(video, name) for name in names)
    points = y.groupby(x).mean()
    points = points[points > 0]
    if len(points) < 3:
        return float("nan")
    return float(np.polyfit(np.log(points.index.to_numpy(dtype=float)), np.log(points.to_numpy(dtype=float)), 1)[0])


def _spread(video: pd.DataFrame, name: str) -> float:
    """Slope of the standard deviation between methods against log2 k."""
    by_method = number(video, name).groupby([video["k"].astype(float), video["group"].map(_method_of)]).mean()
    spread = by_method.unstack(level=1).dropna(axis=1).std(axis=1, ddof=0)
    if len(spread) < 2 or not np.isfinite(spread).all():
        return float("nan")
    return float(np.polyfit(np.log2(spread.index.to_numpy(dtype=float)), spread.to_numpy(), 1)[0])


def _method_of(group: str) -> str:
    """Return a group without budget and sampling; of a method that learned it ends with training and split."""
    dataset, extractor, version, label, _, _, *rest = json.loads(group)
    return json.dumps([dataset, extractor, version, label, *rest])
