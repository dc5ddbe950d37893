"""SSIM and both kinds of MS-SSIM agree with libraries and with plain NumPy; small and contrary images are no trap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torch import Tensor

from keyframe_bench.core.errors import UsageError
from keyframe_bench.models.losses import MixLoss
from keyframe_bench.models.similarity import LEVEL_WEIGHTS, SIGMAS, PyramidMsSsim, SigmaMsSsim, Ssim, n_levels_of

C1, C2 = 1e-4, 9e-4


def pair(height: int, width: int, n: int = 2, seed: int = 0, channels: int = 3) -> tuple[Tensor, Tensor]:
    """Images with structure at several sizes, and distorted copies, float32 [n, C, H, W]."""
    rng = np.random.default_rng(seed)
    shape = (n, channels, height, width)
    x = sum(gaussian_filter(rng.normal(size=shape), (0, 0, s, s)) * s for s in (1, 4, 12))
    x = (x - x.min()) / np.ptp(x)
    y = np.clip(0.8 * gaussian_filter(x, (0, 0, 1, 1)) + 0.1 + rng.normal(0, 0.03, shape), 0, 1)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


def terms(x: np.ndarray, y: np.ndarray, sigma: float, radius: Any, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Luminance and structure at every pixel of one channel, by the textbook formula in double precision."""

    def mean(a: np.ndarray) -> np.ndarray:
        filtered = gaussian_filter(a, sigma, radius=radius, mode="mirror" if mode == "reflect" else "constant")
        return filtered[radius:-radius, radius:-radius] if mode == "valid" else filtered

    mx, my = mean(x), mean(y)
    vx, vy, covariance = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    return (2 * mx * my + C1) / (mx**2 + my**2 + C1), (2 * covariance + C2) / (vx + vy + C2)


def sigma_map(x: np.ndarray, y: np.ndarray, mode: str, radius: Any = 16) -> np.ndarray:
    """MS-SSIM of the sigma kind at every pixel of one channel."""
    found = [terms(x, y, sigma, radius, mode) for sigma in SIGMAS]
    return found[-1][0] * np.prod([structure for _, structure in found], axis=0)


