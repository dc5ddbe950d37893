"""Baselines of speed: decoding as PyAV's documentation shows it, and libavfilter's own filters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av
import av.error
import av.filter

from ..core.errors import VideoError
from .container import READ_ERRORS, decoded_frames, error_text, open_stream, refuse_memory_error
from .folder_reader import open_video
from .frame_folder import FrameFolder, VideoPath, as_video


def decoded(path: VideoPath) -> int:
    """Decode every frame, threads on, look at none; return their number."""
    if isinstance(as_video(path), FrameFolder):
        with open_video(path) as frames:
            return sum(1 for _ in frames)
    with _opened(path) as (container, stream):
        return sum(1 for _ in decoded_frames(container, stream))


def key_frames(path: VideoPath) -> int:
    """Let the decoder skip all but key frames (FFmpeg's ``skip_frame=nokey``); return their number."""
    with _opened(path) as (container, stream):
        stream.codec_context.skip_frame = "NONKEY"
        return sum(1 for _ in decoded_frames(container, stream))


def filtered(path: VideoPath, name: str, arguments: str) -> int:
    """Push every decoded frame, in the decoder's format, through a filter of libavfilter; return how many came out.

    ``name`` and ``arguments`` are such as ``"thumbnail", "n=100"`` or ``"select", "gt(scene,0.4)"``.
    """
    with _opened(path) as (container, stream):
        graph = av.filter.Graph()
        source, filter_, sink = graph.add_buffer(template=stream), graph.add(name, arguments), graph.add("buffersink")
        source.link_to(filter_)
        filter_.link_to(sink)
        graph.configure()
        found = 0
        for frame in decoded_frames(container, stream):
            graph.push(frame)
            found += _pulled(graph)
        graph.push(None)
        return found + _pulled(graph)


def _pulled(graph: Any) -> int:
    found = 0
    while True:
        try:
            graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return found
        found += 1


@contextmanager
def _opened(path: VideoPath) -> Iterator[tuple[Any, Any]]:
    """Open the main video stream with the decoder's threads on; what stops the loop becomes a `VideoError`."""
    container, stream = open_stream(path)
    with container:
        stream.thread_type = "AUTO"
        try:
            yield container, stream
        except READ_ERRORS as error:
            refuse_memory_error(error)
            raise VideoError(path, f"baseline decoding stops ({error_text(error)})") from error
