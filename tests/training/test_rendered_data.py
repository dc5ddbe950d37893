"""Rendered training data: works without files, the same again, at every size the same pictures."""

from __future__ import annotations

import numpy as np
import pytest
from keyframe_bench.training.data import TrainingData

from keyframe_bench.core.errors import UsageError


def rendered(**params):
    return TrainingData.registry.build("rendered", params)


@pytest.mark.parametrize("kind", ["scenes", "camera_a", "camera_c", "mixed"])
def test_counts_types_and_names(kind) -> None:
    found = rendered(kind=kind, n=5, n_validation=3).pictures(24, 48)
    assert found.train.shape == (5, 24, 48, 3) and found.validation.shape == (3, 24, 48, 3)
    assert found.train.dtype == np.uint8
    assert found.name.startswith("rendered ")
    assert found.flip == (not kind.startswith("camera"))
    assert found.facts["train"] == 5 and found.facts["validation"] == 3
    assert found.train.std() > 15  # there is something to see


def test_the_second_time_it_is_read_from_disk(monkeypatch) -> None:
    data = rendered(kind="scenes", n=4, n_validation=2, seed=3)
    first = data.pictures(16, 32)
    monkeypatch.setattr("keyframe_bench.training.sources.rendered.draw_scene", None)
    again = rendered(kind="scenes", n=4, n_validation=2, seed=3).pictures(16, 32)
    assert np.array_equal(first.train, again.train) and np.array_equal(first.validation, again.validation)
    assert first.digest == again.digest == data.digest()
    assert not again.train.flags.writeable  # mapped, not copied


def test_sizes_show_the_same_pictures() -> None:
    data = rendered(kind="camera_a", n=3, n_validation=1)
    large, small = data.pictures(48, 96), data.pictures(24, 48)
    halved = large.train.reshape(3, 24, 2, 48, 2, 3).mean(axis=(2, 4))
    assert np.abs(halved - small.train).mean() < 1.5


def test_more_pictures_are_those_of_before_and_others() -> None:
    few, many = (rendered(kind="scenes", n=n, n_validation=1).pictures(16, 32) for n in (3, 5))
    assert np.array_equal(few.train, many.train[:3]) and np.array_equal(few.validation, many.validation)


def test_training_and_validation_share_no_picture() -> None:
    for kind in ("scenes", "mixed"):
        found = rendered(kind=kind, n=6, n_validation=6).pictures(12, 24)
        train = {picture.tobytes() for picture in found.train}
        assert len(train) == 6
        assert train.isdisjoint(picture.tobytes() for picture in found.validation)


def test_a_random_split_of_a_camera_leaks_and_draws_nothing_again(monkeypatch) -> None:
    options = {"kind": "camera_a", "n": 8, "n_validation": 4}
    temporal = rendered(**options).pictures(16, 32)
    monkeypatch.setattr("keyframe_bench.video.surveillance.make_camera", None)
    random = rendered(**options, split="random").pictures(16, 32)
    whole = [*temporal.train, *temporal.validation]
    assert sorted(p.tobytes() for p in [*random.train, *random.validation]) == sorted(p.tobytes() for p in whole)
    assert not np.array_equal(random.validation, temporal.validation)
    assert random.facts["split"] == "random" and random.digest != temporal.digest


def test_only_a_camera_is_split_at_random() -> None:
    with pytest.raises(UsageError, match="split=random is of a camera's frames, and kind=scenes"):
        rendered(kind="scenes", split="random").pictures(16, 32)


def test_every_option_is_part_of_the_digest() -> None:
    settings = [{}, {"kind": "mixed"}, {"n": 7}, {"n_validation": 7}, {"seed": 1}, {"split": "random"}]
    assert len({rendered(**s).digest() for s in settings}) == len(settings)
