from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from keyframe_bench.core.clip import Clip, KeyFrames, VideoInfo
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.base import Extractor, run_extractor


@pytest.fixture(scope="session")
def clip_of() -> Callable[..., Clip]:
    """A clip of rows, one array for each feature that the extractor needs, half a second and ``step`` frames apart."""

    def make(
        extractor: Extractor, *rows: Any, step: int = 1, times: Any = None, duration_s: float | None = None
    ) -> Clip:
        n = len(rows[0]) if rows else len(times)
        clock = np.arange(n) / 2 if times is None else np.asarray(times, dtype=np.float64)
        info = VideoInfo("v", n * step, float(clock[0]), n / 2 if duration_s is None else duration_s)
        columns = {feature.key: row for feature, row in zip(extractor.needs, rows, strict=True)}
        return Clip(info, np.arange(n) * step, clock, columns)

    return make


@pytest.fixture(scope="session")
def run() -> Callable[..., KeyFrames]:
    """An extractor's key frames of a clip, checked against the contract."""

    def select(extractor: Extractor, clip: Clip, k: int | None = None, seed: int = 0) -> KeyFrames:
        return run_extractor(extractor, clip, k, rng=rng_for(seed))

    return select
