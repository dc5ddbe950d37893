"""What a network is judged by: numbers of other libraries, distortions in their columns, nothing left changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor, nn

from keyframe_bench.core.errors import UsageError
from keyframe_bench.extractors.autoencoder.evaluation import COLUMNS, evaluate
from keyframe_bench.models.losses import MixLoss, SsimLoss

MIX = MixLoss()


class Distort(nn.Module):
    """A network that applies a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, pictures: Tensor) -> Tensor:
        return self.function(pictures)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (5, 6, 8, 3), dtype=np.uint8)
    return np.stack([cv2.resize(c, (64, 48), interpolation=cv2.INTER_LINEAR) for c in coarse])


def test_a_perfect_network(pictures: np.ndarray) -> None:
    found = evaluate(nn.Identity(), pictures, MIX)
    assert list(found) == list(COLUMNS) and all(type(value) is float for value in found.values())
    perfect = {"psnr": 100, "common_psnr": 100, "sharpness": 1, "gradient": 1, "saturation": 1}
    assert found == pytest.approx({name: perfect.get(name, 0) for name in COLUMNS}, abs=1e-5)


def test_numbers_are_those_of_other_libraries(pictures: np.ndarray) -> None:
    swapped = Distort(lambda x: 0.2 + 0.6 * x.flip(1) ** 1.5)
    found = evaluate(swapped, pictures, SsimLoss(), batch=2)
    source = (pictures / 255).astype(np.float32)
    output = (0.2 + 0.6 * source[..., ::-1] ** 1.5).astype(np.float32)
    pairs = list(zip(source, output, strict=True))
    assert found["l2"] == pytest.approx(np.mean((source - output) ** 2), rel=1e-5)
    psnr = [peak_signal_noise_ratio(a, b, data_range=1) for a, b in pairs]
    assert found["psnr"] == pytest.approx(np.mean(psnr), rel=1e-5)
    lab = np.abs(np.array([rgb2lab(a) - rgb2lab(b) for a, b in pairs]))[..., 1:]
    assert found["ab_error"] == pytest.approx(lab.mean(), rel=1e-3)
    coded = [[cv2.cvtColor(x, cv2.COLOR_RGB2YCrCb) for x in (a, b)] for a, b in pairs]
    chroma = np.abs(np.array([a - b for a, b in coded]))[..., 1:]
    assert found["chroma_error"] == pytest.approx(chroma.mean(), rel=5e-3)
    edges = np.array([[cv2.Laplacian(x[..., 0], cv2.CV_32F)[1:-1, 1:-1].var() for x in two] for two in coded])
    assert found["sharpness"] == pytest.approx(edges[:, 1].sum() / edges[:, 0].sum(), rel=1e-3)
    steps = np.array(
        [[np.hypot(*(g[1:-1, 1:-1] for g in np.gradient(x[..., 0]))).mean() for x in two] for two in coded]
    )
    assert found["gradient"] == pytest.approx(steps[:, 1].sum() / steps[:, 0].sum(), rel=1e-3)
    assert found["saturation"] == pytest.approx(np.ptp(output, axis=-1).sum() / np.ptp(source, axis=-1).sum(), rel=1e-4)
    assert found["loss"] == found["ssim"]


def test_batches_do_not_matter(pictures: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "pictures.npy", pictures)
    mapped = np.load(tmp_path / "pictures.npy", mmap_mode="r")
    blurred = Distort(lambda x: nn.functional.avg_pool2d(x, 3, stride=1, padding=1))
    found = [evaluate(blurred, given, MIX, batch=size) for given, size in ((pictures, 2), (mapped, 100))]
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert found[0]["loss"] == found[0]["mix"] == found[0]["common_loss"]


