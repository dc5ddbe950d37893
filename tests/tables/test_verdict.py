"""A claim holds, fails or is undecided by where its interval lies."""

from __future__ import annotations

import math

import pytest

from keyframe_bench.tables.experiment import parse_experiment
from keyframe_bench.tables.measure import Estimate
from keyframe_bench.tables.verdict import judge, verdicts

from .test_measure import cell, frame

INF = math.inf


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


@pytest.mark.parametrize("found", [None, Estimate(9.0, None, None, 1)])
def test_without_an_interval_nothing_is_decided(found):
    word, why = judge(found, 0.0, INF)
    assert word == "undecided"
    assert why


def experiment(**claim):
    claims = [{"claim": "more", "measure": {"mean": "q"}, **claim}]
    scales, runs = {"cpu": {"dataset": {"name": "d"}}}, [{"extractors": "all", "budget": 4}]
    return parse_experiment("mine", {"title": "t", "scales": scales, "runs": runs, "claims": claims})


def test_a_verdict_flips_with_the_data():
    better = frame(*(cell(f"v{i}", "x", q=0.5 + i / 100) for i in range(10)))
    worse = frame(*(cell(f"v{i}", "x", q=-0.5 - i / 100) for i in range(10)))
    claim = experiment(expect={"above": 0}, paper=0.7)
    assert [v.verdict for v in verdicts(claim, better)] == ["holds"]
    (verdict,) = verdicts(claim, worse)
    assert (verdict.verdict, verdict.expected, verdict.paper) == ("fails", "above 0", "0.7")
