"""Every number of every metric against plain loops, on random videos."""

import json
from dataclasses import replace

import numpy as np
import pytest

from keyframe_bench.core.clip import KeyFrames
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.metrics.base import Metric
from keyframe_bench.metrics.scenes import scene_scores

from .plain_loops import REFERENCES, scene_loops

CASES = 40


def random_video(rng, make_clip):
    """Scenes with noise, a static or black and white video, pure noise, black frames; uneven and equal times."""
    n = int(rng.integers(1, 36))
    kind = rng.choice(["scenes", "static", "noise", "colourless"])
    scenes, which = rng.integers(0, 256, (4, 18, 32)), np.sort(rng.integers(0, 4, n))
    noise = {"scenes": rng.choice([2, 20, 40]), "static": 0, "noise": 200, "colourless": 10}[kind]
    gray = np.clip(scenes[0 if kind == "static" else which] + rng.normal(0, noise, (n, 18, 32)), 0, 255)
    gray[rng.random(n) < 0.1] = 0
    hue = rng.dirichlet(np.full(16, 0.4), 4)[which] * 0.8 + rng.dirichlet(np.full(16, 0.2), n) * 0.2
    if kind in ("static", "colourless"):
        hue = np.eye(16)[np.zeros(n, dtype=int)]
    steps = rng.choice([0.0, 0.04, 0.25, 0.5, 0.123, 1.7], n)
    return make_clip(n, hue=hue, gray=gray.astype(np.uint8), times=7.0 + np.cumsum(steps))


def random_scenes(rng, times):
    """Scenes of one to three intervals, some of which overlap, end on a frame or hold none."""
    found = []
    for _ in range(int(rng.integers(1, 5))):
        starts = rng.choice(times, int(rng.integers(1, 4))) + rng.choice([0.0, -0.5, 0.02])
        found.append(np.stack([starts, starts + rng.choice([0.5, 1.0, 4.0], len(starts))], axis=1))
    return tuple(found)


def random_case(seed, make_clip, annotated):
    rng = np.random.default_rng(seed)
    clip = random_video(rng, make_clip)
    n = len(clip)

    def subset(most):
        return np.sort(rng.choice(n, int(rng.integers(0, min(n, most) + 1)), replace=False))

    frames = np.arange(n) if seed % 8 == 0 else subset(9)
    users = [subset(8) for _ in range(int(rng.integers(1, 6)))]
    starts = rng.integers(0, n, int(rng.integers(1, 6)))
    shots = [[s, min(n, s + int(rng.integers(1, 20)))] for s in starts.tolist()]
    cost = dict(zip(("decode_s", "features_s", "select_s", "peak_mb"), rng.random(4).tolist(), strict=True))
    about = replace(annotated(clip, *users, shots=shots), events=np.array(shots), scenes=random_scenes(rng, clip.times))
    return KeyFrames(frames, clip.times[frames], cost=cost), clip, about


def test_every_metric_has_a_reference():
    missing = set(Metric.registry.names()) - set(REFERENCES) - {"keyshot_f", "rank_correlation"}  # test_keyshots.py
    assert not missing, f"write {sorted(missing)} as plain loops and add them to REFERENCES"


@pytest.mark.parametrize("name", REFERENCES)
def test_agrees_with_plain_loops(name, make_clip, annotated):
    metric = Metric.registry.build(name)
    for seed in range(CASES):
        case = random_case(seed, make_clip, annotated)
        assert metric.compute(*case) == pytest.approx(REFERENCES[name](*case), abs=1e-6), f"case {seed}"


@pytest.mark.data
@pytest.mark.parametrize("name", ["aks_32", "aks_64", "kfs_authors_64"])
def test_scenes_agree_with_plain_loops_on_published_picks(name, data_root):
    known = Dataset.registry.build("kfs_bench", {"root": str(data_root / "kfs_bench")}).published()
    picks = json.loads((data_root / "kfs_bench" / "picks" / f"{name}.json").read_bytes())
    for entry in (entry for entry in picks if known[entry["id"]].annotation is not None):
        scenes, times = known[entry["id"]].annotation.scenes, entry["frame_timestamps"]
        wanted = scene_loops(times, [scene.tolist() for scene in scenes])
        found = {name: float(value) for name, value in scene_scores(np.array(times), scenes).items()}
        assert found == pytest.approx(wanted, abs=1e-6)
