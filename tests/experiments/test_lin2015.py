"""The figures of Lin et al. 2015 at scale=smoke; the table runs with all others in tests/cli/test_table_command.py."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("pytorch_lightning", reason="training needs pytorch-lightning")


def cells(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text("utf-8").splitlines()]


def made(cli, tmp_path, figure, *words):
    out = tmp_path / figure
    status, _, err = cli("table", f"lin2015/{figure}", "scale=smoke", f"out={out}", f"trainings={tmp_path}/t", *words)
    assert status == 0, err
    assert (out / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
    return out


@pytest.mark.slow
def test_the_loss_of_every_part_of_a_training_is_kept_and_drawn_again_from_a_small_file(cli, tmp_path):
    small = tmp_path / "small.jsonl"
    out = made(cli, tmp_path, "figure7", "--save", small)
    (cell,) = cells(out)
    losses, epochs = cell["step_losses"], [row["train_loss"] for row in cell["history"][1:]]
    half = len(losses) // 2
    assert len(losses) <= 1100
    assert [sum(losses[:half]) / half, sum(losses[half:]) / half] == pytest.approx(epochs, rel=0.2)
    status, _, err = cli("table", "lin2015/figure7", "--from", small, f"out={tmp_path / 'again'}")
    assert status == 0, err
    assert (tmp_path / "again" / "figure7.png").is_file()


def test_a_storyboard_has_as_many_frames_of_each_method_as_the_annotators_chose(cli, tmp_path):
    found = cells(made(cli, tmp_path, "figure10"))
    videos = {cell["video"] for cell in found}
    assert {cell["extractor"] for cell in found} == {"human", "random", "uniform", "deep_metric", "maxent_ioc"}
    for video in videos:
        mine = {cell["extractor"]: cell for cell in found if cell["video"] == video}
        assert {cell["k"] for cell in mine.values()} == {mine["human"]["k"]}
        assert mine["deep_metric"]["checkpoint"] and mine["deep_metric"]["fold"] == 0
        assert mine["human"]["metrics"]["cus_f"] is None  # there is one annotator, and nobody to compare with


def test_shots_hold_together_in_the_features_before_and_after_training(cli, tmp_path):
    found = cells(made(cli, tmp_path, "figure8"))
    assert {cell["label"] for cell in found} == {"learned", "before training"}
    assert all(0 <= cell["metrics"]["purity"] <= 1 and -1 <= cell["metrics"]["silhouette"] <= 1 for cell in found)
    assert sum(bool(cell.get("layout")) for cell in found) == 2  # the first video's
