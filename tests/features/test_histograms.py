"""Grey and colour histograms of a frame."""

from __future__ import annotations

import numpy as np
import pytest

from keyframe_bench.features.color_histogram import ColorHistogram
from keyframe_bench.features.gray_histogram import GrayHistogram
from keyframe_bench.video.arrays import ArrayFrame

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 24, 32, 3), dtype=np.uint8)
FRAMES = [ArrayFrame(picture) for picture in PICTURES]


@pytest.mark.parametrize("bins", [256, 16])
def test_grey_counts_are_those_of_numpy(bins: int) -> None:
    rows = GrayHistogram(bins=bins, height=24, width=32).compute(FRAMES)
    expected = [np.histogram(frame.luma(24, 32), bins, (0, 256))[0] for frame in FRAMES]
    assert rows.dtype == np.int32
    assert rows.tolist() == np.array(expected).tolist()


def test_white_and_black_are_counted() -> None:
    frames = [ArrayFrame(np.full((20, 20, 3), level, dtype=np.uint8)) for level in (0, 255)]
    rows = GrayHistogram().compute(frames)
    assert rows[0, 0] == rows[1, 255] == rows[0].sum() == rows[1].sum() == 120 * 160
    colors = ColorHistogram().compute(frames)
    assert colors[0, 0] == colors[1, -1] == 1.0


@pytest.mark.parametrize("levels", [2, 6])
def test_colour_shares_are_those_of_numpy(levels: int) -> None:
    rows = ColorHistogram(levels=levels, height=24, width=32).compute(FRAMES)
    edges = [np.linspace(0, 256, levels + 1)] * 3
    expected = [np.histogramdd(picture.reshape(-1, 3), edges)[0].reshape(-1) / (24 * 32) for picture in PICTURES]
    assert rows.dtype == np.float32
    assert rows == pytest.approx(np.array(expected), abs=1e-7)


def test_red_varies_slowest() -> None:
    pure = np.eye(3, dtype=np.uint8)[:, None, None, :].repeat(20, 1).repeat(20, 2) * 255
    rows = ColorHistogram(levels=2).compute([ArrayFrame(picture) for picture in pure])
    assert rows.argmax(axis=1).tolist() == [4, 2, 1]
