"""The 2 of 8 pairs of frames from which a FrameMAE reconstructs a clip best, found by trying all (Fu et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from ...core.checkpoint import Checkpoint
from ...core.clip import Clip, KeyFrames
from ...core.errors import UnavailableError, UsageError
from ...core.feature import Feature
from ...core.registry import register
from ...features.frame_mae import FrameMaeErrors
from ...metrics.base import Column
from ...models.frame_mae_weights import PAIRS
from ...models.weights import missing_package
from ...selection.ranked_windows import frames_of_tokens, shared_out, tokens_in
from ...selection.spacing import evenly_spaced
from ...training.clips import Clips
from ...training.fit_module import require_lightning
from ...training.options import TrainerOptions
from ...training.session import Session
from ..trainable import Pair, Trainable
from .options import FrameMaeOptions


@register("frame_mae_oracle")
class FrameMaeOracle(Trainable):
    """The 4 of 16 frames from which a trained FrameMAE reconstructs the other 12 best, of all 28 choices.

    Frames are taken in pairs, which are the network's tokens in time, and clips are windows of 16 sampled frames side
    by side. It costs 28 reconstructions a window: what a selector that looks at the frames once can reach at best. Its
    training is the FrameMAE's.

    Parameters
    ----------
    checkpoint : str
        The path of ``best.safetensors``, which ``keyframe-bench train extractor=frame_mae_oracle`` writes.
    errors : {"masked_only", "all_frames"}
        Whether the masked tokens are scored (the paper), or all 8.
    resize : {"crop", "stretch"}
        Whether the network looks at the middle of the image, as in training, or at all of it.
    rate : {"every2", "run"}
        Sampling: every other frame, as in the paper, or that of the run.
    precision : {"fp32", "bf16"}
        Of the network.

    Notes
    -----
    Source: Fu et al. 2023, section 4.1. A video shorter than a window is one window, with its last frame repeated. The
    last window of a video ends with it, and may overlap the one before. With a free budget a window has 4 key frames.
    With k, windows are ranked by how much the choice matters, the mean error of all choices less the lowest: the first
    frame of the earlier pair is taken from window after window, then of the later pair, then the second frames. The
    paper knows no such budget.
    """

    reference = "fu2023framers"
    supports = frozenset({"fixed", "free"})
    budget_rule = "frames of the best pairs, from the windows where the choice matters most"
    may_return_fewer = "a window of 16 sampled frames has 4 key frames at most"
    stochastic = False
    warm_start = True
    Options = FrameMaeOptions
    tiny: ClassVar[Mapping[str, object]] = {"batch": 4}
    numbers: ClassVar[Mapping[str, Column]] = {
        "loss": Column("lower", "1", "mean squared error of masked tokens, as in the training", headline=True),
        "pair_best": Column("lower", "1", "the same from the best 2 of 8 tokens of each clip", headline=True),
        "pair_mean": Column("lower", "1", "the same from 2 of 8 tokens, mean over all 28 choices"),
        "pair_uniform": Column("lower", "1", "the same from the third and the sixth token"),
    }

    def __init__(
        self,
        *,
        checkpoint: str = "",
        errors: Literal["masked_only", "all_frames"] = "masked_only",
        resize: Literal["crop", "stretch"] = "crop",
        rate: Literal["every2", "run"] = "every2",
        precision: Literal["fp32", "bf16"] = "fp32",
    ) -> None:
        self.checkpoint, self.errors, self.resize, self.rate = checkpoint, errors, resize, rate
        self.precision = precision

    @property
    def needs(self) -> tuple[Feature, ...]:
        """The errors of all choices in each window."""
        given = {name: value for name, value in self.params.items() if name != "rate"}
        return (FrameMaeErrors(**given),)

    @property
    def sampling(self) -> str | None:
        """Every other frame, unless ``rate`` says otherwise."""
        return None if self.rate == "run" else self.rate

    def train_needs(self, options: TrainerOptions) -> tuple[Feature, ...]:
        """Return whole frames."""
        assert isinstance(options, FrameMaeOptions)
        return (options.pictures,)

    def check_options(self, options: TrainerOptions) -> None:
        """Refuse a file of weights of another network, and look for packages."""
        assert isinstance(options, FrameMaeOptions)
        require_lightning()
        if missing := missing_package("timm"):
            raise UnavailableError(missing)
        if not options.videomae:
            return
        if not Path(options.videomae).is_file():
            raise UsageError(f"trainer.videomae={options.videomae!r} is no file; give weights of VideoMAE, or nothing")
        from ...models.frame_mae_weights import built, load_videomae

        load_videomae(built(options.params), options.videomae, options.preset)

    def unavailable(self) -> str | None:
        """Return what is missing: the checkpoint or a package."""
        return super().unavailable() or self.needs[0].unavailable()  # type: ignore[attr-defined]  # it has one

    def fit(self, train: Clips, validation: Clips, session: Session) -> Checkpoint:
        """Train the network to reconstruct masked frames."""
        from .learning import fit_frame_mae

        return fit_frame_mae(train, validation, session)

    def evaluate(self, checkpoint: Checkpoint, clips: Clips) -> dict[str, float]:
        """Return the loss, and errors of reconstructions from 2 of 8 tokens."""
        from .learning import evaluate

        return evaluate(checkpoint, clips)

    def reconstructions(self, checkpoint: Checkpoint, clips: Clips, n: int) -> Pair:
        """Return a frame of each of ``n`` clips, and what is reconstructed of it from tokens 3 and 6 of 8.

        Mean and contrast of patches are those of the frame, as in the training.
        """
        from .learning import reconstructions

        return reconstructions(checkpoint, clips, n)

    def described(self, options: TrainerOptions) -> str:
        """Return the preset and its size."""
        assert isinstance(options, FrameMaeOptions)
        return f"{options.preset}: {options.summary}"

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002 - interface
        """Return the frames of the best pairs; ``scores``: how much the choice matters in their window."""
        (feature,) = self.needs
        errors, windows = clip[feature], clip.windows(feature)
        if not len(errors):
            return clip.pick(evenly_spaced(len(clip), k or 4), fallback="no whole window of 16 frames")
        known = np.where(tokens_in(windows, PAIRS), errors, np.inf)  # of a short video some tokens are one frame
        frames = frames_of_tokens(windows, np.array(PAIRS)[known.argmin(axis=1)])
        gains = errors.mean(axis=1) - errors.min(axis=1)
        chosen, owners = shared_out(frames, gains, k)
        return clip.pick(chosen, scores=gains[owners])
