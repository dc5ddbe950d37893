"""Pictures fetched later are those of a decode from the start, whatever wrote the file: codecs x containers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keyframe_bench.features.gray import Gray
from keyframe_bench.video import fetch as pictures_module
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.fetch import fetch_frames
from keyframe_bench.video.frame import Frame
from keyframe_bench.video.onepass import Pass, read_pass

FFMPEG = shutil.which("ffmpeg")
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


def planes(frame: Frame) -> list[bytes]:
    """Every sample as coded."""
    return [plane.tobytes() for plane in frame.planes()]


@pytest.mark.slow
@pytest.mark.skipif(FFMPEG is None, reason="there is no ffmpeg program")
@pytest.mark.parametrize("codec", CODECS)
def test_fetched_is_decoded_in_sequence(codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from_the_start: list[list[int]] = []
    decode = pictures_module._by_decoding

    def noted(path: Any, wanted: list[int], read: Pass) -> Iterator[Frame]:
        from_the_start.append(list(wanted))
        return decode(path, wanted, read)

    monkeypatch.setattr(pictures_module, "_by_decoding", noted)
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
