"""Frames made from those that were kept."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from keyframe_bench.models.frame_filling import by_blending, by_holding, by_network, size_of, whole_tokens  # noqa: E402 - after the skip
from keyframe_bench.models.frame_mae_weights import built  # noqa: E402 - after the skip

SIDE = 64


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return built({"target": "normalised", "preset": "tiny", "std_floor": 0.0}).eval()


def images(n, seed=0, width=100):
    return np.random.default_rng(seed).integers(0, 256, (n, SIDE, width, 3), dtype=np.uint8)


def kept_of(n, *frames):
    return whole_tokens(np.isin(np.arange(n), frames))


def test_blends_and_held_frames_are_what_plain_loops_give():
    shown, kept = images(20), np.isin(np.arange(20), [3, 4, 11, 17])
    blended, held = by_blending(shown, kept), by_holding(shown, kept)
    for n in range(20):
        before = max((k for k in np.flatnonzero(kept) if k <= n), default=3)
        after = min((k for k in np.flatnonzero(kept) if k >= n), default=17)
        share = 0 if after <= before else (n - before) / (after - before)
        expected = shown[before] * (1 - share) + shown[after] * share
        np.testing.assert_allclose(blended[n], expected, atol=0.5 + 1e-9)
        np.testing.assert_array_equal(held[n], shown[before])


@pytest.mark.parametrize("n", [1, 15, 16, 33, 34, 45])
def test_every_window_keeps_a_whole_token_and_the_last_one_ends_with_the_video(n):
    kept = kept_of(n, 3, n - 1)
    last = max(n - 16, 0)
    for start in [*range(0, n - 15, 16), last]:
        tokens = [kept[t : t + 2] for t in range(start, min(start + 16, n), 2)]
        assert any(token.all() for token in tokens)
        apart = [token for t, token in zip(range(start, n, 2), tokens, strict=False) if t + 2 <= last]
        assert all(token.all() or not token.any() for token in apart)  # where no other window lies above
    own = n - n % 16  # from here on frames belong to the last window alone
    tokens = [kept[t : t + 2] for t in range(last, n, 2) if t >= own]
    assert all(token.all() or not token.any() for token in tokens)
    assert kept[n - 1] and (n < 4 or kept[2:4].all())
    assert kept.sum() <= 2 * (2 + n // 16)
    if n == 45:
        assert np.flatnonzero(kept).tolist() == [2, 3, 24, 25, 43, 44]


def test_nothing_of_a_frame_that_was_left_out_is_read(network):
    shown, kept = images(38), kept_of(38, 2, 9, 30)
    other = np.where(kept[:, None, None, None], shown, images(38, seed=1))
    made = by_network(network, shown, kept)
    np.testing.assert_array_equal(made[kept], shown[kept])
    np.testing.assert_array_equal(by_network(network, other, kept)[~kept], made[~kept])
    leaked = by_network(network, shown, kept, "target")
    assert not np.array_equal(leaked, made) and not np.array_equal(by_network(network, other, kept, "target"), leaked)


def test_colours_that_fade_are_blended_patch_by_patch_however_little_the_network_knows(network):
    """Without contrast, all of a patch is its mean: the kept ones', linearly in time."""
    level = np.arange(16) // 2 * 20 + 40
    fading = np.broadcast_to(level[:, None, None, None], (16, SIDE, 150, 3)).astype(np.uint8)
    made = by_network(network, fading, kept_of(16, 2, 11))
    expected = np.clip(level, level[2], level[11])  # beyond the kept ones, as the nearest
    np.testing.assert_allclose(made, np.broadcast_to(expected[:, None, None, None], made.shape), atol=1)


def test_sizes_are_even_and_keep_the_aspect():
    assert size_of(360, 640, 64) == (64, 114)
    assert size_of(640, 360, 64) == (114, 64)
    assert size_of(64, 64, 64) == (64, 64)
