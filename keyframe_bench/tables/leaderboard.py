"""The leaderboard: how many of its rivals beat each method, on every board of many results, and over all of them."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.files import digest
from .boards import Place, Results, places_of, row_id
from .build import comparison
from .caveats import listed
from .load import cells_frame
from .notes import FEW_VIDEOS
from .ranking import BASELINE, FLOOR
from .spec import Role, Row
from .stats import CONFIDENCE, N_RESAMPLES, SEED, Floats

if TYPE_CHECKING:
    import pandas as pd

ENOUGH_METHODS = 3  # with fewer, results are about one method and no comparison
_FOLDERS = re.compile(r"(?<==)[^,\s:]*/(?=[^,\s/]*\.\w)")  # of a file among parameters; its name says enough
_DIGITS = "%.4e"  # small files keep six digits or nine: what is equal in five is a tie


@dataclass(frozen=True)
class Board:
    """One data set (the same videos, by their bytes) at one budget."""

    name: str
    dataset: str
    budget: str
    columns: tuple[str, ...]
    sources: tuple[str, ...]  # the results that rows come from
    n_videos: int
    n_ranked: int
    ranks: dict[str, float]  # label to mean rank over videos and columns, from 1; of a ceiling where it would stand


@dataclass(frozen=True)
class Standing:
    """One method over the boards of a section."""

    label: str
    role: Role
    marks: tuple[str, ...]  # what must be said beside the name
    own: tuple[str, ...]  # columns that judge by a feature that it selects on
    beaten: float  # share of its rivals that beat it, 0 to 1, ties by half: a rank that does not depend on their number
    low: float  # 95 % bootstrap interval over videos
    high: float
    lead: float  # how much smaller that share is than that of `uniform` on the same boards
    lead_low: float
    lead_high: float
    cost: float | None  # time over that of decoding alone, within one run; geometric mean over boards
    by_dataset: dict[str, float]  # the share on each data set


@dataclass(frozen=True)
class Section:
    """All methods that stand on these boards; every number is over these boards and no other."""

    boards: tuple[str, ...]
    rows: tuple[Standing, ...]  # the best first, ceilings last


@dataclass(frozen=True)
class Leaderboard:
    """Boards, and who stands on them."""

    boards: tuple[Board, ...]
    sections: tuple[Section, ...]  # of the most boards first
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"format": "keyframe_bench/leaderboard@1", **asdict(self)}

    @property
    def frame(self) -> pd.DataFrame:
        """One line a row of a section: the fields of `Standing`, lists as text, and a column a data set."""
        import pandas as pd

        lines = []
        for number, section in enumerate(self.sections, start=1):
            for row in section.rows:
                facts = asdict(row) | {"marks": "; ".join(row.marks), "own": ", ".join(row.own)}
                of_datasets = facts.pop("by_dataset")
                lines.append({"section": number, "n_boards": len(section.boards), **facts, **of_datasets})
        return pd.DataFrame(lines)


def leaderboard(results: Results, versions: Mapping[str, int] | None = None) -> Leaderboard:
    """Return the leaderboard of many results.

    A board needs `random`, `uniform` and `ENOUGH_METHODS` methods. On it a method is compared with every other on each
    video in each column where `uniform` has a number; where one is missing, it is not ranked. Columns are the usual one
    of each metric that has a better side, without those that leaving key frames out makes better. Of a method that was
    run with several settings, those that stand on more boards count, so that a sweep does not fill a board.

    A section is about the boards that some method stands on, and holds every row that stands on all of them, so that
    all its rows are compared on the same boards. Budgets are averaged within a data set, then data sets.

    ``results``: name to cells and record; ``versions``: the version that each extractor has now: rows of others are
    marked.
    """
    places, notes = places_of(results)
    notes += _without_sweeps(places)
    rows = _rows(places, results)
    for place in list(places):
        if why := _refused(place, rows):
            notes.append(f"no board: {place.about} at budget {place.budget} ({', '.join(place.sources)}): {why}")
            places.remove(place)
    shares = [beaten_shares(place, rows) for place in places]
    boards = _boards(places, shares, rows)
    marks = {row: tuple(_marks(rows[row], row, places, versions or {})) for row in rows}
    stands = {row: frozenset(i for i, share in enumerate(shares) if row in share) for row in rows}
    sections = []
    for chosen in _sections({row: stands[row] for row in rows if rows[row].role == "method"}):
        here = [row for row in rows if stands[row] >= set(chosen)]
        of_boards = {i: (places[i], shares[i], boards[i].dataset) for i in chosen}
        standings = tuple(_standings(list(of_boards.values()), here, rows, marks))
        sections.append(Section(tuple(boards[i].name for i in chosen), standings))
    return Leaderboard(boards, tuple(sections), (*_doubts(places, shares, boards, rows), *notes))


def _without_sweeps(places: Sequence[Place]) -> list[str]:
    """Take rows out whose boards are some of those of another row of the same extractor; say how many."""
    stands: dict[str, set[int]] = {}
    for i, place in enumerate(places):
        for row in place.entries:
            stands.setdefault(row, set()).add(i)
    name = {row: json.loads(row)[0] for row in stands}
    lost = [r for r in stands if any(stands[r] < stands[other] and name[other] == name[r] for other in stands)]
    for place in places:
        place.entries = {row: entry for row, entry in place.entries.items() if row not in lost}
    counts = [f"{n} of {extractor}" for extractor, n in sorted(Counter(name[row] for row in lost).items())]
    return [f"settings on fewer boards than others of the same method: {listed(counts, 99)}"] if lost else []


def _rows(places: Sequence[Place], results: Results) -> dict[str, Row]:
    """Return what is said of every row, with the label that tells it from the other rows of its extractor."""
    sources = {source for place in places for source in place.sources}
    frame = cells_frame({k: cell for source in sorted(sources) for k, cell in results[source][0].items()})
    frame = frame.assign(group=frame["group"].map(row_id))
    there = {row for place in places for row in place.entries}
    found = comparison(frame[frame["group"].isin(there)], {}).rows
    short = [replace(row, params=_FOLDERS.sub("", row.params)) for row in found]
    alike = Counter(row.label for row in short)
    found = tuple(row if alike[new.label] > 1 else new for row, new in zip(found, short, strict=True))
    alike = Counter(row.label for row in found)
    notes = {row.group: f"{row.note}, {row.sampling}".lstrip(", ") for row in found if alike[row.label] > 1}
    return {row.group: replace(row, note=notes.get(row.group, row.note)) for row in found}


def _refused(place: Place, rows: Mapping[str, Row]) -> str:
    """Return why a place is no board; empty if it is one."""
    roles = {rows[row].extractor: rows[row].role for row in place.entries}
    missing = [name for name in (FLOOR, BASELINE) if name not in roles]
    uniform = [entry.values for row, entry in place.entries.items() if rows[row].extractor == BASELINE]
    if missing or not np.isfinite(uniform).any():
        return f"without {' and '.join(missing) or 'a column to rank by'}"
    n = sum(role == "method" for role in roles.values())
    return f"{n} method{'s' * (n != 1)}" if n < ENOUGH_METHODS else ""


def beaten_shares(place: Place, rows: Mapping[str, Row]) -> dict[str, Floats]:
    """Return of each row that may be ranked the share of rivals that beat it on each video, [videos], ties by half.

    The mean over the columns that are measured on the video, NaN where none is. Of ceilings, against all ranked rows.
    """
    names = list(place.entries)
    values = np.stack([place.entries[row].values for row in names], axis=1)  # [videos, rows, columns]
    values = np.char.mod(_DIGITS, values).astype(float)
    uniform = [rows[row].extractor == BASELINE for row in names]
    measured = np.asarray(np.isfinite(values[:, uniform]).any(axis=1))  # [videos, columns]
    full = np.asarray(np.isfinite(values).swapaxes(0, 1)[:, measured].all(axis=1))
    ranked = full & np.array([rows[row].role != "ceiling" for row in names])
    own, rivals = values[:, :, None], values[:, None, ranked]
    better = (rivals > own).sum(axis=2) + (rivals == own).sum(axis=2) / 2 - ranked[None, :, None] / 2  # itself: a tie
    share = better / np.maximum(ranked.sum() - ranked, 1)[None, :, None]  # [videos, rows, columns]
    with np.errstate(invalid="ignore"):
        mean = np.where(measured[:, None], share, 0.0).sum(axis=2) / measured.sum(axis=1)[:, None]
    return {row: mean[:, i] for i, row in enumerate(names) if full[i]}


def _sections(stands: Mapping[str, frozenset[int]]) -> list[list[int]]:
    """Return the sets of boards that sections are about, of the most boards first.

    A set on which only one or two methods stand says little; it is left out where these are in other sections too.
    """
    sets = {boards for boards in stands.values() if boards}
    enough = {chosen for chosen in sets if sum(boards >= chosen for boards in stands.values()) >= ENOUGH_METHODS}
    alone = {boards for boards in sets if not any(boards >= chosen for chosen in enough)}
    return sorted((sorted(chosen) for chosen in enough | alone), key=lambda chosen: (-len(chosen), chosen))


def _standings(
    boards: Sequence[tuple[Place, Mapping[str, Floats], str]],
    here: Sequence[str],
    rows: Mapping[str, Row],
    marks: Mapping[str, tuple[str, ...]],
) -> Iterator[Standing]:
    means = {}
    for name in dict.fromkeys(name for *_, name in boards):
        of_dataset = [(place, share) for place, share, dataset in boards if dataset == name]
        beaten = [np.stack([share[row] for row in here], axis=1) for _, share in of_dataset]
        means[name] = _means(of_dataset[0][0].videos, beaten)
    every = np.mean(list(means.values()), axis=0)  # [1 + resamples, rows], the first is the mean itself
    leads = every[:, [rows[row].extractor == BASELINE for row in here]][:, :1] - every
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    ends, lead_ends = (np.nanquantile(one[1:], tails, axis=0) for one in (every, leads))
    for i in sorted(
        range(len(here)), key=lambda i: (rows[here[i]].role == "ceiling", every[0, i], rows[here[i]].label)
    ):
        row, entries = rows[here[i]], [place.entries[here[i]] for place, *_ in boards]
        logs = [math.log(entry.cost) for entry in entries if entry.cost]
        low, high, lead_low, lead_high = (float(end) for pair in (ends, lead_ends) for end in pair[:, i])
        yield Standing(
            label=row.label,
            role=row.role,
            marks=marks[here[i]],
            own=tuple(sorted(set().union(*(entry.own for entry in entries)))),
            beaten=float(every[0, i]),
            low=low,
            high=high,
            lead=float(leads[0, i]),
            lead_low=lead_low,
            lead_high=lead_high,
            cost=math.exp(sum(logs) / len(logs)) if logs else None,
            by_dataset={name: float(found[0, i]) for name, found in means.items()},
        )


def _means(videos: Sequence[str], boards: Sequence[Floats]) -> Floats:
    """Return the mean over videos and then boards of one data set, [1 + resamples, rows]: as it is, and resampled.

    ``boards``: [videos, rows] each. A resample draws the same videos on all of them.
    """
    n = len(videos)
    rng = np.random.default_rng([SEED, int(digest(list(videos))[:8], 16)])  # of other videos other draws
    counts = np.concatenate([np.ones((1, n)), rng.multinomial(n, np.full(n, 1 / n), N_RESAMPLES)])
    total = np.zeros((len(counts), boards[0].shape[1]))
    with np.errstate(invalid="ignore"):
        for beaten in boards:
            total += (counts @ np.nan_to_num(beaten)) / (counts @ np.isfinite(beaten))
    mean: Floats = total / len(boards)
    return mean


def _boards(
    places: Sequence[Place], shares: Sequence[Mapping[str, Floats]], rows: Mapping[str, Row]
) -> tuple[Board, ...]:
    of_name: dict[str, dict[tuple[str, ...], str]] = {}
    for place in places:
        of_name.setdefault(place.about, {}).setdefault(place.videos, place.sources[0])
    found: list[Board] = []
    for place, share in zip(places, shares, strict=True):
        several = len(of_name[place.about]) > 1
        dataset = f"{place.about}, {of_name[place.about][place.videos]}" if several else place.about
        name = f"{dataset}, budget {place.budget}"
        n = sum(rows[row].role != "ceiling" for row in share)
        ranks = {
            rows[r].label: 1 + float(np.nanmean(one)) * (n - (rows[r].role != "ceiling")) for r, one in share.items()
        }
        found.append(Board(name, dataset, place.budget, place.columns, place.sources, len(place.videos), n, ranks))
    return tuple(found)


def _marks(row: Row, group: str, places: Sequence[Place], versions: Mapping[str, int]) -> Iterator[str]:
    version = json.loads(group)[1]
    if row.role != "method":
        yield {"control": "control", "ceiling": "ceiling, sees the annotation"}[row.role]
    if row.known_defects:
        yield "another tool, as it is"
    if (now := versions.get(row.extractor, version)) != version:
        yield f"of version {version}; it is {now} now"
    if n := max((place.entries[group].n_failed for place in places if group in place.entries), default=0):
        yield f"failed on {n} video{'s' * (n != 1)}"


def _doubts(
    places: Sequence[Place], shares: Sequence[Mapping[str, Floats]], boards: Sequence[Board], rows: Mapping[str, Row]
) -> Iterator[str]:
    """Say which rows are on a board and not ranked, and which intervals rest on few videos."""
    for place, share, board in zip(places, shares, boards, strict=True):
        if lost := [rows[row].label for row in place.entries if row not in share]:
            yield f"not ranked on {board.name}, as numbers are missing on some video: {listed(lost)}"
    if few := [board.name for board in boards if board.n_videos < FEW_VIDEOS]:
        yield f"fewer than {FEW_VIDEOS} videos, so that intervals are too narrow: {listed(few)}"
