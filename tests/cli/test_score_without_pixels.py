"""``keyframe-bench score`` on a data set of which annotations and durations are at hand, and no videos."""

from __future__ import annotations

import json

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.core.annotation import Annotation, UserSummary
from keyframe_bench.datasets.base import Published

PICKS = {"talk_0": [1.017, 7.5], "talk_1": [0.333, 59.99]}


@pytest.fixture
def score(cli, own_registry, tmp_path):
    """Score picks of two questions about one talk of a minute; cells by extractor and question."""

    @kb.register("talks")
    class Talks(kb.Dataset):
        """Questions about a talk that is not at hand."""

        def __init__(self, root: str | None = None) -> None:
            self.root = root

        def published(self):
            asked = {"talk_0": [1.0, 7.0], "talk_1": [30.0]}
            people = {name: UserSummary("anna", times=np.array(times)) for name, times in asked.items()}
            known = {name: Annotation((user,)) for name, user in people.items()}
            return {name: Published(annotation=known[name], video="talk", duration_s=60.0) for name in asked}

        def videos(self):
            raise kb.UsageError("data set 'talks': talk.mp4 is absent")

        def revision(self):
            return str(self.videos())

    def run(items, *words, unit="seconds"):
        document = {"format": "keyframe_bench/picks@1", "name": "mine", "unit": unit, "items": items}
        (tmp_path / "picks.json").write_text(json.dumps(document), "utf-8")
        status, text, err = cli("score", tmp_path / "picks.json", "dataset=talks", f"out={tmp_path / 'out'}", *words)
        if status:
            return text, err
        lines = (tmp_path / "out" / "results.jsonl").read_text("utf-8").splitlines()
        return text, {(cell["extractor"], cell["video"]): cell for cell in map(json.loads, lines)}

    return run


def test_what_needs_no_pixels_is_measured_at_the_very_times(score):
    text, cells = score(PICKS)
    assert "not at hand" in text
    assert {name for name, _ in cells} == {"random", "uniform", "oracle", "mine"}
    assert {video for _, video in cells} == set(PICKS)
    for video, times in PICKS.items():
        mine = cells["mine", video]
        assert mine["keyframes"]["times"] == times
        assert mine["metrics"]["coverage_gray"] is None and mine["metrics"]["total_s"] is None
    assert cells["mine", "talk_0"]["metrics"]["f1_1s"] == 1.0
    assert cells["mine", "talk_1"]["metrics"]["f1_1s"] == 0.0
    middles = cells["uniform", "talk_0"]["keyframes"]["times"]
    assert middles == [15.0, 45.0]
    assert "0 of 8 cells computed now" in score(PICKS)[0]


@pytest.mark.parametrize(
    ("items", "unit", "words", "named"),
    [
        ({"talk_0": [1.0, 61.0]}, "seconds", (), ["talk_0", "61 s"]),
        ({"talk_0": [10]}, "frames from 0", (), ["mine", "seconds"]),
        ({"talk_0": [1.0]}, "seconds", ("extractors=[vsumm]",), ["vsumm", "pixels"]),
        ({"talk_0": [1.0], "talk_9": [1.0]}, "seconds", (), ["talk.mp4"]),
    ],
)
def test_what_cannot_be_scored_is_one_sentence(score, tmp_path, items, unit, words, named):
    _, err = score(items, *words, unit=unit)
    assert err.count("\n") == 1
    for word in named:
        assert word in err, err
    assert not (tmp_path / "out").exists()
