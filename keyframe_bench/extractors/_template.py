"""Text of the files that ``keyframe-bench new NAME`` writes (`string.Template`: ``$name``, ``$class_name`` ...)."""

from __future__ import annotations

from typing import NamedTuple

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
"""Frames like those that annotators chose: put your own idea into `describe`, the rest is ready to train and run."""

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

FEATURE = '''\
"""Brightness and contrast: put your own numbers into `compute`, the rest is ready to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
$imports


@register("$name")
class $class_name(Feature):
    """Brightness and contrast of the grey image.

    Parameters
    ----------
    height : int
        Height in pixels of the grey image that is looked at; its width is 4/3 of it.
    """

    # Part of the key of what is kept: inside the repository, raise it when rows change.
    version = 1
    summary = "float32 [2]: mean and standard deviation of grey levels, 0 to 255"

    def __init__(self, height: Annotated[int, Range(3, 480)] = 60) -> None:
        self.height = height

    def compute(self, frames: Sequence[FrameView]) -> np.ndarray:
        """Return a row for each frame of a batch, float32 [B, 2]."""
        images = np.stack([frame.luma(self.height, self.height * 4 // 3) for frame in frames])
        return np.stack([images.mean(axis=(1, 2)), images.std(axis=(1, 2))], axis=1).astype(np.float32)
'''

METRIC = '''\
"""Contrast of the key frames: put your own number into `compute`, the rest is ready to run."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
$imports


@register("$name")
class $class_name(Metric):
    """How much contrast the key frames have, beside all frames."""

    version = 1  # raise it when numbers change
    reference = "none"  # BibTeX key of the article, if there is one
    columns: ClassVar = {"$name": Column("higher", "1", "contrast of key frames over that of all", headline=True)}

    @property
    def needs(self) -> tuple[Feature, ...]:
        """Grey images, uint8 [N, height, width]."""
        return (Gray(height=18, width=32),)

    def compute(
        self,
        keyframes: KeyFrames,
        clip: Clip,
        annotation: Annotation | None,  # noqa: ARG002 - of annotators, where `requires` asks for it
    ) -> dict[str, float]:
        """Return the number: 0 without key frames, 1 where no frame has any contrast."""
        contrast = clip[self.needs[0]].std(axis=(1, 2))
        chosen, mean = contrast[keyframes.frames], np.mean(contrast)
        return {"$name": float(np.mean(chosen) / mean if mean else 1.0) if len(chosen) else 0.0}
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

TEST_FEATURE = """\
def test_a_row_is_brightness_and_contrast():
    feature = Feature.registry.build("$name")
    images = np.zeros((2, 60, 80, 3), dtype=np.uint8)
    images[1, :30] = 200  # half of it is bright
    rows = clip_from_images(images, [feature])[feature]
    assert rows.dtype == np.float32 and rows.tolist() == [[0, 0], [100, 100]]
"""

TEST_METRIC = """\
def test_it_is_what_plain_loops_give():
    images = np.random.default_rng(0).integers(0, 256, (6, 60, 80, 3), dtype=np.uint8)
    metric = Metric.registry.build("$name")
    clip = clip_from_images(images, metric.needs)
    contrast = [float(np.std(image)) for image in clip[metric.needs[0]]]
    expected = (contrast[1] + contrast[4]) / 2 / (sum(contrast) / 6)
    assert np.isclose(metric.compute(clip.pick([1, 4]), clip, None)["$name"], expected)
    assert metric.compute(clip.pick([]), clip, None) == {"$name": 0.0}
"""

TEST_HEAD = """\
\"""Run with: python -m pytest $test_file\"""

from pathlib import Path

$packages
${gap}from keyframe_bench import $names, load_plugins

load_plugins([str(Path(__file__).with_name("$name.py"))])


"""

CONTRACT = """\
@pytest.mark.parametrize("rule", CHECKS)
def test_contract(rule):
    CHECKS[rule](Extractor.registry.build("$name"))


"""

TESTED_ELSEWHERE = {
    "extractors": " The rules all extractors keep to are tested by tests/contract.",
    "metrics": " tests/metrics/plain_loops.py needs the same number by plain loops.",
}
TEST_HEAD_IN_TREE = """\
\"""$name: what it does.$about\"""

$packages

from keyframe_bench import $names


"""


class Part(NamedTuple):
    """What ``new`` writes of one kind; imports are of the public interface."""

    room: str
    base: str
    code: str
    names: str
    test: str
    test_names: str
    packages: str  # that the test imports
    uses: tuple[str, ...]  # commands, without the program's name


PARTS = {
    "extractor": Part(
        *("extractors", "Extractor", EXTRACTOR, "Clip Feature Gray Range ScoreExtractor register", TEST),
        *("Extractor, clip_from_images", "import cv2\nimport numpy as np"),
        (
            "check$only",
            "extract VIDEO extractor=$name budget=8 out=outputs/$name",
            "run dataset=synthetic extractors=all budget=6 out=outputs/compare_$name",
        ),
    ),
    "learned": Part(
        *("extractors", "Extractor", LEARNED),
        "Checkpoint Clip Clips Column Feature HueHistogram Range ScoreExtractor Session Trainable TrainerOptions "
        "UsageError register",
        *(TEST_LEARNED, "Annotation, Extractor, UserSummary, clip_from_images, fit_clips", "import numpy as np"),
        (
            "check$only",
            "train extractor=$name dataset=synthetic split=videos:0.8 out=outputs/train_$name",
            "extract VIDEO extractor=$name extractor.checkpoint=outputs/train_$name/best.safetensors budget=8 "
            "out=outputs/$name",
            "run dataset=synthetic split=kfold:4 extractors='[$name,pixel_distance]' budget=6 "
            "out=outputs/compare_$name",
        ),
    ),
    "feature": Part(
        *("features", "Feature", FEATURE, "Feature FrameView Range register", TEST_FEATURE),
        *("Feature, clip_from_images", "import numpy as np"),
        ("extract VIDEO extractor=facility_location extractor.feature=$name budget=8 out=outputs/$name",),
    ),
    "metric": Part(
        *("metrics", "Metric", METRIC, "Annotation Clip Column Feature Gray KeyFrames Metric register", TEST_METRIC),
        *("Metric, clip_from_images", "import numpy as np"),
        ("run dataset=synthetic extractors=all budget=6 columns='[$name]' out=outputs/compare_$name",),
    ),
}
