"""A method that learns without any network: one file, NumPy only, through the same training, folder and checkpoint."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.bench.train import train, trainable
from keyframe_bench.core.checkpoint import Checkpoint, read_checkpoint
from keyframe_bench.core.errors import ContractError, UnavailableError, UsageError
from keyframe_bench.core.registry import load_plugins
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.features.histograms import GrayHistogram
from keyframe_bench.training.folder import TrainingFolder
from keyframe_bench.training.options import TrainerOptions
from keyframe_bench.training.session import Session

FILE = Path(__file__).with_name("usual_histogram.txt")
NAME = "usual_histogram"


@pytest.fixture
def plugin(tmp_path, own_registry):
    file = tmp_path / "usual_histogram.py"
    file.write_text(FILE.read_text())
    load_plugins([str(file)])
    return file


@pytest.fixture
def learning(plugin, training):
    """A training of the plug-in."""
    return lambda out="out", **given: training(out, extractor=NAME, **given)


def test_it_trains_and_leaves_what_every_training_leaves(learning, data, film):
    made = learning(trainer={"epochs": 5, "rate": 0.3}, seed=2)
    trained = train(made)
    parts = data("folder", film, "temporal:0.77", camera=True).read((GrayHistogram(bins=16),), print)
    rows, held = (side.rows(GrayHistogram(bins=16))[:] for side in (parts.train, parts.validation))
    best, last = (read_checkpoint(path, NAME) for path in (trained.best, trained.last))
    history = trained.record["history"]
    losses = [row["validation_loss"] for row in history]
    assert [row["epoch"] for row in history] == list(range(6)) and history[5]["train_loss"] < history[0]["train_loss"]
    assert trained.record["best_epoch"] == 1 + losses[1:].index(min(losses[1:]))
    for checkpoint, chosen in ((best, min(losses[1:])), (last, losses[-1])):
        expected = np.mean([np.abs(row - checkpoint.tensors["usual"]).sum() for row in held])
        assert chosen == pytest.approx(expected)
        assert checkpoint.record["options"] == {"epochs": 5, "rate": 0.3, "bins": 16}
        assert checkpoint.record["trained_on"] == parts.trained_on() and checkpoint.record["seed"] == 2
    assert (best.record["chosen"], last.record["chosen"], last.numbers) == ("best_val", "last", {"epochs": 5})
    with (made.out / "history.csv").open() as file:
        assert [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)] == history
    assert json.loads((made.out / "training.json").read_text())["finished"] and trained.computed
    assert trainable(NAME).evaluate(best, parts.train) == {
        "distance": pytest.approx(np.abs(rows - best.tensors["usual"]).sum(axis=1).mean())
    }
    assert not train(made).computed


def test_it_is_the_same_again_and_another_by_seed_and_start(learning):
    first, again, other = train(learning("a")), train(learning("b")), train(learning("c", seed=1))
    assert first.best.read_bytes() == again.best.read_bytes() != other.best.read_bytes()
    start = train(learning("d", init=str(other.last), seed=1, trainer={"epochs": 1}))
    usual = read_checkpoint(other.last, NAME).tensors["usual"]
    expected = np.abs(usual - read_checkpoint(start.best, NAME).tensors["usual"]).sum()
    assert 0 < expected < 0.2 * np.abs(usual).sum() and start.record["init"] is not None
    with pytest.raises(UsageError, match=r"^init='.*' is a checkpoint of extractor 'autoencoder', not of"):
        bundled = Path(kb.__file__).parent / "bundled" / "autoencoder.safetensors"
        train(learning("e", init=str(bundled)))


def test_where_the_seed_is_no_matter_it_is_in_no_key(learning, monkeypatch):
    one, other = learning(seed=0).key, learning(seed=1).key
    assert one != other
    monkeypatch.setattr(Extractor.registry.get(NAME), "seeded", False)
    assert learning(seed=0).key == learning(seed=1).key


def test_it_selects_with_what_it_learned(learning, film, tmp_path):
    with pytest.raises(UnavailableError, match=f"not trained; train one with keyframe-bench train extractor={NAME}"):
        kb.extract(film, NAME, budget=3)
    best = train(learning()).best
    method = Extractor.registry.build(NAME, {"checkpoint": str(best)})
    assert method.unavailable() is None and method.trained_options().bins == 16
    found = kb.extract(film, NAME, budget=3, sampling="every", params={"checkpoint": str(best)})
    usual = read_checkpoint(best, NAME).tensors["usual"]
    levels = [np.histogram(_grey(film, frame), bins=16, range=(0, 256))[0] for frame in range(13)]
    assert set(found.frames.tolist()) == set(np.argsort(-np.abs(levels - usual).sum(axis=1), kind="stable")[:3])
    copy = tmp_path / "a copy, [1]=x.bin"
    copy.write_bytes(best.read_bytes())
    again = Extractor.registry.build(NAME, {"checkpoint": str(copy)})
    assert again.depends_on == method.depends_on and again.learned().record == method.learned().record
    copy.write_bytes(train(learning("other", seed=1)).best.read_bytes())
    assert again.depends_on != method.depends_on, "a file that changed is read again"
    assert (again.learned().tensors["usual"] != usual).any()


def _grey(film: Path, frame: int) -> np.ndarray:
    from keyframe_bench.features.pictures import Gray
    from keyframe_bench.video.onepass import read_pass

    feature = Gray(height=120, width=160)
    return read_pass(film, {"every": [feature]}).clip("every", [feature])[feature][frame]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 7}, "was trained by version 7 of usual_histogram, this is version 1; train it again"),
        ({"features": ["gray@1()"]}, r"was trained on gray@1\(\), and usual_histogram reads gray_histogram"),
        ({"extractor": "theirs"}, "is a checkpoint of extractor 'theirs', not of 'usual_histogram'"),
        ({"options": {"colour": 3}}, "was trained with what this installation does not have.*'colour'.*--plugin FILE"),
        ({"options": {"rate": 9}}, "was trained with what this installation does not have.*rate=9"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(learning, film, tmp_path, change, message):
    checkpoint = read_checkpoint(train(learning()).best, NAME)
    Checkpoint(checkpoint.tensors, {**checkpoint.record, **change}).write(tmp_path / "other.safetensors")
    method = Extractor.registry.build(NAME, {"checkpoint": str(tmp_path / "other.safetensors")})
    with pytest.raises(UsageError, match=message):
        method.learned()
    with pytest.raises((UsageError, UnavailableError), match=message):
        kb.extract(film, NAME, budget=3, params={"checkpoint": str(tmp_path / "other.safetensors")})
    assert "\n" not in (method.unavailable() or "\n")


def test_edited_code_trains_anew(learning, plugin, own_registry):
    before = learning().key
    Extractor.registry._entries.pop(NAME)
    plugin.write_text(plugin.read_text().replace("rate: Annotated[float, Range(0, 1)] = 0.5", "rate: float = 0.25"))
    other = plugin.rename(plugin.with_name("edited.py"))
    load_plugins([str(other)])
    assert learning(trainer={"rate": 0.5}).key != before


def test_what_fit_returns_is_looked_at(learning, monkeypatch):
    monkeypatch.setattr(Extractor.registry.get(NAME), "fit", lambda *_: {"usual": 1})
    with pytest.raises(ContractError, match="fit of 'usual_histogram' returns dict"):
        train(learning())


@pytest.mark.parametrize(
    ("learned", "numbers", "message"),
    [
        ({"usual": np.array([1.0, np.nan])}, {}, "fit of 'usual_histogram' .*its tensor 'usual' is not"),
        ({"usual": np.array(["a"])}, {}, "its tensor 'usual' is not of finite numbers"),
        ({"usual": np.ones(2)}, {"level": np.inf}, "its level is not plain data with finite numbers"),
        ({"usual": np.ones(2)}, {"level": np.float32(1)}, "its level is not plain data with finite numbers"),
    ],
)
def test_what_is_not_finite_is_named_and_not_written(learning, monkeypatch, learned, numbers, message):
    method = Extractor.registry.get(NAME)
    monkeypatch.setattr(method, "fit", lambda *given: given[-1].checkpoint(learned, **numbers))
    with pytest.raises(ContractError, match=message):
        train(learning())
    assert not list(learning().out.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("judged", "message"),
    [
        (lambda *_: {"distance": np.nan}, "evaluate of 'usual_histogram' returns {'distance': nan}"),
        (lambda *_: [1.0], "evaluate of 'usual_histogram' returns [1.0]"),
        (lambda *_: {"other": 1.0}, "for each of its numbers: distance"),
        (lambda *_: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_mistake_in_evaluate_costs_no_training(learning, monkeypatch, judged, message):
    monkeypatch.setattr(Extractor.registry.get(NAME), "evaluate", judged)
    trained = train(learning())
    assert message in trained.problem and trained.record["finished"] and trained.best.is_file()
    assert not train(learning()).computed


def test_a_cache_that_cannot_be_written_stops_nothing(learning, monkeypatch):
    whole = train(learning("whole"))
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", "/dev/null/x")
    told = []
    assert train(learning("other"), say=told.append).best.read_bytes() == whole.best.read_bytes()
    assert len(told) == 1 and "/dev/null/x" in told[0] and "cache_gb=0" in told[0]


def test_a_long_reading_says_how_far_it_is(learning, monkeypatch):
    told = []
    train(learning("a"), say=told.append)
    assert told == []
    monkeypatch.setattr("keyframe_bench.training.reading.TOLD_EVERY_S", 0.0)
    train(learning("b"), say=told.append)
    assert told == ["reading 1 of 1: blocks.mov"]


def test_what_was_saved_comes_back(tmp_path):
    session = Session(TrainerOptions(), 0, TrainingFolder(tmp_path), {})
    assert session.restored() is None
    rng = session.rng("draws")
    state = {"weights": rng.random((3, 2)).T, "counts": [np.arange(4), 3, "text", None], "rng": rng.bit_generator.state}
    session.save(state)
    found = session.restored()
    assert (found["weights"] == state["weights"]).all() and (found["counts"][0] == np.arange(4)).all()
    assert found["counts"][1:] == state["counts"][1:] and found["rng"] == state["rng"]


def test_a_state_goes_on_and_one_of_another_training_does_not(learning, monkeypatch):
    """It is looked at what is computed again; the values show in the tests that kill."""
    whole = train(learning("whole"))
    saved = []
    save = Session.save

    def stopped(self, state):
        save(self, state)
        saved.append(state["epoch"])
        if len(saved) in (2, 3):
            raise KeyboardInterrupt

    monkeypatch.setattr(Session, "save", stopped)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(learning("stopped"))
    assert train(learning("stopped")).best.read_bytes() == whole.best.read_bytes()
    assert saved == [0, 1, 2, 3]
    (learning("new").out).mkdir()
    (learning("new").out / "state.safetensors").write_bytes(b"of something else, without a record")
    assert train(learning("new")).best.read_bytes() == whole.best.read_bytes()


KILLS = """
import os, signal, sys
from pathlib import Path
from keyframe_bench.cli.main import main

