"""An extractor at a budget on a video: what a pass must hold for it, and the key frames that it answers with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..core.annotation import Annotation
from ..core.clip import Clip, KeyFrames
from ..core.feature import Feature
from ..core.grammar import Budget, Sampling
from ..core.seeding import rng_for
from ._inferred import budget_features, run_at_budget
from .base import Extractor

if TYPE_CHECKING:  # it decodes, and `list` imports every file of this folder
    from ..video.onepass import Pass


@dataclass(frozen=True)
class Asked:
    """What an extractor is asked for: the one way from a pass to its key frames.

    Attributes
    ----------
    extractor : Extractor
    budget : Budget
    run_sampling : str
        The sampling that was asked for: shares are of its frames, and methods without one of their own see these.
    """

    extractor: Extractor
    budget: Budget
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
        return tuple(dict.fromkeys([*self.extractor.needs, *budget_features(self.budget)]))

    @property
    def requests(self) -> dict[str, tuple[Feature, ...]]:
        """What `keyframe_bench.video.onepass.read_pass` must be asked for."""
        return {self.run_sampling: (), self.sampling: self.features}

    def clip(self, read: Pass, annotation: Annotation | None = None) -> Clip:
        """Return the frames that the method sees of a pass."""
        return read.clip(self.sampling, self.features, annotation)

    def cost(self, read: Pass) -> dict[str, float]:
        """Return what decoding and features took, as if the method had run alone."""
        return read.cost(self.sampling, self.features)

    def rng(self, read: Pass, seed: int, draw: int = 0) -> np.random.Generator:
        """Return the generator from which the method draws on this video."""
        return rng_for(seed, read.info.sha256, self.extractor.name, draw)

    def answer(
        self, read: Pass, seed: int, *, draw: int = 0, clip: Clip | None = None, n_run: int | None = None
    ) -> tuple[KeyFrames, int | None]:
        """Return the key frames, with their whole cost, and the budget as a number (None: the method's own).

        Parameters
        ----------
        read : Pass
            With what `requests` names.
        seed : int
        draw : int
            Which of `Extractor.draws`.
        clip : Clip, optional
            What the method sees, where that is a part of the video.
        n_run : int, optional
            Frames of ``run_sampling`` in that part.

        Raises
        ------
        UsageError, ContractError
            As `keyframe_bench.extractors.base.run_extractor`.
        """
        seen = self.clip(read) if clip is None else clip
        n = len(read.grid(self.run_sampling)) if n_run is None else n_run
        found, k = run_at_budget(self.extractor, seen, self.budget, n, rng=self.rng(read, seed, draw))
        return replace(found, cost={**self.cost(read), **found.cost}), k
