"""Two sets of results against each other: which cells changed, by how much, and under which versions."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ..core.cells import PLACE
from ..core.files import canonical_json

Record = Mapping[str, Any]

_EXPORTED = 1e-5  # relative: small files once kept six digits, now nine


def diff_results(
    first: Iterable[Record], second: Iterable[Record], *, tolerance: float = 0.0, costs: Collection[str] = ()
) -> dict[str, Any]:
    """Compare two sets of cells.

    Cells are matched by what they are about (data set, video, extractor, parameters, budget, sampling, seed), never by
    key, which changes with every version. Of several cells in one place the one finished last counts. ``first`` and
    ``second`` (iterable of mapping): cells as stored (`tables.load.read_cells`); ``tolerance``: absolute difference of
    a number, or of a key frame's time, that does not count; ``costs``: columns left out: seconds and memory differ in
    every run.

    Returns
    -------
    dict
        Plain data: ``equal``; numbers of cells ``n_first``, ``n_second``, ``n_common`` and, with another status, other
        key frames or another number, ``n_changed``; ``only_first``, ``only_second`` and ``keyframes`` (ordinals or
        times differ), cells by extractor; ``statuses`` (``cell``, ``first``, ``second``); ``columns`` (``extractor``,
        ``column``, ``n_changed``, of them ``n_one_sided``, ``mean`` and ``max`` of the absolute differences above the
        tolerance, ``shift``, what the mean over all cells with both numbers moves by); ``versions`` (``name``,
        ``first``, ``second``, ``n_cells``), reasons and no changes.
    """
    before, after = _by_place(first), _by_place(second)
    pairs = {place: (before[place], after[place]) for place in before if place in after}
    statuses, keyframes, versions, changed = [], Counter[str](), Counter[tuple[str, str, str]](), set()
    shifts: dict[tuple[str, str], list[float | None]] = defaultdict(list)
    for place, (a, b) in pairs.items():
        extractor, numbers = str(b["extractor"]), _shifts(a, b, costs)
        versions.update(_versions(a, b))
        for column, shift in numbers.items():
            shifts[extractor, column].append(shift)
        other_status, other_frames = a["status"] != b["status"], not _same_frames(a, b, tolerance)
        if other_status:
            statuses.append({"cell": _name(b), "first": a["status"], "second": b["status"]})
        keyframes[extractor] += other_frames
        if other_status or other_frames or any(s is None or abs(s) > tolerance for s in numbers.values()):
            changed.add(place)
    only = [Counter(str(cell["extractor"]) for p, cell in side.items() if p not in pairs) for side in (before, after)]
    return {
        "equal": not (changed or any(only)),
        **{"n_first": len(before), "n_second": len(after), "n_common": len(pairs), "n_changed": len(changed)},
        **{
            f"only_{side}": dict(sorted(counts.items())) for side, counts in zip(("first", "second"), only, strict=True)
        },
        "statuses": statuses,
        "keyframes": dict(sorted((+keyframes).items())),
        "columns": list(_columns(shifts, tolerance)),
        "versions": [
            {"name": name, "first": one, "second": other, "n_cells": n}
            for (name, one, other), n in sorted(versions.items())
        ],
    }


def _columns(shifts: Mapping[tuple[str, str], list[float | None]], tolerance: float) -> Iterator[dict[str, Any]]:
    for (extractor, column), found in sorted(shifts.items()):
        both = [shift for shift in found if shift is not None]
        sizes, one_sided = [abs(shift) for shift in both if abs(shift) > tolerance], len(found) - len(both)
        if one_sided or sizes:
            mean, shift = (math.fsum(values) / len(values) if values else None for values in (sizes, both))
            counts = {"n_changed": len(sizes) + one_sided, "n_one_sided": one_sided}
            about = {"mean": mean, "max": max(sizes, default=None), "shift": shift}
            yield {"extractor": extractor, "column": column, **counts, **about}


def _by_place(cells: Iterable[Record]) -> dict[tuple[str, ...], Record]:
    ordered = sorted(cells, key=lambda cell: str(cell.get("finished") or ""))
    found = {tuple(canonical_json(cell.get(name)) for name in PLACE): cell for cell in ordered}
    return dict(sorted(found.items()))


def _object(cell: Record, name: str) -> dict[str, Any]:
    """Return a field that holds an object; what is missing or is something else holds nothing."""
    found = cell.get(name)
    return found if isinstance(found, dict) else {}


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
    """Say whether one of the cells is a small one (of `exported`): without times, with some numbers rounded."""
    return bool(first.get("exported") or second.get("exported"))


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


def _versions(first: Record, second: Record) -> set[tuple[str, str, str]]:
    a, b = _facts(first), _facts(second)
    return {(name, a.get(name, "none"), b.get(name, "none")) for name in a | b if a.get(name) != b.get(name)}


def _facts(cell: Record) -> dict[str, str]:
    """Return what a result depends on, by name; nothing of what it does not say."""
    extractor, features = cell["extractor"], cell.get("features") or ()
    metrics = {f"metric {name}": version for name, version in _object(cell, "metric_versions").items()}
    named = {f"{name} of {extractor}": cell.get(name) for name in ("version", "source", "label", "draws")}
    named |= {f"{name} of {cell['video']}": cell.get(name) for name in ("video_sha256", "annotation")}
    named |= {f"features of {extractor}": ", ".join(map(str, features)), "pass_version": cell.get("pass_version")}
    return {name: str(one) for name, one in {**_object(cell, "versions"), **metrics, **named}.items() if one}
