"""``run split=...`` trains what learns on the training videos of each fold, and scores all methods on the others."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

import keyframe_bench as kb
from keyframe_bench.core.checkpoint import read_record
from keyframe_bench.core.errors import KeyframeBenchError
from keyframe_bench.core.files import sha256_of_file

FOUR_VIDEOS = ("dataset=synthetic", "dataset.n_videos=4", "dataset.duration_s=2", "budget=2", "cache_gb=0.1")


def results(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def by_row(folder):
    found = {}
    for cell in results(folder):
        found.setdefault(cell["extractor"], []).append(cell)
    return found


def checkpoints(folder):
    return {sha256_of_file(path): path for path in folder.glob("*/best.safetensors")}


def test_kfold_trains_folds_times_seeds_and_scores_all_on_the_same_videos(run, tmp_path):
    words = ("extractors=[vsumm,choosers]", "split=kfold:2", "seeds=[0,1]")
    status, output, errors = run("--dry-run", *words)
    assert (status, run.n_fits()) == (0, 0) and "4 trainings, 4 to be done" in output, errors
    status, output, errors = run(*words)
    assert (status, run.n_fits()) == (0, 4), errors
    rows = by_row(tmp_path / "out")
    assert len({cell["video"] for cell in results(tmp_path / "out")}) == 4
    for cells in rows.values():
        assert {cell["video"] for cell in cells} == {cell["video"] for cell in rows["random"]}
    assert len(rows["choosers"]) == 8
    known = checkpoints(tmp_path / "trainings")
    for cell in rows["choosers"]:
        record = read_record(known[cell["checkpoint"]], "choosers")
        assert cell["video_sha256"] not in {part["sha256"] for part in record["trained_on"]}
        assert {part["part"] for part in record["trained_on"]} == {"train", "validation"}
        assert cell["trained_on_this_video"] is False
        assert (cell["training_seed"], cell["seed"]) == (record["seed"], record["seed"])
        assert cell["split"] == "kfold:2" and "checkpoint" not in cell["params"]
    folds = json.loads((tmp_path / "out" / "split.json").read_text())["folds"]
    assert {(cell["video"], cell["fold"]) for cell in rows["choosers"]} == {
        (video, number) for number, fold in enumerate(folds) for video in fold["test"]
    }
    table = (tmp_path / "out" / "table.md").read_text()
    assert sum(line.startswith("| choosers") for line in table.splitlines()) == 1
    assert "kfold:2" in table and "2 folds" in table and "2 training seeds" in table and str(tmp_path) not in table

    before = (tmp_path / "out" / "results.jsonl").read_bytes()
    status, output, errors = run(*words)
    assert status == 0 and run.n_fits() == 4 and re.search(r"\b0 of \d+ cells", output)
    assert (tmp_path / "out" / "results.jsonl").read_bytes() == before
    output = run("--dry-run", *words)[1]
    assert "0 missing" in output and "4 trainings, 0 to be done" in output


def test_methods_that_learn_nothing_have_the_same_cells_as_without_a_split(run, tmp_path, numbers):
    assert run("extractors=[vsumm]", out="plain")[0] == 0
    assert run("extractors=[vsumm,unlike]", "split=kfold:2", out="split")[0] == 0
    plain = {cell["key"]: cell for cell in results(tmp_path / "plain")}
    split = {cell["key"]: cell for cell in results(tmp_path / "split") if cell["extractor"] != "unlike"}
    assert plain.keys() == split.keys()
    assert not {"split", "part", "fold", "training"} & {name for cell in plain.values() for name in cell}


@pytest.mark.slow
def test_same_seed_same_numbers_and_moving_trainings_computes_nothing(run, tmp_path):
    words = ("extractors=[choosers]", "split=kfold:2", "seeds=[3]")
    assert run(*words, out="one")[0] == 0
    (tmp_path / "trainings").rename(tmp_path / "elsewhere")
    assert run(*words, out="two")[0] == 0
    assert run.n_fits() == 4
    first, second = ({c["key"]: c["metrics"]["cus_f"] for c in results(tmp_path / out)} for out in ("one", "two"))
    assert first == second
    status, output, _ = run(*words, f"trainings={tmp_path / 'elsewhere'}", out="two")
    assert status == 0 and re.search(r"\b0 of \d+ cells", output) and run.n_fits() == 4


def test_options_of_trainings_are_rows_and_parameters_share_a_training(run, tmp_path):
    words = ("extractors=[unlike,alike]", "split=videos:0.5", "seeds=[0,1]")
    status, _, errors = run(*words, "trainer.unlike.c=[0.1,10]", "grid.unlike.power=[1,2]")
    assert (status, run.n_fits()) == (0, 2 * 2 + 1), errors  # `alike` learns the same with every seed
    rows = by_row(tmp_path / "out")
    assert len({cell["video"] for cells in rows.values() for cell in cells}) == 2
    assert (len(rows["unlike"]), len(rows["alike"])) == (2 * 4 * 2, 2)
    table = (tmp_path / "out" / "table.md").read_text()
    assert all(f"trainer.c={c}" in table for c in ("0.1", "10.0"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("extractors=[unlike]", "split=kfold:2", "trainer.unlike.d=1"), "'d'"),
        (("extractors=[unlike]", "trainer.unlike.c=1"), "split="),
        (("extractors=[vsumm]", "split=kfold:2", "trainer.vsumm.c=1"), "does not learn"),
        *(
            (("extractors=[unlike]", f"split={split}"), "split=")
            for split in ("frames:0.8", "kfold:1", "kfold:9", "no")
        ),
        (("extractors=[unlike]", "split=given"), "split="),
    ],
)
def test_options_and_splits_that_are_of_no_use_are_refused_in_one_sentence(run, tmp_path, words, said):
    status, _, errors = run(*words)
    assert status == 2 and errors.count("\n") == 1 and said in errors
    assert run.n_fits() == 0 and not (tmp_path / "out" / "results.jsonl").exists()


def test_a_training_that_fails_is_a_failed_row_and_others_go_on(run, tmp_path):
    words = ("extractors=[unlike,choosers]", "split=kfold:2")
    name = "000-cuts.mp4"
    status, _, errors = run(*words, f"trainer.unlike.fails_for={name}")
    rows = by_row(tmp_path / "out")
    assert status == 1 and "of tests" in errors
    fold = next(
        n for n, f in enumerate(json.loads((tmp_path / "out/split.json").read_text())["folds"]) if name in f["train"]
    )
    failed = [cell for cell in rows["unlike"] if cell["status"] == "failed"]
    assert {cell["fold"] for cell in failed} == {fold} and len(failed) == 2
    assert all("ZeroDivisionError" in cell["error"]["message"] for cell in failed)
    assert {cell["status"] for cell in rows["choosers"]} == {"ok"}
    assert len(rows["unlike"]) == 4  # one row of the table, on all four videos
    assert (tmp_path / "out" / "report.html").is_file()
    status, _, errors = run(*words, f"trainer.unlike.fails_for={name}", "on_error=raise", out="raise")
    assert status == 1 and "of tests" in errors


@pytest.mark.slow
def test_a_file_gives_the_same_folds(run, tmp_path):
    assert run("extractors=[choosers]", "split=kfold:2", "split_seed=4", out="one")[0] == 0
    split = tmp_path / "one" / "split.json"
    status, _, errors = run("extractors=[choosers]", f"split={split}", out="two")
    assert (status, run.n_fits()) == (0, 2), errors  # the same trainings
    assert json.loads((tmp_path / "two" / "split.json").read_text())["folds"] == json.loads(split.read_text())["folds"]
    scored = [
        {(c["video"], c["fold"], c["checkpoint"]) for c in by_row(tmp_path / o)["choosers"]} for o in ("one", "two")
    ]
    assert scored[0] == scored[1]
    split.write_text(
        json.dumps({"format": "keyframe_bench/split@1", "folds": [{"train": ["000-cuts.mp4"], "test": ["x"]}]})
    )
    status, _, errors = run("extractors=[choosers]", f"split={split}", out="two")
    assert status == 2 and "'x'" in errors and "Traceback" not in errors


def test_only_held_out_videos_of_a_file_are_scored(run, tmp_path):
    ids = ["000-cuts.mp4", "001-dissolves.mp4", "002-pans.mp4", "003-static.mp4"]
    folds = [{"train": ids[:2], "test": ids[2:3]}, {"train": ids[:1] + ids[3:], "test": ids[1:3]}]
    (tmp_path / "s.json").write_text(json.dumps({"format": "keyframe_bench/split@1", "folds": folds}))
    assert run("extractors=[vsumm,unlike]", "split=s.json")[0] == 0
    rows = by_row(tmp_path / "out")
    assert {cell["video"] for cells in rows.values() for cell in cells} == set(ids[1:3])
    assert sorted((cell["video"], cell["fold"]) for cell in rows["unlike"]) == [(ids[1], 1), (ids[2], 0), (ids[2], 1)]
    assert len(rows["vsumm"]) == 2


def test_temporal_scores_every_method_on_the_later_part_only(run, tmp_path):
    assert run("extractors=[vsumm,oracle]", out="whole")[0] == 0
    status, output, errors = run(
        "extractors=[vsumm,oracle,unlike,coded_frames]", "split=temporal:0.4", "budget=[2,50%,30/min]"
    )
    assert status == 0, errors
    assert "later part" in output
    whole = {cell["key"] for cell in results(tmp_path / "whole")}
    known = checkpoints(tmp_path / "trainings")
    for cell in results(tmp_path / "out"):
        start, end = cell["part"]
        assert (start, end) == (20, 50) and cell["key"] not in whole
        assert cell["status"] == "ok", cell["error"]
        if cell["keyframes"]:
            assert all(start <= frame < end for frame in cell["keyframes"]["frames"])
        if cell["budget"] == "50%":
            assert cell["k"] == 1  # of the two frames that are sampled there
        if cell["budget"] == "30/min":
            assert cell["k"] == 1  # of 1.2 s
        if cell["extractor"] == "uniform" and cell["budget"] == "2":
            assert cell["metrics"]["compression"] == pytest.approx(1 - cell["metrics"]["n_keyframes"] / 30)
    for cell in by_row(tmp_path / "out")["unlike"]:
        record = read_record(known[cell["checkpoint"]], "unlike")
        assert record["split"] == "temporal:0.8"
        mine = [part for part in record["trained_on"] if part["sha256"] == cell["video_sha256"]]
        assert mine and max(part["end_s"] for part in mine) < 20 / 25
        assert cell["trained_on_this_video"] is False
    status, _, errors = run("extractors=[choosers]", "split=temporal:0.4")
    assert status == 2 and "choosers" in errors and "leak=allow" in errors
    status, output, _ = run("extractors=[choosers]", "split=temporal:0.4", "leak=allow")
    assert status == 0 and {cell["trained_on_this_video"] for cell in by_row(tmp_path / "out")["choosers"]} == {True}


def test_leaks_of_given_checkpoints(run, tmp_path):
    words = ("extractors=[choosers,unlike]", "split=videos:0.5", "seeds=[0,1]")
    assert run(*words)[0] == 0
    folder = tmp_path / "trainings"
    mine = {name: sorted(map(str, folder.glob(f"{name}-*/best.safetensors"))) for name in ("choosers", "unlike")}
    for path in mine["choosers"]:  # what `extract` says of it, video by video
        seen = {part["sha256"] for part in read_record(path, "choosers")["trained_on"]}
        for file in kb.Dataset.registry.build("synthetic", {"n_videos": 4, "duration_s": 2.0}).videos():
            found = kb.extract(file.path, "choosers", budget=2, params={"checkpoint": path})
            assert found.to_json()["trained_on_this_video"] == (found.video.sha256 in seen)
    assert kb.extract(file.path, "uniform", budget=2).to_json()["trained_on_this_video"] is None
    given = "grid.choosers.checkpoint=[{}]".format(",".join(mine["choosers"]))
    status, _, errors = run("extractors=[choosers]", given, out="given")
    assert status == 2 and errors.count("\n") == 1 and "leak=allow" in errors
    status, _, errors = run("extractors=[choosers]", given, "leak=allow", out="given")
    assert status == 0, errors
    cells = by_row(tmp_path / "given")["choosers"]
    assert {cell["training_seed"] for cell in cells} == {0, 1} and len(cells) == 8
    assert sum(cell["trained_on_this_video"] for cell in cells) == 4
    table = (tmp_path / "given" / "table.md").read_text()
    assert sum(line.startswith("| choosers") for line in table.splitlines()) == 1  # two seeds of one row
    assert "trained on 2 of these 4 videos" in table and str(tmp_path) not in table

    given = f"grid.unlike.checkpoint={mine['unlike'][0]}"
    assert run("extractors=[unlike]", given, out="free")[0] == 0  # no annotators: labelled
    assert "trained on 2 of these 4 videos" in (tmp_path / "free" / "table.md").read_text()
    moved = shutil.copy(mine["unlike"][0], tmp_path / "moved.safetensors")
    status, output, _ = run("extractors=[unlike]", f"grid.unlike.checkpoint={moved}", out="free")
    assert status == 0 and re.search(r"\b0 of \d+ cells", output)  # wherever it lies
    status, _, errors = run("extractors=[unlike]", given, "split=kfold:2", out="free")
    assert status == 2 and "leave out" in errors


@pytest.mark.slow
def test_killed_while_it_trains_it_goes_on(run, tmp_path):
    words = [
        *("--plugin", run.plugin, *FOUR_VIDEOS, f"out={tmp_path / 'out'}", f"trainings={tmp_path / 'trainings'}"),
        *("extractors=[unlike]", "split=kfold:2", "trainer.unlike.waits=true"),
    ]
    process = subprocess.Popen([sys.executable, "-m", "keyframe_bench", "run", *map(str, words)], env=dict(os.environ))
    deadline = time.monotonic() + 60
    while run.n_fits() < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert run.n_fits() == 2 and not (tmp_path / "out" / "results.jsonl").exists()
    status, _, errors = run("extractors=[unlike]", "split=kfold:2", "trainer.unlike.waits=true")
    assert (status, run.n_fits()) == (0, 3), errors  # the first was finished
    assert {cell["status"] for cell in results(tmp_path / "out")} == {"ok"}


@pytest.mark.slow
def test_workers_find_what_was_trained(run, tmp_path):
    status, _, errors = run("extractors=[choosers]", "split=kfold:2", "executor=loky", "executor.n_jobs=2", out="loky")
    assert status == 0, errors
    assert run("extractors=[choosers]", "split=kfold:2", out="serial")[0] == 0
    first, second = ({c["key"]: c["metrics"]["cus_f"] for c in results(tmp_path / out)} for out in ("loky", "serial"))
    assert first == second


def test_sweep_in_python(run, tmp_path):
    assert run("extractors=[uniform]")[0] == 0  # the plug-in is known now
    folder = kb.Dataset.registry.build("synthetic", {"n_videos": 4, "duration_s": 2.0}).videos()[0].path.parent
    options = {"split": "kfold:4", "trainer": {"choosers": {"c": 2.0}}, "trainings": tmp_path / "trainings"}
    table = kb.sweep(folder, ["choosers"], budget=2, out=tmp_path / "swept", **options)
    mine = table[table["extractor"] == "choosers"]
    assert set(mine["fold"]) == {0, 1, 2, 3} and set(mine["split"]) == {"kfold:4"} and len(mine) == 4
    assert mine["group"].nunique() == 1
    with pytest.raises(KeyframeBenchError, match="frames"):
        kb.sweep(folder, ["choosers"], split="frames:0.5")


@pytest.mark.slow
def test_other_folds_replace_those_before(run, tmp_path):
    assert run("extractors=[unlike]", "split=kfold:2", "limit=2")[0] == 0
    assert run("extractors=[unlike]", "split=kfold:2")[0] == 0
    cells = by_row(tmp_path / "out")["unlike"]
    assert len(cells) == 4 and len({cell["division"] for cell in cells}) == 1


@pytest.mark.slow
def test_the_auto_encoder_on_folds(run, tmp_path):
    words = [f"trainer.autoencoder.{option}" for option in ("epochs=1", "geometry=0.5", "width=0.25")]
    base = ["dataset=synthetic", "dataset.n_videos=3", "dataset.duration_s=1", "budget=2"]
    status, output, errors = run("extractors=[autoencoder]", "split=kfold:3", *words, base=base)
    assert status == 0, errors
    known = checkpoints(tmp_path / "trainings")
    cells = by_row(tmp_path / "out")["autoencoder"]
    assert len(known) == 3 and len(cells) == 6  # with and without its network
    for cell in cells:
        record = read_record(known[cell["checkpoint"]], "autoencoder")
        assert cell["video_sha256"] not in {part["sha256"] for part in record["trained_on"]}
    assert "lowest validation loss on an inner part of the training videos" in output


def test_a_table_trains_on_the_folds_that_its_file_names(run, cli, tmp_path):
    table = tmp_path / "learned.yaml"
    table.write_text(
        """
title: What the choices of annotators add
scales:
  cpu: {dataset: {name: synthetic, n_videos: 4, duration_s: 2}, seeds: [0], split: kfold:2}
runs:
  - {extractors: [uniform, choosers], budget: 2, trainer: {choosers: {c: [1.0, 10.0]}}}
"""
    )
    words = ["table", str(table), "--plugin", run.plugin, f"trainings={tmp_path / 'trainings'}"]
    status, printed, errors = cli(*map(str, words), f"out={tmp_path / 'out'}")
    assert status == 0, errors
    assert run.n_fits() == 2 * 2 and "trainer.c=10" in printed
    assert len(by_row(tmp_path / "out")["choosers"]) == 2 * 4
    table.write_text(table.read_text().replace("kfold:2", "kfold:none"))
    status, _, errors = cli(*map(str, words), f"out={tmp_path / 'out'}")
    assert status == 2 and "split=kfold:none" in errors
