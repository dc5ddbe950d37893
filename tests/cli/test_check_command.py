"""``keyframe-bench check dataset=NAME``: what a data set lacks."""

from __future__ import annotations

import pytest

from keyframe_bench.datasets.base import Dataset


def test_a_folder_that_fits(cli, folder, annotate):
    annotate(folder)
    status, out, err = cli("check", "dataset=folder", f"dataset.root={folder}")
    assert (status, out, err) == (0, "folder: all is there and fits\n", "")
    annotate(folder, anna=(7, 30))
    status, out, err = cli("check", "dataset=folder", f"dataset.root={folder}")
    assert (status, err) == (1, "") and "user 'anna' name frame 30" in out and "folder: 1 problem\n" in out


def test_a_published_set_names_files_and_page(cli, tmp_path):
    status, out, err = cli("check", "dataset=summe", f"dataset.root={tmp_path}")
    assert (status, err) == (1, "") and "gyglim.github.io" in out and "GT/NAME.mat" in out
    (tmp_path / "Jumps.mp4").write_bytes(b"no video")
    status, out, err = cli("check", "dataset=summe", f"dataset.root={tmp_path}")
    assert (status, err) == (1, "")
    assert "summe: Scuba: the video is absent\n" in out and "summe: Jumps: the annotation is absent\n" in out
    assert "summe: Jumps: cannot read video" in out and out.splitlines()[-1].startswith("summe: 50 problems; files: ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["uniform", "dataset=summe"], "either"),
        (["uniform"], "either"),
        ([], "dataset=NAME"),
        (["dataset=summme"], "did you mean summe"),
        (["dataset=summe", "dataset.cartoons=false"], "cartoons"),
    ],
)
def test_wrong_commands(cli, tmp_path, words, told):
    status, out, err = cli("check", *words, f"dataset.root={tmp_path}")
    assert (status, out) == (2, "") and told in err and not list(tmp_path.iterdir())


def test_videos_that_a_data_set_makes_are_checked_and_none_is_made(cli, tmp_path):
    root = tmp_path / "drawn"
    words = ("dataset=rendered", f"dataset.root={root}", "dataset.n=3", "dataset.n_validation=1")
    status, out, err = cli("check", *words)
    assert (status, err) == (0, "") and not root.exists() and "made so far" in out
    Dataset.registry.build("rendered", {"root": str(root), "n": 3, "n_validation": 1}).videos()
    assert cli("check", *words)[0] == 0
    video = root / "scenes-train.mov"
    video.write_bytes(bytes(video.stat().st_size))
    status, out, _ = cli("check", *words)
    assert status == 1 and "rendered: scenes-train.mov: " in out and "1 problem" in out
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").touch()
    status, out, _ = cli("check", "dataset=rendered", f"dataset.root={tmp_path / 'mine'}")
    assert status == 1 and "did not render" in out
