"""An interrupted training goes on from its last finished epoch, and ends as if it had never stopped."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("pytorch_lightning", reason="needs keyframe_bench[training]")
import torch

from keyframe_bench.bench.train import train
from keyframe_bench.core.checkpoint import Checkpoint, read_checkpoint
from keyframe_bench.core.errors import UsageError
from keyframe_bench.training import fit_module
from keyframe_bench.training.folder import TrainingFolder
from keyframe_bench.training.module import LossModule
from keyframe_bench.training.options import TrainerOptions
from keyframe_bench.training.reading import read_parts
from keyframe_bench.training.session import Session
from keyframe_bench.training.training_checkpoint import TrainingCheckpoint

EPOCHS = 4
FILES = {"best.safetensors", "last.safetensors", "training.json", "history.csv", "curves.png"}


@pytest.fixture
def photographs(tmp_path, blocks):
    """Images that are mirrored at random: order and mirroring must be those of the epoch."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number, picture in enumerate(blocks(n=12)):
        Image.fromarray(picture).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def mirrored(training, data, photographs):
    """A training of four epochs on photographs."""

    def make(out, **changed):
        found = training(out, data=data("image_folder", photographs), trainer={"epochs": EPOCHS, "lr": 1e-3, **changed})
        assert read_parts(found.data, (found.options.pictures,), lambda _: None).train.mirrored
        return found

    return make


class Stop:
    """Presses Ctrl-C in an epoch, after a step."""

    def __init__(self, epoch, step):
        self.at = epoch, step
        self.seen = []

    def __call__(self, reached):
        self.seen.append((reached.epoch, reached.step))
        if (reached.epoch, reached.step) == self.at:
            raise KeyboardInterrupt


def without_clocks(trained):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in trained.record["history"]]


def test_stopped_training_ends_like_one_that_was_not(mirrored):
    """Stopped in the first epoch, in the middle and near the end, one after the other."""
    whole = train(mirrored("whole"))
    for at in ((1, 2), (2, 1), (4, 2)):
        stop = Stop(*at)
        with pytest.raises(KeyboardInterrupt):
            train(mirrored("stopped"), report=stop)
        unfinished = json.loads((mirrored("stopped").out / "training.json").read_text())
        assert unfinished["finished"] is False and len(unfinished["history"]) == at[0]
    assert stop.seen[0] == (2, 1), "finished epochs are not computed again"
    again = train(mirrored("stopped"))
    assert again.epochs_now == 1 and without_clocks(again) == without_clocks(whole)
    for name in ("best.safetensors", "last.safetensors"):
        assert (again.best.with_name(name)).read_bytes() == (whole.best.with_name(name)).read_bytes()


def test_stopped_between_training_and_calibration(mirrored, monkeypatch):
    """Nothing is trained then, but the checkpoints get what they lack."""
    whole = train(mirrored("whole"))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "_finished", killed)
        with pytest.raises(KeyboardInterrupt):
            train(mirrored("stopped"))
    again = train(mirrored("stopped"))
    assert again.epochs_now == 0 and again.record["finished"]
    assert again.best.read_bytes() == whole.best.read_bytes()


def test_a_checkpoint_of_an_epoch_that_was_repeated_keeps_its_own_loss(mirrored, monkeypatch):
    """Killed between the best checkpoint and the state; then sums differ a little, as on a GPU, and it is not best."""
    write, end = Checkpoint.write, TrainingCheckpoint.on_train_epoch_end

    def better(self, trainer, module):
        module.validation_loss.total *= 0.5 if trainer.current_epoch == 1 else 1
        end(self, trainer, module)

    def killed(self, path):
        write(self, path)
        if path.name == "best.safetensors" and len(self.record["history"]) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "write", killed)
        patch.setattr(TrainingCheckpoint, "on_train_epoch_end", better)
        with pytest.raises(KeyboardInterrupt):
            train(mirrored("out"))
    lost = read_checkpoint(mirrored("out").out / "best.safetensors", "autoencoder")
    reached = lost.record["history"][2]

    def worse(self, trainer, module):
        module.validation_loss.total += 100
        end(self, trainer, module)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingCheckpoint, "on_train_epoch_end", worse)
        trained = train(mirrored("out"))
    best = read_checkpoint(trained.best, "autoencoder")
    assert all((best.tensors[name] == tensor).all() for name, tensor in lost.tensors.items())
    assert best.record["history"] == lost.record["history"] and best.numbers["thresholds"]
    assert (trained.record["best_epoch"], trained.record["best_validation_loss"]) == (2, reached["validation_loss"])
    assert trained.record["train_loss"] == reached["train_loss"] and len(trained.record["history"]) == EPOCHS + 1
    assert read_checkpoint(trained.last, "autoencoder").record["history"][-1]["epoch"] == EPOCHS


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGTERM")
def test_sigterm_stops_the_measurement_before_the_first_step(training, monkeypatch):
    losses = []
    add = LossModule.add_loss

    def counted(self, *args):
        add(self, *args)
        losses.append(args)
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(LossModule, "add_loss", counted)
        with pytest.raises(KeyboardInterrupt):
            train(training())
    assert len(losses) == 1 and not (training().out / "training.json").exists()
    assert train(training()).epochs_now == 2


