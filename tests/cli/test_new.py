"""``keyframe-bench new NAME`` writes files that work as they are."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keyframe_bench.cli import new_command
from keyframe_bench.cli.new_command import new_files
from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.registry import load_plugins
from keyframe_bench.datasets._annotations import FORMAT
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.extractors.checks import run_checks
from keyframe_bench.rendering.films import render_video
from keyframe_bench.video.arrays import clip_from_images

ROOT = Path(new_command.__file__).parents[2]


def python(*arguments, cwd, root=ROOT):
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


both = pytest.mark.parametrize("learned", [False, True], ids=["plain", "learned"])
every_kind = pytest.mark.parametrize("kind", ["extractor", "learned", "feature", "metric"])


@both
def test_the_written_file_is_a_sound_short_extractor(learned, tmp_path, own_registry):
    name = f"my_method_{2 + learned}"  # a file is loaded once in a process
    files, _ = new_files(name, "learned" if learned else "extractor", tmp_path)
    assert [file.name for file in files] == [f"{name}.py", f"test_{name}.py"]
    load_plugins([str(files[0])])
    extractor = Extractor.registry.build(name, {} if learned else {"height": 60})
    assert type(extractor).__name__ == f"MyMethod{2 + learned}"
    assert [r for r in run_checks(extractor) if r.status == "failed"] == []
    python("-m", "pytest", "-q", "-p", "no:cacheprovider", files[1].name, cwd=tmp_path)
    _, _, body = files[0].read_text().partition("@dataclass" if learned else "@register")
    docstring, lines = False, 0
    for line in body.splitlines():
        marks = line.count('"""')
        lines += bool(line.strip()) and not marks and not docstring
        docstring ^= marks == 1
    assert lines <= (40 if learned else 20)
    if not learned:  # the template's own idea, on a blank and a textured image
        images = np.full((2, 60, 80, 3), 128, dtype=np.uint8)
        images[1, ::2] = 0
        scores = extractor.score(clip_from_images(images, extractor.needs))
        assert scores[0] == 0 and scores[1] > 1000


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of the package in a checkout of its own, into which ``--in-tree`` writes."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "keyframe_bench", root / "keyframe_bench", ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("extractors", "features", "metrics"):
        (root / "tests" / part).mkdir(parents=True)
    (root / "setup.cfg").write_text("")
    monkeypatch.setattr(new_command.base, "__file__", str(root / "keyframe_bench" / "extractors" / "base.py"))
    return root


@every_kind
@pytest.mark.parametrize("where", ["own folder", "in a checkout", "in tree"])
def test_written_code_is_clean(tmp_path, where, kind, checkout):
    cwd = tmp_path if where == "own folder" else checkout
    files = new_files("my_method", kind, cwd, in_tree=where == "in tree")[0]
    rules = ["--select", "E,F,W,I,B,UP,SIM,C4,N,NPY,PTH,RUF,PL,ARG", "--ignore", "PLR2004,PLC0415"]
    numpydoc = ["--select", "D", "--ignore", "D107", "--config", 'lint.pydocstyle.convention = "numpy"']
    for command in (["check", *rules], ["check", *numpydoc], ["format", "--check"]):
        code = files[:1] if "D" in command else files  # tests need no docstrings
        options = ["--isolated", "--no-cache", "--line-length", "120"]
        python("-m", "ruff", *command, *options, *map(str, code), cwd=cwd)


@pytest.mark.parametrize(
    "learned", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["plain", "learned"]
)  # the written file itself is tested above
def test_an_in_tree_file_needs_no_other_edit(learned, checkout):
    files = new_files("my_method", "learned" if learned else "extractor", in_tree=True)[0]
    assert [str(file.relative_to(checkout)) for file in files] == [
        "keyframe_bench/extractors/my_method.py",
        "tests/extractors/test_my_method.py",
    ]
    code = (
        "from keyframe_bench.extractors.base import Extractor\n"
        "from keyframe_bench.extractors.checks import run_checks\n"
        "assert 'my_method' in Extractor.registry.names()\n"
        "print([r for r in run_checks(Extractor.registry.build('my_method')) if r.status == 'failed'])\n"
    )
    assert python("-c", code, cwd=checkout, root=checkout).strip() == "[]"
    python("-m", "pytest", "-q", "-p", "no:cacheprovider", str(files[1]), cwd=checkout, root=checkout)
    (checkout / "tests" / "test_other.py").write_text("")
    with pytest.raises(UsageError, match="exists already"):
        new_files("other", in_tree=True)


@pytest.mark.parametrize("kind", ["feature", "metric"])
def test_a_feature_and_a_metric_pass_their_own_tests(kind, tmp_path, checkout):
    for in_tree in (False, True):
        files = new_files("my_part", kind, tmp_path, in_tree)[0]
        assert [file.parent for file in files] == (
            [checkout / "keyframe_bench" / f"{kind}s", checkout / "tests" / f"{kind}s"] if in_tree else [tmp_path] * 2
        )
        python("-m", "pytest", "-q", "-p", "no:cacheprovider", str(files[1]), cwd=files[1].parent, root=checkout)


