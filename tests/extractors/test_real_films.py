"""Methods on real films find the shots that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keyframe_bench.core.clip import Clip
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.video.onepass import read_pass

pytestmark = pytest.mark.data
# First frames of the shots. The jumps of the two live films were found by a histogram pass; Bunny's are the studio's
# list, minus a fade at the start that outdoes some of them by histogram.
CUTS = {
    "bikes.mp4": [30, 76, 137, 187, 242],
    "scenedetect_testvideo.mp4": [180, 394],
    "big_buck_bunny_30s.mp4": [285, 378, 553],
}
MOBILENET = {"backbone": "timm:mobilenetv2_100?pad_type=same", "weights": "mobilenetv2_100_coral"}
SQUEEZENET = {"backbone": "torchvision:squeezenet1_0", "weights": "squeezenet1_0_deepcompressed"}


def film(data_root: Path, name: str, sampling: str, method: str, **params: Any) -> tuple[Extractor, Clip]:
    if "weights" in params:
        params["weights"] = str(data_root / "weights" / f"{params['weights']}.safetensors")
    extractor = Extractor.registry.build(method, params)
    done = read_pass(data_root / "videos" / "edited" / name, {sampling: extractor.needs})
    return extractor, done.clip(sampling, extractor.needs)


# Fast motion in the live films outdoes some cuts pixel by pixel.
@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        ("histogram_distance", {}, "bikes.mp4"),
        ("histogram_distance", {}, "scenedetect_testvideo.mp4"),
        ("pixel_distance", {}, "bikes.mp4"),
        ("pixel_distance", {"color": "rgb"}, "big_buck_bunny_30s.mp4"),
    ],
)
def test_cuts_become_borders(data_root, run, method, params, name):
    extractor, clip = film(data_root, name, "every", method, **params)
    found = run(extractor, clip, 6)
    start, end = found.segments.T
    assert set(CUTS[name]) <= set(start.tolist()) and end[-1] == len(clip)
    assert np.all((start <= found.frames) & (found.frames < end))


@pytest.mark.parametrize(
    ("method", "params"),
    [("spectral", {}), ("embedding_kmeans", MOBILENET | {"mean": 0.5, "std": 0.5}), ("embedding_kmeans", SQUEEZENET)],
    ids=["spectral", "mobilenet", "squeezenet"],
)
def test_every_long_shot_gets_a_key_frame(data_root, run, method, params):
    """The sixth shot lasts 0.3 s: at 4 frames a second one frame at most stands for it."""
    found = run(*film(data_root, "bikes.mp4", "4fps", method, **params), 6)
    assert len(set(np.searchsorted(CUTS["bikes.mp4"], found.frames, side="right"))) >= 5


def test_neighbouring_key_frames_of_an_evolved_set_are_unlike(data_root, run):
    found = run(*film(data_root, "bikes.mp4", "4fps", "differential_evolution"), 5)
    assert found.scores.min() > 0.9  # mean SSIM below 0.1


def test_vsumm_gives_one_frame_for_each_look(data_root, run):
    extractor, clip = film(data_root, "big_buck_bunny_30s.mp4", "1fps", "vsumm")
    found = run(extractor, clip)
    shots = np.searchsorted(CUTS["big_buck_bunny_30s.mp4"], found.frames, side="right")
    assert len(set(shots)) >= 3 and 3 <= len(found) <= 8
    fewer = run(Extractor.registry.build("vsumm", {"variant": "vsumm2"}), clip)
    assert set(fewer.frames) <= set(found.frames)
