"""Grey images, their contrast and change, histograms of grey levels and colours."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.feature import Feature
from keyframe_bench.features.change import HistogramDifference, MotionEnergy, PixelDifference
from keyframe_bench.features.histograms import ColorHistogram, GrayHistogram, HueHistogram
from keyframe_bench.features.pictures import Gray, GrayStd
from keyframe_bench.video.arrays import ArrayFrame

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


def test_gray_is_the_small_grey_picture_height_before_width() -> None:
    rows = Gray(height=3, width=5).compute(flat(0, 7, 200))
    assert (rows.shape, rows.dtype) == ((3, 3, 5), np.uint8) and rows[:, 1, 1].tolist() == [0, 7, 200]
    assert np.array_equal(Gray(24, 32).compute(FRAMES), [frame.luma(24, 32) for frame in FRAMES])


def test_gray_std_by_hand() -> None:
    assert GrayStd(24, 32).compute([*flat(77), halves(100, 0)]).tolist() == [0, 50] and not GrayStd.stateful


def test_pixel_difference_is_the_mean_step_up_or_down() -> None:
    assert PixelDifference(height=24, width=32).compute(flat(10, 10, 30, 0, 255)).tolist() == [0, 0, 20, 30, 255]
    pictures = [frame.luma(12, 16).astype(float) for frame in FRAMES]
    expected = [0.0] + [np.abs(b - a).mean() for a, b in pairwise(pictures)]
    assert PixelDifference(height=12, width=16).compute(FRAMES) == pytest.approx(expected, rel=1e-6)


def test_rgb_sees_what_grey_cannot() -> None:
    """Two colours of equal grey level: 0.299 * 150 = 44.85 and 0.587 * 76 = 44.6 are both 45."""
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
    """255 belongs to the last bin; images without a common grey level are 2 apart."""
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


@pytest.mark.parametrize("bins", [256, 16])
def test_grey_counts_are_those_of_numpy(bins: int) -> None:
    rows = GrayHistogram(bins=bins, height=24, width=32).compute(FRAMES)
    expected = [np.histogram(frame.luma(24, 32), bins, (0, 256))[0] for frame in FRAMES]
    assert rows.dtype == np.int32 and np.array_equal(rows, expected)


@pytest.mark.parametrize("levels", [2, 6])
def test_colour_shares_are_those_of_numpy_red_slowest(levels: int) -> None:
    rows = ColorHistogram(levels=levels, height=24, width=32).compute(FRAMES)
    edges = [np.linspace(0, 256, levels + 1)] * 3
    expected = [np.histogramdd(f.rgb(24, 32).reshape(-1, 3), edges)[0].reshape(-1) / (24 * 32) for f in FRAMES]
    assert rows.dtype == np.float32 and rows == pytest.approx(np.array(expected), abs=1e-7)


def test_white_and_black_are_counted() -> None:
    rows, colors = GrayHistogram().compute(flat(0, 255)), ColorHistogram().compute(flat(0, 255))
    assert rows[0, 0] == rows[1, 255] == rows[0].sum() == rows[1].sum() == 120 * 160
    assert colors[0, 0] == colors[1, -1] == 1.0
