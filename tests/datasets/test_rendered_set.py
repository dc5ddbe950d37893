"""The data set `rendered`: the images that are drawn, pixel by pixel, and how they are stored."""

from __future__ import annotations

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.core.errors import UsageError
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.datasets.rendered import mixed_pictures, scene_pictures
from keyframe_bench.features.images import Rgb
from keyframe_bench.rendering.cameras import Camera
from keyframe_bench.video.encode import write_lossless
from keyframe_bench.video.image_files import fit
from keyframe_bench.video.onepass import read_pass

SIZES = [(72, 144), (300, 600)]  # smaller and larger than what is drawn
# Mean grey levels of 5 + 3 images of 72 x 144 pixels with seed 2, as version 2 drew and resized them.
LEVELS = {
    "scenes": [94.958, 122.79, 68.898, 56.607, 77.715, 63.725, 59.122, 36.543],
    "camera_a": [160.479, 160.757, 160.929, 159.712, 160.142, 160.285, 160.255, 159.316],
    "camera_b": [149.357, 148.948, 150.401, 150.915, 150.378, 150.097, 150.986, 149.836],
    "camera_c": [128.302, 128.188, 128.117, 125.525, 126.592, 123.861, 121.57, 116.588],
    "mixed": [132.149, 159.736, 159.097, 165.145, 165.809, 173.358, 76.89, 169.534],
}
ROUNDING = 0.05  # of the drawing libraries


def rendered(root, **params):
    return Dataset.registry.build("rendered", {"root": str(root), **params})


def shown(item, height, width):
    feature = Rgb(height=height, width=width)
    return read_pass(item.path, {"every": [feature]}).clip("every", [feature])[feature]


def drawn(kind):
    """The images as they are drawn, without any file."""
    if kind.startswith("camera"):
        return [*Camera(kind[-1], 2, n_frames=8, fps=5.0).pictures()]
    draw = scene_pictures if kind == "scenes" else mixed_pictures
    return [*draw(2, "train", 5), *draw(2, "validation", 3)]


@pytest.mark.parametrize("kind", LEVELS)
def test_pixels_are_those_that_are_drawn_and_always_were(tmp_path, kind):
    items = rendered(tmp_path, kind=kind, n=5, n_validation=3, seed=2).videos()
    pictures = drawn(kind)
    for size in SIZES:
        found = np.concatenate([shown(item, *size) for item in items])
        assert np.array_equal(found, [fit(picture, *size, "stretch") for picture in pictures])
        if size == SIZES[0]:
            assert [float(picture.mean()) for picture in found] == pytest.approx(LEVELS[kind], abs=ROUNDING)


def test_more_pictures_are_those_of_before_and_others(tmp_path):
    few, many = (rendered(tmp_path / str(n), n=n, n_validation=1).videos() for n in (3, 5))
    assert np.array_equal(shown(few[0], 16, 32), shown(many[0], 16, 32)[:3])
    assert np.array_equal(shown(few[1], 16, 32), shown(many[1], 16, 32))


@pytest.mark.parametrize("kind", ["scenes", "mixed"])
def test_training_and_validation_share_no_picture(tmp_path, kind):
    items = rendered(tmp_path, kind=kind, n=6, n_validation=6).videos()
    train, validation = ({picture.tobytes() for picture in shown(item, 12, 24)} for item in items)
    assert len(train) == 6 and train.isdisjoint(validation)


def test_scenes_come_divided_and_cameras_with_events(tmp_path):
    items = rendered(tmp_path / "s", n=3, n_validation=2).videos()
    found = [(item.part, item.photographs, item.annotation) for item in items]
    assert found == [("train", True, None), ("validation", True, None)]
    (camera,) = rendered(tmp_path / "c", kind="camera_b", n=40, n_validation=10).videos()
    assert (camera.part, camera.photographs) == ("", False)
    assert camera.annotation.events is not None and camera.annotation.shots.tolist() == [[0, 50]]
    found = kb.extract(camera.path, "uniform", budget=2)
    assert found.video.n_frames == 50 and found.video.fps == pytest.approx(5)
    assert found.source.health.problems == []


def test_it_is_rendered_once_and_by_default_into_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "cache"))
    data = Dataset.registry.build("rendered", {"n": 2, "n_validation": 1})
    before = {item.path: item.path.stat().st_mtime_ns for item in data.videos()}
    assert all(tmp_path / "cache" in path.parents for path in before)
    monkeypatch.setattr("keyframe_bench.datasets.rendered.scene_pictures", None)  # the second time draws nothing
    assert {item.path: item.path.stat().st_mtime_ns for item in data.videos()} == before
    (tmp_path / "film.mp4").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"did not render, such as '(cache|film\.mp4)'"):
        rendered(tmp_path).videos()
    assert (tmp_path / "film.mp4").read_bytes() == b"x"


OUT_OF_RANGE = {
    "composed": [{"n_users": -1}, {"n_videos": 0}, {"duration_s": 1}, {"split": "dev"}, {"height": 8}],
    "rendered": [{"kind": "camera_d"}, {"n": 0}, {"n_validation": 0}, {"seed": -1}, {"coded": "av1"}],
    "synthetic": [{"n_videos": 0}, {"n_videos": 1001}, {"seed": -1}, {"duration_s": 0.0}],
}


@pytest.mark.parametrize(("name", "params"), [(name, one) for name, many in OUT_OF_RANGE.items() for one in many])
def test_parameters_out_of_range_are_named(name, params):
    ((parameter, value),) = params.items()
    with pytest.raises(UsageError, match=f"{parameter}={value!r} is not "):
        Dataset.registry.build(name, params)


def test_coded_as_a_camera_would(tmp_path):
    (item,) = rendered(tmp_path, kind="camera_a", n=6, n_validation=2, coded="h264").videos()
    lossless = rendered(tmp_path / "l", kind="camera_a", n=6, n_validation=2).videos()[0]
    assert item.path.suffix == ".mp4" and item.path.stat().st_size < lossless.path.stat().st_size
    near = shown(item, 72, 144).astype(int) - shown(lossless, 72, 144)
    assert 0 < np.abs(near).mean() < 8
    with pytest.raises(UsageError, match="two sizes"):
        rendered(tmp_path / "m", kind="mixed", coded="h264").videos()


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
