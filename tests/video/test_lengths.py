"""Frames last as long as the file says: empty packets, reordered AVI, late starts, copied tags, covers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from keyframe_bench.core.errors import VideoError
from keyframe_bench.report.health import _row
from keyframe_bench.report.view import VideoView
from keyframe_bench.video.baseline_decode import decoded, filtered, key_frames
from keyframe_bench.video.container import video_stream
from keyframe_bench.video.decode import VideoReader, decoder_threads, set_decoder_threads
from keyframe_bench.video.fetch import fetch_frames
from keyframe_bench.video.health import Health
from keyframe_bench.video.onepass import read_pass
from keyframe_bench.video.packets import scan_packets

Encode = Callable[..., Path]
Pictures = Callable[..., list[np.ndarray]]
Cli = Callable[..., tuple[int, str, str]]

FILES = Path(__file__).parent / "files"
THEORA, BFRAMES = FILES / "theora.ogv", FILES / "bframes.avi"  # 66 of 173 packets are empty; every second tick is
TIMES = [*range(100), *(100 + 12 * i for i in range(1, 7))]


def read(path: Path) -> VideoReader:
    with VideoReader(path) as reader:
        for _ in reader:
            pass
    return reader


def state_of(reader: VideoReader) -> str:
    """What the report calls a file with this health record."""
    record = reader.health.to_json()
    view: Any = VideoView(0, "v", [], reader.health.problems, [], 1, [], 0, 1, "", "", [], [], {}, "", record, 1)
    return _row(view, []).state


@contextmanager
def threads(n: int) -> Iterator[None]:
    before = decoder_threads()
    set_decoder_threads(n)
    try:
        yield
    finally:
        set_decoder_threads(before)


def copied(
    source: Path,
    target: Path,
    *,
    start: int = 0,
    tags: dict[str, str] | None = None,
    sound_s: float = 0,
    seekable: bool = True,
    default: bool = True,
) -> Path:
    """Copy the packets of a video, ``start`` seconds later, perhaps with tags and with sound from 0 on."""
    stream_of_bytes = io.BytesIO()
    if not seekable:
        stream_of_bytes.seek = None  # type: ignore[method-assign, assignment]  # as a pipe
    with av.open(str(source)) as given, av.open(stream_of_bytes, "w", format=_format(target)) as out:
        video = given.streams.video[0]
        copy = out.add_stream_from_template(video)
        copy.metadata.update(tags or {})
        if not default:
            copy.disposition = 0  # type: ignore[assignment]
        sound = out.add_stream("aac", rate=8000, layout="mono") if sound_s else None
        packets = [p for p in given.demux(video) if p.size]
        for packet in packets:
            packet.stream = copy
            shift = int(start / packet.time_base)
            packet.pts = packet.pts + shift
            packet.dts = packet.dts + shift
            out.mux(packet)
        if sound is not None:
            samples = np.zeros((1, round(8000 * sound_s)), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
            out.mux([*sound.encode(frame), *sound.encode(None)])
    target.write_bytes(stream_of_bytes.getvalue())
    return target


def _format(target: Path) -> str:
    return {".mkv": "matroska", ".wmv": "asf", ".ts": "mpegts"}.get(target.suffix, target.suffix[1:])


# Empty packets.


def test_an_empty_packet_is_neither_a_frame_nor_damage() -> None:
    reader = read(THEORA)
    health = reader.health
    assert reader.times == pytest.approx(np.array([*range(100), *range(100, 173, 12)]) / 25)
    assert (health.decoded_frames, health.empty_packets) == (107, 66)
    assert health.decode_errors == 0 and not health.truncated_tail
    assert health.gaps == [], "the picture before lasts until the next one"
    assert health.decoded_duration_s == pytest.approx(173 / 25)
    assert reader.seekable and state_of(reader) != "damaged"


def test_pictures_after_empty_packets_are_fetched_by_seeking(monkeypatch: pytest.MonkeyPatch) -> None:
    with VideoReader(THEORA) as reader:
        wanted = {f.ordinal: f.full_rgb() for f in reader if f.ordinal in (14, 60, 101, 106)}
    passed = read_pass(THEORA, {"every": ()})
    monkeypatch.setattr("keyframe_bench.video.fetch._by_decoding", lambda *_: pytest.fail("read from the start"))
    found = {f.ordinal: f.full_rgb() for f in fetch_frames(THEORA, [101, 106], passed)}
    assert all(np.array_equal(found[n], wanted[n]) for n in found) and len(found) == 2


def test_plain_decoding_passes_over_empty_packets() -> None:
    assert decoded(THEORA) == 107
    assert filtered(THEORA, "select", "1") == 107
    assert 0 < key_frames(THEORA) < 107


@pytest.mark.slow
def test_perf_measures_a_file_with_empty_packets(cli: Cli) -> None:
    status, out, err = cli("perf", THEORA, "extractors=[uniform]", "repeats=3", "--json")
    assert status == 0, err
    assert '"frames": 107' in out


def test_empty_packets_at_the_end_prolong_the_last_picture() -> None:
    health = Health(declared_duration_s=4.0)
    health.judge_times(np.arange(50) / 25, 0.04, held=np.arange(50, 100) / 25)
    assert health.decoded_duration_s == pytest.approx(4.0) and not health.truncated_tail


# AVI: a frame clock, in the order of decoding.


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_frames_flushed_at_the_end_of_an_avi_keep_its_step(n_threads: int) -> None:
    with threads(n_threads):
        reader = read(BFRAMES)
    assert reader.times == pytest.approx(np.arange(100) / 25)
    assert reader.health.decoded_duration_s == pytest.approx(4.0)
    assert not reader.health.variable_rate and not reader.health.missing_pts
    assert state_of(reader) == "unusual", "the container counts its empty ticks as frames"


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mpeg2video"])
@pytest.mark.parametrize("n_frames", [2, 3, 40])
@pytest.mark.parametrize("n_threads", [1, 4])
def test_times_of_an_avi_with_b_frames(
    encode: Encode, pictures: Pictures, codec: str, n_frames: int, n_threads: int
) -> None:
    path = encode("v.avi", pictures(n_frames), codec=codec, options={"bf": "2", "g": "12"})
    with threads(n_threads):
        assert read(path).times == pytest.approx(np.arange(n_frames) / 25)


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4", "libx264"])
def test_dropped_frames_of_an_avi_are_no_damage(encode: Encode, pictures: Pictures, codec: str) -> None:
    stamps = [*range(20), *range(27, 40)]
    form = {"pix_fmt": "yuvj420p", "color_range": 2} if codec == "mjpeg" else {}
    reader = read(encode("v.avi", pictures(33), codec=codec, pts=stamps, options={"bf": "0"}, **form))
    assert reader.times == pytest.approx(np.array(stamps) / 25)
    assert reader.health.empty_packets == 7 and not reader.health.gaps and not reader.health.truncated_tail
    assert state_of(reader) != "damaged"


# Declared lengths.


@pytest.mark.parametrize("suffix", [".mkv", ".nut", ".wmv", ".flv", ".mp4", ".mov", ".ts"])
def test_a_file_that_starts_late_is_whole(encode: Encode, pictures: Pictures, tmp_path: Path, suffix: str) -> None:
    codec = {"codec": "mpeg4"} if suffix == ".wmv" else {"options": {"bf": "2"}}
    path = copied(encode("v.mp4", pictures(50), **codec), tmp_path / f"late{suffix}", start=20)
    reader = read(path)
    assert reader.times[0] >= 20 and reader.health.decoded_frames == 50
    assert not reader.health.truncated_tail
    declared = reader.health.declared_duration_s
    assert declared is None or declared == pytest.approx(2, abs=0.2)


def test_a_video_that_starts_after_its_sound_is_whole(encode: Encode, pictures: Pictures, tmp_path: Path) -> None:
    source = encode("v.mp4", pictures(50))
    for suffix in (".mkv", ".mp4"):
        reader = read(copied(source, tmp_path / f"late{suffix}", start=4, sound_s=6))
        assert not reader.health.truncated_tail and reader.health.declared_duration_s == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("suffix", [".wmv", ".mkv", ".mp4"])
def test_a_video_within_its_sound_is_whole(encode: Encode, pictures: Pictures, tmp_path: Path, suffix: str) -> None:
    reader = read(copied(encode("v.mp4", pictures(50)), tmp_path / f"v{suffix}", start=3, sound_s=9))
    assert not reader.health.truncated_tail and not any("declared" in text for text in reader.health.problems)


def test_sound_that_goes_on_makes_no_truncated_video(encode: Encode, pictures: Pictures, tmp_path: Path) -> None:
    path = copied(encode("v.mp4", pictures(50)), tmp_path / "v.mkv", sound_s=9)
    assert read(path).health.declared_duration_s == pytest.approx(2, abs=0.1)
    path.write_bytes(path.read_bytes().replace(b"DURATION", b"DURASION"))  # other programs write no such tags
    reader = read(path)
    assert not reader.health.truncated_tail
    assert scan_packets(path).health.declared_duration_s == reader.health.declared_duration_s


@pytest.mark.parametrize("name", ["DURATION", "DURATION-eng", "Duration"])
@pytest.mark.parametrize("suffix", [".mkv", ".nut", ".ogg"])
def test_a_length_inherited_from_another_file_counts_nothing(
    encode: Encode, pictures: Pictures, tmp_path: Path, suffix: str, name: str
) -> None:
    codec = "libvpx" if suffix == ".ogg" else "libx264"
    source = encode("v.webm" if suffix == ".ogg" else "v.mp4", pictures(50), codec=codec)
    path = copied(source, tmp_path / f"v{suffix}", tags={name: "00:01:00.000000000"})
    reader = read(path)
    assert reader.health.decoded_frames == 50 and not reader.health.truncated_tail
    assert scan_packets(path).health.declared_duration_s == reader.health.declared_duration_s


def test_a_matroska_written_to_a_pipe_declares_its_source_only(
    encode: Encode, pictures: Pictures, tmp_path: Path
) -> None:
    source = encode("v.mp4", pictures(50))
    path = copied(source, tmp_path / "pipe.mkv", tags={"DURATION": "00:01:00.000000000"}, seekable=False)
    with av.open(str(path)) as container:
        assert container.duration == 60_000_000, "the case: FFmpeg's muxer takes the tag for the file's length"
    assert not read(path).health.truncated_tail
    assert not read_pass(path, {"every": ()}).health.truncated_tail


@pytest.mark.parametrize("suffix", [".mkv", ".flv", ".mp4"])
@pytest.mark.parametrize("start", [0, 20])
def test_a_file_that_was_cut_off_is_still_told(
    encode: Encode, pictures: Pictures, tmp_path: Path, suffix: str, start: int
) -> None:
    path = copied(encode("v.mp4", pictures(100)), tmp_path / f"whole{suffix}", start=start, sound_s=4 + start)
    if suffix == ".mp4":  # with its index in front
        source, path = path, tmp_path / "f.mp4"
        with av.open(str(source)) as given, av.open(str(path), "w", options={"movflags": "faststart"}) as out:
            copy = out.add_stream_from_template(given.streams.video[0])
            for packet in given.demux(given.streams.video[0]):
                if packet.size:
                    packet.stream = copy
                    out.mux(packet)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert read(path).health.truncated_tail


# Covers.


def sound_with_cover(path: Path, codec: str, picture: np.ndarray) -> Path:
    with av.open(str(path), "w") as out:
        sound = out.add_stream(codec, rate=44100)
        cover = out.add_stream("png", rate=25)
        cover.height, cover.width, cover.pix_fmt = picture.shape[0], picture.shape[1], "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        out.mux([*cover.encode(frame), *cover.encode(None)])
        wave = av.AudioFrame(format=sound.codec_context.format.name, layout=sound.layout.name, samples=1024)
        for plane in wave.planes:
            plane.update(bytes(plane.buffer_size))
        wave.rate, wave.pts = 44100, 0
        out.mux([*sound.encode(wave), *sound.encode(None)])
    return path


@pytest.mark.parametrize(("suffix", "codec"), [(".m4a", ""), (".flac", "flac"), (".mp3", "libmp3lame")])
def test_a_sound_file_with_a_cover_holds_no_video(
    tmp_path: Path, pictures: Pictures, cli: Cli, suffix: str, codec: str
) -> None:
    path = sound_with_cover(tmp_path / f"song{suffix}", codec, pictures(1)[0]) if codec else FILES / "song.m4a"
    with av.open(str(path)) as container:
        assert container.streams.best("video") is not None, "the case: FFmpeg chooses the cover"
    for reading in (read, scan_packets, decoded):
        with pytest.raises(VideoError, match="no video stream"):
            reading(path)
    status, _, err = cli("extract", path, "extractor=uniform", f"out={tmp_path / 'out'}")
    assert status == 2 and "no video stream" in err and err.count("\n") == 1


def chosen(best: int, *dispositions: int) -> Any:
    """Return the main video stream where FFmpeg's choice is ``best``."""
    made = [
        SimpleNamespace(index=i, disposition=av.stream.Disposition(d), bit_rate=None, codec_context=True)
        for i, d in enumerate(dispositions)
    ]
    streams = SimpleNamespace(video=made, best=lambda _: made[best])
    return video_stream(SimpleNamespace(streams=streams), "v.mp4")


@pytest.mark.parametrize("picture", ["attached_pic", "timed_thumbnails", "still_image"])
def test_a_video_is_chosen_before_any_picture(picture: str) -> None:
    kind = int(av.stream.Disposition[picture])
    found = chosen(0, kind | 1, 0, 1)
    assert found is not None and found.index == 2
    assert chosen(1, kind, 0).index == 1
    with pytest.raises(VideoError, match="no video stream"):
        chosen(0, kind, kind | 1)


@pytest.mark.parametrize("suffix", [".mkv", ".flv", ".mp4", ".avi"])
def test_a_length_is_told_before_anything_is_decoded(encode: Encode, pictures: Pictures, suffix: str) -> None:
    with VideoReader(encode(f"v{suffix}", pictures(50))) as reader:
        assert reader.health.declared_duration_s == pytest.approx(2, abs=0.1)
