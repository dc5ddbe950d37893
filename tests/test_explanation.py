"""Why a frame was chosen or not."""

import json
from itertools import product

import numpy as np
import pytest

import keyframe_bench as kb

METHODS = ("pixel_distance", "histogram_distance", "ffmpeg_scene", "uniform", "random", "coded_frames")
CLUSTERED = ("spectral", "differential_evolution")


@pytest.mark.parametrize(
    ("name", "budget"), [*product(METHODS + CLUSTERED, (3,)), *product(METHODS[:4] + CLUSTERED, ("free",))]
)
def test_every_frame_of_a_video_is_explained_in_agreement_with_the_extraction(video, name, budget):
    result = kb.extract(video, name, budget=budget)
    grid = result.source.grid(result.sampling)
    for frame in (0, 7, 14, 15, 29):
        found = kb.explain(video, name, frame=frame, budget=budget)
        assert (found.frame, found.time) == (frame, pytest.approx(frame / 10))
        assert found.sampled == (frame in grid)
        assert found.chosen == (frame in result.frames)
        assert found.judged == grid[np.abs(grid - frame).argmin()]
        assert found.why.startswith("chosen" if found.judged in result.frames else "not chosen")
        assert found.key_frame in result.frames
        if found.segment is not None:
            assert found.segment[0] <= frame < found.segment[1]
            assert found.segment[0] <= found.key_frame < found.segment[1]
        assert [n.frame for n in found.neighbours if n.chosen] == [
            f for f in result.frames if found.neighbours[0].frame <= f <= found.neighbours[-1].frame
        ]
        assert json.loads(json.dumps(found.to_json(), allow_nan=False))["frame"] == frame


def test_a_frame_of_a_result_can_be_asked_about_and_what_cannot_is_named(video):
    found = kb.extract(video, "uniform", budget=3)
    assert kb.explain(video, "uniform", frame=found.frames[1], budget=3).to_json()["frame"] == 15
    for place in ({"frame": -1}, {"frame": np.int64(-1)}, {"frame": 1.5}, {"frame": True}, {"time": "1"}):
        with pytest.raises(kb.UsageError, match="explain: ") as caught:
            kb.explain(video, "uniform", **place)
        assert "null" not in str(caught.value)


def test_the_change_that_starts_a_segment(video):
    """Shots start at 14 and 23; at 2fps frame 15 is the first of the second."""
    found = kb.explain(video, "pixel_distance", frame=15, budget="free")
    assert found.score is not None and found.threshold is not None and found.score > found.threshold
    assert f"its change {found.score:.4g} reaches the threshold {found.threshold:.4g}" in found.why
    calm = kb.explain(video, "pixel_distance", frame=10, budget="free")
    assert "is merged with the frame before, because its change" in calm.why and "is below the threshold" in calm.why


def test_with_k_the_last_score_that_was_enough_is_told(video):
    found = kb.explain(video, "pixel_distance", frame=10, budget=3)
    result = kb.extract(video, "pixel_distance", budget=3)
    assert found.threshold is None
    assert found.lowest_chosen == pytest.approx(sorted(result.keyframes.frame_scores)[-2])
    assert "only the 2 largest start a segment" in found.why
    assert kb.explain(video, "pixel_distance", frame=10, budget=1).lowest_chosen is None


def test_a_score_that_is_not_chosen_by_has_no_rank_and_no_lowest_chosen(video):
    """The score of a frame is the entropy of its cluster: all frames of a cluster have it, one is chosen."""
    for frame in (0, 5, 10, 15, 20, 25):
        found = kb.explain(video, "spectral", frame=frame, budget=3)
        assert found.score is not None
        assert found.rank is found.lowest_chosen is found.threshold is None
        assert "medoid of its cluster" in found.why and "bits is number" in found.why


PLUGIN = """
import numpy as np
import keyframe_bench as kb


@kb.register("aside_of_tests")
class Aside(kb.Extractor):
    'The first frames.'
    reference = "none"
    budget_rule = "the first k"

    def select(self, clip, k=None, *, rng):
        some = np.arange(len(clip), dtype=float)
        return clip.pick(range(k), scores=some[:k], frame_scores=some)


@kb.register("chosen_of_tests")
class Chosen(Aside):
    'As above.'
    by_score = True


@kb.register("drawn_of_tests")
class Drawn(kb.Extractor):
    'Chance.'
    reference = "none"
    supports = frozenset({"fixed", "inferred"})

    def select(self, clip, k=None, *, rng):
        scores = rng.gamma(0.3, 1, len(clip))
        return clip.pick(rng.permutation(len(clip))[:k], frame_scores=scores)


@kb.register("ramp_of_tests")
class Ramp(kb.ScoreExtractor):
    'Late frames.'
    reference = "none"

    def score(self, clip):
        return np.arange(len(clip), dtype=float)
"""


