"""Every check of methods that learn passes on a sound one and fails on one that breaks its rule."""

import contextlib
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import pytest

from keyframe_bench.core.checkpoint import read_checkpoint
from keyframe_bench.core.errors import ContractError, UnavailableError
from keyframe_bench.core.feature import Feature
from keyframe_bench.core.registry import Range
from keyframe_bench.extractors.base import ScoreExtractor
from keyframe_bench.extractors.checks import CHECKS, run_check, run_checks
from keyframe_bench.extractors.trainable import Trainable
from keyframe_bench.metrics.base import Column
from keyframe_bench.training.options import TrainerOptions


class MeanLuma(Feature):
    """Mean grey level of each frame."""

    name = "luma_of_learning_tests"

    def compute(self, frames):
        return np.array([frame.luma(12, 16).mean() for frame in frames])


class Undeclared(MeanLuma):
    """A feature no extractor here declares."""

    name = "undeclared_of_learning_tests"


LUMA = MeanLuma()


@dataclass(frozen=True, kw_only=True)
class LearnedOptions(TrainerOptions):
    """One option."""

    scale: Annotated[float, Range(0, 10)] = 2.0


class Learned(Trainable, ScoreExtractor):
    """Frames about as bright as those that were chosen."""

    name = "learned_of_tests"
    reference = "none"
    supervision = "users"
    seeded = False
    Options = LearnedOptions
    numbers: ClassVar = {"gap": Column("lower", "1", "mean difference from the level")}
    needs = (LUMA,)

    def __init__(self, checkpoint: str = "") -> None:
        self.checkpoint = checkpoint

    def brightness(self, clips, rng):
        return np.concatenate([clip[LUMA][clip.chosen(0.3)] for clip in clips]).mean()

    def fit(self, train, validation, session):
        level = self.brightness(train, session.rng("level"))
        return session.checkpoint({"level": np.array([session.options.scale * level])}, offset=1)

    def evaluate(self, checkpoint, clips):
        return {"gap": float(np.abs(clips.rows(LUMA)[:] - checkpoint.tensors["level"]).mean())}

    def score(self, clip):
        return clip[LUMA] * self.learned().tensors["level"] / 1000


class LearnedSeeded(Learned):
    """The same, with a draw."""

    name = "learned_seeded_of_tests"
    seeded = True

    def brightness(self, clips, rng):
        return super().brightness(clips, rng) + rng.random()


def learned(base=Learned, **attributes):
    """Derive a class from a sound one: what it does otherwise is the fault."""
    return type("Faulty", (base,), {"__doc__": "A fault.", "__module__": __name__, **attributes})


def fits(result, **attributes):
    """Fault: `fit` returns this of its session."""
    return learned(fit=lambda self, train, validation, session: result(session), **attributes)


def fits_after(action):
    """Fault: ``action(self, train, session)`` before a sound training."""

    def fit(self, train, validation, session):
        action(self, train, session)
        return Learned.fit(self, train, validation, session)

    return fit


def raises(*_):
    raise NotImplementedError("later")


def without_checkpoint(self):
    self.checkpoint = ""


def reads_undeclared(self, train, session):
    with contextlib.suppress(ContractError):
        train.rows(Undeclared())


def scaled(by):
    """Scores by a number that is not in the checkpoint."""
    return lambda self, clip: clip[LUMA] * by(self)


def halve_rows(self, train, session):
    for clip in train:
        clip[LUMA][:] /= 2


def unlock_rows(self, train, session):
    for clip in train:
        clip[LUMA].flags.writeable = True
    halve_rows(self, train, session)


