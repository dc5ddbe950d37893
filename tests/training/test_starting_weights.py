"""``init=``: who can start from a checkpoint, which one, and what is remembered of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keyframe_bench.bench.train import Training, train, trainable
from keyframe_bench.core.checkpoint import Checkpoint, read_checkpoint
from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.registry import load_plugins
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.training.data import TrainingData
from keyframe_bench.video.frame_folder import sha256_of_video

FILE = Path(__file__).with_name("usual_histogram.txt")
NAME = "usual_histogram"


@pytest.fixture
def learning(tmp_path, own_registry, data, shade):
    """A training of one pass over either of two videos, and the videos."""
    plugin = tmp_path / "usual_histogram.py"
    plugin.write_text(FILE.read_text())
    load_plugins([str(plugin)])
    films = [shade(tmp_path / f"{i}.mp4", 6, first=20 * i) for i in range(2)]

    def make(film: int, out: str, init: object = None) -> Training:
        options = trainable(NAME).Options.build({"epochs": 1})
        read, start = data("folder", films[film], "temporal:0.5", camera=True), None if init is None else str(init)
        return Training(extractor=NAME, options=options, data=read, out=tmp_path / out, init=start)

    make.films = films
    return make


def test_what_the_first_training_saw_was_seen(learning) -> None:
    method = Extractor.registry.get(NAME)
    start = train(learning(0, "first")).best
    checkpoint = read_checkpoint(start, NAME)
    Checkpoint(checkpoint.tensors, {**checkpoint.record, "supervision": "users"}).write(start)
    best = train(learning(1, "second", start)).best
    record = read_checkpoint(best, NAME).record
    trained = method(checkpoint=str(best))
    assert [trained.has_seen(sha256_of_video(film)) for film in learning.films] == [True, True]
    assert len(record["trained_on"]) == 4 and record["supervision"] == "users"
    again = train(learning(1, "third", best)).best
    assert read_checkpoint(again, NAME).record["trained_on"] == record["trained_on"], "each range is told once"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 7}, "was trained by version 7 of usual_histogram, this is version 1"),
        ({"features": ["gray@1()"]}, r"was trained on gray@1\(\), and usual_histogram reads gray_histogram"),
        ({"options": {"colour": 3}}, "was trained with what this installation does not have"),
        (None, "is not a complete safetensors file"),
    ],
)
def test_a_start_that_does_not_fit_is_told_before_data_is_read(learning, monkeypatch, change: Any, message) -> None:
    start = train(learning(0, "first")).best
    if change is None:
        start.write_bytes(start.read_bytes()[:-1])
    else:
        checkpoint = read_checkpoint(start, NAME)
        Checkpoint(checkpoint.tensors, {**checkpoint.record, **change}).write(start)
    monkeypatch.setattr(TrainingData, "read", None)
    with pytest.raises(UsageError, match=f"^init=.*({message})"):
        train(learning(1, "second", start))


def test_who_cannot_start_from_one_says_so(learning, monkeypatch) -> None:
    start = train(learning(0, "first")).best
    monkeypatch.setattr(Extractor.registry.get(NAME), "warm_start", False)
    with pytest.raises(UsageError, match=r"^init='.*first/best.safetensors': extractor 'usual_histogram' cannot start"):
        learning(1, "second", start)
