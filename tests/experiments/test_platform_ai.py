"""The labelling experiment of the platform.ai article, on folders of classes and lists of labels."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
from keyframe_bench.experiments.platform_ai.labelling import diversity, divided, labels_until

from keyframe_bench.video.encode import write_h264


def clip_of(path, *colours, rng):
    """Write two seconds of noise of each colour, RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = rng.integers(0, 40, size=(20 * len(colours), 48, 64, 3))
    write_h264(path, (noise + np.repeat(colours, 20, axis=0)[:, None, None]).astype(np.uint8), 10)


RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)


def labelled(cli, root, out):
    words = ("table", "platform_ai/labelling", "scale=smoke", "dataset=folder", f"dataset.root={root}", f"out={out}")
    status, _, err = cli(*words)
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
