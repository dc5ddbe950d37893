"""Random control."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.registry import Registry
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.base import Extractor, run_extractor
from keyframe_bench.extractors.random import Random


def clip_of(n: int) -> Clip:
    return Clip(VideoInfo("v", 3 * n, 0.0, n / 2), np.arange(n) * 3, np.arange(n) / 2, {})


@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 99))
def test_exactly_k_sampled_frames(n: int, k: int, seed: int) -> None:
    found = run_extractor(Random(), clip_of(n), k, rng=rng_for(seed))
    assert len(found) == min(k, n)
    assert set(found.frames) <= set(range(0, 3 * n, 3))


def test_every_frame_is_as_likely_as_any_other() -> None:
    counts = np.zeros(10)
    for seed in range(2000):
        counts[Random().select(clip_of(10), 3, rng=rng_for(seed)).frames // 3] += 1
    # Expected 600 each; the variance of a frame's count is 2000 * 0.3 * 0.7, so 5 sigma is 102.
    assert np.abs(counts - 600).max() < 102


def test_the_generator_decides() -> None:
    draw = [Random().select(clip_of(500), 5, rng=rng_for(seed)).frames.tolist() for seed in (1, 1, 2)]
    assert draw[0] == draw[1] != draw[2]


def test_it_declares_itself_as_the_control_of_100_draws() -> None:
    registry: Registry[Extractor] = Extractor.registry
    assert registry.get("random") is Random
    assert Random.draws == 100
    assert Random.stochastic
    with pytest.raises(UsageError, match="'random' does not support a free budget"):
        run_extractor(Random(), clip_of(5), None, rng=rng_for(0))
