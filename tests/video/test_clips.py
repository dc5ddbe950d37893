"""Parts of a video as files: exactly the frames that were promised, copied bit for bit or encoded close to them."""

from __future__ import annotations

import errno
import itertools
import resource
from fractions import Fraction
from pathlib import Path
from unittest.mock import MagicMock

import av
import numpy as np
import pytest

from keyframe_bench.core.errors import OutputError, VideoError
from keyframe_bench.features.images import Gray
from keyframe_bench.video import clips as clips_module
from keyframe_bench.video.clips import write_clips
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.onepass import read_pass


def groups(keyint, bframes=3, open_groups=0):
    params = f"keyint={keyint}:min-keyint={keyint}:scenecut=0:b-adapt=0:bframes={bframes}:open-gop={open_groups}"
    return {"options": {"crf": "16", "x264-params": params}}


@pytest.fixture
def paired(encode, pictures):
    """24 frames in groups of two, so that every second frame can be cut at."""
    return encode("v.mp4", pictures(24), **groups(2, bframes=0))


def decoded(path):
    return read_pass(path, {"every": [Gray(2, 2)]}, sha256="-")


def look(path, ordinals):
    """A hash of the planes, and the upright RGB image (made small, if it is large), of frames."""
    with VideoReader(path) as reader:
        return {
            frame.ordinal: (
                hash(tuple(np.ascontiguousarray(plane).tobytes() for plane in frame.planes())),
                frame.rgb(min(frame.height, 90), min(frame.width, 160)).copy(),
            )
            for frame in itertools.islice(reader, max(ordinals) + 1)
            if frame.ordinal in ordinals
        }


def psnr(a, b):
    return float(10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-9)))


def write(path, spans, out, snap_s=0.0):
    """Write, and check all that holds for every part of every video."""
    read = decoded(path)
    files, video_bytes = write_clips(path, spans, out, read, snap_s=snap_s)
    assert sorted(p.name for p in out.iterdir()) == sorted(file.name for file in files)
    assert 0 < video_bytes <= path.stat().st_size
    times, ordinals = read.times, {n for file in files for n in range(file.first - 1, file.end + 1)}
    source = look(path, ordinals & set(range(len(times))))
    ends = [0, *(file.end for file in files)]
    for file, (first, end), before in zip(files, spans, ends, strict=False):
        assert before <= file.first <= first and end <= file.end
        assert file.copied or (file.first, file.end) == (first, end)
        assert times[first] - times[file.first] <= snap_s and times[file.end - 1] - times[end - 1] <= snap_s
        assert file.bytes == (out / file.name).stat().st_size and file.reason
        again = decoded(out / file.name)
        assert again.info.n_frames == file.end - file.first
        assert again.health.declared_frames in (again.info.n_frames, None)
        assert not again.health.decode_errors and not again.health.truncated_tail
        wanted = times[file.first : file.end]
        assert np.allclose(again.times - again.times[0], wanted - wanted[0], atol=1e-6), file
        pictures = look(out / file.name, set(range(again.info.n_frames)))
        for n, (planes, picture) in enumerate(pictures.values(), start=file.first):
            assert picture.shape == source[n][1].shape
            assert planes == source[n][0] or not file.copied, (file, n)
            likeness = {m: psnr(picture, source[m][1]) for m in (n - 1, n, n + 1) if m in source}
            assert likeness[n] > 28, (file, n, likeness)
            assert likeness[n] == max(likeness.values()), "a neighbouring frame is written"
    return files


COPIED = {
    "b frames", "no b frames", "fragmented", "matroska", "variable rate", "late start", "rotated", "ten bits",
    "full range", "h265", "vp8",
}  # fmt: skip


def test_every_file_holds_the_frames_it_promises(coded, coding, tmp_path) -> None:
    if coding == "vp8 hidden":  # its images are too coarse to be compared
        return
    spans = [(0, 5), (12, 24), (27, 34), (36, 37), (50, 60)]
    exact = write(coded(coding), spans, tmp_path / "exact")
    assert [(file.first, file.end) for file in exact] == spans
    assert not exact[2].copied  # nothing begins at frame 27
    widened = write(coded(coding), spans, tmp_path / "widened", snap_s=0.5)
    assert widened[1].copied == (coding in COPIED), [file.reason for file in widened]
    assert not any("do not read" in file.reason for file in exact + widened)


