"""Text of the files that ``keyframe-bench new NAME`` writes (`string.Template`: ``$name``, ``$class_name`` ...)."""

from __future__ import annotations

EXTRACTOR = '''\
"""Sharpest frames: put your own idea into `score`, the rest is ready to run."""

from __future__ import annotations

from typing import Annotated

import numpy as np
$imports


@register("$name")
class $class_name(ScoreExtractor):
    """Sharpest frames: the Laplacian of a crisp picture varies much, that of a blurred one little.

    Parameters
    ----------
    height : int
        Height in pixels of the grey picture that is looked at; its width is 4/3 of it.
    """

    # So that old results are not taken for new: inside the repository, raise the version when they change. Edits of a
    # plug-in and of what it imports are noticed; what else it reads (files, environment) belongs in depends_on.
    version = 1
    reference = "none"  # BibTeX key of the article, if there is one

    def __init__(self, height: Annotated[int, Range(12, 480)] = 120) -> None:
        self.height = height

    @property
    def needs(self) -> tuple[Feature, ...]:
        """Grey images, uint8 [N, height, width]."""
        return (Gray(height=self.height, width=self.height * 4 // 3),)

    def score(self, clip: Clip) -> np.ndarray:
        """Return the variance of the Laplacian of each frame, float64 [N]: the higher, the sharper."""
        import cv2

        return np.array([cv2.Laplacian(picture, cv2.CV_64F).var() for picture in clip[self.needs[0]]])
'''

LEARNED = '''\
"""Frames like those that people chose: put your own idea into `describe`, the rest is ready to train and run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
$imports

LAGS_S = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)


@dataclass(frozen=True, kw_only=True)
class ${class_name}Options(TrainerOptions):
    """What the training can be told on the command line: ``trainer.near_s=0.25``.

    Parameters
    ----------
    near_s : float
        Frames within so many seconds of one that a human annotator chose count as chosen.
    """

    near_s: Annotated[float, Range(0, 10)] = 0.5


@register("$name")
class $class_name(Trainable, ScoreExtractor):
    """Frames like those that human annotators chose, by how much the colours differ some time before and after.

    Parameters
    ----------
    checkpoint : str
        The path of ``best.safetensors``, which ``keyframe-bench train extractor=$name`` writes.
    """

    # So that old results are not taken for new: inside the repository, raise the version when they change. Edits of a
    # plug-in and of what it imports are noticed; what else it reads (files, environment) belongs in depends_on.
    version = 1
    reference = "none"  # BibTeX key of the article, if there is one
    supervision = "users"  # learns from human annotators: never scored on a video that it was trained on
    seeded = False  # fit draws nothing at random
    min_gap = 3  # sampled frames from one key frame to the next, at least
    Options = ${class_name}Options
    numbers: ClassVar = {"log_loss": Column("lower", "nat", "mean log loss of chosen or not, over frames")}

    def __init__(self, checkpoint: str = "") -> None:
        self.checkpoint = checkpoint

    @property
    def needs(self) -> tuple[Feature, ...]:
        """Hue histograms, float32 [N, bins], each summing to 1."""
        return (HueHistogram(),)

    def describe(self, clip: Clip) -> np.ndarray:
        """Return how far each frame's histogram is from those at some lags, float32 [N, lags]."""
        rows = clip[self.needs[0]]
        others = [np.searchsorted(clip.times, clip.times + lag).clip(0, len(clip) - 1) for lag in LAGS_S]
        return np.stack([np.abs(rows - rows[other]).sum(axis=1) for other in others], axis=1)

    def fit(self, train: Clips, validation: Clips, session: Session) -> Checkpoint:  # noqa: ARG002
        """Fit a logistic regression to the frames of ``train``; there is nothing to choose on ``validation``."""
        from sklearn.linear_model import LogisticRegression

        chosen = np.concatenate([clip.chosen(session.options.near_s) for clip in train])
        if chosen.all() or not chosen.any():
            raise UsageError(f"near_s={session.options.near_s} counts all frames as chosen, or none; try another")
        model = LogisticRegression().fit(np.concatenate([self.describe(clip) for clip in train]), chosen)
        return session.checkpoint({"weights": model.coef_[0], "bias": model.intercept_})

    def evaluate(self, checkpoint: Checkpoint, clips: Clips) -> dict[str, float]:
        """Return the log loss of all frames."""
        near_s = checkpoint.options["near_s"]
        signs = np.concatenate([np.where(clip.chosen(near_s), 1, -1) for clip in clips])
        logits = np.concatenate([self.logits(checkpoint, clip) for clip in clips])
        return {"log_loss": float(np.logaddexp(0, -signs * logits).mean())}

    def logits(self, checkpoint: Checkpoint, clip: Clip) -> np.ndarray:
        """Return the log odds that a frame is chosen, float64 [N]."""
        return np.asarray(self.describe(clip) @ checkpoint.tensors["weights"] + checkpoint.tensors["bias"])

    def score(self, clip: Clip) -> np.ndarray:
        """Return the log odds that a frame is chosen; `ScoreExtractor` selects the highest peaks."""
        return self.logits(self.learned(), clip)
'''

