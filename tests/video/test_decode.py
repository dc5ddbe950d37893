"""A frame is the decoder's n-th image with the container's PTS, whatever the file; damage is told, never fatal."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from keyframe_bench.core.errors import VideoError
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.health import Health

SHORT_BYTES = 120_000  # larger real files are checked by `make test-slow`


def read(path, picture_hash) -> tuple[VideoReader, list[int]]:
    """Read a file; the hash of every picture."""
    with VideoReader(path) as reader:
        frames = [(frame.ordinal, picture_hash(frame.raw)) for frame in reader]
    assert [ordinal for ordinal, _ in frames] == list(range(len(frames)))
    return reader, [found for _, found in frames]


@pytest.fixture
def health_of(picture_hash) -> Callable[[Path], Health]:
    return lambda path: read(path, picture_hash)[0].health


def test_frames_and_times_are_those_of_a_plain_decode(coded, coding, plain_decode, picture_hash) -> None:
    stamps, hashes, base = plain_decode(coded(coding))
    reader, found = read(coded(coding), picture_hash)
    health = reader.health
    assert len(found) == 60 and found == hashes
    assert len(set(found)) > 40  # the images do differ
    assert health.decoded_frames == 60 and health.decode_errors == 0
    assert not health.gaps and not health.truncated_tail and health.variable_rate == (coding == "variable rate")
    if not health.variable_rate:
        assert reader.times - reader.times[0] == pytest.approx(np.arange(60) / 25, abs=1.01e-3)
    if "avi" in coding:
        assert reader.times[0] == 0  # the decoder's reordering delay is no part of the image's time
        assert not reader.seekable and any("AVI" in problem for problem in health.problems)
    elif coding == "elementary stream":
        assert not reader.seekable and health.missing_pts == 60
    else:
        assert reader.pts.tolist() == stamps and reader.seekable
        assert reader.times == pytest.approx([float(p * base) for p in stamps], abs=1e-9)
        assert health.problems == (["variable frame rate"] if health.variable_rate else [])


def test_late_starts_pauses_and_stored_milliseconds(encode, pictures, health_of) -> None:
    with VideoReader(encode("late.ts", pictures(10), pts=[250 + i for i in range(10)])) as reader:
        assert next(iter(reader)).time > 1, "the first time need not be zero"
    (gap,) = health_of(encode("pause.mp4", pictures(30), pts=[i + 50 * (i > 19) for i in range(30)])).gaps
    assert gap == pytest.approx([19 / 25, 51 / 25])
    for suffix in (".mkv", ".flv"):
        assert not health_of(encode(f"v{suffix}", pictures(60), unit=Fraction(1, 60))).variable_rate


def test_size_changes_are_told(encode, pictures) -> None:
    small, large = (encode(f"{s}.ts", pictures(6, height=s, width=64)) for s in (32, 48))
    joined = small.with_name("joined.ts")
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    with VideoReader(joined) as reader:
        shapes = {frame.luma(frame.height, frame.width).shape for frame in reader}
        assert (reader.height, reader.width) == (32, 64)
    assert shapes == {(32, 64), (48, 64)} and reader.health.size_changes == 1


def test_hdr_and_unknown_matrices_are_told(encode, pictures, health_of) -> None:
    hdr = encode("hdr.mkv", pictures(1), pix_fmt="yuv420p10le", trc=16)
    ycgco = encode("ycgco.mp4", pictures(1), pix_fmt="yuv444p", options={"colorspace": "ycgco"})
    for path, said in ((hdr, "dynamic range"), (ycgco, "matrix 8")):
        assert any(said in problem for problem in health_of(path).problems)


# ---- damage -------------------------------------------------------------------------------------

HALVED = {
    "v.mp4": {"mux": {"movflags": "faststart"}}, "v.mkv": {}, "v.avi": {"codec": "mpeg4"},
    "v.ts": {}, "v.flv": {}, "v.webm": {"codec": "libvpx"},
}  # fmt: skip


@pytest.mark.parametrize("name", HALVED)
def test_half_a_file_gives_the_frames_it_holds(encode, pictures, picture_hash, name) -> None:
    path = encode(name, pictures(100, height=96, width=128), **HALVED[name])
    _, whole = read(path, picture_hash)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    reader, found = read(path, picture_hash)
    assert 10 < len(found) < 95
    sound = len(found) - 5  # the last images may have been reached by the cut
    assert found[:sound] == whole[:sound]
    told = any("declared" in problem for problem in reader.health.problems)
    assert name.endswith(".ts") or (reader.health.truncated_tail and told)  # a transport stream states no length


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["v.mp4", "v.ts", "v.avi", "v.mkv"])
def test_overwritten_bytes_are_counted(encode, pictures, health_of, capfd, name, seed) -> None:
    path = encode(name, pictures(60, height=96, width=128), options={"g": "15", "crf": "10"})
    data = bytearray(path.read_bytes())
    middle = slice(len(data) * 2 // 5, len(data) * 3 // 5)
    data[middle] = np.random.default_rng(seed).bytes(middle.stop - middle.start)
    path.write_bytes(data)
    capfd.readouterr()
    health = health_of(path)
    assert 1 <= health.decoded_frames <= 62 and health.problems
    damage = health.decode_errors + health.corrupt_frames + len(health.gaps) + health.missing_pts
    assert damage or health.truncated_tail
    assert capfd.readouterr() == ("", "")  # the decoder's complaints go into the record


@pytest.mark.parametrize("position", range(10, 100, 15))
def test_any_length_of_prefix_is_read_or_refused(encode, pictures, health_of, position) -> None:
    path = encode("v.mp4", pictures(20), mux={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * position // 100])
    try:
        assert 1 <= health_of(path).decoded_frames <= 20
    except VideoError as error:
        assert error.path == str(path) and error.reason
    start = data.find(b"mdat") + 4  # and nothing but damage
    path.write_bytes(data[:start] + b"\xff" * (len(data) - start))
    with pytest.raises(VideoError):
        health_of(path)


# ---- what is no video ---------------------------------------------------------------------------


def test_errors_name_the_file_and_the_reason(tmp_path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video " * 500)
    os.mkfifo(tmp_path / "pipe.mp4")
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(1600))
    for name, reason in {
        "missing.mp4": "no such file", ".": "folder", "empty.mp4": "empty", "text.mp4": "no video container",
        "pipe.mp4": "not a regular file", "a\0b": "null", "x" * 300: "too long", "sound.wav": "no video stream",
    }.items():  # fmt: skip
        path = f"{tmp_path}/{name}"
        with pytest.raises(VideoError, match=reason) as caught:
            VideoReader(path)
        assert caught.value.path == path and "\n" not in str(caught.value)


def test_iterations_left_half_way_do_not_hang(encode, pictures) -> None:
    """Frame threads and a logging callback that needs the interpreter's lock used to deadlock now and then."""
    path = encode("v.mp4", pictures(40), options={"g": "10", "crf": "10"})
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 400] = b"\x55" * 400  # so that the decoder has something to say
    path.with_name("damaged.mp4").write_bytes(data)
    program = """
import sys
from keyframe_bench.video.decode import VideoReader
held = []
for turn in range(200):
    reader = VideoReader(sys.argv[1 + turn % 2])
    for frame in reader:
        if frame.ordinal >= turn % 25:
            break
    if turn % 3 == 0:
        reader.container.close()
    held = [*held[-3:], frame]
print("done")
"""
    command = [sys.executable, "-c", program, str(path), str(path.with_name("damaged.mp4"))]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, "done\n", "")


# ---- real files ---------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize("short", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_real_files(data_root, plain_decode, picture_hash, short) -> None:
    checked = 0
    films = [p for p in sorted((data_root / "videos").glob("*/*")) if p.suffix != ".txt"]
    for path in [*films, data_root / "summe" / "playing_ball.mp4"]:
        if (path.stat().st_size <= SHORT_BYTES) != short:
            continue
        try:
            reader, found = read(path, picture_hash)
        except VideoError as error:
            assert error.reason, path.name
            continue
        stamps, hashes, base = plain_decode(path)
        assert len(found) == len(hashes), path.name
        if not reader.health.corrupt_frames:  # threads conceal damage in an order of their own
            assert found == hashes, path.name
        if path.suffix != ".avi":
            assert reader.pts.tolist() == stamps, path.name
            assert np.array_equal(reader.times, [float(p * base) for p in stamps]), path.name
        assert np.all(np.diff(reader.times) > 0) or reader.health.problems, path.name
        checked += 1
    assert checked >= (25 if short else 45)
