"""seqDPP: diverse key frames by a determinantal point process over segments, learned from human annotators."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from ...core.checkpoint import Checkpoint
from ...core.clip import Clip, KeyFrames
from ...core.errors import UsageError
from ...core.feature import Feature
from ...core.registry import register
from ...metrics.base import Column
from ...metrics.distances import HUE
from ...training.clips import Clips
from ...training.options import TrainerOptions
from ...training.session import Session
from .._learned_rows import RowLearner, minimised, projected, projection
from .model import Mask, Segments, SeqdppOptions, kernels_of, start_of
from .oracle import oracle_summary
from .summary import Summary

_MAX_SEGMENT = 12


@register("seqdpp")
class Seqdpp(RowLearner):
    """Diverse frames segment by segment, each given those of the segment before, with a kernel learned from annotators.

    Frames are cut into segments of 10. The chosen set Y of a segment V has the probability
    det L(Y and P) / det(L(V and P) + I_V), where P is what was chosen of the segment before and I_V is 1 on the
    diagonal of V only. Training maximises the log probability of an oracle summary of every video by L-BFGS; selection
    goes from left to right, and takes the most probable subset of a segment.

    Parameters
    ----------
    checkpoint : str
        The path of ``best.safetensors``, which ``keyframe-bench train extractor=seqdpp`` writes.
    rate : {"2fps", "run"}
        Sampling: the paper's two frames per second, or that of the run. Train with the same.
    k_rule : {"expected", "map"}
        With a free budget, as many frames as a summary drawn from the model has on average, rounded, at least one; or
        the paper's: as many as the most probable subsets have, the empty one among them, or one if all are empty.

    Notes
    -----
    Source: Gong et al. 2014. The oracle summary is greedy: the frame is added that raises the mean over annotators of
    F1 most, until none does; among equals the one nearest in time to the key frames that it newly matches.

    The mean number of frames is computed over all summaries, exactly (`Summary.expected_size`); that a free budget asks
    for it is ours. Where each of many frames may be a key frame and none is likely one, the most probable subset of
    every segment is empty: so it was on 48 of 48 videos with simulated annotators.

    For k frames a constant is added to the log determinant for every chosen frame. It is found by bisection; where no
    constant gives k, frames are added to the nearest summary, or taken from it, one at a time, each the one that is
    best for the log probability of the whole summary.

    ``frame_scores`` are the probabilities that a frame is chosen, given what was chosen of the segment before.
    """

    reference = "gong2014seqdpp"
    supports = frozenset({"fixed", "free"})
    budget_rule = "a constant per chosen frame is searched; then single frames are added or removed by log probability"
    stochastic = False
    Options = SeqdppOptions
    tiny: ClassVar[dict[str, object]] = {"feature": "hue_histogram", "dims": 4, "max_iter": 5}
    numbers: ClassVar[dict[str, Column]] = {
        "log_loss": Column("lower", "nat", "-log probability of the oracle summary, mean over segments", headline=True)
    }

    def __init__(
        self,
        *,
        checkpoint: str = "",
        rate: Literal["2fps", "run"] = "2fps",
        k_rule: Literal["expected", "map"] = "expected",
    ) -> None:
        self.checkpoint = checkpoint
        self.rate = rate
        self.k_rule = k_rule

    @property
    def sampling(self) -> str | None:
        """The paper's two frames per second, unless ``rate`` is "run"."""
        return None if self.rate == "run" else self.rate

    def check_options(self, options: TrainerOptions) -> None:
        """Refuse segments too long for exact inference, besides what `RowLearner` refuses."""
        super().check_options(options)
        assert isinstance(options, SeqdppOptions)
        if options.segment > _MAX_SEGMENT:
            raise UsageError(
                f"trainer.segment={options.segment}: all 2^{options.segment} subsets of a segment are held in memory; "
                f"give at most {_MAX_SEGMENT}"
            )

    def train_needs(self, options: TrainerOptions) -> tuple[Feature, ...]:
        """Return the feature that the options name, and what the oracle summary compares."""
        assert isinstance(options, SeqdppOptions)
        compared = (HUE,) if options.oracle == "hue" else ()
        return tuple(dict.fromkeys((*super().train_needs(options), *compared)))

    def fit(self, train: Clips, validation: Clips, session: Session) -> Checkpoint:
        """Maximise the log probability of the oracle summaries; ``validation`` chooses the iteration."""
        options: SeqdppOptions = session.options
        self.check_options(options)
        parts = [self._oracles(clips, options, name) for name, clips in (("train", train), ("validation", validation))]
        tensors = projection([clip for clip, _ in parts[0]], self.train_needs(options)[0], options.dims)
        fitted, held = (self._examples(part, options, tensors) for part in parts)
        start = start_of(options, fitted.frames.shape[-1])
        best, last = minimised(lambda p: fitted.loss(p, options), start, session, lambda p: held.loss(p, options)[0])
        session.last = session.checkpoint({**tensors, "kernel": last}, chosen="last", history=session.history)
        return session.checkpoint({**tensors, "kernel": best}, chosen="best_val", history=session.history)

    def _oracles(self, clips: Clips, options: SeqdppOptions, part: str) -> list[tuple[Clip, Mask]]:
        """Return the clips with key frames of annotators, and which of their sampled frames the oracle chooses."""
        annotated = (clip for clip in clips if clip.annotation is not None and clip.annotation.choosers)
        found = [(clip, oracle_summary(clip, options)) for clip in annotated]
        if not any(chosen.any() for _, chosen in found):
            raise UsageError(
                f"no sampled frame of the {part} part agrees with what an annotator chose; choose another split or "
                "sampling, or trainer.oracle=time with a larger trainer.tau_s"
            )
        return found

    def _examples(self, part: list[tuple[Clip, Mask]], options: SeqdppOptions, tensors: Any) -> Segments:
        feature = self.train_needs(options)[0]
        each = [Segments.of(projected(clip, feature, tensors), options.segment, chosen) for clip, chosen in part]
        return Segments.joined(each)

    def evaluate(self, checkpoint: Checkpoint, clips: Clips) -> dict[str, float]:
        """Return the mean log loss of a segment."""
        options = SeqdppOptions.build(checkpoint.options)
        examples = self._examples(self._oracles(clips, options, "validation"), options, checkpoint.tensors)
        return {"log_loss": examples.loss(checkpoint.tensors["kernel"], options)[0]}

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002
        """Return the most probable summary of k frames, from left to right; see the class."""
        learned, options = self.learned(), self.trained_options()
        segments = Segments.of(projected(clip, self.needs[0], learned.tensors), options.segment)
        kernels, alpha, _ = kernels_of(learned.tensors["kernel"], segments.frames, options)
        summary = Summary(kernels, alpha, segments.real)
        if k is None and self.k_rule == "expected":
            k = max(1, round(summary.expected_size()))
        chosen = summary.most_probable(0.0) if k is None else summary.exactly(min(k, len(clip)))
        fallback = "" if chosen.any() else "the most probable summary is empty"
        chosen = summary.exactly(1) if fallback else chosen
        scores = summary.probabilities(chosen)
        return clip.pick(np.flatnonzero(chosen), scores=scores[chosen], frame_scores=scores, fallback=fallback)
