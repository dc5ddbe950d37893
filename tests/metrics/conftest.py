from collections.abc import Callable, Sequence

import numpy as np
import pytest

from keyframe_bench.core.annotation import Annotation, UserSummary
from keyframe_bench.core.clip import Clip, KeyFrames, VideoInfo
from keyframe_bench.metrics.base import Metric
from keyframe_bench.metrics.distances import GRAY, HUE


@pytest.fixture(scope="session")
def make_clip() -> Callable[..., Clip]:
    """Every decoded frame of a video, with plain features unless others are given."""

    def make(n: int = 100, *, fps: float = 10.0, hue=None, gray=None, times=None) -> Clip:
        times = np.arange(n) / fps if times is None else np.asarray(times, dtype=float)
        hue = np.tile(np.eye(16, dtype=np.float32)[0], (n, 1)) if hue is None else np.asarray(hue, np.float32)
        gray = np.zeros((n, 18, 32), np.uint8) if gray is None else gray
        info = VideoInfo("made.mp4", n_frames=n, start_s=0.0, duration_s=n / fps, width=64, height=36)
        return Clip(info, np.arange(n), times, {HUE.key: hue, GRAY.key: gray})

    return make


@pytest.fixture(scope="session")
def summary_of() -> Callable[..., KeyFrames]:
    """Key frames of a clip by ordinal."""

    def make(clip: Clip, frames: Sequence[int], **cost: float) -> KeyFrames:
        ordinals = np.asarray(frames, dtype=np.int64)
        return KeyFrames(ordinals, clip.times[ordinals], cost=cost)

    return make


@pytest.fixture(scope="session")
def annotated() -> Callable[..., Annotation]:
    """Annotation of a clip: the users' ordinals, and shots as half-open ranges."""

    def make(clip: Clip, *users: Sequence[int], shots=None) -> Annotation:
        named = tuple(UserSummary(str(i), np.asarray(u, dtype=np.int64)) for i, u in enumerate(users))
        spans = None if shots is None else np.asarray(shots, dtype=np.int64).reshape(-1, 2)
        return Annotation(named, spans).aligned(clip.times, clip.video.name)

    return make


@pytest.fixture(scope="session")
def score(summary_of) -> Callable[..., dict[str, float]]:
    """The numbers of a metric by name, for key frames of a clip by ordinal."""

    def compute(name, clip, frames, annotation=None, *, cost=()) -> dict[str, float]:
        return Metric.registry.build(name).compute(summary_of(clip, frames, **dict(cost)), clip, annotation)

    return compute
