"""Every contract check passes on a sound extractor and fails on one that breaks its rule."""

import contextlib
import random
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import pytest

from keyframe_bench.core.checkpoint import read_checkpoint
from keyframe_bench.core.errors import ContractError, UnavailableError, UsageError
from keyframe_bench.core.feature import Feature
from keyframe_bench.core.keyframes import KeyFrames
from keyframe_bench.core.params import Range
from keyframe_bench.core.registry import load_plugins
from keyframe_bench.extractors.base import Extractor, ScoreExtractor
from keyframe_bench.extractors.checks import CHECKS, check_budget_met, run_check, run_checks
from keyframe_bench.extractors.trainable import Trainable
from keyframe_bench.metrics.base import Column
from keyframe_bench.training.options import TrainerOptions
from keyframe_bench.video.arrays import ArrayFrame, clip_from_images


class MeanLuma(Feature):
    """Mean grey level of each frame."""

    name = "mean_luma_of_tests"

    def compute(self, frames):
        return np.array([frame.luma(12, 16).mean() for frame in frames])


class Undeclared(MeanLuma):
    """A feature no extractor here declares."""

    name = "undeclared_of_tests"


class Sound(Extractor):
    """K frames evenly spaced among the brightest-ordered positions; without k the brightest frame."""

    name = "sound"
    reference = "none"
    supports = frozenset({"fixed", "free"})
    budget_rule = "k evenly spaced positions"
    stochastic = False

    def __init__(
        self,
        phase: Annotated[float, Range(0.0, 1.0)] = 0.0,
        mode: Literal["mean", "peak"] = "mean",
        rows: int | None = None,
        flag: bool = False,
    ) -> None:
        self.phase = phase
        self.mode = mode
        self.rows = rows
        self.flag = flag

    @property
    def needs(self):
        return (MeanLuma(),)

    def select(self, clip, k=None, *, rng):
        light = clip[MeanLuma()]
        if k is None:
            return clip.pick([int(np.argmax(light))])
        chosen = np.linspace(0, len(clip) - 1, min(k, len(clip))).round().astype(int)
        borders = np.append(chosen[1:], len(clip))
        starts = np.append(0, borders[:-1])
        return clip.pick(chosen, scores=light[chosen], segments=np.stack([starts, borders], 1), frame_scores=light)


class SoundScore(ScoreExtractor):
    """Bright frames."""

    name = "sound_score"
    reference = "none"

    @property
    def needs(self):
        return (MeanLuma(),)

    def score(self, clip):
        return clip[MeanLuma()]


class SoundOnline(Sound):
    """Every frame whose ordinal is a multiple of 3 in sampled order: needs no look ahead."""

    online = True

    def select(self, clip, k=None, *, rng):
        if k is None:
            return clip.pick(np.arange(0, len(clip), 3))
        return super().select(clip, k, rng=rng)


# ---- one or more classes for each rule, each breaking it ---------------------------------------------------------


class UntypedParameter(Sound):
    """A parameter without a type."""

    def __init__(self, amount=3):
        self.amount = amount


class MutableDefault(Sound):
    """A list as default."""

    def __init__(self, weights: list[float] = [1.0]):  # noqa: B006 - the fault under test
        self.weights = weights


class SeedParameter(Sound):
    """Takes a seed of its own."""

    def __init__(self, seed: int = 0):
        self.seed = seed


class DefaultOutOfRange(Sound):
    """Its default is outside its own range."""

    def __init__(self, share: Annotated[float, Range(0.0, 1.0)] = 2.0):
        self.share = share


class RoundsParameter(Sound):
    """Stores something else than it was given."""

    def __init__(self, share: Annotated[float, Range(0.0, 1.0)] = 0.0):
        self.share = round(share * 0.7)


class ForgetsParameter(Sound):
    """Does not store its parameter."""

    def __init__(self, size: int = 3):
        pass


class ValidatesInInit(Sound):
    """Opens a file when it is made."""

    def __init__(self, weights: str = ""):
        self.weights = weights
        if weights:
            Path(weights).read_bytes()


class WorksInInit(Sound):
    """Derives a table when it is made."""

    def __init__(self, size: int = 3):
        self.size = size
        self.table = list(range(size))


