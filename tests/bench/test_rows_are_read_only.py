"""Whoever writes into the rows that all share is named, and harms nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keyframe_bench as kb

Cli = Callable[..., tuple[int, str, str]]

PLUGIN = """
import ctypes
import numpy as np
from keyframe_bench import Gray, ScoreExtractor, register
from keyframe_bench.metrics.base import Column, Metric

NEEDS = (Gray(height=18, width=32),)  # metrics look at these too

def by_torch(rows):
    import torch
    torch.from_numpy(rows).zero_()

def by_flag(rows):
    rows.flags.writeable = True
    rows[:] = 0

def by_ctypes(rows):
    ctypes.memset(rows.ctypes.data, 0, rows.nbytes)

def by_sort(rows):  # the sum stays
    address = (ctypes.c_uint8 * rows.nbytes).from_address(rows.ctypes.data)
    np.frombuffer(address, dtype=rows.dtype).sort()

for how in (by_torch, by_flag, by_ctypes, by_sort):
    @register(how.__name__)
    class Writes(ScoreExtractor):
        "Reads after it has written."
        needs = NEEDS
        how = staticmethod(how)
        def score(self, clip):
            self.how(WHAT)
            return clip[NEEDS[0]].mean(axis=(1, 2))
"""
METRIC = """
@register("a_writing_metric")
class Measured(Metric):
    "Sorts in place."
    needs = NEEDS
    columns = {"written_of_test": Column("none", "1", "nothing")}
    def compute(self, keyframes, clip, annotation):
        by_flag(WHAT)
        return {"written_of_test": 1.0}
"""
WRITERS = ["by_torch", "by_flag", "by_ctypes", "by_sort"]
OTHERS = ["pixel_distance", "uniform"]


def results(out: Path) -> dict[str, dict[str, Any]]:
    cells = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    return {cell["extractor"] + cell["budget"]: cell for cell in cells}


def named(what: str, cell: dict[str, Any]) -> bool:
    """Whether the error says ``what``; only NumPy 2.0 refuses to set the flag before anything is written."""
    refused = np.__version__.startswith("2.0.") and "cannot set WRITEABLE flag" in cell["error"]["message"]
    return refused or what in cell["error"]["message"]


@pytest.fixture
def apart(video: Path, tmp_path: Path) -> Callable[..., dict[str, dict[str, Any]]]:
    """Run over one video in a process of its own, with a cache of its own; its cells."""
    (folder := tmp_path / "videos").mkdir()
    (folder / "a.mp4").write_bytes(video.read_bytes())

    def run(out: str, extractors: Sequence[str], text: str, *more: str, status: int = 0) -> dict[str, dict[str, Any]]:
        (plugin := tmp_path / "plugin.py").write_text(text)
        words = ["run", "dataset=folder", f"dataset.root={folder}", f"extractors=[{','.join(extractors)}]", *more]
        words += ["on_error=warn", f"out={tmp_path / out}", f"--plugin={plugin}"]
        environment = {**os.environ, "KEYFRAME_BENCH_CACHE": str(tmp_path / f"cache of {out[0]}")}
        command = [sys.executable, "-m", "keyframe_bench", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == status, done.stderr
        return results(tmp_path / out)

    return run


def told(cell: dict[str, Any]) -> Any:
    """Return what must not depend on the writer."""
    timed = ("_s", "_mb", "_per_s", "speed")
    numbers = {name: value for name, value in cell["metrics"].items() if not any(part in name for part in timed)}
    return cell["keyframes"]["frames"], cell["keyframes"]["times"], cell["keyframes"]["scores"], numbers


FEATURE = """
import ctypes
import numpy as np
import torch
from keyframe_bench import Feature, ScoreExtractor, register

@register("a_writing_feature")
class Writes(Feature):
    "Blackens what it sees."
    def compute(self, frames):
        for frame in frames:
            for image in (frame.luma(18, 32), frame.rgb(60, 80), *frame.planes()):
                torch.from_numpy(image).mul_(0)
        return np.zeros((len(frames), 1))

@register("a_blackening_method")
class Blackens(ScoreExtractor):
    reference = "none"
    needs = (Writes(),)
    def score(self, clip):
        return clip[self.needs[0]][:, 0]
