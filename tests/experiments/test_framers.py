"""Table 1 of Fu et al. 2023 at scale=smoke: one FrameMAE, four selectors."""

from __future__ import annotations

import json

import pytest

from keyframe_bench.rendering.films import render_video

pytest.importorskip("pytorch_lightning", reason="training needs pytorch-lightning")


@pytest.mark.slow
def test_table_1_trains_one_frame_mae_and_every_selector_on_its_labels(cli, tmp_path):
    for n in range(10):
        where = tmp_path / "clips" / ("action" if n < 8 else "strips") / f"{n}.mp4"
        where.parent.mkdir(parents=True, exist_ok=True)
        render_video(where, "mixed", n, height=48, width=64, fps=10, duration_s=4)
    words = ["table", "framers/table1", "scale=smoke", f"data.clips={tmp_path / 'clips'}"]
    words += [f"out={tmp_path / 'o'}", f"trainings={tmp_path / 't'}"]
    status, said, err = cli(*words)
    assert status == 0, err
    cells = [json.loads(line) for line in (tmp_path / "o" / "results.jsonl").read_text("utf-8").splitlines()]
    assert {cell["status"] for cell in cells} == {"ok"}
    kinds = {cell["label"]: cell["metrics"] for cell in cells[4:]}
    assert set(kinds) == {"action", "strips"}  # one held-out film of each
    whole, n = cells[0]["metrics"], sum(kind["windows"] for kind in kinds.values())
    assert whole["windows"] == n
    for name in ("top1", "regret", "pair_2_5_regret"):
        assert sum(kind[name] * kind["windows"] for kind in kinds.values()) == pytest.approx(n * whole[name])
    cells = cells[:4]
    records = [json.loads(path.read_text("utf-8")) for path in (tmp_path / "t").glob("*/training.json")]
    assert sorted(record["extractor"] for record in records) == ["frame_mae_oracle", *["frame_rs"] * 4]
    assert len({cell["params"]["frame_mae"] for cell in cells}) == 1
    constant = {name: {cell["metrics"][name] for cell in cells} for name in ("majority_top1", "pair_2_5_regret")}
    assert all(len(values) == 1 for values in constant.values())
    for cell in cells:
        assert 0 <= cell["metrics"]["top1"] <= cell["metrics"]["top5"] <= 1 and cell["metrics"]["regret"] >= 0
    assert "3 blocks, dropout 0.1" in said and "0.271" in said
    assert cli(*words)[0] == 0  # nothing is trained again
    assert len(list((tmp_path / "t").iterdir())) == 5


@pytest.mark.slow
def test_nothing_reconstructs_better_than_the_oracle_and_the_strip_is_drawn(cli, tmp_path):
    out = tmp_path / "o"
    status, _, err = cli("table", "framers/figure3", "scale=smoke", f"out={out}", f"trainings={tmp_path / 't'}")
    assert status == 0, err
    assert (out / "figure3.png").read_bytes().startswith(b"\x89PNG")
    cells = [json.loads(line) for line in (out / "results.jsonl").read_text("utf-8").splitlines()]
    by_video = {}
    for cell in cells:
        by_video.setdefault(cell["video"], {})[cell["label"]] = cell["metrics"]
    assert len(by_video) == 2
    for found in by_video.values():
        assert set(found) == {
            "selector",
            "uniform pair",
            "outer pair",
            "random pair",
            "VSUMM",
            "pixel distance",
            "oracle",
        }
        assert found["oracle"]["regret"] == 0 and all(m["error"] >= found["oracle"]["error"] for m in found.values())
        assert found["oracle"]["ms_per_window"] > 0 and found["selector"]["ms_per_window"] > 0
        assert all(0 < m["psnr_network"] < 60 and 0 < m["psnr_blend"] < 60 for m in found.values())


def test_an_option_of_the_training_replaces_the_scales(cli, tmp_path):
    words = ["table", "framers/table_reconstruction", "scale=smoke", f"out={tmp_path / 'o'}"]
    status, _, err = cli(*words, "trainer.frame_rs.frame_mae=nowhere.safetensors", f"trainings={tmp_path / 't'}")
    assert status == 2 and "nowhere.safetensors" in err
    assert not (tmp_path / "t").exists()
