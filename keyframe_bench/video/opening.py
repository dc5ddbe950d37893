"""The one place that tells a folder of pictures from a video file, for everything that takes the path of a video."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ..core.errors import UnavailableError, VideoError
from ..core.feature import Feature, opens_file
from ..core.files import printable, sha256_of_file
from .decode import VideoReader, check_file
from .folder_reader import FolderReader
from .frame_folder import FrameFolder, VideoPath, as_video
from .ledger import Ledger
from .reader import Reader


def check_video(path: VideoPath) -> None:
    """Raise `VideoError` with the reason when there is no readable file, or no folder with pictures, at ``path``."""
    video = as_video(path)
    if isinstance(video, FrameFolder):
        video.files()
    else:
        check_file(video)


def check_tools(path: VideoPath, features: Iterable[Feature]) -> None:
    """Raise `UnavailableError` when one of ``features`` opens the file itself, and ``path`` is a folder of pictures."""
    if opens_file(features) and isinstance(as_video(path), FrameFolder):
        raise UnavailableError(
            f"this tool opens video files itself, and {os.fspath(path)!r} is a folder of pictures; make a video of it "
            "first, or leave the tool out"
        )


def open_video(path: VideoPath, ledger: Ledger | None = None) -> Reader:
    """Return a reader of the video at ``path``; `VideoError` says why there is none."""
    video = as_video(path)
    return FolderReader(video, ledger) if isinstance(video, FrameFolder) else VideoReader(video, ledger)


def sha256_of_video(path: VideoPath) -> str:
    """Return the sha256 of a file's bytes, or what stands for it of a folder (`FrameFolder.sha256`), in hex."""
    video = as_video(path)
    return video.sha256() if isinstance(video, FrameFolder) else sha256_of_file(video)


def file_stamp(path: VideoPath) -> tuple[int, int]:
    """Return size in bytes and time of change in ns of ``path``, which tell whether it was written to since.

    Of a folder they are the bytes of all pictures, and a number that depends on the times of all of them.

    Raises
    ------
    VideoError
        When it is gone.
    """
    video = as_video(path)
    if isinstance(video, FrameFolder):
        return video.stamp()
    try:
        status = video.stat()
    except (OSError, ValueError) as error:
        raise VideoError(video, getattr(error, "strerror", None) or str(error)) from error
    return status.st_size, status.st_mtime_ns


def video_name(path: VideoPath) -> str:
    """Return the name of a video's file or folder as it can be printed and stored anywhere."""
    return printable(as_video(path).name)