class NoDocstring(Sound):
    pass


class NoReference(ScoreExtractor):
    """Says nothing of its source."""

    def score(self, clip):
        return np.arange(len(clip), dtype=float)


class NoBudgetRule(Sound):
    """Does not say how k is met."""

    budget_rule = ""


class UnknownSupport(Sound):
    """A misspelt kind of budget."""

    supports = frozenset({"fixed", "fre"})


class TextVersion(Sound):
    """A version that is no number."""

    version = "1.0"


class MisspeltExpectedFailure(Sound):
    """Names no check."""

    expected_failures: ClassVar = {"budgets_met": "it returns too few"}


class NeedsNoTuple(Sound):
    """The comma of the single feature is missing."""

    @property
    def needs(self):
        return MeanLuma()


class ReadsUndeclared(Sound):
    """Reads a feature it does not declare, and hides the error."""

    def select(self, clip, k=None, *, rng):
        with contextlib.suppress(ContractError):
            clip[Undeclared()]
        return super().select(clip, k, rng=rng)


class ReadsAnnotation(Sound):
    """Takes the answer, when there is one."""

    def select(self, clip, k=None, *, rng):
        with contextlib.suppress(AttributeError, ContractError):
            k = len(clip.annotation.users)
        return super().select(clip, k, rng=rng)


class DependsOnAnnotation(Sound):
    """Behaves otherwise when it is watched."""

    def select(self, clip, k=None, *, rng):
        return clip.pick([0 if clip.annotation is None else len(clip) - 1])


class WritesIntoClip(Sound):
    """Normalises in place."""

    def select(self, clip, k=None, *, rng):
        clip[MeanLuma()][:] /= 255
        return super().select(clip, k, rng=rng)


class WritesAfterUnlocking(Sound):
    """Makes the array writable first."""

    def select(self, clip, k=None, *, rng):
        clip[MeanLuma()].flags.writeable = True
        clip[MeanLuma()][:] = 0
        return super().select(clip, k, rng=rng)


class ReturnsPositions(Sound):
    """Returns a list instead of key frames."""

    def select(self, clip, k=None, *, rng):
        return [0]


class WrongTypes(Sound):
    """32-bit frames."""

    def select(self, clip, k=None, *, rng):
        return KeyFrames(np.zeros(1, np.int32), clip.times[:1])


class Unsorted(Sound):
    """Best first instead of in order."""

    def select(self, clip, k=None, *, rng):
        where = np.arange(min(k or 2, len(clip)))[::-1]
        return KeyFrames(clip.ordinals[where], clip.times[where])


class Repeats(Sound):
    """The same frame k times."""

    def select(self, clip, k=None, *, rng):
        where = np.zeros(min(k or 2, len(clip)), dtype=int)
        return KeyFrames(clip.ordinals[where], clip.times[where])


class PositionsAsFrames(Sound):
    """Takes positions for ordinals."""

    def select(self, clip, k=None, *, rng):
        return KeyFrames(np.arange(min(k or 2, len(clip))), clip.times[: min(k or 2, len(clip))])


class FrameByRate(Sound):
    """Computes the time as frame / fps."""

    def select(self, clip, k=None, *, rng):
        frames = clip.ordinals[: min(k or 1, len(clip))]
        return KeyFrames(frames, frames / 25.0)


class TooFew(Sound):
    """Never more than two."""

    def select(self, clip, k=None, *, rng):
        return super().select(clip, min(k or 1, 2), rng=rng)


class TooMany(Sound):
    """One more than asked."""

    def select(self, clip, k=None, *, rng):
        return super().select(clip, (k or 1) + 1, rng=rng)


class FailsAboveLength(Sound):
    """Draws k of n without thinking of k > n."""

    def select(self, clip, k=None, *, rng):
        return clip.pick(rng.choice(len(clip), k or 1, replace=False))


class FreeIsEmpty(Sound):
    """Returns nothing when it may decide."""

    def select(self, clip, k=None, *, rng):
        return clip.pick([]) if k is None else super().select(clip, k, rng=rng)


