"""What cells say about their numbers: which videos and trainings, copies, fallbacks, a metric that measures K only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.cells import HUMAN
from .format import one_line
from .load import per_video
from .ranking import by_place
from .spec import Row, Table

if TYPE_CHECKING:
    import pandas as pd

EMPTY_USERS, BOUND = "n_users_empty", "cus_f_bound"
NOTED = (EMPTY_USERS, BOUND)
"""Numbers that the notes need, whatever columns a table shows."""

BOUNDED = ("cus_f", "f1_1s")  # F of one-to-one matchings with users: one bound
_REACHED = 0.99  # random is a mean of draws: within 1 % of the bound is on it
_LISTED = 8
ENOUGH_SEEDS = 3  # below, nobody knows how much the seed of a training matters
_CHOSEN = {
    "best_val": "the epoch with the lowest validation loss",
    "last": "the last epoch",
    "only": "training has no epochs to choose from",
}


_OLD_FAVOUR = re.compile(r"columns such as (.+) judge by \S+, which .+ selects on: they may favour (.+)")


def favour(columns: Sequence[str], feature: str, whose: str, name: str) -> str:
    """Return the warning that ``columns`` judge by a feature that ``name`` selects on."""
    return f"columns such as {', '.join(columns)} judge by {feature}, which {whose} selects on: they may favour {name}"


def favoured(run: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return of each method the columns that judge by its own features, from the record of a run: ``own_columns``.

    Older records have them in their warnings only.
    """
    if isinstance(known := run.get("own_columns"), Mapping):
        return {name: set(map(str, columns)) for name, columns in known.items() if isinstance(columns, list)}
    found: dict[str, set[str]] = {}
    for columns, name in (m.groups() for text in run.get("warnings") or () if (m := _OLD_FAVOUR.fullmatch(str(text)))):
        found.setdefault(name, set()).update(columns.split(", "))
    return found


def listed(parts: Sequence[str], limit: int = _LISTED) -> str:
    """Return the first of ``parts`` with commas, and how many more there are."""
    more = f" and {len(parts) - limit} more" if len(parts) > limit else ""
    return ", ".join(map(one_line, parts[:limit])) + more


def unlike_asked(table: Table) -> list[str]:
    """Say of which rows key frames are a fallback or fewer than asked for, on how many videos, and why."""
    found: dict[tuple[str, str], list[str]] = {}

    def add(row: Row, reason: str, said: str) -> None:
        at = table.where(row.place).strip()
        found.setdefault((row.label, reason), []).append(f"{at}: {said}" if at else said)

    for row in table.rows:
        for reason, n in row.fallbacks.items():
            add(row, f"{reason} (a fallback, not a result)", f"{n} of {row.n_videos} video{'s' * (row.n_videos != 1)}")
        for reason, n in row.shortfalls.items():
            on = f", fewer on {n} of {row.n_videos} videos" if row.n_videos > 1 else ""
            add(row, reason, f"{row.n_returned:.3g} of {row.n_asked:.3g} key frames{on}")
    colon = " " if {"dataset", "budget"} & set(table.settings) else ": "
    return [one_line(f"{label}{colon}{listed(parts)}: {reason}") for (label, reason), parts in found.items()]


def copies(cells: pd.DataFrame) -> list[str]:
    """Say which videos have the bytes of another one."""
    names = cells.loc[cells["status"] != "skipped", ["dataset", "video_id", "video"]].drop_duplicates()
    again = names[names["video"] != names["video_id"]]
    if not len(again):
        return []
    pairs = [f"{video} = {first}" for first, video in again[["video_id", "video"]].itertuples(index=False)]
    what = "1 copy" if len(pairs) == 1 else f"{len(pairs)} copies"
    return [f"{what} counted once (equal bytes; numbers of copies are averaged): {listed(pairs)}"]


def empty_users(cells: pd.DataFrame) -> list[str]:
    """Say how many human annotators chose nothing and are left out."""
    name = f"metric.{EMPTY_USERS}"
    if name not in cells:
        return []
    methods = cells[cells["extractor"] != HUMAN]  # without oneself, there are fewer
    counts = methods.groupby(["dataset", "video"])[name].max().reset_index()
    parts = [f"{int(n)} on {video}" for video, n in zip(counts["video"], counts[name], strict=True) if n > 0]
    return [f"human annotators without key frames are left out of cus and f1: {listed(parts)}"] if parts else []


def bounds_reached(table: Table, cells: pd.DataFrame) -> list[str]:
    """Say on which videos random choice reaches the largest F that its number of key frames allows."""
    if f"metric.{BOUND}" not in cells:
        return []
    bound, notes = per_video(cells, BOUND), []
    for column in table.columns:
        if column.name not in BOUNDED:
            continue
        value = per_video(cells, column.name)
        on_it = (value >= _REACHED * bound.reindex(value.index)).groupby(level=0)
        reached = {str(group): set(part[part].index.get_level_values(1)) for group, part in on_it}
        for place, rows in by_place(table.rows).items():
            notes += _reached(column.name, table.where(place), rows, reached)
    return notes


