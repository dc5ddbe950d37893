"""VSUMM's 50 videos from YouTube, v11 to v20 (cartoons) and v71 to v110, each summarised by five users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from ..core.errors import UsageError
from ..core.registry import Range, register
from ._vsumm import VsummSet
from .base import Published

_CARTOONS = tuple(f"v{i}" for i in range(11, 21))
_OTHERS = tuple(f"v{i}" for i in range(71, 111))
_SHOWN = (95, 97, 98, 99)


@register("vsumm_youtube")
@dataclass(eq=False)
class VsummYoutube(VsummSet):
    """VSUMM, YouTube (de Avila et al. 2011): 50 videos of 1 to 10 minutes, v11 to v20 and v71 to v110, five users each.

    Parameters
    ----------
    cartoons : bool
        Whether the ten cartoons (v11 to v20) are among the videos. Without them, ``split=given`` is that of Lin, Ma and
        Wei: 35 videos train, and v95, v97, v98, v99 and a fifth are held out.
    fifth : int
        Number of the fifth video held out, which their report does not name.

    Notes
    -----
    Summaries of the cartoons name frames of the video, of which users saw every 25th; those of the others name samples
    at one a second, so that number n is the time n - 1 seconds. Both count from 1. Rates and numbers of frames are not
    published. seqDPP (Gong et al. 2014) also leaves out v82.
    """

    cartoons: bool = True
    fifth: Annotated[int, Range(71, 110)] = 96

    timed = _OTHERS
    description = "VSUMM's 50 YouTube videos with key frames of five users"
    layout = "newDatabase/v71.avi and newUserSummary/v71/user1/Frame31.jpeg (or v71.csv, or a .mat file with gtLabels)"

    @property
    def usual_split(self) -> str:  # type: ignore[override]  # depends on a parameter here
        """The published split, where there is one."""
        return "videos:0.8" if self.cartoons else "given"

    @property
    def caption(self) -> str:
        """What a table calls the data."""
        return super().caption + (" without cartoons" if not self.cartoons else "")

    def listed(self) -> Mapping[str, Published]:
        """Return every video, with its part of the split.

        Raises
        ------
        UsageError
            If the fifth video is one of the other four.
        """
        if self.fifth in _SHOWN:
            raise UsageError(f"data set 'vsumm_youtube': v{self.fifth} is held out anyway; give another fifth=")
        if self.cartoons:
            return dict.fromkeys((*_CARTOONS, *_OTHERS), Published())
        held = {f"v{i}" for i in (*_SHOWN, self.fifth)}
        return {name: Published(part="validation" if name in held else "train") for name in _OTHERS}
