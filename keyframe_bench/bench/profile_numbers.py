"""From what was measured to what is reported: ratios within a round, medians over rounds, slopes."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .profile_cases import DECODE, Case, Measured, Method

Round = Mapping[str, Measured]
_NO_NUMBERS = (
    *("wall_s", "process_s", "cpu_s", "ratio", "ratio_low", "ratio_high", "cpu_ratio", "peak_mb"),
    *("pass_s", "pass_ratio", "select_s", "to_peer", "to_peer_low", "to_peer_high"),
)


def row_of(case: Case, rounds: Sequence[Round], failure: str = "") -> dict[str, Any]:
    """Return the row of a case.

    Parameters
    ----------
    case : Case
    rounds : list of mapping
        Case name to what was measured; a case may be missing in some of them.
    failure : str
        Why it failed, if it did: a row without numbers then.

    Returns
    -------
    dict
        ``wall_s``, ``process_s``, ``cpu_s``, ``peak_mb``, ``pass_s``, ``select_s``: medians; None where there is none.
        ``ratio`` with ``ratio_low`` and ``ratio_high``: median, lowest and highest of ``wall_s`` over that of plain
        decoding in the same round, ``cpu_ratio`` and ``pass_ratio`` likewise (median only). ``to_peer``: of our case
        ``like``, over this one; whole processes where this one is one, else the work alone.
    """
    row: dict[str, Any] = {"name": case.name, "kind": case.kind, **dict.fromkeys(_NO_NUMBERS), "like": case.like}
    seen = [found for found in rounds if case.name in found]
    if failure or not seen:
        return {**row, "repeats": 0, "error": failure or "not measured"}
    mine, base = [found[case.name] for found in seen], [found[DECODE] for found in seen]
    for name in ("wall_s", "process_s", "cpu_s", "peak_mb"):
        row[name] = _short(statistics.median(getattr(m, name) for m in mine))
    row |= spread("ratio", [m.wall_s / b.wall_s for m, b in zip(mine, base, strict=True)])
    row["cpu_ratio"] = _median_ratio([(m.cpu_s, b.cpu_s) for m, b in zip(mine, base, strict=True)])
    if all(m.parts for m in mine):
        row["pass_s"] = _short(statistics.median(m.parts["pass_s"] for m in mine))
        row["select_s"] = _short(statistics.median(m.parts["select_s"] for m in mine))
        row["pass_ratio"] = _median_ratio([(m.parts["pass_s"], b.wall_s) for m, b in zip(mine, base, strict=True)])
    both = [found for found in seen if case.like in found]
    if both:
        field = "process_s" if case.whole else "wall_s"
        row |= spread("to_peer", [getattr(f[case.like], field) / getattr(f[case.name], field) for f in both])
    return {**row, "repeats": len(seen), "error": ""}


def spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """Return the median under ``name``, the lowest and the highest under ``name_low`` and ``name_high``."""
    return {
        name: _short(statistics.median(values)),
        f"{name}_low": _short(min(values)),
        f"{name}_high": _short(max(values)),
    }


def growth(sizes: Mapping[str, int], rounds: Sequence[Round]) -> dict[str, Any]:
    """Return how seconds grow with a size: medians, and the slope of their logarithms by least squares.

    Parameters
    ----------
    sizes : mapping
        Case name to its size, at least 1.
    rounds : list of mapping
        Those in which a case is missing are left out.

    Returns
    -------
    dict
        ``points``, each ``size`` and ``wall_s``; ``slope``, ``slope_low``, ``slope_high``: seconds grow with the size
        to that power, median, lowest and highest of the rounds. Without slopes where there is one size only.
    """
    whole = [found for found in rounds if sizes.keys() <= found.keys()]
    if not whole:
        return {"points": []}
    points = [
        {"size": size, "wall_s": _short(statistics.median(found[name].wall_s for found in whole))}
        for name, size in sizes.items()
    ]
    if len(set(sizes.values())) < 2:
        return {"points": points}
    logs = np.log(list(sizes.values()))
    slopes = [np.polyfit(logs, np.log([found[name].wall_s for name in sizes]), 1)[0] for found in whole]
    return {"points": points, **spread("slope", [float(slope) for slope in slopes])}


def together(groups: Mapping[str, Sequence[Method]], rounds: Sequence[Round]) -> dict[str, Any]:
    """Return what more extractors in one pass cost.

    Parameters
    ----------
    groups : mapping
        Case name to the extractors in it, from one of them to all.
    rounds : list of mapping

    Returns
    -------
    dict
        `growth` with the number of extractors; each point also has ``extractors``, their names, and ``alone_s``, what
        they take one after the other, each in a pass of its own. ``all_to_one``: seconds of the last point over those
        of the first, with lowest and highest.
    """
    found = growth({name: len(methods) for name, methods in groups.items()}, rounds)
    for point, methods in zip(found["points"], groups.values(), strict=False):
        names = [method.name for method in methods]
        point["extractors"] = names
        sums = [sum(seen[name].wall_s for name in names) for seen in rounds if set(names) <= seen.keys()]
        point["alone_s"] = _short(statistics.median(sums)) if sums else None
    first, *_, last = [*groups, *groups]
    ratios = [seen[last].wall_s / seen[first].wall_s for seen in rounds if {first, last} <= seen.keys()]
    return {**found, **(spread("all_to_one", ratios) if ratios else {})}


def _median_ratio(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return the median of the quotients; None where a clock was too coarse to see the divisor."""
    return _short(statistics.median(a / b for a, b in pairs)) if all(b > 0 for _, b in pairs) else None


def _short(value: float) -> float:
    """Return ``value`` with five digits: more were never measured."""
    return float(f"{value:.5g}")