"""


@pytest.mark.slow
def test_what_a_feature_does_to_its_pictures_reaches_no_other(apart: Callable[..., Any]) -> None:
    names, more = ["pixel_distance", "vsumm"], ("budget=3", "cache_gb=1")
    sound = apart("sound", names, "", *more)
    found = apart("mixed", ["a_blackening_method", *names], FEATURE, *more)
    later = apart("m", names, "", *more)  # from rows that are kept
    for name in names:
        assert told(found[name + "3"]) == told(later[name + "3"]) == told(sound[name + "3"])


def test_methods_that_write_are_named_and_alone_fail(apart: Callable[..., Any]) -> None:
    """In a process of its own, which must live: from the second run on, rows are those of mapped files."""
    text, more = PLUGIN.replace("WHAT", "clip[NEEDS[0]]"), ("budget=[2,3]", "sampling=every")
    sound = apart("sound", OTHERS, text, *more, "cache_gb=1")
    for out, cache_gb in (("fresh", 0), ("stored", 1)):
        found = apart(out, [*WRITERS, *OTHERS], text, *more, f"cache_gb={cache_gb}", status=1)
        for budget in "23":
            for name in WRITERS:
                cell = found[name + budget]
                assert cell["status"] == "failed"
                assert named(f"extractor '{name}' writes into rows of gray", cell)
            for name in OTHERS:
                assert told(found[name + budget]) == told(sound[name + budget])


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("what", ["clip[NEEDS[0]]", "clip.times", "keyframes.frames", "annotation.users[0].frames"])
def test_a_metric_that_writes_is_named(folder: Path, tmp_path: Path, cli: Cli, what: str) -> None:
    users = {"ann": {"frames": [3, 7]}, "bob": {"frames": [3, 7]}}
    about = {"format": "keyframe_bench/annotations@1", "videos": {"cuts.mp4": {"users": users}}}
    (folder / "annotations.json").write_text(json.dumps(about))
    plugin, out = tmp_path / "plugin.py", tmp_path / "out"
    plugin.write_text(PLUGIN + METRIC.replace("WHAT", what))
    for name in ("mixed.mp4", "static.mp4"):
        (folder / name).unlink()
    words = ("dataset=folder", f"dataset.root={folder}", "extractors=[uniform]", "budget=[2,3]", "on_error=warn")
    assert cli("run", *words, f"out={out}", "--plugin", plugin)[0] == 1
    found = results(out)
    assert {cell["status"] for cell in found.values()} == {"failed"}
    for cell in found.values():
        assert named("metric 'a_writing_metric' writes into", cell)


@pytest.mark.usefixtures("own_registry")
@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")  # torch says so, once, and goes on
@pytest.mark.parametrize("what", ["clip[NEEDS[0]]", "clip.times", "clip.ordinals"])
def test_extract_and_explain_name_it(video: Path, tmp_path: Path, cli: Cli, what: str) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text(PLUGIN.replace("WHAT", what))
    for words in (
        ("extract", video, "extractor=by_torch", f"out={tmp_path / 'out'}"),
        ("extract", video, "extractor=by_torch", "budget=inferred", f"out={tmp_path / 'out'}"),
        ("explain", video, "frame=3", "extractor=by_torch"),
    ):
        status, _, err = cli(*words, "--plugin", plugin)
        assert status == 2
        assert "'by_torch' writes into" in err
        assert not (tmp_path / "out").exists()


def test_a_method_that_writes_and_then_raises_is_named_for_writing() -> None:
    from keyframe_bench.core.clip import watched
    from keyframe_bench.core.errors import RowsWrittenError

    class Mine(kb.Extractor):
        name = "mine"

        def select(self, clip: kb.Clip, k: int | None = None, *, rng: np.random.Generator) -> kb.KeyFrames:
            raise NotImplementedError

    gray = kb.Gray(height=6, width=8)
    clip = kb.clip_from_images(np.zeros((3, 12, 16, 3), dtype=np.uint8), [gray])
    with pytest.raises(RowsWrittenError, match="extractor 'mine' writes into rows of gray"), watched(Mine(), clip):
        clip[gray].flags.writeable = True
        clip[gray][1] = 7
        raise ValueError("and then this")
