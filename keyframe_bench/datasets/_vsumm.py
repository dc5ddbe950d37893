"""What the data sets of VSUMM share: summaries by five users, as lists of frame numbers or as folders of images."""

from __future__ import annotations

import csv
import re
from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation, UserSummary
from ..core.files import natural
from ._published import PublishedSet
from .base import Published

_FRAME = re.compile(r"frame(\d+)\.(?:jpe?g|png|bmp)", re.IGNORECASE)
_Lists = dict[str, NDArray[np.int64]]  # numbers by user


@dataclass(eq=False)
class VsummSet(PublishedSet):
    """Videos whose users' summaries are in one of three forms, of which the first that is there counts.

    ``NAME.csv`` has a line for each user: frame numbers, separated by commas; an empty line where the user chose none.
    A MATLAB file has a table ``gtLabels`` with the names in its first column and a list for each user in the others.
    ``NAME/user1/Frame31.jpeg`` stands for frame 31 of the first user. Numbers count from 1; repeated ones count once.
    """

    timed: ClassVar[Collection[str]] = ()  # videos of which the numbers are seconds, not frames

    reference = "deavila2011vsumm"
    licence = "research; none is stated"
    page = "https://github.com/sandraavila/vsumm"

    @abstractmethod
    def listed(self) -> Mapping[str, Published]:
        """Return what the page says of every video."""

    def published(self) -> Mapping[str, Published]:
        """Return what the page says of every video, with the summaries that are there."""
        listed, found = self.listed(), dict[str, _Lists]()
        for folder in sorted(self.annotation_files("user[0-9]*"), key=lambda path: natural(path.name)):
            if folder.is_dir() and folder.parent.name in listed:
                numbers = [match[1] for file in folder.iterdir() if (match := _FRAME.fullmatch(file.name))]
                with self.reading(folder):
                    found.setdefault(folder.parent.name, {})[folder.name] = _numbers(numbers)
        for path in self.annotation_files("*.mat"):
            found |= self._table(path)
        for path in self.annotation_files("*.csv"):
            if path.stem in listed:
                with self.reading(path):
                    rows = csv.reader(path.read_text("utf-8-sig").splitlines())
                    found[path.stem] = {f"user{i}": _numbers(row, f"line {i}: ") for i, row in enumerate(rows, 1)}
        return {
            name: replace(about, annotation=self._annotation(name, found[name])) if name in found else about
            for name, about in listed.items()
        }

    def _annotation(self, name: str, lists: _Lists) -> Annotation:
        if name in self.timed:
            return Annotation(
                tuple(UserSummary(user, times=numbers.astype(np.float64) - 1) for user, numbers in lists.items())
            )
        return Annotation(tuple(UserSummary(user, numbers - 1) for user, numbers in lists.items()))

    def _table(self, path: Path) -> dict[str, _Lists]:
        from scipy.io import loadmat

        with self.reading(path):
            table = loadmat(path, variable_names=["gtLabels"]).get("gtLabels", ())
            return {
                str(name.item()): {
                    f"user{i}": _numbers(row.ravel(), f"{name.item()}: ") for i, row in enumerate(rows, 1)
                }
                for name, *rows in table
            }


def _numbers(values: Iterable[object], where: str = "") -> NDArray[np.int64]:
    found = []
    for value in values:
        if not str(value).strip().isdecimal() or int(str(value)) < 1:
            raise ValueError(f"{where}{value!r} is not a frame number, counted from 1")
        found.append(int(str(value)))
    return np.unique(np.array(found, dtype=np.int64))