class NeedsNeighbours(Sound):
    """Takes a maximum over differences, of which a single frame has none."""

    def select(self, clip, k=None, *, rng):
        np.diff(clip[MeanLuma()]).max()
        return super().select(clip, k, rng=rng)


class NeedsThree(Sound):
    """Needs a frame with two neighbours."""

    def select(self, clip, k=None, *, rng):
        if len(clip) == 2:
            clip[MeanLuma()][1:-1].max()
        return super().select(clip, k, rng=rng)


class NeedsChange(Sound):
    """Gives only frames that differ from the first."""

    def select(self, clip, k=None, *, rng):
        light = clip[MeanLuma()]
        return clip.pick(np.flatnonzero(light != light[0])[:k]) if len(clip) > 1 else clip.pick([0])


class NeedsVariance(Sound):
    """Gives only frames above the mean."""

    def select(self, clip, k=None, *, rng):
        light = clip[MeanLuma()]
        return clip.pick(np.flatnonzero(light > light.mean())[:k]) if len(clip) > 2 else clip.pick([0])


class DividesByZero(Sound):
    """Standardises without thinking of a constant score."""

    def select(self, clip, k=None, *, rng):
        light = clip[MeanLuma()]
        with np.errstate(all="ignore"):
            return clip.pick([0], frame_scores=(light - light.mean()) / light.std())


class SegmentsWithGap(Sound):
    """Each key frame stands only for itself."""

    def select(self, clip, k=None, *, rng):
        where = np.arange(min(k or 1, len(clip)))
        return clip.pick(where, segments=np.stack([where, where + 1], 1))


class SegmentsOfOthers(Sound):
    """Covers the clip, but the key frame lies in the neighbour's segment."""

    def select(self, clip, k=None, *, rng):
        if len(clip) < 3 or k == 1:
            return clip.pick([0])
        return clip.pick([0, 1], segments=[[0, 2], [2, len(clip)]])


class CostIsArray(Sound):
    """Puts a numpy number where a plain one belongs."""

    def select(self, clip, k=None, *, rng):
        return KeyFrames(clip.ordinals[:1], clip.times[:1], cost={"select_s": np.float32(1)})


class Remembers(Sound):
    """Carries something over from one clip to the next."""

    def select(self, clip, k=None, *, rng):
        self.calls = getattr(self, "calls", -1) + 1
        return clip.pick([self.calls % len(clip)])


class DependsOnHash(Sound):
    """Seeds itself with a hash that differs between processes."""

    def select(self, clip, k=None, *, rng):
        return clip.pick(np.random.default_rng(hash("seed") % 2**32).permutation(len(clip))[: k or 1])


class SeedsGlobally(Sound):
    """Reproducible, but at everybody's expense."""

    def select(self, clip, k=None, *, rng):
        np.random.seed(0)  # noqa: NPY002 - the fault under test
        return super().select(clip, k, rng=rng)


class DrawsGlobally(Sound):
    """Uses the random module."""

    def select(self, clip, k=None, *, rng):
        random.random()
        return super().select(clip, k, rng=rng)


class SecretlyRandom(Sound):
    """Says it does not depend on rng."""

    def select(self, clip, k=None, *, rng):
        return clip.pick(rng.permutation(len(clip))[: k or 1])


def _local_class() -> Extractor:
    class Local(Sound):
        """Cannot be found by another process."""

    return Local()


class LooksAhead(SoundOnline):
    """Says it is online, but takes the brightest frame of all."""

    def select(self, clip, k=None, *, rng):
        return Sound.select(self, clip, k, rng=rng)


class KnowsTheEnd(SoundOnline):
    """Says it is online, but knows how long the video will be."""

    def select(self, clip, k=None, *, rng):
        if k is None:
            middle = clip.video.start_s + clip.video.duration_s / 2
            return clip.pick([0, int(np.argmin(np.abs(clip.times - middle)))])
        return super().select(clip, k, rng=rng)


class InfersNone(SoundScore):
    def infer_k(self, clip, *, rng):
        return 0


class SaysNothing(SoundScore):
    def why(self, clip, result, position, k):
        return ""


