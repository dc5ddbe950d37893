"""Seconds and memory of everything that reads a video: rounds, in each of which every case is measured once."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..core.errors import KeyframeBenchError, UsageError
from ..core.files import printable
from ..core.grammar import Budget, Sampling
from ..core.registry import Parameter, Range
from ..extractors.asked import Asked
from ..video.frame_folder import Video, as_video, check_video
from .perf_cases import (
    DECODE,
    ONE_PASS,
    Case,
    Measured,
    extraction,
    facts_of,
    library_cases,
    methods_of,
    needs_pixels,
    own_cases,
    peer_cases,
    uses_network,
    work_case,
)
from .provenance import started_record

FORMAT = "keyframe_bench/perf@1"
LEAST_REPEATS = 3  # in fewer rounds a single disturbed one changes the median
_BASE_EVERY = 6  # cases between two measurements of plain decoding: a round takes minutes, and the load changes
_NO_NUMBERS = (
    *("wall_s", "process_s", "cpu_s", "ratio", "ratio_low", "ratio_high", "cpu_ratio", "peak_mb"),
    *("pass_s", "pass_ratio", "select_s", "to_peer", "to_peer_low", "to_peer_high"),
)

# Called with (round, rounds in all, case, cases in all, name), all counted from 1, before a case is measured.
Report = Callable[[int, int, int, int, str], None]
Round = Mapping[str, Measured]  # by the name of the case


@dataclass(frozen=True)
class PerfSpec:
    """What is measured; ``checkpoint`` is that of the extractor that learned it, the others have their own.

    Raises `UsageError` when a number, budget, sampling or list is wrong.
    """

    video: Video
    extractors: Sequence[str] | Literal["all"] = "all"
    budget: str | Budget = "10"
    sampling: str = "2fps"
    repeats: int = 3
    weights: str | None = None
    checkpoint: str | None = None
    peers: bool = False

    def __post_init__(self) -> None:
        Parameter("repeats", (int,), range=Range(LEAST_REPEATS)).check(self.repeats, "perf")
        names = self.extractors
        if not names or (names != "all" and (isinstance(names, str) or not all(isinstance(n, str) for n in names))):
            raise UsageError(f"extractors={names!r} is not all or a list of names such as '[uniform,vsumm]'")
        object.__setattr__(self, "budget", budget := Budget.parse(self.budget))
        budget.check(None, "a video by itself")
        object.__setattr__(self, "sampling", str(Sampling.parse(self.sampling)))
        # The measuring processes have another current folder.
        object.__setattr__(self, "video", as_video(self.video).absolute())
        for name in ("weights", "checkpoint"):
            given = getattr(self, name)
            if given is not None and Path(given).is_file():
                object.__setattr__(self, name, str(Path(given).absolute()))


def perf(spec: PerfSpec, *, command: str = "", report: Report | None = None) -> dict[str, Any]:
    """Measure every case once in each round and return the record that ``perf --json`` prints.

    Raises `KeyframeBenchError` when the video gives no frames or cannot be decoded to its end by a plain loop, or an
    option is wrong. A case that fails is a row with its reason.

    Facts of the video; ``decode`` and ``decode_s``, plain decoding; ``rows`` and ``one_pass`` (`row_of`); ``length``
    (`growth`), ``extractors`` (`together`); ``not_run``, ``versions`` and how it was made.
    """
    check_video(spec.video)
    record, load, budget = started_record(command), [os.getloadavg()[0]], Budget.parse(spec.budget)
    methods, not_run = methods_of(spec.extractors, budget, spec.sampling, spec.weights, spec.checkpoint)
    facts = facts_of(spec.video)
    tools, absent, versions = peer_cases(spec.video, facts, budget) if spec.peers else ([], [], {})
    classical = [method for method in methods if not uses_network(method)]
    own = [*own_cases(spec.video, methods), *library_cases(spec.video, facts, budget), *tools]
    shorter, lengths = _lengths(spec.video, classical, facts.frames)
    fewer, groups = _groups(spec.video, classical)
    cases = [work_case(DECODE, spec.video, {"work": "decode"}, kind="peer"), *own, *shorter, *fewer]
    rounds, failures = measure_rounds(cases, spec.repeats, report)
    rows = {case.name: row_of(case, rounds, failures.get(case.name, "")) for case in cases}
    names = [method.extractor.name for method in classical]
    return {
        **record,
        "format": FORMAT,
        "versions": {**record["versions"], **versions},
        "video": printable(spec.video.name),
        **vars(facts),
        "repeats": spec.repeats,
        "sampling": spec.sampling,
        "budget": str(budget),
        "load": [*load, os.getloadavg()[0]],
        "decode_s": rows[DECODE]["wall_s"],
        "decode": rows[DECODE],
        "rows": [rows[case.name] for case in own],
        "one_pass": {**rows[ONE_PASS], "extractors": names} if names else None,
        "length": growth(lengths, rounds),
        "extractors": together(groups, rounds),
        "failures": [{"name": name, "reason": reason} for name, reason in failures.items()],
        "not_run": [{"name": n.extractor, "reason": n.reason} for n in [*not_run, *absent]],
    }


def _lengths(video: Video, classical: Sequence[Asked], frames: int) -> tuple[list[Case], dict[str, int]]:
    """Return the one pass over an eighth, a quarter and half of the frames, and the number of frames of each case."""
    if not classical:
        return [], {}
    limits = sorted({max(1, frames // part) for part in (8, 4, 2)} - {frames})
    cases = [extraction(f"{ONE_PASS}, first {n} frames", video, classical, limit=n) for n in limits]
    return cases, {**{case.name: n for case, n in zip(cases, limits, strict=True)}, ONE_PASS: frames}


def _groups(video: Video, classical: Sequence[Asked]) -> tuple[list[Case], dict[str, list[str]]]:
    """Return passes with the first 1, 2, 4, ... classical extractors by name, those that need pixels first, to all."""
    order = sorted(classical, key=lambda method: (not needs_pixels(method), method.extractor.name))
    names = [method.extractor.name for method in order]
    cases, groups = [], {name: [name] for name in names[:1]}
    for n in (2**power for power in range(1, len(order)) if 2**power < len(order)):
        cases.append(extraction(f"the first {n} in one pass", video, order[:n]))
        groups[cases[-1].name] = names[:n]
    return cases, groups | ({ONE_PASS: names} if len(names) > 1 else {})


def measure_rounds(
    cases: Sequence[Case], repeats: int, report: Report | None = None
) -> tuple[list[dict[str, Measured]], dict[str, str]]:
    """Measure every case once a round; the first of them, what ratios refer to, again and again, for its median.

    A case that fails is not measured again. Raises `KeyframeBenchError` when the first case fails.

    Returns
    -------
    rounds : list of dict
        Case name to what was measured.
    failures : dict
        Case name to the reason.
    """
    rounds: list[dict[str, Measured]] = []
    failures: dict[str, str] = {}
    for number in range(1, repeats + 1):
        found: dict[str, Measured] = {}
        bases: list[Measured] = []
        for place, case in enumerate(cases, start=1):
            if place > 2 and (place - 2) % _BASE_EVERY == 0:
                with suppress(KeyframeBenchError):  # the round has others
                    bases.append(cases[0].measure())
            if case.name in failures:
                continue
            if report is not None:
                report(number, repeats, place, len(cases), case.name)
            try:
                found[case.name] = case.measure()
            except KeyframeBenchError as error:
                if place == 1:
                    raise
                failures[case.name] = str(error)
        base = sorted([found[cases[0].name], *bases], key=lambda measured: measured.wall_s)
        found[cases[0].name] = base[(len(base) - 1) // 2]
        rounds.append(found)
    # In no round a number of what failed in a later one.
    return [{name: m for name, m in found.items() if name not in failures} for found in rounds], failures


def row_of(case: Case, rounds: Sequence[Round], failure: str = "") -> dict[str, Any]:
    """Return the row of a case, measured in some of the ``rounds``; one that failed has no numbers.

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
    row |= _median_and_range("ratio", [m.wall_s / b.wall_s for m, b in zip(mine, base, strict=True)])
    row["cpu_ratio"] = _median_ratio([(m.cpu_s, b.cpu_s) for m, b in zip(mine, base, strict=True)])
    if all(m.parts for m in mine):
        for name in ("pass_s", "select_s"):
            row[name] = _short(statistics.median(m.parts[name] for m in mine))
        row["pass_ratio"] = _median_ratio([(m.parts["pass_s"], b.wall_s) for m, b in zip(mine, base, strict=True)])
    if both := [found for found in seen if case.like in found]:
        field = "process_s" if case.whole_process else "wall_s"
        ratios = [getattr(f[case.like], field) / getattr(f[case.name], field) for f in both]
        row |= _median_and_range("to_peer", ratios)
    return {**row, "repeats": len(seen), "error": ""}


