"""Deep clustering: a network that is trained on the very video that is summarised."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

import keyframe_bench as kb
from keyframe_bench.core.errors import UsageError
from keyframe_bench.extractors.deep_cluster import DeepCluster
from keyframe_bench.models import deep_clustering
from keyframe_bench.models.deep_clustering import DeepClustering, uniform_over_classes
from keyframe_bench.rendering.films import render_video
from keyframe_bench.selection.clustering import pseudo_labels, whitened

SCENES, LENGTH = 5, 9


def film(n_scenes: int = SCENES, length: int = LENGTH) -> np.ndarray:
    """Scenes of noisy blocks of colour with a moving square, uint8 [N, 48, 64, 3]."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(n_scenes):
        blocks = rng.integers(0, 256, (6, 8, 3)).repeat(8, 0).repeat(8, 1)
        for step in range(length):
            frame = blocks + rng.normal(0, 8, blocks.shape)
            frame[10:20, 4 * step : 4 * step + 10] = 255
            frames.append(frame)
    return np.clip(frames, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", [0, 1])
def test_every_scene_gives_one_key_frame(run, seed) -> None:
    method = DeepCluster(training_seed=seed)
    found = run(method, kb.clip_from_images(film(), method.needs), SCENES, seed)
    assert (found.frames // LENGTH).tolist() == list(range(SCENES))
    assert found.scores == pytest.approx([1 / SCENES] * SCENES)


def test_shots_of_a_rendered_film(tmp_path) -> None:
    shots = render_video(tmp_path / "cuts.mp4", "cuts", 3, height=48, width=64, fps=10, duration_s=10).shots
    found = kb.extract(tmp_path / "cuts.mp4", "deep_cluster", budget=len(shots), sampling="5fps")
    at = np.searchsorted(shots[:, 0], found.frames, side="right")
    assert len(set(at)) == len(shots)


def test_a_sweep_over_k_trains_once(cli, folder, tmp_path, monkeypatch, cells) -> None:
    trained = []
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        DeepClustering, "embedded", lambda self, images, _: trained.append(len(images)) or images.mean((1, 2))
    )
    words = ["run", "dataset=folder", f"dataset.root={folder}", "extractors=[deep_cluster]", "sampling=2fps"]
    assert cli(*words, "budget=[2,3]", f"out={tmp_path / 'a'}")[0] == 0
    assert len(trained) == 3
    assert cli(*words, "budget=4", "seeds=[1]", f"out={tmp_path / 'b'}")[0] == 0
    assert len(trained) == 3
    found = [cell for cell in cells(tmp_path / "b").values() if cell["extractor"] == "deep_cluster"]
    assert all(cell["keyframes"]["cost"]["features_s"] > 0 for cell in found)  # what it took counts in every row


def test_a_part_of_a_video_is_trained_on_by_itself(run) -> None:
    method = DeepCluster(epochs=2)
    whole = kb.clip_from_images(film(), method.needs)
    part = kb.clip_from_images(film()[: 2 * LENGTH], method.needs)
    assert run(method, whole.prefix(2 * LENGTH), 4).frames.tolist() == run(method, part, 4).frames.tolist()


def test_equal_seeds_give_equal_features() -> None:
    images = film(3, 8)
    first, again, other = (
        DeepClustering("small", "", 4, 2, 8, 1e-3, seed).embedded(images, pseudo_labels) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    untrained = DeepClustering("small", "", 4, 0, 8, 1e-3, 0).embedded(images, pseudo_labels)
    assert first.shape == (24, 128) and not np.array_equal(first, untrained)


def test_training_separates_the_classes() -> None:
    images = film(4, 8)
    spread = []
    for epochs in (0, 30):
        features = DeepClustering("small", "", 4, epochs, 8, 0.01, 0).embedded(images, pseudo_labels).reshape(4, 8, -1)
        within = np.square(features - features.mean(1, keepdims=True)).sum()
        between = 8 * np.square(features.mean(1) - features.mean((0, 1))).sum()
        spread.append(between / within)
    assert spread[1] > 1.5 * spread[0]


def test_components_are_those_of_a_library() -> None:
    features = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32) @ np.diag([9, 5, 3, 2, 1, 0.5])
    expected = PCA(6, whiten=True, svd_solver="full").fit_transform(features.astype(np.float64))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = whitened(features.astype(np.float32))
    assert np.abs(found @ found.T - expected @ expected.T).max() < 1e-5  # up to the signs of components


def test_few_frames_and_frames_that_are_alike() -> None:
    rng = np.random.default_rng(0)
    assert whitened(rng.normal(size=(12, 300)).astype(np.float32)).shape == (12, 3)  # not 11: all would be as far
    static = np.ones((20, 8), np.float32)
    assert not whitened(static).any()
    assert not pseudo_labels(static, 16, rng).any()


def test_classes_are_seen_equally_often() -> None:
    labels = np.repeat([2, 0, 1], [50, 5, 1])
    order = uniform_over_classes(labels, np.random.default_rng(0))
    assert len(order) == 56 and sorted(np.bincount(labels[order])) == [18, 19, 19]


def test_what_diverges_is_told() -> None:
    with pytest.raises(UsageError, match="lr lower than 1e"):
        DeepClustering("small", "", 4, 4, 8, 1e30, 0).embedded(film(3, 8), pseudo_labels)


def test_a_pretrained_network_is_tuned_as_a_whole(run) -> None:
    method = DeepCluster(backbone="timm:test_resnet.r160_in1k", weights="random", epochs=1)
    assert method.unavailable() is None
    found = run(method, kb.clip_from_images(film(3, 5), method.needs), 3)
    assert len(found) == 3
    options = method.learned.params | {"seed": 0}
    del options["training_seed"]
    images = kb.clip_from_images(film(3, 5), (method.learned.images,))[method.learned.images]
    tuned, before = (
        deep_clustering.DeepClustering(**{**options, "epochs": n}).embedded(images, pseudo_labels) for n in (1, 0)
    )
    assert tuned.shape == before.shape and not np.array_equal(tuned, before)
