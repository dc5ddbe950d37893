"""Other people's programs as `keyframe-bench perf` measures them: whole processes, from start to exit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from ..core.budget import Budget
from ..core.errors import ContractError, UnavailableError
from ..core.processes import Finished
from ..extractors._peers import absence, ask, ffmpeg_program, run_tool, time_limit, version_of, workplace
from ..extractors.ffmpeg_scene import FfmpegScene
from ..extractors.katna import Katna
from ..extractors.pyscenedetect import PySceneDetect
from ..features.gray import Gray
from ..video.frame_folder import FrameFolder, Video
from .profile_cases import ONE_PASS, Facts, Measured, thumbnail_batch
from .spec import NotRun

KATNA = "Katna"
# The method of this package that looks at the same: colour differences, or histograms, of neighbouring frames.
_DETECTORS = {
    "content": "pixel_distance",
    "adaptive": "pixel_distance",
    "hash": "pixel_distance",
    "hist": "histogram_distance",
}


@dataclass(frozen=True)
class _Tool:
    """A program of the peers' environment."""

    kind: ClassVar[Literal["ours", "peer"]] = "peer"
    whole: ClassVar[bool] = True
    name: str
    like: str
    video: Path
    limit_s: float

    def measure(self) -> Measured:
        """Run it once; raises `ContractError` with the last line it printed where it fails."""
        done = self._finished()
        return Measured(done.wall_s, done.cpu_s, done.wall_s, done.peak_mb, {})

    def _finished(self) -> Finished:
        raise NotImplementedError


@dataclass(frozen=True)
class Script(_Tool):
    """A script beside the extractors, which asks a library of that environment; ``count`` is what it found."""

    script: str
    question: Mapping[str, Any] = field(hash=False)
    count: str

    def _finished(self) -> Finished:
        answer = ask(self.name, self.script, str(self.video), self.question, limit_s=self.limit_s)
        if not answer.data[self.count]:
            raise ContractError(f"{self.name} found nothing ({self.count} is 0)")
        return answer.finished


@dataclass(frozen=True)
class Ffmpeg(_Tool):
    """The program ``ffmpeg``: decode, filter, throw away."""

    program: str
    stream: int
    before: Sequence[str] = ()
    after: Sequence[str] = ()

    def _finished(self) -> Finished:
        with workplace(str(self.video)) as (folder, link):
            quiet = ["-nostdin", "-hide_banner", "-loglevel", "error"]
            chosen = ["-i", str(link), "-map", f"0:{self.stream}"]
            command = [self.program, *quiet, *self.before, *chosen, *self.after, "-f", "null", "-"]
            return run_tool(self.name, command, folder, limit_s=self.limit_s)


def peer_cases(video: Video, facts: Facts, budget: str) -> tuple[list[_Tool], list[NotRun], dict[str, str]]:
    """Return the programs that can run here, those that are absent with the reason, and the versions of the former.

    Raises
    ------
    UnavailableError
        When there is none of them, and the message says how to get them, or it is a folder of pictures.
    """
    if isinstance(video, FrameFolder):
        raise UnavailableError(f"--peers cannot run: {str(video)!r} is a folder of pictures, and they open video files")
    limit_s = time_limit(facts.duration_s)
    found: list[_Tool] = []
    versions: dict[str, str | None] = {}
    left_out = []
    if reason := PySceneDetect().unavailable():
        left_out.append(NotRun("PySceneDetect", reason))
    else:
        versions["PySceneDetect"] = version_of("scenedetect-headless", "scenedetect")
        for detector, like in _DETECTORS.items():
            question = {"detector": detector, "threshold": PySceneDetect().threshold}
            name = f"PySceneDetect {detector}"
            found.append(Script(name, like, video, limit_s, "_peer_pyscenedetect.py", question, "n_read"))
    program = ffmpeg_program()
    if program is None:
        left_out.append(NotRun("ffmpeg", str(absence("ffmpeg"))))
    else:
        versions["ffmpeg"] = program[1]
        found += _ffmpeg_cases(program[0], video, facts, budget, limit_s)
    if reason := Katna().unavailable():
        left_out.append(NotRun(KATNA, reason))
    else:
        versions[KATNA] = version_of("katna")
        found.append(_katna_case(video, facts, budget, limit_s))
    if not found:
        raise UnavailableError(f"--peers cannot run: {left_out[0].reason}")
    return found, left_out, {name: version for name, version in versions.items() if version}


def _katna_case(video: Path, facts: Facts, budget: str, limit_s: float) -> Script:
    """Katna wants a number: at a budget that is none it gets 10."""
    k = Budget.parse(budget).resolve(facts.frames, facts.duration_s) or 10
    gray = next(feature for feature in Katna().needs if isinstance(feature, Gray))
    question = {"k": k, "height": gray.height, "width": gray.width}
    return Script(f"{KATNA} k={k}", ONE_PASS, video, limit_s, "_peer_katna.py", question, "n_pictures")


def _ffmpeg_cases(program: str, video: Path, facts: Facts, budget: str, limit_s: float) -> list[Ffmpeg]:
    scene = f"select='gt(scene,{FfmpegScene().threshold})'"
    thumbnail = f"thumbnail=n={thumbnail_batch(facts, budget)}"
    case = partial(Ffmpeg, video=video, limit_s=limit_s, program=program, stream=facts.stream)
    return [
        case("ffmpeg -f null", ""),
        case(f"ffmpeg -vf {scene}", "ffmpeg_scene", after=("-vf", scene)),
        case(f"ffmpeg -vf {thumbnail}", "ffmpeg_thumbnail", after=("-vf", thumbnail)),
        case("ffmpeg -skip_frame nokey", "coded_frames", before=("-skip_frame", "nokey")),
    ]
