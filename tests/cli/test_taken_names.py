"""A plug-in may not take the place of what exists, in any command and whatever is imported first."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Cli = Callable[..., tuple[int, str, str]]

UNIFORM = """
from keyframe_bench import Extractor, register

@register("uniform")
class Mine(Extractor):
    "The first frame."
    budget_rule = may_return_fewer = "one frame"
    def select(self, clip, k=None, *, rng):
        return clip.pick([0])
"""
GRAY = """
import numpy as np
from keyframe_bench import Feature, register

@register("gray")
class Mine(Feature):
    def compute(self, frames):
        return np.zeros(len(frames))
"""
COLUMN = """
from keyframe_bench import Metric, register
from keyframe_bench.metrics.base import Column

@register("mine")
class Mine(Metric):
    "Better when worse."
    columns = {"redundancy_gray": Column("higher", "1", "mine")}
    def compute(self, keyframes, clip, annotation):
        return {"redundancy_gray": 1.0}
"""
DATASET = """
from keyframe_bench import register
from keyframe_bench.datasets.base import Dataset

@register("folder")
class Mine(Dataset):
    "Nothing."
    def videos(self):
        return []
    def revision(self):
        return ""
"""
COMMANDS = {
    "list": ["list"],
    "check": ["check", "uniform"],
    "extract": ["extract", "VIDEO", "extractor=uniform", "out=out"],
    "explain": ["explain", "VIDEO", "frame=3", "extractor=uniform"],
    "run": ["run", "dataset=folder", "dataset.root=FOLDER", "extractors=[uniform]", "out=out"],
    "table": ["table"],
}


def refused(status: int, err: str) -> None:
    assert status == 2
    assert len(err.strip().splitlines()) == 1
    assert "mine.py" in err
    assert not Path("out").exists()


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("text", "named"),
    [(UNIFORM, "'uniform'"), (GRAY, "'gray'"), (COLUMN, "'redundancy_gray'"), (DATASET, "'folder'")],
    ids=["extractor", "feature", "column", "data set"],
)
def test_refused_by_every_command(
    tmp_path: Path, cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch, command: str, text: str, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(text)
    arguments = [
        word.replace("VIDEO", str(folder / "cuts.mp4")).replace("FOLDER", str(folder)) for word in COMMANDS[command]
    ]
    status, _, err = cli(*arguments, "--plugin", "mine.py")
    refused(status, err)
    assert named in err


@pytest.mark.parametrize("text", [UNIFORM, COLUMN], ids=["extractor", "column"])
def test_refused_when_the_plugin_is_the_first_thing_loaded(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(text)
    words = ["extract", str(folder / "cuts.mp4"), "extractor=uniform", "out=out", "--plugin", "mine.py"]
    command = [sys.executable, "-m", "keyframe_bench.cli.main", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    refused(done.returncode, done.stderr)


BORROWED = """
import numpy as np
from keyframe_bench import Feature, Gray, ScoreExtractor, register

class Blurred(Gray):
    "Not registered: it bears the name of its base, and rows are found by the name."
    def compute(self, frames):
        return np.zeros((len(frames), self.height, self.width), dtype=np.uint8)

@register("borrows")
class Borrows(ScoreExtractor):
    "Nothing."
    needs = (Blurred(height=18, width=32),)
    def score(self, clip):
        return clip[self.needs[0]].mean(axis=(1, 2))
"""


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("command", ["extract", "run"])
def test_a_feature_may_not_bear_the_name_of_another(
    tmp_path: Path, cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Metrics would read its rows for their own."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(BORROWED)
    arguments = [
        word.replace("VIDEO", str(folder / "cuts.mp4")).replace("FOLDER", str(folder)).replace("uniform", "borrows")
        for word in COMMANDS[command]
    ]
    status, _, err = cli(*arguments, "--plugin", "mine.py")
    assert status == 2
    assert "'gray'" in err
    assert "Blurred" in err
    assert not Path("out", "cells").exists()
