"""Seconds and memory of everything that reads a video, in one run: rounds in which every case is measured once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..core.budget import Budget, Sampling
from ..core.errors import KeyframeBenchError, UsageError
from ..core.files import printable
from ..video.frame_folder import Video, as_video
from ..video.opening import check_video
from .profile_cases import (
    DECODE,
    ONE_PASS,
    Case,
    Facts,
    Measured,
    Method,
    Work,
    decode_case,
    extraction,
    facts_of,
    library_cases,
    methods_of,
    own_cases,
)
from .profile_numbers import Round, growth, row_of, together
from .profile_peers import peer_cases
from .provenance import started_record
from .spec import NotRun

FORMAT = "keyframe_bench/perf@1"
LEAST_REPEATS = 3
_BASE_EVERY = 6  # cases between two measurements of what ratios refer to: a round takes minutes, and the load changes
_PARTS = (8, 4, 2)  # lengths: an eighth, a quarter, half of the video, and all of it

# Called with (round, rounds in all, case, cases in all, name), all counted from 1, before a case is measured.
Report = Callable[[int, int, int, int, str], None]


@dataclass(frozen=True)
class ProfileSpec:
    """What is measured; ``checkpoint`` is that of the extractor that learned it, the others have their own.

    Raises
    ------
    UsageError
        When a number, budget, sampling or list is wrong.
    """

    video: Video
    extractors: Sequence[str] | Literal["all"] = "all"
    budget: str = "10"
    sampling: str = "2fps"
    repeats: int = 3
    weights: str | None = None
    checkpoint: str | None = None
    peers: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.repeats, bool) or not isinstance(self.repeats, int) or self.repeats < LEAST_REPEATS:
            raise UsageError(
                f"repeats={self.repeats!r} is not a whole number of at least {LEAST_REPEATS}: "
                f"medians of fewer rounds say nothing"
            )
        names = self.extractors
        if not names or (names != "all" and (isinstance(names, str) or not all(isinstance(n, str) for n in names))):
            raise UsageError(f"extractors={names!r} is not all or a list of names such as '[uniform,vsumm]'")
        object.__setattr__(self, "budget", str(Budget.parse(self.budget)))
        object.__setattr__(self, "sampling", str(Sampling.parse(self.sampling)))
        # The measuring processes have another current folder.
        object.__setattr__(self, "video", as_video(self.video).absolute())
        for name in ("weights", "checkpoint"):
            given = getattr(self, name)
            if given is not None and Path(given).is_file():
                object.__setattr__(self, name, str(Path(given).absolute()))


@dataclass(frozen=True)
class _Plan:
    """Every case, and which of them are points of a series."""

    methods: list[Method]
    rows: list[Case]
    more: list[Case]
    lengths: dict[str, int]
    groups: dict[str, list[Method]]
    not_run: list[NotRun]
    versions: dict[str, str]


def profile(spec: ProfileSpec, *, command: str = "", report: Report | None = None) -> dict[str, Any]:
    """Measure every case once in each round and return the record that ``perf --json`` prints.

    Parameters
    ----------
    spec : ProfileSpec
    command : str
        How the run was started, for the record.
    report : callable, optional
        Progress.

    Returns
    -------
    dict
        Facts of the video; ``decode`` and ``decode_s``, plain decoding; ``rows`` and ``one_pass`` (`row_of`);
        ``length`` (`growth`), ``extractors`` (`together`); ``not_run``, ``versions`` and how it was made.

    Raises
    ------
    KeyframeBenchError
        When the video gives no frames or cannot be decoded to its end by a plain loop, or an option is wrong. A case
        that fails is a row with its reason.
    """
    check_video(spec.video)
    record = started_record(command)
    load = [os.getloadavg()[0]]
    plan, facts = _planned(spec)
    cases: list[Case] = [decode_case(spec.video), *plan.rows, *plan.more]
    rounds, failures = measure_rounds(cases, spec.repeats, report)
    rows = {case.name: row_of(case, rounds, failures.get(case.name, "")) for case in cases}
    load.append(os.getloadavg()[0])
    classical = [method.name for method in plan.methods if not method.network]
    return {
        **record,
        "format": FORMAT,
        "versions": {**record["versions"], **plan.versions},
        "video": printable(spec.video.name),
        **vars(facts),
        "repeats": spec.repeats,
        "sampling": spec.sampling,
        "budget": spec.budget,
        "load": load,
        "decode_s": rows[DECODE]["wall_s"],
        "decode": rows[DECODE],
        "rows": [rows[case.name] for case in plan.rows],
        "one_pass": {**rows[ONE_PASS], "extractors": classical} if classical else None,
        "length": growth(plan.lengths, rounds),
        "extractors": together(plan.groups, rounds),
        "failures": [{"name": name, "reason": reason} for name, reason in failures.items()],
        "not_run": [{"name": n.extractor, "reason": n.reason} for n in plan.not_run],
    }


def measure_rounds(
    cases: Sequence[Case], repeats: int, report: Report | None = None
) -> tuple[list[dict[str, Measured]], dict[str, str]]:
    """Measure every case once a round; the first of them, what ratios refer to, again and again, for its median.

    A case that fails is not measured again.

    Returns
    -------
    rounds : list of dict
        Case name to what was measured.
    failures : dict
        Case name to the reason.

    Raises
    ------
    KeyframeBenchError
        When the first case fails.
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
                continue
        base = sorted([found[cases[0].name], *bases], key=lambda measured: measured.wall_s)
        found[cases[0].name] = base[(len(base) - 1) // 2]
        rounds.append(found)
    # In no round a number of what failed in a later one.
    return [{name: m for name, m in found.items() if name not in failures} for found in rounds], failures


def _planned(spec: ProfileSpec) -> tuple[_Plan, Facts]:
    """Return the cases and the facts of the video; everything that can be wrong is told here."""
    methods, not_run = methods_of(spec.extractors, spec.budget, spec.weights, spec.checkpoint)
    facts = facts_of(spec.video)
    tools, absent, versions = peer_cases(spec.video, facts, spec.budget) if spec.peers else ([], [], {})
    rows: list[Case] = [
        *own_cases(spec.video, methods, spec.sampling),
        *library_cases(spec.video, facts, spec.budget),
        *tools,
    ]
    classical = [method for method in methods if not method.network]
    shorter, lengths = _lengths(spec, classical, facts.frames)
    fewer, groups = _groups(spec, classical)
    return _Plan(methods, rows, [*shorter, *fewer], lengths, groups, [*not_run, *absent], versions), facts


def _lengths(spec: ProfileSpec, classical: list[Method], frames: int) -> tuple[list[Work], dict[str, int]]:
    """Return the one pass over the first frames only, and the number of frames of each case."""
    if not classical:
        return [], {}
    limits = sorted({max(1, frames // part) for part in _PARTS} - {frames})
    cases = [extraction(f"{ONE_PASS}, first {n} frames", spec.video, classical, spec.sampling, limit=n) for n in limits]
    return cases, {**{case.name: n for case, n in zip(cases, limits, strict=True)}, ONE_PASS: frames}


def _groups(spec: ProfileSpec, classical: list[Method]) -> tuple[list[Work], dict[str, list[Method]]]:
    """Return passes with the first 1, 2, 4, ... classical extractors by name, those that need pixels first, to all."""
    if not classical:
        return [], {}
    order = sorted(classical, key=lambda method: (not method.decodes, method.name))
    cases, groups = [], {order[0].name: order[:1]}
    n = 2
    while n < len(order):
        name = f"the first {n} in one pass"
        cases.append(extraction(name, spec.video, order[:n], spec.sampling))
        groups[name] = order[:n]
        n *= 2
    if len(order) > 1:
        groups[ONE_PASS] = order
    return cases, groups


__all__ = ["FORMAT", "LEAST_REPEATS", "ProfileSpec", "Report", "Round", "measure_rounds", "profile"]