def _module(name: str, **values: object) -> types.ModuleType:
    """Put a module into `sys.modules` that looks like a file of an author."""
    module = sys.modules[name] = types.ModuleType(name)
    vars(module).update(values, __file__=f"/home/me/{name}.py")
    return module


def _imports_torch() -> Extractor:
    import torch

    _module("mine_of_test", nn=torch.nn)
    return type("Mine", (Sound,), {"__module__": "mine_of_test", "__doc__": "Mine."})()


def _helper_imports_torch() -> Extractor:
    from torch.nn import Conv2d

    helper = _module("helper_of_test", Conv2d=Conv2d)
    _module("mine_too_of_test", helper=helper)
    return type("Mine", (Sound,), {"__module__": "mine_too_of_test", "__doc__": "Mine."})()


# ---- methods that learn ------------------------------------------------------------------------------------------


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

    def __init__(self, checkpoint: str = "") -> None:
        self.checkpoint = checkpoint

    @property
    def needs(self):
        return (MeanLuma(),)

    def brightness(self, clips, rng):
        return np.concatenate([clip[MeanLuma()][clip.chosen(0.3)] for clip in clips]).mean()

    def fit(self, train, validation, session):
        level = self.brightness(train, session.rng("level"))
        return session.checkpoint({"level": np.array([session.options.scale * level])}, offset=1)

    def evaluate(self, checkpoint, clips):
        return {"gap": float(np.abs(clips.rows(MeanLuma())[:] - checkpoint.tensors["level"]).mean())}

    def score(self, clip):
        return clip[MeanLuma()] * self.learned().tensors["level"] / 1000


class LearnedSeeded(Learned):
    """The same, with a draw."""

    name = "learned_seeded_of_tests"
    seeded = True

    def brightness(self, clips, rng):
        return super().brightness(clips, rng) + rng.random()


class TakesNoCheckpoint(Learned):
    """Has no way to be given what it learned."""

    def __init__(self) -> None:
        self.checkpoint = ""


class UnknownSupervision(Learned):
    """Learns from people, whatever that is."""

    supervision = "people"


class PlainOptions(Learned):
    """Options without types."""

    Options = dict


class NumbersAsTuple(Learned):
    """Names of numbers alone."""

    numbers = ("gap",)


class FitReadsUndeclared(Learned):
    """Trains on what it does not declare, and hides the error."""

    def fit(self, train, validation, session):
        with contextlib.suppress(ContractError):
            train.rows(Undeclared())
        return super().fit(train, validation, session)


class FitWritesRows(Learned):
    """Normalises in place."""

    def fit(self, train, validation, session):
        for clip in train:
            clip[MeanLuma()][:] /= 255
        return super().fit(train, validation, session)


class FitWritesAfterUnlocking(Learned):
    """Makes the rows writable first."""

    def fit(self, train, validation, session):
        for clip in train:
            clip[MeanLuma()].flags.writeable = True
            clip[MeanLuma()][:] /= 255
        return super().fit(train, validation, session)


class FitReturnsNothing(Learned):
    """Forgets to return."""

    def fit(self, train, validation, session):
        super().fit(train, validation, session)


class FitReturnsArray(Learned):
    """Returns weights without a record."""

    def fit(self, train, validation, session):
        return np.zeros(3)


class FitReturnsObjects(Learned):
    """Keeps an object in the checkpoint."""

    def fit(self, train, validation, session):
        return session.checkpoint({"level": np.array([0.5])}, model=object())


class FitReturnsNan(Learned):
    """Divides by zero."""

    def fit(self, train, validation, session):
        return session.checkpoint({"level": np.array([np.nan])})


class FitRaises(Learned):
    """Is not finished."""

    def fit(self, train, validation, session):
        raise NotImplementedError("later")


class FitDrawsElsewhere(Learned):
    """Draws from another generator than the session's."""

    seeded = True

    def brightness(self, clips, rng):
        return super().brightness(clips, rng) + random.random()


class FitIsSeeded(LearnedSeeded):
    """Draws, and says that it does not."""

    name = "learned_of_tests"
    seeded = False


class KeepsBesideCheckpoint(Learned):
    """Writes what it learned beside the checkpoint."""

    def fit(self, train, validation, session):
        (session.folder.path / "level.txt").write_text("2")
        return super().fit(train, validation, session)

    def score(self, clip):
        return clip[MeanLuma()] * float((Path(self.checkpoint).parent / "level.txt").read_text())


