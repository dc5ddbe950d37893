"""Frames of a fixed camera's videos."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, cast

import numpy as np
from numpy.typing import NDArray

from ...core.budget import Sampling
from ...core.errors import UsageError, VideoError
from ...core.files import digest, printable
from ...core.params import Range
from ...core.registry import register
from ...core.version import PASS_VERSION
from ...datasets.folder import EXTENSIONS, find_videos
from ...selection.spread import spread
from ..data import Pictures, TrainingData
from ..kept_pictures import Append, Facts, keep
from ._hashes import sha256_of_all
from ._splits import Split, rows_of, split_rows

_BLACK = 24  # levels of 255 that the noise of a covered lens stays below


@register("camera")
class Camera(TrainingData):
    """Frames of one fixed camera, decoded in order; of several files in the order of their names.

    A file with the same frames as an earlier one is left out.

    Parameters
    ----------
    root : str
        A video, or a folder with the videos of one camera.
    split : {"temporal", "random"}
        "temporal": the earlier frames are for training, the later ones for validation. "random": frames are drawn, so
        that nearly every validation frame has a neighbour of a few hundredths of a second in training, and the
        validation loss says little about new frames: it is there to show that leak.
    validation_share : float
        Share of the frames in validation.
    limit, limit_validation : int, optional
        At most so many frames of either, evenly spread in time.
    sampling : str
        Which frames are taken: ``every``, ``every3``, ``2fps``.
    seed : int
        Of ``split=random``; of no meaning otherwise.

    Notes
    -----
    Chen et al. 2021, section 3.1.2: about 3800, 9700 and 7800 pictures of three cameras; rate and split not stated.
    Protocols A3: temporal, 80 to 20. Frames are made small as those that the network sees at inference
    (`keyframe_bench.video.frame.Frame.rgb`).
    """

    version = 2
    description = "frames of a fixed camera's videos, earlier ones to train, later ones to validate"
    layout = (
        "one video file, or a folder with the videos of ONE camera, named so that they sort by time "
        "(cam_a/2021-03-04.mp4); "
        f"file names end in {', '.join(sorted(EXTENSIONS))}"
    )

    def __init__(
        self,
        *,
        root: str | None = None,
        split: Split = "temporal",
        validation_share: Annotated[float, Range(0.001, 0.999)] = 0.2,
        limit: Annotated[int, Range(1)] | None = None,
        limit_validation: Annotated[int, Range(1)] | None = None,
        sampling: str = "every",
        seed: Annotated[int, Range(0)] = 0,
    ) -> None:
        self.root = root
        self.split = split
        self.validation_share = validation_share
        self.limit = limit
        self.limit_validation = limit_validation
        self.sampling = sampling
        self.seed = seed

    def digest(self) -> str:
        """Return a hash of the options and of the videos' bytes."""
        return self._digest(self._frames_digest(self.files()))

    def _frames_digest(self, files: dict[str, Path]) -> str:
        """Return what the decoded frames depend on: the same for every split and limit."""
        hashes = sha256_of_all(list(files.values()))
        return digest(
            [
                *(self.name, self.version, PASS_VERSION, str(Sampling.parse(self.sampling))),
                list(zip(files, hashes, strict=True)),
            ]
        )

    def _digest(self, frames: str) -> str:
        options = {name: value for name, value in self.params.items() if name not in ("root", "sampling")}
        if self.split == "temporal":
            del options["seed"]
        return digest([frames, options])

    def pictures(self, height: int, width: int) -> Pictures:
        """Return the frames at this size, uint8, RGB; see `TrainingData.pictures`.

        Raises
        ------
        UsageError
            If there are fewer than two frames, or their size changes.
        """
        files = self.files()
        frames = self._frames_digest(files)
        decoder = _Decoder(files, Sampling.parse(self.sampling), height, width)
        kept = keep({"frames": frames}, height, width, decoder.expected(), decoder.produce)
        own = _without(len(kept.rows), cast(list[list[int]], kept.facts.pop("left_out")))
        n = len(own)
        if n < 2:
            raise UsageError(
                f"training data 'camera': {self.root!r} gives one frame at sampling={self.sampling}, training needs "
                "at least two (one to validate on); give a longer video or sampling=every"
            )
        train, validation = (own[part] for part in self._parts(n))
        return Pictures(
            train=rows_of(kept.rows, train),
            validation=rows_of(kept.rows, validation),
            name=printable(Path(str(self.root)).expanduser().resolve().name),
            digest=self._digest(frames),
            facts={
                "source": self.name,
                **kept.facts,
                "split": self.split,
                "sampling": str(Sampling.parse(self.sampling)),
                "train": len(train),
                "validation": len(validation),
            },
        )

    def files(self) -> dict[str, Path]:
        """Return the videos by name, in natural order (``cam_2`` before ``cam_10``); `UsageError` if there is none."""
        if not self.root:
            raise UsageError(f"training data 'camera' needs the camera's videos; give data.root=PATH: {self.layout}")
        root = Path(self.root).expanduser()
        if root.is_dir():
            files = find_videos(root)
            if not files:
                raise UsageError(f"training data 'camera': there is no video below {self.root!r}; give {self.layout}")
            return {name: files[name] for name in sorted(files, key=_natural)}
        if not root.exists():
            raise UsageError(f"training data 'camera': {self.root!r} does not exist; give {self.layout}")
        return {printable(root.name): root}

    def _parts(self, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of training and of validation out of ``n``, both increasing."""
        n_train = min(max(1, round(n * (1 - self.validation_share))), n - 1)
        train, validation = split_rows(n, n_train, self.split, self.seed)
        return _thinned(train, self.limit), _thinned(validation, self.limit_validation)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort numbers in names by value: ``cam_2`` before ``cam_10``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _thinned(rows: NDArray[np.int64], limit: int | None) -> NDArray[np.int64]:
    return rows if limit is None else rows[spread(len(rows), limit)]


def _without(n: int, spans: list[list[int]]) -> NDArray[np.int64]:
    """Return the rows 0 .. n - 1 without those of half-open ranges."""
    kept = np.ones(n, dtype=bool)
    for start, end in spans:
        kept[start:end] = False
    return np.flatnonzero(kept)


class _Decoder:
    """Decodes the files of one camera."""

    def __init__(self, files: dict[str, Path], sampling: Sampling, height: int, width: int) -> None:
        self._files, self._sampling, self._height, self._width = files, sampling, height, width
        self._size: tuple[int, int] | None = None  # of the first frame, and where it was
        self._first_name = ""

    def expected(self) -> int:
        """Return about how many frames there are, by what the files declare."""
        from ...video.decode import VideoReader

        total = 0.0
        for path in self._files.values():
            try:
                with VideoReader(path) as reader:
                    told = reader.health.declared_duration_s or (reader.health.declared_frames or 0) * reader.frame_s
                    rate = (
                        self._sampling.value
                        if self._sampling.kind == "fps"
                        else 1 / self._sampling.value / reader.frame_s
                    )
                    total += told * min(rate, 1 / reader.frame_s)
            except VideoError:  # told when it is decoded
                continue
        return round(total)

    def produce(self, append: Append) -> Facts:
        """Hand every sampled frame on; return what is known about the files."""
        problems: dict[str, list[str]] = {}
        unreadable: dict[str, str] = {}
        counts: dict[str, int] = {}
        seen: dict[bytes, str] = {}
        copies: dict[str, str] = {}
        left_out: list[list[int]] = []
        self._size = None
        for name, path in self._files.items():
            counts[name], pixels = 0, hashlib.sha256()
            try:
                for picture in self._sampled(name, path, problems):
                    append(picture)
                    pixels.update(picture.data)
                    counts[name] += 1
            except VideoError as error:
                if counts[name]:  # what came before it is used
                    problems.setdefault(name, []).append(error.reason)
                else:
                    unreadable[name] = error.reason
                    del counts[name]
                    continue
            if (first := seen.setdefault(pixels.digest(), name)) != name:
                end = sum(counts.values())
                left_out.append([end - counts[name], end])
                copies[name] = f"the frames of {first}"
                problems.pop(name, None)
        if not counts:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in list(unreadable.items())[:5])
            raise UsageError(f"training data 'camera': no frame can be decoded ({reasons}); give {Camera.layout}")
        height, width = self._size or (0, 0)
        facts: Facts = {"files": len(self._files), "frame_size": [height, width], "left_out": left_out}
        facts["frames"] = sum(n for name, n in counts.items() if name not in copies)
        if copies:
            facts["copies"] = copies
        if problems:
            facts["problems"] = problems
        if unreadable:
            facts["unreadable"] = unreadable
        return facts

    def _sampled(self, name: str, path: Path, problems: dict[str, list[str]]) -> Iterator[NDArray[np.uint8]]:
        from ...video.ahead import DecodedAhead
        from ...video.decode import VideoReader

        keep_it, first, varied, black = self._sampling.keeper(), None, False, True
        with VideoReader(path) as reader, DecodedAhead(reader) as frames:
            start = None
            for frame in frames:
                self._check_size(name, frame.ordinal, (frame.height, frame.width))
                start = frame.time if start is None else start
                if keep_it(frame.ordinal, frame.time - start):
                    picture = frame.rgb(self._height, self._width)
                    first = picture if first is None else first
                    varied = varied or not np.array_equal(picture, first)
                    black = black and int(picture.max()) <= _BLACK
                    yield picture
            told = [*reader.health.problems, *(["all its frames are black"] if black else [])]
            told += ["all its frames are the same picture"] if not (varied or black) else []
            if told and first is not None:
                problems[name] = told

    def _check_size(self, name: str, ordinal: int, size: tuple[int, int]) -> None:
        if self._size is None:
            self._size, self._first_name = size, name
        if size == self._size:
            return
        before = "" if name == self._first_name else f" of {self._first_name!r}"
        raise UsageError(
            f"training data 'camera': frame {ordinal} of {name!r} has {size[0]} x {size[1]} pixels (height x width), "
            f"those before it{before} have {self._size[0]} x {self._size[1]}: the view differs; cut the video there, "
            "train on a part of one size, or move the other files away"
        )
