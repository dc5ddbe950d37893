"""What stands for a video: the path of a file, or a folder whose images are the frames; nothing is decoded here."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UnavailableError, UsageError, VideoError, os_reason
from ..core.feature import Feature, opens_file
from ..core.files import natural, printable, sha256_of_all, sha256_of_file
from ..core.registry import Parameter, Range
from .image_files import is_image_name

DEFAULT_FPS = 25.0
TIMELINE_FPS = 20  # samplings that divide it see the same times, whatever others there are
NAMED = 5  # things of a kind that a note names

_FILMS = ".3g2 .3gp .asf .avi .divx .f4v .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .vob .webm .wmv .y4m"
VIDEO_EXTENSIONS = frozenset(_FILMS.split())

_NUMBER = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)
_LARGEST = 2**62
_MANY = "it is a folder; use keyframe-bench run dataset=folder dataset.root=DIR, or map DIR/*.mp4, for many videos"
_FPS = Parameter("fps", (float,), range=Range(1e-6, 1e6))
_TIMES = Parameter("times", (), choices=("index", "names"))


@dataclass(frozen=True)
class FrameFolder:
    """A folder whose images are the frames of a video; it goes wherever the path of a video does.

    Its frames are the image files directly in it, in natural order of their names (``frame_2`` before ``frame_10``);
    hidden files, other files and folders are passed over. Image n is shown at ``n / fps`` seconds, counted over all
    image files: one that cannot be read leaves a gap and does not shift the others.

    Parameters
    ----------
    path : Path
    fps : float, optional
        Images per second; by default 25, and the health record says so.
    times : {"index", "names"}
        "names": an image is shown at the last number in its name divided by ``fps``.
    photographs : bool
        The images are not of one scene: sizes may differ, and order and numbers mean nothing.

    Raises
    ------
    UsageError
        When an option is wrong.
    """

    path: Path
    fps: float | None = None
    times: Literal["index", "names"] = "index"
    photographs: bool = False

    def __post_init__(self) -> None:
        if self.fps is not None:
            object.__setattr__(self, "fps", _FPS.check(self.fps, "folder of images"))
        _TIMES.check(self.times, "folder of images")
        object.__setattr__(self, "path", Path(self.path))

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """The folder's name, of ``.`` too."""
        return (self.path if self.path.name not in ("", "..") else self.path.resolve()).name or "pictures"

    @property
    def stem(self) -> str:
        """The same: what follows a dot in the name of a folder is no suffix."""
        return self.name

    @property
    def rate(self) -> float:
        """Images per second."""
        return DEFAULT_FPS if self.fps is None else self.fps

    @property
    def time_base(self) -> Fraction:
        """Seconds per image, as a fraction whose parts are small."""
        if self.rate < 1:
            return Fraction(1 / self.rate).limit_denominator(1001)
        return 1 / Fraction(self.rate).limit_denominator(1001)

    def absolute(self) -> FrameFolder:
        """Return the same folder by its absolute path."""
        return replace(self, path=self.path.absolute())

    def files(self) -> list[Path]:
        """Return the image files in order.

        Raises `VideoError` if the folder cannot be read, no image lies in it, or video files do too and ``fps`` is not
        given: then images are taken for covers.
        """
        with _errors_named(self.path), os.scandir(self.path) as entries:
            found = [entry.name for entry in entries if not entry.is_dir()]
        names = [name for name in found if is_image_name(name)]
        doubt = "" if names else "no image lies directly in it"
        if names and self.fps is None and any(Path(name).suffix.lower() in VIDEO_EXTENSIONS for name in found):
            doubt = "there are video files in it; fps=N takes its images all the same"
        if doubt:
            raise VideoError(self.path, f"{_MANY} ({doubt})")
        return [self.path / name for name in sorted(names, key=natural)]

    def ticks(self, files: Sequence[Path]) -> NDArray[np.int64]:
        """Return when each image is shown, in units of ``1 / fps`` seconds, int64 [N].

        Raises `VideoError` if ``times`` is "names" and a name has no number, or one that is too large.
        """
        if self.times == "index":
            return np.arange(len(files), dtype=np.int64)
        numbers = []
        for file in files:
            found = _NUMBER.fullmatch(file.stem)
            if found is None or int(found[2]) > _LARGEST:
                what = "no number" if found is None else "too large a number"
                raise VideoError(self.path, f"{printable(file.name)!r} has {what} in its name; give times=index")
            numbers.append(int(found[2]))
        return np.array(numbers, dtype=np.int64)

    def stamp(self) -> tuple[int, int]:
        """Return the bytes of all images, and a number that changes when one is written to, added or removed.

        Raises `VideoError` as `files` does.
        """
        size, state = 0, hashlib.sha256()
        for file in self.files():
            try:
                about = file.stat()
                size += about.st_size
                state.update(b"%s\0%d %d\n" % (os.fsencode(file.name), about.st_size, about.st_mtime_ns))
            except OSError:  # a link to nowhere
                state.update(b"%s\0\n" % os.fsencode(file.name))
        return size, int.from_bytes(state.digest()[:7], "big")

    def sha256(self) -> str:
        """Return a hash of the names and bytes of all images and of the options, in hex.

        Raises `VideoError` as `files` does.
        """
        files = self.files()
        state = hashlib.sha256(f"{self.fps} {self.times} {self.photographs}\n".encode())
        for file, found in zip(files, sha256_of_all(files), strict=True):
            state.update(b"%s\0%s\n" % (os.fsencode(file.name), str(found).encode()))
        return state.hexdigest()


