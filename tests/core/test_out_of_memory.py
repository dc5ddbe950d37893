"""A lack of memory is an error of its own: never damage, never a shorter video, never a traceback."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import av.error
import cv2
import numpy as np
import pytest

from keyframe_bench.core.errors import OutOfMemoryError, UsageError, VideoError, raise_out_of_memory
from keyframe_bench.core.registry import Registry
from keyframe_bench.features.images import Gray
from keyframe_bench.video import container
from keyframe_bench.video.container import DeclaredLength
from keyframe_bench.video.onepass import read_pass
from keyframe_bench.video.packets import scan_packets

Cli = Callable[..., tuple[int, str, str]]
N_FRAMES = 24


NO_ROOM = "Cannot allocate memory"
FORMS: dict[str, BaseException] = {
    "numpy": np._core._exceptions._ArrayMemoryError((1 << 60,), np.dtype(np.uint8)),
    "opencv": cv2.error("OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 6220800 bytes"),
    "ffmpeg": av.error.MemoryError(errno.ENOMEM, NO_ROOM),
    "mmap": OSError(errno.ENOMEM, NO_ROOM),
    "loader": ImportError("libx.so: failed to map segment from shared object"),
    "thread": RuntimeError("can't start new thread"),
    "torch": RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8000000 bytes."),
    "wrapped": VideoError("v.mp4", "no video container"),
}
FORMS["wrapped"].__cause__ = OSError(errno.ENOMEM, NO_ROOM)


OTHERS = (
    *(ValueError("x"), VideoError("v.mp4", "damaged"), OSError(errno.ENOENT, "no")),
    ImportError("libgomp.so.1: cannot allocate memory in static TLS block"),  # there may be any amount of it
    UsageError("cache_gb=0: not enough memory is no reason to stop"),
)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_becomes_one_error_with_one_sentence_and_others_stay(form: str) -> None:
    with pytest.raises(OutOfMemoryError) as found:
        raise_out_of_memory(FORMS[form])
    assert "memory" in str(found.value) and "\n" not in str(found.value) and isinstance(found.value, MemoryError)
    for error in OTHERS:
        raise_out_of_memory(error)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four frames of 1280 x 720."""
    path = tmp_path_factory.mktemp("large") / "large.mp4"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "bf": "2"})
        stream.height, stream.width, stream.pix_fmt = 720, 1280, "yuv420p"
        for _ in range(N_FRAMES):
            picture = np.kron(rng.integers(0, 255, (9, 16, 3), dtype=np.uint8), np.ones((80, 80, 1), np.uint8))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return path


class _FailingPacket(SimpleNamespace):
    """A packet whose decoding fails; everything else as the packet."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.packet, name)

    def decode(self) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "room"),
    [
        (FORMS["ffmpeg"], True),
        (av.error.BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), True),  # a decoder thread
        # what H.264 says when a frame cannot be allocated
        (av.error.InvalidDataError(1094995529, "Invalid data found"), False),
    ],
)
def test_a_decode_that_failed_for_memory_gives_no_shorter_video(
    large: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, room: bool
) -> None:
    packets = DeclaredLength.packets

    def failing(self: DeclaredLength) -> Iterator[Any]:
        for n, packet in enumerate(packets(self)):
            yield _FailingPacket(packet=packet, error=error) if n == 9 else packet

    monkeypatch.setattr(DeclaredLength, "packets", failing)
    monkeypatch.setattr(container, "has_room", lambda n: room)
    with pytest.raises(OutOfMemoryError):
        read_pass(large, {"every": (Gray(height=9, width=16),)})


def test_a_file_that_cannot_be_opened_without_memory_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    monkeypatch.setattr(container, "has_room", lambda n: False)
    for opened in (scan_packets, container.open_container):
        with pytest.raises(OutOfMemoryError):
            opened(tmp_path / "text.mp4")


@pytest.mark.parametrize("what", ["threading.Thread.run", "keyframe_bench.video.prefetch.has_room"])
def test_a_decoding_thread_that_ends_without_a_word_or_has_no_room(
    large: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(what, lambda _: None)
    with pytest.raises(OutOfMemoryError):
        read_pass(large, {"2fps": [Gray()]})


def test_a_module_that_cannot_be_loaded_for_memory_is_not_left_out() -> None:
    def load() -> None:
        raise ImportError("libx.so: failed to map segment from shared object")

    registry: Registry[Any] = Registry("thing", "keyframe_bench.things")
    with pytest.raises(OutOfMemoryError):
        registry._attempt("x", "x", load)


PLUGIN = """
import numpy as np
from keyframe_bench import Extractor, register

