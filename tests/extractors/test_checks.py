"""Every contract check passes on a sound extractor and fails on one that breaks its rule."""

import contextlib
import random
import re
import sys
import types
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest

from keyframe_bench.core.clip import KeyFrames
from keyframe_bench.core.errors import ContractError, UnavailableError, UsageError
from keyframe_bench.core.feature import Feature
from keyframe_bench.core.registry import Range, load_plugins
from keyframe_bench.extractors.base import Extractor, ScoreExtractor
from keyframe_bench.extractors.checks import CHECKS, check_budget_met, run_check, run_checks


class MeanLuma(Feature):
    """Mean grey level of each frame."""

    name = "mean_luma_of_tests"

    def compute(self, frames):
        return np.array([frame.luma(12, 16).mean() for frame in frames])


class Undeclared(MeanLuma):
    """A feature no extractor here declares."""

    name = "undeclared_of_tests"


class OneNumber(MeanLuma):
    """A number in all, not one per frame."""

    name = "one_number_of_tests"

    def compute(self, frames):
        return super().compute(frames).mean()


LUMA = MeanLuma()


class Sound(Extractor):
    """K frames evenly spaced among the brightest-ordered positions; without k the brightest frame."""

    name = "sound"
    reference = "none"
    supports = frozenset({"fixed", "free"})
    budget_rule = "k evenly spaced positions"
    stochastic = False
    needs = (LUMA,)

    def __init__(
        self,
        phase: Annotated[float, Range(0.0, 1.0)] = 0.0,
        mode: Literal["mean", "peak"] = "mean",
        rows: int | None = None,
        flag: bool = False,
    ) -> None:
        self.phase, self.mode, self.rows, self.flag = phase, mode, rows, flag

    def select(self, clip, k=None, *, rng):
        light = clip[LUMA]
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
    needs = (LUMA,)

    def score(self, clip):
        return clip[LUMA]


class SoundOnline(Sound):
    """Every frame whose ordinal is a multiple of 3 in sampled order: needs no look ahead."""

    online = True

    def select(self, clip, k=None, *, rng):
        return clip.pick(np.arange(0, len(clip), 3)) if k is None else super().select(clip, k, rng=rng)


# ---- faults: what a class does otherwise than a sound one ---------------------------------------------------------


def faulty(base=Sound, **attributes):
    """Derive a class from a sound one."""
    return type("Faulty", (base,), {"__doc__": "A fault.", "__module__": __name__, **attributes})


def selects(positions):
    """Fault: ``positions(clip, k, rng)`` are picked."""
    return faulty(select=lambda self, clip, k=None, *, rng: clip.pick(positions(clip, k, rng)))


def returns(result, base=Sound):
    """Fault: ``result(clip, k)`` is returned as it is."""
    return faulty(base, select=lambda self, clip, k=None, *, rng: result(clip, k))


def first(clip, where, times=None):
    """Key frames without clip.pick."""
    return KeyFrames(clip.ordinals[where], clip.times[where] if times is None else times)


def before(action, base=Sound):
    """Fault: ``action(clip)`` before a sound selection."""

    def select(self, clip, k=None, *, rng):
        action(clip)
        return base.select(self, clip, k, rng=rng)

    return faulty(base, select=select)


def asks(budget):
    """Fault: a sound selection of another number."""
    return faulty(select=lambda self, clip, k=None, *, rng: Sound.select(self, clip, budget(k or 1), rng=rng))


def untyped(self, amount=3):
    self.amount = amount


def list_default(self, weights: list[float] = [1.0]):  # noqa: B006 - the fault under test
    self.weights = weights


def own_seed(self, seed: int = 0):
    self.seed = seed


def out_of_range(self, share: Annotated[float, Range(0.0, 1.0)] = 2.0):
    self.share = share


def rounded(self, share: Annotated[float, Range(0.0, 1.0)] = 0.0):
    self.share = round(share * 0.7)


def forgotten(self, size: int = 3):
    pass


def opens(self, weights: str = ""):
    self.weights = Path(weights).read_bytes() if weights else weights


