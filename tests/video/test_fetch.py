"""Images fetched later are bit for bit those that were decoded in the pass, or an error."""

from __future__ import annotations

import os
import shutil
import subprocess

import numpy as np
import pytest

from keyframe_bench import extract
from keyframe_bench.bench.cell_records import write_thumbnails
from keyframe_bench.core.errors import VideoError
from keyframe_bench.features.images import Gray
from keyframe_bench.video import fetch
from keyframe_bench.video.clips import write_clips
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.fetch import fetch_frames
from keyframe_bench.video.image_files import fit, read_rgb
from keyframe_bench.video.onepass import read_pass

FFMPEG = shutil.which("ffmpeg")


def passed(path):
    """A pass that really decoded: what packets alone tell is tested in test_packets.py."""
    return read_pass(path, {"every": [Gray(2, 2)]}, sha256="-")


def from_the_start(path):
    with VideoReader(path) as reader:
        return [(frame.full_rgb(), frame.time) for frame in reader]


def assert_equal_to_decoding(path, ordinals, read=None) -> None:
    """Fetched together and each alone: one frame is sought where many are cheaper decoded."""
    read = read or passed(path)
    expected = from_the_start(path)
    for wish in (list(ordinals), *([n] for n in ordinals)):
        found = list(fetch_frames(path, wish, read))
        assert [frame.ordinal for frame in found] == wish
        for frame in found:
            picture, seconds = expected[frame.ordinal]
            assert np.array_equal(frame.full_rgb(), picture), (path.name, frame.ordinal, wish)
            assert frame.time == seconds == read.times[frame.ordinal]


def forbidden(*_):
    pytest.fail("the other way was taken")


WITHOUT_TIMES = ["mpeg4 avi", "h264 avi", "elementary stream"]


def test_bit_equal_to_sequential_decoding(coded, coding, monkeypatch) -> None:
    path = coded(coding)
    read, scanned = passed(path), read_pass(path, {"every": ()}, sha256="-")  # where packets tell enough, not decoded
    for ordinals in ([0], [59], [30], [7, 8, 33, 41]):
        assert_equal_to_decoding(path, ordinals, read)
    assert_equal_to_decoding(path, [13, 35, 58], scanned)
    kept = read_pass(path, {"every": [Gray(2, 2)]}, sha256="-", keep=True)
    assert len(kept.frames) in (0, 60)  # none of a video that would take much memory
    assert_equal_to_decoding(path, [0, 13, 59], kept)
    if coding != "gradual refresh":  # whose only key frame is the first
        monkeypatch.setattr(fetch, "_by_seeking" if coding in WITHOUT_TIMES else "_by_decoding", forbidden)
        for one in (read, scanned):
            assert [f.ordinal for f in fetch_frames(path, [31, 14, 31], one)] == [14, 31]
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


@pytest.mark.parametrize("n_threads", [1, None])
def test_a_damaged_file_gives_what_was_decoded(encode, pictures, threads, n_threads) -> None:
    threads(n_threads)
    for seed in range(5):
        path = encode("v.mp4", pictures(60, height=96, width=128), options={"g": "12", "crf": "10"})
        data = bytearray(path.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 300] = np.random.default_rng(seed).bytes(300)
        path.write_bytes(data)
        read = passed(path)
        some = range(0, len(read.times), 7) if n_threads else [0, 7, 14, 49, 56]
        assert_equal_to_decoding(path, some, read)  # several threads conceal damage, far from these, in any order


def test_many_frames_are_decoded_once_not_sought(coded, monkeypatch) -> None:
    monkeypatch.setattr(fetch, "_by_seeking", forbidden)
    assert len(list(fetch_frames(coded("b frames"), range(60), passed(coded("b frames"))))) == 60


@pytest.mark.parametrize("needs", [(Gray(2, 2),), ()])
def test_a_wrong_landing_falls_back_to_decoding(encode, pictures, needs) -> None:
    """A PTS that does not exist stands for a container that seeks past its target, or a packet that never decodes."""
    path = encode("v.mp4", pictures(60), options={"g": "12"})
    read = read_pass(path, {"every": needs}, sha256="-")
    assert read.health.from_packets == (not needs)
    assert_equal_to_decoding(path, [5, 31, 40], read)
    read.pts[31] += 1
    if needs:
        assert_equal_to_decoding(path, [5, 31, 40], read)
    else:
        with pytest.raises(VideoError, match="frame 31"):
            list(fetch_frames(path, [31], read))


def test_everything_that_is_saved_shows_the_frames_it_names(encode, pictures, tmp_path) -> None:
    """MPEG-4 in a transport stream: seeking leads into the middle of a group, and the decoder paints it grey."""
    path = encode("v.ts", pictures(100, height=96, width=128), codec="mpeg4", options={"g": "25", "b": "2000000"})
    found = extract(path, "uniform", budget=4, sampling="every")
    expected, chosen = [picture for picture, _ in from_the_start(path)], found.frames.tolist()
    assert all(np.array_equal(a, expected[n]) for a, n in zip(found.pictures(), chosen, strict=True))
    found.save(tmp_path / "out")
    write_thumbnails(path, chosen, found.source, tmp_path / "small")
    for n in chosen:
        for file in (f"out/frame_{n:06d}.jpg", f"small/{n}.jpg"):
            stored = read_rgb(tmp_path / file)
            assert np.abs(fit(expected[n], *stored.shape[:2], "stretch").astype(int) - stored).mean() < 12
    files, _ = write_clips(path, [(30, 40), (60, 68)], tmp_path / "clips", found.source, snap_s=0.0)
    for file in files:
        for n, (picture, _) in enumerate(from_the_start(tmp_path / "clips" / file.name), start=file.first):
            assert np.abs(picture.astype(int) - expected[n]).mean() < 12


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


def test_a_frame_that_does_not_decode_is_an_error(encode, pictures) -> None:
    path = encode("v.avi", pictures(20), codec="mpeg4")
    with pytest.raises(VideoError, match="frame 99"):
        list(fetch_frames(path, [3, 99], passed(path)))


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
