"""Photographs: Caltech 256, or any folder of images in its place. Every folder that holds images is one video."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UsageError
from ..core.files import digest, printable
from ..core.registry import register
from ..video.frame_folder import FrameFolder
from ..video.image_files import EXTENSIONS, find_images
from .base import Dataset, VideoItem

_LAYOUT = (
    "DIR/CLASS/IMAGE, as Caltech 256 (256_ObjectCategories/001.ak47/001_0001.jpg, ... 257 folders), or images "
    f"directly in DIR; file names end in {', '.join(sorted(EXTENSIONS))}"
)
_CALTECH_FOLDER = re.compile(r"(\d{3})\.[^/]+")
_CALTECH_ENDS = {"001.ak47", "256.toad"}
_CALTECH = "Caltech 256"
_CALTECH_PICTURES = 29_000  # published are 30,607 in 257 folders, the last of which (clutter) is often left out


@register("image_folder")
@dataclass(eq=False)
class ImageFolder(Dataset):
    """The images below a folder: one video per folder that holds some, in natural order of names, one a second.

    Parameters
    ----------
    root : str
        Folder of images; folders below it are classes.

    Notes
    -----
    A video's id is the path of its folder below the root, ``"."`` for the root itself.
    """

    root: str | None = None

    description = "Caltech 256, or any folder of images: photographs to train on"
    licence = "yours"
    layout = _LAYOUT
    usual_split = "frames:0.8"

    def videos(self) -> list[VideoItem]:
        """Return a video for every folder that holds images.

        Raises
        ------
        UsageError
            If the folder is missing, cannot be read, or there is no image.
        """
        return [
            VideoItem(name, FrameFolder(folder, fps=1, photographs=True), photographs=True)
            for name, folder in self._folders().items()
        ]

    def revision(self) -> str:
        """Return a digest of the images' names (not of their content)."""
        return digest(list(self._find()))

    @property
    def caption(self) -> str:
        """What a table calls the data: "Caltech 256" for nothing else than that, else the folder's name."""
        files = self._find()
        if not looks_like_caltech_256(files):
            name = printable(Path(str(self.root)).expanduser().resolve().name) or "images"
            return f"folder {name}" if name == _CALTECH else name
        return _CALTECH if len(files) >= _CALTECH_PICTURES else "part of Caltech 256"

    def _folders(self) -> dict[str, Path]:
        found = ((name.rpartition("/")[0] or ".", path.parent) for name, path in self._find().items())
        return dict(sorted(dict(found).items()))

    def _find(self) -> dict[str, Path]:
        """Return the image files by their paths below the root."""
        root = self.folder("root", "the folder of the images", f"give dataset.root=DIR with {_LAYOUT}")
        files = find_images(root)
        if not files:
            raise UsageError(f"data set 'image_folder': there is no image below {self.root!r}; the layout is {_LAYOUT}")
        return files


def looks_like_caltech_256(names: Iterable[str]) -> bool:
    """Say whether relative paths are those of Caltech 256: a folder for each of the numbers 001 to 256 (257: clutter).

    >>> looks_like_caltech_256(["001.ak47/001_0001.jpg", "cats/1.jpg"])
    False
    """
    folders = {part for name in names for part in name.split("/")[:-1][-2:] if _CALTECH_FOLDER.fullmatch(part)}
    numbers = sorted(int(folder[:3]) for folder in folders)
    return numbers in (list(range(1, 257)), list(range(1, 258))) and folders >= _CALTECH_ENDS
