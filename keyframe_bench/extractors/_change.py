"""What methods share that cut a video where it changes and keep the middle frame of every piece."""

from __future__ import annotations

import numpy as np

from ..core.clip import Clip, KeyFrames
from ..selection.peaks import knee_threshold
from ..selection.segments import ThresholdRule, borders_at, change_threshold, largest_borders, middles, segments_of
from .base import NOTHING_ABOVE, Extractor, Knee, rank_of


class ChangeExtractor(Extractor):
    """Segments between large changes, and their middle frames.

    Subclasses name in ``needs`` the feature that measures the change from the sampled frame before, and take the four
    parameters of the threshold (`keyframe_bench.selection.segments.change_threshold`). An inferred k is one more than
    the number of changes above the knee of the sorted ones.
    """

    supports = frozenset({"fixed", "free", "inferred"})
    stochastic = False
    by_score = True
    threshold: ThresholdRule
    factor: float
    level: float
    window_s: float

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002
        """Return the segments' middle frames; a key frame's score is the change that opened its segment."""
        change, thresholds, fallback = clip[self.needs[0]], None, ""
        if k is None:
            thresholds = change_threshold(
                change, clip.times, self.threshold, factor=self.factor, level=self.level, window_s=self.window_s
            )
            borders = borders_at(change, thresholds)
            fallback = "" if borders.size else NOTHING_ABOVE
        else:
            borders = largest_borders(change, k)
        segments = segments_of(borders, len(change))
        scores = change[segments[:, 0]]
        return clip.pick(
            middles(segments),
            scores=scores,
            segments=segments,
            frame_scores=change,
            thresholds=thresholds,
            fallback=fallback,
        )

    def infer_k(self, clip: Clip, *, rng: np.random.Generator) -> int:
        """Return one more than the number of changes above the knee of the sorted ones."""
        return 1 + self.knee(clip, rng=rng).n_above

    def knee(self, clip: Clip, *, rng: np.random.Generator) -> Knee:  # noqa: ARG002
        """Return the knee of the sorted changes, and how many lie above it (the first is undefined: not counted)."""
        change = clip[self.needs[0]][1:]
        if not change.size:
            return Knee(0.0, 0)
        threshold = knee_threshold(change)
        return Knee(threshold, int((change > threshold).sum()))

    def lowest_chosen(self, result: KeyFrames) -> float | None:
        """Return the smallest change that starts a segment; None when there is one segment only."""
        return None if result.scores is None or len(result) < 2 else float(result.scores[1:].min())

    def why(self, clip: Clip, result: KeyFrames, position: int, k: int | None) -> str:  # noqa: ARG002
        """Say which frame stands for the segment, and whether the change at this frame started one."""
        assert result.segments is not None and result.frame_scores is not None
        frame = int(clip.ordinals[position])
        index = int(np.searchsorted(result.segments[:, 0], frame, side="right")) - 1
        start, end = result.segments[index].tolist()
        inside = clip.ordinals[(clip.ordinals >= start) & (clip.ordinals < end)]
        middle = int(result.frames[index])
        span = f"sampled frames {inside[0]} to {inside[-1]}"
        if len(inside) == 1:
            said = "chosen: it is a segment of its own"
        elif frame == middle:
            said = f"chosen: it is the middle of its segment, {span}"
        else:
            said = f"not chosen: frame {middle}, the middle of the segment of {span}, stands for it"
        return f"{said}; {_why_border(result, position, starts=frame == start)}"


def _why_border(result: KeyFrames, position: int, *, starts: bool) -> str:
    """Say why the sampled frame at ``position`` starts a segment or not."""
    assert result.frame_scores is not None
    if position == 0:
        return "no frame comes before it, so it starts the first segment"
    change = float(result.frame_scores[position])
    if result.thresholds is not None:
        threshold = f"the threshold {result.thresholds[position]:.4g}"
        if starts:
            return f"it starts the segment, because its change {change:.4g} reaches {threshold}"
        reason = "nothing changed" if change == 0 else f"its change {change:.4g} is below {threshold}"
        return f"it is merged with the frame before, because {reason}"
    n_borders = len(result) - 1
    if n_borders == 0:
        return "with one key frame, all is one segment"
    its = f"its change {change:.4g} is number {rank_of(result.frame_scores[1:], position - 1)}"
    if starts:
        return f"it starts the segment, because {its} and the {n_borders} largest start one"
    return f"it is merged with the frame before, because {its} and only the {n_borders} largest start a segment"
