"""Histograms of grey levels, colours, hues and coded values against NumPy and exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.features.histograms import (
    ColorHistogram,
    GrayHistogram,
    HueHistogram,
    PlaneHistogram,
    hue_histogram,
)
from keyframe_bench.video.arrays import ArrayFrame

FRAMES = [ArrayFrame(p) for p in np.random.default_rng(0).integers(0, 256, (7, 24, 32, 3), dtype=np.uint8)]
COLOURS = st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=40)


@pytest.mark.parametrize("bins", [256, 16])
def test_grey_counts_are_those_of_numpy(bins):
    rows = GrayHistogram(bins=bins, height=24, width=32).compute(FRAMES)
    expected = [np.histogram(frame.luma(24, 32), bins, (0, 256))[0] for frame in FRAMES]
    assert rows.dtype == np.int32 and np.array_equal(rows, expected)


@pytest.mark.parametrize("levels", [2, 6])
def test_colour_shares_are_those_of_numpy_red_slowest(levels):
    rows = ColorHistogram(levels=levels, height=24, width=32).compute(FRAMES)
    edges = [np.linspace(0, 256, levels + 1)] * 3
    expected = [np.histogramdd(f.rgb(24, 32).reshape(-1, 3), edges)[0].reshape(-1) / (24 * 32) for f in FRAMES]
    assert rows.dtype == np.float32 and rows == pytest.approx(np.array(expected), abs=1e-7)


def test_white_and_black_are_counted():
    flat = [ArrayFrame(np.full((24, 32, 3), level, np.uint8)) for level in (0, 255)]
    rows, colors = GrayHistogram().compute(flat), ColorHistogram().compute(flat)
    assert rows[0, 0] == rows[1, 255] == rows[0].sum() == rows[1].sum() == 120 * 160
    assert colors[0, 0] == colors[1, -1] == 1.0


def exact_bin(colour, bins):
    """The definition in whole numbers: floor(bins * hue / 360), 0 for grey."""
    r, g, b = (int(c) for c in colour)
    value, chroma = max(r, g, b), max(r, g, b) - min(r, g, b)
    if chroma == 0:
        return 0
    sextant = {
        value == b: Fraction(r - g, chroma) + 4,
        value == g: Fraction(b - r, chroma) + 2,
        value == r: Fraction(g - b, chroma) % 6,
    }[True]
    return int(bins * sextant / 6)


@given(COLOURS, st.sampled_from([1, 2, 3, 8, 16, 30, 64, 255, 360]))
@settings(max_examples=100, deadline=None)
def test_hues_agree_with_exact_arithmetic(colours, bins):
    primaries = [(255, 0, 0), (0, 255, 255), (0, 0, 255), (255, 0, 1), (9, 9, 9)]  # 0, 180, 240, 359.8 degrees, none
    assert [exact_bin(colour, 16) for colour in primaries] == [0, 8, 10, 15, 0]
    colours = [*colours, *primaries]
    expected = np.bincount([exact_bin(c, bins) for c in colours], minlength=bins) / len(colours)
    result = hue_histogram(np.array([[colours]], dtype=np.uint8), bins)
    assert result.shape == (1, bins) and result[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("bins", [12, 16, 100])
def test_no_colour_falls_beside_its_bin_for_rounding(bins):
    """Every hue of 8-bit colours between red and yellow, borders of bins included."""
    chroma, part = np.meshgrid(np.arange(1, 256), np.arange(256))
    chroma, part = chroma[part <= chroma], part[part <= chroma]
    colours = np.stack([chroma, part, np.zeros_like(part)], axis=1).astype(np.uint8)
    found = hue_histogram(colours[:, None, None], bins).argmax(axis=1)
    assert np.array_equal(found, bins * part // (6 * chroma))


def test_hues_of_a_batch_are_those_of_its_pictures_and_pixels_have_no_place():
    rows = HueHistogram(bins=8, height=6, width=10).compute(FRAMES)
    pictures = np.stack([frame.rgb(6, 10) for frame in FRAMES])
    assert rows.dtype == np.float32 and rows.sum(axis=1) == pytest.approx(np.ones(7), abs=1e-6)
    assert np.array_equal(rows, np.concatenate([hue_histogram(p[None], 8) for p in pictures]))
    assert np.array_equal(rows, hue_histogram(np.ascontiguousarray(pictures[:, ::-1].transpose(0, 2, 1, 3)), 8))


class Planes:
    """A frame view of which only the planes are asked for."""

    def __init__(self, *planes):
        self._planes = list(planes)

    def planes(self):
        return self._planes


def noise(height, width, seed):
    values = np.random.default_rng(seed).normal(128, 40, (height, width + 10)).clip(0, 255).astype(np.uint8)
    values.flags.writeable = False
    return values[:, :width]  # lines are padded, as the decoder's are


@pytest.mark.parametrize("height", [7, 480, 541, 1080])  # halves of a plane are counted in pairs, the odd line alone
@pytest.mark.parametrize("subsampled", [True, False])
def test_counts_of_planes_are_those_of_numpy(height, subsampled):
    width = height * 16 // 9
    small = (-(-height // 2), -(-width // 2)) if subsampled else (height, width)
    planes = [noise(height, width, 0), noise(*small, 1), noise(*small, 2) // 2]
    rows = PlaneHistogram().compute([Planes(*planes), Planes(*planes[::-1])])
    counts = [np.bincount(plane.ravel(), minlength=256) for plane in planes]
    assert rows.dtype == np.int32
    assert rows.tolist() == [np.concatenate(counts).tolist(), np.concatenate(counts[::-1]).tolist()]


def test_ends_are_counted_large_planes_exactly_and_grey_fills_the_first_counts_only():
    ends = [np.full((540, 960), level, dtype=np.uint8) for level in (0, 255, 0)]
    row = PlaneHistogram().compute([Planes(*ends)])[0].reshape(3, 256)
    assert row[0, 0] == row[1, 255] == row[2, 0] == 540 * 960 == row.sum() / 3
    large = np.zeros((4100, 4100), dtype=np.uint8)  # more pixels than float32 can count one by one
    for gray in (noise(720, 1280, 0), large):
        row = PlaneHistogram().compute([Planes(gray)])[0]
        assert row[:256].tolist() == np.bincount(gray.ravel(), minlength=256).tolist() and not row[256:].any()