class KeepsInMemory(Learned):
    """Remembers what it learned in the instance."""

    def fit(self, train, validation, session):
        self.scale = 2.0
        return super().fit(train, validation, session)

    def score(self, clip):
        return clip[MeanLuma()] * self.scale


class TakesAnyCheckpoint(Learned):
    """Says that all is well."""

    def unavailable(self):
        return None


class ReadsAnyCheckpoint(Learned):
    """Reads the file without looking at whose it is."""

    def learned(self):
        return read_checkpoint(self.checkpoint, "learned_of_tests")


class ForgetsCheckpoint(Learned):
    """Depends on nothing, it says."""

    @property
    def depends_on(self):
        return ()


class DependsOnPath(Learned):
    """Results of a moved checkpoint are computed again."""

    @property
    def depends_on(self):
        return (*super().depends_on, self.checkpoint)


class EvaluatesLess(Learned):
    """Declares a number that it does not give."""

    def evaluate(self, checkpoint, clips):
        return {}


class EvaluatesToNan(Learned):
    """Has nothing to count."""

    def evaluate(self, checkpoint, clips):
        return {"gap": float("nan")}


class LearnedReadsAnnotation(Learned):
    """Has learned, and takes the answer all the same."""

    def score(self, clip):
        scores = super().score(clip)
        return scores if clip.annotation is None else scores + clip.chosen(0.1)


BROKEN_LEARNING = [
    ("training_declared", TakesNoCheckpoint, "take a parameter checkpoint"),
    ("training_declared", UnknownSupervision, 'supervision is "none"'),
    ("training_declared", PlainOptions, "derived from TrainerOptions"),
    ("training_declared", NumbersAsTuple, "name to Column"),
    ("fit_reads_train_needs", FitReadsUndeclared, "add that feature to train_needs"),
    ("fit_writes_no_rows", FitWritesRows, "is read-only"),
    ("fit_writes_no_rows", FitWritesAfterUnlocking, "work on a copy"),
    ("fit_gives_checkpoint", FitReturnsNothing, "fit returns nothing"),
    ("fit_gives_checkpoint", FitReturnsArray, "fit returns ndarray"),
    ("fit_gives_checkpoint", FitReturnsObjects, "put arrays into tensors"),
    ("fit_gives_checkpoint", FitReturnsNan, "no array of finite numbers"),
    ("fit_gives_checkpoint", FitRaises, "fit raises NotImplementedError: later"),
    ("fit_repeatable", FitDrawsElsewhere, "draw only from session.rng()"),
    ("fit_repeatable", FitIsSeeded, "leave out seeded = False"),
    ("checkpoint_round_trip", KeepsBesideCheckpoint, "FileNotFoundError"),
    ("checkpoint_round_trip", KeepsInMemory, "AttributeError"),
    ("other_checkpoints_refused", TakesAnyCheckpoint, "another method"),
    ("other_checkpoints_refused", ReadsAnyCheckpoint, "another version"),
    ("checkpoint_in_key", ForgetsCheckpoint, "super().depends_on"),
    ("checkpoint_in_key", DependsOnPath, "changes with the path"),
    ("evaluate_gives_numbers", EvaluatesLess, "evaluate returns nothing, and numbers declares gap"),
    ("evaluate_gives_numbers", EvaluatesToNan, "no finite number"),
    ("reads_no_annotation", LearnedReadsAnnotation, "learn from it in fit"),
]

