"""The labelling experiment of the platform.ai article, on folders of classes and lists of labels."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import yaml
from keyframe_bench.experiments.platform_ai import labelling
from keyframe_bench.experiments.platform_ai.labelling import diversity, divided, labels_until, positions

from keyframe_bench.core.clip import Clip, KeyFrames, VideoInfo
from keyframe_bench.video.encode import write_h264


def clip_of(path, *colours, rng):
    """Write two seconds of noise of each colour, RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = rng.integers(0, 40, size=(20 * len(colours), 48, 64, 3))
    write_h264(path, (noise + np.repeat(colours, 20, axis=0)[:, None, None]).astype(np.uint8), 10)


RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)


def labelled(cli, root, out, *more, table="platform_ai/labelling"):
    status, _, err = cli("table", table, "scale=smoke", "dataset=folder", f"dataset.root={root}", f"out={out}", *more)
    return status, err, [json.loads(line) for line in (out / "results.jsonl").open()] if status == 0 else []


def test_classes_of_folders_are_learned_from_the_frames_of_other_videos(cli, tmp_path):
    rng = np.random.default_rng(0)
    for name, i in itertools.product(("red", "green"), range(2)):
        clip_of(tmp_path / "v" / name / f"{i}.mp4", RED if name == "red" else GREEN, rng=rng)
    status, err, cells = labelled(cli, tmp_path / "v", tmp_path / "o")
    assert status == 0, err
    assert len(cells) == 4 * 7 * 2  # videos, pools, orders
    assert all(cell["history"][-1]["accuracy"] == 1 for cell in cells)
    by_pool = {(c["video"], c["label"]): c["metrics"]["frames"] for c in cells}
    for video in ("red/0.mp4", "green/1.mp4"):
        assert by_pool[video, "uniform, as many"] == by_pool[video, "pixel_distance, mean"]
        assert by_pool[video, "pixel_distance, every 2 s"] == by_pool[video, "uniform, every 2 s"]
    assert (tmp_path / "o" / "labelling.png").is_file()
    frames = sum(by_pool[video, "uniform, every 2 s"] for video in {c["video"] for c in cells})
    few = [c for c in cells if c["label"] == "uniform, every 2 s"]
    assert all(c["history"][-1]["labels"] < frames for c in few)  # a curve ends with its pool
    numbers = ("early", "final", "area", "classes")
    assert all(c["metrics"][name] is None for c in few for name in numbers)
    page = (tmp_path / "o" / "labelling.md").read_text("utf-8")
    assert page.count("**undecided**") >= 5 and page.count("**fails**") <= 1  # only diversity needs no labels


def test_ranges_of_a_list_are_labelled_and_the_rest_is_not(cli, tmp_path):
    rng = np.random.default_rng(0)
    lines = ["file,label,start_s,end_s"]
    for i in range(4):
        clip_of(tmp_path / "v" / f"{i}.mp4", RED, BLUE, GREEN, rng=rng)
        lines += [f"{i}.mp4,red,0,2", f"{i}.mp4,green,4,6"]
    (tmp_path / "v" / "labels.csv").write_text("\n".join(lines), "utf-8")
    status, err, cells = labelled(cli, tmp_path / "v", tmp_path / "o")
    assert status == 0, err
    assert all(cell["history"][-1]["accuracy"] == 1 and cell["n_sampled"] == 12 for cell in cells)
    assert "in one video only" not in err
    (tmp_path / "v" / "labels.csv").write_text("\n".join([*lines[:-2], "0.mp4,blue,2,4"]), "utf-8")
    status, err, cells = labelled(cli, tmp_path / "v", tmp_path / "q")
    assert status == 0 and "1 class (blue)" in err  # of one video: it is held out, or no frame of it is
    run = json.loads((tmp_path / "q" / "run.json").read_text("utf-8"))
    assert [one["video"] for one in run["skipped"]] == ["3.mp4"] and "3.mp4" not in {c["video"] for c in cells}
    for text, *told in (
        ("file,label,start_s\n0.mp4,red,soon", "line 2", "soon"),
        ("file,label\n0.mp4,red\nnothere.mp4,red", "nothere.mp4"),
        ("file,label\n0.mp4,red\n1.mp4,red", "'red'"),
        ("file,label,start_s,end_s\n0.mp4,red,3,2", "line 2", "3", "2"),
        ("file,label\n0.mp4", "line 2"),
        ("film,label\n0.mp4,red", "film,label", "file,label"),
        ("", "empty", "file,label"),
        ("file,label\n", "no video"),
        ("file,label\n0.mp4,\xe4", "UTF-8"),
    ):
        (tmp_path / "v" / "labels.csv").write_bytes(text.encode("latin-1"))
        status, err, _ = labelled(cli, tmp_path / "v", tmp_path / "p")
        assert status == 2 and all(word in err for word in told), err
        assert "labels.csv" in err or told == ["'red'"]
    (tmp_path / "v" / "labels.csv").unlink()
    status, err, _ = labelled(cli, tmp_path / "v", tmp_path / "p")
    assert status == 2 and "file,label" in err


