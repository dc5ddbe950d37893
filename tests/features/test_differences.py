"""Features that compare a frame with the one before, and the contrast of one frame."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import pytest

from keyframe_bench.core.feature import Feature
from keyframe_bench.features.gray_std import GrayStd
from keyframe_bench.features.histogram_difference import HistogramDifference
from keyframe_bench.features.pixel_difference import PixelDifference


class Picture:
    """A frame view over one RGB picture, resized as the decoder's frames are."""

    time, picture_type, key_frame = 0.0, "I", True

    def __init__(self, rgb: np.ndarray, ordinal: int = 0) -> None:
        self.picture, self.ordinal = rgb.astype(np.uint8), ordinal
        self.height, self.width = rgb.shape[:2]

    def rgb(self, height: int, width: int) -> np.ndarray:
        return cv2.resize(self.picture, (width, height), interpolation=cv2.INTER_AREA)

    def luma(self, height: int, width: int) -> np.ndarray:
        grey = cv2.cvtColor(self.rgb(height, width), cv2.COLOR_RGB2GRAY)
        grey.flags.writeable = False
        return grey

    def planes(self) -> list[np.ndarray]:
        return [self.luma(self.height, self.width)]


def flat(*levels: int, height: int = 120, width: int = 160) -> list[Picture]:
    return [Picture(np.full((height, width, 3), level)) for level in levels]


def noise(n: int, seed: int = 0) -> list[Picture]:
    rng = np.random.default_rng(seed)
    return [Picture(rng.integers(0, 256, (120, 160, 3))) for _ in range(n)]


def in_batches(feature: Feature, frames: Sequence[Picture], sizes: Sequence[int]) -> np.ndarray:
    ends = np.cumsum(sizes)
    return np.concatenate([feature.compute(frames[e - s : e]) for s, e in zip(sizes, ends, strict=True)])


def test_pixel_difference_of_flat_pictures_is_the_step_in_grey_levels() -> None:
    rows = PixelDifference().compute(flat(10, 10, 30, 0, 255))
    assert rows.dtype == np.float32
    assert rows.tolist() == [0, 0, 20, 30, 255]  # down steps count as much as up steps


def test_pixel_difference_is_a_mean_over_pixels() -> None:
    half = np.zeros((60, 80, 3))
    half[:, :40] = 100
    assert PixelDifference().compute([Picture(np.zeros((60, 80, 3))), Picture(half)])[1] == 50


def test_rgb_sees_what_grey_cannot() -> None:
    """Two colours of equal grey level."""
    one, two = np.zeros((60, 80, 3)), np.zeros((60, 80, 3))
    one[..., 0] = 150  # 0.299 * 150 = 44.85 -> 45
    two[..., 1] = 76  # 0.587 * 76 = 44.6 -> 45
    frames = [Picture(one), Picture(two)]
    assert PixelDifference("gray").compute(frames)[1] == 0
    assert PixelDifference("rgb").compute(frames)[1] == pytest.approx((150 + 76 + 0) / 3)


def test_pixel_difference_follows_the_formula_on_noise() -> None:
    frames = noise(5)
    pictures = [f.luma(60, 80).astype(float) for f in frames]
    expected = [0.0] + [np.abs(b - a).mean() for a, b in pairwise(pictures)]
    assert PixelDifference().compute(frames) == pytest.approx(np.array(expected), rel=1e-6)


@pytest.mark.parametrize("bins", [256, 16, 7])
def test_histogram_difference_follows_the_formula_on_noise(bins: int) -> None:
    frames = noise(4)
    levels = [f.luma(120, 160).reshape(-1).astype(int) for f in frames]
    shares = [np.bincount(grey * bins // 256, minlength=bins) / (120 * 160) for grey in levels]
    expected = [0.0] + [np.abs(b - a).sum() for a, b in pairwise(shares)]
    assert HistogramDifference(bins).compute(frames) == pytest.approx(np.array(expected), abs=1e-6)


def test_histogram_difference_counts_white_and_reaches_two() -> None:
    """255 belongs to the last bin; pictures without a common grey level are 2 apart."""
    assert HistogramDifference().compute(flat(0, 255, 254, 254)).tolist() == [0, 2, 2, 0]
    assert HistogramDifference(bins=2).compute(flat(0, 255, 128)).tolist() == [0, 2, 0]


def test_histogram_difference_ignores_where_things_are() -> None:
    left = np.zeros((120, 160, 3))
    left[:, :80] = 200
    frames = [Picture(left), Picture(left[:, ::-1])]
    assert HistogramDifference().compute(frames)[1] == 0
    assert PixelDifference().compute(frames)[1] == 200


@pytest.mark.parametrize("feature", [PixelDifference(), PixelDifference("rgb"), HistogramDifference(), GrayStd()])
def test_rows_do_not_depend_on_the_batches(feature: Feature) -> None:
    frames = noise(7)
    whole = feature.fresh().compute(frames)
    assert np.array_equal(in_batches(feature.fresh(), frames, [1, 3, 2, 1]), whole)
    assert whole.shape == (7,)
    assert whole.dtype == np.float32


@pytest.mark.parametrize("cls", [PixelDifference, HistogramDifference])
def test_a_fresh_feature_knows_nothing_of_the_last_video(cls: type[Feature]) -> None:
    feature = cls()
    feature.compute(flat(0, 0))
    assert feature.compute(flat(200))[0] > 0
    assert feature.fresh().compute(flat(200))[0] == 0
    assert cls.stateful  # so that the sampling becomes part of what is cached


def test_gray_std_by_hand() -> None:
    half = np.zeros((60, 80, 3))
    half[:, :40] = 100
    assert GrayStd().compute([*flat(77), Picture(half)]).tolist() == [0, 50]
    assert not GrayStd.stateful


def test_keys_tell_parameters_apart() -> None:
    features = [PixelDifference("gray"), PixelDifference("rgb"), HistogramDifference(), HistogramDifference(16)]
    assert len({feature.key for feature in features}) == 4
