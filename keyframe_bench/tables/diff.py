"""Two sets of results against each other: which cells changed, by how much, and under which versions."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.cells import PLACE
from ..core.files import canonical_json

Record = Mapping[str, Any]

_EXPORTED = 1e-5  # relative: small files keep six digits


@dataclass(frozen=True)
class ColumnChange:
    """How one number of one extractor changed."""

    extractor: str
    column: str
    n_changed: int  # cells in which it differs by more than the tolerance, or exists on one side only
    n_one_sided: int  # those of them in which it exists on one side only
    mean: float | None  # absolute difference over the changed cells that have both numbers; None if there is none
    max: float | None
    # Mean of second minus first over all common cells that have both: what the table's mean moves by
    shift: float | None


@dataclass(frozen=True)
class StatusChange:
    """A cell that is now "ok", "failed" or "skipped" and was another."""

    cell: str
    first: str
    second: str


@dataclass(frozen=True)
class VersionChange:
    """Something that results depend on (``name``) and how many common cells it changed in."""

    name: str
    first: str
    second: str
    n_cells: int


@dataclass(frozen=True)
class Difference:
    """What `diff_results` found."""

    n_first: int  # cells; changed are common cells with another status, other key frames or another number
    n_second: int
    n_common: int
    n_changed: int
    only_first: Mapping[str, int]  # extractor to the number of its cells that only one side has
    only_second: Mapping[str, int]
    statuses: tuple[StatusChange, ...]
    keyframes: Mapping[str, int]  # extractor to the number of cells with other key frames (ordinals or times)
    columns: tuple[ColumnChange, ...]
    versions: tuple[VersionChange, ...]  # reasons, not changes: results that are equal under other versions are equal
    # Where no cell is in both: the fields (budget, seed ...) of which the sides have no value in common, with the
    # values of each
    apart: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether both sides have the same cells with the same statuses, key frames and numbers."""
        return not (self.only_first or self.only_second or self.n_changed)


def diff_results(
    first: Iterable[Record], second: Iterable[Record], *, tolerance: float = 0.0, costs: Collection[str] = ()
) -> Difference:
    """Compare two sets of cells.

    Cells are matched by what they are about (data set, video, extractor, parameters, budget, sampling, seed), never by
    key, which changes with every version. Of several cells in one place the one finished last counts. ``first`` and
    ``second`` (iterable of mapping): cells as stored (`tables.load.read_cells`); ``tolerance``: absolute difference of
    a number, or of a key frame's time, that does not count; ``costs``: columns left out: seconds and memory differ in
    every run.
    """
    before, after = _by_place(first), _by_place(second)
    common = [(before[place], after[place]) for place in before if place in after]
    statuses = [(a, b) for a, b in common if a["status"] != b["status"]]
    keyframes = [(a, b) for a, b in common if not _same_frames(a, b, tolerance)]
    columns, moved = _columns(common, tolerance, frozenset(costs))
    changed = {id(b) for pairs in (statuses, keyframes, moved) for _, b in pairs}
    return Difference(
        n_first=len(before),
        n_second=len(after),
        n_common=len(common),
        n_changed=len(changed),
        only_first=_count(before[place] for place in before if place not in after),
        only_second=_count(after[place] for place in after if place not in before),
        statuses=tuple(StatusChange(_name(b), a["status"], b["status"]) for a, b in statuses),
        keyframes=_count(b for _, b in keyframes),
        columns=tuple(columns),
        versions=tuple(_versions(common)),
        apart={} if common else _apart(list(before.values()), list(after.values())),
    )


