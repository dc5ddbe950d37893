"""The contact sheet, and where boxes lie on the time axis."""

import numpy as np
import pytest

from keyframe_bench.report.layout import place
from keyframe_bench.report.storyboard import storyboard


def flat(height, width, colour):
    return np.full((height, width, 3), colour, np.uint8)


def test_colours_and_order_are_kept():
    sheet = storyboard([flat(90, 160, (255, 0, 0)), flat(90, 160, (0, 0, 255))], [0.0, 1.0], height=90, gap=8)
    assert sheet.dtype == np.uint8
    assert tuple(sheet[50, 80]) == (255, 0, 0)
    assert tuple(sheet[50, 8 + 160 + 8 + 80]) == (0, 0, 255)


def test_thumbnails_share_a_height_and_wrap():
    images = [flat(360, 640, 9), flat(640, 360, 9), flat(100, 100, 9)] * 4
    sheet = storyboard(images, np.arange(12.0), height=120, width=600)
    assert sheet.shape[1] <= 600
    assert sheet.shape[0] > 3 * 120
    pictures = (sheet == 9).all(axis=2)
    column = pictures[:, 20]
    runs = np.diff(np.flatnonzero(np.diff(np.r_[0, column, 0])))[::2]
    assert set(runs.tolist()) == {120}


def test_the_time_is_written_below():
    blank = storyboard([flat(90, 160, 200)], [0.0], height=90)
    other = storyboard([flat(90, 160, 200)], [3661.5], height=90)
    assert np.array_equal(blank[:98], other[:98])
    assert not np.array_equal(blank[98:], other[98:])


def test_extreme_shapes_and_no_images_work_and_wrong_input_is_named():
    assert storyboard([flat(2, 4000, 1), flat(4000, 2, 1)], [0, 1], width=400).shape[1] <= 400
    assert storyboard([], []).ndim == 3
    with pytest.raises(ValueError, match="1 images but 0 times"):
        storyboard([flat(9, 9, 0)], [])
    with pytest.raises(ValueError, match="float64"):
        storyboard([np.zeros((9, 9, 3))], [0.0])


def test_boxes_keep_order_do_not_overlap_and_stay_near():
    at = np.array([0.0, 1.0, 2.0, 50.0, 99.0, 100.0])
    left = place(at, 10.0)
    assert np.all(np.diff(left) >= 10 - 1e-9)
    assert left[0] >= 0 and left[-1] <= 90 + 1e-9
    assert left[3] == pytest.approx(45.0)  # room enough: centred on its time
