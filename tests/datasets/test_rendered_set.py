"""The data set `rendered`: the pictures that are drawn, pixel by pixel, and how they are stored."""

from __future__ import annotations

import json

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.core.errors import UsageError
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.features.rgb import Rgb
from keyframe_bench.training.sources.rendered import Rendered as Source
from keyframe_bench.video.encode import write_lossless
from keyframe_bench.video.onepass import read_pass

SIZES = [(72, 144), (300, 600)]  # smaller and larger than what is drawn


def rendered(root, **params):
    return Dataset.registry.build("rendered", {"root": str(root), **params})


def shown(item, height, width):
    feature = Rgb(height=height, width=width)
    return read_pass(item.path, {"every": [feature]}).clip("every", [feature])[feature]


@pytest.mark.parametrize("kind", ["scenes", "camera_a", "camera_b", "camera_c", "mixed"])
def test_pixels_are_those_of_the_training_source(tmp_path, kind):
    options = {"kind": kind, "n": 5, "n_validation": 3, "seed": 2}
    items = rendered(tmp_path, **options).videos()
    for size in SIZES:
        pictures = Source(**options).pictures(*size)
        drawn = [pictures.train, pictures.validation]
        found = [shown(item, *size) for item in items]
        assert np.array_equal(np.concatenate(found), np.concatenate(drawn))


def test_scenes_come_divided_and_cameras_with_events(tmp_path):
    items = rendered(tmp_path / "s", n=3, n_validation=2).videos()
    assert [(item.part, item.photographs, item.annotation) for item in items] == [
        ("train", True, None),
        ("validation", True, None),
    ]
    (camera,) = rendered(tmp_path / "c", kind="camera_b", n=40, n_validation=10).videos()
    assert (camera.part, camera.photographs) == ("", False)
    assert camera.annotation.events is not None and camera.annotation.shots.tolist() == [[0, 50]]
    found = kb.extract(camera.path, "uniform", budget=2)
    assert found.video.n_frames == 50 and found.video.fps == pytest.approx(5)
    assert found.source.health.problems == []


def test_it_is_rendered_once(tmp_path):
    data = rendered(tmp_path, n=2, n_validation=1)
    before = {item.path: item.path.stat().st_mtime_ns for item in data.videos()}
    assert {item.path: item.path.stat().st_mtime_ns for item in data.videos()} == before
    assert data.revision() != rendered(tmp_path, n=2, n_validation=2).revision()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "film.mp4").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"film\.mp4"):
        rendered(tmp_path / "mine").videos()


def test_by_default_it_lies_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path))
    items = Dataset.registry.build("rendered", {"n": 1, "n_validation": 1}).videos()
    assert all(tmp_path in item.path.parents for item in items)


def test_coded_as_a_camera_would(tmp_path):
    (item,) = rendered(tmp_path, kind="camera_a", n=6, n_validation=2, coded="h264").videos()
    lossless = rendered(tmp_path / "l", kind="camera_a", n=6, n_validation=2).videos()[0]
    assert item.path.suffix == ".mp4" and item.path.stat().st_size < lossless.path.stat().st_size
    near = shown(item, 72, 144).astype(int) - shown(lossless, 72, 144)
    assert 0 < np.abs(near).mean() < 8
    with pytest.raises(UsageError, match="two sizes"):
        rendered(tmp_path / "m", kind="mixed", coded="h264").videos()


@pytest.mark.parametrize(
    "params", [{"kind": "camera_d"}, {"n": 0}, {"n_validation": 0}, {"seed": -1}, {"coded": "av1"}]
)
def test_wrong_parameters(tmp_path, params):
    with pytest.raises(UsageError, match=next(iter(params))):
        rendered(tmp_path, **params)


def test_run_takes_it(cli, tmp_path):
    words = ["run", "dataset=rendered", "dataset.kind=camera_a", "dataset.n=20", "dataset.n_validation=5"]
    status, _, err = cli(
        *words, f"dataset.root={tmp_path}/d", f"out={tmp_path}/out", "extractors=[uniform]", "budget=2"
    )
    assert (status, err) == (0, "")
    lines = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert {json.loads(line)["video"] for line in lines} == {"camera_a.mov"}


def test_lossless_files(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((5, 7), (5, 7), (1, 1), (8, 3), (5, 7))]
    assert write_lossless(tmp_path / "a:b.mov", pictures, 29.97) == 5
    found = kb.extract(tmp_path / "a:b.mov", "uniform", budget=5, sampling="every")
    assert all(np.array_equal(a, b) for a, b in zip(found.pictures(), pictures, strict=True))
    for name, given in (("a.mp4", pictures), ("a.mov", [])):
        with pytest.raises(UsageError):
            write_lossless(tmp_path / name, given)
    assert [file.name for file in tmp_path.iterdir()] == ["a:b.mov"]
