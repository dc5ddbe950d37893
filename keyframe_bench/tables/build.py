"""From results to the comparison table."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.cells import HUMAN
from .load import latest, per_video
from .notes import notes_for
from .ranking import PerVideo, compare_rows, discriminability, mark_best, normalise_rows
from .spec import ColumnSpec, Role, Row, Table, Value
from .stats import bootstrap_interval

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_SET = ("params", "training", "split")
_VERSION = "@version"  # no parameter can be called so
_ORDER: dict[Role, int] = {"control": 0, "method": 1, "ceiling": 2}


def comparison(
    results: pd.DataFrame,
    columns: Mapping[str, Mapping[str, Any] | ColumnSpec],
    *,
    title: str = "",
    rivals: Sequence[str] = (),
) -> Table:
    """Return one row per extractor as it was run.

    Cells are averaged when they share data set, extractor, version, parameters, label, budget and sampling (and, of
    what learned, options of the training and split): first the seeds and folds of a video, then the videos, so that a
    video with more seeds does not weigh more. If a cell was computed twice (another revision of the data set, another
    sampling of the run) the one finished last counts. Videos of equal bytes are one video; the numbers of the copies
    are averaged, as their annotations may differ.

    A value is best when no row of the same data set and budget is better as shown (ties are all best; nothing is best
    alone). Ceilings are not ranked, neither are rows whose mean covers fewer videos than the others' means: they may
    lack the hard ones. Controls are ranked. Intervals and comparisons are over videos too. ``results``: of
    `load_results`; ``columns``: column name to its ``run.json`` entry (direction, unit, about, headline, metric) or
    `ColumnSpec`; ``title``: default: data set, budget and sampling where all rows share them; ``rivals``: extractors
    with which all methods are compared, as they are with `uniform`.
    """
    specs = [c if isinstance(c, ColumnSpec) else ColumnSpec.parse(name, c) for name, c in columns.items()]
    cells = latest(results)
    numbers = {spec.name: _by_group(per_video(cells, spec.name)) for spec in specs if spec.headline}
    shared = _shared(cells)
    rows = [_row(str(group), part, numbers, shared) for group, part in cells.groupby("group", sort=False)]
    rows.sort(key=_position)
    used = tuple(s for s in specs if any(s.name in row.values for row in rows))
    ranked = [column for column in used if column.is_ranked]
    mark_best(rows, ranked)
    normalise_rows(rows, ranked, numbers)
    table = Table(
        title or _title(rows),
        used,
        tuple(rows),
        comparisons=compare_rows(rows, ranked, numbers, rivals),
        rivals=tuple(rivals),
        discriminability=discriminability(rows, ranked, numbers),
    )
    return replace(table, notes=notes_for(table, cells))


def narrowed(table: Table, names: Sequence[str], results: pd.DataFrame) -> Table:
    """Return the ``table`` of ``results`` with the columns of ``names`` alone, in that order, where there are names.

    Rows, ranks and tests stay as they are. The first note names those of which no row has a number.
    """
    if not names:
        return table
    columns = {column.name: column for column in table.columns}
    chosen = tuple(columns[name] for name in names if name in columns)
    compared = tuple(one for one in table.comparisons if one.column in names)
    told = tuple(one for one in table.discriminability if one.column in names)
    small = replace(table, columns=chosen, comparisons=compared, discriminability=told)
    absent = ", ".join(name for name in names if name not in columns)
    why = (
        f"left out, as no video has such a number: {absent} (keyframe-bench list NAME says which annotations one needs)"
    )
    return replace(small, notes=(*([why] if absent else []), *notes_for(small, latest(results))))


def _by_group(series: pd.Series[float]) -> dict[str, NDArray[np.float64]]:
    """One array a group, all over the same videos, NaN where a group has none."""
    wide = series.unstack(level=0).sort_index()  # sums do not depend on the order of the lines then
    return {str(group): wide[group].to_numpy(dtype=float) for group in wide}


def _shared(cells: pd.DataFrame) -> dict[str, set[str]]:
    """Parameters (and the version) that are the same in all rows of each extractor, and so need not be shown."""
    shared: dict[str, set[str]] = {}
    for extractor, part in cells.groupby("extractor", sort=False):
        settings = [_setting(line) for _, line in part.drop_duplicates(list(_SET)).iterrows()]
        names = {name for setting in settings for name in setting}
        same = {n for n in names if len({json.dumps(s.get(n, "<absent>"), sort_keys=True) for s in settings}) == 1}
        shared[str(extractor)] = same | ({_VERSION} if part["version"].nunique() == 1 else set())
    return shared


def _setting(line: pd.Series[Any]) -> dict[str, Any]:
    """Return what may have to be said of a row: parameters, and of what learned its training."""
    training = json.loads(line["training"])
    learned = {"split": line["split"]} if training and line["split"] else {}
    return {**json.loads(line["params"]), **training, **learned}


def _row(group: str, part: pd.DataFrame, numbers: PerVideo, shared: Mapping[str, set[str]]) -> Row:
    first = part.iloc[-1]
    extractor = str(first["extractor"])
    hidden = shared[extractor]
    settings = [(n, v) for n, v in sorted(_setting(first).items()) if n not in hidden]
    params = [f"{n}={v if isinstance(v, str) else json.dumps(v)}" for n, v in settings]
    if _VERSION not in hidden:
        params.append(f"version={first['version']}")
    videos = {str(status): int(cells["video_id"].nunique()) for status, cells in part.groupby("status")}
    role: Role = "control" if bool(first["control"]) else "method"
    if bool(first["privileged"]) or extractor == HUMAN:
        role = "ceiling"
    values = {name: _value(groups[group]) for name, groups in numbers.items() if group in groups}
    fallbacks, shortfalls = (_reasons(part, name) for name in ("fallback", "shortfall"))
    returned = asked = 0.0
    if shortfalls:
        returned, asked = part[["n_keyframes", "k"]].astype(float).groupby(part["video_id"]).mean().mean()
    names = ("dataset", "budget", "sampling", "reference", "budget_rule", "known_defects")
    return Row(
        **{name: str(first[name]) for name in names},
        group=group,
        extractor=extractor,
        params=", ".join(params),
        note=str(first["label"]),
        role=role,
        n_videos=videos.get("ok", 0),
        n_failed=videos.get("failed", 0),
        n_skipped=videos.get("skipped", 0),
        seen=_seen(part),
        n_seeds=max(int(part[name].nunique()) for name in ("seed", "training_seed")),
        draws=int(part["draws"].max()),
        values=values,
        fallbacks=fallbacks,
        shortfalls=shortfalls,
        n_returned=float(returned),
        n_asked=float(asked),
    )


def _seen(part: pd.DataFrame) -> str:
    """Return what the label of a row must say of videos that training looked at."""
    n_seen = int(part.loc[part["trained_on_this_video"].eq(True), "video_id"].nunique())
    n = int(part["video_id"].nunique())
    if n_seen == 0:
        return ""
    return "trained on these videos" if n_seen == n else f"trained on {n_seen} of these {n} videos"


def _reasons(part: pd.DataFrame, name: str) -> dict[str, int]:
    """Return on how many videos each reason was given."""
    given = part[part[name] != ""]
    return {str(why): int(videos.nunique()) for why, videos in given.groupby(name)["video_id"]} if len(given) else {}


def _value(per_video: NDArray[np.float64]) -> Value:
    videos = per_video[np.isfinite(per_video)]
    if len(videos) == 1:
        return Value(float(videos[0]), None, 1)
    low, high = bootstrap_interval(videos)
    return Value(float(videos.mean()), float(videos.std(ddof=1)), len(videos), low=low, high=high)


def _position(row: Row) -> tuple[Any, ...]:
    parts = (row.extractor, row.params, row.note, row.budget, row.sampling)
    return (row.dataset, _ORDER[row.role], *map(natural, parts))


def natural(text: str) -> tuple[tuple[int, float, str], ...]:
    """Sort key under which k=8 comes before k=15."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return tuple((0, float(p), "") if i % 2 else (1, 0.0, p) for i, p in enumerate(parts))


def _title(rows: Sequence[Row]) -> str:
    parts = []
    for name, form in (("dataset", "{}"), ("budget", "budget {}"), ("sampling", "sampling {}")):
        found = {str(getattr(row, name)) for row in rows if row.extractor != HUMAN}
        if len(found) == 1 and (only := found.pop()):
            parts.append(form.format(only))
    return ", ".join(parts) or "comparison"
