"""Methods that somebody writes, with all that the interface leaves open: own numbers, no feature, parameters."""

from __future__ import annotations

import csv
from dataclasses import dataclass

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.bench.train import history_numbers, train
from keyframe_bench.core.checkpoint import read_record
from keyframe_bench.core.errors import ContractError
from keyframe_bench.core.registry import Configurable, Registry
from keyframe_bench.extractors.checks.learning import check_evaluate_gives_numbers
from keyframe_bench.training.clips import Clips
from keyframe_bench.training.folder import differences


class Own(kb.Trainable, kb.ScoreExtractor):
    """Frames at the place that was usual; a small grey image decides nothing."""

    reference = "none"
    seeded = False
    numbers = {"nll": kb.Column("lower", "1", "negative log-likelihood")}  # noqa: RUF012
    rows: tuple = ()

    def __init__(self, checkpoint: str = "", size: int = 8) -> None:
        self.checkpoint = checkpoint
        self.size = size

    @property
    def needs(self):
        return (kb.Gray(height=self.size, width=self.size),)

    def fit(self, train, validation, session):
        session.history += [dict(row) for row in self.rows]
        return session.checkpoint({"place": np.array([np.mean([clip.times.mean() for clip in train])])})

    def evaluate(self, checkpoint, clips):
        return {"nll": float(len(clips))}

    def score(self, clip):
        return -np.abs(clip.times - self.learned().tensors["place"][0])


@pytest.fixture
def own(own_registry, training):
    """Train `Own`, or a class derived from it, with these attributes, under the name of the test."""

    def make(**attributes):
        cls = type("Derived", (Own,), {"__doc__": Own.__doc__, "__module__": __name__, **attributes})
        kb.register("own_of_tests")(cls)
        return cls, lambda out="out", **given: training(out, extractor="own_of_tests", **given)

    return make


@pytest.mark.parametrize(
    "rows",
    [
        [{"epoch": 1, "nll": 2.0}, {"epoch": 2, "nll": 1.0}],
        [{"epoch": 1, "validation_loss": 2.0}, {"epoch": 2, "validation_loss": 1.0, "nll": 3.0}],
        [{"nll": 2.0}],
    ],
)
def test_a_history_may_hold_other_numbers(own, film, tmp_path, cli, rows):
    _, learning = own(rows=rows, evaluate=lambda *_: {"nll": np.float32(1.5)})
    trained = train(learning())
    assert trained.record["finished"] and trained.record["history"] == rows
    assert trained.record["validation"] == {"nll": 1.5}, "rows do not stand for it, and numbers of NumPy are numbers"
    words = ("extractor=own_of_tests", "dataset=folder", f"dataset.root={film}", "dataset.camera=true")
    status, page, err = cli("train", *words, f"out={tmp_path / 'by command'}")
    assert (status, err) == (0, "") and "written to" in page
    told = {"best_epoch": 2, "best_validation_loss": 1.0, "train_loss": None, "last_validation_loss": 1.0}
    assert {name: trained.record.get(name) for name in told} == (
        told if "validation_loss" in rows[0] else dict.fromkeys(told)
    )
    with (learning().out / "history.csv").open() as file:
        kept = [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(file)]
    assert kept == rows
    numbers = history_numbers(trained.record, rows)
    assert (
        numbers.get("validation_loss") == told["best_validation_loss"] if "validation_loss" in rows[0] else not numbers
    )


def test_a_method_without_features_trains(own, data, film):
    _, learning = own(needs=())
    trained = train(learning())
    record = read_record(trained.best, "own_of_tests")
    assert record["features"] == [] and trained.record["data"]["train"] == 10


@pytest.mark.parametrize("value", [float("nan"), np.float32(2)])
def test_what_a_record_cannot_hold_is_told_before_anything_is_written(own, value):
    _, learning = own(rows=[{"epoch": 1, "nll": value}])
    with pytest.raises(ContractError, match=r"session\.history of 'own_of_tests' is not plain data"):
        train(learning())
    assert not list(learning().out.glob("*.safetensors"))


def test_a_logger_that_nothing_writes_to_is_refused(own):
    _, learning = own()
    with pytest.raises(kb.UsageError, match=r"^logger=wandb: own_of_tests does not train with fit_module"):
        train(learning(logger="wandb"))


