"""Training: it learns, is repeatable, leaves the process alone, computes nothing twice, and loses nothing."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pytorch_lightning", reason="needs keyframe_bench[training]")
import torch

import keyframe_bench as kb
from keyframe_bench.bench.train import train
from keyframe_bench.core.checkpoint import read_checkpoint, read_record
from keyframe_bench.core.errors import ContractError, UnavailableError, UsageError
from keyframe_bench.extractors.autoencoder.learning import as_input
from keyframe_bench.extractors.autoencoder.options import AutoencoderOptions
from keyframe_bench.features.images import Rgb
from keyframe_bench.models.checkpoint import load_autoencoder, unfinished
from keyframe_bench.models.losses import L2Loss
from keyframe_bench.training.batches import RowBatches
from keyframe_bench.training.clips import Rows
from keyframe_bench.training.fit_module import fit_module
from keyframe_bench.training.module import LossModule
from keyframe_bench.training.options import NetworkOptions
from keyframe_bench.training.reading import read_parts
from keyframe_bench.training.session import Batches

PICTURES = Rgb(height=24, width=48)
N_TRAIN = 10


def losses_by_plain_loops(path, pictures):
    """Squared error of each image's reconstruction, with none of the code under test but the network."""
    model, _ = load_autoencoder(path)
    with torch.no_grad():
        for picture in pictures:
            x = torch.tensor(picture / 255.0, dtype=torch.float32).permute(2, 0, 1)[None]
            yield float(((model(x) - x) ** 2).mean())


def mean_loss(path, pictures):
    return pytest.approx(np.mean(list(losses_by_plain_loops(path, pictures))), rel=1e-5)


def test_small_networks_train_in_one_thread(training):
    small = training(trainer={"threads": None, "epochs": 1})
    assert small.options.torch_threads == 1 and train(small).record["machine"]["threads"] == 1
    assert AutoencoderOptions.build({"threads": 2}).torch_threads == 2
    assert AutoencoderOptions.build({}).torch_threads is None, "torch's own choice"
    assert training(trainer={"threads": 2, "epochs": 1}).key == small.key


def test_a_session_trains_one_module(tmp_path, own_registry):
    """A second stage would go on from the first one's state, or give its weights."""
    level = kb.Gray(height=4, width=4)

    class Level(LossModule):
        def loss_of(self, batch):
            return self.model(batch.rows.flatten(1).float()).square().mean()

    @kb.register("two_stages_of_tests")
    class TwoStages(kb.Trainable, kb.ScoreExtractor):
        """Frames of a level; trained twice."""

        reference = "none"
        needs = (level,)
        Options = NetworkOptions

        def __init__(self, checkpoint: str = "") -> None:
            self.checkpoint = checkpoint

        def fit(self, train, validation, session):
            loader = RowBatches(train.rows(level), 2)
            for _ in range(2):
                module = Level(torch.nn.Linear(16, 1), session.options)
                made = fit_module(lambda module=module: module, Batches(loader, loader, loader), session)
            return made

        def score(self, clip):
            return clip[level].mean(axis=(1, 2))

    clip = kb.clip_from_images(np.zeros((2, 4, 4, 3), np.uint8), (level,))
    with pytest.raises(ContractError, match=r"^fit calls fit_module again"):
        kb.fit_clips(TwoStages(), [clip], tmp_path, options={"epochs": 1, "threads": 1})


