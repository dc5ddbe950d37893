"""k-means over embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keyframe_bench.extractors.embedding_kmeans import EmbeddingKMeans


def scenes(n_scenes: int, length: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 10, (n_scenes, 16))
    return np.repeat(centres, length, axis=0) + rng.normal(0, 0.1, (n_scenes * length, 16))


@pytest.mark.parametrize(
    ("duration_s", "params", "expected"),
    [
        *((duration_s, {}, k) for duration_s, k in ((80.0, 10), (81.0, 11), (1.0, 1), (0.0, 1))),
        (128.0, {"growth": "sqrt"}, 4),
        (130.0, {"growth": "sqrt"}, 5),
        (10.0, {"seconds_per_key": 2}, 5),
    ],
)
def test_a_free_budget_grows_with_the_duration(
    run, clip_of, duration_s: float, params: dict[str, Any], expected: int
) -> None:
    extractor = EmbeddingKMeans(weights="random", **params)
    clip = clip_of(extractor, np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32), duration_s=duration_s)
    assert len(run(extractor, clip, None, 0)) == expected


@pytest.mark.parametrize("seed", range(3))
def test_every_scene_gives_one_frame(run, clip_of, seed: int) -> None:
    extractor = EmbeddingKMeans(weights="random")
    found = run(extractor, clip_of(extractor, scenes(6, 15).astype(np.float32)), 6, seed)
    assert (found.frames // 15).tolist() == [0, 1, 2, 3, 4, 5]
    assert found.scores == pytest.approx([1 / 6] * 6)


def test_a_static_video_and_a_large_budget(run, clip_of) -> None:
    extractor = EmbeddingKMeans(weights="random")
    clip = clip_of(extractor, np.ones((7, 4), np.float32))
    assert len(run(extractor, clip, 4, 0)) == 4
    assert run(extractor, clip, 99, 0).frames.tolist() == list(range(7))


def test_an_untrained_network_says_so() -> None:
    assert EmbeddingKMeans(weights="random").label == "random init"
    assert EmbeddingKMeans().label == EmbeddingKMeans(weights="x.safetensors").label == ""
    assert EmbeddingKMeans(weights="random").unavailable() is None