plugin, film, base, every = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])


def in_a_child(out, kill_at):
    pid = os.fork()
    if pid == 0:
        replace, seen = os.replace, []

        def replaced(source, target):
            if Path(target).parent == base / out:
                seen.append(target)
                if len(seen) == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)

        os.replace = replaced
        words = ["train", "--plugin", plugin, "extractor=usual_histogram", "dataset=folder", f"dataset.root={film}"]
        os._exit(main([*words, "dataset.camera=true", f"out={base}/{out}"]))
    return os.waitpid(pid, 0)[1]


assert in_a_child("whole", 0) == 0
for moment in range(1, 11, every):  # history and record, the state of four epochs, and what is written at the end
    assert in_a_child(f"killed{moment}", moment) == signal.SIGKILL
    assert (base / f"killed{moment}" / "state.safetensors").exists() == (moment > 3)
    assert in_a_child(f"killed{moment}", 0) == 0
sys.exit(any(name in sys.modules for name in ("torch", "pytorch_lightning", "wandb")))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_before_any_of_its_files_it_ends_the_same(film, tmp_path, every):
    plugin = tmp_path / "usual_histogram.py"
    plugin.write_text(FILE.read_text())
    program = [sys.executable, "-c", KILLS, str(plugin), str(film), str(tmp_path), str(every)]
    subprocess.run(program, check=True)
    for moment in range(1, 11, every):
        for name in ("best.safetensors", "last.safetensors", "history.csv"):
            ours, theirs = (tmp_path / out / name for out in (f"killed{moment}", "whole"))
            assert ours.read_bytes() == theirs.read_bytes()
        assert json.loads((tmp_path / f"killed{moment}" / "training.json").read_text())["finished"]


def test_neither_torch_nor_lightning_is_needed(film, tmp_path):
    plugin = tmp_path / "usual_histogram.py"
    plugin.write_text(FILE.read_text())
    code = (
        "import sys; sys.modules |= dict.fromkeys(['torch', 'pytorch_lightning', 'wandb']); "
        "from keyframe_bench.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    out = tmp_path / "out"
    for words in (
        ("train", f"extractor={NAME}", "dataset=folder", f"dataset.root={film}", "dataset.camera=true", f"out={out}"),
        ("extract", film, f"extractor={NAME}", f"extractor.checkpoint={out}/best.safetensors", f"out={tmp_path}/e"),
    ):
        program = [sys.executable, "-c", code, words[0], "--plugin", str(plugin), *map(str, words[1:])]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
