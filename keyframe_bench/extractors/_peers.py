"""Third-party tools as they are: run by an interpreter of their own, their answers mapped to frames."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Clip
from ..core.errors import ContractError
from ..core.feature import Feature
from ..core.processes import Finished, run_watched
from ..features.container import SourceFile
from .base import Extractor

VARIABLE = "KEYFRAME_BENCH_PEERS"
_FOLDER = ".venv-peers"
_ASK_VERSIONS = """
import json, re
from importlib.metadata import distributions
print(json.dumps({re.sub("[-_.]+", "-", found.name or "").lower(): found.version for found in distributions()}))
"""
_ASK_FFMPEG = """
import json, subprocess
from imageio_ffmpeg import get_ffmpeg_exe
program = get_ffmpeg_exe()
said = subprocess.run([program, "-version"], capture_output=True, text=True, check=True).stdout
print(json.dumps({"ffmpeg": program, "version": said.split()[2]}))
"""
_BASE_S, _PER_VIDEO_SECOND = 600.0, 30.0  # Katna was seen to take 3 s for a second of 1080p: a tool that hangs is ended
_PRINTED = "printed.txt"
_CHUNK = 1024  # frames held as float64 at a time (39 MB)
_PLAIN_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")


def interpreter() -> Path | None:
    """Return the Python of the peers' environment, or None.

    ``$KEYFRAME_BENCH_PEERS`` if that is set, else ``.venv-peers/bin/python`` in the current folder, else beside the
    package (the root of a checkout).
    """
    named = os.environ.get(VARIABLE)
    root = Path(__file__).resolve().parents[2]
    places = [Path(named)] if named else [folder / _FOLDER / "bin" / "python" for folder in (Path.cwd(), root)]
    # Not resolved: the link in a virtual environment is what tells Python that it is in one.
    return next((place.absolute() for place in places if place.is_file()), None)


def version_of(*distributions: str) -> str | None:
    """Return the version of the first of ``distributions`` (lower case, with hyphens) that is there, or None."""
    python = interpreter()
    versions = {} if python is None else _versions(str(python), python.stat().st_mtime_ns)
    return next((versions[name] for name in distributions if name in versions), None)


def absence(tool: str, *distributions: str) -> str | None:
    """Return why ``tool`` cannot run here and the way out, or None."""
    if version_of(*distributions) is not None:
        return None
    python = interpreter()
    if python is None:
        return f"the peer environment is not there: make peers (or name its Python in {VARIABLE})"
    return f"{python} has no {tool}: make peers (or name another Python in {VARIABLE})"


def ffmpeg_program() -> tuple[str, str] | None:
    """Return path and version of the ``ffmpeg`` that the peers' environment brings, or None."""
    python = interpreter()
    said = {} if python is None else _printed_json([str(python), "-I", "-c", _ASK_FFMPEG])
    return (said["ffmpeg"], said["version"]) if {"ffmpeg", "version"} <= said.keys() else None


@functools.lru_cache(maxsize=8)
def _versions(python: str, changed_ns: int) -> dict[str, str]:  # noqa: ARG001 - another interpreter is asked again
    return _printed_json([python, "-I", "-c", _ASK_VERSIONS])


def _printed_json(command: list[str]) -> dict[str, str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL)
        return dict(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.SubprocessError):  # no Python that runs: as good as absent
        return {}


@dataclass(frozen=True)
class Answer:
    """What a script of a peer gave."""

    data: dict[str, Any]  # the JSON it printed into ``answer.json``
    arrays: dict[str, NDArray[Any]]  # name to array of each ``.npy`` file it left
    finished: Finished  # what its processes took together


def ask(tool: str, script: str, video: str, question: Mapping[str, Any], *, limit_s: float) -> Answer:
    """Run ``script`` in a temporary folder with ``question`` and a plainly named link to the video.

    The script is called with one argument, the question as JSON with ``video`` in it, and writes ``answer.json`` into
    the current folder. The folder, and whatever the tool left in it, is deleted. Raises `ContractError` when it fails,
    does not end in time or gives no answer; with the last line it printed.

    Parameters
    ----------
    tool : str
        Its name, for messages.
    script : str
        File beside this one, run by the peers' interpreter.
    video : str
        Path of the file, whatever characters it has.
    limit_s : float
        After so many seconds all its processes are killed.
    """
    python = interpreter()
    if python is None:
        raise ContractError(str(absence(tool)))
    with workplace(video) as (folder, link):
        asked = json.dumps({**question, "video": str(link)})
        command = [str(python), "-I", str(Path(__file__).with_name(script)), asked]
        finished = run_tool(tool, command, folder, limit_s=limit_s)
        try:
            data = json.loads((folder / "answer.json").read_text("utf-8"))
            arrays = {file.stem: np.load(file, allow_pickle=False) for file in sorted(folder.glob("*.npy"))}
        except (OSError, ValueError) as error:
            last = _last_line(folder / _PRINTED)
            raise ContractError(f"{tool} gave no answer that can be read ({error}); its last line: {last}") from error
    return Answer(data, arrays, finished)