def test_evaluate_is_tried_on_clips_as_a_training_gives_them(own_registry):
    def evaluate(self, checkpoint, clips):
        return {"nll": float(sum(clip.chosen(0.1).sum() for clip in clips))}

    attributes = {"__doc__": Own.__doc__, "__module__": __name__, "evaluate": evaluate}
    kb.register("reads_annotations_of_tests")(reads := type("Reads", (Own,), attributes))
    with pytest.raises(ContractError, match="has no annotation"):
        check_evaluate_gives_numbers(reads())
    kb.register("learns_from_users_of_tests")(type("Learns", (Own,), {**attributes, "supervision": "users"}))
    check_evaluate_gives_numbers(kb.Extractor.registry.build("learns_from_users_of_tests"))


@pytest.mark.parametrize("video", ["a", "b"])
def test_annotations_are_aligned_before_a_feature_is_computed(own, shade, data, tmp_path, video, monkeypatch):
    def compute(self, frames):
        raise AssertionError("it computes already")

    monkeypatch.setattr(kb.Gray, "compute", compute)
    for first, name in enumerate("ab"):
        shade(tmp_path / f"videos/{name}.mp4", 10, first=first)
    lines = ["video,user,frame", "a.mp4,anna,1", "b.mp4,anna,1", f"{video}.mp4,anna,10"]
    (tmp_path / "picks.csv").write_text("\n".join(lines))
    of = data("folder", tmp_path / "videos", "videos:0.5", annotations=str(tmp_path / "picks.csv"))
    _, learning = own(supervision="users")
    with pytest.raises(kb.UsageError, match=rf"annotation of '{video}\.mp4': .* frame 10"):
        train(learning(data=of))


def _pictures(size, n=6):
    images = np.random.default_rng(0).integers(0, 255, (n, 32, 32, 3), dtype=np.uint8)
    return kb.clip_from_images(images, (kb.Gray(height=size, width=size),))


def test_parameters_decide_which_features_a_checkpoint_is_of(own, tmp_path):
    cls, learning = own()
    best = str(train(learning()).best)
    assert cls(checkpoint=best).unavailable() is None
    assert "was trained on gray@" in cls(checkpoint=best, size=16).unavailable()
    assert kb.fit_clips(cls(size=16), [_pictures(16)], tmp_path / "clips").unavailable() is None


def test_pictures_in_memory_are_no_file_that_was_seen(own, tmp_path):
    cls, _ = own()
    trained = kb.fit_clips(cls(), [_pictures(8)], tmp_path)
    assert "sha256" not in trained.trained_record()["trained_on"][0] and not trained.has_seen("")


def test_rows_of_windows_are_not_read_by_frames():
    from keyframe_bench.features.change import MotionEnergy

    feature = MotionEnergy()
    images = np.zeros((64, 8, 8, 3), dtype=np.uint8)
    with pytest.raises(ContractError, match=r"has a row per window.*read clip\[feature\] of each clip"):
        Clips.of([kb.clip_from_images(images, (feature,))]).rows(feature)


PARTS: Registry = Registry("part", "keyframe_bench.models.losses")


class Part(Configurable):
    """Something with a parameter."""

    def __init__(self, width: float = 1.0) -> None:
        self.width = width


@dataclass(frozen=True, kw_only=True)
class TwoParts(kb.TrainerOptions):
    """Options that choose two."""

    choices = {"first": PARTS, "second": PARTS}  # noqa: RUF012

    first: str = "part"
    second: str = "part"


def test_two_options_of_one_name_are_refused(monkeypatch):
    monkeypatch.setattr(PARTS, "get", lambda _: Part)
    with pytest.raises(kb.UsageError, match=r"trainer\.width is an option of first=part and of second=part: rename"):
        TwoParts.build({"width": 2.0})


def test_long_differences_are_shortened():
    theirs = {"data": {"videos": [[f"class{i}/video.mp4", "0" * 64] for i in range(3000)]}, "seed": 1}
    ours = {"data": {"videos": [["a.mp4", "1" * 64]]}, "seed": 0}
    first, seed = differences(theirs, ours)
    assert "data.videos[0][0] is 'class0/video.mp4'" in first and "(and 2999 more of data.videos)" in first
    assert len(first) < 500 and seed == "seed is 1 there and 0 here"


def test_an_option_that_a_record_lacks_is_none():
    assert not differences({"options": {"a": 1}, "list": [{}]}, {"options": {"a": 1, "b": None}, "list": [{"b": None}]})
    assert differences({"options": {}}, {"options": {"b": 3}}) == ["options.b is None there and 3 here"]
    assert differences({"list": [1]}, {"list": [1, "2"]}) == ["list[1] is nothing there and '2' here"]
