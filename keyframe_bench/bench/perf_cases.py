"""What ``keyframe-bench perf`` measures: this package, FFmpeg's libraries inside Python, and other programs."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from ..core.errors import ContractError, KeyframeBenchError, UnavailableError, UsageError
from ..core.feature import opens_file
from ..core.grammar import Budget
from ..core.processes import Finished, run_watched
from ..core.registry import parameters_of, plugin_files
from ..extractors._peers import Peer, absence, ask, ffmpeg_program, run_tool, time_limit, workplace
from ..extractors.asked import Asked, unsupported
from ..extractors.base import Extractor
from ..extractors.ffmpeg_scene import FfmpegScene
from ..extractors.ffmpeg_thumbnail import FfmpegThumbnail
from ..extractors.katna import Katna
from ..extractors.pyscenedetect import Detector, PySceneDetect
from ..extractors.trainable import Trainable
from ..extractors.video_sampler import VideoSampler
from ..video.container import open_container, video_stream
from ..video.frame_folder import FrameFolder, Video
from ..video.onepass import read_pass
from .spec import NotRun

DECODE = "decode only"
ONE_PASS = "all classical, one pass"
WITH_METRICS = "all classical and metrics, one pass"
HASH = "sha256 of the file"
_HELD_BYTES = 1_000_000_000  # images that the filter `thumbnail` holds while it compares them
# PySceneDetect's detectors, and the method of this package that looks at the same.
_DETECTORS: dict[Detector, str] = {
    "content": "pixel_distance",
    "adaptive": "pixel_distance",
    "hash": "pixel_distance",
    "hist": "histogram_distance",
}


class Measured(NamedTuple):
    """One case in one round.

    ``wall_s`` and ``cpu_s`` are of the work alone where that could be timed, ``process_s`` is the whole process,
    ``peak_mb`` its highest anonymous memory; ``parts`` are seconds of the pass and of the selections.
    """

    wall_s: float
    cpu_s: float
    process_s: float
    peak_mb: float
    parts: Mapping[str, float]


@dataclass(frozen=True)
class Case:
    """Something that is measured in a process of its own, once a round.

    ``measure`` raises `KeyframeBenchError` with the reason where it fails. ``like`` names our case that does the same
    job; ``whole_process`` says that start and end of the process are part of it.
    """

    name: str
    measure: Callable[[], Measured]
    kind: Literal["ours", "peer"] = "ours"
    like: str = ""
    whole_process: bool = False


@dataclass(frozen=True)
class Facts:
    """What a table says of the video."""

    frames: int
    width: int
    height: int
    codec: str
    stream: int  # index of the main video stream in the file: other programs may choose another one
    duration_s: float
    # Median number of frames from one key frame to the next; the number of frames where there is only one
    key_frame_distance: float
    from_packets: bool  # whether demuxing proves frame identity: what needs no pixels then decodes nothing


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


def uses_network(method: Asked) -> bool:
    """Whether it looks with a network: such methods are no part of the classical ones."""
    return any(feature.elsewhere for feature in method.extractor.needs)


def needs_pixels(method: Asked) -> bool:
    """Whether anything must be decoded for it."""
    return any(feature.source == "frames" for feature in method.extractor.needs)


def methods_of(
    extractors: Sequence[str] | Literal["all"],
    budget: str | Budget,
    sampling: str,
    weights: str | None = None,
    checkpoint: str | None = None,
) -> tuple[list[Asked], list[NotRun]]:
    """Return the extractors that can run here, by name, and those that cannot with the reason.

    One that takes no number as its budget is measured free. Raises `UsageError`, `UnavailableError` for an unknown
    name, one that was asked for and cannot run, and weights or a checkpoint that none of them has.
    """
    registry, budget = Extractor.registry, Budget.parse(budget)
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
        free = budget.needs_support == "fixed" and unsupported(extractor, budget) is not None
        method = Asked.of(extractor, "free" if free else budget, sampling)
        reason = _obstacle(method)
        if reason is None:
            found.append(method)
        elif everything:
            left_out.append(NotRun(name, reason))
        else:
            raise UnavailableError(f"extractor {name!r} cannot be measured: {reason}")
    if weights and not any(map(uses_network, found)):
        raise UsageError("weights= is given, but none of the extractors has weights; leave it out")
    if checkpoint and None not in refused:
        raise UsageError(next(iter(refused), "a checkpoint is given, but none of the extractors learns; leave it out"))
    if not found:
        raise UsageError(f"extractors={extractors}: none is left to be measured at budget={budget}")
    return found, left_out


def _obstacle(method: Asked) -> str | None:
    extractor = method.extractor
    if isinstance(extractor, Trainable) and (reason := extractor.unavailable()):  # it may not know what it needs
        return reason
    if opens_file(extractor.needs):
        return "it is a peer tool; perf --peers measures it"
    if extractor.privileged:
        return "it requires annotations, which a single video does not have"
    fetched = extractor.must_download()
    return extractor.unavailable() or fetched or unsupported(extractor, method.budget)


def work_case(name: str, video: Video, question: Mapping[str, Any], **about: Any) -> Case:
    """Return a piece of work of `perf_work` in a process of its own; ``about`` as in `Case`."""
    return Case(name, partial(_measure_work, name, video, question), **about)


def _measure_work(name: str, video: Video, question: Mapping[str, Any]) -> Measured:
    # From where this package was imported: the process must not find another copy of it.
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    of_folder = {"fps": video.fps, "times": video.times} if isinstance(video, FrameFolder) else {}
    with tempfile.TemporaryDirectory(prefix="keyframe_bench-perf-") as folder:
        answer, printed = Path(folder) / "answer.json", Path(folder) / "printed.txt"
        asked = {**question, "video": str(video), **of_folder, "plugins": plugin_files(), "answer": str(answer)}
        command = [sys.executable, "-m", f"{__package__}.perf_work", json.dumps(asked)]
        with printed.open("wb") as output:
            finished = run_watched(command, output=output, cwd=root, env={"PYTHONPATH": path})
        if not answer.exists():
            lines = printed.read_text("utf-8", errors="replace").strip().splitlines()
            last = lines[-1] if lines else f"exit status {finished.status}"
            raise KeyframeBenchError(f"{name} gave no answer: {last}")
        data = json.loads(answer.read_text("utf-8"))
    if "error" in data:
        raise KeyframeBenchError(data["error"])
    return Measured(data["wall_s"], data["cpu_s"], finished.wall_s, finished.peak_mb, data["parts"])


def extraction_question(methods: Sequence[Asked], *, metrics: bool = False, limit: int | None = None) -> dict[str, Any]:
    """Return what `perf_work` is asked: ``methods`` in one pass over the video, or over its first ``limit`` frames."""
    asked = [[method.extractor.name, method.extractor.params, str(method.budget)] for method in methods]
    sampling = methods[0].run_sampling
    return {"work": "extract", "extractors": asked, "sampling": sampling, "metrics": metrics, "limit": limit}


def extraction(name: str, video: Video, methods: Sequence[Asked], **options: Any) -> Case:
    """Return the case of an `extraction_question`."""
    return work_case(name, video, extraction_question(methods, **options))


def own_cases(video: Video, methods: Sequence[Asked]) -> list[Case]:
    """Return each extractor alone, all classical ones in one pass, and that with what the metrics need."""
    cases = [extraction(method.extractor.name, video, [method]) for method in methods]
    if classical := [method for method in methods if not uses_network(method)]:
        cases.append(extraction(ONE_PASS, video, classical))
        cases.append(extraction(WITH_METRICS, video, classical, metrics=True))
    return [*cases, work_case(HASH, video, {"work": "hash"})]


def library_cases(video: Video, facts: Facts, budget: Budget) -> list[Case]:
    """Return what FFmpeg's libraries do inside this process, through PyAV: their own filters, and key frames alone.

    Nothing of a folder of images, which FFmpeg does not read alike.
    """
    if isinstance(video, FrameFolder):
        return []

    def case(name: str, like: str, question: Mapping[str, Any]) -> Case:
        return work_case(name, video, question, kind="peer", like=like)

    filters = [
        ("thumbnail", f"n={thumbnail_batch(facts, budget)}", "ffmpeg_thumbnail"),
        ("select", f"gt(scene,{FfmpegScene().threshold})", "ffmpeg_scene"),
    ]
    return [
        *(
            case(f"libavfilter {n}={a}", like, {"work": "filter", "filter": n, "arguments": a})
            for n, a, like in filters
        ),
        case("PyAV skip_frame=NONKEY", "coded_frames", {"work": "nokey"}),
    ]


def thumbnail_batch(facts: Facts, budget: Budget) -> int:
    """Return the filter ``thumbnail``'s n that gives as many frames as our method at this budget.

    Fewer where it would hold more than 1 GB of images; the filter's default where the budget is no number.
    """
    k = budget.resolve(facts.frames, facts.duration_s)
    asked = FfmpegThumbnail().n if k is None else math.ceil(facts.frames / k)
    room = _HELD_BYTES // max(1, facts.width * facts.height * 3 // 2)
    return max(2, min(asked, room))


def peer_cases(video: Video, facts: Facts, budget: Budget) -> tuple[list[Case], list[NotRun], dict[str, str]]:
    """Return the programs that can run here, those that are absent with the reason, and the versions of the former.

    Raises `UnavailableError` when there is none of them, and the message says how to get them, or it is a folder of
    images.
    """
    if isinstance(video, FrameFolder):
        raise UnavailableError(f"--peers cannot run: {str(video)!r} is a folder of images, and they open video files")
    limit_s = time_limit(facts.duration_s)
    k = budget.resolve(facts.frames, facts.duration_s) or 10  # Katna requires a number
    tools: list[tuple[str, str, Peer, str]] = [
        *((f"PySceneDetect {kind}", like, PySceneDetect(detector=kind), "n_read") for kind, like in _DETECTORS.items()),
        (f"Katna k={k}", ONE_PASS, Katna(), "n_pictures"),
        ("video_sampler", "coded_frames", VideoSampler(), "n_read"),
    ]
    found: list[Case] = []
    versions: dict[str, str | None] = {}
    absent: dict[str, str] = {}
    for name, like, peer, count in tools:
        if reason := peer.unavailable():
            absent[peer.tool] = reason
        else:
            versions[peer.tool] = peer.tool_version
            found.append(_script_case(video, limit_s, k, name, like, peer, count))
    if (program := ffmpeg_program()) is None:
        absent["ffmpeg"] = str(absence("ffmpeg"))
    else:
        versions["ffmpeg"] = program[1]
        found += _ffmpeg_cases(program[0], video, facts, budget, limit_s)
    left_out = [NotRun(tool, reason) for tool, reason in absent.items()]
    if not found:
        raise UnavailableError(f"--peers cannot run: {left_out[0].reason}")
    return found, left_out, {name: version for name, version in versions.items() if version}


def _script_case(video: Path, limit_s: float, k: int, name: str, like: str, peer: Peer, count: str) -> Case:
    """Return a script beside the extractors, which asks a library of the peers' environment."""

    def measure() -> Measured:
        answer = ask(name, peer.script, str(video), peer.question(k), limit_s=limit_s)
        if not answer.data[count]:
            raise ContractError(f"{name} found nothing ({count} is 0)")
        return _whole_process(answer.finished)

    return Case(name, measure, "peer", like, whole_process=True)


