"""Photographs: Caltech 256, or any folder of pictures in its place."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

from ...core.errors import UsageError
from ...core.files import digest, printable
from ...core.params import Range
from ...core.registry import register
from ..data import Pictures, TrainingData
from ..kept_pictures import Append, Facts, in_order, keep
from ._hashes import sha256_of_all
from ._image_files import EXTENSIONS, Image, UnreadableError, find_images, fit, read_rgb

_CALTECH_FOLDER = re.compile(r"(\d{3})\.[^/]+")
_CALTECH_ENDS = {"001.ak47", "256.toad"}
_CALTECH_PICTURES = 29_000  # published are 30,607 in 257 folders, the last of which (clutter) is often left out
_NAMED = 5  # files that the facts name


@register("image_folder")
class ImageFolder(TrainingData):
    """Every picture below a folder, at one size.

    Each picture belongs to training or validation by a hash of its path: adding pictures moves none of those that were
    there, and every class is divided in about the same ratio. A validation picture whose bytes are also those of a
    training picture is left out.

    Parameters
    ----------
    root : str
        Folder of pictures; folders below it are classes.
    validation_share : float
        Share of the pictures in validation.
    limit, limit_validation : int, optional
        At most so many pictures of either, spread over the classes; a smaller limit gives some of those of a larger
        one. One that cannot be read is replaced.
    seed : int
        Decides the split and which pictures a limit leaves.
    resize : {"stretch", "letterbox", "crop"}
        How a picture gets the network's shape: all of it with another aspect ratio, all of it between black bars, or
        its middle.

    Notes
    -----
    Chen et al. 2021, section 3.1.1: Caltech 256; split and resizing are not stated. Here: straight to the network's
    size, antialiased by averaging what a pixel covers, which is also how frames of videos are made small, and
    interpolated linearly where a picture is smaller than the network's input.
    """

    description = "Caltech 256, or any folder of pictures"
    layout = (
        "DIR/CLASS/PICTURE, as Caltech 256 (256_ObjectCategories/001.ak47/001_0001.jpg, ... 257 folders), or pictures "
        f"directly in DIR; file names end in {', '.join(sorted(EXTENSIONS))}"
    )

    def __init__(
        self,
        *,
        root: str | None = None,
        validation_share: Annotated[float, Range(0.001, 0.999)] = 0.2,
        limit: Annotated[int, Range(1)] | None = None,
        limit_validation: Annotated[int, Range(1)] | None = None,
        seed: Annotated[int, Range(0)] = 0,
        resize: Literal["stretch", "letterbox", "crop"] = "stretch",
    ) -> None:
        self.root = root
        self.validation_share = validation_share
        self.limit = limit
        self.limit_validation = limit_validation
        self.seed = seed
        self.resize = resize

    def digest(self) -> str:
        """Return a hash of the options, and of names and bytes of all pictures."""
        files = self._find()
        return self._digest(files, sha256_of_all(list(files.values())))

    def _digest(self, files: dict[str, Path], hashes: Sequence[str | None]) -> str:
        options = {name: value for name, value in self.params.items() if name != "root"}
        content = hashlib.sha256()
        for name, found in zip(files, hashes, strict=True):
            content.update(f"{name}\0{found}\n".encode())
        return digest([self.name, self.version, options, content.hexdigest()])

    def pictures(self, height: int, width: int) -> Pictures:
        """Return the pictures at this size, uint8, RGB; see `TrainingData.pictures`."""
        files = self._find()
        hashes = sha256_of_all(list(files.values()))
        train, validation, facts = self._split(files, hashes)
        counts = len(train), len(validation)
        expected = sum(min(n, most or n) for n, most in zip(counts, self._limits, strict=True))
        identity = self._digest(files, hashes)

        def produce(append: Append) -> Facts:
            read = _Reader(files, height, width, self.resize, append)
            parts = {"train": read.most(train, self.limit), "validation": read.most(validation, self.limit_validation)}
            for part, n in parts.items():
                if n == 0:
                    raise UsageError(
                        f"training data 'image_folder': no {part} picture below {self.root!r} can be read "
                        f"({'; '.join(read.unreadable[:_NAMED])}); the layout is {self.layout}"
                    )
            return {**facts, **parts, "unreadable": len(read.unreadable), "unreadable_names": read.unreadable[:_NAMED]}

        kept = keep({"pictures": identity}, height, width, expected, produce)
        n_train = int(str(kept.facts["train"]))
        return Pictures(
            train=kept.rows[:n_train],
            validation=kept.rows[n_train:],
            name=self._name(files),
            digest=identity,
            facts={"source": self.name, **kept.facts},
            flip=True,
        )

    @property
    def _limits(self) -> tuple[int | None, int | None]:
        return self.limit, self.limit_validation

    def _find(self) -> dict[str, Path]:
        if not self.root:
            raise UsageError(
                f"training data 'image_folder' needs the folder of the pictures; give data.root=DIR with {self.layout}"
            )
        root = Path(self.root).expanduser()
        if not root.is_dir():
            reason = "is not a folder" if root.exists() else "does not exist"
            raise UsageError(f"training data 'image_folder': {self.root!r} {reason}; the layout is {self.layout}")
        files = find_images(root)
        if len(files) < 2:
            held = "no picture" if not files else f"only one picture, {next(iter(files))!r},"
            raise UsageError(
                f"training data 'image_folder': there is {held} below {self.root!r}, and training needs at least two "
                f"(one to validate on); the layout is {self.layout}"
            )
        return files

    def _split(self, files: dict[str, Path], hashes: Sequence[str | None]) -> tuple[list[str], list[str], Facts]:
        """Return names of training and validation pictures in the order in which a limit takes them, and facts."""
        rank = {name: self._share(name) for name in files}
        validation = {name for name, share in rank.items() if share < self.validation_share}
        if not validation or len(validation) == len(files):
            lowest = min(rank, key=rank.__getitem__)
            validation = {lowest} if not validation else validation - {max(rank, key=rank.__getitem__)}
        content = dict(zip(files, hashes, strict=True))
        learned = {content[name] for name in files if name not in validation and content[name] is not None}
        fresh = {name for name in validation if content[name] not in learned}
        if not fresh:
            raise UsageError(
                f"training data 'image_folder': all pictures below {self.root!r} that could be for validation are "
                "copies of training pictures; add others"
            )
        facts: Facts = {
            "files": len(files),
            "classes": len({name.rpartition("/")[0] for name in files}),
            "split": f"validation where a hash of path and seed {self.seed} is below {self.validation_share:g}",
            "resize": self.resize,
            "validation_copies_of_train": len(validation) - len(fresh),
        }
        return _spread(set(files) - validation, rank), _spread(fresh, rank), facts

    def _share(self, name: str) -> float:
        """Return a number in 0..1 that depends on nothing but name and seed."""
        return int.from_bytes(hashlib.sha256(f"{self.seed}\0{name}".encode()).digest()[:7], "big") / 2**56

    def _name(self, files: dict[str, Path]) -> str:
        """Return the caption's name: "Caltech 256" for nothing else than that."""
        root = Path(str(self.root)).expanduser().resolve()
        if not looks_like_caltech_256(files):
            return printable(root.name) or "pictures"
        return "Caltech 256" if len(files) >= _CALTECH_PICTURES else "part of Caltech 256"


