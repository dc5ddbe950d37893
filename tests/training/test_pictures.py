"""What a training leaves to look at: curves, and reconstructions beside what they were made of."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("pytorch_lightning", reason="needs keyframe_bench[training]")

import keyframe_bench as kb
from keyframe_bench.bench.train import train
from keyframe_bench.core.checkpoint import read_checkpoint
from keyframe_bench.extractors.autoencoder import Autoencoder
from keyframe_bench.models.checkpoint import load_autoencoder
from keyframe_bench.training.pictures import curves, strip
from keyframe_bench.training.reading import read_parts

SMALL = ("trainer.width=0.125", "trainer.geometry=0.25", "trainer.loss=l2", "trainer=smoke", "trainer.threads=1")
BLUE, ORANGE = (31, 78, 121), (209, 105, 28)  # training and validation


def read(path):
    """An image file as int [H, W, 3], RGB."""
    return cv2.imread(str(path))[..., ::-1].astype(int)


def near(picture, colour, tolerance=12):
    return (np.abs(picture - np.array(colour)) <= tolerance).all(axis=-1)


def test_an_auto_encoder_leaves_curves_and_reconstructions(training):
    import torch

    made = training(trainer={"epochs": 3})
    trained = train(made)
    assert near(read(made.out / "curves.png"), BLUE).sum() > 50 and near(read(made.out / "curves.png"), ORANGE).any()
    model, _ = load_autoencoder(trained.best)
    parts = read_parts(made.data, made.method.train_needs(made.options), print)
    told = trained.record["reconstruction_errors"]
    assert told.keys() == {"validation", "train"}
    pictures = parts.validation.rows(made.options.pictures)[:]
    wanted, outputs = [], []
    for picture in pictures:
        with torch.no_grad():
            x = torch.tensor(picture / 255.0, dtype=torch.float32).permute(2, 0, 1)[None]
            outputs.append((model(x)[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255).round())
        wanted.append(float(np.abs(outputs[-1] - picture).mean()))
    assert told["validation"] == pytest.approx(sorted(wanted), abs=0.02) and len(told["train"]) == 10
    page = read(made.out / "reconstructions.jpg")
    left, _, _ = (116 + i * 182 for i in range(3))  # three validation frames, the best one first
    best = int(np.argmin(wanted))
    tops = [22 * 3 + 6 + row * (88 + 6) for row in range(2)]
    for top, image in zip(tops, (pictures[best], outputs[best]), strict=True):
        shown = page[top : top + 88, left : left + 176]
        large = cv2.resize(np.asarray(image, dtype=np.float32), (176, 88), interpolation=cv2.INTER_LINEAR)
        assert np.abs(shown - large).mean() < 3


@pytest.mark.parametrize("broken", ["curves", "reconstructions"])
def test_a_picture_that_fails_loses_no_training_and_changes_no_checkpoint(cli, film, tmp_path, monkeypatch, broken):
    words = ("extractor=autoencoder", *SMALL, "dataset=folder", f"dataset.root={film}", "dataset.camera=true")
    assert cli("train", *words, f"out={tmp_path}/whole")[0] == 0

    def fail(*_):
        raise RuntimeError("no picture today")

    owner = "keyframe_bench.bench.train.curves" if broken == "curves" else Autoencoder
    monkeypatch.setattr(owner, fail) if broken == "curves" else monkeypatch.setattr(owner, broken, fail)
    status, text, err = cli("train", *words, f"out={tmp_path}/broken")
    assert (status, err) == (0, "") and "could not be made" in text and "no picture today" in text
    for name in ("best.safetensors", "last.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes()
    assert json.loads((tmp_path / "broken" / "training.json").read_text())["finished"]
    assert not (tmp_path / "broken" / "reconstructions.jpg").exists()


def test_a_frame_mae_shows_a_masked_frame_of_every_clip(tmp_path):
    pytest.importorskip("timm", reason="needs keyframe_bench[networks]")
    method = kb.Extractor.registry.build("frame_mae_oracle")
    options = {"epochs": 1, "batch": 2, "threads": 1, "precision": "fp32", "warmup": 0.0}
    needs = method.train_needs(method.Options.build(options))
    levels = (np.arange(48)[:, None, None, None] * 5).astype(np.uint8)
    clip = kb.clip_from_images(np.broadcast_to(levels, (48, 72, 72, 3)).copy(), needs)
    kb.fit_clips(method, [clip], tmp_path, options=options)
    checkpoint = read_checkpoint(tmp_path / "best.safetensors", "frame_mae_oracle")
    inputs, outputs = method.reconstructions(checkpoint, kb.Clips.of([clip]), 8)
    assert inputs.shape == outputs.shape == (3, 64, 64, 3)
    places = np.rint(inputs.mean(axis=(1, 2, 3)) / 5).astype(int) - 16 * np.arange(3)
    assert ((places >= 0) & (places < 16)).all() and not set(places.tolist()) & {4, 5, 10, 11}  # those are kept
    assert np.abs(outputs.astype(int) - inputs).mean() < 8  # a flat patch has its mean from the frame itself


def test_curves_have_a_panel_for_every_number_and_mark_the_best_epoch():
    rows = [
        {"epoch": e, "train_loss": 0.2 + 1 / (e + 1), "validation_loss": 0.1 + abs(e - 3), "lr": 0.1} for e in range(6)
    ]
    both, one = curves(rows), curves([{"epoch": row["epoch"], "train_loss": row["train_loss"]} for row in rows])
    assert both.shape == (260, 800, 3) and one.shape == (260, 400, 3)
    columns = np.flatnonzero(near(both[:, :400].astype(int), ORANGE)[190:].any(axis=0))
    assert columns.mean() == pytest.approx(66 + 3 / 5 * 314, abs=6)  # the lowest validation loss, at the bottom
    assert curves(rows[:1]) is None and curves([]) is None and curves([{"epoch": 1.0}, {"epoch": 2.0}]) is None
    odd = [{"epoch": 0, "a": 1.0}, {"epoch": 1, "a": float("nan")}, {"a": 1.0, "b": 3.0}]
    assert curves(odd).shape == (260, 400, 3)  # "b" has one value, and "a" is flat


def test_a_strip_goes_from_the_lowest_error_to_the_highest():
    inputs = np.full((9, 10, 20, 3), 100, np.uint8)
    outputs = inputs + np.arange(9, dtype=np.uint8)[::-1, None, None, None]
    page = strip("train", inputs, outputs, {"train": [0.0, 8.0]}).astype(int)
    differences = [page[22 * 2 + 6 + 2 * 94 + 44, 116 + column * 182 + 88, 0] for column in range(6)]
    assert differences == [0, 8, 12, 20, 24, 32]  # four times 0, 2, 3, 5, 6 and 8
