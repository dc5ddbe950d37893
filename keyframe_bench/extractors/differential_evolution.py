"""Differential evolution over sets of key frames."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip, KeyFrames
from ..core.feature import Feature
from ..core.registry import Range, register
from ..features.histograms import GrayHistogram
from ..features.images import Gray
from ..selection.clustering import entropy_bits
from ..selection.evolution import PairCache, PairSSIM, PairValues, evolve, mean_of_members, mean_over_pairs, pairs_of
from .base import Extractor

Positions = NDArray[np.int64]


@register("differential_evolution")
class DifferentialEvolution(Extractor):
    """The set of frames that are least alike, sought by differential evolution (DE/rand/1/bin).

    The article names the measures, SSIM and entropy, and found SSIM to be the better one. The size of the population,
    the weights, and the numbers of generations and of key frames are not in it: the defaults are usual ones. With
    consecutive pairs only, a set that alternates between two views is as good as one that shows many; "all" tells them
    apart, at a cost that grows with the square of the number of key frames.

    One key frame has no pair: it is the middle one of the sampled frames.

    Parameters
    ----------
    fitness : {"ssim", "entropy"}
        Smallest mean SSIM of the pairs, on grey images of 36 x 64; or largest mean difference of their entropies, in
        bits, of 256 grey levels.
    population : int
        Individuals in all.
    weight : float
        F: share of the difference of two individuals that is added to a third.
    crossover : float
        CR: probability that a gene comes from that mutant.
    generations : int
        0 takes the best of ``population`` random sets.
    pairs : {"consecutive", "all"}
        Pairs of key frames that count: neighbours in time, as in the article, or all.
    seconds_per_key : float
        With a free budget, one key frame per so many seconds, at least 1.
    """

    reference = "platformai"
    supports = frozenset({"fixed", "free"})
    budget_rule = "the best set of k frames; free: k grows with the duration"

    def __init__(
        self,
        *,
        fitness: Literal["ssim", "entropy"] = "ssim",
        population: Annotated[int, Range(4, 1000)] = 20,
        weight: Annotated[float, Range(0, 2)] = 0.5,
        crossover: Annotated[float, Range(0, 1)] = 0.9,
        generations: Annotated[int, Range(0, 100000)] = 100,
        pairs: Literal["consecutive", "all"] = "consecutive",
        seconds_per_key: Annotated[float, Range(0.001)] = 8.0,
    ) -> None:
        self.fitness = fitness
        self.population = population
        self.weight = weight
        self.crossover = crossover
        self.generations = generations
        self.pairs = pairs
        self.seconds_per_key = seconds_per_key

    @property
    def needs(self) -> tuple[Feature, ...]:
        """Small grey images, or grey histograms."""
        return (Gray(height=36, width=64) if self.fitness == "ssim" else GrayHistogram(),)

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:
        """Return the best set found; a key frame's score is its mean difference to those it is paired with.

        The difference is 1 - SSIM, or that of the entropies in bits; 0 for a single key frame.
        """
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

        n = len(clip)
        if k is None:
            k = max(1, math.ceil(clip.video.duration_s / self.seconds_per_key))
        k = min(k, n)
        if k == 1:
            return clip.pick([(n - 1) // 2], scores=[0.0])
        # One thread: sums of several come in any order, and a last bit may decide which rival wins.
        with threadpool_limits(limits=1):
            likeness = self._likeness(clip)
            chosen = np.arange(n) if k == n else self._best(likeness, n, k, rng)
            first, second = pairs_of(k, self.pairs)
            values = likeness(chosen[first], chosen[second])
        alike = 1.0 if self.fitness == "ssim" else 0.0  # of a frame with itself
        return clip.pick(chosen, scores=alike - mean_of_members(values, k, self.pairs))

    def why(self, clip: Clip, result: KeyFrames, position: int, k: int | None) -> str:  # noqa: ARG002
        """Say what the set is worth, and with this frame in place of a key frame; sets are judged, not frames."""
        chosen = np.searchsorted(clip.ordinals, result.frames)
        if len(chosen) == 1:
            return f"{'chosen' if position in chosen else 'not chosen'}: the only key frame is the middle sampled frame"
        sets, cost = [chosen], mean_over_pairs(self._likeness(clip), len(chosen), self.pairs)
        if position not in chosen:
            sets += [np.sort(np.append(np.delete(chosen, i), position)) for i in range(len(chosen))]
        costs = cost(np.stack(sets))
        measure, unit, sign = ("SSIM", "", 1) if self.fitness == "ssim" else ("difference of entropies", " bits", -1)
        worth = [f"{value:.4g}{unit}" for value in sign * costs + 0.0]
        if position in chosen:
            return f"chosen: it belongs to the best set that was found, of a mean {measure} of {worth[0]}"
        best = 1 + int(costs[1:].argmin())
        place = f"in place of key frame {result.frames[best - 1]}, where it fits best,"
        if worth[best] == worth[0]:
            return f"not chosen: {place} it makes a set as good, of a mean {measure} of {worth[0]}"
        missed = ", but the search did not come upon that set" if costs[best] < costs[0] else ""
        return f"not chosen: {place} it makes the mean {measure} {worth[best]}, not {worth[0]}{missed}"

    def _likeness(self, clip: Clip) -> PairValues:
        """What is minimised, for pairs of positions: SSIM, or minus the difference of entropies."""
        rows = clip[self.needs[0]]
        if self.fitness == "ssim":
            return PairCache(PairSSIM(rows), len(clip))
        entropy = entropy_bits(rows)
        return lambda first, second: -np.abs(entropy[first] - entropy[second])

    def _best(self, likeness: PairValues, n: int, k: int, rng: np.random.Generator) -> Positions:
        return evolve(
            mean_over_pairs(likeness, k, self.pairs),
            n,
            k,
            rng=rng,
            population=self.population,
            weight=self.weight,
            crossover=self.crossover,
            generations=self.generations,
        )
