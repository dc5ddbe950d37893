"""The frames that video_sampler samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np

from ..core.clip import Clip, KeyFrames
from ..core.errors import ContractError
from ..core.registry import Range, register
from ..selection.spacing import evenly_spaced, nearest_times
from ._peers import Peer


@register("video_sampler")
class VideoSampler(Peer):
    """The frames that video_sampler, run as it is, samples from a video: at most one a second, duplicates left out.

    The tool opens the file itself, in an environment of its own (``make peers``). Defaults are those of its commands
    ``hash`` and ``buffer``, but for ``gate``; what is no parameter here is as there: frames at least 1 s apart, a grid
    of 4 x 4 with 2 hits, blur by ``fft`` below 20. Its times are PTS and are mapped to the frames nearest in time.

    Parameters
    ----------
    buffer : {"hash", "grid", "entropy", "gzip", "passthrough"}
        What leaves frames out: those whose perceptual hash is in the buffer; also those with cells whose hash is; those
        less detailed than others in a sliding buffer, by entropy or by compressed size; none.
    gate : {"pass", "blur"}
        What the frames of the buffer pass through. The commands' own default is "blur", which ends "entropy" and "gzip"
        with an error; "pass" is that of the tool's ``SamplerConfig``.
    keyframes_only : bool
        Look at the frames that the codec calls key frames alone.
    hash_size : int
        Side of the hash in bits.
    buffer_size : int
        Hashes or frames that are remembered.

    Notes
    -----
    ``select_s`` is the time of the whole process, start of Python included.
    """

    tool = "video_sampler"
    distributions = ("video-sampler",)
    script = "_peer_video_sampler.py"
    reference = "video_sampler"
    supports = frozenset({"fixed", "free"})
    budget_rule = "k of the frames that it samples, evenly spaced among them in order of time; free: all"
    may_return_fewer = "as many as it samples"
    known_defects = (
        "knows no budget; with keyframes_only it sees what the encoder made key frames, of one shot often the first "
        "frame alone; entropy and gzip lose all but one of the frames still in the buffer at the end: one frame where "
        "fewer than buffer_size differ; its commands for both refuse their own defaults, and never end with the blur "
        "gate, which drops frames without colour or with wide black bars and keeps blurred ones; frames come out of "
        "order, with indices that are wrong where the frame rate varies; times are a frame late in AVI with B-frames; "
        "its commands report no error for a file that they cannot decode"
    )

    def __init__(
        self,
        *,
        buffer: Literal["hash", "grid", "entropy", "gzip", "passthrough"] = "hash",
        gate: Literal["pass", "blur"] = "pass",
        keyframes_only: bool = True,
        hash_size: Annotated[int, Range(2, 64)] = 4,
        buffer_size: Annotated[int, Range(1, 10_000)] = 10,
    ) -> None:
        self.buffer = buffer
        self.gate = gate
        self.keyframes_only = keyframes_only
        self.hash_size = hash_size
        self.buffer_size = buffer_size

    def question(self, k: int | None) -> dict[str, Any]:  # noqa: ARG002 - it knows no budget
        """Return all parameters."""
        return dict(self.params)

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:  # noqa: ARG002 - it draws nothing
        """Return the frames."""
        answer = self.answer(clip, k)
        if not answer.data["times_s"]:
            raise ContractError("video_sampler sampled no frame of the file, and did not say so")
        sampled = np.unique(nearest_times(clip.times, answer.data["times_s"]))
        found = clip.pick(sampled if k is None else sampled[evenly_spaced(len(sampled), k)])
        return replace(found, cost={"peak_mb": answer.finished.peak_mb})
