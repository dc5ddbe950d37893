"""Small images, their contrast and their change from frame to frame and within windows."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.feature import Feature
from keyframe_bench.features.change import HistogramDifference, MotionEnergy, PixelDifference
from keyframe_bench.features.histograms import ColorHistogram, GrayHistogram, HueHistogram
from keyframe_bench.features.images import Gray, GrayStd
from keyframe_bench.video.arrays import ArrayFrame
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.onepass import read_pass

FRAMES = [ArrayFrame(p) for p in np.random.default_rng(0).integers(0, 256, (7, 24, 32, 3), dtype=np.uint8)]


def flat(*levels: int) -> list[ArrayFrame]:
    return [ArrayFrame(np.full((24, 32, 3), level, np.uint8)) for level in levels]


def halves(left: int, right: int) -> ArrayFrame:
    return ArrayFrame(np.full((24, 32, 3), left, np.uint8) * (np.arange(32) < 16)[:, None] + np.uint8(right))


@pytest.mark.parametrize(
    ("feature", "params", "wrong"),
    [
        (Gray(), {"height": 60, "width": 80}, {"height": 0}),
        (GrayStd(), {"height": 60, "width": 80}, {"width": 8000}),
        (PixelDifference(), {"color": "gray", "height": 60, "width": 80}, {"color": "hsv"}),
        (HistogramDifference(), {"bins": 256, "height": 120, "width": 160}, {"bins": 1}),
        (GrayHistogram(), {"bins": 256, "height": 120, "width": 160}, {"bins": 257}),
        (ColorHistogram(), {"levels": 6, "height": 60, "width": 80}, {"levels": 17}),
        (HueHistogram(), {"bins": 16, "height": 60, "width": 80}, {"bins": 0}),
        (MotionEnergy(), {"height": 60, "width": 80, "window": 16, "hop": 16}, {"hop": 0}),
    ],
    ids=lambda value: value.name if isinstance(value, Feature) else "",
)
def test_defaults_ranges_and_keys(feature: Feature, params: dict[str, object], wrong: dict[str, object]) -> None:
    assert feature.params == params
    assert feature.key == f"{feature.name}@1({','.join(f'{name}={value}' for name, value in params.items())})"
    assert feature == feature.fresh() != type(feature)(**{"height": 18, "width": 32})
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Feature.registry.build(feature.name, wrong)


def test_small_grey_pictures_and_their_contrast_by_hand() -> None:
    rows = Gray(height=3, width=5).compute(flat(0, 7, 200))
    assert (rows.shape, rows.dtype) == ((3, 3, 5), np.uint8) and rows[:, 1, 1].tolist() == [0, 7, 200]
    assert np.array_equal(Gray(24, 32).compute(FRAMES), [frame.luma(24, 32) for frame in FRAMES])
    assert GrayStd(24, 32).compute([*flat(77), halves(100, 0)]).tolist() == [0, 50] and not GrayStd.stateful


def test_pixel_difference_is_the_mean_step_up_or_down() -> None:
    assert PixelDifference(height=24, width=32).compute(flat(10, 10, 30, 0, 255)).tolist() == [0, 0, 20, 30, 255]
    pictures = [frame.luma(12, 16).astype(float) for frame in FRAMES]
    expected = [0.0] + [np.abs(b - a).mean() for a, b in pairwise(pictures)]
    assert PixelDifference(height=12, width=16).compute(FRAMES) == pytest.approx(expected, rel=1e-6)
    # Two colours of equal grey level: 0.299 * 150 = 44.85 and 0.587 * 76 = 44.6 are both 45.
    frames = [ArrayFrame(np.full((60, 80, 3), colour, np.uint8)) for colour in ((150, 0, 0), (0, 76, 0))]
    assert PixelDifference("gray").compute(frames)[1] == 0
    assert PixelDifference("rgb").compute(frames)[1] == pytest.approx((150 + 76 + 0) / 3)


@pytest.mark.parametrize("bins", [256, 16, 7])
def test_histogram_difference_follows_the_formula(bins: int) -> None:
    levels = [frame.luma(24, 32).reshape(-1).astype(int) for frame in FRAMES]
    shares = [np.bincount(grey * bins // 256, minlength=bins) / (24 * 32) for grey in levels]
    expected = [0.0] + [np.abs(b - a).sum() for a, b in pairwise(shares)]
    assert HistogramDifference(bins, 24, 32).compute(FRAMES) == pytest.approx(expected, abs=1e-6)


def test_histogram_difference_reaches_two_and_ignores_where_things_are() -> None:
    """255 belongs to the last bin; pictures without a common grey level are 2 apart."""
    assert HistogramDifference().compute(flat(0, 255, 254, 254)).tolist() == [0, 2, 2, 0]
    frames = [halves(200, 0), ArrayFrame(halves(200, 0).rgb(24, 32)[:, ::-1].copy())]
    assert HistogramDifference(height=24, width=32).compute(frames)[1] == 0
    assert PixelDifference(height=24, width=32).compute(frames)[1] == 200


@pytest.mark.parametrize("feature", [PixelDifference(), PixelDifference("rgb"), HistogramDifference(), GrayStd()])
def test_rows_depend_neither_on_batches_nor_on_another_video(feature: Feature) -> None:
    whole = feature.fresh().compute(FRAMES)
    parts = feature.fresh()
    split = np.concatenate([parts.compute(FRAMES[a:b]) for a, b in ((0, 1), (1, 4), (4, 6), (6, 7))])
    assert np.array_equal(split, whole) and (whole.shape, whole.dtype) == ((7,), np.float32)
    assert np.array_equal(parts.fresh().compute(FRAMES), whole)
    if feature.stateful:  # so that the sampling becomes part of what is cached
        assert parts.compute(FRAMES)[0] > 0


def energies(pictures: list[np.ndarray], windows: np.ndarray) -> list[float]:
    """Mean over the neighbours inside each window and their pixels of the absolute difference."""
    steps = [[np.abs(b.astype(int) - a).mean() for a, b in pairwise(pictures[a:b])] or [0] for a, b in windows]
    return [float(np.mean(each)) for each in steps]


@pytest.mark.parametrize(
    ("n", "window", "hop"), [(40, 16, 16), (21, 5, 2), (20, 3, 7), (16, 16, 1), (6, 16, 16), (1, 3, 3)]
)
def test_motion_energy_follows_the_definition(n: int, window: int, hop: int) -> None:
    images = np.random.default_rng(n).integers(0, 256, (n, 24, 32, 3), dtype=np.uint8)
    feature, gray = MotionEnergy(height=6, width=8, window=window, hop=hop), kb.Gray(6, 8)
    clip = kb.clip_from_images(images, [feature, gray])
    expected = energies(list(clip[gray]), feature.windows(n))
    assert clip[feature].dtype == np.float32 and clip[feature].shape == (len(expected),)
    assert clip[feature] == pytest.approx(expected, rel=1e-6)


def test_the_step_between_two_windows_belongs_to_neither() -> None:
    images = np.stack([np.full((12, 16, 3), level, np.uint8) for level in (10, 20, 20, 200, 100, 100, 90)])
    clip = kb.clip_from_images(images, [feature := MotionEnergy(window=3, hop=3)])
    assert clip.windows(feature).tolist() == [[0, 3], [3, 6], [4, 7]] and clip[feature].tolist() == [5, 50, 5]


@pytest.mark.data
def test_motion_energy_of_a_real_video_at_two_samplings(data_root: Path) -> None:
    path = data_root / "videos" / "action" / "decord_flipping_a_pancake.mkv"
    features = [MotionEnergy(9, 12, window=16, hop=16), MotionEnergy(9, 12, window=8, hop=3), PixelDifference()]
    read = read_pass(path, {"3fps": features, "every": features})
    for sampling in ("3fps", "every"):
        clip = read.clip(sampling, features)
        with VideoReader(path) as reader:
            pictures = [f.luma(9, 12).copy() for f in reader if f.ordinal in set(clip.ordinals.tolist())]
        for feature in features[:2]:
            assert clip[feature] == pytest.approx(energies(pictures, feature.windows(len(pictures))), rel=1e-6)
