"""Key frames by scores from a file: how they are matched to frames, what is refused, and what results are kept by."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

from keyframe_bench import Extractor, UsageError, extract
from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.extractors.checks import CHECKS, run_check
from keyframe_bench.extractors.checks.clips import EXTREME, TYPICAL, clip_of

FORMAT = "keyframe_bench/scores@1"


@pytest.fixture
def method(tmp_path):
    """The extractor with a file of such text, or of such pairs of the video "v"."""

    def build(content, unit="seconds", name="scores.json", **params):
        pairs = not isinstance(content, (str, bytes))
        text = json.dumps({"format": FORMAT, "unit": unit, "items": {"v": content}}) if pairs else content
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return Extractor.registry.build("scored_frames", {"scores": str(tmp_path / name), **params})

    return build


@pytest.fixture
def clip(method, clip_of):
    """Eleven sampled frames of a video "v" of 5.5 s, every other one of 22: at 0, 0.5 ... 5 s."""
    return clip_of(method([[0, 0]]), step=2, times=np.arange(11) / 2)


def scores_at(extractor, clip, run):
    return run(extractor, clip, 1).frame_scores.tolist()


# Matching


def test_a_frame_has_the_score_of_its_time(method, clip, run):
    found = method([[5, 9], [0, 0], [1, 4], [2, 2], [3, 2], [4, 1]])  # in any order
    assert scores_at(found, clip, run) == [0, 2, 4, 3, 2, 2, 2, 1.5, 1, 5, 9]
    assert run(found, clip, 2).frames.tolist() == [18, 20]
    often = method([[n / 50, n] for n in range(260)])
    assert scores_at(often, clip, run) == pytest.approx([25 * n for n in range(11)], rel=1e-6)


@pytest.mark.parametrize("base", [0, 1])
def test_a_frame_has_the_score_of_its_ordinal_whatever_its_time(method, clip_of, run, base):
    found = method([[n + base, n] for n in range(22)], f"frames from {base}")
    late = clip_of(found, step=2, times=np.cumsum([0.1, 3.0, 0.2, 0.1, 5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]))
    assert scores_at(found, late, run) == list(range(0, 22, 2))


def test_csv_and_json_say_the_same(method, clip, run):
    rows = "".join(f"v,{n},{n % 5}\r\nother.mp4,{n},1\r\n" for n in range(22))
    read = method("\ufeffitem,frames from 0,score\r\n" + rows, name="scores.CSV")
    same = method([[n, n % 5] for n in range(22)], "frames from 0")
    assert scores_at(read, clip, run) == scores_at(same, clip, run)


def test_a_later_part_of_a_video_has_its_own_scores(method, clip, run):
    found = method([[n, n] for n in range(6)])
    assert scores_at(found, clip.later(10, 2.5), run) == [2.5, 3, 3.5, 4, 4.5, 5]


# Rules


def test_the_rules_choose_differently(method, clip, run):
    """inverse_transform: cubes 216 343 216 27 1 add up to 803, and the quantiles 201 and 602 lie in both 216."""
    columns = [[n / 2, score] for n, score in enumerate([0, 0, 6, 7, 6, 0, 0, 0, 3, 0, 1])]
    rules = {rule: run(method(columns, rule=rule), clip, 2).frames.tolist() for rule in ("topk", "watershed")}
    assert rules == {"topk": [4, 6], "watershed": [6, 16]}
    assert run(method(columns, rule="aks", depth=1), clip, 2).frames.tolist() == [6, 16]
    assert run(method(columns, rule="inverse_transform"), clip, 2).frames.tolist() == [4, 8]
    assert run(method(columns, rule="aks", depth=0), clip, 2).frames.tolist() == rules["topk"]


def test_as_released_fewer_come_back_and_it_is_said(method, clip, run):
    flat = [[n, 1] for n in range(6)]
    found = run(method(flat, rule="inverse_transform", as_released=True), clip, 4)
    assert found.frames.tolist() == [0] and found.shortfall and not found.fallback
    found = run(method(flat, rule="aks", as_released=True), clip, 4)
    assert len(found) == 1 and found.fallback
    for rule in ("aks", "inverse_transform"):
        assert len(run(method(flat, rule=rule), clip, 4)) == 4


# What is refused


@pytest.mark.parametrize(
    ("unit", "at", "words"),
    [
        ("seconds", [0, 1, 2, 3], "no score of 'v' near 4.5 s.*1 s apart"),
        ("seconds", [2, 3, 4, 5], "no score of 'v' near 0 s"),
        ("seconds", [0, 0.5, 1, 4, 4.5, 5], "no score of 'v' near 1.5 s"),
        ("frames from 0", [0, 2, 4], "near frame 8.*2 frames apart"),
        ("frames from 1", [1, 3, 5], "near frame 9"),
        ("seconds", [0, 2, 4, 6, 8], "score of 'v' at 8 s.*lasts from 0 to 5.5 s"),
        ("frames from 0", [0, 11, 22], "at frame 22.*from frame 0 to 21"),
        ("frames from 1", [1, 12, 23], "at frame 23.*from frame 1 to 22"),
    ],
)
def test_scores_that_do_not_cover_the_video(method, clip, run, unit, at, words):
    with pytest.raises(UsageError, match=f"scores file .*scores.json.*{words}"):
        run(method([[n, 1] for n in at], unit), clip, 2)


def test_scores_on_another_clock(method, run):
    late = Clip(VideoInfo("v", 4, 100.0, 4.0), np.arange(4), 100.0 + np.arange(4), {})
    with pytest.raises(UsageError, match="at 0 s, but the video lasts from 100 to 104 s"):
        run(method([[n, n] for n in range(4)]), late, 2)


def test_another_video(method, clip, run):
    found = method("item,seconds,score\nV.mp4,0,1\nfilm.mp4,0,1\n", name="scores.csv")
    with pytest.raises(UsageError, match=r"no scores of video 'v'"):
        run(found, clip, 2)


def document(**changed):
    return json.dumps({"format": FORMAT, "unit": "seconds", "items": {"v": [[0, 1]]}} | changed)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        (b'{"format": "\xff"}', "cannot be used"),
        ('{"v": [1, 2]}', FORMAT),
        (document(format="keyframe_bench/scores@2"), FORMAT),
        (document(unit="frames"), '"frames from 1"'),
        (document(unit=["seconds"]), '"frames from 1"'),
        (document(items=[]), '"items"'),
        (document(more=1), '"items"'),
        (document().replace("1]", "NaN]"), "NaN is not a finite number"),
    ],
)
def test_documents_that_are_wrong(method, text, words):
    assert re.search(f"scores file .*scores.json.*{words}", method(text).unavailable())


@pytest.mark.parametrize(
    ("unit", "pairs", "words"),
    [
        ("seconds", [], "'v' is not a list of pairs"),
        ("seconds", 0.5, "'v' is not a list of pairs"),
        ("seconds", [0, 1], "'v' has 0, not a pair"),
        ("seconds", [[0, 1, 2]], r"has \[0, 1, 2\], not a pair"),
        ("seconds", [[0, None]], r"has \[0, null\].*finite score"),
        ("seconds", [[0, "0.3"]], "not a pair"),
        ("seconds", [[0, True]], "not a pair"),
        ("seconds", [[0, 10**400]], "not a pair"),
        ("seconds", [[-1, 1]], "a time of at least 0"),
        ("frames from 0", [[1.0, 1]], r"has \[1.0, 1\].*a whole number of at least 0"),
        ("frames from 1", [[0, 1]], "a whole number of at least 1"),
        ("frames from 1", [[3, 1], [2, 1], [3, 2]], "two scores at 3"),
    ],
)
def test_pairs_that_are_wrong(method, unit, pairs, words):
    assert re.search(f"scores file .*scores.json.*{words}", method(pairs, unit).unavailable())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "begins with ''"),
        ("item,frame,score\n", "begins with 'item,frame,score'.*item,frames from 1,score"),
        ("item,seconds,score\nv,0,1\nv,1\n", "line 3 is 'v,1'"),
        ("item,seconds,score\n,0,1\n", "line 2"),
        ("item,seconds,score\nv,0,nan\n", "NaN.*finite score"),
        ("item,seconds,score\nv,0,\n", "finite score"),
        ("item,seconds,score\nv,zero,1\n", '"zero"'),
        ("item,frames from 0,score\nv,1.5,1\n", "whole number"),
    ],
)
def test_tables_that_are_wrong(method, text, words):
    assert re.search(f"scores file .*scores.csv.*{words}", method(text, name="scores.csv").unavailable())


# Command line


@pytest.fixture
def scores_of(tmp_path, rendered):
    """Write a score for every frame of the three rendered videos (30, 40 and 20 frames)."""

    def write(name="scores.csv", seed=0):
        rng = np.random.default_rng(seed)
        lengths = {"cuts.mp4": 30, "mixed.mp4": 40, "static.mp4": 20}
        rows = [f"{video},{n},{rng.random():.6f}" for video, n_frames in lengths.items() for n in range(n_frames)]
        (tmp_path / name).write_text("\n".join(["item,frames from 0,score", *rows]))
        return tmp_path / name

    return write


def test_extract_takes_the_highest(cli, video, scores_of, tmp_path):
    file = scores_of()
    known = {int(row.split(",")[1]): float(row.split(",")[2]) for row in file.read_text().splitlines()[1:31]}
    words = ["extract", video, "extractor=scored_frames", "sampling=every", "budget=4", f"out={tmp_path / 'o'}"]
    assert cli(*words, f"extractor.scores={file}")[0] == 0
    found = json.loads((tmp_path / "o" / "keyframes.json").read_text())
    assert found["frames"] == sorted(sorted(known, key=known.get)[-4:])
    assert found["scores"] == pytest.approx([known[frame] for frame in found["frames"]])


def test_without_scores_it_is_left_out_and_says_why(cli, video, rendered, tmp_path):
    status, _, err = cli("extract", video, "extractor=scored_frames", f"out={tmp_path / 'o'}")
    assert status == 2 and "scores=FILE" in err
    status, text, _ = cli("list", "--json")
    (row,) = [row for row in json.loads(text)["extractors"] if row["name"] == "scored_frames"]
    assert not row["available"] and "scores=FILE" in row["reason"]
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=all", "budget=3", "--dry-run"]
    status, text, err = cli(*words, f"out={tmp_path / 'run'}")
    assert status == 0 and re.search(r"scored_frames *not run: no scores are given", text), text
    status, _, err = cli("extract", video, "extractor=scored_frames", "extractor.scores=none.csv")
    assert status == 2 and "none.csv" in err


def test_results_are_kept_by_what_the_file_says_and_not_by_where_it_lies(benchmark_of, scores_of, tmp_path):
    first = scores_of()
    assert benchmark_of(first).n_computed == 9  # with random and uniform
    moved = tmp_path / "elsewhere" / "other name.csv"
    moved.parent.mkdir()
    shutil.move(first, moved)
    assert benchmark_of(moved).n_computed == 0
    assert benchmark_of(scores_of(seed=1)).n_computed == 3
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    mine = [line for line in lines if line["extractor"] == "scored_frames"]
    assert len(mine) == 6 and not any("scores.csv" in json.dumps(line) for line in mine)
    both = benchmark_of([moved, scores_of(seed=1)])  # rows of one table
    assert both.n_computed == 0 and both.n_cells == 12


@pytest.fixture
def benchmark_of(rendered, tmp_path):
    """Run with these files of scores over the three rendered videos."""
    from keyframe_bench.bench.execute import run_benchmark
    from keyframe_bench.bench.spec import RunSpec
    from keyframe_bench.datasets.base import Dataset

    def run(files):
        dataset = Dataset.registry.build("folder", {"root": str(rendered)})
        grid = {"scored_frames": {"scores": [str(f) for f in files] if isinstance(files, list) else str(files)}}
        given = {"budgets": ["3"], "sampling": "2fps", "seeds": (0,), "on_error": "raise", "grid": grid}
        return run_benchmark(RunSpec(dataset, tmp_path / "out", ["scored_frames"], **given))

    return run


def test_a_video_without_scores_is_a_failed_row_of_its_own(cli, rendered, scores_of, tmp_path, cells):
    file = scores_of()
    file.write_text("\n".join(line for line in file.read_text().splitlines() if not line.startswith("static")))
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[scored_frames]", "budget=3"]
    cli(*words, f"grid.scored_frames.scores={file}", "on_error=warn", f"out={tmp_path / 'o'}")
    mine = {c["video"]: c for c in cells(tmp_path / "o").values() if c["extractor"] == "scored_frames"}
    assert {video: cell["status"] for video, cell in mine.items()} == {
        "cuts.mp4": "ok", "mixed.mp4": "ok", "static.mp4": "failed"
    }  # fmt: skip
    assert "no scores of video 'static.mp4'" in mine["static.mp4"]["error"]["message"]


# Contract


@pytest.fixture(scope="module")
def checkable(tmp_path_factory):
    """A file with scores of the clips of the contract's checks."""
    rows, rng = ["item,frames from 0,score"], np.random.default_rng(0)
    for kind in (*TYPICAL, *EXTREME):
        clip = clip_of(Extractor.registry.build("scored_frames"), kind)
        scores = np.zeros(len(clip)) if "constant" in kind else rng.random(len(clip))
        rows += [f"{clip.video.name},{n},{s}" for n, s in zip(clip.ordinals, scores, strict=True)]
    file = tmp_path_factory.mktemp("scores") / "checks.csv"
    file.write_text("\n".join(rows))
    return file


