"""Images fetched later are bit for bit those that were decoded in the pass, or an error."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from keyframe_bench import extract
from keyframe_bench.bench.thumbnails import write_thumbnails
from keyframe_bench.core.errors import VideoError
from keyframe_bench.features.pictures import Gray
from keyframe_bench.video import fetch
from keyframe_bench.video.clips import write_clips
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.fetch import fetch_frames
from keyframe_bench.video.onepass import read_pass

Encode = Callable[..., Path]
Pictures = Callable[..., list[np.ndarray]]

SHORT_BYTES = 120_000
FFMPEG = shutil.which("ffmpeg")


def passed(path):
    """A pass that really decoded: what packets alone tell is tested in test_packets.py."""
    return read_pass(path, {"every": [Gray(2, 2)]}, sha256="-")


def from_the_start(path, ordinals):
    with VideoReader(path) as reader:
        return {f.ordinal: (f.full_rgb(), f.time) for f in reader if f.ordinal in ordinals}


def assert_equal_to_decoding(path, ordinals, read=None) -> None:
    """Fetched together and each alone: one frame is sought where many are cheaper decoded."""
    read = read or passed(path)
    expected = from_the_start(path, ordinals)
    assert [f.ordinal for f in fetch_frames(path, ordinals, read)] == list(ordinals)
    for wish in (ordinals, *([n] for n in ordinals)):
        for frame in fetch_frames(path, wish, read):
            n = frame.ordinal
            assert np.array_equal(frame.full_rgb(), expected[n][0]), (path.name, n, wish)
            assert frame.time == expected[n][1] == read.times[n]


def forbidden(*_):
    pytest.fail("the other way was taken")


WITHOUT_TIMES = ["mpeg4 avi", "h264 avi", "elementary stream"]


def test_bit_equal_to_sequential_decoding(coded, coding, monkeypatch) -> None:
    path = coded(coding)
    read = passed(path)
    for ordinals in ([0], [59], [30], [7, 8, 33, 41]):
        assert_equal_to_decoding(path, ordinals, read)
    if coding != "gradual refresh":  # whose only key frame is the first
        monkeypatch.setattr(fetch, "_by_seeking" if coding in WITHOUT_TIMES else "_by_decoding", forbidden)
        assert [f.ordinal for f in fetch_frames(path, [31, 14, 31], read)] == [14, 31]
        assert list(fetch_frames(path, [], read)) == []


# Files that hand out their palette with the first packet only, and samples that share bytes.
PALETTES = ["v.mov -c:v rawvideo -pix_fmt pal8", "v.mov -c:v smc -pix_fmt pal8", "v.mov -c:v qtrle -pix_fmt gray -g 5"]
SHARED = ["rgb555le", "rgb565le", "rgb8", "pal8", "monob", "rgb4_byte", "bgr24", "yuv420p"]


@pytest.mark.skipif(FFMPEG is None, reason="there is no ffmpeg program")
@pytest.mark.parametrize("how", [*PALETTES, *(f"v.nut -c:v rawvideo -pix_fmt {pix_fmt}" for pix_fmt in SHARED)])
def test_palettes_and_samples_that_share_bytes(tmp_path, how) -> None:
    name, options = how.split(" ", 1)
    size = "64x48:d=1" if name == "v.mov" else "102x60:d=1:r=10"
    source = f"-v error -nostdin -f lavfi -i testsrc2=s={size} {options}"
    subprocess.run([str(FFMPEG), *source.split(), tmp_path / name], check=True)
    read = passed(tmp_path / name)
    assert name == "v.mov" or len(set(read.checksums.tolist())) == len(read.times) == 10
    assert_equal_to_decoding(tmp_path / name, [2, 7, 9], read)


def test_repeated_times_are_decoded(encode, pictures) -> None:
    """Raw images in NUT may share a PTS: which one is meant cannot be sought."""
    path = encode("v.mkv", pictures(12), codec="ffv1", pix_fmt="bgr0", pts=[0, 1, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8])
    read = passed(path)
    assert not read.seekable and read.health.duplicate_pts == 3
    assert_equal_to_decoding(path, [1, 2, 5])


def test_a_damaged_file_gives_what_was_decoded(encode, pictures) -> None:
    for seed in range(5):
        path = encode("v.mp4", pictures(60, height=96, width=128), options={"g": "12", "crf": "10"})
        data = bytearray(path.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 300] = np.random.default_rng(seed).bytes(300)
        path.write_bytes(data)
        read = passed(path)
        assert_equal_to_decoding(path, range(0, len(read.times), 7), read)


def test_many_frames_are_decoded_once_not_sought(coded, monkeypatch) -> None:
    monkeypatch.setattr(fetch, "_by_seeking", forbidden)
    assert len(list(fetch_frames(coded("b frames"), range(60), passed(coded("b frames"))))) == 60


def test_a_wrong_landing_falls_back_to_decoding(encode, pictures) -> None:
    """A PTS that does not exist stands for a container that seeks past its target."""
    path = encode("v.mp4", pictures(60), options={"g": "12"})
    read = passed(path)
    read.pts[31] += 1
    found = list(fetch_frames(path, [5, 31, 40], read))
    with VideoReader(path) as reader:
        expected = {f.ordinal: f.full_rgb() for f in reader}
    assert [f.ordinal for f in found] == [5, 31, 40]
    assert all(np.array_equal(f.full_rgb(), expected[f.ordinal]) for f in found)


def test_a_frame_that_only_packets_promised_is_no_other_frame(encode, pictures) -> None:
    path = encode("v.mp4", pictures(60), options={"g": "12"})
    read = read_pass(path, {"every": ()}, sha256="-")
    assert read.health.from_packets
    assert_equal_to_decoding(path, [5, 31, 40], read)
    read.pts[31] += 1
    with pytest.raises(VideoError, match="frame 31"):
        list(fetch_frames(path, [31], read))


def test_everything_that_is_saved_shows_the_frames_it_names(encode, pictures, tmp_path) -> None:
    """MPEG-4 in a transport stream: seeking leads into the middle of a group, and the decoder paints it grey."""
    path = encode("v.ts", pictures(100, height=96, width=128), codec="mpeg4", options={"g": "25", "b": "2000000"})
    found = extract(path, "uniform", budget=4, sampling="every")
    expected = {n: picture for n, (picture, _) in from_the_start(path, list(range(100))).items()}
    chosen = [expected[n] for n in found.frames.tolist()]
    assert all(np.array_equal(a, b) for a, b in zip(found.pictures(), chosen, strict=True))

    def differs(file, picture):
        stored = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        shrunk = cv2.resize(picture, stored.shape[1::-1], interpolation=cv2.INTER_AREA)
        return float(np.abs(shrunk.astype(int) - stored).mean())

    found.save(tmp_path / "out")
    write_thumbnails(path, found.frames.tolist(), found.source, tmp_path / "small")
    for n in found.frames.tolist():
        assert differs(tmp_path / f"out/frame_{n:06d}.jpg", expected[n]) < 12
        assert differs(tmp_path / f"small/{n}.jpg", expected[n]) < 12
    spans = [(30, 40), (60, 68)]
    files, _ = write_clips(path, spans, tmp_path / "clips", found.source, snap_s=0.0)
    for file in files:
        again = from_the_start(tmp_path / "clips" / file.name, list(range(file.end - file.first)))
        for n, (picture, _) in again.items():
            assert np.abs(picture.astype(int) - expected[file.first + n]).mean() < 12


def test_a_changed_file_is_an_error(encode, pictures) -> None:
    path = encode("v.mp4", pictures(60), options={"g": "12"})
    read = passed(path)
    other = encode("w.mp4", pictures(60, seed=1), options={"g": "12"})  # same times, other images
    os.replace(other, path)
    with pytest.raises(VideoError, match="changed") as caught:
        list(fetch_frames(path, [3], read))
    assert caught.value.path == str(path)
    path.unlink()
    with pytest.raises(VideoError, match="No such file"):
        list(fetch_frames(path, [3], read))


def test_a_frame_that_no_longer_decodes_is_an_error(encode, pictures) -> None:
    path = encode("v.avi", pictures(20), codec="mpeg4")
    read = passed(path)
    with pytest.raises(VideoError, match="frame 99"):
        list(fetch_frames(path, [3, 99], read))


# ---- real files ---------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.slow
def test_real_files_are_bit_equal(data_root) -> None:
    checked, videos = 0, sorted(p for p in (data_root / "videos").glob("*/*") if p.suffix != ".txt")
    for path in [*videos, data_root / "summe/playing_ball.mp4"]:
        try:
            read = passed(path)
        except VideoError:
            continue
        n = len(read.times)
        some = np.random.default_rng(n).choice(n, min(n, 10), replace=False)
        assert_equal_to_decoding(path, sorted({0, n - 1, *some.tolist()}), read)
        checked += 1
    assert checked >= 70


# ---- codecs x containers ------------------------------------------------------------------------

SOURCE = "-v error -nostdin -f lavfi -i testsrc2=s=176x144:r=25:d=3 -threads 1"
X264 = "-c:v libx264 -x264-params keyint=14:scenecut=0:bframes=3:b-adapt=0"
X265 = "-c:v libx265 -x265-params log-level=none:keyint=14:min-keyint=14:scenecut=0:bframes=3:b-adapt=0"

# Options of ffmpeg, and the containers that take the codec; in those in brackets every frame is decoded from the start:
# they do not state when each frame is shown.
CODECS: dict[str, tuple[str, str]] = {
    "h264 closed": ("-c:v libx264 -g 14 -bf 3", "mp4 mov mkv ts flv (avi) (mpg)"),
    "h264 no b": ("-c:v libx264 -g 14 -bf 0", "mp4 mkv ts flv (avi) (mpg)"),
    "h264 open": (f"{X264}:open-gop=1", "mp4 mkv ts flv (avi) (mpg)"),
    "h264 refresh": (f"{X264}:intra-refresh=1", "mp4 mkv ts flv (avi) (mpg)"),
    "h264 fields": (f"{X264}:slices=4:tff=1", "mp4 mkv ts"),
    "hevc closed": (f"{X265}:open-gop=0", "mp4 mkv ts"),
    "hevc open": (f"{X265}:open-gop=1", "mp4 mkv ts"),
    "mpeg1": ("-c:v mpeg1video -g 14 -bf 0", "mkv ts mpg mp4 (avi)"),
    "mpeg1 b": ("-c:v mpeg1video -g 14 -bf 2", "mkv ts mpg mp4 (avi)"),
    "mpeg2": ("-c:v mpeg2video -g 14 -bf 0", "mkv ts mpg mp4 (avi)"),
    "mpeg2 b": ("-c:v mpeg2video -g 14 -bf 2", "mkv ts mpg mp4 (avi)"),
    "mpeg2 b closed": ("-c:v mpeg2video -g 14 -bf 2 -flags +cgop -sc_threshold 1000000000", "mkv ts mpg mp4"),
    "mpeg4": ("-c:v mpeg4 -g 14 -bf 0", "mp4 mkv ts (avi)"),
    "mpeg4 b": ("-c:v mpeg4 -g 14 -bf 2", "mp4 mkv ts (avi)"),
    "flv1": ("-c:v flv -g 14", "flv mkv (avi)"),
    "vp8": ("-c:v libvpx -g 14 -auto-alt-ref 1 -lag-in-frames 12 -b:v 200k", "webm mkv ogg (avi)"),
    "vp9": ("-c:v libvpx-vp9 -g 14 -auto-alt-ref 1 -lag-in-frames 12 -cpu-used 8", "webm mkv mp4"),
    "av1": ("-c:v libaom-av1 -g 14 -cpu-used 8 -lag-in-frames 12", "mp4 mkv webm"),
    "theora": ("-c:v libtheora -g 14 -q:v 6", "ogg mkv"),
    "mjpeg": ("-c:v mjpeg -q:v 3", "mp4 mkv (avi)"),
    "ffv1": ("-c:v ffv1 -g 14", "mkv (avi)"),
}


def planes(frame):
    """Every sample as coded."""
    return [plane.tobytes() for plane in frame.planes()]


@pytest.mark.slow
@pytest.mark.skipif(FFMPEG is None, reason="there is no ffmpeg program")
@pytest.mark.parametrize("codec", CODECS)
def test_fetched_is_decoded_in_sequence(codec, tmp_path, monkeypatch) -> None:
    from_the_start: list[list[int]] = []
    decode = fetch._by_decoding

    def noted(path, wanted, read):
        from_the_start.append(list(wanted))
        return decode(path, wanted, read)

    monkeypatch.setattr(fetch, "_by_decoding", noted)
    options, containers = CODECS[codec]
    full_range = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    for container in containers.split():
        path = tmp_path / f"v.{container.strip('()')}"
        command = [str(FFMPEG), *f"{SOURCE} -pix_fmt {full_range} {options}".split(), str(path)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        for needs in ([Gray(2, 2)], []):  # decoded, and where packets tell enough not decoded
            read = read_pass(path, {"every": needs}, sha256="-")
            n = len(read.times)
            assert n in (74, 75)
            wanted = sorted(np.random.default_rng(n).choice(n, 10, replace=False).tolist())
            with VideoReader(path) as reader:
                expected = {f.ordinal: planes(f) for f in reader if f.ordinal in wanted}
            from_the_start.clear()
            for ordinal in wanted:
                (frame,) = fetch_frames(path, [ordinal], read)
                assert planes(frame) == expected[ordinal], (container, ordinal)
            if codec != "h264 refresh":  # whose only key frame is the first
                assert len(from_the_start) == (10 if "(" in container else 0), container
