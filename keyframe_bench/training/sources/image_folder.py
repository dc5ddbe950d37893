"""Photographs: Caltech 256, or any folder of pictures in its place."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from ...core.errors import UsageError
from ...core.files import digest, printable
from ...core.params import Range
from ...core.registry import register
from ...core.threads import in_order
from ..data import Pictures, TrainingData
from ..kept_pictures import Append, Facts, Kept, keep
from ._alike import LOOK_HEIGHT, LOOK_WIDTH, first_alike, without_copies
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
    there, and every class is divided in about the same ratio. Pictures whose decoded pixels are equal, whatever their
    files are, count once, under the first path; those that look like an earlier one (coded anew, made smaller) go where
    that one goes. The split is the same at every size.

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

    version = 3
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
        identity = self._digest(files, hashes)

        def produce(append: Append) -> Facts:
            train, validation, facts = self._split(files, self._looks(files, hashes))
            train, validation = train[: self.limit], validation[: self.limit_validation]
            names = [*train, *validation]
            for name, found in zip(names, self._read(files, names, height, width), strict=True):
                if isinstance(found, str):
                    raise UsageError(f"training data 'image_folder': {name!r} changed while it was read: {found}")
                append(found[0])
            return {**facts, "train": len(train), "validation": len(validation)}

        expected = min(len(files), (self.limit or len(files)) + (self.limit_validation or len(files)))
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

    def _looks(self, files: Mapping[str, Path], hashes: Sequence[str | None]) -> Kept:
        """Return all pictures that can be read, very small, with their names and hashes of their pixels."""

        def produce(append: Append) -> Facts:
            names, pixels, unreadable = [], [], []
            for name, found in zip(files, self._read(files, files, LOOK_HEIGHT, LOOK_WIDTH), strict=True):
                if isinstance(found, str):
                    unreadable.append(f"{name}: {found}")
                else:
                    append(found[0])
                    names.append(name)
                    pixels.append(found[1])
            if not names:
                raise UsageError(
                    f"training data 'image_folder': none of the {len(files)} pictures can be read "
                    f"({'; '.join(unreadable[:_NAMED])}); the layout is {self.layout}"
                )
            return {"names": names, "pixels": pixels, "unreadable": unreadable}

        content = [self.name, self.version, self.resize, list(zip(files, hashes, strict=True))]
        return keep({"looks": digest(content)}, LOOK_HEIGHT, LOOK_WIDTH, len(files), produce)

    def _read(
        self, files: Mapping[str, Path], names: Iterable[str], height: int, width: int
    ) -> Iterator[tuple[Image, str] | str]:
        """Yield each picture at this size and a hash of all its pixels, or why it cannot be read."""

        def read(name: str) -> tuple[Image, str] | str:
            try:
                whole = read_rgb(files[name])
            except UnreadableError as error:
                return str(error)
            pixels = hashlib.sha256(f"{whole.shape}".encode() + whole.tobytes()).hexdigest()
            return fit(whole, height, width, self.resize), pixels

        with warnings.catch_warnings():  # of odd tags in files that are well, and of large ones
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield from in_order(read, names)

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

    def _split(self, files: Mapping[str, Path], looks: Kept) -> tuple[list[str], list[str], Facts]:
        """Return names of training and validation pictures in the order in which a limit takes them, and facts."""
        known: Any = looks.facts
        kept, copies = without_copies(known["names"], known["pixels"])
        names = [known["names"][place] for place in kept]
        if len(names) < 2:
            raise UsageError(
                f"training data 'image_folder': the pictures below {self.root!r} that can be read are all the same, "
                "and training needs at least two (one to validate on); add others"
            )
        first = dict(zip(names, [names[place] for place in first_alike(looks.rows[kept])], strict=True))
        if len(set(first.values())) == 1:
            first = {name: name for name in names}  # all look alike: that tells nothing
        alike = [f"{name} looks like {earlier}" for name, earlier in first.items() if name != earlier]
        rank = {name: self._share(name) for name in names}
        held = self._held_out(first, rank)
        validation = {name for name in names if first[name] in held}
        facts: Facts = {
            "files": len(files),
            "classes": len({name.rpartition("/")[0] for name in files}),
            "split": f"validation where a hash of path and seed {self.seed} is below {self.validation_share:g}",
            "resize": self.resize,
        }
        for what, found in (("unreadable", known["unreadable"]), ("copies", copies), ("alike", alike)):
            facts |= {what: len(found), f"{what}_names": found[:_NAMED]}
        return _spread(set(names) - validation, rank), _spread(validation, rank), facts

    def _held_out(self, first: Mapping[str, str], rank: Mapping[str, float]) -> set[str]:
        """Return which of the first pictures of those that look alike are for validation, at least one and not all."""
        size = Counter(first.values())
        free = {name for name, n in size.items() if 2 * n <= len(first)}  # more than half are too many to spare
        held = {name for name in free if rank[name] < self.validation_share}
        if not held:
            return {min(free, key=rank.__getitem__)}
        return held - {max(held, key=rank.__getitem__)} if len(held) == len(size) else held

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
