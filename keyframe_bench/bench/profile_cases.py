"""What `keyframe-bench perf` measures of this package, and what it is measured against inside one library."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from ..core.budget import Budget
from ..core.errors import KeyframeBenchError, UnavailableError, UsageError
from ..core.feature import opens_file
from ..core.params import parameters_of
from ..core.processes import run_watched
from ..core.registry import plugin_files
from ..extractors._inferred import unsupported
from ..extractors.base import Extractor
from ..extractors.ffmpeg_scene import FfmpegScene
from ..extractors.ffmpeg_thumbnail import FfmpegThumbnail
from ..extractors.trainable import Trainable
from ..video.decode import open_container, video_stream
from ..video.frame_folder import FrameFolder, Video
from ..video.onepass import read_pass
from .spec import NotRun

DECODE = "decode only"
ONE_PASS = "all classical, one pass"
WITH_METRICS = "all classical and metrics, one pass"
HASH = "sha256 of the file"
_HELD_BYTES = 1_000_000_000  # pictures that the filter `thumbnail` holds while it compares them


class Measured(NamedTuple):
    """One case in one round.

    ``wall_s`` and ``cpu_s`` are of the work alone where that could be timed, ``process_s`` is the whole process,
    ``peak_mb`` its highest anonymous memory; ``parts`` are seconds of the pass and of the selections.
    """

    wall_s: float
    cpu_s: float
    process_s: float
    peak_mb: float
    parts: dict[str, float]


class Case(Protocol):
    """Something that is measured in a process of its own, once a round.

    ``like`` names our case that does the same job, "" for none; ``whole`` says that the whole process is timed.
    """

    @property
    def name(self) -> str:
        """Of the row."""

    @property
    def kind(self) -> Literal["ours", "peer"]:
        """Whose it is."""

    @property
    def like(self) -> str:
        """Name of our case."""

    @property
    def whole(self) -> bool:
        """Whether start and end of the process are part of it."""

    def measure(self) -> Measured:
        """Run it once; raises `KeyframeBenchError` with the reason where it fails."""


@dataclass(frozen=True)
class Facts:
    """What a table says of the video.

    Attributes
    ----------
    stream : int
        Index of the main video stream in the file: other programs may choose another one.
    key_frame_distance : float
        Median number of frames from one key frame to the next; the number of frames where there is only one.
    from_packets : bool
        Whether demuxing proves frame identity: what needs no pixels then decodes nothing.
    """

    frames: int
    width: int
    height: int
    codec: str
    stream: int
    duration_s: float
    key_frame_distance: float
    from_packets: bool


def facts_of(video: Video) -> Facts:
    """Read the file once; raises `VideoError` where it gives no frames."""
    read = read_pass(video, {"every": ()}, sha256="not needed here")
    index, codec = 0, "pictures"
    if not isinstance(video, FrameFolder):
        with open_container(video) as container:
            stream = video_stream(container, video)
            index, codec = stream.index, stream.codec_context.codec.canonical_name
    keys = np.flatnonzero(read.keys)
    distance = float(np.median(np.diff(keys))) if len(keys) > 1 else float(len(read.times))
    info = read.info
    size = (info.width, info.height)
    return Facts(info.n_frames, *size, codec, index, info.duration_s, distance, bool(read.health.from_packets))


@dataclass(frozen=True)
class Method:
    """An extractor as it is measured: at the budget asked for, or free where it takes no number."""

    name: str
    params: dict[str, Any]
    budget: str

    def build(self) -> Extractor:
        """Return a fresh instance."""
        return Extractor.registry.build(self.name, self.params)

    @property
    def network(self) -> bool:
        """Whether it looks with a network: such methods are no part of the classical ones."""
        return any(feature.elsewhere for feature in self.build().needs)

    @property
    def decodes(self) -> bool:
        """Whether it needs pixels."""
        return any(feature.source == "frames" for feature in self.build().needs)


def methods_of(
    extractors: Sequence[str] | Literal["all"], budget: str, weights: str | None, checkpoint: str | None = None
) -> tuple[list[Method], list[NotRun]]:
    """Return the extractors that can run here, by name, and those that cannot with the reason.

    Raises
    ------
    UsageError, UnavailableError
        For an unknown name, one that was asked for and cannot run, and weights or a checkpoint that none of them has.
    """
    registry = Extractor.registry
    everything = extractors == "all"
    found, left_out, refused = [], [], []
    for name in sorted(registry.entries() if everything else set(extractors)):
        if everything and registry.entries()[name].cls is None:
            left_out.append(NotRun(name, str(registry.entries()[name].error)))
            continue
        given = {"weights": weights} if weights and "weights" in parameters_of(registry.get(name)) else {}
        if checkpoint and issubclass(registry.get(name), Trainable):
            reason = registry.build(name, {"checkpoint": checkpoint}).unavailable()
            refused.append(reason)
            given |= {} if reason else {"checkpoint": checkpoint}
        extractor = registry.build(name, given)
        own_budget = budget
        if unsupported(extractor, Budget.parse(budget)) and Budget.parse(budget).needs_support == "fixed":
            own_budget = "free"
        reason = _obstacle(extractor, own_budget)
        if reason is None:
            found.append(Method(name, extractor.params, own_budget))
        elif everything:
            left_out.append(NotRun(name, reason))
        else:
            raise UnavailableError(f"extractor {name!r} cannot be measured: {reason}")
    if weights and not any(method.network for method in found):
        raise UsageError("weights= is given, but none of the extractors has weights; leave it out")
    if checkpoint and None not in refused:
        raise UsageError(next(iter(refused), "a checkpoint is given, but none of the extractors learns; leave it out"))
    if not found:
        raise UsageError(f"extractors={extractors}: none is left to be measured at budget={budget}")
    return found, left_out


def _obstacle(extractor: Extractor, budget: str) -> str | None:
    if opens_file(extractor.needs):
        return "it is a peer's tool: perf --peers measures those"
    if extractor.privileged:
        return "it looks at annotations, which a single video has not"
    fetched = extractor.must_download()
    return extractor.unavailable() or fetched or unsupported(extractor, Budget.parse(budget))


@dataclass(frozen=True)
class Work:
    """A piece of work of `profile_work` in a process of its own; ``question`` says which."""

    name: str
    video: Video
    question: dict[str, Any] = field(hash=False)
    kind: Literal["ours", "peer"] = "ours"
    like: str = ""
    whole: bool = False

    def measure(self) -> Measured:
        """Run it once; raises `KeyframeBenchError` with the reason where it fails."""
        # From where this package was imported: the process must not find another copy of it.
        root = Path(__file__).resolve().parents[2]
        with tempfile.TemporaryDirectory(prefix="keyframe_bench-perf-") as folder:
            answer, printed = Path(folder) / "answer.json", Path(folder) / "printed.txt"
            asked = {**self.question, **_named(self.video), "plugins": plugin_files(), "answer": str(answer)}
            command = [sys.executable, "-m", f"{__package__}.profile_work", json.dumps(asked)]
            with printed.open("wb") as output:
                finished = run_watched(command, output=output, cwd=root, env={"PYTHONPATH": _first(root)})
            if not answer.exists():
                lines = printed.read_text("utf-8", errors="replace").strip().splitlines()
                last = lines[-1] if lines else f"exit status {finished.status}"
                raise KeyframeBenchError(f"{self.name} gave no answer: {last}")
            data = json.loads(answer.read_text("utf-8"))
        if "error" in data:
            raise KeyframeBenchError(data["error"])
        return Measured(data["wall_s"], data["cpu_s"], finished.wall_s, finished.peak_mb, data["parts"])


def _named(video: Video) -> dict[str, Any]:
    """Return the path, and what it does not say of a folder of pictures."""
    options = {"fps": video.fps, "times": video.times} if isinstance(video, FrameFolder) else {}
    return {"video": str(video), **options}


def _first(root: Path) -> str:
    """Return the path that modules are looked for on, with ``root`` before what is there."""
    return os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])


def decode_case(video: Video) -> Work:
    """Return what ratios refer to."""
    return Work(DECODE, video, {"work": "decode"}, kind="peer")


def extraction(
    name: str,
    video: Video,
    methods: Sequence[Method],
    sampling: str,
    *,
    metrics: bool = False,
    limit: int | None = None,
) -> Work:
    """Return the case of ``methods`` in one pass over the video, or its first ``limit`` frames."""
    asked = [[method.name, method.params, method.budget] for method in methods]
    return Work(
        name,
        video,
        {"work": "extract", "extractors": asked, "sampling": sampling, "metrics": metrics, "limit": limit},
    )


def own_cases(video: Video, methods: Sequence[Method], sampling: str) -> list[Work]:
    """Return each extractor alone, all classical ones in one pass, and that with what the metrics need."""
    cases = [extraction(method.name, video, [method], sampling) for method in methods]
    classical = [method for method in methods if not method.network]
    if classical:
        cases.append(extraction(ONE_PASS, video, classical, sampling))
        cases.append(extraction(WITH_METRICS, video, classical, sampling, metrics=True))
    return [*cases, Work(HASH, video, {"work": "hash"})]


def library_cases(video: Video, facts: Facts, budget: str) -> list[Work]:
    """Return what FFmpeg's libraries do inside this process, through PyAV: their own filters, and key frames alone.

    Nothing of a folder of pictures, which FFmpeg does not read alike.
    """
    if isinstance(video, FrameFolder):
        return []
    threshold = FfmpegScene().threshold
    filters = [
        ("thumbnail", f"n={thumbnail_batch(facts, budget)}", "ffmpeg_thumbnail"),
        ("select", f"gt(scene,{threshold})", "ffmpeg_scene"),
    ]
    cases = [
        Work(
            f"libavfilter {name}={arguments}",
            video,
            {"work": "filter", "filter": name, "arguments": arguments},
            kind="peer",
            like=like,
        )
        for name, arguments, like in filters
    ]
    return [*cases, Work("PyAV skip_frame=NONKEY", video, {"work": "nokey"}, kind="peer", like="coded_frames")]


def thumbnail_batch(facts: Facts, budget: str) -> int:
    """Return the filter ``thumbnail``'s n that gives as many frames as our method at this budget.

    Fewer where it would hold more than 1 GB of pictures; the filter's default where the budget is no number.
    """
    k = Budget.parse(budget).resolve(facts.frames, facts.duration_s)
    wanted = FfmpegThumbnail().n if k is None else math.ceil(facts.frames / k)
    room = _HELD_BYTES // max(1, facts.width * facts.height * 3 // 2)
    return max(2, min(wanted, room))