def _apart(first: Collection[Record], second: Collection[Record]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    found = {}
    for name in PLACE:
        a, b = ({canonical_json(cell.get(name)).strip('"') for cell in cells} for cells in (first, second))
        if a and b and not a & b:
            found[name] = (tuple(sorted(a)), tuple(sorted(b)))
    return found


def _by_place(cells: Iterable[Record]) -> dict[tuple[str, ...], Record]:
    ordered = sorted(cells, key=lambda cell: str(cell.get("finished") or ""))
    found = {tuple(canonical_json(cell.get(name)) for name in PLACE): cell for cell in ordered}
    return dict(sorted(found.items()))


def _object(cell: Record, name: str) -> dict[str, Any]:
    """Return a field that holds an object; what is missing or is something else holds nothing."""
    found = cell.get(name)
    return found if isinstance(found, dict) else {}


def _count(cells: Iterable[Record]) -> dict[str, int]:
    return dict(sorted(Counter(str(cell["extractor"]) for cell in cells).items()))


def _name(cell: Record) -> str:
    params = ", ".join(f"{name}={value}" for name, value in sorted(_object(cell, "params").items()))
    extractor = f"{cell['extractor']}({params})" if params else cell["extractor"]
    return f"{extractor} on {cell['video']}, budget {cell.get('budget')}, seed {cell.get('seed')}"


def _same_frames(first: Record, second: Record, tolerance: float) -> bool:
    a, b = (_object(cell, "keyframes") for cell in (first, second))
    if (a.get("frames") or []) != (b.get("frames") or []):
        return False
    times = a.get("times") or [], b.get("times") or []
    if _is_exported(first, second) or times[0] == times[1]:
        return True
    return len(times[0]) == len(times[1]) and all(abs(s - t) <= tolerance for s, t in zip(*times, strict=True))


def _is_exported(first: Record, second: Record) -> bool:
    """Say whether one of the cells is a small one (of `exported`): without times, with some numbers of six digits."""
    return bool(first.get("exported") or second.get("exported"))


def _columns(
    common: Iterable[tuple[Record, Record]], tolerance: float, costs: Collection[str]
) -> tuple[list[ColumnChange], list[tuple[Record, Record]]]:
    """Return the changes by extractor and column, and the pairs of cells that they are in."""
    shifts: dict[tuple[str, str], list[float | None]] = defaultdict(list)
    changes, moved = [], []
    for pair in common:
        found = _shifts(*pair, costs)
        for column, shift in found.items():
            shifts[str(pair[1]["extractor"]), column].append(shift)
        if any(shift is None or abs(shift) > tolerance for shift in found.values()):
            moved.append(pair)
    for where, all_shifts in sorted(shifts.items()):
        both = [shift for shift in all_shifts if shift is not None]
        sizes = [abs(shift) for shift in both if abs(shift) > tolerance]
        one_sided = len(all_shifts) - len(both)
        if one_sided or sizes:
            mean, shift = (math.fsum(found) / len(found) if found else None for found in (sizes, both))
            counts = len(sizes) + one_sided, one_sided
            changes.append(ColumnChange(*where, *counts, mean, max(sizes, default=None), shift))
    return changes, moved


def _shifts(first: Record, second: Record, costs: Collection[str]) -> dict[str, float | None]:
    """Return second minus first of every column that a cell has; None where it is on one side only."""
    a, b = (_object(cell, "metrics") for cell in (first, second))
    found: dict[str, float | None] = {}
    exported = _is_exported(first, second)
    for column in sorted(({*a} & {*b} if exported else {*a, *b}) - set(costs)):
        one, other = a.get(column), b.get(column)
        if one is not None and other is not None:
            rounded = exported and math.isclose(one, other, rel_tol=_EXPORTED, abs_tol=_EXPORTED)
            found[column] = 0.0 if rounded else float(other) - float(one)
        elif one is not None or other is not None:
            found[column] = None
    return found


def _versions(common: Iterable[tuple[Record, Record]]) -> list[VersionChange]:
    found: Counter[tuple[str, str, str]] = Counter()
    for a, b in common:
        first, second = _facts(a), _facts(b)
        values = ((name, first.get(name, "none"), second.get(name, "none")) for name in first | second)
        found.update(one for one in values if one[1] != one[2])
    return [VersionChange(*change, n_cells=count) for change, count in sorted(found.items())]


def _facts(cell: Record) -> dict[str, str]:
    """Return what a result depends on, by name."""
    extractor, features = cell["extractor"], cell.get("features") or ()
    versions = _object(cell, "versions") | {
        f"metric {name}": version for name, version in _object(cell, "metric_versions").items()
    }
    named = {f"{name} of {extractor}": cell.get(name) for name in ("version", "source", "label", "draws")}
    named |= {f"{name} of {cell['video']}": cell.get(name) for name in ("video_sha256", "annotation")}
    named |= {f"features of {extractor}": ", ".join(map(str, features)), "pass_version": cell.get("pass_version")}
    return {name: str(one) for name, one in versions.items()} | {name: str(v or "none") for name, v in named.items()}