@pytest.fixture
def classes(tmp_path):
    """A folder of two classes, each of two videos of two colours."""
    rng = np.random.default_rng(0)
    for name, i in itertools.product(("red", "green"), range(2)):
        clip_of(tmp_path / "v" / name / f"{i}.mp4", BLUE, RED if name == "red" else GREEN, rng=rng)
    return tmp_path / "v"


@pytest.fixture
def own(tmp_path):
    """Write the table with other options, and return its path."""

    def write(**options):
        table = yaml.safe_load(Path(labelling.__file__).with_name("labelling.yaml").read_text("utf-8"))
        table["records"] |= options
        rows = [{"name": "a", "where": {"label": "a", "params": {"order": "margin"}}}]
        path = tmp_path / "own.yaml"
        path.write_text(yaml.safe_dump({**table, "rows": rows, "claims": []}), "utf-8")
        return path

    return write


def test_what_draws_at_random_is_a_mean_over_the_seeds_of_the_run(classes, own, cli, tmp_path):
    table = own(pools=[{"name": "a", "extractor": "random", "budget": 4}])
    alone = [labelled(cli, classes, tmp_path / f"{i}", f"seeds=[{i}]", table=table)[2] for i in range(2)]
    status, err, both = labelled(cli, classes, tmp_path / "both", "seeds=[0,1]", table=table)
    assert status == 0, err
    page, page_of_one = ((tmp_path / name / "own.md").read_text("utf-8") for name in ("both", "0"))
    assert "2 seeds" in page and "1 seed" in page_of_one and "1 seeds" not in page_of_one
    drawn = [*zip(*alone, both, strict=True)]
    for name in ("diversity", "frames"):
        values = np.array([[cell["metrics"][name] for cell in cells] for cells in drawn])
        assert values[:, 2] == pytest.approx(values[:, :2].mean(axis=1), abs=1e-6)
    assert any(one["metrics"]["diversity"] != two["metrics"]["diversity"] for one, two, _ in drawn)


def test_a_curve_ends_with_the_last_round_or_with_its_pool(classes, own, cli, tmp_path):
    pools = [{"name": "a", "extractor": "uniform", "budget": 4}, {"name": "b", "extractor": "uniform", "budget": 1}]
    status, err, cells = labelled(cli, classes, tmp_path / "o", table=own(rounds=2, batch=4, early=4, pools=pools))
    assert status == 0, err
    for cell in cells:
        labels, accuracies = zip(*[(step["labels"], step["accuracy"]) for step in cell["history"]], strict=True)
        assert labels == ((4, 8) if cell["label"] == "a" else (3,))  # of three videos to train on
        area = pytest.approx(np.mean(accuracies), abs=1e-3) if cell["label"] == "a" else None
        assert cell["metrics"]["area"] == area


