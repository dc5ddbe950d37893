"""SSIM of pairs against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from keyframe_bench.selection.evolution import PairSSIM


def pictures(height: int, width: int) -> np.ndarray:
    """Noise, a ramp, the ramp inverted and brightened, black, white."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, height * width).reshape(height, width)
    noise = rng.integers(0, 256, (2, height, width))
    rest = [ramp, 200 - ramp, ramp + 55, ramp + rng.normal(0, 9, ramp.shape), 0 * ramp, 0 * ramp + 255]
    return np.concatenate([noise, np.clip(rest, 0, 255)]).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(36, 64), (11, 11), (20, 13)])
def test_every_pair_is_that_of_scikit_image(height: int, width: int) -> None:
    images = pictures(height, width)
    first, second = np.triu_indices(len(images))
    expected = [
        # Its mean leaves out the border of half a window by itself.
        structural_similarity(
            images[a], images[b], data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in zip(first, second, strict=True)
    ]
    assert PairSSIM(images)(first, second) == pytest.approx(expected, abs=1e-6)


def test_more_pairs_than_one_batch_and_any_order() -> None:
    images = np.random.default_rng(1).integers(0, 256, (600, 12, 16), dtype=np.uint8)
    a, b = np.random.default_rng(2).integers(0, 600, (2, 1300))
    together = PairSSIM(images)
    assert together(a, b) == pytest.approx(together(b, a), abs=1e-12)
    last = np.array([a[-1], b[-1]])
    assert together(a, b)[-1] == pytest.approx(PairSSIM(images[last])(np.array([0]), np.array([1]))[0], abs=1e-12)
    assert together(a, a) == pytest.approx(1.0)
