"""Frames of fixed cameras for training: which frames, in which part, and what is said about damage."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from keyframe_bench.training.data import TrainingData, defects

from keyframe_bench.core.errors import UsageError
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.encode import write_h264

HEIGHT, WIDTH = 12, 24


def camera(root, **params):
    return TrainingData.registry.build("camera", {"root": None if root is None else str(root), **params})


def film(path: Path, n: int, *, first: int = 0, height: int = 48, width: int = 64, fps: float = 25) -> Path:
    """A video whose frame ``i`` is as bright as ``first + i``."""
    ramp = np.linspace(0, 40, width)[None, :, None]
    pictures = [np.broadcast_to(2 * (first + i) + ramp, (height, width, 3)).astype(np.uint8) for i in range(n)]
    write_h264(path, pictures, fps)
    return path


def shown(pictures: np.ndarray) -> list[int]:
    """Which frames these are, by their brightness."""
    return [round((float(picture.mean()) - 20) / 2) for picture in pictures]


def test_earlier_frames_train_later_ones_validate(tmp_path) -> None:
    found = camera(film(tmp_path / "cam_a.mp4", 50)).pictures(HEIGHT, WIDTH)
    assert shown(found.train) == list(range(40))
    assert shown(found.validation) == list(range(40, 50))
    assert found.name == "cam_a.mp4" and not found.flip
    assert found.facts["frames"] == 50 and found.facts["split"] == "temporal"
    third = camera(tmp_path / "cam_a.mp4", validation_share=1 / 3).pictures(HEIGHT, WIDTH)
    assert len(third.train) == 33


def test_frames_are_those_of_inference(tmp_path) -> None:
    path = film(tmp_path / "a.mp4", 6)
    found = camera(path).pictures(HEIGHT, WIDTH)
    with VideoReader(path) as reader:
        wanted = [np.array(frame.rgb(HEIGHT, WIDTH)) for frame in reader]
    assert np.array_equal(np.concatenate([found.train, found.validation]), wanted)


def test_limits_are_even_in_time(tmp_path) -> None:
    path = film(tmp_path / "a.mp4", 50)
    found = camera(path, limit=4, limit_validation=2).pictures(HEIGHT, WIDTH)
    assert shown(found.train) == [5, 15, 25, 35]
    assert shown(found.validation) == [42, 47]
    assert shown(camera(path, limit=100).pictures(HEIGHT, WIDTH).train) == list(range(40))


def test_sampling(tmp_path) -> None:
    path = film(tmp_path / "a.mp4", 50)
    assert shown(camera(path, sampling="every10").pictures(HEIGHT, WIDTH).train) == [0, 10, 20, 30]
    found = camera(path, sampling="5fps").pictures(HEIGHT, WIDTH)
    assert shown(np.concatenate([found.train, found.validation])) == list(range(0, 50, 5))
    with pytest.raises(UsageError, match="sampling"):
        camera(path, sampling="often").pictures(HEIGHT, WIDTH)


def test_a_random_split_is_one_and_leaks(tmp_path) -> None:
    path = film(tmp_path / "a.mp4", 50)
    one, again, other = (camera(path, split="random", seed=seed).pictures(HEIGHT, WIDTH) for seed in (0, 0, 1))
    validation = shown(one.validation)
    assert len(validation) == 10 and sorted(shown(one.train) + validation) == list(range(50))
    assert np.array_equal(one.validation, again.validation)
    assert validation != shown(other.validation)
    neighbours = [min(abs(v - t) for t in shown(one.train)) for v in validation]
    assert np.mean(neighbours) < 2  # what it is there to show


def test_several_files_are_one_sequence_in_natural_order(tmp_path) -> None:
    for name, first in (("cam_10.mp4", 40), ("cam_2.mp4", 20), ("cam_1.mp4", 0)):
        film(tmp_path / "cam" / name, 20, first=first)
    (tmp_path / "cam" / "notes.txt").write_text("no video")
    found = camera(tmp_path / "cam").pictures(HEIGHT, WIDTH)
    assert shown(np.concatenate([found.train, found.validation])) == list(range(60))
    assert found.name == "cam" and found.facts["files"] == 3


def test_a_video_that_is_there_twice_counts_once(tmp_path) -> None:
    film(tmp_path / "cam_1.mp4", 20)
    film(tmp_path / "cam_2.mp4", 20, first=50)
    (tmp_path / "cam_3.mp4").write_bytes((tmp_path / "cam_1.mp4").read_bytes())
    with av.open(tmp_path / "cam_2.mp4") as source, av.open(tmp_path / "cam_4.mkv", "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                copy.mux(packet)
    (tmp_path / "cam_5.mp4").write_bytes((tmp_path / "cam_2.mp4").read_bytes())
    found = camera(tmp_path).pictures(HEIGHT, WIDTH)
    wanted = [*range(20), *range(50, 70)]
    assert shown(found.train) == wanted[:32] and shown(found.validation) == wanted[32:]
    assert found.facts["frames"] == 40
    assert any("left out" in text and "cam_3.mp4: the frames of cam_1.mp4" in text for text in defects(found.facts))


def test_damage_is_used_as_far_as_it_goes_and_told(tmp_path) -> None:
    folder = tmp_path / "cam"
    film(folder / "1.mp4", 20)
    whole = film(folder / "2.ts.mp4", 20, first=20)
    (folder / "3.mp4").write_bytes(b"no video at all")
    (folder / "2.mp4").write_bytes(whole.read_bytes()[:-2000])
    found = camera(folder).pictures(HEIGHT, WIDTH)
    assert len(found.train) + len(found.validation) == found.facts["frames"] >= 40
    assert "3.mp4" in found.facts["unreadable"]


@pytest.mark.parametrize("where", ["in the file", "between files"])
def test_another_size_is_an_error_that_names_place_and_sizes(tmp_path, where) -> None:
    import av

    def transport_stream(path: Path, height: int) -> Path:
        with av.open(str(path), "w", format="mpegts") as container:
            stream = container.add_stream("mpeg2video", rate=25)
            stream.height, stream.width, stream.pix_fmt = height, 64, "yuv420p"
            for _ in range(6):
                picture = np.full((height, 64, 3), 90, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    folder = tmp_path / "cam"
    folder.mkdir()
    one, two = transport_stream(folder / "1.ts", 32), transport_stream(folder / "2.ts", 48)
    if where == "in the file":
        one.write_bytes(one.read_bytes() + two.read_bytes())
        with pytest.raises(UsageError, match=r"frame \d of '1.ts' has 48 x 64 .* those before it have 32 x 64.*cut"):
            camera(one).pictures(HEIGHT, WIDTH)
    else:
        with pytest.raises(
            UsageError, match=r"frame 0 of '2.ts' has 48 x 64 .* those before it of '1.ts' have 32 x 64"
        ):
            camera(folder).pictures(HEIGHT, WIDTH)


def test_missing_empty_and_one_frame(tmp_path) -> None:
    for root, said in ((None, "root=PATH"), (tmp_path / "no.mp4", "does not exist"), (tmp_path, "no video below")):
        with pytest.raises(UsageError, match=said) as error:
            camera(root).digest()
        assert "ONE camera" in str(error.value)
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(UsageError, match=r"no frame can be decoded.*empty"):
        camera(tmp_path / "empty.mp4").pictures(HEIGHT, WIDTH)
    with pytest.raises(UsageError, match="one frame"):
        camera(film(tmp_path / "one.mp4", 1)).pictures(HEIGHT, WIDTH)
    two = camera(film(tmp_path / "two.mp4", 2)).pictures(HEIGHT, WIDTH)
    assert (len(two.train), len(two.validation)) == (1, 1)


@pytest.mark.parametrize(("level", "said"), [(0, "black"), (12, "black"), (140, "the same picture")])
def test_a_covered_or_frozen_camera_is_told(tmp_path, level, said) -> None:
    path = tmp_path / "covered.mp4"
    write_h264(path, [np.full((48, 64, 3), level, np.uint8)] * 10)
    (told,) = defects(camera(path).pictures(HEIGHT, WIDTH).facts)
    assert "covered.mp4" in told and said in told
    assert defects(camera(film(tmp_path / "a.mp4", 10)).pictures(HEIGHT, WIDTH).facts) == []


def test_decoded_once_for_every_split(tmp_path, monkeypatch) -> None:
    path = film(tmp_path / "a.mp4", 20)
    first = camera(path).pictures(HEIGHT, WIDTH)
    monkeypatch.setattr("keyframe_bench.video.ahead.DecodedAhead", None)
    other = camera(path, split="random", limit=5).pictures(HEIGHT, WIDTH)
    assert len(other.train) == 5
    assert other.digest != first.digest == camera(path).digest() == camera(path, seed=3).digest()
    assert camera(film(tmp_path / "b.mp4", 20, first=1)).digest() != first.digest


def test_other_conversions_of_frames_are_other_data(tmp_path, monkeypatch) -> None:
    """Whatever is trained on frames is trained again when the version of the pass over videos rises."""
    path = film(tmp_path / "a.mp4", 4)
    first = camera(path).digest()
    monkeypatch.setattr("keyframe_bench.training.sources.camera.PASS_VERSION", -1)
    assert camera(path).digest() != first
    assert camera(path).pictures(HEIGHT, WIDTH).digest == camera(path).digest()


@pytest.mark.data
def test_real_cameras(data_root) -> None:
    folder = data_root / "videos" / "surveillance"
    found = camera(folder / "vtest.avi", limit=60, limit_validation=15).pictures(48, 96)
    assert found.facts["frames"] == 795 and found.facts["frame_size"] == [360, 480]
    assert (len(found.train), len(found.validation)) == (60, 15)
    with pytest.raises(UsageError, match="the view differs"):
        camera(folder, sampling="every200").pictures(48, 96)  # four cameras are not one