def test_what_a_training_leaves(training, blocks):
    made = training(trainer={"epochs": 10})
    trained = train(made)
    record, history = trained.record, trained.record["history"]
    assert [row["epoch"] for row in history] == list(range(11)) and (trained.epochs_now, trained.computed) == (10, True)
    assert history[-1]["train_loss"] < 0.9 * history[1]["train_loss"]
    assert history[0]["lr"] == 0 and history[-1]["lr"] == pytest.approx(made.options.lr_end)
    best = min(history[1:], key=lambda row: row["validation_loss"])
    assert (record["best_epoch"], record["best_validation_loss"]) == (best["epoch"], best["validation_loss"])
    assert record["last_validation_loss"] == history[-1]["validation_loss"] and record["images_per_s"] > 0
    assert record["data"]["train"] == N_TRAIN and record["data"]["validation"] == 3
    assert json.loads((made.out / "training.json").read_text())["history"] == history
    with (made.out / "history.csv").open() as file:
        assert [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)] == history
    files = {
        "best.safetensors",
        "last.safetensors",
        "training.json",
        "history.csv",
        "curves.png",
        "reconstructions.jpg",
    }
    assert {p.name for p in made.out.iterdir() if not p.name.startswith(".")} == files
    for path, chosen in ((trained.best, "best_validation_loss"), (trained.last, "last_validation_loss")):
        assert record[chosen] == mean_loss(path, blocks()[N_TRAIN:])
        model, told = load_autoencoder(path)
        row = {"best_val": best["epoch"], "last": 10}[told["chosen"]]
        assert told["history"][row]["validation_loss"] == record[chosen]
        numbers = told["numbers"]
        assert numbers["thresholds"]["reconstruction"] > 0
        assert len(numbers["code_low"]) == len(numbers["code_high"]) == model.network.code_shape[0]
    parts = read_parts(made.data, made.method.train_needs(made.options), print)
    found = made.method.evaluate(read_checkpoint(trained.best, "autoencoder"), parts.validation)
    assert set(found) == set(made.method.numbers) and np.isfinite(list(found.values())).all()
    assert found["loss"] == found["l2"] == found["common_loss"] == pytest.approx(best["validation_loss"], rel=1e-5)


def test_losses_before_the_first_step(training, blocks):
    """Of the very network that training starts from, in evaluation mode, training and validation alike."""
    start = train(training("start")).best
    first = train(training("next", init=str(start), seed=1)).record["history"][0]
    assert first["train_loss"] == mean_loss(start, blocks()[:N_TRAIN])
    assert first["validation_loss"] == mean_loss(start, blocks()[N_TRAIN:])


def test_a_record_says_what_it_was_trained_on(training, film):
    trained = train(training())
    record = read_record(trained.best, "autoencoder")
    train_part, validation = record["trained_on"]
    assert (train_part["video"], train_part["part"]) == ("blocks.mov", "train")
    assert (train_part["start_s"], train_part["end_s"]) == pytest.approx((0.0, 0.9))
    assert (validation["start_s"], validation["end_s"], validation["part"]) == pytest.approx((1.0, 1.2, "validation"))
    assert record["supervision"] == "none" and record["split"] == "temporal:0.77" and record["seed"] == 0
    assert record["options"]["loss"] == "l2" and record["options"]["geometry"] == 0.25
    assert record["features"] == [PICTURES.key] and "torch" in record["versions"]
    assert not {"machine", "seconds", "images_per_s"} & record.keys() and "seconds" not in record["history"][0]


def test_equal_trainings_give_equal_files(training, film, data, tmp_path):
    first, again, other = train(training("a")), train(training("b")), train(training("c", seed=1))
    assert first.best.read_bytes() == again.best.read_bytes()
    assert first.last.read_bytes() == again.last.read_bytes()
    assert first.last.read_bytes() != other.last.read_bytes()
    moved = shutil.copy(film, tmp_path / film.name)
    elsewhere = training("d", data=data("folder", moved, "temporal:0.77", camera=True, cache_gb=0.0))
    assert train(elsewhere).best.read_bytes() == first.best.read_bytes(), "neither the place nor the cache counts"


def test_layout_and_precision_change_little(training):
    found = {}
    for name, changed in {"": {}, "layout": {"channels_last": False}, "bf16": {"precision": "bf16"}}.items():
        found[name] = train(training(f"out{name}", trainer={"epochs": 3, **changed}))
    losses = {name: trained.record["last_validation_loss"] for name, trained in found.items()}
    assert losses["layout"] == pytest.approx(losses[""], rel=1e-3) and found["bf16"].record["precision"] == "bf16"
    assert losses["bf16"] == pytest.approx(losses[""], rel=0.1)
    assert {p.dtype for p in load_autoencoder(found["bf16"].best)[0].parameters()} == {torch.float32}


def test_the_process_is_left_as_it_was(training, capfd):
    """Lightning neither prints nor warns, and random numbers, threads and the answer to Ctrl-C stay."""

    def state():
        drawn = torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # noqa: NPY002 - what is tested
        return drawn, torch.get_num_threads(), signal.getsignal(signal.SIGINT)

    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 - the state that must come back
    before = state()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        train(training())
    assert tuple(capfd.readouterr()) == ("", "") and [str(w.message) for w in told] == []
    assert state() == before


