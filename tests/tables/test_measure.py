"""Numbers of a paper's table from cells, against the same numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gmean

from keyframe_bench.core.errors import UsageError
from keyframe_bench.tables.measure import chosen, estimate
from keyframe_bench.tables.stats import bootstrap_interval

from .conftest import frame, measured


def pair(*values, **where):
    return [{"value": value, **where} for value in values]


def of(*extractors):
    return [{"value": "q", "where": {"extractor": name}} for name in extractors]


MANY, FEW = np.random.default_rng(0).integers([[50], [10]], [[200], [30]], (2, 30))
SIGNS = {"x": 1, "y": -1}
COSTS = {"decode_s": 1.0, "features_s": 0.5, "select_s": 0.25}


def timed(times, video="a"):
    cost = {n: {"select_s": t, "features_s": 0.0} for n, t in times.items()}
    return [measured(video, "x", n_sampled=n, sampling=f"{n}fps", cost=cost[n]) for n in times]


def growing(exponent):
    return [one for v, f in (("a", 1e-3), ("b", 5e-3)) for one in timed({n: f * n**exponent for n in (10, 40, 160)}, v)]


def spreads(deviation):
    return [measured("a", n, k=k, q=0.5 + s * d) for k, d in deviation.items() for n, s in SIGNS.items()]


@pytest.mark.parametrize(
    ("cells", "measure", "value"),
    [
        # Seeds are averaged inside a video first.
        ([measured("a", "x", q=0.0), measured("a", "x", seed=1, q=1.0), measured("b", "x", q=0.9)], {"mean": "q"}, 0.7),
        ([measured("a", "x", q=0.5), measured("b", "x", q=0.9)], {"sum": "q"}, 1.4),
        # Videos are paired; one that a side lacks is left out.
        (
            [measured(*names, q=q) for names, q in {"ax": 0.9, "ay": 0.4, "bx": 0.8, "by": 0.5, "cx": 0.1}.items()],
            {"difference": of("x", "y")},
            0.4,
        ),
        *((growing(exponent), {"slope": ["work_s", "n_sampled"]}, exponent) for exponent in (0.5, 1.0, 2.0)),
        # Times of zero do not enter the logarithm.
        (timed({10: 0.0, 40: 0.04, 160: 0.16, 640: 0.64}), {"slope": ["select_s", "n_sampled"]}, 1.0),
        # The slope of the standard deviation between methods per doubling of k.
        (spreads({4: 0.3, 8: 0.2, 16: 0.1}), {"spread": "q"}, -0.1),
        # Variants that are there at one k only do not count.
        (
            spreads({4: 0.1, 8: 0.1}) + [measured("a", "z", params={"p": p}, k=8, q=0.9) for p in range(5)],
            {"spread": "q"},
            0.0,
        ),
        # Settings of one method are methods of their own.
        (
            [measured("a", "x", params={"p": p}, k=k, q=p * k / 10) for p in (0, 1) for k in (4, 8)],
            {"spread": "q"},
            0.2,
        ),
        # A checkpoint's training makes a method of its own.
        ([{**one, "training": {"data": one["extractor"]}} for one in spreads({4: 0.3, 8: 0.2})], {"spread": "q"}, -0.1),
        ([measured("a", "x", cost=COSTS)], {"mean": "ms_per_frame"}, 1.75),
        ([measured("a", "x", cost=COSTS)], {"mean": "work_ms_per_frame"}, 0.75),
    ],
)
def test_measures_by_hand(cells, measure, value):
    assert estimate(frame(*cells), measure).value == pytest.approx(value, abs=1e-12)


def test_ratio_is_that_of_the_totals_and_its_interval_holds_it():
    pairs = enumerate(zip(MANY.tolist(), FEW.tolist(), strict=True))
    cells = [measured(f"v{i}", "x", n_keyframes=b, n_sampled=a) for i, (a, b) in pairs]
    found = estimate(frame(*cells), {"ratio": pair("n_sampled", "n_keyframes")})
    assert found.value == pytest.approx(MANY.sum() / FEW.sum())
    assert found.low < found.value < found.high
    assert (found.n, found.unit) == (30, "video")  # resampled, unlike seeds
    none = frame(measured("a", "x", q=1.0, r=0.0), measured("b", "x", q=1.0, r=0.0))
    assert estimate(none, {"ratio": pair("q", "r")}) is None  # a ratio to nothing is no number
    some = frame(measured("a", "x", q=1.0, r=0.0), measured("b", "x", q=1.0, r=2.0))
    found = estimate(some, {"ratio": pair("q", "r")})
    assert (found.value, found.low) == (1.0, None)


def test_geometric_means_and_their_ratio():
    values = {"x": MANY / 200, "y": FEW / 200}
    rows = [measured(f"v{i}", name, q=q) for name, found in values.items() for i, q in enumerate(found.tolist())]
    cells, mean = frame(*rows), {name: gmean(found) for name, found in values.items()}
    found = estimate(cells, {"geometric": "q", "where": {"extractor": "x"}})
    assert found.value == pytest.approx(mean["x"]) and found.low < found.value < found.high and found.n == 30
    ratio = estimate(cells, {"geometric": of("x", "y")})
    assert ratio.value == pytest.approx(mean["x"] / mean["y"])
    ends = np.exp(bootstrap_interval(np.log(MANY / FEW)))  # paired
    assert [ratio.low, ratio.high] == pytest.approx(ends.tolist(), rel=0.02)
    assert ratio.excess(ratio.value).mean() == pytest.approx(0, abs=1e-12) and ratio.excess(0.0).mean() == np.inf
    over_seeds = frame(*({**row, "unit": "seed"} for row in rows[:3]))
    assert estimate(over_seeds, {"geometric": "q"}).value == pytest.approx(gmean(values["x"][:3]))
    assert estimate(frame(*rows, measured("v", "x", q=0.0)), {"geometric": "q"}) is None


@pytest.mark.parametrize(
    ("where", "extractors"),
    [
        ({"params": {"p": 1}}, "x"),
        ({"trainer": {"feature": "fisher"}}, "y"),
        ({"extractor": ["x", "z"]}, "xz"),
        ({"control": False}, "xyz"),
        ({"k": 4}, "x"),
        ({"budget": 4}, "x"),
        ({"budget": "free"}, "z"),
    ],
)
def test_where_compares_parameters_lists_truth_values_and_numbers(where, extractors):
    cells = frame(
        measured("a", "x", params={"p": 1, "q": "s"}, k=4),
        measured("a", "y", params={"p": 2}, k=8) | {"training": {"options": {"feature": "fisher", "dims": 8}}},
        measured("a", "z"),
    )
    assert "".join(chosen(cells, where)["extractor"]) == extractors


def test_what_is_not_measured_is_none_and_what_is_unknown_is_named():
    cells = frame(measured("a", "x", q=1.0, f1_1s=1.0))
    assert estimate(cells, {"mean": "q", "where": {"extractor": "y"}}) is None
    assert estimate(cells, {"empty": True}) is None
    assert estimate(cells, {"mean": "q"}).low is None  # of one video
    with pytest.raises(UsageError, match="no number 'f1_1'; did you mean f1_1s"):
        estimate(cells, {"mean": "f1_1"})


@pytest.mark.parametrize("unit", ["video", "seed"])
@pytest.mark.parametrize("kind", ["mean", "sum"])
def test_what_is_not_finite_is_no_number_and_leaves_out_no_video(kind, unit):
    cells = [measured(name, "x", cost=COSTS) | {"unit": unit} for name in "abc"]
    assert estimate(frame(*cells), {kind: "ms_per_frame"}).n == 3
    empty = cells[2] | {"n_frames": 0}  # a time by no frames is infinite
    assert estimate(frame(*cells[:2], empty), {kind: "ms_per_frame"}) is None