def _ffmpeg_cases(program: str, video: Path, facts: Facts, budget: Budget, limit_s: float) -> list[Case]:
    """Return the program ``ffmpeg``: decode, filter, throw away."""

    def case(options: str, like: str, before: Sequence[str] = (), after: Sequence[str] = ()) -> Case:
        name = f"ffmpeg {options}"

        def measure() -> Measured:
            with workplace(str(video)) as (folder, link):
                quiet = ["-nostdin", "-hide_banner", "-loglevel", "error"]
                chosen = ["-i", str(link), "-map", f"0:{facts.stream}"]
                command = [program, *quiet, *before, *chosen, *after, "-f", "null", "-"]
                return _whole_process(run_tool(name, command, folder, limit_s=limit_s))

        return Case(name, measure, "peer", like, whole_process=True)

    scene, thumbnail = f"select='gt(scene,{FfmpegScene().threshold})'", f"thumbnail=n={thumbnail_batch(facts, budget)}"
    return [
        case("-f null", ""),
        case(f"-vf {scene}", "ffmpeg_scene", after=("-vf", scene)),
        case(f"-vf {thumbnail}", "ffmpeg_thumbnail", after=("-vf", thumbnail)),
        case("-skip_frame nokey", "coded_frames", before=("-skip_frame", "nokey")),
    ]


def _whole_process(done: Finished) -> Measured:
    return Measured(done.wall_s, done.cpu_s, done.wall_s, done.peak_mb, {})