@dataclass(frozen=True)
class Timeline:
    """A video that is not at hand: all that is known is how long it lasts. It has times, and no pixels.

    Attributes
    ----------
    name : str
    duration_s : float
    also : tuple of float
        Times in seconds at which there is a frame too, beside `TIMELINE_FPS` a second.
    """

    name: str
    duration_s: float
    also: tuple[float, ...] = ()

    def __fspath__(self) -> str:
        return self.name

    @property
    def times(self) -> NDArray[np.float64]:
        """Time of every frame in seconds, increasing, float64 [N]."""
        grid = np.arange(max(1, int(self.duration_s * TIMELINE_FPS))) / TIMELINE_FPS
        return np.union1d(grid, [time for time in self.also if time <= self.duration_s])

    def sha256(self) -> str:
        """Return a hash of all that is known, in hex."""
        return hashlib.sha256(repr((self.name, self.duration_s, sorted(self.also))).encode()).hexdigest()


Video = Path | FrameFolder
VideoPath = str | os.PathLike[str]


def as_video(path: VideoPath, fps: float | None = None, times: str | None = None) -> Video:
    """Return what stands for the video at ``path``: a `FrameFolder` for a folder, else a path.

    ``fps`` and ``times``: as for `FrameFolder`; only of a folder. Raises `UsageError` when an
    option is wrong, or given for a file, which states its own times; `VideoError` when the path is empty.
    """
    given: dict[str, Any] = {name: value for name, value in (("fps", fps), ("times", times)) if value is not None}
    if isinstance(path, FrameFolder):
        return replace(path, **given)
    if not os.fspath(path):  # `Path` takes it for the current folder
        raise VideoError(path, "no such file")
    if os.path.isdir(path):  # noqa: PTH112 - False for names that no path can have
        return FrameFolder(Path(path), **given)
    if given:
        check_file(path)
        raise UsageError(
            f"{next(iter(given))}= is for folders of images, and {os.fspath(path)!r} is a file, which states its own "
            "times; leave it out"
        )
    return Path(path)