def looks_like_caltech_256(names: Iterable[str]) -> bool:
    """Say whether relative paths are those of Caltech 256: a folder for each of the numbers 001 to 256 (257: clutter).

    >>> looks_like_caltech_256(["001.ak47/001_0001.jpg", "cats/1.jpg"])
    False
    """
    folders = {part for name in names for part in name.split("/")[:-1][-2:] if _CALTECH_FOLDER.fullmatch(part)}
    numbers = sorted(int(folder[:3]) for folder in folders)
    return numbers in (list(range(1, 257)), list(range(1, 258))) and folders >= _CALTECH_ENDS


def _spread(names: Iterable[str], rank: dict[str, float]) -> list[str]:
    """Return names so that every beginning of the list holds about as many of each class."""
    classes = defaultdict(list)
    for name in sorted(names, key=lambda name: (rank[name], name)):
        classes[name.rpartition("/")[0]].append(name)
    turns = [(turn, rank[name], name) for held in classes.values() for turn, name in enumerate(held)]
    return [name for _, _, name in sorted(turns)]


class _Reader:
    """Hands pictures on in order and notes those that cannot be read."""

    def __init__(
        self,
        files: dict[str, Path],
        height: int,
        width: int,
        resize: Literal["stretch", "letterbox", "crop"],
        append: Append,
    ) -> None:
        self._files, self._size, self._resize, self._append = files, (height, width), resize, append
        self.unreadable: list[str] = []

    def most(self, names: Sequence[str], limit: int | None) -> int:
        """Read until ``limit`` pictures are there or names end; return how many there are."""
        rest, wanted, good = iter(names), len(names) if limit is None else limit, 0
        while batch := list(islice(rest, wanted - good)):
            for name, found in zip(batch, in_order(self._read, batch), strict=True):
                if isinstance(found, str):
                    self.unreadable.append(f"{name}: {found}")
                else:
                    self._append(found)
                    good += 1
        return good

    def _read(self, name: str) -> Image | str:
        try:
            return fit(read_rgb(self._files[name]), *self._size, self._resize)
        except UnreadableError as error:
            return str(error)
