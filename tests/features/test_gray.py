import numpy as np
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.features.gray import Gray


class FakeFrame:
    def __init__(self, level):
        self.level = level

    def luma(self, height, width):
        picture = np.full((height, width), self.level, np.uint8)
        picture[0, -1] = 255
        return picture


def test_one_row_per_frame_with_height_before_width():
    rows = Gray(height=3, width=5).compute([FakeFrame(level) for level in (0, 7, 200)])
    assert (rows.shape, rows.dtype) == ((3, 3, 5), np.uint8)
    assert rows[:, 1, 1].tolist() == [0, 7, 200]
    assert rows[:, 0, 4].tolist() == [255, 255, 255]


def test_defaults_and_key():
    assert Gray().params == {"height": 60, "width": 80}
    assert Gray() == Gray(height=60, width=80) != Gray(height=18, width=32)


def test_sizes_are_checked():
    with pytest.raises(UsageError, match="height=0"):
        Gray.registry.build("gray", {"height": 0})
