"""What of a run counts, and how often: fallbacks, copies, empty annotators, equal settings; as a user sees them."""

import json
import shutil

import pytest

from keyframe_bench.core.errors import UsageError


def annotated(folder, **users):
    """Write the annotation of cuts.mp4 and nothing else."""
    videos = {"cuts.mp4": {"users": {name: {"frames": frames} for name, frames in users.items()}}}
    document = {"format": "keyframe_bench/annotations@1", "videos": videos}
    (folder / "annotations.json").write_text(json.dumps(document), encoding="utf-8")


def of(cells, extractor):
    return {r["video"]: r for r in cells.values() if r["extractor"] == extractor}


def test_fallbacks_reach_cells_tables_and_report(cli, rendered, tmp_path, cells):
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[ffmpeg_scene]", "budget=[free,40]"]
    status, text, err = cli(*words, "grid.ffmpeg_scene.threshold=1", "sampling=every", f"out={tmp_path}")
    assert (status, err) == (0, "")
    said = "3 of 3 videos: nothing above the threshold"
    found = [r for r in cells(tmp_path).values() if r["extractor"] == "ffmpeg_scene"]
    assert {r["keyframes"]["fallback"] for r in found if r["budget"] == "free"} == {"nothing above the threshold"}
    assert {r["keyframes"]["fallback"] for r in found if r["budget"] == "40"} == {""}
    short = {(r["video"], r["n_sampled"]): r["keyframes"]["shortfall"] for r in found if r["budget"] == "40"}
    assert {video for (video, n), why in short.items() if why} == {v for v, n in short if n < 40} >= {"cuts.mp4"}
    for content in (text, *((tmp_path / f).read_text("utf-8") for f in ("table.md", "report.html", "table.tex"))):
        assert said in " ".join(content.split())
        assert "30 of 40" in content or "of 40 key frames" in content


def test_extract_says_that_the_frame_only_stands_in(cli, video, tmp_path):
    words = ["extract", video, "extractor=ffmpeg_scene", "extractor.threshold=1"]
    status, text, err = cli(*words, "budget=free", f"out={tmp_path}/free")
    assert (status, err) == (0, "") and "fallback" in text
    assert json.loads((tmp_path / "free" / "keyframes.json").read_text())["fallback"] == "nothing above the threshold"
    status, text, err = cli(*words, "budget=31", f"out={tmp_path}/many")
    assert (status, err) == (0, "") and "30 of 31: there are no more sampled frames" in text
    record = json.loads((tmp_path / "many" / "keyframes.json").read_text())
    assert record["fallback"] == "" and "no more sampled frames" in record["shortfall"]


def test_who_chose_nothing_is_no_opinion(benchmark, cli, folder, tmp_path, cells):
    for name in ("mixed.mp4", "static.mp4"):
        (folder / name).unlink()
    results = {}
    for out, users in {
        "with": {"anna": [7, 18], "empty": [], "ben": [5, 26], "none": []},
        "without": {"anna": [7, 18], "ben": [5, 26]},
        "one": {"anna": [7, 18], "empty": []},
        "nobody": {"empty": [], "none": []},
    }.items():
        annotated(folder, **users)
        benchmark(folder, ["uniform"], out=tmp_path / out)
        results[out] = cells(tmp_path / out)
    agreement = ("cus_a", "cus_e", "cus_f", "f1_1s", "f1_1s_max", "cus_f_bound")
    for extractor in ("uniform", "random", "human"):
        both = [of(results[out], extractor)["cuts.mp4"]["metrics"] for out in ("with", "without")]
        assert [both[0][n] for n in agreement] == [both[1][n] for n in agreement], extractor
    uniform = {out: of(found, "uniform")["cuts.mp4"]["metrics"] for out, found in results.items()}
    counts = {out: (found["n_users"], found["n_users_empty"]) for out, found in uniform.items()}
    assert counts == {"with": (2, 2), "without": (2, 0), "one": (1, 1), "nobody": (0, 2)}
    assert of(results["with"], "human")["cuts.mp4"]["draws"] == 2
    assert not of(results["one"], "human") and not of(results["nobody"], "human")  # nobody to compare with
    assert all(uniform["nobody"][name] is None for name in agreement)
    status, text, _ = cli(
        "run", "dataset=folder", f"dataset.root={folder}", "extractors=[uniform]", f"out={tmp_path}/x"
    )
    assert status == 0 and "2 on cuts.mp4" in text


def test_copies_are_told_and_count_once(cli, folder, tmp_path, cells):
    (folder / "more").mkdir()
    for name in ("cuts.mp4", "mixed.mp4"):
        shutil.copy(folder / name, folder / "more" / f"copy-{name}")
    status, text, err = cli(
        "run", "dataset=folder", f"dataset.root={folder}", "extractors=[vsumm]", f"out={tmp_path}/out"
    )
    assert (status, err) == (0, "")
    n_videos = len({r["video"] for r in cells(tmp_path / "out").values()})
    assert n_videos == 5 and "scored 5 of 5 videos" in text and "2 copies counted once" in text
    assert "n = 3 videos" in text  # of the tests
    assert all(name in (tmp_path / "out" / "report.html").read_text("utf-8") for name in ("copy-cuts", "copy-mixed"))


@pytest.mark.parametrize(
    ("words", "n"),
    [
        (["budget=[2,2,02]"], 3),
        (["budget=['15%','15.0%',free,free]"], 5),
        (["budget=2", "grid.pixel_distance.level=[0.0,-0.0,0]"], 3),
        (["budget=2", "grid.pixel_distance.level=[1,1.0]", "grid.uniform.phase=[start,start]"], 3),
        (["budget=2", "seeds=[1,01,1]", "extractors=[pixel_distance,uniform,pixel_distance,random]"], 3),
    ],
    ids=str,
)
def test_equal_settings_count_once(cli, rendered, tmp_path, cells, words, n):
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[pixel_distance]", *words]
    words.append(f"out={tmp_path}/out")
    assert f"3 videos, {3 * n} cells, {3 * n} missing" in cli(*words, "--dry-run")[1]
    status, text, err = cli(*words)
    assert (status, err) == (0, "") and f"{3 * n} of {3 * n} cells" in text
    assert len(cells(tmp_path / "out")) == 3 * n


def test_true_is_no_number(benchmark, rendered):
    with pytest.raises(UsageError, match="level=True"):
        benchmark(rendered, ["pixel_distance"], grid={"pixel_distance": {"level": [1, True]}})