@pytest.mark.parametrize("rule", CHECKS)
def test_contract(checkable, rule):
    result = run_check(rule, Extractor.registry.build("scored_frames", {"scores": str(checkable)}))
    assert result.status in ("passed", "not applicable"), result.message


@pytest.mark.parametrize("as_released", [False, True])
@pytest.mark.parametrize("rule", ["aks", "inverse_transform", "watershed"])
def test_budgets_of_the_other_rules(checkable, rule, as_released):
    params = {"scores": str(checkable), "rule": rule, "as_released": as_released}
    for name in ("budget_met", "inferred_budget", "extreme_clips", "deterministic_as_declared"):
        result = run_check(name, Extractor.registry.build("scored_frames", params))
        assert result.status == "passed", result.message


def test_check_command(cli, checkable):
    status, text, _ = cli("check", "scored_frames", f"extractor.scores={checkable}", "extractor.rule=aks")
    assert status == 0 and "0 failed" in text
    status, _, err = cli("check", "scored_frames")
    assert status == 2 and "no scores are given" in err


@pytest.mark.data
def test_real_video(data_root, cli, tmp_path):
    """A score that falls with the distance from three moments, at their times: all rules find them."""
    film = data_root / "videos/edited/bikes.mp4"
    read = extract(film, "uniform", budget=1).source
    moments, seconds = read.times[[40, 120, 200]], read.times[::10].tolist()
    pairs = [[s, float(np.exp(-np.abs(moments - s)).sum())] for s in seconds]
    file = tmp_path / "scores.json"
    file.write_text(document(items={"bikes.mp4": pairs}))
    for rule in ("topk", "aks", "inverse_transform", "watershed"):
        params = {"scores": str(file), "rule": rule}
        found = extract(film, "scored_frames", budget=8, sampling="every", params=params)
        assert len(found.frames) == 8
        if rule == "watershed":
            assert set(found.frames) >= {40, 120, 200}
