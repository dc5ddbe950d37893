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
        """Grey pictures, uint8 [N, height, width]."""
        return (Gray(height=self.height, width=self.height * 4 // 3),)

    def score(self, clip: Clip) -> np.ndarray:
        """Return the variance of the Laplacian of each frame, float64 [N]: the higher, the sharper."""
        import cv2

        return np.array([cv2.Laplacian(picture, cv2.CV_64F).var() for picture in clip[self.needs[0]]])
'''

IMPORTS = "${gap}from keyframe_bench import Clip, Feature, Gray, Range, ScoreExtractor, register"

IMPORTS_IN_TREE = """
from ..core.clip import Clip
from ..core.feature import Feature
from ..core.params import Range
from ..core.registry import register
from ..features.gray import Gray
from .base import ScoreExtractor"""

_CHOOSES_THE_SHARP_FRAME = """\
def test_the_sharp_frame_is_chosen():
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    images = np.stack([cv2.GaussianBlur(sharp, (9, 9), 0)] * 10)
    images[6] = sharp
    extractor = Extractor.registry.build("$name")
    clip = clip_from_images(images, extractor.needs)
    assert extractor.select(clip, 1, rng=rng).frames.tolist() == [6]
"""

TEST = (
    '''\
"""Run with: python -m pytest $test_file"""

from pathlib import Path

import cv2
import numpy as np
import pytest
${gap}from keyframe_bench import Extractor, clip_from_images
from keyframe_bench.core.registry import load_plugins
from keyframe_bench.extractors.checks import CHECKS

load_plugins([str(Path(__file__).with_name("$name.py"))])


@pytest.mark.parametrize("rule", CHECKS)
def test_contract(rule):
    CHECKS[rule](Extractor.registry.build("$name"))


'''
    + _CHOOSES_THE_SHARP_FRAME
)

# The contract tests of files in extractors/ are generated: tests/contract.
TEST_IN_TREE = (
    '''\
"""$name: what it is for. The rules all extractors keep to are tested by tests/contract."""

import cv2
import numpy as np

from keyframe_bench.extractors.base import Extractor
from keyframe_bench.video.arrays import clip_from_images


'''
    + _CHOOSES_THE_SHARP_FRAME
)
