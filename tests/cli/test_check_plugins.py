"""``check`` on files as beginners write them, and the other way to start the program."""

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


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("name", ["my.plug-v2.py", "2 müde.plugins.py", "torch.py"])
def test_any_file_name_will_do(tmp_path: Path, cli: Cli, name: str) -> None:
    (tmp_path / name).write_text(METHOD.replace("IMPORT", ""))
    status, out, err = cli("check", "--plugin", tmp_path / name)
    assert (status, err) == (0, "")
    assert "mine_of_test: picklable: passed" in out
    assert "mine_of_test: same_answer_elsewhere: passed" in out


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("statement", ["import torch", "from torch import nn", "from torch.nn import Conv2d"])
def test_torch_at_the_top_is_noticed(tmp_path: Path, cli: Cli, statement: str) -> None:
    (tmp_path / "mine.py").write_text(METHOD.replace("IMPORT", statement))
    status, out, _ = cli("check", "--plugin", tmp_path / "mine.py")
    assert status == 1
    (failed,) = [line for line in out.splitlines() if ": failed: " in line]
    assert "imports torch at its top" in failed
    assert "mine.py" in failed


@pytest.mark.usefixtures("own_registry")
def test_a_feature_that_gives_one_number_is_named_with_its_file(tmp_path: Path, cli: Cli, folder: Path) -> None:
    text = METHOD.replace("IMPORT", "").replace("reference =", "needs = (Number(),)\n    reference =")
    number = (
        "class Number(Feature):\n    name = 'number_of_test'\n    def compute(self, frames):\n        return 3.5\n\n"
    )
    (tmp_path / "mine.py").write_text(text.replace("@register", f"{number}\n\n@register"))
    status, out, _ = cli("check", "--plugin", tmp_path / "mine.py")
    assert status == 1
    (failed,) = [line for line in out.splitlines() if ": failed: " in line]
    arguments = ("extract", folder / "cuts.mp4", "extractor=mine_of_test", f"out={tmp_path / 'out'}")
    status, _, err = cli(*arguments, "--plugin", tmp_path / "mine.py")
    assert status == 2
    for said in (failed, err):
        assert "number_of_test" in said
        assert str(tmp_path / "mine.py") in said
        assert "a single float" in said


def test_python_m() -> None:
    command = [sys.executable, "-m", "keyframe_bench", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, VERSION)