@pytest.fixture
def _plugin(tmp_path, own_registry):
    (tmp_path / "plugin.py").write_text(PLUGIN)
    kb.core.registry.load_plugins([str(tmp_path / "plugin.py")])


@pytest.mark.usefixtures("_plugin")
def test_a_score_is_only_given_a_rank_where_it_decides(video):
    aside = kb.explain(video, "aside_of_tests", frame=20, budget=2)
    assert (aside.score, aside.rank, aside.lowest_chosen) == (4, None, None)
    assert aside.why.endswith("; its score 4 alone decides nothing, its rule is: the first k")
    chosen = kb.explain(video, "chosen_of_tests", frame=20, budget=2)
    assert (chosen.score, chosen.rank, chosen.lowest_chosen) == (4, 2, 0)
    assert chosen.why.endswith("its score 4 is number 2 of 6")


def test_the_knee_is_the_threshold_of_an_inferred_budget(video):
    result = kb.extract(video, "pixel_distance", budget="inferred")
    change = result.keyframes.frame_scores
    found = kb.explain(video, "pixel_distance", frame=15, budget="inferred")
    assert found.threshold in change
    assert (change[1:] > found.threshold).sum() == found.k - 1 == result.k - 1 == 2
    assert {n.threshold for n in found.neighbours} == {found.threshold}
    assert found.coverage is found.coverage_below is None
    assert kb.explain(video, "pixel_distance", frame=15, budget=3).threshold is None


def test_the_coverage_that_decided_is_told_with_that_of_one_fewer(rendered, video):
    found = kb.explain(video, "pixel_distance", frame=15, budget="inferred-coverage")
    assert found.k == kb.extract(video, "pixel_distance", budget="inferred-coverage").k
    assert found.k > 1 and found.coverage >= 0.95 > found.coverage_below > 0
    assert found.threshold is None
    assert found.coverage * found.n_sampled == pytest.approx(round(found.coverage * found.n_sampled))
    found = kb.explain(rendered / "static.mp4", "pixel_distance", frame=0, budget="inferred-coverage")
    assert (found.k, found.coverage, found.coverage_below) == (1, 1, None)  # one that covers all


@pytest.mark.usefixtures("_plugin")
@pytest.mark.parametrize("seed", range(3))
def test_what_decided_is_drawn_as_the_extraction_drew_it(video, seed):
    options = {"sampling": "every", "seed": seed}
    scores = kb.extract(video, "drawn_of_tests", budget="inferred", **options).keyframes.frame_scores
    found = kb.explain(video, "drawn_of_tests", frame=3, budget="inferred", **options)
    assert np.abs(scores - found.threshold).min() < 1e-6
    assert (scores > found.threshold + 1e-6).sum() == found.k
    found = kb.explain(video, "drawn_of_tests", frame=3, budget="inferred-coverage", **options)
    assert found.coverage >= 0.95 > found.coverage_below


def test_scores_of_a_scene(video):
    cut = kb.explain(video, "ffmpeg_scene", frame=23, budget="free")
    assert cut.chosen and cut.rank is not None and cut.rank <= 2
    assert "is above the threshold 0.4" in cut.why
    calm = kb.explain(video, "ffmpeg_scene", frame=21, budget="free")
    assert not calm.chosen and "is not above the threshold 0.4" in calm.why
    assert calm.key_frame == 23


@pytest.mark.usefixtures("_plugin")
def test_a_higher_score_beside_it_is_named(video):
    beside = kb.explain(video, "ramp_of_tests", frame=20, budget=2)
    assert beside.why == "not chosen: frame 25 beside it scores 5, and key frames stay 2 sampled frames apart"
    assert kb.explain(video, "ramp_of_tests", frame=15, budget=2).chosen
    low = kb.explain(video, "ramp_of_tests", frame=5, budget=2)
    assert low.why == "not chosen: its score 1 is number 5 of 6, and the lowest of the 2 chosen is 3"


def test_a_time_is_the_frame_on_screen(video):
    assert [kb.explain(video, time=time, budget=2).frame for time in (1.4, 1.499, 2.95)] == [14, 14, 29]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({}, "explain needs one frame"),
        ({"frame": 3, "time": 1.0}, "explain needs one frame"),
        *(({"frame": frame}, f"frame={frame} ") for frame in (30, -1, 1.5, True)),
        *(({"time": time}, f"time={time} ") for time in (float("nan"), 3.2, -1)),
    ],
)
def test_what_is_no_frame_is_said(video, place, said):
    with pytest.raises(kb.UsageError, match=said):
        kb.explain(video, **place)