def growth(sizes: Mapping[str, int], rounds: Sequence[Round]) -> dict[str, Any]:
    """Return how seconds grow with the size (at least 1) of each case: medians, and the slope of their logarithms.

    ``points``, each ``size`` and ``wall_s``; ``slope``, ``slope_low``, ``slope_high``: seconds grow with the size to
    that power, median, lowest and highest of the rounds that have all cases, by least squares. Without slopes where
    there is one size only.
    """
    whole = [found for found in rounds if sizes and sizes.keys() <= found.keys()]
    if not whole:
        return {"points": []}
    medians = {name: _short(statistics.median(found[name].wall_s for found in whole)) for name in sizes}
    points = [{"size": size, "wall_s": medians[name]} for name, size in sizes.items()]
    if len(set(sizes.values())) < 2:
        return {"points": points}
    logs = np.log(list(sizes.values()))
    slopes = [np.polyfit(logs, np.log([found[name].wall_s for name in sizes]), 1)[0] for found in whole]
    return {"points": points, **_median_and_range("slope", [float(slope) for slope in slopes])}


def together(groups: Mapping[str, Sequence[str]], rounds: Sequence[Round]) -> dict[str, Any]:
    """Return what more extractors in one pass cost; ``groups`` are those of each case, from one of them to all.

    `growth` with the number of extractors; each point also has ``extractors``, their names, and ``alone_s``, what they
    take one after the other, each in a pass of its own. ``all_to_one``: seconds of the last point over those of the
    first, with lowest and highest.
    """
    found = growth({case: len(names) for case, names in groups.items()}, rounds)
    for point, names in zip(found["points"], groups.values(), strict=False):
        sums = [sum(seen[name].wall_s for name in names) for seen in rounds if set(names) <= seen.keys()]
        point |= {"extractors": list(names), "alone_s": _short(statistics.median(sums)) if sums else None}
    ends = list(groups)[:1] + list(groups)[-1:]
    ratios = [seen[ends[-1]].wall_s / seen[ends[0]].wall_s for seen in rounds if ends and set(ends) <= seen.keys()]
    return {**found, **(_median_and_range("all_to_one", ratios) if ratios else {})}


def _median_and_range(name: str, values: Sequence[float]) -> dict[str, float]:
    """Return the median under ``name``, the lowest and the highest under ``name_low`` and ``name_high``."""
    found = {name: statistics.median(values), f"{name}_low": min(values), f"{name}_high": max(values)}
    return {key: _short(value) for key, value in found.items()}


def _median_ratio(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return the median of the quotients; None where a clock was too coarse to see the divisor."""
    return _short(statistics.median(a / b for a, b in pairs)) if all(b > 0 for _, b in pairs) else None


def _short(value: float) -> float:
    """Return ``value`` with five digits: more were never measured."""
    return float(f"{value:.5g}")