def test_a_feature_and_a_metric_are_used_as_the_printed_commands_say(tmp_path, cli, own_registry, monkeypatch, video):
    monkeypatch.chdir(tmp_path)
    for name, kind in (("my_rows", "feature"), ("my_number", "metric")):
        status, out, _ = cli("new", name, f"--{kind}")
        (line,) = (shlex.split(line)[1:] for line in out.splitlines() if line.startswith("  keyframe-bench"))
        line = [
            str(video) if word == "VIDEO" else word.replace("extractors=all", "extractors=[uniform]") for word in line
        ]
        small = ["dataset.n_videos=1", "dataset.duration_s=4"] if kind == "metric" else []
        status, out, err = cli(*line, *small)
        assert status == 0, err
    assert "my_number" in (tmp_path / "outputs" / "compare_my_number" / "table.md").read_text()
    assert (
        json.loads((tmp_path / "outputs" / "my_rows" / "keyframes.json").read_text())["params"]["feature"] == "my_rows"
    )


@pytest.mark.parametrize("kind", ["feature", "metric"])
def test_check_says_how_features_and_metrics_are_tested(kind, cli, tmp_path, own_registry):
    files, _ = new_files(f"my_own_{kind}", kind, tmp_path)
    status, _, err = cli("check", "--plugin", files[0])
    assert status == 2 and files[0].name in err and "pytest" in err and err.count("\n") == 1


def test_only_one_kind_is_written(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = cli("new", "mine", "--feature", "--metric")
    assert status == 2 and err.count("\n") == 1 and list(tmp_path.iterdir()) == []
    assert "--feature" in err and "--metric" in err and "needs a name" not in err
    status, _, err = cli("new", "gray", "--feature")
    assert status == 2 and "feature 'gray' exists already" in err


def test_in_tree_without_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(new_command.base, "__file__", str(tmp_path / "site" / "keyframe_bench" / "extractors" / "b.py"))
    with pytest.raises(UsageError, match="checkout"):
        new_files("my_method", in_tree=True)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["", "My", "1st", "_hidden", "a-b", "a b", "class", "é", "../up", "x.py", "--help"], "cannot name"),
        (["all", "null", "free", "conftest"], "is reserved"),
        (["numpy", "json", "keyframe_bench"], "would hide"),
        (["uniform"], r"'uniform' exists already, in keyframe_bench\.extractors"),
    ],
)
def test_names_that_cannot_be_used(names, says, tmp_path):
    for name in names:
        with pytest.raises(UsageError, match=says):
            new_files(name, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("existing", ["my_method.py", "test_my_method.py"])
def test_nothing_is_overwritten_and_nothing_half_written(existing, tmp_path):
    (tmp_path / existing).write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        new_files("my_method", folder=tmp_path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {existing: "mine"}
    for folder in (tmp_path / existing, tmp_path / "missing"):
        with pytest.raises(UsageError, match="cannot write"):
            new_files("my_method", folder=folder)


def test_a_folder_that_refuses_the_second_file(tmp_path, monkeypatch):
    def refuse(self, *args, **kwargs):
        if self.name.startswith("test_"):
            raise PermissionError(13, "Permission denied", str(self))
        return original(self, *args, **kwargs)

    original = Path.open
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match="Permission denied"):
        new_files("my_method", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_commands_quote_paths(tmp_path):
    folder = tmp_path / "my 'odd', folder"
    folder.mkdir()
    commands = new_files("my_method", folder=folder)[1]
    assert len(commands) == 4 and shlex.split(commands[0])[3] == str(folder / "my_method.py")


def test_a_learned_extractor_is_trained_and_used_as_the_printed_commands_say(tmp_path, cli, own_registry, monkeypatch):
    """`new --learned`, then its commands, on three small videos."""
    root, told = tmp_path / "videos", {}
    for seed in range(3):
        user = render_video(root / f"{seed}.mp4", "cuts", seed, height=48, width=64, duration_s=6.0).users[0]
        told[f"{seed}.mp4"] = {"users": {"someone": {"frames": user.frames.tolist()}}}
    (root / "annotations.json").write_text(json.dumps({"format": FORMAT, "videos": told}))
    monkeypatch.chdir(tmp_path)
    status, out, _ = cli("new", "my_choice", "--learned")
    assert status == 0
    _, train, extract, _ = (shlex.split(line)[1:] for line in out.splitlines() if line.startswith("  keyframe-bench"))
    train = [word for word in train if not word.startswith("dataset=")] + ["dataset=folder", f"dataset.root={root}"]
    status, out, err = cli(*train, "trainer.near_s=0.3")
    assert status == 0 and "near_s 0.3" in out and "validation: log_loss" in out, err
    status, again, _ = cli(*train, "trainer.near_s=0.3")
    assert status == 0 and "finished before" in again
    extract[extract.index("VIDEO")] = str(root / "0.mp4")
    assert cli(*extract)[0] == 0
    record = json.loads((tmp_path / "outputs" / "my_choice" / "keyframes.json").read_text())
    assert record["extractor"] == "my_choice" and len(record["frames"]) == 8
    status, _, err = cli(*[word for word in extract if "checkpoint=" not in word])
    assert status == 2 and "it is not trained" in err and err.count("\n") == 1
    for wrong, says in (("trainer.near=1", "did you mean near_s"), ("trainer.near_s=10", "try another")):
        status, _, err = cli(*train, wrong, f"out={tmp_path}/other")
        assert status == 2 and says in err.splitlines()[-1]
    told["0.mp4"] = {"users": {}}
    (root / "annotations.json").write_text(json.dumps({"format": FORMAT, "videos": told}))
    status, out, _ = cli(*train, f"out={tmp_path}/fewer")
    assert status == 0 and "1 without key frames of human annotators and left out: 0.mp4" in out
    (root / "annotations.json").unlink()
    status, _, err = cli(*train, f"out={tmp_path}/other")
    assert status == 2 and "no video in which human annotators chose key frames" in err