TEST = """\
def test_the_sharp_frame_is_chosen():
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    images = np.stack([cv2.GaussianBlur(sharp, (9, 9), 0)] * 10)
    images[6] = sharp
    extractor = Extractor.registry.build("$name")
    clip = clip_from_images(images, extractor.needs)
    assert extractor.select(clip, 1, rng=rng).frames.tolist() == [6]
"""

TEST_LEARNED = """\
def shots_of(colours):
    \"""Return a clip of shots of 3.5 s, each of one colour, of which someone chose the middle.\"""
    images = np.array(colours, dtype=np.uint8)[:, None, None].repeat(7, 0).repeat(48, 1).repeat(64, 2)
    someone = UserSummary("someone", frames=np.arange(3, len(images), 7))
    times = np.arange(len(images)) / 2
    return clip_from_images(images, Extractor.registry.build("$name").needs, times, Annotation((someone,)))


def test_it_learns_what_was_chosen(tmp_path):
    red, green, blue = (200, 40, 40), (40, 200, 40), (40, 40, 200)
    trained = fit_clips(Extractor.registry.build("$name"), [shots_of([red, green, blue, green])], tmp_path)
    clip = shots_of([green, blue, red, blue, green])
    chosen = trained.select(clip, 5, rng=np.random.default_rng(0))
    assert np.abs(chosen.frames - clip.annotation.users[0].frames).max() <= 1
"""

TEST_HEAD = """\
\"\"\"Run with: python -m pytest $test_file\"\"\"

from pathlib import Path

${cv2}import numpy as np
import pytest
${gap}from keyframe_bench import CHECKS, $names, load_plugins

load_plugins([str(Path(__file__).with_name("$name.py"))])


@pytest.mark.parametrize("rule", CHECKS)
def test_contract(rule):
    CHECKS[rule](Extractor.registry.build("$name"))


"""

# The contract tests of files in extractors/ are generated: tests/contract.
TEST_HEAD_IN_TREE = """\
\"\"\"$name: what it does. The rules all extractors keep to are tested by tests/contract.\"\"\"

${cv2}import numpy as np

from keyframe_bench import $names


"""

# What they import of the public interface.
NAMES = ("Clip", "Feature", "Gray", "Range", "ScoreExtractor", "register")
NAMES_LEARNED = (
    *("Checkpoint", "Clip", "Clips", "Column", "Feature", "HueHistogram", "Range", "ScoreExtractor", "Session"),
    *("Trainable", "TrainerOptions", "UsageError", "register"),
)
TEST_NAMES = "Extractor, clip_from_images"
TEST_NAMES_LEARNED = "Annotation, Extractor, UserSummary, clip_from_images, fit_clips"
