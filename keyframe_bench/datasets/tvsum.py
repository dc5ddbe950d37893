"""TVSum: 50 videos of ten categories, every two seconds of which 20 people scored from 1 to 5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation, UserSummary
from ..core.errors import UsageError
from ..core.registry import register
from ._published import PublishedSet
from .base import Published

_FILE = "ydata-tvsum50.mat"
_UNIT_S = 2.0
_SHARE = 0.15


@register("tvsum")
@dataclass(eq=False)
class TVSum(PublishedSet):
    """TVSum (Song et al. 2015): 50 videos of 1 to 11 minutes in ten categories, 20 annotators each.

    Notes
    -----
    A user's `importance` is the score, 1 (not important) to 5, that he or she gave the two-second unit of the frame.
    Key frames are the middle frames of the units that a summary of at most 15 % of the units takes by the user's own
    scores. As units are equally long, the best such summary is the floor(0.15 units) highest scores, of equal ones the
    earlier: most scores are ties, so the choice leans towards the beginning.
    """

    description = "TVSum: 50 web videos of ten categories, scored by 20 annotators every 2 s"
    reference = "song2015tvsum"
    licence = "CC BY 3.0"
    layout = f"video/ID.mp4 (the YouTube id) and matlab/{_FILE}"
    page = "https://github.com/yalesong/tvsum"

    def published(self) -> Mapping[str, Published]:
        """Return title, frames, rate and users of every video.

        Raises
        ------
        UsageError
            If the annotation file is absent, which alone says which videos there are.
        """
        files = self.annotation_files("*tvsum50*.mat")
        if not files:
            place = self.annotations or self.root
            raise UsageError(f"data set 'tvsum': there is no {_FILE} below {place!r}; {self._way_out}")
        import h5py

        with self.reading(files[0]), h5py.File(files[0]) as file:
            table = file["tvsum50"]

            def of(name: str, i: int) -> NDArray[Any]:
                return np.asarray(file[table[name][i, 0]])

            found = {}
            for i in range(len(table["video"])):
                name, title = ("".join(map(chr, of(field, i).ravel())) for field in ("video", "title"))
                n_frames, seconds = (float(of(field, i).item()) for field in ("nframes", "length"))
                annotation = _annotation(of("user_anno", i), n_frames / seconds)
                found[name] = Published(int(n_frames), n_frames / seconds, title, annotation)
            return found


def _annotation(scores: NDArray[np.float64], fps: float) -> Annotation:
    """Return users with importance and key frames from scores [users, frames]."""
    n = scores.shape[1]
    edges = np.append(np.ceil(np.arange(0, n / fps, _UNIT_S) * fps).astype(np.int64), n)
    middles = (edges[:-1] + edges[1:] - 1) // 2
    best = np.argsort(-scores[:, middles], axis=1, kind="stable")[:, : int(_SHARE * len(middles))]
    users = (
        UserSummary(f"user{i}", np.sort(middles[units]), importance=row.astype(np.float32))
        for i, (units, row) in enumerate(zip(best, scores, strict=True), 1)
    )
    return Annotation(tuple(users))