BROKEN = [
    ("training_declared", learned(__init__=without_checkpoint), "take a parameter checkpoint"),
    ("training_declared", learned(supervision="people"), 'supervision is "none"'),
    ("training_declared", learned(Options=dict), "derived from TrainerOptions"),
    ("training_declared", learned(numbers=("gap",)), "name to Column"),
    ("fit_reads_train_needs", learned(fit=fits_after(reads_undeclared)), "add that feature to train_needs"),
    ("fit_writes_no_rows", learned(fit=fits_after(halve_rows)), "is read-only"),
    ("fit_writes_no_rows", learned(fit=fits_after(unlock_rows)), "work on a copy"),
    ("fit_gives_checkpoint", fits(lambda session: None), "returns nothing"),
    ("fit_gives_checkpoint", fits(lambda session: np.zeros(3)), "returns ndarray"),
    ("fit_gives_checkpoint", fits(lambda session: session.checkpoint({}, model=object())), "not plain data"),
    ("fit_gives_checkpoint", fits(lambda session: session.checkpoint({"a": np.array([np.nan])})), "not of finite"),
    ("fit_gives_checkpoint", learned(fit=raises), "fit raises NotImplementedError: later"),
    ("fit_repeatable", learned(seeded=True, brightness=lambda *_: random.random()), "draw only from session.rng()"),
    ("fit_repeatable", learned(LearnedSeeded, seeded=False), "leave out seeded = False"),
    (
        "checkpoint_round_trip",
        learned(
            fit=fits_after(lambda self, train, session: (session.folder.path / "level.txt").write_text("2")),
            score=scaled(lambda self: float((Path(self.checkpoint).parent / "level.txt").read_text())),
        ),
        "FileNotFoundError",
    ),
    (
        "checkpoint_round_trip",
        learned(fit=fits_after(lambda self, *_: setattr(self, "scale", 2.0)), score=scaled(lambda self: self.scale)),
        "AttributeError",
    ),
    ("other_checkpoints_refused", learned(unavailable=lambda self: None), "another method"),
    (
        "other_checkpoints_refused",
        learned(learned=lambda self: read_checkpoint(self.checkpoint, "learned_of_tests")),
        "another version",
    ),
    ("checkpoint_in_key", learned(depends_on=()), "super().depends_on"),
    (
        "checkpoint_in_key",
        learned(depends_on=property(lambda self: (*Trainable.depends_on.fget(self), self.checkpoint))),
        "changes with the path",
    ),
    ("evaluate_gives_numbers", learned(evaluate=lambda *_: {}), "for each of its numbers: gap"),
    ("evaluate_gives_numbers", learned(evaluate=lambda *_: {"gap": float("nan")}), "returns {'gap': nan}"),
    (
        "reads_no_annotation",
        learned(score=lambda self, clip: clip[LUMA] + (clip.annotation is not None and clip.chosen(0.1))),
        "learn from it in fit",
    ),
]


def test_every_check_has_a_broken_class():
    assert {name for name, _, _ in BROKEN} - {"reads_no_annotation"} == {
        name for name in CHECKS if re.search("training|fit_|checkpoint|evaluate", name)
    }


@pytest.mark.parametrize("cls", [Learned, LearnedSeeded])
def test_sound_method_passes(cls):
    failed = [result for result in run_checks(cls()) if result.status not in ("passed", "not applicable")]
    assert failed == []


@pytest.mark.parametrize(("name", "make", "hint"), BROKEN, ids=[f"{name}:{hint}" for name, _, hint in BROKEN])
def test_broken_method_fails(name, make, hint):
    result = run_check(name, make())
    assert (result.name, result.status) == (name, "failed")
    assert hint in result.message


@pytest.mark.parametrize("make", [learned(fit=raises), fits(lambda session: None)])
def test_a_fault_is_told_once(make):
    results = run_checks(make())
    (failed,) = [result for result in results if result.status == "failed"]
    assert failed.name == "fit_gives_checkpoint" and len(results) == len(CHECKS)


def test_method_that_cannot_train_here_is_not_judged():
    def fit(*_):
        raise UnavailableError("package y is missing")

    with pytest.raises(UnavailableError, match="package y is missing"):
        run_checks(learned(fit=fit)())
    assert run_check("fit_repeatable", learned(fit=fit)()).message == "package y is missing"
