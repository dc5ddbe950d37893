"""``keyframe-bench train``: from a command line to checkpoints, errors as one sentence, sweeps."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("pytorch_lightning", reason="needs keyframe_bench[training]")

from keyframe_bench.cli.compose import composed
from keyframe_bench.cli.train_command import make_training
from keyframe_bench.core.checkpoint import read_record
from keyframe_bench.extractors.autoencoder.options import AutoencoderOptions
from keyframe_bench.models.checkpoint import load_autoencoder

# An extractor that learns and needs no network: most of these tests are about the command, not about what it trains.
PLUGIN = Path(__file__).parents[1] / "training" / "usual_histogram.txt"
REMUX = """
import sys, av
with av.open(sys.argv[1]) as source, av.open(sys.argv[2], "w") as out:
    stream = out.add_stream_from_template(source.streams.video[0])
    for packet in source.demux(source.streams.video[0]):
        if packet.size:
            packet.stream = stream
            out.mux(packet)
"""
SMALL = ("extractor=autoencoder", "trainer.width=0.125", "trainer.geometry=0.25", "trainer.loss=l2", "trainer=smoke")


@pytest.fixture
def plugin(tmp_path, own_registry):
    file = tmp_path / "usual_histogram.py"
    file.write_text(PLUGIN.read_text())
    return file


@pytest.fixture
def train(cli, plugin, video):
    """Train the plug-in on a small video."""

    def run(*words):
        return cli("train", f"--plugin={plugin}", "extractor=usual_histogram", *camera(video), *words)

    return run


@pytest.fixture
def autoencoder(cli, video):
    """Train a tiny auto-encoder on a small video."""
    return lambda *words: cli("train", *SMALL, "trainer.threads=1", *camera(video), *words)


def camera(path):
    return ("dataset=folder", f"dataset.root={path}", "dataset.camera=true")


def test_a_training_from_a_command_line(autoencoder, tmp_path):
    out = tmp_path / "a=b, (c)"
    words = ("trainer.epochs=3", "seed=4", f"out={out}")
    status, text, err = autoencoder(*words)
    assert (status, err) == (0, "")
    for told in (
        "input 24 x 48, code 8 x 3 x 6 (24 : 1), 11,195 parameters",
        "network ae_final",
        "24 frames for training, 6 for validation",
        "3 of 3 epochs",
        "rows/s",
        "loss l2",
    ):
        assert told in text
    _, record = load_autoencoder(out / "best.safetensors")
    identity = json.loads((out / "training.json").read_text())["identity"]
    assert (identity["seed"], identity["options"]["epochs"], identity["options"]["batch"]) == (4, 3, 8)
    assert identity["options"]["loss"] == "l2" and record["key"] and record["split"] == "temporal:0.8"
    status, text, err = autoencoder(*words)
    assert (status, err) == (0, "") and "0 epochs computed now" in text


def test_who_learns_from_annotators_trains_on_the_frames_that_run_and_extract_show(cli, annotate, folder, tmp_path):
    annotate(folder)
    words = ("dataset=folder", f"dataset.root={folder}", "split=temporal:0.5", "trainer.feature=gray")
    status, _, err = cli("train", "extractor=maxent_ioc", *words, "trainer.max_iter=2", f"out={tmp_path}/out")
    record = json.loads((tmp_path / "out" / "training.json").read_text())["data"]
    assert (status, err) == (0, "")
    assert (record["sampling"], record["train"], record["validation"]) == ("2fps", 3, 3)


@pytest.mark.parametrize(("rate", "better"), [(0.5, True), (0, False)])
def test_the_best_epoch_is_called_so_where_it_is_better_than_the_start(train, tmp_path, rate, better):
    text = train("trainer.epochs=1", f"trainer.rate={rate}", f"out={tmp_path}/out")[1]
    assert ("no epoch is better" not in text) == ("\nbest epoch 1:" in text) == better


def test_any_extractor_that_learns_trains_and_is_used(train, cli, plugin, video, folder, tmp_path):
    out = tmp_path / "out"
    status, text, err = train("trainer.epochs=2", "trainer.rate=0.25", "sampling=5fps", "limit=9", f"out={out}")
    assert (status, err) == (0, "")
    assert "9 frames for training, 3 for validation" in text and "epochs 2, rate 0.25" in text and "trained now" in text
    assert sorted(p.name for p in out.iterdir() if p.name[0] != ".") == [
        *("best.safetensors", "curves.png", "history.csv", "last.safetensors", "training.json")
    ]
    chosen, used = f"--plugin={plugin}", (f"extractor.checkpoint={out}/best.safetensors", "extractor=usual_histogram")
    assert cli("extract", chosen, video, *used, "budget=2", f"out={tmp_path}/frames")[0] == 0
    assert len(json.loads((tmp_path / "frames" / "keyframes.json").read_text())["frames"]) == 2
    both = f"[{out}/best.safetensors,{out}/last.safetensors]"
    run = ("run", chosen, "dataset=folder", f"dataset.root={folder}", "extractors=[usual_histogram]", "budget=2")
    status, _, err = cli(*run, f"grid.usual_histogram.checkpoint={both}", f"out={tmp_path}/run")
    assert (status, err) == (0, "")
    status, _, err = cli("extract", chosen, video, "extractor=usual_histogram", f"out={tmp_path}/none")
    assert status == 2 and "keyframe-bench train extractor=usual_histogram" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sides"),
    [
        ((), (2, 1)),
        (("split=videos:0.34",), (1, 2)),
        (("split=kfold:3", "fold=1"), (2, 1)),
        (("split=temporal:0.5",), (3, 3)),
        (("split=frames:0.5",), (3, 3)),
    ],
)
def test_every_split(cli, plugin, rendered, tmp_path, words, sides):
    command = ("train", f"--plugin={plugin}", "extractor=usual_histogram", "dataset=folder", f"dataset.root={rendered}")
    status, _, err = cli(*command, *words, f"out={tmp_path}/out")
    assert (status, err) == (0, "")
    record = read_record(tmp_path / "out" / "best.safetensors", "usual_histogram")
    parts = [{one["video"] for one in record["trained_on"] if one["part"] == part} for part in ("train", "validation")]
    assert (len(parts[0]), len(parts[1])) == sides and parts[0] | parts[1] == {"cuts.mp4", "mixed.mp4", "static.mp4"}


def test_paths_are_taken_as_they_stand(train, cli, plugin, video, tmp_path):
    root, start = tmp_path / "levels, [1]=${x}.mp4", tmp_path / "first"
    shutil.copy(video, root)
    split = tmp_path / "my, split=1.json"
    document = {"format": "keyframe_bench/split@1", "folds": [{"train": ["a.mp4"], "test": ["b.mp4"]}]}
    split.write_text(json.dumps(document))
    assert train(f"out={start}", f"dataset.root={root}")[0] == 0
    moved = (start / "best.safetensors").rename(tmp_path / "it's {a: 1}.safetensors")
    (tmp_path / "two").mkdir()
    for name, film in (("a.mp4", "cuts.mp4"), ("b.mp4", "mixed.mp4")):
        shutil.copy(video.with_name(film), tmp_path / "two" / name)
    words = ("train", f"--plugin={plugin}", "extractor=usual_histogram", "dataset=folder")
    status, text, err = cli(
        *words, f"dataset.root={root.parent}/two", f"split={split}", f"init={moved}", f"out={tmp_path}/x=y"
    )
    assert (status, err) == (0, "")
    assert "30 frames for training, 40 for validation" in text and "from checkpoint" in text


def test_without_out_every_training_has_its_own_folder(train, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train()[0] == train("seed=1")[0] == 0
    found = sorted(p.name for p in (tmp_path / "outputs" / "train").iterdir())
    assert len(found) == 2 and all(name.startswith("usual_histogram-folder-seed") for name in found)


def test_unreadable_pictures_are_told(cli, plugin, tmp_path):
    root = tmp_path / "photographs"
    root.mkdir()
    for n in range(12):
        assert cv2.imwrite(str(root / f"{n}.png"), np.full((24, 48, 3), 20 * n, np.uint8))
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        (root / name).write_text(f"the text {name}")
    words = ("train", f"--plugin={plugin}", "extractor=usual_histogram", "dataset=image_folder", f"dataset.root={root}")
    for _ in ("trained now", "trained before"):
        status, text, err = cli(*words, f"out={tmp_path}/out")
        assert (status, err) == (0, "")
        (line,) = (line for line in text.splitlines() if line.startswith("data: "))
        assert "4 packets or images" in line and all(f"{name}.jpg (it is not an image" in line for name in "abcd")
    status, text, err = cli(*words, "-m", f"out={tmp_path}/sweep")
    assert (status, err) == (0, "") and "data photographs: 1 with problems: " in text


def test_damaged_videos_are_told(train, video, tmp_path):
    folder = tmp_path / "camera"
    folder.mkdir()
    (folder / "1.mp4").write_bytes(video.read_bytes())
    (folder / "2.mp4").write_text("a text")
    mkv = folder / "3.mkv"
    subprocess.run([sys.executable, "-c", REMUX, str(video), str(mkv)], check=True)
    mkv.write_bytes(mkv.read_bytes()[: mkv.stat().st_size * 2 // 3])
    status, text, err = train(f"dataset.root={folder}", f"out={tmp_path}/out")
    assert (status, err) == (0, "")
    assert "data: 1 unreadable: 2.mp4: " in text
    assert "data: 1 with problems: 3.mkv: " in text


def test_a_cache_that_cannot_be_written_is_told_and_stops_nothing(train, tmp_path, monkeypatch):
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", "/dev/null/x")
    status, text, err = train(f"out={tmp_path}/out")
    assert status == 0 and "written to" in text and err.count("\n") == 1 and "cache_gb=0" in err
    status, text, err = train("cache_gb=0", f"out={tmp_path}/other")
    assert (status, err) == (0, "")
    ours, theirs = (tmp_path / out / "best.safetensors" for out in ("out", "other"))
    assert ours.read_bytes() == theirs.read_bytes()


def test_what_stands_in_the_configuration_are_the_defaults_of_the_signatures():
    words = ["extractor=autoencoder"]
    made = make_training(composed("train", words))
    assert made.options.params == AutoencoderOptions.build({}).params
    assert (made.data.dataset.name, made.seed, made.logger, str(made.data.split)) == ("rendered", 0, "csv", "given")
    defaults = {name: field.default for name, field in type(made.data).__dataclass_fields__.items()}
    told = {name: getattr(made.data, name) for name in defaults}
    assert {**told, "dataset": None, "split": None} == {**defaults, "dataset": None, "split": None}
    assert made.logger == type(made).logger and made.wandb_mode == type(made).wandb_mode
    for more, mode in ((["logger=wandb"], "offline"), (["logger=wandb", "logger.mode=disabled"], "disabled")):
        assert make_training(composed("train", [*words, *more])).wandb_mode == mode


def test_ctrl_c_keeps_what_is_finished(autoencoder, tmp_path, monkeypatch):
    from keyframe_bench.training.training_checkpoint import TrainingCheckpoint

    end = TrainingCheckpoint.on_train_epoch_end

    def pressed(self, trainer, module):
        end(self, trainer, module)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingCheckpoint, "on_train_epoch_end", pressed)
        status, _, err = autoencoder(f"out={tmp_path}/out")
    assert status == 130 and "to resume" in err and err.count("\n") == 1
    status, text, _ = autoencoder(f"out={tmp_path}/out")
    assert status == 0 and "1 of 2 epochs computed now" in text


def test_a_sweep_trains_each_in_a_folder_of_its_own(train, tmp_path):
    words = ("-m", "seed=0,1", "trainer.epochs=1,2", f"out={tmp_path}/out")
    status, text, err = train(*words)
    assert (status, err) == (0, "")
    records = [json.loads(p.read_text()) for p in (tmp_path / "out").glob("*/training.json")]
    assert {(r["seed"], r["options"]["epochs"]) for r in records} == {(0, 1), (0, 2), (1, 1), (1, 2)}
    assert all(f"{r['best_validation_loss']:.5f}" in text for r in records) and "4 trainings computed now" in text
    assert all(p.parent.name in text for p in (tmp_path / "out").glob("*/training.json")), "names in full"
    status, text, err = train(*words)
    assert (status, err) == (0, "") and "0 epochs computed now" in text


def test_text_of_a_data_set_is_taken_as_it_stands_in_a_sweep_too(cli, plugin, rendered, tmp_path):
    root = tmp_path / "films"
    root.mkdir()
    for name in ("f(1, x).mp4", "f(1, y).mp4"):
        shutil.copy(rendered / "cuts.mp4", root / name)
    words = ("train", "-m", f"--plugin={plugin}", "extractor=usual_histogram", "dataset=folder", f"dataset.root={root}")
    status, text, err = cli(*words, "dataset.pattern=f(*, x*", "split=temporal:0.5", "seed=0,1", f"out={tmp_path}/out")
    assert (status, err) == (0, "") and "2 trainings computed now" in text
    for record in map(json.loads, (p.read_text() for p in (tmp_path / "out").glob("*/training.json"))):
        assert [video["video"] for video in record["trained_on"] if video["part"] == "train"] == ["f(1, x).mp4"]


@pytest.mark.slow  # worker processes import torch and Lightning
def test_a_sweep_with_joblib_gives_the_same(autoencoder, tmp_path):
    words = ("-m", "seed=0,1")
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.launcher.verbose=0")
    status, text, _ = autoencoder(*words, f"out={tmp_path}/one")
    assert status == 0 and "4 epochs computed now" in text
    status, _, err = autoencoder(*words, *launcher, f"out={tmp_path}/two")
    assert (status, err) == (0, "")
    found = [*(tmp_path / "one").glob("*/best.safetensors")]
    assert len(found) == 2
    for path in found:
        assert (tmp_path / "two" / path.parent.name / path.name).read_bytes() == path.read_bytes()


def test_one_failure_in_a_sweep_leaves_the_others(train, tmp_path):
    status, text, err = train("-m", "sampling=every,every30", f"out={tmp_path}/out")
    failed, summed_up = err.splitlines()
    assert status == 1 and failed.startswith("failed: sampling=every30 (") and "0 for validation" in failed
    assert f"{tmp_path}/out" in failed and "1 of 2 trainings failed" in summed_up
    assert "1 trainings computed now" in text
    assert not any(word in err for word in ("launcher", "cells", "Traceback"))
    status, _, err = train("-m", "seed=0,-1", f"out={tmp_path}/none")
    assert status == 2 and "seed=-1" in err and not (tmp_path / "none").exists()


def test_a_crash_in_a_sweep_leaves_the_others(train, tmp_path, monkeypatch):
    def crashes(*_, **__):
        raise ZeroDivisionError("of tests")

    with monkeypatch.context() as patch:
        patch.setattr("keyframe_bench.training.session.Session.checkpoint", crashes)
        status, text, err = train("-m", "seed=0,1", f"out={tmp_path}/out")
    assert status == 1 and text == ""
    assert [line.partition(" (")[0] for line in err.splitlines()[:2]] == ["failed: seed=0", "failed: seed=1"]
    assert "ZeroDivisionError in plug-in file" in err and "2 of 2 trainings failed" in err


def test_what_is_finished_needs_no_lightning(autoencoder, tmp_path, monkeypatch):
    assert autoencoder(f"out={tmp_path}/out")[0] == 0
    monkeypatch.setitem(sys.modules, "pytorch_lightning", None)  # importing it fails
    status, text, err = autoencoder(f"out={tmp_path}/out")
    assert (status, err) == (0, "") and "0 epochs computed now" in text
    status, _, err = autoencoder(f"out={tmp_path}/other")
    assert status == 2 and "pip install 'keyframe_bench[training]'" in err


def test_a_line_a_minute_where_there_is_no_terminal(autoencoder, tmp_path, monkeypatch):
    assert autoencoder(f"out={tmp_path}/short")[2] == ""
    monkeypatch.setattr("keyframe_bench.cli.progress.LINE_EVERY_S", 0.0)
    lines = autoencoder(f"out={tmp_path}/long")[2].splitlines()
    assert any("epoch 2 of 2" in line and "left" in line for line in lines)


def test_the_command_alone_loads_no_torch(video):
    """Wrong options are told at once."""
    code = (
        "import sys; from keyframe_bench.cli.main import main; "
        "main(['train', 'extractor=autoencoder', 'dataset=rendered', 'trainer.network=x']); "
        "print([m for m in ('torch', 'pytorch_lightning', 'wandb') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]" and "unknown network" in done.stderr
