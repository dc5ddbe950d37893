"""Files of picks that other tools made: `read_picks`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from keyframe_bench import UsageError
from keyframe_bench.datasets._picks import picks_text, read_picks

GOOD = {"format": "keyframe_bench/picks@1", "name": "my tool", "unit": "seconds", "items": {"a.mp4": [3, 1.5]}}


@pytest.fixture
def read(tmp_path):
    def written(document):
        file = tmp_path / "some picks.json"
        text = document if isinstance(document, str) else json.dumps(document)
        file.write_text(text, "utf-8")
        return read_picks(file)

    return written


def test_numbers_are_counted_from_0(read):
    found = {
        unit: read(GOOD | {"unit": unit, "items": {"a.mp4": [3, 7], "b.mp4": [1]}})
        for unit in ("seconds", "frames from 0", "frames from 1")
    }
    assert {unit: (p.unit, p.items["a.mp4"].tolist(), p.items["b.mp4"].tolist()) for unit, p in found.items()} == {
        "seconds": ("seconds", [3.0, 7.0], [1.0]),
        "frames from 0": ("frames", [3, 7], [1]),
        "frames from 1": ("frames", [2, 6], [0]),
    }
    assert len({p.digest for p in found.values()}) == 3
    assert (
        found["frames from 1"].digest
        == read(GOOD | {"unit": "frames from 0", "items": {"b.mp4": [0], "a.mp4": [2, 6]}}).digest
    )


def test_a_file_without_a_name_is_called_after_itself(read):
    assert read(GOOD).name == "my tool"
    assert read({key: value for key, value in GOOD.items() if key != "name"}).name == "some picks"


def test_the_published_form_keeps_repeated_times_and_empty_items(read):
    found = read([{"id": "q_0", "frame_timestamps": [1.0, 1.0, 2], "score": 3}, {"id": "q_1", "frame_timestamps": []}])
    assert found.unit == "seconds" and list(found.items) == ["q_0", "q_1"]
    assert np.array_equal(found.items["q_0"], [1.0, 1.0, 2.0]) and len(found.items["q_1"]) == 0


@pytest.mark.parametrize("unit", ["seconds", "frames from 1"])
def test_what_is_written_reads_back(read, unit):
    first = read(GOOD | {"unit": unit, "items": {'odd "name".mp4': [2, 1], "b.mp4": [40]}})
    again = read(picks_text(first))
    assert (again.digest, again.name, again.unit) == (first.digest, first.name, first.unit)


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ("{", ["JSON"]),
        ("[1]", ["entry 0", "object"]),
        ("[]", ["no items"]),
        ({"a.mp4": [1, 2]}, ["format"]),
        (GOOD | {"unit": "minutes"}, ["unit", "minutes", "seconds"]),
        ({k: v for k, v in GOOD.items() if k != "unit"}, ["unit", "frames from 1"]),
        (GOOD | {"items": {}}, ["no items"]),
        (GOOD | {"items": {"a.mp4": []}}, ["a.mp4", "leave it out"]),
        (GOOD | {"items": {"a.mp4": [1, 2, 1.0]}}, ["a.mp4", "1.0", "once"]),
        (GOOD | {"items": {"a.mp4": [1, "2"]}}, ["a.mp4", '"2"', "seconds"]),
        (GOOD | {"items": {"a.mp4": [True]}}, ["a.mp4", "true"]),
        (GOOD | {"items": {"a.mp4": [-0.5]}}, ["a.mp4", "-0.5"]),
        (GOOD | {"items": {"a.mp4": {"1": 2}}}, ["a.mp4", "list"]),
        (GOOD | {"unit": "frames from 0", "items": {"a.mp4": [1.5]}}, ["a.mp4", "1.5", "whole"]),
        (GOOD | {"unit": "frames from 1", "items": {"a.mp4": [4, 0]}}, ["a.mp4", "frame 0", "frames from 0"]),
        (GOOD | {"author": "me"}, ["author"]),
        (GOOD | {"name": 3}, ["name"]),
        (GOOD | {"name": "two\nlines"}, ["name"]),
        (json.dumps(GOOD).replace("1.5", "NaN"), ["a.mp4", "NaN"]),
        (json.dumps(GOOD).replace("1.5", "1e999"), ["a.mp4", "Infinity"]),
        ('{"format": "keyframe_bench/picks@1", "unit": "seconds", "items": {"a": [1], "a": [2]}}', ["'a'", "twice"]),
        ([{"id": "q", "frame_timestamps": [1]}, {"id": "q", "frame_timestamps": [1]}], ["'q'", "twice"]),
        ([{"id": "q"}], ["frame_timestamps"]),
        ([{"id": 4, "frame_timestamps": [1]}], ["entry 0", "id"]),
        ([{"id": "q", "frame_timestamps": [None]}], ["'q'", "null"]),
    ],
)
def test_what_is_wrong_is_named(read, document, named):
    with pytest.raises(UsageError) as error:
        read(document)
    assert "some picks.json" in str(error.value)
    for word in named:
        assert word in str(error.value), str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"none\.json"):
        read_picks(tmp_path / "none.json")
