"""Motion energy of windows against its definition, on noise and on a real video."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.features.change import MotionEnergy, PixelDifference
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.onepass import read_pass


def energies(pictures: list[np.ndarray], windows: np.ndarray) -> list[float]:
    """Mean over the neighbours inside each window and their pixels of the absolute difference."""
    found = []
    for start, end in windows:
        steps = [np.abs(b.astype(int) - a).mean() for a, b in pairwise(pictures[start:end])]
        found.append(float(np.mean(steps)) if steps else 0.0)
    return found


@pytest.mark.parametrize(("n", "window", "hop"), [(40, 16, 16), (21, 5, 2), (20, 3, 7), (16, 16, 1), (6, 16, 16)])
def test_against_the_definition(n: int, window: int, hop: int) -> None:
    images = np.random.default_rng(n).integers(0, 256, (n, 24, 32, 3), dtype=np.uint8)
    feature, gray = MotionEnergy(height=6, width=8, window=window, hop=hop), kb.Gray(6, 8)
    clip = kb.clip_from_images(images, [feature, gray])
    expected = energies(list(clip[gray]), feature.windows(n))
    assert clip[feature].dtype == np.float32 and clip[feature].shape == (len(expected),)
    assert clip[feature] == pytest.approx(expected, rel=1e-6)


def test_by_hand() -> None:
    """Flat images: the mean of the steps inside a window; the step between two windows belongs to neither."""
    levels = [10, 20, 20, 200, 100, 100, 90]
    images = np.stack([np.full((12, 16, 3), level, np.uint8) for level in levels])
    clip = kb.clip_from_images(images, [feature := MotionEnergy(window=3, hop=3)])
    assert clip.windows(feature).tolist() == [[0, 3], [3, 6], [4, 7]]
    assert clip[feature].tolist() == [5, 50, 5]
    (alone,) = kb.clip_from_images(images[:1], [feature])[feature]
    assert alone == 0


@pytest.mark.data
@pytest.mark.parametrize("sampling", ["every2", "3fps"])
def test_on_a_real_video(data_root: Path, sampling: str) -> None:
    path = data_root / "videos" / "action" / "decord_flipping_a_pancake.mkv"
    features = [MotionEnergy(9, 12, window=16, hop=16), MotionEnergy(9, 12, window=8, hop=3), PixelDifference()]
    read = read_pass(path, {sampling: features, "every": features})
    for asked in (sampling, "every"):
        clip = read.clip(asked, features)
        with VideoReader(path) as reader:
            pictures = [f.luma(9, 12).copy() for f in reader if f.ordinal in set(clip.ordinals.tolist())]
        for feature in features[:2]:
            expected = energies(pictures, feature.windows(len(pictures)))
            assert clip[feature] == pytest.approx(expected, rel=1e-6)