BROKEN = [
    ("parameters_declared", UntypedParameter, "needs a type annotation"),
    ("parameters_declared", MutableDefault, "allowed are bool"),
    ("parameters_declared", SeedParameter, "use the rng"),
    ("parameters_declared", DefaultOutOfRange, "share=2.0 is not a number between 0"),
    ("parameters_stored", RoundsParameter, "write self.share = share"),
    ("parameters_stored", ForgetsParameter, "write self.size = size"),
    ("parameters_stored", ValidatesInInit, "it must only store"),
    ("init_does_no_work", WorksInInit, "table"),
    ("docstring_present", NoDocstring, "write a docstring"),
    ("reference_present", NoReference, "set reference"),
    ("budget_rule_present", NoBudgetRule, "set budget_rule"),
    ("declarations_valid", UnknownSupport, "supports is a frozenset"),
    ("declarations_valid", TextVersion, "version is a whole number"),
    ("imports_light", _imports_torch, "imports torch at its top"),
    ("imports_light", _helper_imports_torch, "imports torch at its top"),
    ("expected_failures_explained", MisspeltExpectedFailure, "'budgets_met'"),
    ("needs_are_features", NeedsNoTuple, "mind the comma"),
    ("reads_declared_needs", ReadsUndeclared, "add that feature to needs"),
    ("reads_no_annotation", ReadsAnnotation, "privileged = True"),
    ("reads_no_annotation", DependsOnAnnotation, "ignore it"),
    ("clip_unchanged", WritesIntoClip, "read-only"),
    ("clip_unchanged", WritesAfterUnlocking, "work on a copy"),
    ("returns_keyframes", ReturnsPositions, "return clip.pick"),
    ("returns_keyframes", WrongTypes, "frames must be int64"),
    ("frames_sorted_unique", Unsorted, "not sorted and unique"),
    ("frames_sorted_unique", Repeats, "not sorted and unique"),
    ("frames_in_range", PositionsAsFrames, "give positions to clip.pick"),
    ("times_match_frames", FrameByRate, "never compute frame / fps"),
    ("budget_met", TooFew, "may_return_fewer"),
    ("budget_met", TooMany, "return no more"),
    ("budget_above_length", FailsAboveLength, "k=25"),
    ("free_budget", FreeIsEmpty, "give at least one"),
    ("inferred_budget", InfersNone, "infer_k gives 0"),
    ("why_told", SaysNothing, "not one line"),
    ("single_frame", NeedsNeighbours, "one frame"),
    ("two_frames", NeedsThree, "two frames"),
    ("static_clip", NeedsChange, "a static picture"),
    ("constant_scores", NeedsVariance, "constant features"),
    ("scores_finite", DividesByZero, "frame_scores on"),
    ("segments_cover", SegmentsWithGap, "leave frames out"),
    ("segments_cover", SegmentsOfOthers, "do not hold their key frames"),
    ("json_round_trip", CostIsArray, "no JSON"),
    ("same_rng_same_answer", Remembers, "keep nothing between calls"),
    ("same_answer_elsewhere", DependsOnHash, "another process gives another answer"),
    ("global_random_untouched", SeedsGlobally, "global random state"),
    ("global_random_untouched", DrawsGlobally, "global random state"),
    ("deterministic_as_declared", SecretlyRandom, "set stochastic = True"),
    ("picklable", _local_class, "top of a file"),
    ("online_prefix", LooksAhead, "without looking ahead"),
    ("online_prefix", KnowsTheEnd, "without looking ahead"),
]


def test_number_of_checks():
    """A check that is dropped, or added without a broken class here, is noticed."""
    assert len(CHECKS) == 44
    assert {name for name, _, _ in [*BROKEN, *BROKEN_LEARNING]} == set(CHECKS)


SOUND = [Sound(), SoundScore(), SoundOnline(), Learned(), LearnedSeeded()]


@pytest.mark.parametrize("extractor", SOUND, ids=lambda e: type(e).__name__)
def test_sound_extractor_passes(extractor):
    failed = [result for result in run_checks(extractor) if result.status not in ("passed", "not applicable")]
    assert failed == []


@pytest.mark.parametrize(
    ("name", "make", "hint"),
    [*BROKEN, *BROKEN_LEARNING],
    ids=[f"{n}:{m.__name__}" for n, m, _ in [*BROKEN, *BROKEN_LEARNING]],
)
def test_broken_extractor_fails(name, make, hint):
    result = run_check(name, make())
    assert (result.name, result.status) == (name, "failed")
    assert hint in result.message


def test_every_check_says_its_rule_in_one_line():
    for check in CHECKS.values():
        assert check.__doc__
        assert "\n" not in check.__doc__


