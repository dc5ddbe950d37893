"""An interrupted training goes on from its last finished epoch, and ends as if it had never stopped."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pytorch_lightning", reason="needs keyframe_bench[training]")
import torch
from keyframe_bench.models.autoencoder_layers import Network
from keyframe_bench.training.data import Pictures, TrainingData
from keyframe_bench.training.fit import fit
from keyframe_bench.training.spec import TrainerOptions, TrainSpec

from keyframe_bench.core.errors import UsageError
from keyframe_bench.models.checkpoint import load_autoencoder
from keyframe_bench.models.losses import L2Loss
from keyframe_bench.models.networks import ConvolutionalNetwork
from keyframe_bench.training import keeper
from keyframe_bench.training.module import Reconstruction
from keyframe_bench.training.state import read_state, write_state

EPOCHS = 4


class Stripes(TrainingData):
    """Pictures that are mirrored at random: order and mirroring must be those of the epoch."""

    name = "stripes_of_tests"

    def digest(self):
        return "stripes"

    def pictures(self, height, width):
        stripes = np.random.default_rng(0).integers(0, 256, (12, 1, width, 3), dtype=np.uint8).repeat(height, axis=1)
        return Pictures(stripes[:9], stripes[9:], "stripes", "stripes", flip=True)


@pytest.fixture
def spec(tmp_path):
    def make(out, **changed):
        options = TrainerOptions(epochs=EPOCHS, batch=4, threads=1, precision="fp32", **changed)
        network = ConvolutionalNetwork.build("ae_final", {"width": 0.125, "geometry": 0.25})
        return TrainSpec(network, L2Loss(), Stripes(), tmp_path / out, options)

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


@pytest.mark.parametrize("at", [(1, 2), (2, 1), (4, 3)], ids=str)
def test_stopped_training_ends_like_one_that_was_not(spec, at):
    whole = fit(spec("whole"))
    with pytest.raises(KeyboardInterrupt):
        fit(spec("stopped"), report=Stop(*at))
    unfinished = json.loads((spec("stopped").out / "training.json").read_text())
    assert unfinished["finished"] is False and len(unfinished["history"]) == at[0]
    rest = Stop(0, 0)
    again = fit(spec("stopped"), report=rest)
    assert rest.seen[0] == (at[0], 1), "finished epochs are not computed again"
    assert again.epochs_now == EPOCHS - at[0] + 1
    assert without_clocks(again) == without_clocks(whole)
    for name in ("best.safetensors", "last.safetensors"):
        assert (again.best.with_name(name)).read_bytes() == (whole.best.with_name(name)).read_bytes()


def test_stopped_again_and_again(spec):
    whole = fit(spec("whole"))
    for epoch in range(1, EPOCHS + 1):
        with pytest.raises(KeyboardInterrupt):
            fit(spec("stopped"), report=Stop(epoch, 2))
    assert fit(spec("stopped")).best.read_bytes() == whole.best.read_bytes()


def test_stopped_between_training_and_calibration(spec, monkeypatch):
    """Nothing is trained then, but the checkpoints get what they lack."""
    from keyframe_bench.training import fit as module

    whole = fit(spec("whole"))

    def killed(self, keeper):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module._Training, "_finished", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(spec("stopped"))
    again = fit(spec("stopped"))
    assert again.epochs_now == 0 and again.record["finished"]
    assert again.best.read_bytes() == whole.best.read_bytes()


def test_a_checkpoint_of_an_epoch_that_was_repeated_keeps_its_own_loss(spec, monkeypatch):
    """Killed between the best checkpoint and the state; then sums differ a little, as on a GPU, and it is not best."""
    out = spec("out").out
    monkeypatch.setattr(keeper, "best_row", lambda history: [None, *history[1:]][-1])
    save = keeper.save_autoencoder

    def killed(path, model, record):
        save(path, model, record)
        if record["chosen"] == "best_val" and record["epoch"] == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keeper, "save_autoencoder", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(spec("out"))
    lost = load_autoencoder(out / "best.safetensors")
    assert lost[1]["epoch"] == 2
    monkeypatch.setattr(keeper, "best_row", lambda history: history[1] if len(history) > 1 else None)
    trained = fit(spec("out"))
    model, record = load_autoencoder(trained.best)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), lost[0].parameters(), strict=True))
    assert record == lost[1] | {name: record[name] for name in ("thresholds", "code_low", "code_high")}
    assert (trained.record["best_epoch"], trained.record["best_validation_loss"]) == (2, lost[1]["validation_loss"])
    assert trained.record["train_loss"] == lost[1]["train_loss"] and len(trained.record["history"]) == EPOCHS + 1
    assert load_autoencoder(trained.last)[1]["epoch"] == EPOCHS


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGTERM")
def test_sigterm_stops_the_measurement_before_the_first_step(spec, monkeypatch):
    losses = []
    add = Reconstruction.add_loss

    def counted(self, *args):
        add(self, *args)
        losses.append(args)
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Reconstruction, "add_loss", counted)
        with pytest.raises(KeyboardInterrupt):
            fit(spec("out"))
    assert len(losses) == 1 and not (spec("out").out / "training.json").exists()
    assert fit(spec("out")).epochs_now == EPOCHS


def test_other_options_do_not_go_on(spec):
    with pytest.raises(KeyboardInterrupt):
        fit(spec("out"), report=Stop(2, 1))
    with pytest.raises(UsageError, match=r"trainer.lr is 0.001 there and 0.01 here"):
        fit(spec("out", lr=0.01))


@pytest.mark.parametrize("damage", ["truncated", "pickled"])
def test_a_damaged_state_is_told_and_never_unpickled(spec, damage, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(spec("out"), report=Stop(2, 1))
    state = tmp_path / "out" / "state.safetensors"
    marker = tmp_path / "unpickled"

    class Bomb:
        def __reduce__(self):
            return (marker.touch, ())

    state.write_bytes(state.read_bytes()[:-100] if damage == "truncated" else pickle.dumps(Bomb()))
    with pytest.raises(UsageError, match=r"state.safetensors.*remove it to train from the start"):
        fit(spec("out"))
    assert not marker.exists()
    state.unlink()
    assert fit(spec("out")).epochs_now == EPOCHS


def test_nested_state_comes_back_as_it_was(tmp_path):
    weight = torch.arange(24.0).reshape(2, 3, 2, 2).to(memory_format=torch.channels_last)
    state = {
        "epoch": 3,
        "optimizer_states": [{"state": {0: {"step": torch.tensor(5.0), "exp_avg": weight}}, "betas": (0.9, 0.999)}],
        "empty": [{}, (), None, True, "text", 0.1 + 0.2, float("inf")],
        "counts": torch.tensor([1, 2], dtype=torch.int64),
    }
    write_state(tmp_path / "state", state)
    found = read_state(tmp_path / "state")
    moments = found["optimizer_states"][0]["state"][0].pop("exp_avg")
    del state["optimizer_states"][0]["state"][0]["exp_avg"]
    assert torch.equal(moments, weight) and moments.stride() == weight.stride()
    assert torch.equal(found.pop("counts"), state.pop("counts"))
    assert found == state and type(found["optimizer_states"][0]["betas"]) is tuple
    with pytest.raises(TypeError, match="/x/0: a object"):
        write_state(tmp_path / "state", {"x": [object()]})
    assert read_state(tmp_path / "state")["epoch"] == 3, "what was there stays"


SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
from test_resume_training import *
from pathlib import Path
options = TrainerOptions(epochs=EPOCHS, batch=4, threads=1, precision="fp32")
network = ConvolutionalNetwork.build("ae_final", {{"width": 0.125, "geometry": 0.25}})
fit(TrainSpec(network, L2Loss(), Stripes(), Path({out!r}), options), report=lambda r: time.sleep(0.05))
"""


@pytest.mark.slow
def test_killed_training_ends_like_one_that_was_not(spec, tmp_path):
    whole = fit(spec("whole"))
    out = tmp_path / "killed"
    script = SCRIPT.format(folder=str(Path(__file__).parent), out=str(out))
    process = subprocess.Popen([sys.executable, "-c", script])
    for _ in range(1200):
        if (out / "state.safetensors").exists():
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not json.loads((out / "training.json").read_text())["finished"]
    again = fit(spec("killed"))
    assert 0 < again.epochs_now < EPOCHS
    assert again.best.read_bytes() == whole.best.read_bytes()