def test_a_damaged_state_is_told_and_never_unpickled(training, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(training(), report=Stop(2, 1))
    with pytest.raises(UsageError, match=r"options.lr is 0.01 there and 0.02 here"):
        train(training(trainer={"lr": 0.02}))
    state = tmp_path / "out" / "state.safetensors"
    marker = tmp_path / "unpickled"

    class Bomb:
        def __reduce__(self):
            return (marker.touch, ())

    for damaged in (state.read_bytes()[:-100], pickle.dumps(Bomb())):
        state.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"state.safetensors.*remove it to train from the start"):
            train(training())
    assert not marker.exists()
    state.unlink()
    assert train(training()).epochs_now == 2


def test_what_was_saved_comes_back_as_it_was(tmp_path):
    session = Session(TrainerOptions(), 0, TrainingFolder(tmp_path), {})
    assert session.restored() is None
    rng = session.rng("draws")
    weight = torch.arange(24.0).reshape(2, 3, 2, 2).to(memory_format=torch.channels_last)
    arrays = {"exp_avg": weight, "counts": torch.tensor([1, 2]), "transposed": rng.random((3, 2)).T}
    state = {
        "optimizer_states": [{"state": {0: {"step": 5}}, "betas": (0.9, 0.999)}],
        "plain": [{}, (), None, True, "text", 0.1 + 0.2, float("inf"), rng.bit_generator.state],
    }
    session.save({**state, "arrays": arrays})
    found = session.restored()
    for name, array in found.pop("arrays").items():
        assert type(array) is type(arrays[name]) and (array == arrays[name]).all() and array.dtype == arrays[name].dtype
        assert name == "transposed" or array.stride() == arrays[name].stride()
    assert found == state and type(found["optimizer_states"][0]["betas"]) is tuple
    with pytest.raises(TypeError, match="x/0: a object"):
        session.save({"x": [object()]})
    assert session.restored()["plain"], "what was there stays"


KILLS = """
import os, signal, sys
from pathlib import Path
from keyframe_bench.cli.main import main

base, every, *words = sys.argv[1:]
if "extractor=autoencoder" in words:
    import pytorch_lightning  # once for all children


def in_a_child(out, kill_at=0):
    "Train, count the files that appear, and be killed before the nth of them; return the status of the process."
    pid = os.fork()
    if pid == 0:
        replace, seen = os.replace, []

        def replaced(source, target):
            if Path(target).parent == Path(base, out):
                seen.append(target)
                if len(seen) == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)

        os.replace = replaced
        status = main([*words, f"out={base}/{out}"])
        Path(base, "count").write_text(str(len(seen)))
        os._exit(status)
    return os.waitpid(pid, 0)[1]


assert in_a_child("whole") == 0
for moment in range(1, 1 + int(Path(base, "count").read_text()), int(every)):
    assert in_a_child(f"killed{moment}", moment) == signal.SIGKILL
    assert in_a_child(f"killed{moment}") == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", ["autoencoder", "usual_histogram"])
def test_killed_training_ends_like_one_that_was_not(photographs, film, tmp_path, every, method):
    """By SIGKILL before a file appears: each of them if it may take long."""
    small = {"width": 0.125, "geometry": 0.25, "loss": "l2", "epochs": 2, "batch": 4, "precision": "fp32", "threads": 1}
    words = ["dataset=image_folder", f"dataset.root={photographs}", *(f"trainer.{n}={v}" for n, v in small.items())]
    if method == "usual_histogram":  # trained with NumPy alone
        plugin = shutil.copy(Path(__file__).with_name("usual_histogram.txt"), tmp_path / "usual_histogram.py")
        words = ["--plugin", str(plugin), "dataset=folder", f"dataset.root={film}", "dataset.camera=true"]
    words = ["train", f"extractor={method}", *words]
    base = tmp_path / "trainings"
    base.mkdir()
    subprocess.run([sys.executable, "-c", KILLS, str(base), str(every), *words], check=True, stdout=subprocess.DEVNULL)
    killed, strip = sorted(base.glob("killed*/")), {"reconstructions.jpg"} if method == "autoencoder" else set()
    assert len(killed) >= (10 if every == 1 else 2)
    for folder in killed:
        exact = ["history.csv"] if method == "usual_histogram" else []  # the other one has a column of seconds
        for name in ("best.safetensors", "last.safetensors", *exact):
            assert (folder / name).read_bytes() == (base / "whole" / name).read_bytes(), folder.name
        told = [json.loads((out / "training.json").read_text()) for out in (folder, base / "whole")]
        assert told[0]["finished"] and told[0]["best_validation_loss"] == told[1]["best_validation_loss"]
        # What a killed process was writing has a hidden name; a process that begins an hour later removes it.
        assert {file.name for file in folder.iterdir() if not file.name.startswith(".")} == FILES | strip
