from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.features.histograms import HueHistogram, hue_histogram
from keyframe_bench.video.arrays import ArrayFrame


def picture(*colours):
    return np.array([[colours]], dtype=np.uint8)


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


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        *(((255, 0, 0), 0), ((255, 255, 0), 2), ((0, 255, 0), 5), ((255, 0, 255), 13)),  # 0, 60, 120, 300 degrees
        ((0, 255, 255), 8),  # 180, exactly the border of bins 7 and 8
        ((0, 0, 255), 10),  # 240: blue, so the order is RGB
        *(((255, 0, 1), 15), ((200, 75, 0), 1)),  # 359.8: no bin of the circle is lost; 22.5 exactly
        *(((0, 0, 0), 0), ((255, 255, 255), 0), ((90, 90, 90), 0)),
    ],
)
def test_colour_falls_into_its_bin(colour, expected):
    assert hue_histogram(picture(colour)).tolist() == [np.eye(16)[expected].tolist()]


@given(
    st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=40),
    st.sampled_from([1, 2, 3, 8, 16, 30, 64, 255, 360]),
)
@settings(max_examples=150, deadline=None)
def test_agrees_with_exact_arithmetic(colours, bins):
    expected = np.bincount([exact_bin(c, bins) for c in colours], minlength=bins) / len(colours)
    result = hue_histogram(picture(*colours), bins)
    assert result.shape == (1, bins)
    assert result[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("bins", [12, 16, 100])
def test_no_colour_falls_beside_its_bin_for_rounding(bins):
    # Every hue of 8-bit colours between red and yellow, borders of bins included.
    chroma, part = np.meshgrid(np.arange(1, 256), np.arange(256))
    chroma, part = chroma[part <= chroma], part[part <= chroma]
    colours = np.stack([chroma, part, np.zeros_like(part)], axis=1).astype(np.uint8)
    found = hue_histogram(colours[:, None, None], bins).argmax(axis=1)
    assert np.array_equal(found, bins * part // (6 * chroma))


@given(st.integers(1, 4), st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_a_batch_is_its_pictures_and_pixels_have_no_place(count, height, width, seed):
    rng = np.random.default_rng(seed)
    batch = rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    rows = hue_histogram(batch)
    assert rows.dtype == np.float32 and rows.sum(axis=1) == pytest.approx(np.ones(count), abs=1e-6)
    assert np.array_equal(rows, np.concatenate([hue_histogram(p[None]) for p in batch]))
    assert np.array_equal(rows, hue_histogram(np.ascontiguousarray(batch[:, ::-1].transpose(0, 2, 1, 3))))


def test_the_feature_is_the_histogram_of_the_small_picture():
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    frames = [ArrayFrame(image), ArrayFrame(image[::-1].copy())]
    rows = HueHistogram(bins=8, height=6, width=10).compute(frames)
    assert np.array_equal(rows, hue_histogram(np.stack([frame.rgb(6, 10) for frame in frames]), 8))
