"""Plug-in files as beginners write them, and such as would take the place of what exists."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keyframe_bench.core.version import VERSION

Cli = Callable[..., tuple[int, str, str]]

METHOD = """
from keyframe_bench import Extractor, Feature, register
IMPORT

@register("mine_of_test")
class Mine(Extractor):
    "The first frames."
    reference = "none"
    budget_rule = "the first k"
    stochastic = False
    def select(self, clip, k=None, *, rng):
        return clip.pick(range(min(k, len(clip))))
"""
# A name that is taken, by kind: the class that takes it, with what it must define.
TAKEN = {
    "'uniform'": ("uniform", "Extractor", "def select(self, clip, k=None, *, rng): return clip.pick([0])"),
    "'gray'": ("gray", "Feature", "def compute(self, frames): return [0] * len(frames)"),
    "'redundancy_gray'": (
        "mine",
        "Metric",
        'columns = {"redundancy_gray": kb.Column("higher", "1", "mine")}\n'
        "    def compute(self, keyframes, clip, annotation): return {'redundancy_gray': 1.0}",
    ),
    "'folder'": ("folder", "Dataset", "def videos(self): return []\n    def revision(self): return ''"),
}


def taking(named: str) -> str:
    """Return a plug-in that takes a name."""
    name, kind, body = TAKEN[named]
    return f"import keyframe_bench as kb\n@kb.register('{name}')\nclass Mine(kb.{kind}):\n    'Mine.'\n    {body}\n"


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
COMMANDS = {
    "list": ["list"],
    "check": ["check", "uniform"],
    "extract": ["extract", "VIDEO", "extractor=uniform", "out=out"],
    "explain": ["explain", "VIDEO", "frame=3", "extractor=uniform"],
    "run": ["run", "dataset=folder", "dataset.root=FOLDER", "extractors=[uniform]", "out=out"],
    "table": ["table"],
}


@pytest.fixture
def words(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Return a command with the plug-in ``mine.py`` of an own working folder."""
    monkeypatch.chdir(tmp_path)
    names = {"VIDEO": str(folder / "cuts.mp4"), "dataset.root=FOLDER": f"dataset.root={folder}"}
    return lambda command: [*(names.get(word, word) for word in COMMANDS[command]), "--plugin", "mine.py"]


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("name", ["my.plug-v2.py", "2 müde.plugins.py", "torch.py"])
def test_any_file_name_will_do(tmp_path: Path, cli: Cli, name: str) -> None:
    (tmp_path / name).write_text(METHOD.replace("IMPORT", ""))
    status, out, err = cli("check", "--plugin", tmp_path / name)
    assert (status, err) == (0, "")
    assert "mine_of_test: picklable: passed" in out
    assert "mine_of_test: same_answer_elsewhere: passed" in out
    *lines, summary = [line for line in out.splitlines() if line.startswith("mine_of_test: ")][:-1]
    told = [out.count(f": {status}") for status in ("passed", "failed", "not applicable")]
    assert f"{len(lines)} checks: {told[0]} passed, {told[1]} failed, {told[2]} not applicable" in summary


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("statement", ["import torch", "from torch.nn import Conv2d"])
def test_torch_at_the_top_is_noticed(tmp_path: Path, cli: Cli, statement: str) -> None:
    (tmp_path / "mine.py").write_text(METHOD.replace("IMPORT", statement))
    status, out, _ = cli("check", "--plugin", tmp_path / "mine.py")
    (failed,) = [line for line in out.splitlines() if ": failed: " in line]
    assert status == 1 and "imports torch at its top" in failed and "mine.py" in failed


@pytest.mark.usefixtures("own_registry")
def test_a_feature_that_gives_one_number_is_named_with_its_file(tmp_path: Path, cli: Cli, folder: Path) -> None:
    text = METHOD.replace("IMPORT", "").replace("reference =", "needs = (Number(),)\n    reference =")
    number = "class Number(Feature):\n    name = 'number_of_test'\n    def compute(self, frames):\n        return 3.5\n"
    (tmp_path / "mine.py").write_text(text.replace("@register", f"{number}\n\n@register"))
    status, out, _ = cli("check", "--plugin", tmp_path / "mine.py")
    assert status == 1
    (failed,) = [line for line in out.splitlines() if ": failed: " in line]
    arguments = ("extract", folder / "cuts.mp4", "extractor=mine_of_test", f"out={tmp_path / 'out'}")
    status, _, err = cli(*arguments, "--plugin", tmp_path / "mine.py")
    assert status == 2
    for said in (failed, err):
        assert "number_of_test" in said and str(tmp_path / "mine.py") in said and "a single float" in said


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("named", TAKEN)
def test_a_taken_name_is_refused_by_every_command(
    cli: Cli, words: Callable[..., list[str]], command: str, named: str
) -> None:
    Path("mine.py").write_text(taking(named))
    status, _, err = cli(*words(command))
    assert status == 2 and err.count("\n") == 1 and "mine.py" in err and named in err
    assert not Path("out").exists()


def test_a_taken_name_is_refused_when_the_plugin_is_the_first_thing_loaded(words: Callable[..., list[str]]) -> None:
    for named in ("'uniform'", "'redundancy_gray'"):
        Path("mine.py").write_text(taking(named))
        program = [sys.executable, "-m", "keyframe_bench.cli.main", *words("extract")]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "mine.py" in done.stderr
        assert not Path("out").exists()


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("command", ["extract", "run"])
def test_a_feature_may_not_bear_the_name_of_another(cli: Cli, words: Callable[..., list[str]], command: str) -> None:
    """Metrics would read its rows for their own."""
    Path("mine.py").write_text(BORROWED)
    status, _, err = cli(*(word.replace("uniform", "borrows") for word in words(command)))
    assert status == 2 and "'gray'" in err and "Blurred" in err
    assert not Path("out", "cells").exists()


def test_python_m() -> None:
    command = [sys.executable, "-m", "keyframe_bench", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, VERSION)
