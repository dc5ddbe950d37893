"""A claim holds, fails or is undecided by where its interval lies."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from keyframe_bench.tables.experiment import parse_experiment
from keyframe_bench.tables.measure import Estimate
from keyframe_bench.tables.verdict import judge, verdicts

from .conftest import frame, measured

INF = math.inf
HALF = 0.5 + np.arange(10) / 100


@pytest.mark.parametrize(
    ("low", "high", "bounds", "word"),
    [
        (0.1, 0.3, (0.0, INF), "holds"),
        (-0.3, -0.1, (0.0, INF), "fails"),
        (-0.1, 0.3, (0.0, INF), "undecided"),
        (-0.3, -0.1, (-INF, 0.0), "holds"),
        (2.6, 3.9, (2.5, 4.0), "holds"),
        (2.4, 3.9, (2.5, 4.0), "undecided"),
        (4.1, 4.9, (2.5, 4.0), "fails"),
        (0.0, 0.0, (0.0, INF), "fails"),
        (-0.3, 0.0, (0.0, INF), "fails"),
        (1.0, 1.0, (-INF, 1.0), "fails"),
        (0.0, 0.3, (0.0, INF), "undecided"),
    ],
)
def test_verdict_is_where_the_interval_lies(low, high, bounds, word):
    assert judge(Estimate((low + high) / 2, low, high, 20), *bounds)[0] == word
    for found in (None, Estimate(9.0, None, None, 1)):  # without an interval nothing is decided
        undecided, why = judge(found, *bounds)
        assert undecided == "undecided" and why


def decided(cells, *claims):
    scales, runs = {"cpu": {"dataset": {"name": "d"}}}, [{"extractors": "all", "budget": 4}]
    listed = [{"claim": f"claim {i}", "expect": {"above": 0}, **claim} for i, claim in enumerate(claims)]
    return verdicts(parse_experiment("mine", {"title": "t", "scales": scales, "runs": runs, "claims": listed}), cells)


def videos(extractor="x", **numbers):
    """Cells of one method on ten videos (or as many as there are numbers), by name of the number."""
    n = len(next(iter(numbers.values())))
    return [measured(f"v{i}", extractor, **{name: float(x[i]) for name, x in numbers.items()}) for i in range(n)]


def test_a_verdict_flips_with_the_data():
    claim = {"measure": {"mean": "q"}, "paper": 0.7}
    assert [v.verdict for v in decided(frame(*videos(q=HALF)), claim)] == ["holds"]
    (verdict,) = decided(frame(*videos(q=-HALF)), claim)
    assert (verdict.verdict, verdict.expected, verdict.paper) == ("fails", "above 0", "0.7")


def sample(seed, mean, n=10):
    return mean + np.random.default_rng(seed).normal(0, 1, n)


def test_claims_of_a_table_are_corrected_together():
    """Against Student's t of scipy and Holm's steps written out."""
    columns = {f"q{i}": sample(i, mean) for i, mean in enumerate([0.5, 0.6, 1.0, 0.1])}
    cells = frame(*videos(**columns))
    plain = {name: scipy.stats.ttest_1samp(x, 0).pvalue for name, x in columns.items()}
    expected, least = {}, 0.0
    for rank, name in enumerate(sorted(plain, key=plain.__getitem__)):
        least = max(least, min(1.0, (len(plain) - rank) * plain[name]))
        expected[name] = least
    found = decided(cells, *({"measure": {"mean": name}} for name in columns))
    assert [v.p for v in found] == pytest.approx([expected[name] for name in columns])
    for verdict, name in zip(found, columns, strict=True):
        (alone,) = decided(cells, {"measure": {"mean": name}})
        assert alone.p == pytest.approx(plain[name])
        word = alone.verdict if expected[name] < 0.05 else "undecided"
        assert (verdict.verdict, verdict.found) == (word, alone.found)
    lost = [v for v, name in zip(found, columns, strict=True) if plain[name] < 0.05 <= expected[name]]
    assert lost and all("correction" in v.note for v in lost)


def test_the_p_value_is_about_the_limit_whatever_the_measure():
    a, b = sample(1, 5.0), sample(2, 4.0)
    cells = frame(*videos(a=a, b=b))
    pair = [{"value": "a"}, {"value": "b"}]
    t = scipy.stats.ttest_1samp
    for measure, expect, values in [
        ({"mean": "a"}, {"above": 4.5}, a - 4.5),
        ({"sum": "a"}, {"below": 48}, 10 * a - 48),
        ({"difference": pair}, {"above": 0.5}, a - b - 0.5),
        ({"ratio": pair}, {"below": 1.4}, a - 1.4 * b),
    ]:
        (verdict,) = decided(cells, {"measure": measure, "expect": expect})
        assert verdict.p == pytest.approx(t(values, 0).pvalue)
    (between,) = decided(cells, {"measure": {"mean": "a"}, "expect": {"between": [3.0, 5.5]}})
    assert between.p == pytest.approx(max(t(a, 3.0).pvalue, t(a, 5.5).pvalue))


def test_what_is_measured_on_too_few_videos_is_no_part_of_the_correction():
    cells = frame(*(measured(f"v{i}", "x", q=1.0 + i / 10, **({"rare": 1.0} if i < 3 else {})) for i in range(8)))
    one, few = decided(cells, {"measure": {"mean": "q"}}, {"measure": {"mean": "rare"}})
    assert few.p is None and few.verdict == "undecided"
    assert one.p == decided(cells, {"measure": {"mean": "q"}})[0].p


@pytest.mark.parametrize(
    ("second", "word"), [(0.5, "holds"), (-0.5, "undecided"), (0.0, "undecided")], ids=["both", "opposed", "unclear"]
)
def test_a_claim_with_two_measures_holds_by_both_or_is_undecided(second, word):
    noise = sample(3, 0.0) / 10
    cells = frame(*videos(one=0.5 + noise, two=second + noise - noise.mean()))
    measure = {"all": [{"mean": "one"}, {"mean": "two"}]}
    (verdict,) = decided(cells, {"measure": measure})
    singles = [decided(cells, {"measure": part})[0] for part in measure["all"]]
    assert verdict.verdict == word
    assert verdict.p == max(single.p for single in singles)
    assert (verdict.found, *verdict.also) == tuple(single.found for single in singles)
    (opposite,) = decided(cells, {"measure": measure, "expect": {"below": 0}})
    assert opposite.verdict == ("fails" if word == "holds" else "undecided")


MINE, THEIRS = ({"mean": "q", "where": {"extractor": name}} for name in ("x", "uniform"))
AGAINST = {"measure": MINE, "controls": {"evenly spread": THEIRS}}


@pytest.mark.parametrize(
    ("control", "spread", "word"),
    [
        (0.5, 1, "not tested"),
        (-0.5, 1, "holds"),
        (0.0, 1, "holds"),  # undecided, but far from the number of the claim
        (0.5, 50, "undecided"),  # it may well pass, and be better
        (None, 1, "undecided"),
    ],
)
def test_a_claim_that_a_control_passes_too_is_not_tested(control, spread, word):
    noise = sample(4, 0.0) / 10
    noise -= noise.mean()
    cells = videos(q=0.5 + noise)
    if control is not None:
        cells += videos("uniform", q=control + spread * noise)
    (verdict,) = decided(frame(*cells), AGAINST)
    assert verdict.verdict == word
    assert verdict.controls[0][0] == "evenly spread"
    assert ("evenly spread" in verdict.note) == (word != "holds")
    (failing,) = decided(frame(*cells), AGAINST | {"expect": {"below": 0}})
    assert failing.verdict == "fails"  # whatever the control does
    if word == "not tested":  # a control that is one number passes by it
        assert decided(frame(*videos(q=HALF), measured("v0", "uniform", q=0.5)), AGAINST)[0].verdict == word


def test_what_stands_beside_decides_nothing_and_a_value_may_be_a_difference():
    cells = frame(*videos(a=0.4 + HALF, b=np.full(10, 0.2), c=np.full(10, -1.0)))
    pair = [{"value": ["a", "b"]}, {"value": "b"}]
    (verdict,) = decided(cells, {"measure": {"difference": pair}, "beside": {"as printed": {"mean": "c"}}})
    assert verdict.verdict == "holds"
    assert verdict.found.value == pytest.approx(0.545)
    assert (verdict.beside[0][0], verdict.beside[0][1].value) == ("as printed", -1.0)
