"""Worst videos, by hand."""

from keyframe_bench.tables import comparison, load_results
from keyframe_bench.tables.build import latest
from keyframe_bench.tables.worst import worst_videos


def _found(file, columns, **more):
    results = load_results(file)
    return worst_videos(latest(results), comparison(results, columns), **more)


def test_worst_is_where_a_method_falls_short_of_uniform_most(cell, write, columns):
    columns["cus_e"] = {"direction": "lower", "unit": "1", "headline": True}
    numbers = {"uniform": (0.9, 0.2, 0.5, 0.4), "m": (0.6, 0.1, 0.9, 0.4)}
    cells = [
        cell(name, f"v{i}", metrics={"cus_a": value, "cus_e": value})
        for name, values in numbers.items()
        for i, value in enumerate(values)
    ]
    higher, lower = _found(write(*cells, cell("oracle", "v0", metrics={"cus_a": 0.0})), columns)
    assert (higher.column.name, higher.relative, lower.column.name) == ("cus_a", True, "cus_e")
    ((name, bad),) = higher.rows  # neither uniform nor the ceiling
    assert name == "m"
    assert [(b.video_id, b.value, round(b.lead, 6)) for b in bad] == [
        ("v0", 0.6, -0.3),
        ("v1", 0.1, -0.1),
        ("v3", 0.4, 0),
    ]
    assert [(b.video_id, round(b.lead, 6)) for b in lower.rows[0][1]] == [("v2", -0.4), ("v3", 0), ("v1", 0.1)]


def test_without_uniform_the_worst_numbers_themselves(cell, write, columns):
    cells = [cell("m", f"v{i}", metrics={"cus_a": value}) for i, value in enumerate((0.5, 0.1, 0.9))]
    (found,) = _found(write(*cells), columns, count=2)
    assert not found.relative
    assert [(b.video_id, b.value, b.lead) for b in found.rows[0][1]] == [("v1", 0.1, None), ("v0", 0.5, None)]


def test_only_common_videos_and_the_uniform_row_of_the_same_sampling_count(cell, write, columns):
    cells = [
        cell("uniform", "a", metrics={"cus_a": 0.5}),
        cell("uniform", "a", sampling="every", metrics={"cus_a": 0.9}),
        cell("m", "a", sampling="every", metrics={"cus_a": 0.6}),
        cell("m", "b", sampling="every", metrics={"cus_a": 0.0}),
    ]
    (found,) = _found(write(*cells), columns)
    ((name, bad),) = found.rows
    assert (name, [(b.video_id, round(b.lead, 6)) for b in bad]) == ("m", [("a", -0.3)])


def test_seeds_are_averaged_first(cell, write, columns):
    cells = [cell("uniform", "a", metrics={"cus_a": 0.5})]
    cells += [cell("m", "a", seed=s, metrics={"cus_a": value}) for s, value in enumerate((0.2, 0.6))]
    (found,) = _found(write(*cells), columns)
    assert [(b.value, round(b.lead, 6)) for b in found.rows[0][1]] == [(0.4, -0.1)]