def test_a_part_begins_at_a_key_picture_and_ends_where_packets_can_be_cut(encode, pictures, tmp_path) -> None:
    """Groups of 12 frames, I b b b P b b b P b b P: after frames 0, 4, 8 and 11 all packets so far are shown."""
    path = encode("v.mp4", pictures(48), **groups(12))
    spans = [(0, 5), (12, 24), (24, 31), (37, 48)]
    files = write(path, spans, tmp_path / "exact")
    assert [file.copied for file in files] == [True, True, False, False]
    assert "can be cut only" in files[2].reason and "key picture before it is 0.04 s earlier" in files[3].reason
    files = write(path, spans, tmp_path / "widened", snap_s=0.2)
    found = [(file.first, file.end, file.copied) for file in files]
    assert found == [(0, 5, True), (12, 24, True), (24, 33, True), (36, 48, True)]
    assert files[2].reason == "begins at a key picture, ends 0.08 s later, where packets can be cut"
    assert files[3].reason == "begins 0.04 s earlier, at a key picture, ends where packets can be cut"
    files = write(path, [(24, 27), (27, 30), (38, 48)], tmp_path / "out", snap_s=9)  # never into a neighbour
    assert [(f.first, f.end, f.copied) for f in files] == [(24, 27, False), (27, 30, False), (36, 48, True)]
    path = encode("open.mp4", pictures(60), **groups(12, open_groups=1))
    files = write(path, [(12, 24), (36, 60)], tmp_path / "open", snap_s=0.2)
    assert not any(file.copied for file in files), "the first images of an open group refer to the group before"


@pytest.mark.parametrize("size", [(49, 66), (48, 65), (49, 65), (1, 1)])
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv422p10le", "gray"])
def test_odd_sizes(encode, pictures, tmp_path, size, pix_fmt) -> None:
    height, width = size
    path = encode("v.mkv", pictures(9, height=height, width=width), codec="ffv1", pix_fmt=pix_fmt)
    write(path, [(2, 7)], tmp_path / "out")


@pytest.mark.parametrize("snap_s", [0.0, 1.0])
@pytest.mark.parametrize("hflip", [False, True])
def test_the_way_a_picture_is_shown_is_kept(encode, pictures, tmp_path, snap_s, hflip) -> None:
    """Rotation, mirroring, shape of a pixel, colour description; and the sound is left out."""
    plain, path = encode("plain.mp4", pictures(24), **groups(12), color_range=2, colorspace=1), tmp_path / "v.mp4"
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        ours, sound = out.add_stream_from_template(source.streams[0]), out.add_stream("aac", rate=48000)
        ours.set_display_rotation(270, hflip=hflip)
        ours.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for packet in [packet for packet in source.demux() if packet.size]:
            packet.stream = ours
            out.mux(packet)
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 40_960), np.float32), format="fltp")
        silence.sample_rate, silence.pts = 48000, 0
        out.mux([*sound.encode(silence), *sound.encode()])
    (file,) = write(path, [(13, 24)], tmp_path / "out", snap_s)
    assert file.copied == bool(snap_s)
    with av.open(str(tmp_path / "out" / file.name)) as container:
        (stream,) = container.streams
        assert stream.type == "video" and stream.sample_aspect_ratio == Fraction(4, 3)
        frame = next(container.decode(stream))
        assert (int(frame.color_range), int(frame.colorspace), abs(frame.rotation)) == (2, 1, 90)


def test_times_that_repeat_are_kept_in_order(encode, pictures, tmp_path) -> None:
    path = encode("v.mkv", pictures(8), codec="ffv1", pix_fmt="bgr0", pts=[0, 1, 1, 2, 3, 3, 4, 5])
    write_clips(path, [(1, 7)], tmp_path / "out", decoded(path), snap_s=0)
    times = decoded(tmp_path / "out" / "clip_001.mp4").times
    assert len(times) == 6 and np.all(np.diff(times) > 0)
    assert times[3:] - times[0] == pytest.approx([0.08, 0.081, 0.12], abs=1e-6)  # Matroska counts milliseconds


def test_a_copy_that_does_not_read_as_promised_is_encoded(encode, pictures, tmp_path, monkeypatch) -> None:
    path = encode("v.mp4", pictures(24), **groups(12))
    monkeypatch.setattr(clips_module, "_as_promised", lambda *_: False)
    (file,) = write(path, [(13, 24)], tmp_path / "out", snap_s=1)
    assert (file.copied, file.first, file.end) == (False, 13, 24) and "do not read" in file.reason


