"""An extractor at a budget on a video: what a pass must hold for it, and the key frames that it answers with.

The number of key frames may be inferred from the video: from the knee of the method's scores, or from how many
sampled frames look like a key frame.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip, KeyFrames, watched
from ..core.errors import ContractError, UsageError, memory_errors_named
from ..core.feature import Feature
from ..core.grammar import Budget, Sampling
from ..core.seeding import rng_for
from ..metrics.distances import GRAY, GRAY_THRESHOLD, gray_distance
from ..selection.peaks import smallest_covering
from .base import Extractor, Knee, run_extractor
from .trainable import Trainable

if TYPE_CHECKING:  # it decodes, and `list` imports every file of this folder
    from ..video.frame_folder import VideoPath
    from ..video.onepass import Pass

DEFAULT_EXTRACTOR = "pixel_distance"
"""The method where none is named."""

COVERAGE = 0.95
"""Share of the sampled frames that an "inferred-coverage" budget must cover."""


@dataclass(frozen=True)
class Asked:
    """What an extractor is asked for: the one way from a pass to its key frames."""

    extractor: Extractor
    budget: Budget
    # The sampling that was asked for: shares are of its frames, and methods without one of their own see these
    run_sampling: str

    @classmethod
    def of(cls, extractor: Extractor, budget: str | int | Budget, sampling: str) -> Asked:
        """Return it from a budget and a sampling as they are written; `UsageError` where they are wrong."""
        return cls(extractor, Budget.parse(budget), str(Sampling.parse(sampling)))

    @property
    def sampling(self) -> str:
        """The sampling that the method works on."""
        return self.extractor.sampling or self.run_sampling

    @property
    def features(self) -> tuple[Feature, ...]:
        """What the method reads, and what its budget is inferred from."""
        return features_read(self.extractor, self.budget)

    @property
    def requests(self) -> dict[str, tuple[Feature, ...]]:
        """What `keyframe_bench.video.onepass.read_pass` must be asked for."""
        return {self.run_sampling: (), self.sampling: self.features}

    def check_length(self, path: VideoPath, start: int = 0, **known: Any) -> None:
        """Raise `UsageError` where a video is too long for the method, before features are computed of it.

        ``start`` is the ordinal from which on it is looked at, ``known`` what `read_pass` is told of the video.
        """
        method = self.extractor
        if isinstance(method, Trainable) and type(method).check_length is not Trainable.check_length:
            from ..video.onepass import read_pass

            read = read_pass(path, {self.sampling: ()}, **known)
            ordinals = read.grid(self.sampling)
            method.check_length(method.trained_options(), read.info.name, read.times[ordinals[ordinals >= start]])

    def clip(self, read: Pass, annotation: Annotation | None = None) -> Clip:
        """Return the frames that the method sees of a pass."""
        return read.clip(self.sampling, self.features, annotation)

    def cost(self, read: Pass) -> dict[str, float]:
        """Return what decoding and features took, as if the method had run alone."""
        return read.cost(self.sampling, self.features)

    def rng(self, read: Pass, seed: int, draw: int = 0) -> np.random.Generator:
        """Return the generator from which the method draws on this video."""
        return rng_for(seed, read.info.sha256, self.extractor.name, draw)

    def answer(self, read: Pass, seed: int, annotation: Annotation | None = None) -> tuple[KeyFrames, int | None]:
        """Return the key frames, with their whole cost, and the budget as a number (None: the method's own).

        ``annotation``: aligned; for budgets that count what is annotated.

        Raises `UsageError`, `ContractError` as `keyframe_bench.extractors.base.run_extractor`.
        """
        n_run = len(read.grid(self.run_sampling))
        clip = self.clip(read, annotation)
        found, k = run_at_budget(self.extractor, clip, self.budget, n_run, rng=self.rng(read, seed))
        return replace(found, cost={**self.cost(read), **found.cost}), k


class Inferred(NamedTuple):
    """What decided k."""

    # "inferred": the knee of the sorted scores, which those counted lie above; None where the method counts otherwise
    threshold: float | None = None
    # "inferred-coverage": share of the sampled frames that k key frames cover, and that k - 1 do; None for no key frame
    coverage: float | None = None
    coverage_below: float | None = None


def budget_features(budget: Budget) -> tuple[Feature, ...]:
    """Return the features that finding k takes: small grey images for "inferred-coverage"."""
    return (GRAY,) if budget.kind == "inferred-coverage" else ()


def features_read(extractor: Extractor, budget: Budget) -> tuple[Feature, ...]:
    """Return all features that answering at a budget takes, each once."""
    free = extractor.free_needs if budget.kind == "free" else ()
    return tuple(dict.fromkeys([*extractor.needs, *free, *budget_features(budget)]))


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
    return f"{reason}; it needs {'a number, such as 8' if kind == 'free' else 'the budget free'}"


@memory_errors_named()
def run_at_budget(
    extractor: Extractor, clip: Clip, budget: Budget, n_run: int, *, rng: np.random.Generator
) -> tuple[KeyFrames, int | None]:
    """Resolve ``budget`` for ``clip`` and run ``extractor`` (`run_extractor`).

    ``clip``: with the features of `features_read`, and what is annotated; ``n_run``: frames at the run's sampling, of
    which a share is taken. Raises `UsageError` if the extractor does not support this kind of budget, or if it counts
    what is not annotated.

    Returns
    -------
    KeyFrames
        ``cost["select_s"]`` includes finding k.
    k : int or None
        None for "free".
    """
    reason = unsupported(extractor, budget)
    if reason is not None:
        raise UsageError(f"extractor {extractor.name!r}, budget={budget}: {reason}")
    extractor.prepare()
    seconds, fallback = 0.0, ""
    k: int | None
    if budget.kind == "inferred":
        view = clip.restricted(extractor.needs, annotation=extractor.privileged)
        with watched(extractor, view):
            start = time.perf_counter()
            k = extractor.infer_k(view, rng=copy.deepcopy(rng))
            seconds = time.perf_counter() - start
        if not 1 <= k <= len(clip):
            raise ContractError(f"extractor {extractor.name!r} infers k = {k} for {len(clip)} sampled frames")
        if k == 1 and (knee := _knee(extractor, clip, rng)) and knee.n_above == 0:
            fallback = "nothing above the knee of the scores"
    elif budget.kind == "inferred-coverage":
        start = time.perf_counter()
        k = smallest_covering(lambda n: _covered(extractor, clip, n, rng), len(clip), COVERAGE)
        seconds = time.perf_counter() - start
    else:
        k = budget.resolve(n_run, clip.video.duration_s, clip.annotation)
    found = run_extractor(extractor, clip, k, rng=rng)
    if not (seconds or fallback):
        return found, k
    cost = {**found.cost, "select_s": found.cost["select_s"] + seconds}
    return replace(found, cost=cost, fallback=fallback or found.fallback), k


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
    return Inferred(threshold=None if knee is None else knee.threshold)


def _knee(extractor: Extractor, clip: Clip, rng: np.random.Generator) -> Knee | None:
    """Return what k was counted from; None where a subclass replaced only the counting: its knee tells nothing."""
    counts, knee = (next(c for c in type(extractor).__mro__ if name in vars(c)) for name in ("infer_k", "knee"))
    if counts is not knee and issubclass(counts, knee):
        return None
    view = clip.restricted(extractor.needs, annotation=extractor.privileged)
    with watched(extractor, view):
        return extractor.knee(view, rng=copy.deepcopy(rng))


def _covered(extractor: Extractor, clip: Clip, k: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which sampled frames look like one of k key frames, drawn as from ``rng``, which is left as it is."""
    found = run_extractor(extractor, clip, k, rng=copy.deepcopy(rng))
    chosen = clip[GRAY][np.searchsorted(clip.ordinals, found.frames)]
    return np.asarray((gray_distance(clip[GRAY], chosen) < GRAY_THRESHOLD).any(axis=1))
