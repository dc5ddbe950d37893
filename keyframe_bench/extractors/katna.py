"""The frames that Katna calls key frames."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..core.clip import Clip, KeyFrames
from ..core.errors import ContractError
from ..core.feature import Feature
from ..core.registry import register
from ..features.images import Gray
from ._peers import Peer, nearest_images

_GRAY = Gray(60, 80)


@register("katna")
class Katna(Peer):
    """The k "best" frames of Katna, run as it is: peaks of the colour difference, filtered, one a histogram cluster.

    The tool opens the file itself, in an environment of its own (``make peers``). It returns images without index or
    time: each is mapped to the frame nearest to it as a grey image of 60 x 80, and two that come to the same frame
    count once.

    Notes
    -----
    ``select_s`` is the time of the whole process, start of Python included; the tool starts half as many worker
    processes as there are cores.
    """

    tool = "Katna"
    distributions = ("katna",)
    script = "_peer_katna.py"
    reference = "katna"
    budget_rule = "asked for k frames"
    may_return_fewer = "it returns fewer where it has too few candidates, and two of its images can be one frame"
    known_defects = (
        "returns images without index or time, in the order of its clusters; none on a static video, and silently "
        "fewer than asked for on little motion; the sharpest frame of a cluster is looked up among the wrong frames; "
        "loses the difference at the first frame of each chunk it cuts the file into; fails where histograms repeat, "
        "and on files whose suffix it does not know, such as .ts"
    )

    @property
    def needs(self) -> tuple[Feature, ...]:
        """The file, and every frame small and grey, to find the tool's images again."""
        return (*super().needs, _GRAY)

    def question(self, k: int | None) -> dict[str, Any]:
        """Return the number of images and their size."""
        return {"k": k, "height": _GRAY.height, "width": _GRAY.width}

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002
        """Return the frames; ``scores``: minus the RMS distance of the tool's image from its frame, grey levels."""
        answer = self.answer(clip, k)
        images = answer.arrays["pictures"]
        if len(images) == 0:
            raise ContractError(f"Katna returned no frame for {k} asked for: a known defect where little moves")
        positions, residuals = nearest_images(clip[_GRAY], images)
        order = np.argsort(residuals, kind="stable")  # of two images of one frame, the nearer one's residual stays
        found = clip.pick(positions[order], scores=-residuals[order])
        return replace(found, cost={"peak_mb": answer.finished.peak_mb})