def test_none_many_and_names(paired, tmp_path, monkeypatch) -> None:
    files, video_bytes = write_clips(paired, [], tmp_path / "none", decoded(paired), snap_s=0)
    assert files == [] and video_bytes > 0 and not (tmp_path / "none").exists()
    files = write(paired, [(n, n + 2) for n in range(0, 24, 2)], tmp_path / "out")
    assert [file.name for file in files] == sorted(file.name for file in files) and all(f.copied for f in files)
    monkeypatch.chdir(tmp_path)
    paired.rename("concat:a|b.mp4")  # file names are not read as protocols
    files = write(Path("concat:a|b.mp4"), [(0, 12), (13, 20)], Path("pipe:1 %d"))
    assert [file.copied for file in files] == [True, False]


def test_what_cannot_be_read_or_written(encode, paired, pictures, tmp_path, snapshot) -> None:
    read = decoded(paired)
    (tmp_path / "file").write_text("a file")
    before = snapshot(tmp_path)
    with pytest.raises(OutputError, match="file"):
        write_clips(paired, [(0, 2), (4, 6)], tmp_path / "file", read, snap_s=0)
    assert snapshot(tmp_path) == before
    encode("v.mp4", pictures(13))
    with pytest.raises(VideoError, match="the file changed since it was read"):
        write_clips(paired, [(0, 5)], tmp_path / "new", read, snap_s=0)
    assert not (tmp_path / "new").exists()


def test_a_read_error_while_copying_is_one_of_the_video(paired, tmp_path, monkeypatch) -> None:
    read, real = decoded(paired), clips_module.open_stream

    def failing(path):
        source, stream = real(path)

        def demux(of):
            yield from itertools.islice(source.demux(of), 5)
            raise av.error.OSError(errno.EIO, "Input/output error")

        return MagicMock(demux=demux), stream

    monkeypatch.setattr(clips_module, "open_stream", failing)
    with pytest.raises(VideoError, match="packets stops early"):
        write_clips(paired, [(0, 2), (2, 24)], tmp_path / "out", read, snap_s=0)


@pytest.mark.parametrize(("snap_s", "limit"), [(0, 5000), (1, 10)])
def test_a_full_disk_is_told(encode, tmp_path, snap_s, limit) -> None:
    """A limit on the size of files stands in for a full disk: writing fails in the middle."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 48, 64, 3), dtype=np.uint8)
    path, out = encode("v.mp4", noise, **groups(2, bframes=0)), tmp_path / "new"
    read, (_, most) = decoded(path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    try:
        with pytest.raises(OutputError, match="File too large") as caught:
            write_clips(path, [(0, 2), (2, 60)], out, read, snap_s=snap_s)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert repr(str(out)) in str(caught.value)


SURVEILLANCE = {
    "traffic_camera.mp4": [(10, 25), (60, 70)], "traffic_camera_vfr.mp4": [(0, 10), (40, 50)],
    "one_by_one_person.mp4": [(100, 120), (130, 140)], "vtest.avi": [(0, 10), (77, 90)],
}  # fmt: skip


@pytest.mark.data
@pytest.mark.parametrize("name", SURVEILLANCE)
def test_real_cameras(data_root, tmp_path, name) -> None:
    write(data_root / "videos" / "surveillance" / name, SURVEILLANCE[name], tmp_path / "exact")


@pytest.mark.data
@pytest.mark.slow
def test_real_files_that_break_tools(data_root, tmp_path) -> None:
    """What decodes is written, frame for frame, whatever the file."""
    done = 0
    for path in sorted((data_root / "videos" / "awkward").iterdir()):
        try:
            read = decoded(path)
        except VideoError:
            continue
        n = read.info.n_frames
        for snap_s in (0.0, 2.0):
            out = tmp_path / path.name / str(snap_s)
            (file,), _ = write_clips(path, [(n // 3, n // 3 + max(1, n // 4))], out, read, snap_s=snap_s)
            again = decoded(out / file.name).info
            assert (again.n_frames, again.height) == (file.end - file.first, read.info.height), (path.name, file)
            assert again.width == read.info.width, path.name
        done += 1
    assert done > 40
