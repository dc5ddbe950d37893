"""Reading a folder of images as a video, several images side by side; and opening either kind of video."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
from numpy.typing import NDArray

from ..core.errors import VideoError
from ..core.files import printable
from ..core.threads import in_order, n_cores
from .cost_meter import CostMeter
from .decode import Reader, VideoReader, decoder_threads
from .frame import Frame, checksum
from .frame_folder import DEFAULT_FPS, NAMED, FrameFolder, VideoPath, as_video, listed, numbering_notes
from .health import Health
from .image_files import UnreadableError, quiet_pillow, read_rgb

_HELD_BYTES = 128_000_000  # of images that are read ahead; of larger ones there is one
T = TypeVar("T")
R = TypeVar("R")


def open_video(path: VideoPath, meter: CostMeter | None = None) -> Reader:
    """Return a reader of the video at ``path``; `VideoError` says why there is none."""
    video = as_video(path)
    return FolderReader(video, meter) if isinstance(video, FrameFolder) else VideoReader(video, meter)


class FolderReader(Reader):
    """Read the images of a folder in order; see `Reader` and `FrameFolder`.

    Raises `VideoError` when there is no image, or (at the end of iteration) none could be read.
    """

    def __init__(self, path: FrameFolder, meter: CostMeter | None = None) -> None:
        super().__init__(path, meter)
        self.folder = path
        self._files = path.files()
        self._ticks = path.ticks(self._files)
        self.frame_s = 1 / path.rate
        self.health = Health(declared_frames=len(self._files))
        self._unreadable: list[str] = []
        self._sizes: list[tuple[int, int]] = []
        self._examples: dict[tuple[int, int], str] = {}
        self._quiet = ExitStack()

    def __enter__(self) -> FolderReader:
        self._quiet.enter_context(quiet_pillow())
        return self

    def close(self) -> None:
        """Let Pillow warn again; files are open only while they are read."""
        self._quiet.close()

    def __iter__(self) -> Iterator[Frame]:
        pictures = _side_by_side(_read, self._files, _bytes_of)
        for file, tick, found in zip(self._files, self._ticks.tolist(), pictures, strict=True):
            if isinstance(found, str):
                self._unreadable.append(f"{printable(file.name)} ({found})")
                self.health.decode_errors = len(self._unreadable)
                self.health.declared_frames = len(self._files) - len(self._unreadable)
            else:
                frame = _frame(found, len(self._pts), tick / self.folder.rate, self.meter)
                self._sizes.append((frame.height, frame.width))
                self._examples.setdefault(self._sizes[-1], printable(file.name))
                self._note(frame, tick)
                yield frame
        if not self._pts:
            reason = f"none of its {len(self._files)} images can be read: {listed(self._unreadable)}"
            raise VideoError(self.folder, reason)
        self.health.judge_times(self.times, self.frame_s)
        self.health.notes += self._notes()

    def _notes(self) -> list[str]:
        notes = [f"images that cannot be read: {listed(self._unreadable)}"] if self._unreadable else []
        if self.folder.photographs:
            return notes
        if len(self._examples) > 1:
            self.health.size_changes = sum(a != b for a, b in itertools.pairwise(self._sizes))
            shown = Counter(self._sizes).most_common(NAMED)
            sizes = [f"{h} x {w} ({n}, such as {self._examples[h, w]})" for (h, w), n in shown]
            notes.append(f"images have {len(self._examples)} sizes (height x width): {', '.join(sizes)}")
        notes += numbering_notes(self._files)
        if self.folder.fps is None:
            notes.append(f"times assume the default of {DEFAULT_FPS:g} images per second; fps=N sets another")
        return notes


def read_pictures(
    folder: FrameFolder, wanted: Iterable[int], pts: NDArray[np.int64], checksums: NDArray[np.uint32]
) -> Iterator[Frame]:
    """Yield single frames of a folder that was read before, by the ordinals ``wanted``, in their order.

    A frame's file is found by its time and checksum: ``pts`` and ``checksums``, [N], are of all frames of that pass.
    Raises `VideoError` when one of them is not there any more.
    """
    files = folder.files()
    ticks = folder.ticks(files)

    def find(ordinal: int) -> tuple[int, Frame | None]:
        for candidate in np.flatnonzero(ticks == pts[ordinal]):  # several where a number repeats
            found = _read(files[candidate])
            if not isinstance(found, str):
                frame = _frame(found, ordinal, int(pts[ordinal]) / folder.rate)
                if checksum(frame) == int(checksums[ordinal]):
                    return ordinal, frame
        return ordinal, None

    with quiet_pillow():
        for ordinal, frame in _side_by_side(find, wanted, lambda found: found[1].held_bytes if found[1] else 0):
            if frame is None:
                raise VideoError(folder, f"image {ordinal} can no longer be read, or has changed")
            yield frame


def _read(file: Path) -> av.VideoFrame | str:
    """Return the image of a file, or why there is none."""
    try:
        return av.VideoFrame.from_numpy_buffer(read_rgb(file), format="rgb24")  # not copied
    except UnreadableError as error:
        return str(error)
    except (ValueError, av.error.FFmpegError) as error:
        return f"its size is not taken ({error})"


def _bytes_of(found: av.VideoFrame | str) -> int:
    return 0 if isinstance(found, str) else 3 * found.width * found.height


def _frame(raw: av.VideoFrame, ordinal: int, time: float, meter: CostMeter | None = None) -> Frame:
    frame = Frame(raw, ordinal, time, meter)
    frame.key_frame, frame.picture_type = True, "I"  # each is coded by itself
    return frame


def _side_by_side(read: Callable[[T], R], items: Iterable[T], n_bytes: Callable[[R], int]) -> Iterator[R]:
    """Yield ``read(item)`` in order, by as many threads as a decoder has, and fewer at a time where results are large.

    With one decoder thread there are no others: a worker then uses one core.
    """
    threads = decoder_threads() or n_cores()
    if threads == 1:
        yield from map(read, items)
        return
    largest = 0

    def measured(item: T) -> R:
        nonlocal largest
        found = read(item)
        largest = max(largest, n_bytes(found))
        return found

    def room() -> int:
        return min(2 * threads, _HELD_BYTES // largest) if largest else 1

    yield from in_order(measured, items, threads=threads, room=room)
