"""Frames chosen by how the encoder coded them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.extractors.coded_frames import CodedFrames
from keyframe_bench.features.container import CodedPicture
from keyframe_bench.video.decode import VideoReader

KINDS = {"key": [0], "I": [0, 2], "IP": [0, 2, 4]}


def encode(path: Path, params: str, n: int = 50) -> Path:
    texture = np.random.default_rng(0).integers(0, 255, (64, 200, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "30", "x264-params": params})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for i in range(n):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.roll(texture, -i, 1)[:, :64]), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decoded(path: Path) -> Clip:
    features = [CodedPicture(key_only=True), CodedPicture(key_only=False)]
    with VideoReader(path) as reader:
        rows = [[f.compute([frame])[0] for f in features] for frame in reader]
    columns = {f.key: np.array([r[i] for r in rows]) for i, f in enumerate(features)}
    info = VideoInfo("v", len(rows), 0.0, reader.health.decoded_duration_s)
    return Clip(info, np.arange(len(rows)), reader.times, columns)


def marked(keys: list[int], types: list[int] | None = None, times: list[float] | None = None) -> Clip:
    n = len(keys)
    rows = np.array([keys, types or [0] * n], dtype=np.uint8).T
    clock = np.arange(n) / 10 if times is None else np.array(times)
    columns = {CodedPicture(key_only=only).key: rows for only in (True, False)}
    return Clip(VideoInfo("v", n, float(clock[0]), 0.0), np.arange(n), clock, columns)


def test_key_frames_are_where_the_encoder_was_told_to_put_them(tmp_path: Path, run) -> None:
    clip = decoded(encode(tmp_path / "v.mp4", "keyint=10:min-keyint=10:scenecut=0"))
    for types in ("key", "I"):
        assert run(CodedFrames(types=types), clip).frames.tolist() == [0, 10, 20, 30, 40]


def test_i_and_p_without_b(tmp_path: Path, run) -> None:
    clip = decoded(encode(tmp_path / "v.mp4", "keyint=10:min-keyint=10:scenecut=0:bframes=1:b-adapt=0"))
    found = run(CodedFrames(types="IP"), clip)
    assert set(run(CodedFrames(types="I"), clip).frames) < set(found.frames)
    assert 20 <= len(found) <= 35  # every second frame is B
    assert len(run(CodedFrames(types="IP"), decoded(encode(tmp_path / "p.mp4", "bframes=0:keyint=10")))) == 50


@pytest.mark.parametrize(
    ("types", "k", "clip", "frames"),
    [
        *((t, None, marked([1, 0, 0, 0, 0, 0], [1, 3, 1, 3, 2, 0]), f) for t, f in KINDS.items()),
        # A budget thins evenly in time and cannot add.
        ("key", 2, marked([1] * 10), [2, 7]),
        ("key", 10, marked([1] * 10), list(range(10))),
        ("key", 4, marked([1, 0, 0, 1, 0]), [0, 3]),
        # Nine key frames in the first second, three in the nine that follow.
        ("key", 3, marked([1] * 12, times=[*(np.arange(9) / 9), 3.0, 5.0, 9.0]), [8, 10, 11]),
        ("key", 2, marked([0, 0, 0]), [0]),  # without any marked frame
        ("I", None, marked([1, 1, 1]), [0]),
    ],
)
def test_by_hand(run, types, k, clip, frames):
    assert run(CodedFrames(types=types), clip, k).frames.tolist() == frames


@pytest.mark.parametrize("k", range(1, 8))
def test_thinning_gives_exactly_k_even_where_key_frames_crowd(run, k):
    assert len(run(CodedFrames(), marked([1] * 7 + [0] * 40), k)) == k


def test_segments_cover_the_video(run) -> None:
    found = run(CodedFrames(), marked([0, 1, 0, 1, 0]))
    assert found.segments.tolist() == [[0, 3], [3, 5]]


def test_only_the_key_flag_can_come_from_packets(tmp_path: Path) -> None:
    assert CodedFrames().needs[0].source == "packets"
    assert CodedFrames(types="I").needs[0].source == "frames"
    clip = decoded(encode(tmp_path / "v.mp4", "keyint=10"))
    assert not clip[CodedPicture(key_only=True)][:, 1].any()  # what packets cannot tell is not told by decoding either
    assert clip[CodedPicture()][:, 1].all()