def pyramid_value(x: np.ndarray, y: np.ndarray, n_levels: int) -> float:
    """MS-SSIM of the pyramid kind of one channel with even sides."""
    weights = np.array(LEVEL_WEIGHTS[:n_levels]) / sum(LEVEL_WEIGHTS[:n_levels])
    value = 1.0
    for level, weight in enumerate(weights, start=1):
        if level > 1:
            x, y = (a.reshape(a.shape[0] // 2, 2, a.shape[1] // 2, 2).mean(axis=(1, 3)) for a in (x, y))
        luminance, structure = terms(x, y, 1.5, 5, "valid")
        value *= max((structure * luminance if level == n_levels else structure).mean(), 0) ** weight
    return float(value)


@pytest.mark.parametrize(("height", "width"), [(96, 192), (33, 57), (11, 11)])
def test_ssim_is_that_of_scikit_image(height: int, width: int) -> None:
    x, y = pair(height, width)
    expected = [
        structural_similarity(
            a, b, channel_axis=0, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in zip(x.double().numpy(), y.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(Ssim()(x, y), expected, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(176, 320), (161, 203)])
def test_ssim_and_the_pyramid_are_those_of_pytorch_msssim(height: int, width: int) -> None:
    library = pytest.importorskip("pytorch_msssim")
    x, y = pair(height, width)
    for a, b in ((x, y), (x, x), (x, 1 - x)):
        expected = library.ssim(a, b, data_range=1, size_average=False)
        np.testing.assert_allclose(Ssim()(a, b), expected, atol=1e-5)
        expected = library.ms_ssim(a, b, data_range=1, size_average=False)
        np.testing.assert_allclose(PyramidMsSsim(levels="five")(a, b), expected, atol=1e-5)


@pytest.mark.parametrize("padding", ["reflect", "zero", "valid"])
def test_the_sigma_kind_is_the_product_of_terms_at_every_pixel(padding: Any) -> None:
    x, y = pair(48, 96)
    maps = np.array(
        [[sigma_map(a, b, padding) for a, b in zip(*p, strict=True)] for p in zip(*map(doubles, (x, y)), strict=True)]
    )  # [N, C, h, w]
    assert maps.shape[2:] == ((16, 64) if padding == "valid" else (48, 96))
    mean = SigmaMsSsim(padding, "mean")(x, y)
    np.testing.assert_allclose(mean, maps.mean(axis=(1, 2, 3)), atol=1e-5)
    product = SigmaMsSsim(padding, "product")(x, y)
    np.testing.assert_allclose(product, maps.prod(axis=1).mean(axis=(1, 2)), atol=1e-5)
    assert (product < mean).all()


def doubles(pictures: Tensor) -> np.ndarray:
    return pictures.double().numpy()


def test_windows_wider_than_the_image_are_clipped() -> None:
    x, y = pair(12, 24, n=1, channels=8)
    expected = [sigma_map(a, b, "reflect", (11, 16)).mean() for a, b in zip(doubles(x)[0], doubles(y)[0], strict=True)]
    assert SigmaMsSsim()(x, y).item() == pytest.approx(np.mean(expected), abs=1e-5)
    assert SigmaMsSsim()(x[..., :1, :1], y[..., :1, :1]).isfinite().all()


@pytest.mark.parametrize(("height", "width", "n_levels"), [(96, 192, 4), (48, 96, 3), (64, 24, 2), (176, 320, 5)])
def test_small_pictures_have_fewer_levels_of_the_same_total_weight(height: int, width: int, n_levels: int) -> None:
    x, y = pair(height, width, n=1)
    channels = [pyramid_value(a, b, n_levels) for a, b in zip(doubles(x)[0], doubles(y)[0], strict=True)]
    assert PyramidMsSsim()(x, y).item() == pytest.approx(np.mean(channels), abs=1e-5)
    assert PyramidMsSsim("product")(x, y).item() == pytest.approx(np.prod(channels), abs=1e-5)


def test_a_level_must_hold_more_than_one_window() -> None:
    sides = {161: 5, 160: 4, 81: 4, 80: 3, 41: 3, 40: 2, 21: 2, 20: 1, 11: 1, 10: 0, 1: 0}
    assert {side: n_levels_of(side, 400) for side in sides} == sides


@pytest.mark.parametrize(
    ("similarity", "size", "words"),
    [
        (PyramidMsSsim(levels="five"), (96, 192), ["96 x 192", "161", "levels=reduce", "ms_kind=sigma"]),
        (PyramidMsSsim(), (10, 192), ["10 x 192", "11"]),
        (Ssim(), (192, 10), ["192 x 10", "11"]),
        (SigmaMsSsim("valid"), (24, 48), ["33", "24", "padding=reflect"]),
    ],
)
def test_too_small_is_one_sentence_with_a_way_out(similarity: Any, size: tuple[int, int], words: list[str]) -> None:
    with pytest.raises(UsageError) as raised:
        similarity(*pair(*size))
    assert all(word in str(raised.value) for word in words), raised.value


def test_opposite_pictures_have_no_pyramid_value_and_a_finite_slope() -> None:
    x, _ = pair(96, 192)
    y = (1 - x).requires_grad_()
    value = PyramidMsSsim()(x, y)
    value.sum().backward()
    assert (value == 0).all()
    assert y.grad is not None and y.grad.isfinite().all()


def test_flat_pictures_are_as_alike_as_their_levels() -> None:
    a, b = torch.full((1, 3, 176, 176), 0.25), torch.full((1, 3, 176, 176), 0.75)
    luminance = (2 * 0.25 * 0.75 + C1) / (0.25**2 + 0.75**2 + C1)
    for similarity, power in ((Ssim(), 1), (SigmaMsSsim(), 1), (PyramidMsSsim(), LEVEL_WEIGHTS[-1])):
        assert similarity(a, b).item() == pytest.approx(luminance**power, abs=1e-3)
        for level in (0.0, 0.25, 1.0):
            flat = torch.full_like(a, level)
            assert similarity(flat, flat).item() == pytest.approx(1, abs=1e-6)


def test_filters_that_were_made_without_gradients_serve_those_with() -> None:
    x, y = pair(37, 41)  # a size of its own: filters are kept by size
    with torch.inference_mode():
        before = SigmaMsSsim()(x, y)
    y.requires_grad_()
    after = SigmaMsSsim()(x, y)
    after.sum().backward()
    assert torch.equal(before, after)


def test_reduced_matrix_precision_is_not_used_and_is_left_as_it_was() -> None:
    x, y = pair(48, 96)

    def losses() -> list[Tensor]:  # two ways of computing it, which may differ in the last bit
        return [MixLoss()(x, y), MixLoss()(x, y.clone().requires_grad_()).detach()]

    exact, before = losses(), torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        assert all(map(torch.equal, losses(), exact))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
