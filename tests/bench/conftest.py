"""What the tests of runs share."""

import pytest

from keyframe_bench.bench.execute import run_benchmark
from keyframe_bench.bench.spec import RunSpec
from keyframe_bench.core.registry import load_plugins
from keyframe_bench.datasets.base import Dataset


@pytest.fixture
def benchmark(tmp_path):
    """Run over a folder from Python, into ``out`` below the test's folder; further options as in `RunSpec`."""

    def run(root, extractors=("pixel_distance",), *, out=None, plugins=(), **options):
        load_plugins(plugins)
        given = {"budgets": ["3"], "sampling": "2fps", "seeds": (0,), "on_error": "raise"} | options
        dataset = Dataset.registry.build("folder", {"root": str(root)})
        spec = RunSpec(dataset, out or tmp_path / "out", extractors, plugins=[str(p) for p in plugins], **given)
        return run_benchmark(spec)

    return run


PLUGIN = """
import os
import sys
import dataclasses
import threading
import numpy as np
import keyframe_bench as kb


@kb.register("feature_of_tests")
class Feature_(kb.Feature):
    '''Mean grey level, or an error.'''

    def __init__(self, fails: str = "") -> None:
        self.fails = fails

    def compute(self, frames):
        if self.fails == "feature exits":
            sys.exit(0)
        if self.fails:
            raise RuntimeError("the feature broke")
        return np.array([frame.luma(12, 16).mean() for frame in frames])


class OddError(Exception):
    def __init__(self, one, two):  # a pickle calls it with one argument
        super().__init__(f"{one} {two}")
        self.lock = threading.Lock()


class OwnEnd(BaseException):
    pass


ENDS = {
    "exit": SystemExit(0),
    "memory": MemoryError("of tests"),
    "recursion": RecursionError("of tests"),
    "surrogate": ValueError("no file f\\udcff"),
    "long": ValueError("x" * 3_000_000),
    "generator": GeneratorExit(),
    "own": OwnEnd("of tests"),
    "interrupt": KeyboardInterrupt(),
}


@kb.register("plugin_of_tests")
class Plugin(kb.Extractor):
    '''The brightest frames, or what ``mode`` names.'''

    reference = "none"
    budget_rule = "the k brightest"
    stochastic = False

    def __init__(self, mode: str = "works", marker: str = "") -> None:
        self.mode = mode
        self.marker = marker

    @property
    def needs(self):
        return (Feature_(fails=self.mode if self.mode.startswith("feature") else ""),)

    def select(self, clip, k=None, *, rng):
        broken = self.mode == "raises" or (self.mode == "raises while marked" and os.path.exists(self.marker))
        if broken and clip.video.name != "cuts.mp4":
            raise ZeroDivisionError("of tests")
        if self.mode == "killed":
            os.kill(os.getpid(), 9)
        if self.mode == "ends its process":
            os._exit(0)
        if self.mode == "odd error":
            raise OddError("what", "happened")
        if self.mode in ENDS:
            raise ENDS[self.mode]
        order = np.argsort(-clip[self.needs[0]], kind="stable")
        if self.mode == "odd cost":
            return dataclasses.replace(clip.pick(order[:k]), cost={"model_s": np.float32(0.5)})
        return clip.pick(order if self.mode == "too many" else order[:k])
"""


@pytest.fixture(scope="session")
def plugin_file(tmp_path_factory):
    """A plug-in file with an extractor that works, or fails in the way that ``mode`` names."""
    file = tmp_path_factory.mktemp("plugin") / "plugin_of_tests.py"
    file.write_text(PLUGIN)
    return file


@pytest.fixture
def plugin(plugin_file, own_registry):
    """The same, forgotten by this process after the test."""
    return plugin_file
