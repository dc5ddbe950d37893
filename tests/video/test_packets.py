"""Packets may stand for decoded frames only where they give the same ordinals, times and key flags."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from keyframe_bench.core.errors import VideoError
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.folder_reader import open_video
from keyframe_bench.video.packets import PacketTable, _only_frames, _reordering, scan_packets


def render(path: Path, *, n: int = 60, codec: str = "libx264", **options: str) -> Path:
    """Write moving noise as video, with a cut in the middle so that the encoder has something to decide."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 255, (96, 256, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"crf": "30", **options})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for i in range(n):
            picture = np.roll(texture, -3 * i, axis=1)[:, :128]
            picture = 255 - picture if i >= n // 2 else picture
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decoded(path: Path) -> tuple[np.ndarray, np.ndarray, list[bool], tuple[int, int, int]]:
    with VideoReader(path) as reader:
        keys = [frame.key_frame for frame in reader]
    return reader.pts, reader.times, keys, (reader.width, reader.height, reader.health.rotation)


def agrees(table: PacketTable, path: Path) -> bool:
    pts, times, keys, shape = decoded(path)
    same = np.array_equal(table.pts, pts) and np.array_equal(table.times, times) and table.keys.tolist() == keys
    return same and shape == (table.width, table.height, table.health.rotation)


@pytest.mark.parametrize("options", [{}, {"bf": "0"}, {"bf": "5", "g": "12"}, {"g": "1"}, {"preset": "ultrafast"}])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_ordinary_h264_is_trusted_and_right(tmp_path: Path, suffix: str, options: dict[str, str]) -> None:
    path = render(tmp_path / f"v{suffix}", **options)
    table = scan_packets(path)
    assert table.trusted, table.reason
    assert len(table) == 60
    assert agrees(table, path)


def test_one_frame_and_two(tmp_path: Path) -> None:
    for n in (1, 2):
        path = render(tmp_path / f"{n}.mp4", n=n)
        table = scan_packets(path)
        assert table.trusted and len(table) == n and agrees(table, path)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("v.avi", {}, "container avi"),
        ("v.ts", {}, "container mpegts"),
        ("v.mp4", {"codec": "mpeg4"}, "codec mpeg4"),
        ("v.mp4", {"x264-params": "interlaced=1"}, "fields"),
    ],
)
def test_what_does_not_promise_one_frame_per_packet_is_not_trusted(
    tmp_path: Path, name: str, options: dict[str, str], reason: str
) -> None:
    table = scan_packets(render(tmp_path / name, **options))
    assert not table.trusted
    assert reason in table.reason


@pytest.mark.parametrize("intra_refresh", [False, True])
def test_recovery_points_are_trusted_only_if_right(tmp_path: Path, intra_refresh: bool) -> None:
    """Open groups and gradual refresh: the container's flag need not be the decoder's."""
    special = "intra-refresh=1:keyint=10" if intra_refresh else "open-gop=1:keyint=10:bframes=3:b-adapt=0:scenecut=0"
    path = render(tmp_path / "v.mp4", **{"x264-params": special})
    table = scan_packets(path)
    assert not table.trusted or agrees(table, path)


def test_vp8_with_hidden_frames_is_trusted_only_if_right(tmp_path: Path) -> None:
    for lag in ("0", "16"):
        options = {"auto-alt-ref": "1", "lag-in-frames": lag, "b": "200k"}
        path = render(tmp_path / f"{lag}.webm", codec="libvpx", **options)
        table = scan_packets(path)
        assert not table.trusted or agrees(table, path)
    assert scan_packets(tmp_path / "0.webm").trusted


def test_a_cut_off_file_is_not_trusted(tmp_path: Path) -> None:
    whole = render(tmp_path / "whole.mp4", movflags="faststart")
    with (
        av.open(str(whole)) as source,
        av.open(str(tmp_path / "start.mp4"), "w", options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    data = (tmp_path / "start.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: int(len(data) * 0.7)])
    table = scan_packets(cut)
    assert not table.trusted
    assert len(table) < 60


@pytest.mark.parametrize("seed", range(8))
def test_overwritten_lengths_are_noticed(tmp_path: Path, seed: int) -> None:
    path = render(tmp_path / "v.mp4")
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        position = packets[1 + seed * 5].pos
    data = bytearray(path.read_bytes())
    data[position + 2] ^= 0x5A  # inside the length of the picture's first unit
    path.write_bytes(data)
    assert not scan_packets(path).trusted


def test_errors_are_those_of_decoding(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video " * 200)
    for name in ("missing.mp4", "empty.mp4", "text.mp4"):
        with pytest.raises(VideoError) as scanned:
            scan_packets(tmp_path / name)
        with pytest.raises(VideoError) as read:
            open_video(tmp_path / name)
        assert str(scanned.value) == str(read.value)


def test_reordering_counts_what_is_decoded_early() -> None:
    in_order = np.arange(5)
    assert _reordering(in_order) == 0
    shown = np.array([0, 8, 4, 2, 6, 12])  # I P B b b P in order of decoding: b waits for B and P
    assert _reordering(np.argsort(shown)) == 2
    assert _reordering(np.array([0])) == 0


def test_parameter_sets_that_end_early_are_not_taken_for_progressive() -> None:
    for length in range(6):
        assert not _only_frames(bytes([0x67, 0x64, 0x00, 0x1F, 0xAC, 0xD9][:length]))


@pytest.mark.data
@pytest.mark.parametrize("folder", ["videos/action", "videos/awkward", "videos/edited", "videos/surveillance", "summe"])
def test_trust_is_never_misplaced_on_real_files(data_root: Path, folder: str) -> None:
    wrong, trusted, seen = [], 0, 0
    for path in sorted((data_root / folder).iterdir()):
        if path.suffix == ".txt" or path.is_dir():
            continue
        try:
            table = scan_packets(path)
        except VideoError:
            with pytest.raises(VideoError):
                decoded(path)
            continue
        seen += 1
        trusted += table.trusted
        if table.trusted and not agrees(table, path):
            wrong.append(path.name)
    assert not wrong
    assert trusted >= seen / 2  # 64 of 85 over all folders, PyAV 18.1


@pytest.mark.data
def test_scanning_is_far_quicker_than_decoding(data_root: Path) -> None:
    path = data_root / "summe" / "playing_ball.mp4"
    start = time.perf_counter()
    scan_packets(path)
    scan_s = time.perf_counter() - start
    start = time.perf_counter()
    decoded(path)
    assert time.perf_counter() - start > 20 * scan_s
