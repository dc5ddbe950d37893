"""Running an extractor at a budget as it is written: counts, "free", and numbers inferred from the video (A21)."""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip, KeyFrames, watched
from ..core.errors import ContractError, UsageError, memory_errors_named
from ..core.feature import Feature
from ..core.grammar import Budget
from ..metrics.distances import GRAY, GRAY_THRESHOLD, gray_distance
from ..selection.peaks import smallest_covering
from .base import Extractor, Knee, run_extractor

COVERAGE = 0.95
"""Share of the sampled frames that an "inferred-coverage" budget must cover."""


class Inferred(NamedTuple):
    """What decided k.

    Attributes
    ----------
    level : float or None
        "inferred": the knee of the sorted scores, which those counted lie above; None where the method counts
        otherwise.
    coverage, coverage_below : float or None
        "inferred-coverage": share of the sampled frames that k key frames cover, and that k - 1 do; None for no key
        frame.
    """

    level: float | None = None
    coverage: float | None = None
    coverage_below: float | None = None


def budget_features(budget: Budget) -> tuple[Feature, ...]:
    """Return the features that finding k takes: small grey images for "inferred-coverage"."""
    return (GRAY,) if budget.kind == "inferred-coverage" else ()


def unsupported(extractor: Extractor, budget: Budget) -> str | None:
    """Return why ``extractor`` takes no such budget and which extractors do, or None."""
    kind = budget.needs_support
    if kind in extractor.supports:
        return None
    reason = f"it takes no {kind} budget (it supports {' and '.join(sorted(extractor.supports))})"
    if kind == "inferred":
        entries = Extractor.registry.entries()
        able = [name for name, entry in entries.items() if entry.cls is not None and kind in entry.cls.supports]
        return f"{reason}; those with a score for every frame do: {', '.join(able)}"
    return f"{reason}; {'give a number such as budget=8' if kind == 'free' else 'use budget=free'}"


@memory_errors_named()
def run_at_budget(
    extractor: Extractor, clip: Clip, budget: Budget, n_run: int, *, rng: np.random.Generator
) -> tuple[KeyFrames, int | None]:
    """Resolve ``budget`` for ``clip`` and run ``extractor`` (`run_extractor`).

    Parameters
    ----------
    extractor : Extractor
    clip : Clip
        With the features of ``extractor.needs`` and of `budget_features`.
    budget : Budget
    n_run : int
        Frames at the run's sampling, of which a share is taken.
    rng : numpy.random.Generator

    Returns
    -------
    KeyFrames
        ``cost["select_s"]`` includes finding k.
    k : int or None
        None for "free".

    Raises
    ------
    UsageError
        If the extractor does not support this kind of budget.
    """
    reason = unsupported(extractor, budget)
    if reason is not None:
        raise UsageError(f"extractor {extractor.name!r}, budget={budget}: {reason}")
    if budget.needs_support != "inferred":
        k = budget.resolve(n_run, clip.video.duration_s)
        return run_extractor(extractor, clip, k, rng=rng), k
    k, seconds = _inferred_k(extractor, clip, budget, rng)
    found = run_extractor(extractor, clip, k, rng=rng)
    cost, fallback = {**found.cost, "select_s": found.cost["select_s"] + seconds}, found.fallback
    if k == 1 and budget.kind == "inferred" and (knee := _knee(extractor, clip, rng)) and knee.n_above == 0:
        fallback = "nothing above the knee of the scores"
    return replace(found, cost=cost, fallback=fallback), k


def what_decided(
    extractor: Extractor, clip: Clip, budget: Budget, k: int | None, *, rng: np.random.Generator
) -> Inferred:
    """Return what made an inferred budget k, which `run_at_budget` found with such an ``rng``; else nothing."""
    if k is None or budget.needs_support != "inferred":
        return Inferred()
    extractor.prepare()
    if budget.kind == "inferred-coverage":
        shares = [float(_covered(extractor, clip, n, rng).mean()) if n else None for n in (k, k - 1)]
        return Inferred(None, *shares)
    knee = _knee(extractor, clip, rng)
    return Inferred(level=None if knee is None else knee.level)


def _knee(extractor: Extractor, clip: Clip, rng: np.random.Generator) -> Knee | None:
    """Return what k was counted from; None where a subclass replaced only the counting: its knee tells nothing."""
    owners = [next(c for c in type(extractor).__mro__ if name in vars(c)) for name in ("infer_k", "knee")]
    if owners[0] is not owners[1] and issubclass(*owners):
        return None
    view = clip.restricted(extractor.needs, annotation=extractor.privileged)
    with watched(extractor, view):
        return extractor.knee(view, rng=copy.deepcopy(rng))


def _covered(extractor: Extractor, clip: Clip, k: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which sampled frames look like one of k key frames, drawn as from ``rng``, which is left as it is."""
    found = run_extractor(extractor, clip, k, rng=copy.deepcopy(rng))
    chosen = clip[GRAY][np.searchsorted(clip.ordinals, found.frames)]
    return np.asarray((gray_distance(clip[GRAY], chosen) < GRAY_THRESHOLD).any(axis=1))


def _inferred_k(extractor: Extractor, clip: Clip, budget: Budget, rng: np.random.Generator) -> tuple[int, float]:
    """Return k and the seconds it took; every trial draws what the final selection will draw."""
    extractor.prepare()
    if budget.kind == "inferred":
        view = clip.restricted(extractor.needs, annotation=extractor.privileged)
        with watched(extractor, view):
            start = time.perf_counter()
            k = extractor.infer_k(view, rng=copy.deepcopy(rng))
            seconds = time.perf_counter() - start
        if not 1 <= k <= len(clip):
            raise ContractError(f"extractor {extractor.name!r} infers k = {k} for {len(clip)} sampled frames")
    else:
        start = time.perf_counter()
        k = smallest_covering(lambda n: _covered(extractor, clip, n, rng), len(clip), COVERAGE)
        seconds = time.perf_counter() - start
    return k, seconds
