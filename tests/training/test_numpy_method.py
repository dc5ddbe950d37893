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
from keyframe_bench.training.reading import read_parts
from keyframe_bench.training.session import Session
from keyframe_bench.video.frame_folder import sha256_of_video

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
    parts = read_parts(data("folder", film, "temporal:0.77", camera=True), (GrayHistogram(bins=16),), print)
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
    from keyframe_bench.features.images import Gray
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
        (None, "is not a complete safetensors file"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(learning, film, tmp_path, monkeypatch, change, message):
    """To select with, and to start from: before data is read."""
    best, other = train(learning()).best, tmp_path / "other.safetensors"
    checkpoint = read_checkpoint(best, NAME)
    Checkpoint(checkpoint.tensors, {**checkpoint.record, **(change or {})}).write(other)
    if change is None:
        other.write_bytes(best.read_bytes()[:-1])
    method = Extractor.registry.build(NAME, {"checkpoint": str(other)})
    with pytest.raises(UsageError, match=message):
        method.learned()
    with pytest.raises((UsageError, UnavailableError), match=message):
        kb.extract(film, NAME, budget=3, params={"checkpoint": str(other)})
    assert "\n" not in (method.unavailable() or "\n")
    monkeypatch.setattr("keyframe_bench.bench.train.read_parts", None)
    with pytest.raises(UsageError, match=f"^init=.*({message})"):
        train(learning("next", init=str(other)))


def test_what_the_first_training_saw_was_seen(learning, data, shade, tmp_path, monkeypatch):
    films = [shade(tmp_path / f"{i}.mp4", 6, first=20 * i) for i in range(2)]
    reads = [data("folder", film, "temporal:0.5", camera=True) for film in films]
    start = train(learning("first", data=reads[0])).best
    checkpoint = read_checkpoint(start, NAME)
    Checkpoint(checkpoint.tensors, {**checkpoint.record, "supervision": "users"}).write(start)
    best = train(learning("second", data=reads[1], init=str(start))).best
    trained, record = Extractor.registry.get(NAME)(checkpoint=str(best)), read_checkpoint(best, NAME).record
    assert [trained.has_seen(sha256_of_video(film)) for film in films] == [True, True]
    assert len(record["trained_on"]) == 4 and record["supervision"] == "users"
    again = train(learning("third", data=reads[1], init=str(best))).best
    assert read_checkpoint(again, NAME).record["trained_on"] == record["trained_on"], "each range is told once"
    monkeypatch.setattr(Extractor.registry.get(NAME), "warm_start", False)
    with pytest.raises(UsageError, match=r"^init='.*best.safetensors': extractor 'usual_histogram' cannot start"):
        learning("fourth", init=str(best))


def test_edited_code_trains_anew(learning, plugin, own_registry):
    before = learning().key
    Extractor.registry._entries.pop(NAME)
    plugin.write_text(plugin.read_text().replace("rate: Annotated[float, Range(0, 1)] = 0.5", "rate: float = 0.25"))
    other = plugin.rename(plugin.with_name("edited.py"))
    load_plugins([str(other)])
    assert learning(trainer={"rate": 0.5}).key != before


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda session: {"usual": 1}, "fit of 'usual_histogram' returns dict"),
        (lambda session: session.checkpoint({"usual": np.array([1, np.nan])}), "its tensor 'usual' is not of finite"),
        (lambda session: session.checkpoint({"usual": np.array(["a"])}), "its tensor 'usual' is not of finite"),
        (lambda session: session.checkpoint({}, level=np.inf), "its level is not plain data"),
        (
            lambda session: session.checkpoint({}, level=np.float32(1)),
            "its level is not plain data with finite numbers",
        ),
    ],
)
def test_what_fit_returns_is_looked_at(learning, monkeypatch, returned, message):
    monkeypatch.setattr(Extractor.registry.get(NAME), "fit", lambda *given: returned(given[-1]))
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


def test_a_long_reading_and_a_cache_that_cannot_be_written_are_told(learning, monkeypatch):
    told = []
    whole = train(learning("whole"), say=told.append)
    assert told == []
    with monkeypatch.context() as patch:
        patch.setattr("keyframe_bench.training.reading.TOLD_EVERY_S", 0.0)
        train(learning("long"), say=told.append)
    assert told == ["reading 1 of 1: blocks.mov"]
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", "/dev/null/x")
    told = []
    assert train(learning("other"), say=told.append).best.read_bytes() == whole.best.read_bytes()
    assert len(told) == 1 and "/dev/null/x" in told[0] and "cache_gb=0" in told[0]


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


def test_neither_torch_nor_lightning_is_needed(plugin, film, tmp_path):
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