def works(self, size: int = 3):
    self.size, self.table = size, list(range(size))


def suppressed(action):
    def run(clip):
        with contextlib.suppress(ContractError):
            action(clip)

    return run


def unlocked(clip):
    clip[LUMA].flags.writeable = True
    clip[LUMA][:] = 0


def standardised(clip, k):
    with np.errstate(all="ignore"):
        return clip.pick([0], frame_scores=(clip[LUMA] - clip[LUMA].mean()) / clip[LUMA].std())


def remembers(self, clip, k=None, *, rng):
    self.calls = getattr(self, "calls", -1) + 1
    return clip.pick([self.calls % len(clip)])


class DependsOnHash(Sound):
    """Seeds itself with a hash that differs between processes."""

    def select(self, clip, k=None, *, rng):
        return clip.pick(np.random.default_rng(hash("seed") % 2**32).permutation(len(clip))[: k or 1])


def middle(clip, k):
    """What only the whole video tells."""
    return clip.pick([0, int(np.argmin(np.abs(clip.times - clip.video.start_s - clip.video.duration_s / 2)))])


def imports_torch(*, through_helper):
    """Return an extractor whose module, or one beside it, has torch at its top."""
    import torch

    modules = [types.ModuleType(name) for name in ("mine_of_test", "helper_of_test")]
    for module in modules:
        vars(module).update(__file__=f"/home/me/{module.__name__}.py")
        sys.modules[module.__name__] = module
    vars(modules[through_helper]).update(Conv2d=torch.nn.Conv2d)
    vars(modules[0]).update(helper=modules[1])
    return faulty(__module__="mine_of_test")()


def raises(*_, **__):
    raise NotImplementedError("later")


def halve(rows):
    rows[:] /= 2


