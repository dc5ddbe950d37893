"""Counts of the coded values of a frame, whatever the size of its planes."""

from __future__ import annotations

import numpy as np
import pytest

from keyframe_bench.features.histograms import PlaneHistogram


class Planes:
    """A frame view of which only the planes are asked for."""

    def __init__(self, *planes: np.ndarray) -> None:
        self._planes = list(planes)

    def planes(self) -> list[np.ndarray]:
        return self._planes


def noise(height: int, width: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(128, 40, (height, width + 10)).clip(0, 255).astype(np.uint8)
    values.flags.writeable = False
    return values[:, :width]  # lines are padded, as the decoder's are


@pytest.mark.parametrize("height", [7, 480, 541, 1080])  # halves of a plane are counted in pairs, the odd line alone
@pytest.mark.parametrize("subsampled", [True, False])
def test_counts_are_those_of_numpy(height: int, subsampled: bool) -> None:
    width = height * 16 // 9
    small = (-(-height // 2), -(-width // 2)) if subsampled else (height, width)
    planes = [noise(height, width, 0), noise(*small, 1), noise(*small, 2) // 2]
    rows = PlaneHistogram().compute([Planes(*planes), Planes(*planes[::-1])])
    counts = [np.bincount(plane.ravel(), minlength=256) for plane in planes]
    assert rows.dtype == np.int32
    assert rows[0].tolist() == np.concatenate(counts).tolist()
    assert rows[1].tolist() == np.concatenate(counts[::-1]).tolist()


def test_ends_are_counted_and_grey_fills_the_first_counts_only() -> None:
    ends = [np.full((540, 960), level, dtype=np.uint8) for level in (0, 255, 0)]
    row = PlaneHistogram().compute([Planes(*ends)])[0].reshape(3, 256)
    assert row[0, 0] == row[1, 255] == row[2, 0] == 540 * 960 == row.sum() / 3
    row = PlaneHistogram().compute([Planes(noise(720, 1280, 0))])[0]
    assert row[:256].sum() == row.sum() == 720 * 1280
    row = PlaneHistogram().compute([Planes(large := np.zeros((4100, 4100), dtype=np.uint8))])[0]
    assert row[0] == row.sum() == large.size  # more pixels than float32 can count one by one
