"""Result files are read completely or refused with a sentence that names the line."""

import math

import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.tables import load_results, load_run


def test_one_line_a_cell_with_numbers_and_facts(write, cell):
    file = write(
        cell("uniform", "a.mp4", metrics={"cus_a": 0.5, "cus_e": None}),
        cell("vsumm", "a.mp4", status="failed", error={"type": "ValueError", "message": "no"}),
    )
    frame = load_results(file.parent)
    assert list(frame["extractor"]) == ["uniform", "vsumm"]
    assert frame["metric.cus_a"][0] == 0.5
    assert math.isnan(frame["metric.cus_e"][0])
    assert frame["cost.select_s"][0] == 0.5
    assert frame["n_keyframes"][0] == 2
    assert (frame["error_type"][1], frame["error_message"][1]) == ("ValueError", "no")


def test_the_last_of_two_lines_with_one_key_counts(write, cell):
    frame = load_results(
        write(cell("uniform", "a", metrics={"cus_a": 0.1}), cell("uniform", "a", metrics={"cus_a": 0.2}))
    )
    assert list(frame["metric.cus_a"]) == [0.2]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('{"key": "x", "status"', "not JSON"),
        ("[1]", "not a keyframe_bench/cell@1 object"),
        ('{"key":"x","status":"ok","extractor":"u"}', "has no video"),
        ('{"key":"x","status":"done","extractor":"u","video":"v"}', "status 'done'"),
        ('{"key":"x","status":"ok","extractor":"u","video":"v","metrics":{"a":NaN}}', "NaN"),
        ('{"key":"x","status":"ok","extractor":"u","video":"v","metrics":{"a":"high"}}', "metrics.a"),
        ('{"format":"other@2","key":"x","status":"ok","extractor":"u","video":"v"}', "cell@1"),
    ],
)
def test_a_malformed_line_is_named(write, cell, line, word):
    file = write(cell("uniform", "a"))
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(UsageError, match="line 2 of") as caught:
        load_results(file)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(UsageError, match=r"results\.jsonl"):
        load_results(tmp_path)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(UsageError, match=r"run\.json"):
        load_run(tmp_path)


def test_an_empty_file_gives_an_empty_frame(tmp_path):
    (tmp_path / "results.jsonl").write_text("")
    frame = load_results(tmp_path)
    assert len(frame) == 0
    assert "extractor" in frame
