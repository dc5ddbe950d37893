"""SumMe: 25 raw videos of holidays, events and sports, each summarised by 15 to 18 people who chose segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation, UserSummary
from ..core.registry import register
from ._published import PublishedSet
from .base import Published

_NAMES = (
    *("Air_Force_One", "Base jumping", "Bearpark_climbing", "Bike Polo", "Bus_in_Rock_Tunnel", "Car_railcrossing"),
    *("Cockpit_Landing", "Cooking", "Eiffel Tower", "Excavators river crossing", "Fire Domino", "Jumps"),
    *("Kids_playing_in_leaves", "Notre_Dame", "Paintball", "Playing_on_water_slide", "Saving dolphines", "Scuba"),
    *("St Maarten Landing", "Statue of Liberty", "Uncut_Evening_Flight", "Valparaiso_Downhill", "car_over_camera"),
    *("paluma_jump", "playing_ball"),
)


@register("summe")
@dataclass(eq=False)
class SumMe(PublishedSet):
    """SumMe (Gygli et al. 2014): 25 videos of 1 to 6 minutes, 15 to 18 annotators each.

    Notes
    -----
    Annotators chose segments, 5 to 15 % of the video, without looking at sound. ``user_score`` [frames, users] of each
    file holds 0, or the number of the segment that the frame belongs to. A user's `importance` is 1 on chosen frames,
    else 0; his or her key frames are the middle frames of the segments (of an even number of frames, the earlier of the
    two).
    """

    description = "SumMe: 25 raw videos with segments chosen by 15 to 18 annotators"
    reference = "gygli2014summe"
    licence = "research use"
    layout = "videos/NAME.mp4 and GT/NAME.mat"
    page = "https://gyglim.github.io/me/vsum/index.html"

    def published(self) -> Mapping[str, Published]:
        """Return frames, rate and users of every video of which the annotation file is there."""
        files = {path.stem: path for path in self.annotation_files("*.mat")}
        return {name: self._read(files[name]) if name in files else Published() for name in _NAMES}

    def _read(self, path: Path) -> Published:
        from scipy.io import loadmat

        with self.reading(path):
            found = loadmat(path, variable_names=["user_score", "FPS"])
            scores: NDArray[np.int64] = found["user_score"].astype(np.int64)  # [frames, users]
            users = tuple(
                UserSummary(f"user{i}", _middles(column), importance=(column > 0).astype(np.float32))
                for i, column in enumerate(scores.T, 1)
            )
            return Published(len(scores), float(found["FPS"].item()), annotation=Annotation(users))


def _middles(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the middle frame of every run of one number above 0."""
    edges = np.flatnonzero(np.diff(numbers, prepend=0, append=0))
    first, last = edges[:-1], edges[1:] - 1
    return ((first + last) // 2)[numbers[first] > 0]