def test_each_distortion_shows_where_it_should(pictures: np.ndarray) -> None:
    gray = evaluate(Distort(lambda x: x.mean(dim=1, keepdim=True).expand_as(x)), pictures, MIX)
    half = evaluate(Distort(lambda x: (x + x.mean(dim=1, keepdim=True)) / 2), pictures, MIX)
    blurred = evaluate(Distort(lambda x: nn.functional.avg_pool2d(x, 5, 1, 2, count_include_pad=False)), pictures, MIX)
    assert gray["saturation"] < 1e-4 and half["saturation"] == pytest.approx(0.5, abs=1e-3)
    assert gray["ab_error"] > half["ab_error"] > 10 * blurred["ab_error"] / 5
    assert gray["chroma_error"] == pytest.approx(2 * half["chroma_error"], rel=1e-3)
    assert blurred["sharpness"] < 0.5 and blurred["gradient"] < 1 and blurred["saturation"] > 0.8


def test_flat_and_gray_pictures_give_finite_numbers() -> None:
    flat = np.full((2, 24, 48, 3), 128, dtype=np.uint8)
    for function in (lambda x: x, lambda x: x * 0, torch.rand_like):
        assert np.isfinite(list(evaluate(Distort(function), flat, MIX).values())).all()


def test_the_numbers_of_batch_norm_are_left_as_they_were(pictures: np.ndarray) -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Sigmoid()).train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    first = evaluate(model, pictures, MIX)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert evaluate(model, pictures, MIX) == first


@pytest.mark.parametrize(
    ("function", "given", "words"),
    [
        (lambda x: x, np.zeros((0, 24, 24, 3), np.uint8), "no images"),
        (lambda x: x, np.zeros((1, 24, 24, 3), np.float32), "uint8"),
        (lambda x: x, np.zeros((1, 3, 24, 24), np.uint8), "height, width, 3"),
        (lambda x: x, np.zeros((24, 24, 3), np.uint8), "height, width, 3"),
        (lambda x: x[..., ::2], np.zeros((1, 24, 24, 3), np.uint8), "the network makes"),
        (lambda x: x, np.zeros((1, 8, 24, 3), np.uint8), "8 x 24"),
    ],
)
def test_bad_input_is_one_sentence(function: Callable[[Tensor], Tensor], given: np.ndarray, words: str) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        evaluate(Distort(function), given, MIX)
    assert "\n" not in str(raised.value) and not torch.is_inference_mode_enabled()


def test_the_picture_with_a_broken_reconstruction_is_named(pictures: np.ndarray) -> None:
    bright = np.zeros_like(pictures)
    bright[3] = 255
    with pytest.raises(UsageError, match="image 3"):
        evaluate(Distort(lambda x: torch.where(x > 0.5, torch.nan, x)), bright, MIX, batch=2)
    with pytest.raises(UsageError, match="no images"):
        evaluate(nn.Identity(), bright[:0], MIX)


def test_small_reconstructions_are_judged_at_the_common_size(pictures: np.ndarray) -> None:
    for other in (pictures[:4], pictures / 255):
        with pytest.raises(UsageError, match=r"uint8 \[5, "):
            evaluate(nn.Identity(), pictures, MIX, other)
    found = evaluate(Distort(lambda x: x / 2), pictures, MIX, pictures)
    assert found["common_loss"] == pytest.approx(found["loss"])
    small, smaller = (
        np.stack([cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in pictures]) for size in ((32, 24), (16, 12))
    )
    half, quarter = (evaluate(nn.Identity(), x, MIX, pictures, batch=2) for x in (small, smaller))
    assert 0 < half["common_loss"] < quarter["common_loss"] and half["common_psnr"] > quarter["common_psnr"]
    enlarged = np.stack([cv2.resize(x, (64, 48), interpolation=cv2.INTER_LINEAR) for x in small / 255])
    psnr = [peak_signal_noise_ratio(a / 255, b, data_range=1) for a, b in zip(pictures, enlarged, strict=True)]
    assert half["common_psnr"] == pytest.approx(np.mean(psnr), abs=1e-2)