class Peer(Extractor):
    """A tool that opens the video itself, in an environment of its own, and whose answer becomes key frames.

    Attributes
    ----------
    tool : str
        Its name.
    distributions : tuple of str
        What it may be installed as, in lower case, with hyphens.
    script : str
        File beside this one that asks it, see `ask`.
    """

    tool: ClassVar[str]
    distributions: ClassVar[tuple[str, ...]]
    script: ClassVar[str]
    sampling = "every"
    stochastic = False

    @property
    def tool_version(self) -> str | None:
        """The version that is installed, or None."""
        return version_of(*self.distributions)

    @property
    def needs(self) -> tuple[Feature, ...]:
        """The file; another version of the tool is another feature, hence another row."""
        return (SourceFile(tool=f"{self.tool} {self.tool_version or ''}".strip()),)

    def unavailable(self) -> str | None:
        """Return that the peers' environment is missing."""
        return absence(self.tool, *self.distributions)

    @abstractmethod
    def question(self, k: int | None) -> dict[str, Any]:
        """Return what the script is asked, besides the video."""

    def answer(self, clip: Clip, k: int | None) -> Answer:
        """Return what the tool gives for the file of ``clip``."""
        video, limit_s = str(clip[self.needs[0]][0]), time_limit(clip.video.duration_s)
        return ask(self.tool, self.script, video, self.question(k), limit_s=limit_s)


@contextmanager
def workplace(video: str) -> Iterator[tuple[Path, Path]]:
    """Give a temporary folder, and in it a plainly named link to the video; both are deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="keyframe_bench-peer-") as place:
        folder = Path(place)
        suffix = Path(video).suffix.lower()
        link = folder / f"video{suffix if _PLAIN_SUFFIX.fullmatch(suffix) else '.mp4'}"
        link.symlink_to(video)
        yield folder, link


def run_tool(tool: str, command: Sequence[str], folder: Path, *, limit_s: float) -> Finished:
    """Run a tool in ``folder``, a `workplace`; no process of it outlives the call.

    Raises `ContractError` when it cannot be started, fails or does not end in time; with the last line it printed.
    """
    printed = folder / _PRINTED
    try:
        with open(printed, "wb") as output:
            own = {"TMPDIR": str(folder), "TQDM_DISABLE": "1"}
            finished = run_watched(command, output=output, cwd=folder, env=own, limit_s=limit_s)
    except OSError as error:
        raise ContractError(f"{tool} cannot be started ({error.strerror}): make peers") from error
    if finished.status is None:
        raise ContractError(f"{tool} did not end within {limit_s:.0f} s; its last line: {_last_line(printed)}")
    if finished.status != 0:
        status = finished.status
        how = f"was killed by signal {-status}" if status < 0 else f"failed with exit status {status}"
        raise ContractError(f"{tool} {how}; its last line: {_last_line(printed)}")
    return finished


def _last_line(printed: Path) -> str:
    lines = printed.read_text("utf-8", errors="replace").split("\n")
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "it printed nothing")


def time_limit(duration_s: float) -> float:
    """Return after how many seconds a tool counts as hanging on a video of ``duration_s``."""
    return _BASE_S + _PER_VIDEO_SECOND * duration_s


def nearest_images(frames: NDArray[np.uint8], images: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return for each image the position of the frame most like it, and how unlike they are.

    ``frames`` (uint8 [N, h, w]): grey images of every frame, N >= 1; may be a memory-mapped column; ``images`` (uint8
    [K, h, w]): grey images of frames of the same video.

    Returns
    -------
    positions : int64 [K]
        The first of equals.
    residuals : float64 [K]
        Root of the mean squared difference, grey levels of 0 to 255; 0: the same image.

    Examples
    --------
    >>> frames = np.arange(0, 100, 10, dtype=np.uint8).reshape(10, 1, 1)
    >>> positions, residuals = nearest_images(frames, frames[[7, 2]] + np.uint8(1))
    >>> positions.tolist(), residuals.tolist()
    ([7, 2], [1.0, 1.0])
    """
    from scipy.spatial.distance import cdist

    flat = frames.reshape(len(frames), -1)
    wanted = images.reshape(len(images), flat.shape[1])
    chunks = (flat[start : start + _CHUNK] for start in range(0, len(flat), _CHUNK))
    errors = np.concatenate([cdist(chunk, wanted, "sqeuclidean") for chunk in chunks])  # [N, K]
    positions = errors.argmin(axis=0)
    return positions, np.sqrt(errors.min(axis=0) / flat.shape[1])