def test_checks_are_plain_functions():
    check_budget_met(Sound())
    with pytest.raises(ContractError, match="2 key frames for a budget of 3"):
        check_budget_met(TooFew())


class Announced(TooFew):
    """Returns too few and says so."""

    expected_failures: ClassVar = {"budget_met": "two frames by definition", "single_frame": "wrongly announced"}


def test_expected_failures_are_strict():
    assert run_check("budget_met", Announced()).status == "expected failure"
    assert "two frames by definition" in run_check("budget_met", Announced()).message
    surprise = run_check("single_frame", Announced())
    assert surprise.status == "failed"
    assert "remove it from expected_failures" in surprise.message


class FewerByDefinition(TooFew):
    """Returns at most two, allowed."""

    may_return_fewer = "two frames by definition"


def test_may_return_fewer_is_honoured():
    assert run_check("budget_met", FewerByDefinition()).status == "passed"


def test_not_applicable_says_why():
    result = run_check("online_prefix", Sound())
    assert result.status == "not applicable"
    assert "online" in result.message
    CHECKS["online_prefix"](Sound())  # called directly it has nothing to say


class Absent(Sound):
    """Cannot run here."""

    def unavailable(self):
        return "package x is missing"


def test_unavailable_extractor_is_not_judged():
    with pytest.raises(UnavailableError, match="package x is missing"):
        run_checks(Absent())


class LearnsElsewhere(Learned):
    """Cannot train here."""

    def fit(self, train, validation, session):
        raise UnavailableError("package y is missing")


def test_method_that_cannot_train_here_is_not_judged():
    with pytest.raises(UnavailableError, match="package y is missing"):
        run_checks(LearnsElsewhere())
    assert run_check("fit_repeatable", LearnsElsewhere()).message == "package y is missing"


def test_plugin_file_is_found_by_another_process(tmp_path):
    file = tmp_path / "my plug-in.py"
    file.write_text(
        "import numpy as np\n"
        "from keyframe_bench.core.registry import register\n"
        "from keyframe_bench.extractors.base import Extractor\n\n"
        "@register('plugin_of_test_checks')\n"
        "class Middle(Extractor):\n"
        "    '''The middle frames.'''\n"
        "    reference = 'none'\n"
        "    budget_rule = 'the first k'\n"
        "    def select(self, clip, k=None, *, rng):\n"
        "        return clip.pick(np.arange(min(k, len(clip))))\n"
    )
    load_plugins([str(file)])
    try:
        extractor = Extractor.registry.build("plugin_of_test_checks")
        assert run_check("same_answer_elsewhere", extractor).status == "passed"
        assert run_check("picklable", extractor).status == "passed"
    finally:
        Extractor.registry._entries.pop("plugin_of_test_checks")


# ---- the clips students make in their tests ------------------------------------------------------------------------


def test_clip_from_images_aligns_features_with_frames():
    images = np.stack([np.full((20, 30, 3), level, dtype=np.uint8) for level in (0, 100, 200)])
    clip = clip_from_images(images, [MeanLuma()], times=[1.0, 1.5, 4.0])
    np.testing.assert_allclose(clip[MeanLuma()], [0, 100, 200], atol=1)
    picked = clip.pick([2, 0])
    assert picked.frames.tolist() == [0, 2]
    assert picked.times.tolist() == [1.0, 4.0]
    assert clip.video.n_frames == 3
    with pytest.raises(ValueError, match="read-only"):
        clip[MeanLuma()][0] = 1


def test_clip_from_images_of_a_sample():
    clip = clip_from_images(np.zeros((2, 8, 8, 3), np.uint8), [], ordinals=[3, 10], times=[0.3, 1.0])
    assert clip.pick([1]).frames.tolist() == [10]
    assert clip.video.n_frames == 11
    assert clip.video.duration_s == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"images": np.zeros((2, 8, 8), np.uint8)}, "uint8 RGB"),
        ({"images": np.zeros((2, 8, 8, 3))}, "uint8 RGB"),
        ({"images": []}, "at least one"),
        ({"images": np.zeros((2, 8, 8, 3), np.uint8), "times": [1.0, 1.0]}, "increasing"),
        ({"images": np.zeros((2, 8, 8, 3), np.uint8), "ordinals": [1]}, "2 increasing"),
    ],
)
def test_clip_from_images_refuses(arguments, hint):
    with pytest.raises(UsageError, match=hint):
        clip_from_images(needs=[], **arguments)


