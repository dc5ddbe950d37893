"""A file of picks: the frames that any tool chose, for each item of a data set (a video, or a question about one).

::

    {"format": "keyframe_bench/picks@1",
     "name": "my tool",
     "unit": "seconds",
     "items": {"day 1/film.mp4": [1.2, 3.1],
               "film 2.mp4": [0.5]}}

Items are called as the data set calls them; one that is left out was not tried. Picks are in any order, each once.
``unit`` says what the numbers are: ``"seconds"`` (PTS; the frame nearest to each counts), ``"frames from 0"`` or
``"frames from 1"`` (frames in the order in which they are shown, the first being 0 or 1). ``name`` may be left out.

The form in which KFS-Bench publishes picks is read too. Times there may repeat, an item may have none, and other keys
are ignored::

    [{"id": "86CxyhFV9MI_0", "frame_timestamps": [0.0, 7.741]}]
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError, os_reason
from ..core.files import MAX_JSON_BYTES, digest, read_file
from ._annotations import check_list, check_object, parse_document, read_numbers, shown

FORMAT = "keyframe_bench/picks@1"
_UNITS = ("seconds", "frames from 0", "frames from 1")
_WAY_OUT = f'write {{"format": "{FORMAT}", "unit": "seconds", "items": {{"film.mp4": [1.2, 3.1]}}}}'


@dataclass(frozen=True, eq=False)
class Picks:
    """What one tool chose.

    Attributes
    ----------
    name : str
        The tool; where the file does not say it, the file's name without its ending.
    unit : {"seconds", "frames"}
    items : mapping of str to float64 [K] or int64 [K]
        By item, in the file's order: times in seconds, or 0-based ordinals of frames.
    """

    name: str
    unit: Literal["seconds", "frames"]
    items: Mapping[str, NDArray[Any]]

    @functools.cached_property
    def digest(self) -> str:
        """Hash of unit and picks, 12 hex digits: the same whatever the file's name, layout and order of items."""
        return digest([self.unit, {name: found.tolist() for name, found in self.items.items()}])[:12]


def read_picks(path: str | Path) -> Picks:
    """Read a file of picks, in the package's form or in KFS-Bench's, strictly.

    Parameters
    ----------
    path : str or Path
        The JSON file, UTF-8.

    Returns
    -------
    Picks
        Numbers as the file has them, but counted from 0; whether a data set has such items and frames is not known
        here.

    Raises
    ------
    UsageError
        Naming the file, the item, and what is wrong.
    """
    where = f"picks file {str(path)!r}"
    try:
        data = read_file(path, MAX_JSON_BYTES)
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {os_reason(error)}; give another one") from error
    document = parse_document(data, where)
    if isinstance(document, list):
        return Picks(Path(path).stem, "seconds", _read_published(document, where))
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UsageError(f'{where} does not say "format": "{FORMAT}"; {_WAY_OUT}')
    check_object(document, {"format", "name", "unit", "items"}, where)
    unit, items, name = document.get("unit"), document.get("items"), document.get("name", Path(path).stem)
    if unit not in _UNITS:
        said = "does not say its unit" if unit is None else f"has the unit {shown(unit)}"
        raise UsageError(f'{where} {said}; write "unit": "{_UNITS[0]}", "{_UNITS[1]}" or "{_UNITS[2]}"')
    if not isinstance(items, dict) or not items:
        raise UsageError(f"{where} has no items; {_WAY_OUT}")
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise UsageError(f'{where}: "name" is {shown(name)}, not a text on one line; name the tool, or leave it out')
    read = {item: _read_item(numbers, unit, f"{where}, item {item!r}") for item, numbers in items.items()}
    return Picks(name, "seconds" if unit == "seconds" else "frames", read)


def picks_text(picks: Picks) -> str:
    """Return picks as the text of a file, one item a line: what `read_picks` reads."""
    unit = "seconds" if picks.unit == "seconds" else "frames from 0"
    lines = [f"  {json.dumps(name)}: {json.dumps(found.tolist())}" for name, found in picks.items.items()]
    head = f'{{"format": "{FORMAT}",\n "name": {json.dumps(picks.name)},\n "unit": "{unit}",\n "items": {{\n'
    return head + ",\n".join(lines) + "\n }}\n"


def _read_item(numbers: Any, unit: str, where: str) -> NDArray[Any]:
    found = read_numbers(numbers, where, times=unit == "seconds")
    if not len(found):
        raise UsageError(f"{where} has no picks; leave it out, and its row is about the other items")
    values, counts = np.unique(found, return_counts=True)
    if counts.max() > 1:
        raise UsageError(f"{where} has {values[counts.argmax()]} more than once; write each pick once")
    if unit == "frames from 1":
        if values[0] == 0:
            raise UsageError(f'{where} has frame 0, and the file counts from 1; write "unit": "frames from 0"')
        found = found - 1
    return found


def _read_published(entries: list[Any], where: str) -> dict[str, NDArray[np.float64]]:
    """Return the times by item of the form ``[{"id": ..., "frame_timestamps": [...]}]``."""
    found: dict[str, NDArray[np.float64]] = {}
    for number, entry in enumerate(entries):
        at = f"{where}, entry {number}"
        check_object(entry, entry, at)
        item = entry.get("id")
        if not isinstance(item, str) or not item:
            raise UsageError(f'{at}: "id" is {shown(item)}, not the name of an item; {_WAY_OUT}')
        if item in found:
            raise UsageError(f"{at}: item {item!r} is there twice; leave one out")
        check_list(entry.get("frame_timestamps"), f'{at}: "frame_timestamps"')
        found[item] = read_numbers(entry["frame_timestamps"], f"{at}, item {item!r}", times=True)
    if not found:
        raise UsageError(f"{where} has no items; {_WAY_OUT}")
    return found
