"""What the tests of runs share."""

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
import dataclasses
import json
import os
import sys
import threading
import time
from pathlib import Path
import numpy as np
import keyframe_bench as kb


def threads():
    import cv2
    from threadpoolctl import threadpool_info
    from keyframe_bench.video.decode import decoder_threads

    found = {"decoder": decoder_threads(), "cv2": cv2.getNumThreads(), "omp": os.environ.get("OMP_NUM_THREADS")}
    return found | {"libraries": max(about["num_threads"] for about in threadpool_info())}


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
        if self.mode == "killed while marked" and clip.video.name == "mixed.mp4" and os.path.exists(self.marker):
            cells = Path(Path(self.marker).read_text(), "cells")  # of a run that has finished another video
            limit = time.monotonic() + 300
            while time.monotonic() < limit and not list(cells.glob("*.json")):
                time.sleep(0.02)
            os.kill(os.getpid(), 9)
        if self.mode == "threads":
            Path(self.marker, clip.video.name + ".json").write_text(json.dumps(threads()))
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


@pytest.fixture(scope="session")
def words(rendered, plugin_file):
    """A run over three videos with a plug-in, two budgets and two seeds, without its ``out=``."""
    more = [
        "budget=[2,4]",
        "seeds=[0,1]",
        f"--plugin={plugin_file}",
        "extractors=[vsumm,pixel_distance,plugin_of_tests]",
    ]
    return ["run", "dataset=folder", f"dataset.root={rendered}", "cache_gb=0", *more]


@pytest.fixture(scope="session")
def undisturbed(command, words, tmp_path_factory, numbers):
    """The numbers of that run in one process, left alone."""
    out = tmp_path_factory.mktemp("undisturbed")
    done = command(*words, f"out={out}")
    assert (done.returncode, done.stderr) == (0, b"")
    found = numbers(out)
    assert len(found) == 3 * 2 * (3 + 1 + 2)  # three methods and uniform once, random for both seeds
    return found


@pytest.fixture(scope="session")
def ray_environment():
    """Start a Ray cluster of this machine's own, with two cores; the environment that leads to it."""
    pytest.importorskip("ray", reason="needs keyframe_bench[cluster]")
    # Ray's sockets need short paths. A token keeps everybody else out.
    with tempfile.TemporaryDirectory(prefix="kb-ray-") as folder:
        environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        environment |= {"RAY_TMPDIR": folder, "HOME": folder}
        environment.pop("RAY_ADDRESS", None)
        log = Path(folder, "log")
        more = ["--head", "--block", "--port=0", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
        more += [f"--temp-dir={folder}/t", "--object-store-memory=80000000", "--node-ip-address=127.0.0.1"]
        program = [str(Path(sys.executable).with_name("ray")), "start", *more]
        options = {"cwd": folder, "env": environment, "stderr": subprocess.STDOUT, "start_new_session": True}
        with log.open("wb") as file:
            ray = subprocess.Popen(program, stdout=file, **options)
        try:
            limit = time.monotonic() + 300
            while (address := re.search(r"--address='([^']+)'", log.read_text())) is None:
                assert ray.poll() is None and time.monotonic() < limit, log.read_text()
                time.sleep(0.1)
            yield environment | {"RAY_ADDRESS": address[1]}
        finally:
            ray.terminate()
            try:
                ray.wait(20)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(ray.pid, signal.SIGKILL)


@pytest.fixture
def environment(request):
    """The environment for an executor or launcher: what a Ray cluster needs, if it is that."""
    return request.getfixturevalue("ray_environment") if "ray" in str(request.node.callspec.id) else dict(os.environ)


LEARNERS = '''
import os
import time
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import keyframe_bench as kb
from keyframe_bench.features.histograms import GrayHistogram


@dataclass(frozen=True, kw_only=True)
class Options(kb.TrainerOptions):
    c: Annotated[float, kb.Range(0)] = 1.0
    fails_for: str = ""
    waits: bool = False


class Learner(kb.ScoreExtractor, kb.Trainable):
    reference = "none"
    budget_rule = "the k highest"
    Options = Options

    def __init__(self, checkpoint: str = "", power: float = 1.0) -> None:
        self.checkpoint = checkpoint
        self.power = power

    @property
    def needs(self):
        return (GrayHistogram(),)

    def fit(self, train, validation, session):
        from sklearn.linear_model import LogisticRegression

        with open(os.environ["FITS"], "a") as file:
            file.write(self.name + "\\n")
        if session.options.waits:
            time.sleep(3)
        if session.options.fails_for in [clip.video.name for clip in train] + [clip.video.name for clip in validation]:
            raise ZeroDivisionError("of tests")
        rows = np.concatenate([clip[GrayHistogram()] for clip in train]).astype(float)
        times = np.concatenate([clip.times for clip in train])
        y = np.array([f in self.wanted(clip) for clip in train for f in clip.ordinals])
        y[0], y[-1] = True, False
        weights = session.rng("weights").uniform(0.5, 1.5, size=len(y))
        model = LogisticRegression(C=session.options.c, max_iter=1000).fit(rows, y, sample_weight=weights)
        return session.checkpoint({"w": model.coef_[0]}, last_s=float(times.max()))

    def score(self, clip):
        return clip[GrayHistogram()].astype(float) @ self.learned().tensors["w"] * self.power


@kb.register("choosers")
class Choosers(Learner):
    """Frames that annotators would choose."""

    supervision = "users"

    def wanted(self, clip):
        return {f for user in clip.annotation.users for f in user.frames}


@kb.register("unlike")
class Unlike(Learner):
    """One without annotators, whose choices it is not shown."""

    def wanted(self, clip):
        assert clip.annotation is None
        return set(clip.ordinals[::3].tolist())


@kb.register("alike")
class Alike(Unlike):
    """One that learns the same with every seed."""

    seeded = False
'''


FOUR_VIDEOS = ("dataset=synthetic", "dataset.n_videos=4", "dataset.duration_s=2", "budget=2", "cache_gb=0.1")


@pytest.fixture
def run(cli, own_registry, tmp_path, monkeypatch):
    """Run with the plug-in on four short videos; status, output, errors. Trainings that took place are counted."""
    plugin, counter = tmp_path / "learners.py", tmp_path / "fits"
    plugin.write_text(LEARNERS)
    counter.touch()
    monkeypatch.setenv("FITS", str(counter))
    monkeypatch.chdir(tmp_path)

    def run(*words, out="out", base=FOUR_VIDEOS):
        given = ["--plugin", plugin, *base, f"out={tmp_path / out}", f"trainings={tmp_path / 'trainings'}", *words]
        return cli("run", *map(str, given))

    run.n_fits, run.plugin = lambda: len(counter.read_text().split()), plugin
    return run
