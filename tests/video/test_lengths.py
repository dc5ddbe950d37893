"""Frames last as long as the file says: empty packets, reordered AVI, late starts, copied tags, covers."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from keyframe_bench.core.errors import VideoError
from keyframe_bench.report.health import state_of as health_state
from keyframe_bench.video.baseline_decode import decoded, filtered, key_frames
from keyframe_bench.video.container import video_stream
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.fetch import fetch_frames
from keyframe_bench.video.onepass import read_pass
from keyframe_bench.video.packets import scan_packets

FILES = Path(__file__).parent / "files"
THEORA, BFRAMES = FILES / "theora.ogv", FILES / "bframes.avi"  # 66 of 173 packets are empty; every second tick is


def read(path) -> VideoReader:
    with VideoReader(path) as reader:
        for _ in reader:
            pass
    return reader


def state_of(reader) -> str:
    """What the report calls a file with this health record."""
    return health_state(reader.health.to_json(), reader.health.problems)


def copied(source, target, *, start=0, tags=None, sound_s=0.0, piped=False, mux=None) -> Path:
    """Copy the packets of a video, ``start`` seconds later, perhaps with tags and with sound from 0 on."""
    pipe = io.BytesIO()
    pipe.seek = None
    how = {"format": "matroska"} if piped else {"options": mux or {}}
    with av.open(str(source)) as given, av.open(pipe if piped else str(target), "w", **how) as out:
        video = given.streams.video[0]
        copy = out.add_stream_from_template(video)
        copy.metadata.update(tags or {})
        sound = out.add_stream("aac", rate=8000, layout="mono") if sound_s else None
        for packet in [p for p in given.demux(video) if p.size]:
            packet.stream, shift = copy, int(start / packet.time_base)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            out.mux(packet)
        if sound is not None:
            samples = np.zeros((1, round(8000 * sound_s)), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
            out.mux([*sound.encode(frame), *sound.encode(None)])
    if piped:
        target.write_bytes(pipe.getvalue())
    return target


# ---- empty packets ------------------------------------------------------------------------------


def test_an_empty_packet_is_neither_a_frame_nor_damage() -> None:
    reader = read(THEORA)
    health = reader.health
    assert reader.times == pytest.approx(np.array([*range(100), *range(100, 173, 12)]) / 25)
    assert (health.decoded_frames, health.empty_packets) == (107, 66)
    assert health.decode_errors == 0 and not health.truncated_tail
    assert health.gaps == [], "the image before lasts until the next one"
    assert health.decoded_duration_s == pytest.approx(173 / 25)
    assert reader.seekable and state_of(reader) != "damaged"
    assert decoded(THEORA) == filtered(THEORA, "select", "1") == 107 and 0 < key_frames(THEORA) < 107


def test_pictures_after_empty_packets_are_fetched_by_seeking(monkeypatch) -> None:
    with VideoReader(THEORA) as reader:
        wanted = {f.ordinal: f.full_rgb() for f in reader if f.ordinal in (101, 106)}
    passed = read_pass(THEORA, {"every": ()})
    monkeypatch.setattr("keyframe_bench.video.fetch._by_decoding", lambda *_: pytest.fail("read from the start"))
    found = {f.ordinal: f.full_rgb() for f in fetch_frames(THEORA, [101, 106], passed)}
    assert all(np.array_equal(found[n], wanted[n]) for n in found) and len(found) == 2


@pytest.mark.slow
def test_perf_measures_a_file_with_empty_packets(cli) -> None:
    status, out, err = cli("perf", THEORA, "extractors=[uniform]", "repeats=3", "--json")
    assert status == 0, err
    assert json.loads(out)["frames"] == 107


# ---- AVI: a frame clock, in the order of decoding -----------------------------------------------


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_frames_flushed_at_the_end_of_an_avi_keep_its_step(threads, n_threads) -> None:
    threads(n_threads)
    reader = read(BFRAMES)
    assert reader.times == pytest.approx(np.arange(100) / 25)
    assert reader.health.decoded_duration_s == pytest.approx(4.0)
    assert not reader.health.variable_rate and not reader.health.missing_pts
    assert state_of(reader) == "unusual", "the container counts its empty ticks as frames"


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mpeg2video"])
def test_times_of_an_avi_with_b_frames(encode, pictures, threads, codec) -> None:
    for n_frames in (2, 3, 40):
        path = encode("v.avi", pictures(n_frames), codec=codec, options={"bf": "2", "g": "12"})
        for n_threads in (1, 4):
            threads(n_threads)
            assert read(path).times == pytest.approx(np.arange(n_frames) / 25)


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4", "libx264"])
def test_dropped_frames_of_an_avi_are_no_damage(encode, pictures, codec) -> None:
    stamps = [*range(20), *range(27, 40)]
    form = {"pix_fmt": "yuvj420p", "color_range": 2} if codec == "mjpeg" else {}
    reader = read(encode("v.avi", pictures(33), codec=codec, pts=stamps, options={"bf": "0"}, **form))
    assert reader.times == pytest.approx(np.array(stamps) / 25)
    assert reader.health.empty_packets == 7 and not reader.health.gaps and not reader.health.truncated_tail
    assert state_of(reader) != "damaged"


# ---- declared lengths ---------------------------------------------------------------------------

MINUTE = "00:01:00.000000000"
CASES = [(suffix, {"start": 20}, 2) for suffix in (".mkv", ".nut", ".wmv", ".flv", ".mp4", ".mov", ".ts")]
CASES += [(suffix, how, 2) for suffix in (".mkv", ".mp4") for how in ({"start": 4, "sound_s": 6}, {"sound_s": 9})]
CASES += [(suffix, {"start": 3, "sound_s": 9}, None) for suffix in (".wmv", ".mkv", ".mp4")]
CASES += [  # a length inherited from another file counts nothing
    (suffix, {"tags": {name: MINUTE}}, None)
    for suffix in (".mkv", ".nut", ".ogg")
    for name in ("DURATION", "DURATION-eng", "Duration")
]


@pytest.mark.parametrize(("suffix", "how", "length"), CASES)
def test_a_whole_file_is_not_called_truncated(encode, pictures, tmp_path, suffix, how, length) -> None:
    codec = {".wmv": "mpeg4", ".ogg": "libvpx"}.get(suffix, "libx264")
    source = encode("v.webm" if suffix == ".ogg" else "v.mp4", pictures(50), codec=codec)
    path = copied(source, tmp_path / f"w{suffix}", **how)
    health = (reader := read(path)).health
    assert health.decoded_frames == 50 and not health.truncated_tail and reader.times[0] >= how.get("start", 0)
    assert not any("declared" in text for text in health.problems)
    if length and health.declared_duration_s:
        assert health.declared_duration_s == pytest.approx(length, abs=0.2)
    assert scan_packets(path).health.declared_duration_s == health.declared_duration_s


def test_lengths_that_are_not_those_of_the_video(encode, pictures, tmp_path) -> None:
    """Sound that goes on in a Matroska file without tags, and one written to a pipe, which declares its source only."""
    source = encode("v.mp4", pictures(50))
    sound = copied(source, tmp_path / "v.mkv", sound_s=9)
    sound.write_bytes(sound.read_bytes().replace(b"DURATION", b"DURASION"))  # other programs write no such tags
    piped = copied(source, tmp_path / "pipe.mkv", tags={"DURATION": MINUTE}, piped=True)
    with av.open(str(piped)) as container:
        assert container.duration == 60_000_000, "the case: FFmpeg's muxer takes the tag for the file's length"
    for path in (sound, piped):
        health = read(path).health
        assert not health.truncated_tail
        assert scan_packets(path).health.declared_duration_s == health.declared_duration_s


@pytest.mark.parametrize("suffix", [".mkv", ".flv", ".mp4"])
@pytest.mark.parametrize("start", [0, 20])
def test_a_length_is_told_before_decoding_and_a_cut_after_it(encode, pictures, tmp_path, suffix, start) -> None:
    mux = {"movflags": "faststart"} if suffix == ".mp4" else {}
    path = copied(encode("v.mp4", pictures(100)), tmp_path / f"whole{suffix}", start=start, sound_s=4 + start, mux=mux)
    with VideoReader(path) as reader:
        assert start or reader.health.declared_duration_s == pytest.approx(4, abs=0.2)
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    path.write_bytes(path.read_bytes()[: (places[0] + places[-1]) // 2])  # sound may fill the first half of the file
    assert read(path).health.truncated_tail


# ---- covers -------------------------------------------------------------------------------------


def sound_with_cover(path, codec, picture) -> Path:
    with av.open(str(path), "w") as out:
        sound, cover = out.add_stream(codec, rate=44100), out.add_stream("png", rate=25)
        cover.height, cover.width, cover.pix_fmt = *picture.shape[:2], "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        out.mux([*cover.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")), *cover.encode(None)])
        wave = av.AudioFrame(format=sound.codec_context.format.name, layout=sound.layout.name, samples=1024)
        for plane in wave.planes:
            plane.update(bytes(plane.buffer_size))
        wave.rate, wave.pts = 44100, 0
        out.mux([*sound.encode(wave), *sound.encode(None)])
    return path


@pytest.mark.parametrize(("suffix", "codec"), [(".m4a", ""), (".flac", "flac"), (".mp3", "libmp3lame")])
def test_a_sound_file_with_a_cover_holds_no_video(tmp_path, pictures, suffix, codec) -> None:
    path = sound_with_cover(tmp_path / f"song{suffix}", codec, pictures(1)[0]) if codec else FILES / "song.m4a"
    with av.open(str(path)) as container:
        assert container.streams.best("video") is not None, "the case: FFmpeg chooses the cover"
    for reading in (read, scan_packets, decoded, lambda path: read_pass(path, {"every": ()})):
        with pytest.raises(VideoError, match="no video stream"):
            reading(path)


@pytest.mark.parametrize("picture", ["attached_pic", "timed_thumbnails", "still_image"])
def test_a_video_is_chosen_before_any_picture(picture) -> None:
    kind = int(av.stream.Disposition[picture])

    def chosen(best, *dispositions):
        made = [
            SimpleNamespace(index=i, disposition=av.stream.Disposition(d), bit_rate=None, codec_context=True)
            for i, d in enumerate(dispositions)
        ]
        streams = SimpleNamespace(video=made, best=lambda _: made[best])  # FFmpeg's choice
        return video_stream(SimpleNamespace(streams=streams), "v.mp4").index

    assert (chosen(0, kind | 1, 0, 1), chosen(1, kind, 0)) == (2, 1)
    with pytest.raises(VideoError, match="no video stream"):
        chosen(0, kind, kind | 1)
