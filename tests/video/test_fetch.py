"""Pictures fetched later are bit for bit those that were decoded in the pass, or an error."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from keyframe_bench import extract
from keyframe_bench.bench.thumbnails import write_thumbnails
from keyframe_bench.core.errors import VideoError
from keyframe_bench.video import fetch as pictures_module
from keyframe_bench.video.clips import write_clips
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.fetch import fetch_frames
from keyframe_bench.video.frame import Frame, checksum
from keyframe_bench.video.image_files import encode_image, fit_width
from keyframe_bench.video.onepass import Pass, read_pass

Encode = Callable[..., Path]
Pictures = Callable[..., list[np.ndarray]]

SHORT_BYTES = 120_000
FFMPEG = shutil.which("ffmpeg")


def wanted_of(n: int) -> list[int]:
    """First, last, and ten between."""
    some = np.random.default_rng(n).choice(n, min(n, 10), replace=False)
    return sorted({0, n - 1, *some.tolist()})


def passed(path: Path) -> Pass:
    """A pass that really decoded: what packets alone tell is tested in test_packets.py."""
    from keyframe_bench.features.gray import Gray

    return read_pass(path, {"every": [Gray(2, 2)]}, sha256="-")


def from_the_start(path: Path, ordinals: list[int]) -> dict[int, tuple[np.ndarray, float]]:
    with VideoReader(path) as reader:
        return {f.ordinal: (f.full_rgb(), f.time) for f in reader if f.ordinal in ordinals}


def assert_equal_to_decoding(path: Path, ordinals: list[int], read: Pass | None = None) -> None:
    """Fetched together and each alone: one frame is sought where many are cheaper decoded."""
    read = read or passed(path)
    expected = from_the_start(path, ordinals)
    assert [f.ordinal for f in fetch_frames(path, ordinals, read)] == sorted(ordinals)
    for wish in (ordinals, *([n] for n in ordinals)):
        for frame in fetch_frames(path, wish, read):
            n = frame.ordinal
            assert np.array_equal(frame.full_rgb(), expected[n][0]), (path.name, n, wish)
            assert frame.time == expected[n][1] == read.times[n]


def forbidden(*_: Any) -> Any:
    pytest.fail("the other way was taken")


CODINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "closed": ("v.mp4", {"options": {"g": "12", "bf": "3"}}),
    "open groups": ("v.mp4", {"options": {"x264-params": "open-gop=1:keyint=10:bframes=3:b-adapt=0:scenecut=0"}}),
    "gradual refresh": ("v.mp4", {"options": {"x264-params": "intra-refresh=1:keyint=10"}}),
    "matroska": ("v.mkv", {"options": {"g": "12"}}),
    "h265": ("v.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=10"}}),
    "vp9": ("v.webm", {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "g": "10"}}),
    "vp8": ("v.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "12"}}),
    "mpeg2 open": ("v.ts", {"codec": "mpeg2video", "options": {"bf": "2", "g": "9"}}),
    "h264 ts": ("v.ts", {"options": {"g": "12"}}),
    "h264 ts open": ("v.ts", {"options": {"x264-params": "open-gop=1:keyint=10:bframes=3:b-adapt=0:scenecut=0"}}),
    "mpeg4 ts": ("v.ts", {"codec": "mpeg4", "options": {"g": "12"}}),
    "mpeg4 ts b": ("v.ts", {"codec": "mpeg4", "options": {"g": "12", "bf": "2"}}),
    "flv": ("v.flv", {"options": {"g": "12"}}),
    "avi": ("v.avi", {"codec": "mpeg4", "options": {"g": "8"}}),
    "elementary": ("v.h264", {"options": {"g": "12"}}),
    "variable rate": ("v.mp4", {"options": {"g": "12"}, "unit": Fraction(1, 1000), "pts": "uneven"}),
    "rotated": ("v.mp4", {"options": {"g": "12"}, "rotation": 90}),
}


@pytest.mark.parametrize("coding", CODINGS)
def test_bit_equal_to_sequential_decoding(encode: Encode, pictures: Pictures, coding: str) -> None:
    name, how = CODINGS[coding]
    if how.get("pts") == "uneven":
        how = {**how, "pts": np.cumsum(np.random.default_rng(0).integers(20, 90, 60)).tolist()}
    path = encode(name, pictures(60), **how)
    for ordinals in ([0], [59], [30], [7, 8, 33, 41]):
        assert_equal_to_decoding(path, ordinals)


SOUGHT = ["closed", "open groups", "matroska", "h265", "vp9", "rotated", "mpeg2 open", "h264 ts", "mpeg4 ts", "flv"]


@pytest.mark.parametrize("coding", SOUGHT)
def test_sound_files_are_sought_in(
    encode: Encode, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, coding: str
) -> None:
    name, how = CODINGS[coding]
    path = encode(name, pictures(60), **how)
    read = passed(path)
    monkeypatch.setattr(pictures_module, "_by_decoding", forbidden)
    assert [f.ordinal for f in fetch_frames(path, [31, 14], read)] == [14, 31]


@pytest.mark.skipif(FFMPEG is None, reason="there is no ffmpeg program")
@pytest.mark.parametrize(
    "how", ["-c:v rawvideo -pix_fmt pal8", "-c:v smc -pix_fmt pal8", "-c:v qtrle -pix_fmt gray -g 5"]
)
def test_palettes_are_those_of_the_picture(tmp_path: Path, how: str) -> None:
    path = tmp_path / "v.mov"  # such a file hands out its palette with the first packet only
    source = "-v error -nostdin -f lavfi -i testsrc2=s=64x48:d=1"
    subprocess.run([str(FFMPEG), *source.split(), *how.split(), path], check=True)
    assert_equal_to_decoding(path, [3, 12, 20])


@pytest.mark.skipif(FFMPEG is None, reason="there is no ffmpeg program")
@pytest.mark.parametrize("pix_fmt", ["rgb555le", "rgb565le", "rgb8", "pal8", "monob", "rgb4_byte", "bgr24", "yuv420p"])
def test_samples_that_share_bytes_are_read(tmp_path: Path, pix_fmt: str) -> None:
    path = tmp_path / "v.nut"
    source = "-v error -nostdin -f lavfi -i testsrc2=s=102x60:d=1:r=10 -c:v rawvideo"
    subprocess.run([str(FFMPEG), *source.split(), "-pix_fmt", pix_fmt, path], check=True)
    read = passed(path)
    assert len(read.times) == 10 and len(set(read.checksums.tolist())) == 10
    assert_equal_to_decoding(path, [2, 7])


def test_pictures_that_differ_by_where_a_box_stands_are_told_apart() -> None:
    found = set()
    for left in (16, 17, 24, 80):
        picture = np.full((64, 128, 3), 40, np.uint8)
        picture[20:36, left : left + 16] = (250, 30, 60)
        found.add(checksum(Frame(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv444p"), 0, 0.0)))
    assert len(found) == 4


@pytest.mark.parametrize("coding", ["avi", "elementary"])
def test_files_whose_times_identify_nothing_are_decoded(
    encode: Encode, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, coding: str
) -> None:
    name, how = CODINGS[coding]
    path = encode(name, pictures(60), **how)
    read = passed(path)
    assert not read.seekable
    monkeypatch.setattr(pictures_module, "_by_seeking", forbidden)
    assert [f.ordinal for f in fetch_frames(path, [31, 14], read)] == [14, 31]


def test_repeated_times_are_decoded(encode: Encode, pictures: Pictures) -> None:
    """Raw pictures in NUT may share a PTS: which one is meant cannot be sought."""
    path = encode("v.mkv", pictures(12), codec="ffv1", pix_fmt="bgr0", pts=[0, 1, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8])
    read = passed(path)
    assert not read.seekable and read.health.duplicate_pts == 3
    assert_equal_to_decoding(path, [1, 2, 5])


def test_a_damaged_file_gives_what_was_decoded(encode: Encode, pictures: Pictures) -> None:
    for seed in range(5):
        path = encode("v.mp4", pictures(60, height=96, width=128), options={"g": "12", "crf": "10"})
        data = bytearray(path.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 300] = np.random.default_rng(seed).bytes(300)
        path.write_bytes(data)
        read = passed(path)
        assert_equal_to_decoding(path, wanted_of(len(read.times)))


def test_many_frames_are_decoded_once_not_sought(
    encode: Encode, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode("v.mp4", pictures(60), options={"g": "12"})
    read = passed(path)
    monkeypatch.setattr(pictures_module, "_by_seeking", forbidden)
    assert len(list(fetch_frames(path, range(60), read))) == 60


def test_a_wrong_landing_falls_back_to_decoding(encode: Encode, pictures: Pictures) -> None:
    """A PTS that does not exist stands for a container that seeks past its target."""
    path = encode("v.mp4", pictures(60), options={"g": "12"})
    read = passed(path)
    read.pts[31] += 1
    found = list(fetch_frames(path, [5, 31, 40], read))
    with VideoReader(path) as reader:
        expected = {f.ordinal: f.full_rgb() for f in reader}
    assert [f.ordinal for f in found] == [5, 31, 40]
    assert all(np.array_equal(f.full_rgb(), expected[f.ordinal]) for f in found)


def test_a_frame_that_only_packets_promised_is_no_other_frame(encode: Encode, pictures: Pictures) -> None:
    path = encode("v.mp4", pictures(60), options={"g": "12"})
    read = read_pass(path, {"every": ()}, sha256="-")
    assert read.health.from_packets
    assert_equal_to_decoding(path, [5, 31, 40], read)
    read.pts[31] += 1
    with pytest.raises(VideoError, match="frame 31"):
        list(fetch_frames(path, [31], read))


def test_everything_that_is_saved_shows_the_frames_it_names(encode: Encode, pictures: Pictures, tmp_path: Path) -> None:
    """MPEG-4 in a transport stream: seeking leads into the middle of a group, and the decoder paints it grey."""
    path = encode("v.ts", pictures(100, height=96, width=128), codec="mpeg4", options={"g": "25", "b": "2000000"})
    found = extract(path, "uniform", budget=4, sampling="every")
    expected = {n: picture for n, (picture, _) in from_the_start(path, list(range(100))).items()}
    chosen = [expected[n] for n in found.frames.tolist()]
    assert all(np.array_equal(a, b) for a, b in zip(found.pictures(), chosen, strict=True))

    def differs(file: Path, picture: np.ndarray) -> float:
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


def test_duplicates_and_order_of_the_wish_do_not_matter(encode: Encode, pictures: Pictures) -> None:
    path = encode("v.mp4", pictures(30), options={"g": "6"})
    assert [f.ordinal for f in fetch_frames(path, [9, 3, 9, 3], passed(path))] == [3, 9]
    assert list(fetch_frames(path, [], passed(path))) == []


def test_a_changed_file_is_an_error(encode: Encode, pictures: Pictures) -> None:
    path = encode("v.mp4", pictures(60), options={"g": "12"})
    read = passed(path)
    other = encode("w.mp4", pictures(60, seed=1), options={"g": "12"})  # same times, other pictures
    os.replace(other, path)
    with pytest.raises(VideoError, match="changed") as caught:
        list(fetch_frames(path, [3], read))
    assert caught.value.path == str(path)
    path.unlink()
    with pytest.raises(VideoError, match="No such file"):
        list(fetch_frames(path, [3], read))


def test_a_frame_that_no_longer_decodes_is_an_error(encode: Encode, pictures: Pictures) -> None:
    path = encode("v.avi", pictures(20), codec="mpeg4")
    read = passed(path)
    with pytest.raises(VideoError, match="frame 99"):
        list(fetch_frames(path, [3, 99], read))


# ---- picture files ------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "tolerance"), [(".png", 0), (".jpg", 12)])
def test_picture_files_keep_colours(suffix: str, tolerance: int) -> None:
    picture = np.zeros((48, 64, 3), dtype=np.uint8)
    picture[:, :32], picture[:, 32:] = (200, 30, 60), (20, 90, 220)
    stored = cv2.imdecode(np.frombuffer(encode_image(picture, suffix), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    difference = np.abs(stored.astype(int) - picture)[:, np.r_[:24, 40:64]]
    assert difference.max() <= tolerance


def test_sizes_keep_the_shape_and_at_least_one_pixel() -> None:
    assert fit_width(480, 640, 160) == (120, 160)
    assert fit_width(1, 4000, 160) == (1, 160)
    assert fit_width(360, 640, 320) == (180, 320)


# ---- real files ---------------------------------------------------------------------------------


def check_real(paths: list[Path]) -> int:
    checked = 0
    for path in paths:
        try:
            read = passed(path)
        except VideoError:
            continue
        assert_equal_to_decoding(path, wanted_of(len(read.times)))
        checked += 1
    return checked


def real_files(root: Path) -> list[Path]:
    return [*sorted(p for p in (root / "videos").glob("*/*") if p.suffix != ".txt"), root / "summe/playing_ball.mp4"]


@pytest.mark.data
@pytest.mark.slow
def test_short_real_files_are_bit_equal(data_root: Path) -> None:
    assert check_real([p for p in real_files(data_root) if p.stat().st_size <= SHORT_BYTES]) >= 25


@pytest.mark.data
@pytest.mark.slow
def test_long_real_files_are_bit_equal(data_root: Path) -> None:
    assert check_real([p for p in real_files(data_root) if p.stat().st_size > SHORT_BYTES]) >= 45