def test_a_finished_training_is_not_computed_again(training, snapshot, monkeypatch):
    first = train(training())
    written = {p.name: p.stat().st_mtime_ns for p in first.best.parent.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr("keyframe_bench.bench.train.read_parts", None)  # nothing is read
        again = train(training())
    assert (again.epochs_now, again.computed) == (0, False)
    assert again.record == json.loads(first.best.with_name("training.json").read_text()) == first.record
    assert written == {p.name: p.stat().st_mtime_ns for p in first.best.parent.iterdir()}
    first.best.with_name("state.safetensors").touch()  # of a process that was killed at the very end
    assert not train(training()).computed and not first.best.with_name("state.safetensors").exists()
    first.best.unlink()
    assert train(training()).epochs_now == 2, "a checkpoint that was removed is made again"


def test_a_damaged_checkpoint_of_a_finished_training_is_named(training, snapshot):
    made = training(trainer={"epochs": 1})
    train(made)
    other = train(training("other", seed=1, trainer={"epochs": 1})).best.read_bytes()
    for name in ("best.safetensors", "last.safetensors"):
        raw = (made.out / name).read_bytes()
        for damaged in (raw[:-50], other):
            (made.out / name).write_bytes(damaged)
            before = snapshot(made.out)
            with pytest.raises(
                UsageError, match=f"{name}' is damaged, or .* another training; .*remove it and the same"
            ):
                train(made)
            assert snapshot(made.out) == before
        (made.out / name).unlink()
        assert train(made).epochs_now == 1 and (made.out / name).read_bytes() == raw


def test_a_folder_of_another_training_is_refused(training, snapshot, film, data):
    made = training()
    train(made)
    before = snapshot(made.out)
    for other, said in (
        (training(trainer={"loss": "mix"}, seed=2), "options.loss is 'l2' there and 'mix' here; .*seed is 0 there"),
        (training(data=data("folder", film, "temporal:0.6", camera=True)), "data.split is 'temporal:0.77' there"),
    ):
        with pytest.raises(UsageError, match=f"{said}.*out=DIR"):
            train(other)
        assert snapshot(made.out) == before
    (made.out / "training.json").write_text("{}")
    with pytest.raises(UsageError, match="not the record of a training"):
        train(made)


@pytest.fixture
def breaking(monkeypatch):
    """Make the loss NaN at its nth call; what is returned counts the calls."""

    def make(breaks_at):
        calls = []
        per_picture = L2Loss.per_picture

        def broken(self, first, second):
            calls.append(None)
            return per_picture(self, first, second) * (float("nan") if len(calls) == breaks_at else 1)

        monkeypatch.setattr(L2Loss, "per_picture", broken)
        return calls

    return make


def test_nan_stops_at_once_and_loses_nothing(training, breaking, blocks):
    # 3 + 1 batches before the first step; 3 + 1 in the first epoch; the second step of the second epoch.
    calls = breaking(4 + 4 + 2)
    made = training(trainer={"epochs": 3})
    with pytest.raises(UsageError, match=r"became nan in epoch 2 at step 2, at training rows [\d, ]+; try a") as told:
        train(made)
    assert len(calls) == 4 + 4 + 2
    order = RowBatches(Rows(lambda _: blocks(), np.stack([np.zeros(N_TRAIN, int), np.arange(N_TRAIN)], 1)), 4, seed=0)
    order.set_epoch(1)
    named = ", ".join(map(str, list(order)[1].indices))
    assert f"training rows {named};" in str(told.value)
    record = json.loads((made.out / "training.json").read_text())
    assert (record["finished"], record["best_epoch"], len(record["history"])) == (False, 1, 2)
    assert record["best_validation_loss"] == mean_loss(made.out / "best.safetensors", blocks()[N_TRAIN:])
    said = unfinished(read_record(made.out / "best.safetensors", "autoencoder"))
    assert "was not finished; run the same command again" in said


def test_nan_in_validation_is_named_too(training, breaking):
    breaking(4 + 4)
    with pytest.raises(UsageError, match="became nan after epoch 1, at validation rows 0, 1, 2; try"):
        train(training())


def test_patience(training, monkeypatch):
    per_picture = L2Loss.per_picture
    monkeypatch.setattr(L2Loss, "per_picture", lambda self, a, b: per_picture(self, a, b) * 0 + 1)  # never better
    record = train(training(trainer={"epochs": 9, "patience": 2})).record
    assert (record["best_epoch"], record["history"][-1]["epoch"], record["finished"]) == (1, 3, True)


def test_starting_from_a_checkpoint(training, tmp_path, monkeypatch):
    start = train(training("start")).best
    trained = train(training("next", init=str(start)))
    assert len(trained.record["init"]) == 64 and trained.record["history"][0]["validation_loss"] < 1
    assert unfinished(load_autoencoder(start)[1]) is None
    package = tmp_path / "package"
    (package / "bundled").mkdir(parents=True)
    monkeypatch.setattr("keyframe_bench.core.checkpoint.files", lambda name: package)
    (tmp_path / "text").write_text("a text")
    for init, error, said, options in (
        (start, UsageError, r"^init is of network ae_final \(.*, not of p1_3", {"network": "p1_3"}),
        (tmp_path / "missing", UnavailableError, "missing' does not exist", {}),
        (tmp_path / "text", UsageError, r"^init='.*text' is not a complete safetensors file.*give init=", {}),
        ("bundled", UnavailableError, "=bundled: no checkpoint of 'autoencoder' is in this installation", {}),
    ):
        with pytest.raises(error, match=said):
            train(training("other", init=str(init), trainer=options))
    shutil.copy(start, package / "bundled" / "autoencoder.safetensors")
    assert train(training("bundled", init="bundled")).best.read_bytes() == trained.best.read_bytes()
    one = training("next", init=str(start)).key
    start.write_bytes(train(training("another", seed=1)).best.read_bytes())
    assert training("next", init=str(start)).key != one != training("next").key, "another start is another training"


@pytest.mark.parametrize("mirrored", [False, True])
def test_every_picture_once_an_epoch_in_an_order_of_its_own(training, data, blocks, tmp_path, mirrored):
    """Photographs are mirrored at random, frames of a video never."""
    made = training().data
    if mirrored:
        for number, picture in enumerate(blocks(n=12)):
            Image.fromarray(picture).save(tmp_path / f"{number}.png")
        made = data("image_folder", tmp_path, "frames:0.8", limit=N_TRAIN)
    clips = read_parts(made, (PICTURES,), lambda _: None).train
    assert clips.mirrored == mirrored
    rows, n = clips.rows(PICTURES), clips.n_frames

    def epoch(number, seed=0):
        loader = RowBatches(rows, 4, seed=seed, mirrored=clips.mirrored)
        loader.set_epoch(number)
        batches = list(loader)
        assert sum(len(batch.indices) for batch in batches) == n and len(loader) == -(-n // 4)
        for batch in batches:
            expected = rows.take(batch.indices) / 255.0
            if mirrored:
                expected = np.where(batch.flips.numpy()[:, None, None, None], expected[:, :, ::-1], expected)
            for channels_last in (True, False):
                found = as_input(batch, channels_last=channels_last)
                np.testing.assert_allclose(found.permute(0, 2, 3, 1).numpy(), expected, rtol=1e-6)
                assert found.is_contiguous(memory_format=torch.channels_last) == channels_last
        flips = [] if not mirrored else [f for batch in batches for f in batch.flips.tolist()]
        return [i for batch in batches for i in batch.indices.tolist()], flips

    (first, flips), (second, other_flips) = epoch(0), epoch(1)
    assert sorted(first) == sorted(second) == list(range(n)) and first != second
    assert epoch(0) == (first, flips) and epoch(0, seed=1) != (first, flips)
    if mirrored:
        assert flips != other_flips and 0 < sum(flips) < n
    plain = list(RowBatches(rows, 4))
    assert [i for batch in plain for i in batch.indices.tolist()] == list(range(n)) and plain[0].flips is None


@pytest.mark.parametrize(("mode", "runs"), [("offline", 1), ("disabled", 0)])
def test_wandb_writes_a_run_where_it_is_on(training, monkeypatch, mode, runs):
    pytest.importorskip("wandb", reason="needs wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    made = training(logger="wandb", wandb_mode=mode)
    train(made)
    found = [*made.out.glob("wandb/*run-*/*.wandb")]
    assert len(found) == runs and all(file.stat().st_size > 0 for file in found)
    assert (made.out / "history.csv").exists()


@pytest.mark.parametrize(("missing", "said"), [("key", "no key.*=offline needs"), ("package", "pip install")])
def test_a_run_that_wandb_cannot_start_is_told_before_training(training, monkeypatch, tmp_path, capfd, missing, said):
    if missing == "package":
        monkeypatch.setitem(sys.modules, "wandb", None)
    else:
        pytest.importorskip("wandb", reason="needs wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    made = training(logger="wandb", wandb_mode="online")
    with pytest.raises(UnavailableError, match=said):
        train(made)
    assert not (made.out / "training.json").exists()
    assert tuple(capfd.readouterr()) == ("", "")
