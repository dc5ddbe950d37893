"""``keyframe-bench check dataset=NAME``: what a data set lacks."""

from __future__ import annotations

import pytest


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
