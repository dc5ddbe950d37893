"""A folder of pictures that is a video: which files, in which order, when each is shown, and what is odd about it."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError, VideoError
from ..core.files import natural, printable
from ..core.hashes import sha256_of_all
from ..core.params import Parameter, Range
from .image_files import is_image_name

DEFAULT_FPS = 25.0
NAMED = 5  # things of a kind that a note names

VIDEO_EXTENSIONS = frozenset(
    [
        *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
        *(".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
    ]
)

_NUMBER = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)
_LARGEST = 2**62
_OPTIONS = (
    Parameter("fps", (float,), range=Range(1e-6, 1e6)),
    Parameter("times", (), choices=("index", "names")),
)


@dataclass(frozen=True)
class FrameFolder:
    """A folder whose pictures are the frames of a video; it goes wherever the path of a video does.

    Its frames are the picture files directly in it, in natural order of their names (``frame_2`` before ``frame_10``);
    hidden files, other files and folders are passed over. Picture n is shown at ``n / fps`` seconds, counted over all
    picture files: one that cannot be read leaves a gap and does not shift the others.

    Parameters
    ----------
    path : Path
    fps : float, optional
        Pictures per second; by default 25, and the health record says so.
    times : {"index", "names"}
        "names": a picture is shown at the last number in its name divided by ``fps``.
    photographs : bool
        The pictures are not of one scene: sizes may differ, and order and numbers mean nothing.

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
        for parameter in _OPTIONS:
            value = getattr(self, parameter.name)
            if value is not None or parameter.name != "fps":
                object.__setattr__(self, parameter.name, parameter.check(value, "folder of pictures"))
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
        """Pictures per second."""
        return DEFAULT_FPS if self.fps is None else self.fps

    @property
    def time_base(self) -> Fraction:
        """Seconds per picture, as a fraction whose parts are small."""
        if self.rate < 1:
            return Fraction(1 / self.rate).limit_denominator(1001)
        return 1 / Fraction(self.rate).limit_denominator(1001)

    def absolute(self) -> FrameFolder:
        """Return the same folder by its absolute path."""
        return FrameFolder(self.path.absolute(), self.fps, self.times, self.photographs)

    def files(self) -> list[Path]:
        """Return the picture files in order.

        Raises
        ------
        VideoError
            If the folder cannot be read, no picture lies in it, or video files do too and ``fps`` is not given: then
            pictures are taken for covers.
        """
        try:
            with os.scandir(self.path) as entries:
                found = [entry.name for entry in entries if not entry.is_dir()]
        except (OSError, ValueError) as error:
            raise VideoError(self.path, getattr(error, "strerror", None) or str(error)) from error
        names = [name for name in found if is_image_name(name)]
        doubt = "" if names else "no picture lies directly in it"
        if names and self.fps is None and any(Path(name).suffix.lower() in VIDEO_EXTENSIONS for name in found):
            doubt = "there are video files in it; fps=N takes its pictures all the same"
        if doubt:
            raise VideoError(
                self.path,
                f"it is a folder; use keyframe-bench run dataset=folder dataset.root=DIR for many videos ({doubt})",
            )
        return [self.path / name for name in sorted(names, key=natural)]

    def ticks(self, files: Sequence[Path]) -> NDArray[np.int64]:
        """Return when each picture is shown, in units of ``1 / fps`` seconds, int64 [N].

        Raises
        ------
        VideoError
            If ``times`` is "names" and a name has no number, or one that is too large.
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
        """Return the bytes of all pictures, and a number that changes when one is written to, added or removed.

        Raises
        ------
        VideoError
            As `files` does.
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
        """Return a hash of the names and bytes of all pictures and of the options, in hex.

        Raises
        ------
        VideoError
            As `files` does.
        """
        files = self.files()
        state = hashlib.sha256(f"{self.fps} {self.times} {self.photographs}\n".encode())
        for file, found in zip(files, sha256_of_all(files), strict=True):
            state.update(b"%s\0%s\n" % (os.fsencode(file.name), str(found).encode()))
        return state.hexdigest()


Video = Path | FrameFolder
VideoPath = str | os.PathLike[str]


def as_video(path: VideoPath, fps: float | None = None, times: str | None = None) -> Video:
    """Return what stands for the video at ``path``: a `FrameFolder` for a folder, else a path.

    Parameters
    ----------
    path : path-like
    fps, times : optional
        As for `FrameFolder`; only of a folder.

    Raises
    ------
    UsageError
        When an option is wrong, or given for a file: that states its times itself.
    VideoError
        When the path is empty.
    """
    given: dict[str, Any] = {name: value for name, value in (("fps", fps), ("times", times)) if value is not None}
    if isinstance(path, FrameFolder):
        return replace(path, **given)
    if not os.fspath(path):  # `Path` takes it for the current folder
        raise VideoError(path, "no such file")
    if _is_folder(path):
        return FrameFolder(Path(path), **given)
    if given:
        from .decode import check_file  # which loads FFmpeg: data sets are listed without

        check_file(path)
        raise UsageError(
            f"{next(iter(given))}= is for folders of pictures, and {os.fspath(path)!r} is a file, which states its "
            "times itself; leave it out"
        )
    return Path(path)


def _is_folder(path: VideoPath) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (OSError, ValueError):  # told by who opens it
        return False


@dataclass
class _Series:
    """Names that differ in their last number only."""

    numbers: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def repeated(self) -> Iterator[str]:
        for i in range(1, len(self.numbers)):
            if self.numbers[i] == self.numbers[i - 1]:
                yield f"{self.numbers[i]} ({self.files[i - 1]}, {self.files[i]})"

    def missing(self) -> list[tuple[int, int]]:
        """Return first and last of the numbers that are not there; none where there is no usual step."""
        numbers = sorted(set(self.numbers))
        pairs = list(itertools.pairwise(numbers))
        steps = Counter(after - before for before, after in pairs)
        usual, count = min(steps.items(), key=lambda step: (-step[1], step[0]), default=(0, 0))
        if 2 * count < len(pairs):
            return []
        return [(before + usual, after - usual) for before, after in pairs if after - before > usual]


def numbering_notes(files: Sequence[Path]) -> list[str]:
    """Return what is odd about the numbers in the names, a sentence each: some missing, some twice, several series."""
    series: defaultdict[tuple[str, str], _Series] = defaultdict(_Series)
    for file in files:
        if found := _NUMBER.fullmatch(file.stem):
            one = series[found[1], found[3]]
            one.numbers.append(int(found[2]))
            one.files.append(printable(file.name))
    long = [one for one in series.values() if len(one.numbers) > 1]
    notes = []
    gaps = [f"{a}" if a >= b else f"{a} to {b}" for one in long for a, b in one.missing()]
    if gaps:
        notes.append(f"numbers are missing in the names: {listed(gaps)}")
    twice = [text for one in long for text in one.repeated()]
    if twice:
        notes.append(f"numbers stand in two names: {listed(twice)}")
    if len(long) > 1:
        starts = [f"{one.files[0]} ... ({len(one.files)})" for one in long]
        notes.append(f"the names have {len(long)} numberings, taken one after the other: {listed(starts)}")
    return notes


def listed(texts: Sequence[str]) -> str:
    """Return the first few of ``texts``, and how many more there are.

    >>> listed(["a", "b"])
    'a, b'
    """
    more = len(texts) - NAMED
    return ", ".join(texts[:NAMED]) + (f" and {more} more" if more > 0 else "")
