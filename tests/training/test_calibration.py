"""Thresholds that a checkpoint brings along."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.autoencoder.learning import calibrated, code_range
from keyframe_bench.models.autoencoder import EncoderDecoder
from keyframe_bench.models.encoding import Encoding
from keyframe_bench.models.frame_distance import CODE_SPACES, PICTURE_SPACES, picture_distances
from keyframe_bench.models.networks import ConvolutionalNetwork
from keyframe_bench.training.clips import Rows

HEIGHT, WIDTH = 24, 48


@pytest.fixture(scope="module")
def model() -> EncoderDecoder:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        made = EncoderDecoder(ConvolutionalNetwork.build("ae_final", {"width": 0.05, "geometry": 0.25})).train()
        for _ in range(60):
            made(torch.rand(4, 3, HEIGHT // 4, WIDTH // 4).repeat_interleave(4, 2).repeat_interleave(4, 3))
    return made.eval()


def rows(pictures: np.ndarray) -> Rows:
    places = np.stack([np.zeros(len(pictures), dtype=np.int64), np.arange(len(pictures))], axis=1)
    return Rows(lambda _: pictures, places)


def thresholds(model: EncoderDecoder, validation: np.ndarray, *, photographs: bool = False) -> dict[str, float]:
    return calibrated(model, rows(rooms(20, 1)), rows(validation), still_camera=not photographs)["thresholds"]


def rooms(n: int, seed: int = 0) -> np.ndarray:
    rng = rng_for(seed, "rooms")
    return rng.integers(20, 235, (n, HEIGHT // 4, WIDTH // 4, 3), dtype=np.uint8).repeat(4, 1).repeat(4, 2)


def camera(n: int, noise: float, still: slice = slice(0, 0)) -> np.ndarray:
    """One room with sensor noise, and a block that jumps about, but for the frames ``still``."""
    rng = rng_for(0, "camera")
    frames = rooms(1).repeat(n, 0) + rng.normal(0, noise, (n, HEIGHT, WIDTH, 3))
    for t in set(range(n)) - set(range(n)[still]):
        x = int(rng.integers(0, WIDTH - 16))
        frames[t, 4:20, x : x + 16] = rng.integers(0, 256, 3)
    return np.clip(frames, 0, 255).astype(np.uint8)


def test_every_space_has_a_threshold_and_the_same_each_time(model: EncoderDecoder) -> None:
    found = thresholds(model, rooms(15), photographs=True)
    assert set(found) == {*PICTURE_SPACES, *CODE_SPACES}
    assert all(type(value) is float and 0 < value < 5 for value in found.values())
    assert found == thresholds(model, rooms(15), photographs=True)


def test_noise_and_flicker_stay_below_and_something_new_does_not(model: EncoderDecoder) -> None:
    found = thresholds(model, rooms(12, 5), photographs=True)
    still, busy = camera(40, 1.2, slice(None)), camera(40, 1.2, slice(0, 1))
    outputs = [Encoding(model, "fp32").reconstructions(frames) for frames in (still, busy)]
    for space, (quiet, changed) in {"input": (still, busy), "reconstruction": outputs}.items():
        assert picture_distances(quiet, quiet)(0, 1, 40).max() < found[space]
        assert np.median(picture_distances(changed, changed)(0, 1, 40)) > found[space]


def test_noise_of_the_camera_itself_counts_where_it_is_stronger(model: EncoderDecoder) -> None:
    """Sixteen frames without an event among many with one decide; photographs and short data have no such stretch."""
    quiet = thresholds(model, camera(60, 0.5, slice(20, 40)))
    noisy_frames = camera(60, 9.0, slice(20, 40))
    noisy = thresholds(model, noisy_frames)
    assert noisy["input"] > 1.3 * quiet["input"]
    assert picture_distances(noisy_frames, noisy_frames)(20, 21, 40).max() < 1.3 * noisy["input"]
    assert np.median(picture_distances(noisy_frames, noisy_frames)(20, 41, 60)) > noisy["input"]
    for other in (thresholds(model, noisy_frames, photographs=True), thresholds(model, noisy_frames[:15])):
        assert other["input"] < noisy["input"] / 1.2


def test_range_of_codes_holds_nearly_all_of_them(model: EncoderDecoder) -> None:
    low, high = code_range(model, rows(rooms(20, 1)))
    codes = Encoding(model, "fp32").codes(rooms(20, 1))
    assert len(low) == len(high) == 8
    inside = (codes >= np.array(low)[:, None, None]) & (codes <= np.array(high)[:, None, None])
    assert 0.99 < inside.mean() < 1.0