def test_array_frame_planes_are_limited_range_yuv():
    white = ArrayFrame(np.full((5, 7, 3), 255, dtype=np.uint8))
    luma, blue, red = white.planes()
    assert [p.shape for p in (luma, blue, red)] == [(5, 7), (3, 4), (3, 4)]
    assert (int(luma[0, 0]), int(blue[0, 0]), int(red[0, 0])) == (235, 128, 128)
    assert white.luma(2, 3).tolist() == [[255] * 3] * 2
    red_picture = ArrayFrame(np.full((4, 4, 3), (255, 0, 0), dtype=np.uint8))
    assert red_picture.rgb(2, 2)[0, 0].tolist() == [255, 0, 0]
    assert red_picture.planes()[2][0, 0] > 200  # V is the red difference


# ---- what a fault looks like to its author ----------------------------------------------------------------------


class ReturnsAList(Sound):
    """Positions, and not what clip.pick makes of them."""

    def select(self, clip, k=None, *, rng):
        return list(range(k or 1))


class ReadsWhatItDidNotDeclare(Sound):
    """As it stands in a first draft."""

    def select(self, clip, k=None, *, rng):
        return clip.pick(np.argsort(clip[Undeclared()])[: k or 1])


class Raises(ReturnsAList):
    """Not finished."""

    def select(self, clip, k=None, *, rng):
        raise NotImplementedError("later")


class NeedsRaise(Sound):
    """Its needs cannot be told."""

    @property
    def needs(self):
        return self.features


class OneNumber(MeanLuma):
    """A number in all, not one per frame."""

    name = "one_number_of_tests"

    def compute(self, frames):
        return super().compute(frames).mean()


class ReadsOneNumber(Sound):
    """Reads a feature that is none."""

    @property
    def needs(self):
        return (OneNumber(),)


class FailsOnOneFrame(Sound):
    """Differences of one frame."""

    def select(self, clip, k=None, *, rng):
        np.diff(clip.ordinals)[0]
        return super().select(clip, k, rng=rng)


@pytest.mark.parametrize(
    ("extractor", "rule", "says"),
    [
        (ReturnsAList(), "returns_keyframes", ["select returns list", "clip.pick"]),
        (ReadsWhatItDidNotDeclare(), "reads_declared_needs", ["undeclared_of_tests", "add that feature to needs"]),
        (Raises(), "returns_keyframes", ["NotImplementedError: later"]),
        (NeedsRaise(), "needs_are_features", ["features"]),
        (ReadsOneNumber(), "reads_declared_needs", ["one_number_of_tests", "test_checks.py", "a single float"]),
        (FailsOnOneFrame(), None, ["IndexError", "one frame"]),
        (FitRaises(), "fit_gives_checkpoint", ["NotImplementedError: later"]),
        (FitReturnsNothing(), "fit_gives_checkpoint", ["return session.checkpoint"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Extractor) else "",
)
def test_a_fault_is_told_once(extractor, rule, says):
    results = run_checks(extractor)
    (failed,) = [result for result in results if result.status == "failed"]
    assert rule in (None, failed.name)
    assert all(text in failed.message for text in says)
    assert len(results) == len(CHECKS)
    assert any(failed.name in result.message for result in results if result.status == "not applicable")


class PicksTwice(Sound):
    """Picks the brightest frame again and again."""

    def select(self, clip, k=None, *, rng):
        return clip.pick([5] * (k or 1))


class NamesTwice(Sound):
    """The same without clip.pick."""

    def select(self, clip, k=None, *, rng):
        where = np.sort([0, *[len(clip) - 1] * (k or 1)])
        return KeyFrames(clip.ordinals[where], clip.times[where])


def test_key_frames_that_come_twice_are_named():
    assert "(picked more than once: 5)" in run_check("budget_met", PicksTwice()).message
    message = run_check("frames_sorted_unique", NamesTwice()).message
    assert ": 288 come more than once" in message
