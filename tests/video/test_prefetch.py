"""The decoder runs ahead in a thread of its own: same frames, bounded, and nothing is left when somebody stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from keyframe_bench.core.errors import VideoError
from keyframe_bench.features.color_histogram import ColorHistogram
from keyframe_bench.features.hue_histogram import HueHistogram
from keyframe_bench.features.pixel_difference import PixelDifference
from keyframe_bench.features.plane_histogram import PlaneHistogram
from keyframe_bench.features.scene_score import SceneScore
from keyframe_bench.video import prefetch
from keyframe_bench.video.decode import VideoReader, decoder_threads, set_decoder_threads
from keyframe_bench.video.onepass import read_pass
from keyframe_bench.video.prefetch import Prefetch

Encode = Callable[..., Path]
Pictures = Callable[..., list[np.ndarray]]

FEATURES = (PixelDifference(), SceneScore(), PlaneHistogram(), HueHistogram(), ColorHistogram())


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    yield
    set_decoder_threads(None)
    assert not _decoders()


def _decoders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "keyframe_bench-decoder"]


def test_one_thread_and_many_give_the_same_rows_and_times(video: Path) -> None:
    requests = {"every": FEATURES, "2fps": FEATURES}
    many = read_pass(video, requests)
    set_decoder_threads(1)
    one = read_pass(video, requests)
    assert np.array_equal(one.pts, many.pts)
    assert one.health == many.health
    for sampling in requests:
        a, b = (done.clip(sampling, FEATURES) for done in (one, many))
        for feature in FEATURES:
            np.testing.assert_array_equal(a[feature], b[feature])


def test_one_thread_means_one_core(video: Path) -> None:
    set_decoder_threads(1)
    with VideoReader(video) as reader, Prefetch(reader) as frames:
        for frame in frames:
            assert len(reader.times) == frame.ordinal + 1  # nothing was decoded ahead
            assert not _decoders()
        assert reader.stream.codec_context.thread_count == 1
    assert decoder_threads() == 1
    with pytest.raises(ValueError, match="at least 1"):
        set_decoder_threads(0)


def test_the_decoder_stops_when_the_queue_is_full(
    encode: Encode, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode("long.mp4", pictures(400))
    for bytes_ahead, most in ((prefetch.QUEUE_BYTES, prefetch.CHUNKS * prefetch.CHUNK_FRAMES), (1, prefetch.CHUNKS)):
        monkeypatch.setattr(prefetch, "QUEUE_BYTES", bytes_ahead)  # large pictures wait one by one
        with VideoReader(path) as reader, Prefetch(reader) as frames:
            first = next(iter(frames))
            deadline = time.monotonic() + 300
            before = -1
            while before != len(reader.times) and time.monotonic() < deadline:  # until it does not go on
                before = len(reader.times)
                time.sleep(0.3)
            assert first.ordinal == 0
            assert len(reader.times) <= most


def test_a_user_who_stops_leaves_no_thread(encode: Encode, pictures: Pictures) -> None:
    path = encode("long.mp4", pictures(400))
    with (
        pytest.raises(KeyboardInterrupt),
        VideoReader(path) as reader,
        Prefetch(reader) as frames,
    ):
        for frame in frames:
            if frame.ordinal == 3:
                raise KeyboardInterrupt
    assert not _decoders()
    assert len(reader.times) < 400


@pytest.mark.parametrize("limit", [1, 7, 8, 9, 30, 1000])
def test_a_limit_is_exact(video: Path, limit: int) -> None:
    done = read_pass(video, {"every": FEATURES}, limit=limit)
    assert done.info.n_frames == len(done.clip("every", FEATURES)) == min(limit, 30)
    assert done.health.decoded_frames == min(limit, 30)


def test_what_the_decoder_raises_is_raised_where_frames_are_used(encode: Encode, pictures: Pictures) -> None:
    path = encode("broken.mp4", pictures(40), options={"g": "40"})
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start : start + (len(data) - start) // 2] = bytes((len(data) - start) // 2)
    path.write_bytes(bytes(data))
    with pytest.raises(VideoError, match=r"no frame could be decoded|holds no frame|no video container"):
        read_pass(path, {"every": FEATURES})
