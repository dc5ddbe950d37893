"""Four of sixteen frames to reconstruct the others from, as a selector predicts (Fu et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.checkpoint import Checkpoint
from ...core.clip import Clip, KeyFrames
from ...core.errors import UsageError
from ...core.feature import Feature
from ...core.registry import register
from ...features.frame_mae import FrameMaeErrors, FrameMaeTokens
from ...metrics.base import Column
from ...models.frame_mae_weights import N_TOKENS, PAIRS
from ...selection.clustering import filled
from ...selection.ranked_windows import frames_of_tokens, shared_out, tokens_in
from ...selection.spacing import evenly_spaced
from ...training.clips import Clips
from ...training.fit_module import require_lightning
from ...training.options import TrainerOptions
from ...training.session import Session
from ..trainable import Stage, Trainable
from .options import EMBEDDED, FrameRsOptions


@register("frame_rs")
class FrameRs(Trainable):
    """The 4 of 16 frames that a selector predicts to be the best for a FrameMAE to reconstruct the other 12 from.

    The selector is a small classifier of the 28 choices of 2 of 8 tokens in time (pairs of frames), trained on which
    of them the FrameMAE reconstructs best (`FrameMaeOracle`). It reads what enters the FrameMAE's decoder, so that a
    window is encoded once instead of 28 times. Its checkpoint holds the FrameMAE too.

    Parameters
    ----------
    checkpoint : str
        "bundled" (a tiny FrameMAE and its selector, trained on rendered films), or the path of a safetensors file that
        ``keyframe-bench train extractor=frame_rs`` wrote.
    rate : {"every2", "run"}
        Sampling: every other frame, as in the paper, or that of the run.
    precision : {"fp32", "bf16"}
        Of the FrameMAE.

    Notes
    -----
    Source: Fu et al. 2023, sections 3.2 and 4.1, and the authors' code. A video shorter than a window is one window,
    with its last frame repeated; the last window of a video ends with it, and may overlap the one before. With a free
    budget every window gives the frames of the most probable pair. With k, windows take turns: the first frame of the
    pair's earlier token, that of the later one, the second frames, then the first and second frames of the other tokens
    by their probability. Where not all windows can have a turn, they are divided into as many stretches as frames are
    left, and the window with the most probable pair in each has one. The paper knows no such budget.
    """

    reference = "fu2023framers"
    supports = frozenset({"fixed", "free"})
    budget_rule = "windows take turns, frames of the most probable pair first; free: 4 of each window of 16"
    stochastic = False
    Options = FrameRsOptions
    tiny: ClassVar[Mapping[str, object]] = {"batch": 4, "lr": 0.01}
    numbers: ClassVar[Mapping[str, Column]] = {
        "top1": Column("higher", "1", "share of windows whose best pair is the most probable one", headline=True),
        "top5": Column("higher", "1", "share of windows whose best pair is among the five most probable"),
        "regret": Column(
            "lower", "1", "error of the chosen pair less the best, over the mean of all less the best", headline=True
        ),
        "cross_entropy": Column("lower", "1", "of the best pair, in nats; 3.33 without knowledge"),
        "windows": Column("none", "1", "windows that these numbers are of"),
        **{
            f"train_{name}": Column("none", "1", f"{name} on the training windows")
            for name in ("top1", "top5", "regret")
        },
        **{
            f"{which}_{name}": Column("none", "1", f"{name} of {who}")
            for which, who in (
                ("majority", "the pairs that are most often the best in training"),
                ("pair_2_5", "the third and the sixth token"),
                ("pair_1_6", "the second and the seventh token"),
            )
            for name in ("top1", "top5", "regret")
            if name != "top5" or which == "majority"
        },
    }

    def __init__(
        self,
        *,
        checkpoint: str = "bundled",
        rate: Literal["every2", "run"] = "every2",
        precision: Literal["fp32", "bf16"] = "fp32",
    ) -> None:
        self.checkpoint, self.rate, self.precision = checkpoint, rate, precision

    @property
    def sampling(self) -> str | None:
        """Every other frame, unless ``rate`` says otherwise."""
        return None if self.rate == "run" else self.rate

    @property
    def needs(self) -> tuple[Feature, ...]:
        """What the selector reads of a window."""
        return self.train_needs(self.trained_options())[1:]

    def train_needs(self, options: TrainerOptions) -> tuple[Feature, ...]:
        """Return the errors of all pairs, which are learned from, and what the selector reads."""
        assert isinstance(options, FrameRsOptions)
        if not options.frame_mae:
            raise UsageError(
                "frame_rs learns what a FrameMAE reconstructs best: give trainer.frame_mae=DIR/best.safetensors, of "
                "keyframe-bench train extractor=frame_mae_oracle"
            )
        own = options.frame_mae == EMBEDDED
        given: dict[str, Any] = {
            "checkpoint": self.checkpoint if own else options.frame_mae,
            "trained_by": "frame_rs" if own else "frame_mae_oracle",
            "resize": options.resize,
            "precision": self.precision,
        }
        return FrameMaeErrors(**given, errors=options.errors), FrameMaeTokens(**given)

    def first_stage(self, options: TrainerOptions) -> Stage | None:
        """Return the training of the FrameMAE, where no checkpoint is given."""
        assert isinstance(options, FrameRsOptions)
        if options.frame_mae:
            return None
        given = {name: getattr(options, f"mae_{name}") for name in ("target", "epochs", "batch", "lr")}
        given |= {"preset": options.preset, "n_masked": options.n_masked, "threads": options.threads}
        return Stage("frame_mae", "frame_mae_oracle", given)

    def check_options(self, options: TrainerOptions) -> None:  # noqa: ARG002 - interface
        """Look for packages."""
        require_lightning()

    def unavailable(self) -> str | None:
        """Return what is missing: the checkpoint or a package."""
        return super().unavailable() or self.needs[0].unavailable()  # type: ignore[attr-defined]  # it has one

    def fit(self, train: Clips, validation: Clips, session: Session) -> Checkpoint:
        """Train the selector on the best pair of every window."""
        from .learning import fit_frame_rs

        return fit_frame_rs(train, validation, session)

    def evaluate(self, checkpoint: Checkpoint, clips: Clips) -> dict[str, float]:
        """Return how often the best pair is predicted, what wrong predictions cost, and the same without a selector."""
        from .learning import evaluate

        return evaluate(checkpoint, clips)

    def prepare(self) -> None:
        """Load the selector."""
        from .learning import load_selector

        load_selector(self.checkpoint)

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002 - interface
        """Return frames of probable pairs; a score is the probability that the frame's token is in the best pair."""
        from .learning import load_selector, probabilities

        (feature,) = self.needs
        tokens, windows = clip[feature], clip.windows(feature)
        if not len(tokens):
            return clip.pick(evenly_spaced(len(clip), k or 4), fallback="no whole window of 16 frames")
        found = probabilities(load_selector(self.checkpoint), tokens)
        pairs = np.array(PAIRS)
        found = found * tokens_in(windows, pairs)  # of a short video some tokens are its last frame, repeated
        best, order, of_token = pairs[found.argmax(axis=1)], *ranked_tokens(found)
        pair, others = frames_of_tokens(windows, best), frames_of_tokens(windows, order[:, 2:])
        if k is None:
            chosen = shared_out(pair, found.max(axis=1), None)[0]
        else:
            chosen = shared_out(np.concatenate([pair, others], axis=1), ranks(found.max(axis=1), k), k)[0]
            chosen = filled(np.sort(chosen), min(k, len(clip)), len(clip))
        scores = np.zeros(len(clip))
        every = frames_of_tokens(windows, np.tile(np.arange(N_TOKENS), (len(windows), 1)))
        scores[every] = np.tile(of_token, 2)
        return clip.pick(chosen, scores=scores[chosen], frame_scores=scores)


def ranked_tokens(found: NDArray[np.floating[Any]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the tokens of every window, those of the most probable pair first, then by probability, int64 [W, 8].

    And the probability of each to be in the pair, float64 [W, 8], of those of the pairs [W, 28].
    """
    member = np.array([[token in pair for token in range(N_TOKENS)] for pair in PAIRS], dtype=np.float64)  # [28, 8]
    of_token = found.astype(np.float64) @ member  # [W, 8]
    first = member[found.argmax(axis=1)]  # [W, 8]
    return np.argsort(-(of_token + 2 * first), axis=1, kind="stable"), of_token


def ranks(confidence: NDArray[np.floating[Any]], k: int) -> NDArray[np.float64]:
    """Return what windows are ranked by, [W]: their confidence, and before it whether they have a turn left over.

    Those are one in each of ``k % W`` stretches of windows: the most confident one there.
    """
    found = np.asarray(confidence, dtype=np.float64).copy()
    if left := k % len(found):
        for stretch in np.array_split(np.arange(len(found)), left):
            found[stretch[found[stretch].argmax()]] += 1
    return found
