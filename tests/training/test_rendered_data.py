"""Rendered training data: works without files, divided as its kind suggests."""

from __future__ import annotations

import numpy as np
import pytest

from keyframe_bench.core.errors import UsageError


@pytest.mark.parametrize("kind", ["scenes", "camera_a", "mixed"])
def test_counts_types_and_names(data, pictures, kind) -> None:
    train, validation, facts = pictures(data("rendered", kind=kind, n=5, n_validation=3), 24, 48)
    assert train.shape == (5, 24, 48, 3) and validation.shape == (3, 24, 48, 3) and train.dtype == np.uint8
    assert facts["name"].startswith("rendered ") and (facts["train"], facts["validation"]) == (5, 3)
    assert facts["mirrored"] == (not kind.startswith("camera"))
    assert train.std() > 15  # there is something to see


def test_sizes_show_the_same_pictures(data, pictures) -> None:
    camera = data("rendered", kind="camera_a", n=3, n_validation=1)
    large, small = pictures(camera, 48, 96)[0], pictures(camera, 24, 48)[0]
    halved = large.reshape(3, 24, 2, 48, 2, 3).mean(axis=(2, 4))
    assert np.abs(halved - small).mean() < 1.5


def test_a_random_split_of_a_camera_leaks_and_draws_nothing_again(data, pictures, monkeypatch) -> None:
    options = {"kind": "camera_a", "n": 8, "n_validation": 4}
    temporal = pictures(data("rendered", **options), 16, 32)
    monkeypatch.setattr("keyframe_bench.rendering.cameras.Camera.pictures", None)
    random = pictures(data("rendered", split="frames:0.667", **options), 16, 32)
    whole, mixed = ([picture.tobytes() for part in parts[:2] for picture in part] for parts in (temporal, random))
    assert sorted(whole) == sorted(mixed) and not np.array_equal(random[1], temporal[1])


def test_only_scenes_bring_a_division(data, pictures) -> None:
    with pytest.raises(UsageError, match="has no split of its own"):
        pictures(data("rendered", kind="camera_a", n=3, n_validation=2, split="given"))


def test_every_option_is_part_of_the_identity(data) -> None:
    settings = [{}, {"kind": "camera_a"}, {"n": 3}, {"n_validation": 3}, {"seed": 1}]
    settings.append({"kind": "camera_a", "split": "frames:0.5"})
    found = [data("rendered", **({"n": 2, "n_validation": 2} | given)).identity for given in settings]
    assert all(found.count(one) == 1 for one in found)