@register("hungry")
class Hungry(Extractor):
    reference = "none"
    budget_rule = "first k"
    needs = ()

    def select(self, clip, k, *, rng):
        np.empty(1 << 60, np.uint8)
"""


@pytest.mark.usefixtures("own_registry")
def test_a_method_without_memory_is_a_failed_row(video: Path, tmp_path: Path, cli: Cli) -> None:
    plugin = tmp_path / "hungry.py"
    plugin.write_text(PLUGIN)
    out = tmp_path / "out"
    words = (f"dataset.root={video.parent}", "dataset=folder", "limit=1", "extractors=[hungry]", "budget=3")
    status, _, err = cli("run", "--plugin", plugin, *words, "on_error=skip", f"out={out}")
    by_name = {cell["extractor"]: cell for cell in (json.loads(file.read_text()) for file in (out / "cells").iterdir())}
    assert status != 0 and "Traceback" not in err
    assert by_name["hungry"]["status"] == "failed" and by_name["hungry"]["error"]["type"] == "OutOfMemoryError"
    assert by_name["uniform"]["status"] == "ok"


LADDER = """
import json, resource, sys
from keyframe_bench.bench.execute import run_benchmark
from keyframe_bench.bench.spec import RunSpec
from keyframe_bench.core.errors import KeyframeBenchError
from keyframe_bench.comparison import _dataset_of
from pathlib import Path
small, large, out, extra = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])

def run(video, name):
    spec = RunSpec(dataset=_dataset_of([video]), out=out / name, extractors=["uniform", "pixel_distance"],
                   budgets=["3"], seeds=(0,), sampling="every", on_error="skip", cache_gb=0)
    run_benchmark(spec)

run(small, "first")  # everything is imported
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + extra * 1_000_000
resource.setrlimit(resource.RLIMIT_AS, (size, size))
try:
    run(large, "second")
except KeyframeBenchError as error:
    print(type(error).__name__)
"""


def run_with_room(small: Path, large: Path, out: Path, megabytes: int) -> tuple[str, dict[str, list[Any]]]:
    command = [sys.executable, "-c", LADDER, *map(str, (small, large, out, megabytes))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
    cells = [json.loads(file.read_text()) for file in (out / "second" / "cells").glob("*.json")]
    found = {}
    for c in cells:
        error, chosen = c["error"] or {}, c["keyframes"] or {}
        found[f"{c['extractor']} {c['seed']}"] = [c["status"], error.get("type"), chosen.get("frames")]
    return done.stdout.strip(), found


@pytest.mark.skipif(sys.platform != "linux", reason="address space cannot be limited")
@pytest.mark.parametrize("ladder", [(10,), pytest.param((0, 8, 26, 35, 45, 60, 80, 130), marks=pytest.mark.slow)])
def test_with_any_memory_a_run_gives_whole_results_or_says_why_not(
    video: Path, large: Path, tmp_path: Path, ladder: tuple[int, ...]
) -> None:
    said, whole = run_with_room(video, large, tmp_path / "whole", 4000)
    assert not said and {status for status, _, _ in whole.values()} == {"ok"}
    failed = 0
    for megabytes in ladder:
        said, found = run_with_room(video, large, tmp_path / str(megabytes), megabytes)
        assert said in ("", "OutOfMemoryError"), said
        for name, row in found.items():
            assert row == whole[name] or row[:2] == ["failed", "OutOfMemoryError"], row
        assert said or found.keys() == whole.keys()
        failed += bool(said) or any(row[0] == "failed" for row in found.values())
    assert failed, "the ladder begins too high"


@pytest.mark.skipif(sys.platform != "linux", reason="address space cannot be limited")
@pytest.mark.parametrize("megabytes", [100, 900])
def test_a_command_with_little_memory_ends_with_a_sentence(large: Path, tmp_path: Path, megabytes: int) -> None:
    words = ["extract", large, "extractor=uniform", "sampling=every", "budget=3", f"out={tmp_path / 'out'}"]
    limited = (
        f"import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_AS, ({megabytes * 10**6},) * 2); "
        f"sys.argv[1:] = {[str(w) for w in words]!r}; runpy.run_module('keyframe_bench.cli.main', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr and "damaged" not in done.stderr
    if done.returncode == 0:
        record = json.loads((tmp_path / "out" / "keyframes.json").read_text())
        assert len(record["frames"]) == 3 and record["health"]["decode_errors"] == 0
    else:
        assert "memory" in done.stderr and done.stderr.count("\n") == 1
