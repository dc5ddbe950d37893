"""What a pass holds stays bounded: images of waiting batches, frames that are prefetched, rows on disk."""

from __future__ import annotations

import gc
import signal
import tempfile
import threading
import time
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from keyframe_bench.core.errors import OutputError, VideoError
from keyframe_bench.core.processes import anonymous_mb
from keyframe_bench.features.change import PixelDifference, SceneScore
from keyframe_bench.features.histograms import ColorHistogram
from keyframe_bench.video import decode, feature_pass, prefetch
from keyframe_bench.video.decode import VideoReader, decoder_threads
from keyframe_bench.video.feature_pass import FeatureBuffer
from keyframe_bench.video.frame import Frame
from keyframe_bench.video.onepass import read_pass
from keyframe_bench.video.prefetch import Prefetch

FEATURES = (PixelDifference(), SceneScore(), ColorHistogram())


def decoders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "keyframe_bench" in thread.name]


# ---- images -----------------------------------------------------------------------------------


@pytest.fixture
def alive(monkeypatch, ordinals):
    """`ordinals`, with the frames that exist (``frames``), how many at each batch (``most``), and the batches."""
    frames = weakref.WeakSet()

    class Watched(Frame):
        __slots__ = ()

        def __init__(self, *arguments, **more) -> None:
            super().__init__(*arguments, **more)
            frames.add(self)

    def note(batch) -> None:
        ordinals.most.append(len(frames))
        ordinals.batches.append([frame.ordinal for frame in batch])

    monkeypatch.setattr(decode, "Frame", Watched)
    ordinals.frames, ordinals.most, ordinals.batches, ordinals.do = frames, [], [], note
    gc.disable()
    yield ordinals
    gc.enable()


def test_a_bounded_number_of_pictures_is_held(path, alive) -> None:
    read_pass(path, {"every": [alive(), PixelDifference()], "every2": [PixelDifference()]})
    # frames on the two samplings wait for their batches, and what is prefetched
    assert max(alive.most) <= 2 * feature_pass.BATCH_FRAMES + prefetch.CHUNKS * prefetch.CHUNK_FRAMES
    assert len(alive.frames) <= 2


def test_large_pictures_wait_in_smaller_numbers(path, alive, monkeypatch) -> None:
    with VideoReader(path) as reader:
        frame_bytes = next(iter(reader)).held_bytes
    assert frame_bytes >= 48 * 64 * 3 // 2
    monkeypatch.setattr(feature_pass, "HELD_BYTES", 10 * frame_bytes)
    monkeypatch.setattr(prefetch, "QUEUE_BYTES", 1)  # one in each chunk
    read_pass(path, {"every": [alive()], "every3": [PixelDifference()]})
    assert max(alive.most) <= 11 + prefetch.CHUNKS
    monkeypatch.setattr(feature_pass, "HELD_BYTES", 1)
    alive.batches = []
    read_pass(path, {"every": [alive()]})
    assert {len(batch) for batch in alive.batches} == {1}


def test_the_bound_follows_the_size_of_the_pictures(alive, monkeypatch, encode, pictures) -> None:
    small, large = (encode(f"{s}.ts", pictures(20, height=s, width=64)) for s in (16, 96))
    joined = small.with_name("joined.ts")
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    with VideoReader(small) as reader:
        monkeypatch.setattr(feature_pass, "HELD_BYTES", 8 * next(iter(reader)).held_bytes)
    read_pass(joined, {"every": [alive()]})
    assert max(len(batch) for batch in alive.batches if batch[0] >= 30) <= 2 < len(alive.batches[0])


# ---- prefetching --------------------------------------------------------------------------------


def test_one_thread_and_many_give_the_same_rows_and_times(video, threads) -> None:
    requests = {"every": FEATURES, "2fps": FEATURES}
    many = read_pass(video, requests)
    threads(1)  # means one core
    one = read_pass(video, requests)
    assert np.array_equal(one.pts, many.pts) and one.health == many.health
    for sampling in requests:
        a, b = (done.clip(sampling, FEATURES) for done in (one, many))
        assert all(np.array_equal(a[feature], b[feature]) for feature in FEATURES)
    before = len(decoders())
    with VideoReader(video) as reader, Prefetch(reader) as frames:
        for frame in frames:
            assert len(reader.times) == frame.ordinal + 1  # nothing was decoded ahead
            assert len(decoders()) == before
        assert reader.stream.codec_context.thread_count == decoder_threads() == 1
    with pytest.raises(ValueError, match="at least 1"):
        threads(0)


