"""VSUMM's 50 films of the Open Video Project, v21 to v70, each summarised by five users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.registry import register
from ._vsumm import VsummSet
from .base import Published

# From v21 on: the beginning of titles, then the end of each and its number of frames; 0 where the published number
# contradicts the published duration (v65 repeats that of v64).
_FILMS = """
The Great Web of Water, segment|01 3279|02 2118|07 1745
A New Horizon, segment|01 1806|02 1797|03 6249|04 3192|05 3561|06 1944|08 1815|10 2517
Take Pride in America, segment|01 2691|03 3261
Digital Jewelry: Wearable Technology for|Every Day Life 0
HCIL Symposium 2002 - Introduction, segment|01 2336
Senses And Sensitivity, Introduction to Lecture|1 presenter 4221|2 3411|3 presenter 4566|4 presenter 5249
Exotic Terrane, segment|01 2940|02 2776|03 2676|04 4797|06 2425|08 0
America's New Frontier, segment|01 3591|03 2166|04 3705|07 3615|10 4830
The Future of Energy Gases, segment|03 2934|05 3615|09 1884|10 2886
Oceanfloor Legacy, segment|01 1740|02 2325|04 3450|08 3186|09 2106
The Voyage of the Lee, segment|05 2094|15 0|16 2619
Hurricane Force - A Coastal Perspective, segment|03 2310|04 5310
Drift Ice as a Geologic Agent, segment|03 0|05 2187|06 0|07 1950|08 3618|10 1407
"""


@register("vsumm_ovp")
@dataclass(eq=False)
class VsummOvp(VsummSet):
    """VSUMM, Open Video (de Avila et al. 2011): 50 films of 1 to 4 minutes, v21 to v70, five users each.

    Notes
    -----
    Users saw one frame a second of films of 30 frames per second. Summaries name frames of the film, counted from 1.
    """

    description = "VSUMM's 50 Open Video films with key frames of five users"
    layout = "database/v21.mpg and UserSummary/v21/user1/Frame31.jpeg (or v21.csv, a line of frame numbers per user)"

    def listed(self) -> Mapping[str, Published]:
        """Return title, frames and rate of every film."""
        found: list[Published] = []
        for series, *films in (line.split("|") for line in _FILMS.split("\n") if line):
            for title, _, n_frames in (film.rpartition(" ") for film in films):
                found.append(Published(int(n_frames), 30.0, f"{series} {title}"))
        return {f"v{i}": about for i, about in enumerate(found, 21)}