def _reached(column: str, where: str, rows: Iterable[Row], reached: dict[str, set[str]]) -> list[str]:
    rows = [row for row in rows if row.role != "ceiling" and column in row.values]
    videos = sorted(set().union(*(reached[row.group] for row in rows if row.extractor == "random")))
    if not videos:
        return []
    ties = [f"{video} ({sum(video in reached[row.group] for row in rows)} of {len(rows)} rows)" for video in videos]
    n = max(row.values[column].n for row in rows)
    return [
        f"{column}{where}: random reaches the bound 2 min(K, U) / (K + U) on {len(videos)} of {n} "
        f"video{'s' * (n != 1)}, where it measures K only; rows that reach it: {listed(ties)}"
    ]


def coverage_sentence(results: pd.DataFrame, run: Mapping[str, Any], *, limit: int = 10) -> str:
    """Say how many videos were scored and why the others were not.

    ``results``: of `load_results`; ``run``: of `load_run`: ``n_videos`` (all that were found) and ``skipped`` (video
    and reason); ``limit``: names listed before "and N more".

    ``scored 48 of 50 videos; 2 skipped: a.mp4 (truncated), b.mp4 (no video stream)``.
    """
    scored = set(results.loc[results["status"] == "ok", "video"])
    skipped = {str(s.get("video", "")): one_line(s.get("reason", "")) for s in run.get("skipped") or ()}
    lost = results[~results["video"].isin(scored) & ~results["video"].isin(list(skipped))]
    failed: dict[str, str] = {}
    facts = ["status", "video", "error_type", "error_message"]
    for status, video, *why in lost[facts].itertuples(index=False):
        (skipped if status == "skipped" else failed).setdefault(str(video), one_line(": ".join(filter(None, why))))
    total = max(int(run.get("n_videos") or 0), len(scored) + len(failed) + len(skipped))
    parts = [f"scored {len(scored)} of {total} video{'s' if total != 1 else ''}"]
    parts += [_reasons(what, names, limit) for what, names in (("skipped", skipped), ("failed", failed)) if names]
    open_ = total - len(scored) - len(skipped) - len(failed)
    if open_ > 0:
        parts.append(f"{open_} not run yet")
    return "; ".join(parts)


def trainings_sentence(results: pd.DataFrame) -> str:
    """Say how many trainings the numbers come from, and which failed and why: ``12 trainings; 1 failed: mix, seed 2``.

    ``results``: of `load_results`; of the kind ``training``.
    """
    runs = [json.loads(text).get("run", "") for text in results["params"]]  # key frames name the run they are of
    n = len(set(zip(runs, results["seed"], strict=True)))
    failed: dict[str, str] = {}
    facts = ["label", "seed", "error_type", "error_message"]
    for label, seed, *why in results.loc[results["status"] == "failed", facts].itertuples(index=False):
        failed.setdefault(f"{label}, seed {seed}", ": ".join(filter(None, why)))
    parts = [f"{n} training{'s' if n != 1 else ''}"]
    return "; ".join([*parts, *([_reasons("failed", failed)] if failed else [])])


def _reasons(what: str, names: Mapping[str, str], limit: int = 10) -> str:
    return f"{len(names)} {what}: {listed([f'{n} ({why})' if why else n for n, why in names.items()], limit)}"


def training_notes(cells: pd.DataFrame) -> list[str]:
    """Return for every method that learned on which split, with how many seeds, and how checkpoints were chosen."""
    notes: dict[str, list[str]] = {}
    for _, part in cells[cells["chosen"] != ""].groupby("group", sort=False):
        first = part.iloc[-1]
        notes.setdefault(_said(part), []).append(str(first["extractor"]))
    return [f"{', '.join(dict.fromkeys(names))}: {said}" for said, names in notes.items()]


def _said(part: pd.DataFrame) -> str:
    first = part.iloc[-1]
    if first["inner"]:  # by the run itself
        n = int(part["fold"].nunique())
        where = f"trained on the training part of split {first['split']}" + (f", each of {n} folds" if n > 1 else "")
    else:
        code = ", by other code of this plug-in than it has now" if first["edited"] else ""
        where = f"a given checkpoint, trained on {first['learned_from'] or 'other data'}{code}, split {first['split']}"
    chosen = _CHOSEN.get(first["chosen"], str(first["chosen"]))
    if first["inner"] and first["chosen"] == "best_val":
        chosen += f" on an inner part of the training videos ({first['inner']})"
    seeds = sorted(part["training_seed"].dropna().astype(int).unique())
    if not seeds:
        return f"{where}; {chosen}; every seed trains alike"
    few = ""
    if len(seeds) < ENOUGH_SEEDS:
        few = f" (fewer than {ENOUGH_SEEDS}: how much the seed matters is not known)"
    return f"{where}; {chosen}; {len(seeds)} training seed{'s' * (len(seeds) > 1)}{few}"