@pytest.mark.parametrize("large", [False, True])
def test_the_decoder_stops_when_the_queue_is_full_and_when_its_user_stops(encode, pictures, monkeypatch, large) -> None:
    path = encode("long.mp4", pictures(400))
    if large:  # large images wait one by one
        monkeypatch.setattr(prefetch, "QUEUE_BYTES", 1)
    before, decoded, deadline = len(decoders()), -1, time.monotonic() + 300
    with pytest.raises(KeyboardInterrupt), VideoReader(path) as reader, Prefetch(reader) as frames:
        assert next(iter(frames)).ordinal == 0
        while decoded != len(reader.times) and time.monotonic() < deadline:  # until it does not go on
            decoded = len(reader.times)
            time.sleep(0.3)
        raise KeyboardInterrupt
    assert decoded <= prefetch.CHUNKS * (1 if large else prefetch.CHUNK_FRAMES)
    assert len(decoders()) == before


def test_nobody_leaves_while_the_decoder_works_however_often_interrupted(threads) -> None:
    decoding, done = threading.Event(), threading.Event()

    def frames():
        yield SimpleNamespace(held_bytes=1)
        decoding.set()
        time.sleep(0.5)
        done.set()

    def interrupt() -> None:
        for _ in range(3):
            time.sleep(0.1)
            signal.raise_signal(signal.SIGINT)

    threads(2)
    with pytest.raises(KeyboardInterrupt), Prefetch(frames()) as prefetched:
        next(iter(prefetched))
        assert decoding.wait(10)
        threading.Thread(target=interrupt).start()
    assert done.is_set()


@pytest.mark.parametrize("limit", [1, 7, 8, 9, 30, 1000])
def test_a_limit_is_exact(video, limit) -> None:
    done = read_pass(video, {"every": FEATURES}, limit=limit)
    assert done.info.n_frames == len(done.clip("every", FEATURES)) == min(limit, 30)
    assert done.health.decoded_frames == min(limit, 30)


def test_what_the_decoder_raises_is_raised_where_frames_are_used(encode, pictures) -> None:
    path = encode("broken.mp4", pictures(40), options={"g": "40"})
    data = path.read_bytes()
    start = data.index(b"mdat") + 4
    half = (len(data) - start) // 2
    path.write_bytes(data[:start] + bytes(half) + data[start + half :])
    with pytest.raises(VideoError):
        read_pass(path, {"every": FEATURES})


# ---- rows ---------------------------------------------------------------------------------------


def collect(batches) -> np.ndarray:
    buffer = FeatureBuffer()
    for batch in batches:
        buffer.append(batch)
    return buffer.finish()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64, np.bool_])
@pytest.mark.parametrize("shape", [(), (3,), (2, 5), (4, 1, 2)])
def test_spilled_rows_are_the_same(monkeypatch, dtype, shape) -> None:
    rows = (np.random.default_rng(0).random((100, *shape)) * 200).astype(dtype)
    batches = [rows[i : i + 7][::-1] for i in range(0, 100, 7)]  # views
    kept = collect(batches)
    monkeypatch.setattr(feature_pass, "SPILL_BYTES", 50)
    spilled = collect(batches)
    assert type(spilled) is type(kept) is np.ndarray  # a plain array over the file is not copied by who pickles it
    assert isinstance(spilled.base, np.memmap) and not isinstance(kept.base, np.memmap)
    for found in (kept, spilled):
        assert found.dtype == rows.dtype and np.array_equal(found, np.concatenate(batches))
        with pytest.raises(ValueError, match="read-only"):
            found[0] = 0
    assert len(collect([])) == 0


def test_nothing_is_left_on_disk_and_an_unusable_folder_is_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(feature_pass, "SPILL_BYTES", 100)
    files, open_files = Path("/proc/self/fd"), []
    for _ in range(50):
        assert collect([np.ones((50, 4))] * 3).sum() == 600
        assert list(tmp_path.iterdir()) == []  # it never had a name
        open_files.append(len(list(files.iterdir())) if files.exists() else 0)
    assert open_files[-1] <= open_files[0] + 2
    full = open("/dev/full", "wb")  # noqa: SIM115 - writing there fails as on a full disk
    with full, monkeypatch.context() as patch, pytest.raises(OutputError, match=r"No space.*TMPDIR"):
        patch.setattr(tempfile, "TemporaryFile", lambda **_: full)
        collect([np.ones(100_000)])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(OutputError, match=f"{tmp_path}/missing.*TMPDIR"):
        collect([np.ones(100)])


def test_memory_stays_bounded() -> None:
    if not anonymous_mb():
        pytest.skip("this system does not tell anonymous memory")
    batch = np.ones((16, 62_500), dtype=np.float32)  # 4 MB
    before = anonymous_mb()
    rows = collect(batch.copy() for _ in range(40))
    assert anonymous_mb() - before < 40
    assert rows.shape == (640, 62_500) and rows[-1, -1] == 1
