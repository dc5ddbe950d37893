"""Frames of videos for training: which frames, in which part, and what is said about damage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.features.images import Rgb
from keyframe_bench.training.defects import defects
from keyframe_bench.training.reading import read_parts
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.encode import write_h264, write_lossless

HEIGHT, WIDTH = 12, 24


@pytest.fixture
def camera(data):
    """Data of one fixed camera."""
    return lambda root, split=None, **given: data("folder", root, split, camera=True, **given)


@pytest.fixture
def frames(pictures, shown):
    """Which frames train, which are held out."""

    def read(found):
        train, validation, _ = pictures(found)
        return shown(train), shown(validation)

    return read


def remuxed(path: Path, copy: Path) -> None:
    """The same packets in another container."""
    with av.open(path) as source, av.open(copy, "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)


def test_earlier_frames_train_later_ones_validate(camera, pictures, frames, shade, tmp_path) -> None:
    path = shade(tmp_path / "cam_a.mp4", 50)
    assert frames(camera(path)) == ([*range(40)], [*range(40, 50)])
    train, validation, facts = pictures(camera(path), HEIGHT, WIDTH)
    with VideoReader(path) as reader:
        wanted = [np.array(frame.rgb(HEIGHT, WIDTH)) for frame in reader]
    assert np.array_equal(np.concatenate([train, validation]), wanted), "the frames of inference"
    told = {"dataset": "folder", "name": "cam_a.mp4", "videos": 1, "frames": 50, "split": "temporal:0.8"}
    assert told | {"sampling": "every", "mirrored": False, "train": 40, "validation": 10} == facts
    assert len(frames(camera(path, "temporal:0.667"))[0]) == 33


def test_limits_are_even_in_time_and_sampling_thins(camera, frames, shade, tmp_path) -> None:
    path = shade(tmp_path / "a.mp4", 50)
    assert frames(camera(path, limit=4, limit_validation=2)) == ([5, 15, 25, 35], [42, 47])
    assert frames(camera(path, limit=7, limit_validation=3)) == ([2, 8, 14, 20, 25, 31, 37], [41, 45, 48])
    assert frames(camera(path, limit=100))[0] == [*range(40)]
    assert frames(camera(path, sampling="every10")) == ([0, 10, 20, 30], [40])
    train, validation = frames(camera(path, sampling="5fps"))
    assert train + validation == [*range(0, 50, 5)]
    with pytest.raises(UsageError, match="sampling"):
        camera(path, sampling="often")


def test_a_random_split_is_one_and_leaks(camera, frames, shade, tmp_path) -> None:
    path = shade(tmp_path / "a.mp4", 50)
    train, validation = frames(camera(path, "frames:0.8"))
    assert validation == [6, 10, 15, 17, 18, 23, 34, 37, 41, 42], "as in every version before"
    assert sorted(train + validation) == list(range(50))
    assert frames(camera(path, "frames:0.8", split_seed=1))[1] == [1, 5, 11, 13, 14, 20, 32, 33, 40, 47]
    neighbours = [min(abs(v - t) for t in train) for v in validation]
    assert np.mean(neighbours) < 2  # what it is there to show


def test_several_files_are_one_sequence_in_natural_order(camera, pictures, frames, shade, tmp_path) -> None:
    for name, first in (("cam_10.mp4", 40), ("cam_2.mp4", 20), ("cam_1.mp4", 0)):
        shade(tmp_path / "cam" / name, 20, first=first)
    (tmp_path / "cam" / "notes.txt").write_text("no video")
    assert frames(camera(tmp_path / "cam")) == ([*range(48)], [*range(48, 60)])
    facts = pictures(camera(tmp_path / "cam"))[2]
    assert (facts["name"], facts["videos"]) == ("cam", 3)


@pytest.fixture
def videos(shade, tmp_path):
    """Six videos of ten frames each, which tell their number: frames 16 i to 16 i + 9."""
    for i in range(6):
        shade(tmp_path / "videos" / f"v{i}.mp4", 10, first=16 * i)
    return tmp_path / "videos"


def numbers(side: list[int]) -> set[int]:
    return {frame // 16 for frame in side}


def test_whole_videos_train_or_are_held_out(data, frames, videos, tmp_path) -> None:
    train, validation = frames(data("folder", videos, "videos:0.67"))
    assert (len(train), len(validation)) == (40, 20) and numbers(train) | numbers(validation) == set(range(6))
    assert not numbers(train) & numbers(validation)
    folds = [frames(data("folder", videos, "kfold:3", fold=fold)) for fold in range(3)]
    assert [len(held) for _, held in folds] == [20, 20, 20]
    assert set.union(*(numbers(held) for _, held in folds)) == set(range(6))
    assert all(numbers(train) == set(range(6)) - numbers(held) for train, held in folds)
    assert frames(data("folder", videos, "kfold:3", fold=1, split_seed=1)) != folds[1]
    with pytest.raises(UsageError, match="fold=3: split=kfold:3 has the folds 0 to 2"):
        frames(data("folder", videos, "kfold:3", fold=3))
    some = data("folder", videos, "videos:0.5", only=("v1.mp4", "v4.mp4"))
    assert {*map(tuple, map(numbers, frames(some)))} == {(1,), (4,)}


def test_a_file_says_what_trains(data, frames, videos, tmp_path) -> None:
    folds = [{"train": ["v0.mp4"], "test": ["v5.mp4"]}, {"train": ["v5.mp4", "v2.mp4"], "test": ["v0.mp4"]}]
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"format": "keyframe_bench/split@1", "folds": folds}))
    assert frames(data("folder", videos, str(path))) == ([*range(10)], [*range(80, 90)])
    second = data("folder", videos, str(path), fold=1)
    assert frames(second) == ([*range(32, 42), *range(80, 90)], [*range(10)])
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.copy(path, tmp_path / "elsewhere")
    assert data("folder", videos, str(moved), fold=1).identity == second.identity, "the place is no matter"
    with pytest.raises(UsageError, match="has no split of its own"):
        frames(data("folder", videos, "given"))


def test_every_video_is_divided_in_time_unless_it_is_a_camera(data, frames, videos) -> None:
    train, validation = frames(data("folder", videos, "temporal:0.8"))
    assert validation == [16 * i + j for i in range(6) for j in (8, 9)] and len(train) == 48
    assert numbers(frames(data("folder", videos, "temporal:0.8", camera=True))[1]) == {4, 5}


def test_copies_are_on_one_side_and_those_of_a_camera_count_once(
    data, camera, pictures, shade, tmp_path, shown
) -> None:
    shade(tmp_path / "cam_1.mp4", 20)
    shade(tmp_path / "cam_2.mp4", 20, first=50)
    shutil.copy(tmp_path / "cam_1.mp4", tmp_path / "cam_3.mp4")
    remuxed(tmp_path / "cam_2.mp4", tmp_path / "cam_4.mkv")
    shutil.copy(tmp_path / "cam_2.mp4", tmp_path / "cam_5.mp4")
    train, validation, facts = pictures(camera(tmp_path))
    wanted = [*range(20), *range(50, 70)]
    assert shown(train) == wanted[:32] and shown(validation) == wanted[32:]
    assert facts["frames"] == 40
    assert any("left out" in text and "cam_3.mp4: the frames of cam_1.mp4" in text for text in defects(facts))
    (tmp_path / "cam_4.mkv").unlink()
    for seed in range(4):
        train, validation, _ = pictures(data("folder", tmp_path, "videos:0.5", split_seed=seed))
        assert not {*shown(train)} & {*shown(validation)}, "copies of a file are on one side"


def test_damage_is_used_as_far_as_it_goes_and_told(camera, pictures, shade, tmp_path) -> None:
    folder = tmp_path / "cam"
    shade(folder / "1.mp4", 20)
    whole = shade(tmp_path / "whole.mp4", 20, first=20)
    (folder / "3.mp4").write_bytes(b"no video at all")
    remuxed(whole, folder / "2.mkv")
    (folder / "2.mkv").write_bytes((folder / "2.mkv").read_bytes()[: -(folder / "2.mkv").stat().st_size // 3])
    train, validation, facts = pictures(camera(folder))
    assert 20 < len(train) + len(validation) == facts["frames"] < 40 and facts["videos"] == 2
    unreadable, problems = defects(facts)
    assert unreadable.startswith("1 unreadable: 3.mp4: ") and problems.startswith("1 with problems: 2.mkv: ")


@pytest.mark.parametrize("where", ["in the file", "between files"])
def test_another_size_is_an_error_that_names_place_and_sizes(camera, pictures, tmp_path, where) -> None:
    folder = tmp_path / "cam"
    folder.mkdir()
    small, large = ([np.full((height, 64, 3), 90, np.uint8)] * 6 for height in (32, 48))
    if where == "in the file":
        write_lossless(folder / "1.mov", [*small, *large], 25)
    else:
        write_lossless(folder / "1.mov", small, 25)
        write_lossless(folder / "2.mov", large, 25)
    named = "'1.mov' has images of 32 x 64" if where == "in the file" else "'2.mov' has images of 48 x 64"
    for root in (folder, folder / "1.mov") if where == "in the file" else (folder,):
        with pytest.raises(UsageError, match=rf"{named} .*the view differs; cut the video there"):
            pictures(camera(root))


def test_missing_empty_and_one_frame(camera, pictures, shade, tmp_path) -> None:
    for root, said in ((None, "dataset.root=DIR"), (tmp_path / "no.mp4", "does not exist"), (tmp_path, "no video")):
        with pytest.raises(UsageError, match=said):
            _ = camera(root).identity
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(UsageError, match=r"none of it can be decoded.*empty\.mp4"):
        pictures(camera(tmp_path / "empty.mp4"))
    with pytest.raises(UsageError, match="1 frames for training and 0 for validation"):
        pictures(camera(shade(tmp_path / "one.mp4", 1)))
    train, validation, _ = pictures(camera(shade(tmp_path / "two.mp4", 2)))
    assert (len(train), len(validation)) == (1, 1)


@pytest.mark.parametrize(("level", "said"), [(0, "black"), (12, "black"), (140, "the same image")])
def test_a_covered_or_frozen_camera_is_told(camera, pictures, shade, tmp_path, level, said) -> None:
    path = tmp_path / "covered.mp4"
    write_h264(path, [np.full((48, 64, 3), level, np.uint8)] * 10)
    (told,) = defects(pictures(camera(path))[2])
    assert "covered.mp4" in told and said in told
    assert defects(pictures(camera(shade(tmp_path / "a.mp4", 10)))[2]) == []


def test_decoded_once_for_every_split(camera, pictures, shade, tmp_path, monkeypatch) -> None:
    path = shade(tmp_path / "a.mp4", 20)
    train, validation, facts = pictures(camera(path))
    for cache_gb in (0.0, 1e-5):  # without room
        other = pictures(camera(path, cache_gb=cache_gb))
        assert np.array_equal(other[0], train) and np.array_equal(other[1], validation) and other[2] == facts
    with monkeypatch.context() as patch:
        patch.setattr(VideoReader, "__iter__", None)
        patch.setattr("keyframe_bench.video.onepass.FeaturePass", None)
        assert len(pictures(camera(path, "frames:0.8", limit=5))[0]) == 5
        assert np.array_equal(pictures(camera(path))[0], train)
    first = camera(path).identity
    assert first == camera(path, split_seed=3).identity != camera(path, "frames:0.8").identity
    assert camera(shade(tmp_path / "b.mp4", 20, first=1)).identity != first
    monkeypatch.setattr("keyframe_bench.training.data.PASS_VERSION", -1)
    assert camera(path).identity != first, "other conversions of frames are other data"


@pytest.mark.data
def test_real_cameras(camera, pictures, data_root) -> None:
    folder = data_root / "videos" / "surveillance"
    train, validation, facts = pictures(camera(folder / "vtest.avi", limit=60, limit_validation=15), 48, 96)
    assert facts["frames"] == 795 and (len(train), len(validation)) == (60, 15)
    parts = read_parts(camera(folder / "vtest.avi"), (Rgb(height=48, width=96),), lambda _: None)
    assert parts.trained_on()[0]["end_s"] < parts.trained_on()[1]["start_s"]
    with pytest.raises(UsageError, match="the view differs"):
        pictures(camera(folder, sampling="every200"))  # four cameras are not one
