"""Training: it learns, is repeatable, leaves the process alone, computes nothing twice, and loses nothing."""

import csv
import importlib.resources
import json
import shutil
import signal
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pytorch_lightning", reason="needs keyframe_bench[training]")
import torch

from keyframe_bench.core.errors import UnavailableError, UsageError
from keyframe_bench.models.checkpoint import load_autoencoder, read_record, save_autoencoder, unfinished
from keyframe_bench.models.losses import L2Loss, MixLoss
from keyframe_bench.models.networks import ConvolutionalNetwork
from keyframe_bench.training.batches import plain_batches, training_batches
from keyframe_bench.training.data import Pictures, TrainingData
from keyframe_bench.training.fit import fit
from keyframe_bench.training.spec import TrainerOptions, TrainSpec

N_TRAIN, N_VALIDATION = 10, 3


class Blocks(TrainingData):
    """Coloured blocks."""

    name = "blocks_of_tests"

    def __init__(self, seed: int = 0, flip: bool = False) -> None:
        self.seed = seed
        self.flip = flip
        self.asked = 0

    def digest(self):
        return f"blocks {self.seed} {self.flip}"

    def pictures(self, height, width):
        self.asked += 1
        blocks = np.random.default_rng(self.seed).integers(0, 256, (N_TRAIN + N_VALIDATION, 3, 6, 3), dtype=np.uint8)
        found = blocks.repeat(height // 3, axis=1).repeat(width // 6, axis=2)
        return Pictures(found[:N_TRAIN], found[N_TRAIN:], "blocks", self.digest(), {"made": "by tests"}, self.flip)


@pytest.fixture
def spec(tmp_path):
    """A training of a second: 24 x 48 pixels, three steps an epoch."""

    def make(out="out", **changed):
        network = ConvolutionalNetwork.build(changed.pop("network", "ae_final"), {"width": 0.125, "geometry": 0.25})
        given = {"epochs": 2, "batch": 4, "precision": "fp32", "threads": 1, "lr": 0.01}
        options = TrainerOptions(**(given | changed.pop("trainer", {})))
        loss, data = changed.pop("loss", L2Loss()), changed.pop("data", Blocks())
        return TrainSpec(network=network, loss=loss, data=data, trainer=options, out=tmp_path / out, **changed)

    return make


def losses_by_plain_loops(path, pictures):
    """Squared error of each picture's reconstruction, with none of the code under test but the network."""
    model, _ = load_autoencoder(path)
    with torch.no_grad():
        for picture in pictures:
            x = torch.tensor(picture / 255.0, dtype=torch.float32).permute(2, 0, 1)[None]
            yield float(((model(x) - x) ** 2).mean())


def test_small_networks_train_in_one_thread(spec):
    small = spec(trainer={"threads": None, "epochs": 1})
    assert small.threads == 1 and fit(small).record["machine"]["threads"] == 1
    assert spec(trainer={"threads": 2}).threads == 2
    large = replace(small, network=ConvolutionalNetwork.build("ae_final"), trainer=TrainerOptions(batch=16))
    assert large.threads is None, "torch's own choice"


def test_it_learns_and_says_what_it_reached(spec):
    made = spec(trainer={"epochs": 10})
    trained = fit(made)
    record, history = trained.record, trained.record["history"]
    assert [row["epoch"] for row in history] == list(range(11)) and trained.epochs_now == 10
    assert history[-1]["train_loss"] < 0.9 * history[1]["train_loss"]
    assert history[0]["lr"] == 0 and history[-1]["lr"] == pytest.approx(made.trainer.lr_end)
    best = min(history[1:], key=lambda row: row["validation_loss"])
    assert (record["best_epoch"], record["best_validation_loss"]) == (best["epoch"], best["validation_loss"])
    assert record["last_validation_loss"] == history[-1]["validation_loss"] and record["images_per_s"] > 0
    assert record["data"]["train"] == N_TRAIN and record["data"]["made"] == "by tests"
    assert json.loads((made.out / "training.json").read_text())["history"] == history
    with (made.out / "history.csv").open() as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows == history
    assert {p.name for p in made.out.iterdir() if not p.name.startswith(".")} == {
        *("best.safetensors", "last.safetensors", "training.json", "history.csv"),
    }


def test_checkpoints_are_the_epochs_they_say(spec):
    made = spec(trainer={"epochs": 3})
    trained = fit(made)
    validation = made.data.pictures(24, 48).validation
    for path, chosen in ((trained.best, "best_validation_loss"), (trained.last, "last_validation_loss")):
        expected = np.mean(list(losses_by_plain_loops(path, validation)))
        assert trained.record[chosen] == pytest.approx(expected, rel=1e-5)
        model, record = load_autoencoder(path, made.network)
        assert record["validation_loss"] == trained.record[chosen] and record["thresholds"]["reconstruction"] > 0
        assert len(record["code_low"]) == len(record["code_high"]) == model.network.code_shape[0]


def test_losses_before_the_first_step(spec):
    """Of the very network that training starts from, in evaluation mode, training and validation alike."""
    start = fit(spec("start")).best
    made = spec("next", init=str(start), seed=1)
    first = fit(made).record["history"][0]
    pictures = made.data.pictures(24, 48)
    assert first["train_loss"] == pytest.approx(np.mean(list(losses_by_plain_loops(start, pictures.train))), rel=1e-5)
    expected = np.mean(list(losses_by_plain_loops(start, pictures.validation)))
    assert first["validation_loss"] == pytest.approx(expected, rel=1e-5)


def test_equal_trainings_give_equal_files(spec):
    first, again, other = fit(spec("a")), fit(spec("b")), fit(spec("c", seed=1))
    assert first.best.read_bytes() == again.best.read_bytes()
    assert first.last.read_bytes() == again.last.read_bytes()
    assert first.last.read_bytes() != other.last.read_bytes()


def test_layout_in_memory_changes_nothing_but_rounding(spec):
    one = fit(spec("a", trainer={"channels_last": True})).record["last_validation_loss"]
    assert fit(spec("b", trainer={"channels_last": False})).record["last_validation_loss"] == pytest.approx(
        one, rel=1e-3
    )


def test_bf16_trains_too(spec):
    one = fit(spec("a", trainer={"epochs": 3}))
    half = fit(spec("b", trainer={"epochs": 3, "precision": "bf16"}))
    assert half.record["precision"] == "bf16"
    assert half.record["last_validation_loss"] == pytest.approx(one.record["last_validation_loss"], rel=0.1)
    model, _ = load_autoencoder(half.best)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_lightning_says_nothing(spec, capfd):
    """No banners, tips and warnings."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fit(spec())
    assert tuple(capfd.readouterr()) == ("", "") and [str(w.message) for w in told] == []


def test_the_process_is_left_as_it_was(spec):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 - the global state is what is tested
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), torch.get_num_threads()  # noqa: NPY002
    answer = signal.getsignal(signal.SIGINT)
    fit(spec())
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    assert (torch.get_num_threads(), signal.getsignal(signal.SIGINT)) == (before[2], answer)


def test_a_finished_training_is_not_computed_again(spec):
    first = fit(spec())
    written = {p.name: p.stat().st_mtime_ns for p in first.best.parent.iterdir()}
    data = Blocks()
    again = fit(spec(data=data))
    assert (again.epochs_now, data.asked, again.record) == (
        0,
        0,
        json.loads(first.best.with_name("training.json").read_text()),
    )
    assert written == {p.name: p.stat().st_mtime_ns for p in first.best.parent.iterdir()}
    first.best.unlink()
    assert fit(spec()).epochs_now == 2, "a checkpoint that was removed is made again"


@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors"])
@pytest.mark.parametrize("damage", ["truncated", "another"])
def test_a_damaged_checkpoint_of_a_finished_training_is_named(spec, snapshot, name, damage):
    made = spec(trainer={"epochs": 1})
    fit(made)
    raw = (made.out / name).read_bytes()
    other = fit(spec("other", seed=1, trainer={"epochs": 1})).best.read_bytes()
    (made.out / name).write_bytes(raw[:-50] if damage == "truncated" else other)
    before = snapshot(made.out)
    with pytest.raises(UsageError, match=f"{name}' is damaged, or .* another training; .*remove it and the same"):
        fit(made)
    assert snapshot(made.out) == before
    (made.out / name).unlink()
    assert fit(made).epochs_now == 1 and (made.out / name).read_bytes() == raw


def test_a_folder_of_another_training_is_refused(spec, snapshot):
    made = spec()
    fit(made)
    before = snapshot(made.out)
    with pytest.raises(UsageError, match=r"loss.kind is 'l2' there and 'mix' here; seed is 0 there and 2 here; choose"):
        fit(spec(loss=MixLoss(), seed=2))
    assert snapshot(made.out) == before
    (made.out / "training.json").write_text("{}")
    with pytest.raises(UsageError, match="not the record of a training"):
        fit(made)


class Breaking(L2Loss):
    """NaN at its nth call."""

    calls = 0
    breaks_at = 0

    def per_picture(self, first, second):
        self.calls += 1
        return super().per_picture(first, second) * (float("nan") if self.calls == self.breaks_at else 1)


def test_nan_stops_at_once_and_loses_nothing(spec):
    # 3 + 1 batches before the first step; 3 + 1 in the first epoch; the second step of the second epoch.
    loss = Breaking()
    loss.breaks_at = 4 + 4 + 2
    made = spec(loss=loss, trainer={"epochs": 3})
    with pytest.raises(
        UsageError, match=r"became nan in epoch 2 at step 2, at training pictures [\d, ]+; try a"
    ) as told:
        fit(made)
    assert loss.calls == loss.breaks_at
    order = training_batches(made.data.pictures(24, 48), 4, seed=0)
    order.sampler.set_epoch(1)
    named = ", ".join(map(str, list(order)[1].indices))
    assert f"training pictures {named};" in str(told.value)
    record = json.loads((made.out / "training.json").read_text())
    assert (record["finished"], record["best_epoch"], len(record["history"])) == (False, 1, 2)
    reached = np.mean(list(losses_by_plain_loops(made.out / "best.safetensors", made.data.pictures(24, 48).validation)))
    assert record["best_validation_loss"] == pytest.approx(reached, rel=1e-5)
    assert "was not finished; run the same command again" in unfinished(read_record(made.out / "best.safetensors")[1])


def test_nan_in_validation_is_named_too(spec):
    loss = Breaking()
    loss.breaks_at = 4 + 4
    with pytest.raises(UsageError, match="became nan after epoch 1, at validation pictures 0, 1, 2; try"):
        fit(spec(loss=loss))


class Flat(L2Loss):
    """Nothing is ever better."""

    def per_picture(self, first, second):
        return super().per_picture(first, second) * 0 + 1


def test_patience(spec):
    record = fit(spec(loss=Flat(), trainer={"epochs": 9, "patience": 2})).record
    assert (record["best_epoch"], record["history"][-1]["epoch"], record["finished"]) == (1, 3, True)


def test_starting_from_a_checkpoint(spec, tmp_path):
    start = fit(spec("start")).best
    trained = fit(spec("next", init=str(start)))
    assert trained.record["init"]["path"] == str(start) and len(trained.record["init"]["sha256"]) == 64
    assert trained.record["history"][0]["validation_loss"] < 1
    assert unfinished(load_autoencoder(start)[1]) is None
    with pytest.raises(UsageError, match=r"^init='.*' is of network"):
        fit(spec("other", init=str(start), network="p1_3"))
    with pytest.raises(UsageError, match=r"missing.safetensors' cannot be read"):
        fit(spec("none", init=str(tmp_path / "missing.safetensors")))
    (tmp_path / "text").write_text("a text")
    with pytest.raises(UsageError, match=r"^init='.*text' is no complete safetensors file.* or give init=bundled"):
        fit(spec("none", init=str(tmp_path / "text")))


def test_starting_from_the_checkpoint_of_the_package(spec, tmp_path, monkeypatch):
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr(importlib.resources, "files", lambda package_name: package)
    with pytest.raises(UnavailableError, match=r"^init=bundled is not in this installation.* or give init=PATH"):
        fit(spec("none", init="bundled"))
    start = shutil.copy(fit(spec("start")).best, package / "ae_final.safetensors")
    assert fit(spec("next", init="bundled")).best.read_bytes() == fit(spec("path", init=str(start))).best.read_bytes()


def test_another_start_is_another_training(spec):
    start = fit(spec("start")).best
    one = spec("next", init=str(start)).key
    model, record = load_autoencoder(start)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    save_autoencoder(start, model, record)
    assert spec("next", init=str(start)).key != one != spec("next").key


@pytest.mark.parametrize("flip", [False, True])
def test_every_picture_once_an_epoch_in_an_order_of_its_own(flip):
    pictures = Blocks(flip=flip).pictures(24, 48)

    def epoch(number, seed=0):
        loader = training_batches(pictures, 4, seed)
        loader.sampler.set_epoch(number)
        batches = list(loader)
        assert [len(batch.indices) for batch in batches] == [4, 4, 2] and len(loader) == 3
        for batch in batches:
            expected = pictures.train[batch.indices] / 255.0
            if flip:
                expected = np.where(batch.flips.numpy()[:, None, None, None], expected[:, :, ::-1], expected)
            for channels_last in (True, False):
                found = batch.as_input(channels_last=channels_last)
                np.testing.assert_allclose(found.permute(0, 2, 3, 1).numpy(), expected, rtol=1e-6)
                assert found.is_contiguous(memory_format=torch.channels_last) == channels_last
        flips = [] if not flip else [f for batch in batches for f in batch.flips.tolist()]
        return [i for batch in batches for i in batch.indices.tolist()], flips

    (first, flips), (second, other_flips) = epoch(0), epoch(1)
    assert sorted(first) == sorted(second) == list(range(N_TRAIN)) and first != second
    assert epoch(0) == (first, flips) and epoch(0, seed=1) != (first, flips)
    if flip:
        assert flips != other_flips and 0 < sum(flips) < N_TRAIN
    plain = list(plain_batches(pictures.train, 4))
    assert [i for batch in plain for i in batch.indices.tolist()] == list(range(N_TRAIN)) and plain[0].flips is None


def test_wandb_offline_writes_a_run(spec, monkeypatch):
    pytest.importorskip("wandb", reason="needs wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    made = spec(logger="wandb", wandb_mode="offline")
    fit(made)
    (run,) = (made.out / "wandb").glob("offline-run-*")
    assert next(run.glob("*.wandb")).stat().st_size > 0
    assert (made.out / "history.csv").exists()


def test_wandb_disabled_writes_none(spec):
    pytest.importorskip("wandb", reason="needs wandb")
    made = spec(logger="wandb", wandb_mode="disabled")
    fit(made)
    assert not list(made.out.glob("wandb/*run-*"))


def test_wandb_without_a_key_is_told_before_training(spec, monkeypatch, tmp_path, capfd):
    pytest.importorskip("wandb", reason="needs wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    made = spec(logger="wandb", wandb_mode="online")
    with pytest.raises(UnavailableError, match=r"no key.*logger.mode=offline needs"):
        fit(made)
    assert not (made.out / "training.json").exists()
    assert tuple(capfd.readouterr()) == ("", "")


def test_missing_wandb_is_told_before_training(spec, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    made = spec(logger="wandb")
    with pytest.raises(UnavailableError, match="pip install wandb"):
        fit(made)
    assert not (made.out / "training.json").exists()


def test_no_pictures_for_validation(spec):
    class Half(Blocks):
        def pictures(self, height, width):
            found = super().pictures(height, width)
            return Pictures(found.train, found.validation[:0], "half", "half")

    with pytest.raises(UsageError, match="'half' has no pictures"):
        fit(spec(data=Half()))