def test_pools_of_methods_with_their_own_sampling_and_of_inferred_numbers(classes, own, cli, tmp_path):
    table = own(
        pools=[
            {"name": "a", "extractor": "uniform", "budget": 3},
            {"name": "every", "extractor": "ffmpeg_scene", "budget": 40},
            {"name": "coded", "extractor": "coded_frames", "budget": "free"},
            {"name": "inferred", "extractor": "pixel_distance", "budget": "inferred-coverage"},
            {"name": "as coded", "extractor": "ffmpeg_thumbnail", "as_many_as": "coded"},
        ]
    )
    status, err, cells = labelled(cli, classes, tmp_path / "o", table=table)
    assert status == 0, err
    frames = {(cell["video"], cell["label"]): cell["metrics"]["frames"] for cell in cells}
    assert len(frames) == 4 * 5
    for video in {video for video, _ in frames}:
        assert frames[video, "a"] == 3
        assert frames[video, "every"] == 8  # all 40 frames: each of the 8 sampled ones once
        assert 1 <= frames[video, "as coded"] <= frames[video, "coded"] <= 8
        assert frames[video, "inferred"] == 2  # the two colours


def test_frames_between_the_sampled_ones_become_the_nearest_in_time():
    clip = Clip(VideoInfo("v", 40), np.array([0, 10, 20, 30]), np.array([5.0, 6.0, 7.0, 7.0]), {})
    frames = np.array([1, 6, 9, 14, 30, 39])
    found = KeyFrames(frames, np.array([5.1, 5.6, 5.9, 6.4, 7.0, 7.0]))
    assert positions(clip, found).tolist() == [0, 1, 2, 3]
    assert positions(clip, KeyFrames(np.array([30]), np.array([7.0]))).tolist() == [3]  # sampled: itself
    assert positions(clip, KeyFrames(np.array([9]), np.array([5.4]))).tolist() == [0]  # in time, not in number


A_POOL = {"name": "a", "extractor": "uniform", "budget": "free"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"batch": "ten"}, ["batch", "'ten'"]),
        ({"batch": 0}, ["batch", "at least 1"]),
        ({"rounds": 1.5}, ["rounds", "1.5"]),
        ({"early": -1}, ["early", "-1"]),
        ({"reached": "80%"}, ["reached", "'80%'", "0.8"]),
        ({"reached": 80}, ["reached", "80"]),
        ({"pools": []}, ["pools"]),
        ({"pools": [{**A_POOL, "budget": "fre"}]}, ["'a'", "budget", "fre"]),
        ({"pools": [A_POOL, A_POOL]}, ["pools 2", "'a'", "name"]),
        (
            {"pools": [A_POOL, {"name": "b", "extractor": "random", "as_many_as": "aa"}]},
            ["'b'", "'aa'", "did you mean a"],
        ),
        ({"pools": [{"name": "b", "extractor": "random", "as_many_as": "a"}, A_POOL]}, ["'b'", "above", "'a'"]),
        ({"pools": [{"name": "b", "extractor": "random", "as_many_as": "b"}]}, ["'b'", "above"]),
        ({"pools": [A_POOL, {"name": "b", "extractor": "random", "budget": "free"}]}, ["'b'", "random", "such as 8"]),
        ({"pools": [{**A_POOL, "extractor": "unifrom"}]}, ["unifrom", "did you mean uniform"]),
    ],
)
def test_what_is_wrong_with_pools_is_said_before_a_video_is_decoded(options, told, own, cli, tmp_path, monkeypatch):
    monkeypatch.setattr(labelling, "read_pass", lambda *_, **__: pytest.fail("decoded"))
    clip_of(tmp_path / "v" / "red" / "0.mp4", RED, rng=np.random.default_rng(0))
    status, err, _ = labelled(cli, tmp_path / "v", tmp_path / "o", table=own(**options))
    assert status == 2 and all(word in err for word in told), err
    assert len(err.strip().splitlines()) == 1


