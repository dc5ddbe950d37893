"""Numbers of a paper's table from cells, against the same numbers by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.tables.load import cells_frame
from keyframe_bench.tables.measure import chosen, estimate


def cell(video, extractor, *, seed=0, params=None, sampling="2fps", k=None, n_sampled=100, cost=None, **metrics):
    key = json.dumps([video, extractor, seed, params, sampling, k, n_sampled])
    frames = list(range(int(metrics.get("n_keyframes", 1))))
    return {
        "key": key, "status": "ok", "extractor": extractor, "video": video, "params": params or {}, "seed": seed,
        "budget": str(k) if k else "free", "sampling": sampling, "run_sampling": sampling, "k": k,
        "n_sampled": n_sampled, "n_frames": 1000, "dataset": "d", "metrics": metrics,
        "keyframes": {"frames": frames, "cost": cost or {}},
    }  # fmt: skip


def frame(*cells):
    return cells_frame({c["key"]: c for c in cells})


def test_mean_averages_seeds_inside_a_video_first():
    cells = frame(cell("a", "x", seed=0, q=0.0), cell("a", "x", seed=1, q=1.0), cell("b", "x", q=0.9))
    assert estimate(cells, {"mean": "q"}).value == pytest.approx((0.5 + 0.9) / 2)


def test_ratio_is_that_of_the_totals_and_its_interval_holds_it():
    rng = np.random.default_rng(0)
    many, few = rng.integers(50, 200, 30), rng.integers(10, 30, 30)
    pairs = zip(many.tolist(), few.tolist(), strict=True)
    cells = frame(*(cell(f"v{i}", "x", n_keyframes=b, n_sampled=a) for i, (a, b) in enumerate(pairs)))
    found = estimate(cells, {"ratio": [{"value": "n_sampled"}, {"value": "n_keyframes"}]})
    assert found.value == pytest.approx(many.sum() / few.sum())
    assert found.low < found.value < found.high
    assert found.n == 30


def test_difference_pairs_videos_and_leaves_out_those_that_one_side_lacks():
    numbers = {"ax": 0.9, "ay": 0.4, "bx": 0.8, "by": 0.5, "cx": 0.1}
    cells = frame(*(cell(*names, q=q) for names, q in numbers.items()))
    pair = [{"value": "q", "where": {"extractor": "x"}}, {"value": "q", "where": {"extractor": "y"}}]
    found = estimate(cells, {"difference": pair})
    assert (found.value, found.n) == (pytest.approx(0.4), 2)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_slope_recovers_the_exponent(exponent):
    sizes = [(v, f, n) for v, f in (("a", 1e-3), ("b", 5e-3)) for n in (10, 40, 160, 640)]
    costs = ((v, n, {"select_s": f * n**exponent, "features_s": 0.0}) for v, f, n in sizes)
    cells = frame(*(cell(v, "x", n_sampled=n, sampling=f"{n}fps", cost=cost) for v, n, cost in costs))
    assert estimate(cells, {"slope": ["work_s", "n_sampled"]}).value == pytest.approx(exponent)


def test_spread_is_the_slope_of_the_deviation_between_methods_per_doubling():
    signs = {"x": 1, "y": -1}
    cells = [cell("a", n, k=k, q=0.5 + s * d) for k, d in ((4, 0.3), (8, 0.2), (16, 0.1)) for n, s in signs.items()]
    assert estimate(frame(*cells), {"spread": "q"}).value == pytest.approx(-0.1)
    # Variants that are there at one k only do not count.
    cells = [cell("a", n, k=k, q=0.5 + s * 0.1) for k in (4, 8) for n, s in signs.items()]
    more = [cell("a", "z", params={"p": p}, k=8, q=0.9) for p in range(5)]
    assert estimate(frame(*cells, *more), {"spread": "q"}).value == pytest.approx(0.0, abs=1e-12)
    # Settings of one method are methods of their own.
    cells = frame(*(cell("a", "x", params={"p": p}, k=k, q=p * k / 10) for p in (0, 1) for k in (4, 8)))
    assert estimate(cells, {"spread": "q"}).value == pytest.approx(0.2)


def test_cost_per_frame_is_decoding_features_and_selection():
    cells = frame(cell("a", "x", cost={"decode_s": 1.0, "features_s": 0.5, "select_s": 0.25}))
    assert estimate(cells, {"mean": "ms_per_frame"}).value == pytest.approx(1.75)
    assert estimate(cells, {"mean": "work_ms_per_frame"}).value == pytest.approx(0.75)


def test_where_compares_parameters_lists_and_truth_values():
    cells = frame(cell("a", "x", params={"p": 1, "q": "s"}), cell("a", "y", params={"p": 2}), cell("a", "z"))
    assert list(chosen(cells, {"params": {"p": 1}})["extractor"]) == ["x"]
    assert set(chosen(cells, {"extractor": ["x", "z"]})["extractor"]) == {"x", "z"}
    assert len(chosen(cells, {"control": False})) == 3


def test_nothing_measured_is_none_and_one_video_has_no_interval():
    cells = frame(cell("a", "x", q=1.0))
    assert estimate(cells, {"mean": "q", "where": {"extractor": "y"}}) is None
    assert estimate(cells, {"empty": True}) is None
    assert estimate(cells, {"mean": "q"}).low is None


def test_a_ratio_to_nothing_is_no_number():
    none = frame(cell("a", "x", q=1.0, r=0.0), cell("b", "x", q=1.0, r=0.0))
    assert estimate(none, {"ratio": [{"value": "q"}, {"value": "r"}]}) is None
    some = frame(cell("a", "x", q=1.0, r=0.0), cell("b", "x", q=1.0, r=2.0))
    found = estimate(some, {"ratio": [{"value": "q"}, {"value": "r"}]})
    assert (found.value, found.low) == (1.0, None)


def test_times_of_zero_do_not_enter_the_logarithm():
    times = {10: 0.0, 40: 0.04, 160: 0.16, 640: 0.64}
    cells = frame(*(cell("a", "x", n_sampled=n, cost={"select_s": t}) for n, t in times.items()))
    assert estimate(cells, {"slope": ["select_s", "n_sampled"]}).value == pytest.approx(1.0)


def test_an_unknown_kind_and_a_misspelt_number_are_named():
    with pytest.raises(UsageError, match="has none of mean, sum"):
        estimate(frame(cell("a", "x")), {"median": "q"})
    with pytest.raises(UsageError, match="no number 'f1_1'; did you mean f1_1s"):
        estimate(frame(cell("a", "x", f1_1s=1.0)), {"mean": "f1_1"})


def test_a_budget_and_k_are_found_as_numbers():
    cells = frame(cell("a", "x", k=4), cell("a", "x", k=8), cell("a", "x"))
    assert [len(chosen(cells, where)) for where in ({"k": 4}, {"budget": 4}, {"budget": "free"})] == [1, 1, 1]
