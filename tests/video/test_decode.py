"""A frame is the decoder's n-th picture with the container's PTS, whatever the file; damage is told, never fatal."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from keyframe_bench.core.errors import VideoError
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.health import Health

Encode = Callable[..., Path]
Pictures = Callable[..., list[np.ndarray]]
PlainDecode = Callable[[Path], tuple[list[int | None], list[int], Fraction]]
PictureHash = Callable[[av.VideoFrame], int]

SHORT_BYTES = 120_000  # larger real files are checked by `make test-slow`


def read(path: Path, picture_hash: PictureHash) -> tuple[VideoReader, list[int], list[int]]:
    with VideoReader(path) as reader:
        frames = [(frame.ordinal, picture_hash(frame.raw)) for frame in reader]
    return reader, [n for n, _ in frames], [h for _, h in frames]


def health_of(path: Path) -> Health:
    with VideoReader(path) as reader:
        for _ in reader:
            pass
    return reader.health


CODINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "h264 b-frames": ("v.mp4", {"options": {"bf": "3", "g": "12"}}),
    "h264 no b-frames": ("v.mov", {"options": {"bf": "0"}}),
    "h264 matroska": ("v.mkv", {}),
    "h264 ts": ("v.ts", {}),
    "h264 flv": ("v.flv", {}),
    "h264 fragmented": ("v.mp4", {"mux": {"movflags": "frag_keyframe+empty_moov"}}),
    "h265": ("v.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none"}}),
    "vp8 hidden frames": ("v.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16"}}),
    "vp9": ("v.webm", {"codec": "libvpx-vp9", "options": {"cpu-used": "8"}}),
    "mpeg2": ("v.ts", {"codec": "mpeg2video", "options": {"bf": "2"}}),
    "mpeg4 avi": ("v.avi", {"codec": "mpeg4"}),
    "h264 avi": ("v.avi", {"options": {"bf": "2"}}),
    "mjpeg": ("v.mkv", {"codec": "mjpeg", "pix_fmt": "yuvj420p", "color_range": 2}),
    "elementary stream": ("v.h264", {}),
}


@pytest.fixture(params=CODINGS)
def coded(request: pytest.FixtureRequest, encode: Encode, pictures: Pictures) -> tuple[str, Path]:
    """The same 40 pictures in many containers and codecs."""
    name, how = CODINGS[request.param]
    return request.param, encode(name, pictures(40), **how)


def test_ordinals_and_pictures_are_those_of_a_plain_decode(
    coded: tuple[str, Path], plain_decode: PlainDecode, picture_hash: PictureHash
) -> None:
    _, path = coded
    _, hashes, _ = plain_decode(path)
    reader, ordinals, found = read(path, picture_hash)
    assert ordinals == list(range(40))
    assert found == hashes
    assert len(set(found)) > 30  # the pictures do differ
    assert reader.health.decoded_frames == 40 and reader.health.decode_errors == 0


def test_times_are_the_presentation_times(coded: tuple[str, Path], plain_decode: PlainDecode) -> None:
    kind, path = coded
    stamps, _, base = plain_decode(path)
    with VideoReader(path) as reader:
        times = [frame.time for frame in reader]
    assert reader.times.tolist() == times
    assert reader.times - reader.times[0] == pytest.approx(np.arange(40) / 25, abs=1.01e-3)
    if "avi" in kind:
        assert times[0] == 0  # the decoder's reordering delay is no part of the picture's time
    if "avi" not in kind and kind != "elementary stream":
        assert reader.pts.tolist() == stamps
        assert reader.times == pytest.approx([float(p * base) for p in stamps], abs=1e-9)
        assert reader.seekable
    assert not reader.health.variable_rate and not reader.health.gaps and not reader.health.truncated_tail


def test_files_without_presentation_times_say_so(coded: tuple[str, Path]) -> None:
    kind, path = coded
    with VideoReader(path) as reader:
        for _ in reader:
            pass
    if "avi" in kind:
        assert not reader.seekable and any("AVI" in problem for problem in reader.health.problems)
    elif kind == "elementary stream":
        assert not reader.seekable and reader.health.missing_pts == 40
    else:
        assert reader.health.problems == []


def test_the_first_time_need_not_be_zero(encode: Encode, pictures: Pictures) -> None:
    path = encode("v.ts", pictures(10), pts=[250 + i for i in range(10)])
    with VideoReader(path) as reader:
        times = [frame.time for frame in reader]
    assert times[0] > 1
    assert reader.health.decoded_duration_s == pytest.approx(0.4, abs=1e-3)


def test_uneven_times_are_kept_and_told(encode: Encode, pictures: Pictures) -> None:
    stamps = np.cumsum([0, *np.random.default_rng(0).integers(20, 90, 39)]).tolist()
    path = encode("v.mp4", pictures(40), pts=stamps, unit=Fraction(1, 1000))
    with VideoReader(path) as reader:
        for _ in reader:
            pass
    assert (reader.times - reader.times[0]) * 1000 == pytest.approx(stamps, abs=1e-6)
    assert reader.health.problems == ["variable frame rate"]


@pytest.mark.parametrize("suffix", [".mkv", ".flv"])
def test_stored_milliseconds_are_no_variable_rate(encode: Encode, pictures: Pictures, suffix: str) -> None:
    health = health_of(encode(f"v{suffix}", pictures(60), unit=Fraction(1, 60)))
    assert health.decoded_frames == 60 and not health.variable_rate


def test_a_pause_is_told_as_a_gap(encode: Encode, pictures: Pictures) -> None:
    health = health_of(encode("v.mp4", pictures(30), pts=[i + 50 * (i > 19) for i in range(30)]))
    (gap,) = health.gaps
    assert gap == pytest.approx([19 / 25, 51 / 25])


def test_size_changes_are_told(encode: Encode, pictures: Pictures) -> None:
    small, large = (encode(f"{s}.ts", pictures(6, height=s, width=64)) for s in (32, 48))
    joined = small.with_name("joined.ts")
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    with VideoReader(joined) as reader:
        shapes = {frame.luma(frame.height, frame.width).shape for frame in reader}
        assert (reader.height, reader.width) == (32, 64)
    assert shapes == {(32, 64), (48, 64)}
    assert reader.health.size_changes == 1


def test_hdr_and_unknown_matrices_are_told(encode: Encode, pictures: Pictures) -> None:
    hdr = health_of(encode("hdr.mkv", pictures(1), pix_fmt="yuv420p10le", trc=16))
    assert any("dynamic range" in problem for problem in hdr.problems)
    path = encode("ycgco.mp4", pictures(1), pix_fmt="yuv444p", options={"colorspace": "ycgco"})
    assert any("matrix 8" in problem for problem in health_of(path).problems)


def test_the_length_of_longer_sound_is_not_taken_for_the_videos(encode: Encode, pictures: Pictures) -> None:
    silent = encode("silent.mkv", pictures(50), options={"bf": "0"})
    path = silent.with_name("both.mkv")
    with av.open(str(silent)) as source, av.open(str(path), "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream("pcm_s16le", rate=8000, layout="mono")
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                target.mux(packet)
        for second in range(6):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), dtype=np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8000, 8000 * second
            target.mux(sound.encode(frame))
        target.mux(sound.encode(None))
    health = health_of(path)
    assert health.declared_duration_s == pytest.approx(2.0, abs=0.05)
    assert health.problems == []


# ---- damage -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("v.mp4", {"mux": {"movflags": "faststart"}}),
        ("v.mkv", {}),
        ("v.avi", {"codec": "mpeg4"}),
        ("v.ts", {}),
        ("v.flv", {}),
        ("v.webm", {"codec": "libvpx"}),
    ],
)
def test_half_a_file_gives_the_frames_it_holds(
    encode: Encode, pictures: Pictures, picture_hash: PictureHash, name: str, how: dict[str, Any]
) -> None:
    path = encode(name, pictures(100, height=96, width=128), **how)
    _, _, whole = read(path, picture_hash)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    reader, ordinals, found = read(path, picture_hash)
    assert ordinals == list(range(len(found)))
    assert 10 < len(found) < 95
    sound = len(found) - 5  # the last pictures may have been reached by the cut
    assert found[:sound] == whole[:sound]
    if not name.endswith(".ts"):  # a transport stream states no length
        assert reader.health.truncated_tail
        assert any("declared" in problem for problem in reader.health.problems)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["v.mp4", "v.ts", "v.avi", "v.mkv"])
def test_overwritten_bytes_are_counted(
    encode: Encode, pictures: Pictures, capfd: pytest.CaptureFixture[str], name: str, seed: int
) -> None:
    path = encode(name, pictures(60, height=96, width=128), options={"g": "15", "crf": "10"})
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    middle = slice(len(data) * 2 // 5, len(data) * 3 // 5)
    data[middle] = rng.bytes(middle.stop - middle.start)
    path.write_bytes(data)
    capfd.readouterr()
    health = health_of(path)
    assert 1 <= health.decoded_frames <= 62
    damage = health.decode_errors + health.corrupt_frames + len(health.gaps) + health.missing_pts
    assert damage or health.truncated_tail
    assert health.problems
    assert capfd.readouterr() == ("", "")  # the decoder's complaints go into the record


def test_nothing_but_damage_is_an_error(encode: Encode, pictures: Pictures) -> None:
    path = encode("v.mp4", pictures(20), mux={"movflags": "faststart"})
    data = bytearray(path.read_bytes())
    start = data.find(b"mdat") + 4
    data[start:] = b"\xff" * (len(data) - start)
    path.write_bytes(data)
    with VideoReader(path) as reader, pytest.raises(VideoError) as caught:
        list(reader)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("position", range(10, 100, 15))
def test_any_length_of_prefix_is_read_or_refused(encode: Encode, pictures: Pictures, position: int) -> None:
    data = encode("v.mp4", pictures(20), mux={"movflags": "faststart"}).read_bytes()
    path = encode("w.mp4", pictures(1))
    path.write_bytes(data[: len(data) * position // 100])
    try:
        assert 1 <= health_of(path).decoded_frames <= 20
    except VideoError as error:
        assert error.path == str(path) and error.reason


# ---- what is no video ---------------------------------------------------------------------------


def test_errors_name_the_file_and_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video " * 500)
    os.mkfifo(tmp_path / "pipe.mp4")
    for name, reason in {
        "missing.mp4": "no such file", ".": "folder", "empty.mp4": "empty", "text.mp4": "no video container",
        "pipe.mp4": "not a regular file", "a\0b": "null", "x" * 300: "too long",
    }.items():  # fmt: skip
        path = f"{tmp_path}/{name}"
        with pytest.raises(VideoError, match=reason) as caught:
            VideoReader(path)
        assert caught.value.path == path
        assert "\n" not in str(caught.value)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), dtype=np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(VideoError, match="no video stream"):
        VideoReader(path)


@pytest.mark.parametrize("name", ["a b.mp4", "-i.mp4", "concat:a|b.mp4", "100%d.mp4", "ü'\"$(x)<b>.mp4", "a=b,c.mp4"])
def test_any_name_will_do(encode: Encode, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = encode("v.mp4", pictures(3))
    path.rename(path.with_name(name))
    monkeypatch.chdir(path.parent)
    assert health_of(Path(name)).decoded_frames == 3


# ---- resources ----------------------------------------------------------------------------------


def test_decoded_pictures_are_freed_as_soon_as_they_are_dropped(encode: Encode, pictures: Pictures) -> None:
    """Without waiting for Python to collect cycles: that would be hundreds of pictures later."""
    path = encode("v.mp4", pictures(60))
    gc.collect()
    gc.disable()
    try:
        with VideoReader(path) as reader:
            alive = []
            for frame in reader:
                frame.luma(6, 8), frame.rgb(6, 8), frame.planes()
                if frame.ordinal % 20 == 19:
                    alive.append(sum(isinstance(o, av.VideoFrame) for o in gc.get_objects()))
    finally:
        gc.enable()
    assert max(alive) <= 10  # the last ones come together, when the decoder is emptied


def test_iterations_left_half_way_do_not_hang(encode: Encode, pictures: Pictures) -> None:
    """Frame threads and a logging callback that needs the interpreter's lock used to deadlock now and then."""
    path = encode("v.mp4", pictures(40), options={"g": "10", "crf": "10"})
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 400] = b"\x55" * 400  # so that the decoder has something to say
    path.with_name("damaged.mp4").write_bytes(data)
    program = """
import sys
from keyframe_bench.video.decode import VideoReader
held = []
for turn in range(500):
    reader = VideoReader(sys.argv[1 + turn % 2])
    for frame in reader:
        if frame.ordinal >= turn % 25:
            break
    if turn % 3 == 0:
        reader.container.close()
    held = [*held[-3:], frame]
print("done")
"""
    files = [str(path), str(path.with_name("damaged.mp4"))]
    found = subprocess.run(
        [sys.executable, "-c", program, *files], capture_output=True, text=True, timeout=300, check=False
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, "done\n", "")