def test_the_figure_tells_many_pools_apart(monkeypatch):
    pages = []
    monkeypatch.setattr(labelling, "png_bytes", pages.append)
    history = [{"labels": 10, "accuracy": 0.5}, {"labels": 20, "accuracy": 0.6}]
    cells = [
        {"label": f"pool {i}", "params": {"order": order}, "history": history}
        for i in range(20)
        for order in labelling.ORDERS
    ]
    labelling.Labelling().draw(cells, {})
    for panel in pages[0].axes:
        looks = {line.get_label(): (line.get_color(), line.get_linestyle()) for line in panel.get_lines()}
        assert len(looks) == len(set(looks.values())) == 20


def test_ranges_are_times_of_the_file_and_those_without_a_frame_are_named(cli, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "v").mkdir()
    lines = ["file,label,start_s,end_s"]
    for i in range(4):
        clip_of(tmp_path / f"{i}.mp4", RED, GREEN, rng=rng)
        with av.open(str(tmp_path / f"{i}.mp4")) as source, av.open(str(tmp_path / "v" / f"{i}.mkv"), "w") as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.pts, packet.dts = (int(t + 5 / packet.time_base) for t in (packet.pts, packet.dts))
                    packet.stream = stream
                    target.mux(packet)
        lines += [f"{i}.mkv,red,5,7", f"{i}.mkv,green,7,9"]
    (tmp_path / "v" / "labels.csv").write_text("\n".join([*lines, "1.mkv,blue,0,2", "1.mkv,blue,9.1,"]), "utf-8")
    status, err, cells = labelled(cli, tmp_path / "v", tmp_path / "o")
    assert status == 0, err
    assert len({cell["video"] for cell in cells}) == 4
    assert all(cell["history"][-1]["accuracy"] == 1 for cell in cells)
    (said,) = [line for line in err.splitlines() if "no sampled frame" in line]
    assert all(word in said for word in ("labels.csv", "lines 10, 11", "'1.mkv'", "5 to 8.5 s"))


def test_no_moment_is_tested_on_that_lies_near_a_labelled_one():
    rng = np.random.default_rng(1)
    videos = [
        SimpleNamespace(
            labels=(labels := rng.choice(np.array(["a", "b", "", "whole"], dtype=object), 80)),
            labelled=labels != "",
            moments=np.where(labels == "whole", np.nan, rng.uniform(0, 20, 80)),
            clear=rng.random(80) < 0.9,
        )
        for _ in range(4)
    ]
    held_out = [1, 3]
    use = divided(videos, held_out, rng)
    frames = [(i, n) for i, mask in enumerate(use) for n in np.flatnonzero(mask)]
    tested = [(i, n) for i, n in frames if i in held_out]
    assert len(tested) > 20 and all(videos[i].clear[n] and videos[i].labelled[n] for i, n in tested)
    for (i, n), (j, m) in itertools.product(tested, set(frames) - set(tested)):
        if videos[i].labels[n] == videos[j].labels[m] != "whole":
            assert abs(videos[i].moments[n] - videos[j].moments[m]) > 1.0


@pytest.mark.parametrize(
    ("curve", "labels"), [([0.5, 0.7, 0.9], 25), ([0.8, 0.1, 0.1], 10), ([0.1, 0.2, 0.3], None), ([0.0, 0.8, 0.2], 20)]
)
def test_labels_are_counted_until_the_accuracy_is_first_reached(curve, labels):
    assert labels_until(0.8, [10, 20, 30], np.array(curve)) == (labels and pytest.approx(labels))


def test_diversity_is_the_mean_over_pairs():
    rows = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in itertools.combinations(rows, 2)]
    assert diversity(rows) == pytest.approx(1 - np.mean(cosines), abs=1e-6)
    assert diversity(rows[:1]) == 0
