"""``keyframe-bench explain``."""

import json
import re

import pytest


def test_what_is_printed(cli, video):
    status, text, err = cli("explain", video, "extractor=pixel_distance", "frame=15", "budget=free")
    assert (status, err) == (0, "")
    assert "frame 15 at 1.500 s: " in text
    assert "reaches the threshold" in text
    assert "segment    frames 15 to 24 hold frame 15" in text
    rows = [line for line in text.splitlines() if line.strip().startswith(("0 ", "5 ", "10 ", "> ", "20 ", "25 "))]
    assert len(rows) == 6
    assert "starts a segment" in next(row for row in rows if ">" in row) and "|" in rows[0]
    assert max(map(len, text.splitlines())) <= 100


def test_an_unsampled_frame_says_so(cli, video):
    _, text, _ = cli("explain", video, "frame=16", "budget=2")
    assert "frame 16 at 1.600 s: not seen at sampling 2fps; of the nearest frame that was, 15:" in text
    assert "needed" in text and "budget 2: 2 key frames of 6 frames seen" in text


def test_methods_without_scores(cli, video):
    status, text, _ = cli("explain", video, "extractor=uniform", "time=0.3", "sampling=every", "budget=2")
    assert status == 0
    assert "frame 3 at 0.300 s: not a key frame" in text
    assert "gives single frames no score" in text and "score  " not in text


def test_a_score_that_is_not_chosen_by_is_not_said_to_be_needed(cli, video):
    status, text, _ = cli("explain", video, "extractor=spectral", "frame=15", "budget=3")
    assert status == 0 and "medoid" in text
    assert re.search(r"^  score +\d+\.\d+, above \d+% of the frames seen$", text, re.MULTILINE)
    assert "needed" not in text and "had to reach" not in text


def test_inferred_budgets_show_what_decided(cli, video):
    _, text, _ = cli("explain", video, "frame=15", "budget=inferred")
    assert re.search(r"^  threshold  \d+\.\d+, the knee of the sorted scores$", text, re.MULTILINE)
    assert "budget inferred = 3: 3 key frames of 6 frames seen" in text and "had to reach" in text
    _, text, _ = cli("explain", video, "frame=15", "budget=free")
    assert "threshold" in text and "knee" not in text
    _, text, _ = cli("explain", video, "frame=15", "budget=inferred-coverage")
    line = re.search(
        r"^  coverage   ([\d.]+)% of the frames seen with (\d+), ([\d.]+)% with (\d+); the target is 95%$", text, re.M
    )
    assert line and float(line[1]) >= 95 > float(line[3]) and int(line[2]) == int(line[4]) + 1


def test_a_fallback_is_told_with_its_reason(cli, video):
    words = ("explain", video, "extractor=pixel_distance", "extractor.factor=9", "budget=free", "frame=0")
    _, text, _ = cli(*words)
    assert "a fallback, not a result: nothing above the threshold" in text
    assert json.loads(cli(*words, "--json")[1])["fallback"] == "nothing above the threshold"
    _, text, _ = cli("explain", video, "frame=15", "budget=free")
    assert "fallback" not in text


def test_a_score_that_starts_a_segment_is_not_said_to_choose(cli, video):
    _, text, _ = cli("explain", video, "extractor=pixel_distance", "frame=5", "budget=3")
    assert "lowest score to start a segment" in text and "had to reach to start a segment" in text
    _, text, _ = cli("explain", video, "extractor=ffmpeg_scene", "frame=5", "budget=3")
    assert "enough for so many key frames" in text and "segment" not in text


def test_plain_data(cli, video):
    status, text, _ = cli("explain", video, "extractor=ffmpeg_scene", "frame=23", "budget=free", "--json")
    record = json.loads(text)
    assert status == 0
    assert record["chosen"] and record["threshold"] == pytest.approx(0.4)
    assert [n["frame"] for n in record["neighbours"]] == list(range(18, 29))