# ---- real files ---------------------------------------------------------------------------------


def real_files(root: Path) -> list[Path]:
    found = [p for p in sorted((root / "videos").glob("*/*")) if p.suffix != ".txt"]
    return [*found, root / "summe" / "playing_ball.mp4"]


def check_real(paths: list[Path], plain_decode: PlainDecode, picture_hash: PictureHash) -> int:
    checked = 0
    for path in paths:
        try:
            reader, ordinals, found = read(path, picture_hash)
        except VideoError as error:
            assert error.reason, path.name
            continue
        stamps, hashes, base = plain_decode(path)
        assert ordinals == list(range(len(hashes))), path.name
        if not reader.health.corrupt_frames:  # threads conceal damage in an order of their own
            assert found == hashes, path.name
        if path.suffix != ".avi":
            assert reader.pts.tolist() == stamps, path.name
            assert np.array_equal(reader.times, [float(p * base) for p in stamps]), path.name
        assert np.all(np.diff(reader.times) > 0) or reader.health.problems, path.name
        checked += 1
    return checked


@pytest.mark.data
def test_short_real_files(data_root: Path, plain_decode: PlainDecode, picture_hash: PictureHash) -> None:
    short = [p for p in real_files(data_root) if p.stat().st_size <= SHORT_BYTES]
    assert check_real(short, plain_decode, picture_hash) >= 25


@pytest.mark.data
@pytest.mark.slow
def test_long_real_files(data_root: Path, plain_decode: PlainDecode, picture_hash: PictureHash) -> None:
    long = [p for p in real_files(data_root) if p.stat().st_size > SHORT_BYTES]
    assert check_real(long, plain_decode, picture_hash) >= 45
