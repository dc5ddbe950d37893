"""One frame of each shot, or more of long ones."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from keyframe_bench import Extractor
from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.core.errors import UsageError
from keyframe_bench.extractors.base import run_extractor

LENGTHS = (12, 3, 7)  # of shots; they begin at 0, 12 and 15
CUTS = {"threshold": "absolute", "level": 5.0}


def change_of(lengths: tuple[int, ...] = LENGTHS) -> NDArray[np.float32]:
    change = np.full(sum(lengths), 1.0, np.float32)
    change[np.cumsum(lengths)[:-1]] = 9.0
    change[0] = 0
    return change


@pytest.fixture(scope="session")
def result(run, clip_of):
    def select(k: int | None, *rows: Any, change: Any = None, **params: Any) -> Any:
        extractor = Extractor.registry.build("shot_middle", CUTS | params)
        return run(extractor, clip_of(extractor, change_of() if change is None else change, *rows), k)

    return select


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        (None, [5, 13, 18]),
        (1, [5]),  # the longest shots first
        (2, [5, 18]),
        (3, [5, 13, 18]),
        (4, [2, 8, 13, 18]),  # then the shot with the most frames per key frame, in equal parts
        (5, [1, 5, 9, 13, 18]),
        (6, [1, 5, 9, 13, 16, 19]),
        (22, list(range(22))),
        (99, list(range(22))),
    ],
)
def test_the_budget_goes_by_the_length_of_shots(result, k: int | None, expected: list[int]) -> None:
    assert result(k).frames.tolist() == expected


def test_every_budget_is_met_by_shares_as_a_plain_loop_gives_them(result) -> None:
    lengths = (9, 1, 4, 30, 2, 4)
    start = np.cumsum((0, *lengths))
    for k in range(1, sum(lengths) + 1):
        counts = [0] * len(lengths)
        for _ in range(k):
            empty = [i for i, n in enumerate(counts) if n == 0]
            if empty:
                gets = max(empty, key=lambda i: (lengths[i], -i))
            else:
                gets = max(range(len(lengths)), key=lambda i: (lengths[i] / (counts[i] + 1), -i))
            counts[gets] += 1
        found = result(k, change=change_of(lengths))
        assert np.bincount(np.searchsorted(start, found.frames, "right") - 1, minlength=6).tolist() == counts


def test_the_sharpest_frame_of_each_shot(result) -> None:
    images = np.random.default_rng(0).integers(0, 256, (22, 120, 160), dtype=np.uint8)
    blurred = np.stack([cv2.GaussianBlur(image, (9, 9), 0) for image in images])
    for at in (3, 14, 20):
        blurred[at] = images[at]
    assert result(None, blurred, frame="sharpest").frames.tolist() == [3, 14, 20]
    assert result(2, blurred, frame="sharpest").frames.tolist() == [3, 20]


def test_the_medoid_of_each_shot(result) -> None:
    rows = np.random.default_rng(1).normal(size=(22, 4)).astype(np.float32)
    apart = np.square(rows[:, None] - rows).sum(axis=2)
    expected = [a + int(apart[a:b, a:b].sum(axis=1).argmin()) for a, b in ((0, 12), (12, 15), (15, 22))]
    assert result(None, rows, frame="medoid", feature="gray").frames.tolist() == expected
    assert result(2, rows, frame="medoid").frames.tolist() == [expected[0], expected[2]]


def test_a_video_without_a_cut_is_one_shot(result) -> None:
    found = result(None, change=np.zeros(8, np.float32))
    assert found.frames.tolist() == [3] and found.fallback
    assert result(4, change=np.zeros(8, np.float32)).frames.tolist() == [0, 2, 4, 6]


def test_the_change_is_any_feature_of_one_number(result) -> None:
    extractor = Extractor.registry.build("shot_middle", {"change": "histogram_difference?bins=64", "frame": "medoid"})
    assert [feature.name for feature in extractor.needs] == ["histogram_difference", "color_histogram"]
    assert extractor.needs[0].params["bins"] == 64
    with pytest.raises(UsageError, match="not a number per frame"):
        result(3, change=np.zeros((22, 2), np.float32))


def test_a_medoid_among_rows_of_an_untrained_network_says_so() -> None:
    untrained = {"feature": "embedding?weights=random"}
    assert Extractor.registry.build("shot_middle", untrained).label == ""  # it is not read
    assert Extractor.registry.build("shot_middle", untrained | {"frame": "medoid"}).label == "random init"


def test_windows_without_a_number_per_frame_are_refused(run, clip_of) -> None:
    extractor = Extractor.registry.build("shot_middle", {"change": "motion_energy"})
    with pytest.raises(UsageError, match="not a number per frame"):
        run(extractor, clip_of(extractor, np.zeros(16, np.float32)), 2)


def test_a_frame_in_several_windows_takes_the_number_of_the_one_it_lies_deepest_in(monkeypatch) -> None:
    extractor = Extractor.registry.build("shot_middle", CUTS | {"change": "transnetv2"})
    monkeypatch.setattr("keyframe_bench.features.transnetv2.TransNetV2.unavailable", lambda _: "not installed")
    (feature,) = extractor.needs
    windows = feature.windows(170)  # 0, 50 and 70 to the end
    rows = np.zeros((len(windows), 100), np.float32)
    rows[0, [60, 97]] = 9.0  # frame 60, and 97 at the edge of this window, which does not count
    rows[1, 47] = 1.0  # frame 97 in the middle of this one
    rows[2, 95] = 9.0  # frame 165
    clip = Clip(VideoInfo("v", 170, 0.0, 6.8), np.arange(170), np.arange(170) / 25, {feature.key: rows})
    found = run_extractor(extractor, clip, None, rng=np.random.default_rng(0))
    assert extractor.sampling == "every"
    assert found.frames.tolist() == [29, 112, 167]