LEARNING = "training|fit_|checkpoint|evaluate"  # in names of checks: test_learning_checks.py
BROKEN = [
    ("parameters_declared", faulty(__init__=untyped), "needs a type annotation"),
    ("parameters_declared", faulty(__init__=list_default), "allowed are bool"),
    ("parameters_declared", faulty(__init__=own_seed), "use the rng"),
    ("parameters_declared", faulty(__init__=out_of_range), "share=2.0 is not a number between 0"),
    ("parameters_stored", faulty(__init__=rounded), "write self.share = share"),
    ("parameters_stored", faulty(__init__=forgotten), "write self.size = size"),
    ("parameters_stored", faulty(__init__=opens), "it must only store"),
    ("init_does_no_work", faulty(__init__=works), "table"),
    ("described", faulty(__doc__=None), "write a docstring"),
    ("described", faulty(ScoreExtractor, score=lambda self, clip: np.arange(len(clip))), "set reference"),
    ("described", faulty(budget_rule=""), "set budget_rule"),
    ("declarations_valid", faulty(supports=frozenset({"fixed", "fre"})), "supports is a frozenset"),
    ("declarations_valid", faulty(version="1.0"), "version is a whole number"),
    ("declarations_valid", faulty(expected_failures={"budgets_met": "too few"}), "'budgets_met'"),
    ("imports_light", lambda: imports_torch(through_helper=False), "imports torch at its top"),
    ("imports_light", lambda: imports_torch(through_helper=True), "imports torch at its top"),
    ("needs_are_features", faulty(needs=LUMA), "mind the comma"),
    ("reads_declared_needs", before(suppressed(lambda clip: clip[Undeclared()])), "add that feature to needs"),
    ("reads_declared_needs", before(lambda clip: clip.columns.get(Undeclared().key)), "reads undeclared_of_tests"),
    ("reads_declared_needs", before(lambda clip: Undeclared().key in clip.columns), "undeclared_of_tests"),
    ("reads_no_annotation", before(lambda clip: clip.annotation and clip.annotation.users), "privileged = True"),
    ("reads_no_annotation", returns(lambda clip, k: clip.pick([-(clip.annotation is None) % len(clip)])), "ignore it"),
    ("clip_unchanged", before(lambda clip: halve(clip[LUMA])), "read-only"),
    ("clip_unchanged", before(unlocked), "work on a copy"),
    ("returns_keyframes", returns(lambda clip, k: [0]), "return clip.pick"),
    ("returns_keyframes", returns(lambda clip, k: KeyFrames(np.zeros(1, np.int32), clip.times[:1])), "must be int64"),
    ("returns_keyframes", returns(lambda clip, k: first(clip, [1, 0])), "not sorted and unique"),
    ("returns_keyframes", returns(lambda clip, k: first(clip, [0] * (k or 2))), "not sorted and unique"),
    ("returns_keyframes", returns(lambda clip, k: first(clip, [0, 23, 23])), "288 comes after 288"),
    ("returns_keyframes", faulty(SoundScore, score=lambda self, clip: 3.0), "gave a scalar"),
    ("returns_keyframes", returns(lambda clip, k: KeyFrames(np.arange(5), clip.times[:5])), "with clip.pick"),
    ("returns_keyframes", returns(lambda clip, k: first(clip, [1], clip.ordinals[1:2] / 25.0)), "times are not those"),
    ("budget_met", asks(lambda k: min(k, 2)), "may_return_fewer"),
    ("budget_met", asks(lambda k: k + 1), "2 key frames for a budget of 1"),
    ("budget_met", asks(lambda k: k + 1), "return no more than 1 (clip: four scenes, 24 frames; k=1)"),
    ("budget_met", selects(lambda clip, k, rng: [5] * k), "1 key frame for a budget of 2, as frame 63 was picked"),
    ("budget_met", selects(lambda clip, k, rng: rng.choice(len(clip), k or 1, replace=False)), "k=25"),
    ("free_budget", selects(lambda clip, k, rng: np.arange(k or 0)), "at least one"),
    ("free_budget", selects(lambda clip, k, rng: np.arange(k or 0)), "fallback=reason"),
    ("inferred_budget", faulty(SoundScore, infer_k=lambda self, clip, *, rng: 0), "infer_k gives 0"),
    ("why_told", faulty(SoundScore, why=lambda *_: ""), "not one line"),
    ("extreme_clips", before(lambda clip: np.diff(clip[LUMA]).max()), "one frame"),
    ("extreme_clips", before(lambda clip: len(clip) == 2 and clip[LUMA][1:-1].max()), "two frames"),
    ("extreme_clips", selects(lambda clip, k, rng: np.flatnonzero(clip[LUMA] > clip[LUMA].mean())[:k]), "no key frame"),
    ("extreme_clips", before(lambda clip: len(clip) > 2 and 1 // int(np.ptp(clip[LUMA]) > 0)), "a static image"),
    ("extreme_clips", returns(standardised), "frame_scores are not finite"),
    ("segments_cover", returns(lambda clip, k: clip.pick([0], segments=[[0, 0]])), "leave frames out"),
    (
        "segments_cover",
        returns(lambda clip, k: clip.pick([0, 1], segments=[[0, 2], [2, len(clip)]])),
        "do not hold their key frames",
    ),
    (
        "json_round_trip",
        returns(lambda clip, k: KeyFrames(clip.ordinals[:1], clip.times[:1], cost={"s": np.float32(1)})),
        "not JSON",
    ),
    ("same_rng_same_answer", faulty(select=remembers), "keep nothing between calls"),
    ("same_answer_elsewhere", DependsOnHash, "another process gives another answer"),
    ("global_random_untouched", before(lambda clip: np.random.seed(0)), "global random state"),  # noqa: NPY002
    ("global_random_untouched", before(lambda clip: random.random()), "global random state"),
    (
        "deterministic_as_declared",
        selects(lambda clip, k, rng: rng.permutation(len(clip))[: k or 1]),
        "stochastic = True",
    ),
    ("picklable", faulty(), "top of a file"),
    ("online_prefix", faulty(SoundOnline, select=Sound.select), "without looking ahead"),
    ("online_prefix", returns(middle, SoundOnline), "without looking ahead"),
]


def test_number_of_checks():
    """A check that is dropped, or added without a broken class here, is noticed."""
    assert len(CHECKS) == 33
    assert {name for name, _, _ in BROKEN} == {name for name in CHECKS if not re.search(LEARNING, name)}
    assert all(check.__doc__ and "\n" not in check.__doc__ for check in CHECKS.values()), "the rule in one line"


@pytest.mark.parametrize("cls", [Sound, SoundScore, SoundOnline])
def test_sound_extractor_passes(cls):
    failed = [result for result in run_checks(cls()) if result.status not in ("passed", "not applicable")]
    assert failed == []


@pytest.mark.parametrize(("name", "make", "hint"), BROKEN, ids=[f"{name}:{hint}" for name, _, hint in BROKEN])
def test_broken_extractor_fails(name, make, hint):
    result = run_check(name, make())
    assert (result.name, result.status) == (name, "failed")
    assert hint in result.message


def test_checks_are_plain_functions():
    check_budget_met(Sound())
    with pytest.raises(ContractError, match="2 key frames for a budget of 3"):
        check_budget_met(asks(lambda k: min(k, 2))())


def test_expected_failures_are_strict():
    reasons = {"budget_met": "two frames by definition", "why_told": "wrongly announced"}
    announced = faulty(asks(lambda k: min(k, 2)), expected_failures=reasons)()
    expected = run_check("budget_met", announced)
    assert expected.status == "expected failure" and "two frames by definition" in expected.message
    surprise = run_check("why_told", announced)
    assert surprise.status == "failed" and "remove it from expected_failures" in surprise.message


def test_may_return_fewer_is_honoured():
    assert run_check("budget_met", faulty(asks(lambda k: min(k, 2)), may_return_fewer="two")()).status == "passed"


def test_the_old_name_of_the_free_threshold_is_refused():
    with pytest.raises(UsageError, match="`free_threshold` now"):
        faulty(SoundScore, level=lambda self, scores: 1.0)


def test_not_applicable_says_why():
    result = run_check("online_prefix", Sound())
    assert result.status == "not applicable" and "online" in result.message
    CHECKS["online_prefix"](Sound())  # called directly it has nothing to say


def test_unavailable_extractor_is_not_judged():
    with pytest.raises(UnavailableError, match="package x is missing"):
        run_checks(faulty(unavailable=lambda self: "package x is missing")())


def test_plugin_file_is_found_by_another_process(tmp_path, own_registry):
    file = tmp_path / "my plug-in.py"
    file.write_text(
        "from keyframe_bench import Extractor, register\n"
        "@register('plugin_of_test_checks')\n"
        "class First(Extractor):\n"
        "    '''The first frames.'''\n"
        "    def select(self, clip, k=None, *, rng):\n"
        "        return clip.pick(range(min(k, len(clip))))\n"
    )
    load_plugins([str(file)])
    extractor = Extractor.registry.build("plugin_of_test_checks")
    assert run_check("same_answer_elsewhere", extractor).status == "passed"


@pytest.mark.parametrize(
    ("make", "rule", "says"),
    [
        (returns(lambda clip, k: [0]), "returns_keyframes", ["select returns list", "clip.pick"]),
        (before(lambda clip: clip[Undeclared()]), "reads_declared_needs", ["undeclared_of_tests", "to needs"]),
        (faulty(select=raises), "returns_keyframes", ["NotImplementedError: later"]),
        (faulty(needs=property(lambda self: self.features)), "needs_are_features", ["features"]),
        (faulty(needs=(OneNumber(),)), "reads_declared_needs", ["one_number_of_tests", "test_checks.py", "float"]),
        (before(lambda clip: np.diff(clip.ordinals)[0]), None, ["IndexError", "one frame"]),
    ],
)
def test_a_fault_is_told_once(make, rule, says):
    results = run_checks(make())
    # Classes made in a function cannot be pickled; that is no other fault of theirs.
    failed, *others = [result for result in results if result.status == "failed" and "picklable" not in result.name]
    assert rule in (None, failed.name) and [other.name for other in others] in ([], ["same_answer_elsewhere"])
    assert all(text in failed.message for text in says)
    assert len(results) == len(CHECKS)
    assert any(failed.name in result.message for result in results if result.status == "not applicable")
