"""The middle frame of each scene that PySceneDetect finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np

from ..core.clip import Clip, KeyFrames
from ..core.errors import ContractError
from ..core.registry import Range, register
from ..selection.spacing import nearest_times
from ._peers import Peer

Detector = Literal["adaptive", "content", "hist", "hash"]


@register("pyscenedetect")
class PySceneDetect(Peer):
    """The middle frame of each scene that PySceneDetect, run as it is, cuts a video into.

    The tool opens the file itself, in an environment of its own (``make peers``), with its OpenCV backend. The video
    counts as one scene where no cut is found (``start_in_scene``). Its times, counted from its first frame, are mapped
    to the frames nearest in time: a scene reaches to the start of the next one, the last to the end of the video.

    Parameters
    ----------
    detector : {"adaptive", "content", "hist", "hash"}
        AdaptiveDetector (the tool's own default), ContentDetector, HistogramDetector or HashDetector.
    threshold : float, optional
        The detector's threshold; by default the tool's own. Content counts 0 to 255, adaptive is a ratio, the others
        lie between 0 and 1.

    Notes
    -----
    ``select_s`` is the time of the whole process, start of Python included.
    """

    tool = "PySceneDetect"
    distributions = ("scenedetect-headless", "scenedetect")
    script = "_peer_pyscenedetect.py"
    reference = "pyscenedetect"
    supports = frozenset({"fixed", "free"})
    budget_rule = "one middle frame a scene, of the k longest scenes; free: of all"
    may_return_fewer = "as many as there are scenes"
    known_defects = (
        "finds cuts, not key frames: a video of one shot gives one frame; its frame numbers are approximate where the "
        "frame rate varies and depend on its backend (times are used here); frames lost to decoding go unreported"
    )

    def __init__(
        self,
        *,
        detector: Detector = "adaptive",
        threshold: Annotated[float, Range(0, 255)] | None = None,
    ) -> None:
        self.detector = detector
        self.threshold = threshold

    def question(self, k: int | None) -> dict[str, Any]:  # noqa: ARG002 - it finds all scenes
        """Return detector and threshold."""
        return {"detector": self.detector, "threshold": self.threshold}

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002
        """Return the middle frames; ``scores``: seconds of their scenes; ``segments``: the scenes, if all are kept."""
        answer = self.answer(clip, k)
        starts_s = np.array([start for start, _ in answer.data["scenes_s"]], dtype=np.float64)
        if len(starts_s) == 0 or answer.data["n_read"] == 0:
            raise ContractError("PySceneDetect read no frame of the file, and did not say so")
        # Its clock may start at 0 where the PTS do not.
        first = np.unique(nearest_times(clip.times, clip.times[0] + starts_s - starts_s[0]))
        spans = np.stack([first, np.append(first[1:], len(clip))], axis=1)
        borders_s = np.append(clip.times[first], clip.video.start_s + clip.video.duration_s)
        length_s = np.diff(borders_s)
        middle = nearest_times(clip.times, borders_s[:-1] + length_s / 2).clip(spans[:, 0], spans[:, 1] - 1)
        chosen = np.argsort(-length_s, kind="stable")[:k]
        segments = spans[chosen] if len(chosen) == len(spans) else None  # segments cover the whole video
        fallback = "no cut was found" if k is None and len(spans) == 1 else ""
        found = clip.pick(middle[chosen], scores=length_s[chosen], segments=segments, fallback=fallback)
        return replace(found, cost={"peak_mb": answer.finished.peak_mb})
