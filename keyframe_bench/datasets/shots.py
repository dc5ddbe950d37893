"""Videos with shot lists as AutoShot and ClipShots publish them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..core.annotation import Annotation
from ..core.errors import UsageError
from ..core.registry import register
from ._published import PublishedSet
from .base import Published
from .folder import find_frame_folders, find_videos

_PARTS: dict[str, Literal["train", "validation"]] = {"train": "train", "test": "validation"}
_NO_CUTS = "only_gradual.json"  # of ClipShots


@register("shots")
@dataclass(eq=False)
class Shots(PublishedSet):
    """Videos with lists of shots: AutoShot's, ClipShots', or your own in either format.

    Notes
    -----
    ``NAME.txt`` beside ``NAME.mp4`` holds the first and the last frame of a shot on each line (AutoShot). A JSON file
    holds ``{"NAME.mp4": {"transitions": [[last, first], ...], "frame_num": N}, ...}``: the last frame before and the
    first after each transition, which is a cut where they are neighbours (ClipShots). Frames count from 0; what lies
    between two shots is a gradual transition. Odd entries of ClipShots count as far as they make sense: transitions
    are put in order, and a video of 0 frames has no shots. ``only_gradual.json``, which lists no cuts, is not read.
    ``train.json`` and ``test.json`` are the parts of ``split=given``.
    """

    description = "videos with lists of shots, as AutoShot or ClipShots publish them"
    reference = "zhu2023autoshot"
    licence = "that of the videos; AutoShot states none"
    layout = "NAME.mp4 and NAME.txt (first and last frame of a shot a line), or annotations/*.json of ClipShots"
    page = "https://github.com/wentaozhu/AutoShot or https://github.com/Tangshitao/ClipShots"

    def published(self) -> Mapping[str, Published]:
        """Return frames, shots and part of every video that is there or in a JSON file.

        Raises
        ------
        UsageError
            If two videos have one name, or no video a list.
        """
        root, names = self._root(), dict[str, Path]()
        for path in find_videos(root).values():
            if (other := names.setdefault(path.stem, path)) != path:
                raise UsageError(
                    f"data set 'shots': {str(other)!r} and {str(path)!r} have one name; rename one of them"
                )
        names |= {path.name: path for path in find_frame_folders(root).values()}
        found = dict.fromkeys(names, Published())
        for path in self.annotation_files("*.json"):
            if path.name != _NO_CUTS:
                found |= self._clipshots(path)
        for path in self.annotation_files("*.txt"):
            if path.stem in names:
                found[path.stem] = self._autoshot(path)
        if all(about.annotation is None for about in found.values()):
            raise UsageError(f"data set 'shots': no video below {self.root!r} has a list of shots; {self._way_out}")
        return found

    def _autoshot(self, path: Path) -> Published:
        with self.reading(path):
            shots, end = [], 0
            for i, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
                words = line.split()
                if words and (len(words) != 2 or not all(map(str.isdecimal, words))):
                    raise ValueError(f"line {i} is {line!r}, not the first and the last frame of a shot")
                if words:
                    first, last = map(int, words)
                    if not end <= first <= last:
                        raise ValueError(f"line {i}, {line!r}, is not after the shot before, or ends before it begins")
                    end = last + 1
                    shots.append([first, end])
            return Published(end, annotation=Annotation(shots=np.array(shots, dtype=np.int64).reshape(-1, 2)))

    def _clipshots(self, path: Path) -> dict[str, Published]:
        with self.reading(path):
            entries = json.loads(path.read_bytes())
            return {Path(name).stem: _shots(entry, _PARTS.get(path.stem, "")) for name, entry in entries.items()}


def _shots(entry: Any, part: Literal["", "train", "validation"]) -> Published:
    n = int(entry["frame_num"])
    borders = np.array(sorted(entry["transitions"]), dtype=np.int64).reshape(-1, 2)
    firsts = np.maximum.accumulate(np.append(0, borders[:, 1]))  # of the shots
    shots = np.stack([firsts, np.append(borders[:, 0] + 1, n)], axis=1).clip(0, n)
    kept = Annotation(shots=shots[shots[:, 0] < shots[:, 1]]) if n else None
    return Published(n, annotation=kept, part=part)