@contextmanager
def _errors_named(path: VideoPath) -> Iterator[None]:
    """Turn errors of the file system, and of names that no file can have, into `VideoError`."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise VideoError(path, os_reason(error)) from error


def check_file(path: VideoPath) -> None:
    """Raise `VideoError` with the reason when ``path`` is no readable, non-empty regular file."""
    with _errors_named(path):
        try:
            status = os.stat(path)
        except FileNotFoundError:
            raise VideoError(path, "no such file") from None
        if stat.S_ISDIR(status.st_mode):
            raise VideoError(path, _MANY)
        if not stat.S_ISREG(status.st_mode):
            raise VideoError(path, "it is not a regular file")
        if status.st_size == 0:
            raise VideoError(path, "the file is empty")
        with open(path, "rb"):
            pass


def check_video(path: VideoPath, features: Iterable[Feature] = ()) -> None:
    """Raise `VideoError` when there is no readable file, or no folder with images, at ``path``.

    `UnavailableError` when one of ``features`` opens the file itself and ``path`` is a folder.
    """
    if isinstance(path, Timeline):
        return
    video = as_video(path)
    if not isinstance(video, FrameFolder):
        check_file(video)
        return
    video.files()
    if opens_file(features):
        raise UnavailableError(
            f"this tool opens video files itself, and {os.fspath(path)!r} is a folder of images; make a video of it "
            "first, or leave the tool out"
        )


def sha256_of_video(path: VideoPath) -> str:
    """Return the sha256 of a file's bytes, or what stands for it of a folder (`FrameFolder.sha256`), in hex."""
    video = path if isinstance(path, Timeline) else as_video(path)
    return video.sha256() if isinstance(video, FrameFolder | Timeline) else sha256_of_file(video)


def file_stamp(path: VideoPath) -> tuple[int, int]:
    """Return size in bytes and modification time in ns of ``path``, which show whether it was written to since.

    Of a folder they are the bytes of all images, and a number that depends on the times of all of them. `VideoError`
    when it is gone.
    """
    video = as_video(path)
    if isinstance(video, FrameFolder):
        return video.stamp()
    with _errors_named(video):
        status = video.stat()
    return status.st_size, status.st_mtime_ns


def video_name(path: VideoPath) -> str:
    """Return the name of a video's file or folder, printable on one line."""
    return printable(as_video(path).name)


def numbering_notes(files: Sequence[Path]) -> list[str]:
    """Return what is odd about the numbers in the names, a sentence each: missing, repeated, several sequences."""
    sequences: defaultdict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for file in files:
        if found := _NUMBER.fullmatch(file.stem):
            sequences[found[1], found[3]].append((int(found[2]), printable(file.name)))
    long = [sequence for sequence in sequences.values() if len(sequence) > 1]
    missing, repeated = [], []
    for sequence in long:
        pairs = list(itertools.pairwise(sequence))  # in natural order: numbers do not decrease
        repeated += [f"{a} ({first}, {second})" for (a, first), (b, second) in pairs if a == b]
        steps = Counter(b - a for (a, _), (b, _) in pairs if a < b)
        usual, count = min(steps.items(), key=lambda step: (-step[1], step[0]), default=(0, 0))
        if 2 * count >= steps.total():
            holes = [(a + usual, b - usual) for (a, _), (b, _) in pairs if b - a > usual]
            missing += [f"{a}" if a >= b else f"{a} to {b}" for a, b in holes]
    notes = [f"numbers are missing in the names: {listed(missing)}"] if missing else []
    if repeated:
        notes.append(f"numbers appear in two names: {listed(repeated)}")
    if len(long) > 1:
        starts = [f"{sequence[0][1]} ... ({len(sequence)})" for sequence in long]
        notes.append(f"the names form {len(long)} sequences, taken one after the other: {listed(starts)}")
    return notes


def listed(texts: Sequence[str]) -> str:
    """Return the first few of ``texts``, and how many more there are.

    >>> listed(["a", "b"])
    'a, b'
    """
    more = len(texts) - NAMED
    return ", ".join(texts[:NAMED]) + (f" and {more} more" if more > 0 else "")
