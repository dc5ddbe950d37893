"""KFS-Bench: questions about long videos, and the scenes that answer them."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.annotation import Annotation
from ..core.errors import UsageError
from ..core.registry import register
from ._published import PublishedSet
from .base import Published

_SCENES, _DURATIONS = "lvb_anno.csv", "lvb_durations.json"
_ADDED_S = 1.0


@register("kfs_bench")
@dataclass(eq=False)
class KFSBench(PublishedSet):
    """KFS-Bench on LongVideoBench (Li et al. 2026): 1,291 questions, and the scenes that people marked for each.

    Notes
    -----
    An item is a question, ``VIDEO_0``, ``VIDEO_1`` and so on about ``VIDEO.mp4``. Its scenes are those of
    ``lvb_anno.csv``, every interval with the second that the official evaluation adds to its end. Durations are in
    ``lvb_durations.json``, seconds by question; 46 of these have no scenes. Videos are needed to run a method, not to
    score picks made elsewhere.
    """

    description = "KFS-Bench: scenes that answer questions about long videos (LongVideoBench)"
    reference = "li2026kfsbench"
    licence = "NEC research licence: no redistribution"
    layout = f"{_SCENES}, {_DURATIONS} and, to run methods, VIDEO.mp4 of LongVideoBench"
    page = "https://github.com/NEC-VID/KFS-Bench"

    def published(self) -> Mapping[str, Published]:
        """Return scenes, video and duration, where the files have them, of every question.

        Raises
        ------
        UsageError
            If there is no annotation file, or a line of it cannot be read.
        """
        files = self.annotation_files(_SCENES)
        if not files:
            raise UsageError(f"data set 'kfs_bench': there is no {_SCENES} below {self.root!r}; {self._way_out}")
        durations: dict[str, float] = {}
        for path in self.annotation_files(_DURATIONS):
            with self.reading(path):
                durations |= {name: float(seconds) for name, seconds in json.loads(path.read_bytes()).items()}
        scenes: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
        with self.reading(files[0]), files[0].open(encoding="utf-8-sig", newline="") as lines:
            for line in csv.DictReader(lines):
                start, end = seconds_of(line["start"]), seconds_of(line["end"]) + _ADDED_S
                if end <= start:
                    raise ValueError(f"a scene of {line['id']} ends before it begins")
                scenes[line["id"]][line["scene_id"]].append((start, end))
        return {
            name: Published(
                annotation=_annotation(scenes[name]) if name in scenes else None,
                video=name.rpartition("_")[0],
                duration_s=durations.get(name, 0.0),
            )
            for name in sorted(durations.keys() | scenes.keys())
        }


def _annotation(scenes: Mapping[str, list[tuple[float, float]]]) -> Annotation:
    return Annotation(scenes=tuple(np.array(found, dtype=np.float64) for found in scenes.values()))


def seconds_of(clock: str) -> float:
    """Return the seconds of ``m:ss`` or ``h:mm:ss``; `ValueError` for anything else.

    Examples
    --------
    >>> seconds_of("38:11"), seconds_of("0:09:04 ")
    (2291.0, 544.0)
    """
    parts = clock.strip().split(":")
    if len(parts) not in (2, 3):
        raise ValueError(f"{clock!r} is not a time such as 5:30 or 0:05:30")
    return sum(float(part) * 60.0**i for i, part in enumerate(reversed(parts)))
