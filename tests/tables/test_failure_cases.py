"""Failure cases, by hand."""

import pytest

from keyframe_bench.tables import comparison, load_results
from keyframe_bench.tables.build import latest
from keyframe_bench.tables.failure_cases import failure_cases


@pytest.fixture
def found_in(write, columns):
    def found_in(*cells):
        results = load_results(write(*cells))
        return failure_cases(latest(results), comparison(results, columns))

    return found_in


def told(cases):
    return [(one.video_id, one.value, None if one.lead is None else round(one.lead, 6)) for one in cases]


def test_a_method_fails_where_it_falls_short_of_uniform_most(cell, found_in, columns):
    columns["cus_e"] = {"direction": "lower"}
    numbers = {"uniform": (0.9, 0.2, 0.5, 0.4), "m": (0.6, 0.1, 0.9, 0.4)}
    pairs = [(name, f"v{i}", x) for name, values in numbers.items() for i, x in enumerate(values)]
    cells = [cell(name, video, metrics={"cus_a": x, "cus_e": x}) for name, video, x in pairs]
    higher, lower = found_in(*cells, cell("oracle", "v0", metrics={"cus_a": 0.0}))
    assert (higher.column.name, higher.relative, lower.column.name) == ("cus_a", True, "cus_e")
    ((name, cases),) = higher.rows  # neither uniform nor the ceiling
    assert (name, told(cases)) == ("m", [("v0", 0.6, -0.3), ("v1", 0.1, -0.1), ("v3", 0.4, 0)])
    assert told(lower.rows[0][1]) == [("v2", 0.9, -0.4), ("v3", 0.4, 0), ("v1", 0.1, 0.1)]


def test_without_uniform_the_lowest_numbers_themselves(cells_of, found_in):
    (found,) = found_in(*cells_of({"m": (0.5, 0.1, 0.9)}))
    assert not found.relative
    assert told(found.rows[0][1]) == [("v01", 0.1, None), ("v00", 0.5, None), ("v02", 0.9, None)]


def test_only_common_videos_uniform_of_the_same_sampling_and_means_of_seeds_count(cell, found_in):
    cells = [cell("uniform", metrics={"cus_a": 0.5}), cell("uniform", sampling="every", metrics={"cus_a": 0.9})]
    cells += [cell("m", seed=s, sampling="every", metrics={"cus_a": x}) for s, x in enumerate((0.4, 0.8))]
    (found,) = found_in(*cells, cell("m", "b", sampling="every", metrics={"cus_a": 0.0}))
    ((name, cases),) = found.rows
    assert (name, cases[0].video_id, len(cases)) == ("m", "a", 1)
    assert (cases[0].value, cases[0].lead) == pytest.approx((0.6, -0.3))
