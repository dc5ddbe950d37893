"""``keyframe-bench train``: from a command line to checkpoints, errors as one sentence, sweeps."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("pytorch_lightning", reason="needs keyframe_bench[training]")

from keyframe_bench.training.data import TrainingData
from keyframe_bench.training.spec import TrainSpec

from keyframe_bench.cli.compose import built_params, composed
from keyframe_bench.cli.train_command import _Typed, make_spec
from keyframe_bench.models.checkpoint import load_autoencoder
from keyframe_bench.models.losses import MixLoss
from keyframe_bench.models.networks import ConvolutionalNetwork

PLUGIN = """
import numpy as np
import keyframe_bench as kb
from keyframe_bench.core.errors import UsageError
from keyframe_bench.training.data import Pictures, TrainingData


@kb.register("noise_of_tests")
class Noise(TrainingData):
    '''Noise, or what a file of grey levels says.'''

    description = "noise"

    def __init__(self, root: str | None = None, n: int = 6) -> None:
        self.root = root
        self.n = n

    def digest(self):
        return f"{self.root} {self.n}"

    def pictures(self, height, width):
        if self.n < 3:
            raise UsageError(f"n={self.n} pictures are too few")
        levels = 256 if self.root is None else int(open(self.root).read())
        found = np.random.default_rng(0).integers(0, levels, (self.n, height, width, 3), dtype=np.uint8)
        return Pictures(found[:-2], found[-2:], "noise", self.digest(), flip=True)
"""
REMUX = """
import sys, av
with av.open(sys.argv[1]) as source, av.open(sys.argv[2], "w") as out:
    stream = out.add_stream_from_template(source.streams.video[0])
    for packet in source.demux(source.streams.video[0]):
        if packet.size:
            packet.stream = stream
            out.mux(packet)
"""
SMALL = ("network.width=0.125", "network.geometry=0.25", "loss=l2", "trainer=smoke", "trainer.threads=1")


@pytest.fixture
def plugin(tmp_path, own_registry):
    from keyframe_bench.training.data import TrainingData

    before = TrainingData.registry.entries()
    file = tmp_path / "noise_of_tests.py"
    file.write_text(PLUGIN)
    yield file
    TrainingData.registry._entries = before


@pytest.fixture
def train(cli, plugin):
    def run(*words):
        return cli("train", f"--plugin={plugin}", "data=noise_of_tests", *SMALL, *words)

    return run


def test_a_training_from_a_command_line(train, tmp_path):
    out = tmp_path / "a=b, (c)"
    status, text, err = train("trainer.epochs=3", "seed=4", f"out={out}")
    assert (status, err) == (0, "")
    for told in ("ae_final", "input 24 x 48", "4 pictures for training, 2 for validation", "3 of 3 epochs", "images/s"):
        assert told in text
    model, record = load_autoencoder(out / "best.safetensors")
    assert f"{sum(p.numel() for p in model.parameters()):,} parameters" in text
    identity = json.loads((out / "training.json").read_text())["identity"]
    assert (identity["seed"], identity["trainer"]["epochs"], identity["trainer"]["batch"]) == (4, 3, 8)
    assert identity["loss"]["kind"] == "l2" and record["key"]
    status, text, err = train("trainer.epochs=3", "seed=4", f"out={out}")
    assert (status, err) == (0, "") and "0 epochs computed now" in text


def test_paths_are_taken_as_they_stand(train, tmp_path):
    root, start = tmp_path / "levels, [1]=${x}.txt", tmp_path / "first"
    root.write_text("9")
    assert train(f"out={start}", f"data.root={root}")[0] == 0
    moved = (start / "best.safetensors").rename(tmp_path / "it's {a: 1}.safetensors")
    status, _, err = train(f"out={tmp_path}/second", f"data.root={root}", f"init={moved}")
    assert (status, err) == (0, "")
    assert json.loads((tmp_path / "second" / "training.json").read_text())["init"]["path"] == str(moved)


def test_without_out_every_training_has_its_own_folder(train, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train()[0] == train("seed=1")[0] == 0
    found = sorted(p.name for p in (tmp_path / "outputs" / "train").iterdir())
    assert len(found) == 2 and all(name.startswith("ae_final-noise_of_tests-l2-seed") for name in found)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("network=ae_finel", "unknown network 'ae_finel'"),
        ("network.widht=1", "no parameter 'widht'; did you mean width"),
        ("network.name=p1_1", "choose it with network=NAME"),
        ("network.geometry=0.33", "geometry=0.33 makes layer"),
        ("loss=l3", "unknown loss 'l3'; did you mean l2"),
        ("loss.alpha=2", "loss 'l2': alpha=2 is not a number between 0 and 1"),
        ("loss=[l2,mix]", "loss is one name"),
        ("data=nois_of_tests", "did you mean noise_of_tests"),
        ("data.n=2", "n=2 pictures are too few"),
        ("data.m=2", "no parameter 'm'"),
        ("trainer=fast", "unknown trainer 'fast'; known are default, smoke"),
        ("trainer.epochs=0", "epochs=0 is not a whole number at least 1"),
        ("logger=tensorboard", "unknown logger 'tensorboard'; known are csv, wandb"),
        ("logger.mode=offline", "logger=csv has no option 'mode'"),
        ("seed=-1", "seed=-1 is not a whole number"),
        ("sed=1", "did you mean seed="),
        ("limit=50", "unknown option limit=; did you mean data.limit="),
        ("epochs=1", "unknown option epochs=; did you mean trainer.epochs="),
        ("seed=1,2", "or -m to sweep"),
        ("dataset=folder", "unknown option dataset="),
        ("grid.uniform.phase=1", "unknown option grid.uniform.phase="),
        ("weights=x", "train takes no weights="),
        ("init=", "init= is empty"),
        ("init=/missing.safetensors", "'/missing.safetensors' cannot be read"),
        ("data.root=", "data.root= is empty"),
        ("hydra.verbose=true", "keyframe-bench train -m"),
    ],
)
def test_bad_input_is_one_sentence(train, tmp_path, word, told):
    status, _, err = train(f"out={tmp_path}/out", word)
    assert status == 2 and err.count("\n") == 1 and told in err, err
    assert not (tmp_path / "out" / "training.json").exists()


def test_unreadable_pictures_are_told(cli, tmp_path):
    root = tmp_path / "photographs"
    root.mkdir()
    for n in range(12):
        assert cv2.imwrite(str(root / f"{n}.png"), np.full((24, 48, 3), 20 * n, np.uint8))
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        (root / name).write_text(f"the text {name}")
    words = ("train", "data=image_folder", f"data.root={root}", *SMALL)
    for _ in ("trained now", "trained before"):
        status, text, err = cli(*words, f"out={tmp_path}/out")
        assert (status, err) == (0, "")
        (line,) = (line for line in text.splitlines() if " unreadable: " in line)
        assert line.startswith("data: 4 unreadable: ") and line.endswith(" and 1 more")
        assert line.count(".jpg: ") == 3
    status, text, err = cli(*words, "-m", f"out={tmp_path}/sweep")
    assert (status, err) == (0, "") and "data photographs: 4 unreadable: " in text


def test_damaged_videos_are_told(cli, video, tmp_path):
    folder = tmp_path / "camera"
    folder.mkdir()
    (folder / "1.mp4").write_bytes(video.read_bytes())
    (folder / "2.mp4").write_text("a text")
    mkv = folder / "3.mkv"
    subprocess.run([sys.executable, "-c", REMUX, str(video), str(mkv)], check=True)
    mkv.write_bytes(mkv.read_bytes()[: mkv.stat().st_size * 2 // 3])
    status, text, err = cli("train", "data=camera", f"data.root={folder}", *SMALL, f"out={tmp_path}/out")
    assert (status, err) == (0, "")
    assert "data: 1 unreadable: 2.mp4: " in text
    assert "data: 1 with problems: 3.mkv: " in text


def test_what_stands_in_the_configuration_are_the_defaults_of_the_signatures(train):
    config = composed("train", [])
    spec = TrainSpec(
        ConvolutionalNetwork.build("ae_final"), MixLoss(), TrainingData.registry.build("rendered", {}), Path()
    )
    name, params = built_params(config["network"])
    assert ConvolutionalNetwork.build(name, params).params == spec.network.params
    kind, params = built_params(config["loss"])
    assert {**params, "kind": kind} == spec.loss.params
    assert (config["data"]["name"], config["seed"], config["logger"]) == ("rendered", spec.seed, {"name": spec.logger})
    assert make_spec(composed("train", ["logger=wandb"]), _Typed(None, None, {})).wandb_mode == spec.wandb_mode
    chosen = composed("train", ["logger=wandb", "logger.mode=disabled"])
    assert make_spec(chosen, _Typed(None, None, {})).wandb_mode == "disabled"


def test_ctrl_c_keeps_what_is_finished(train, tmp_path, monkeypatch):
    from keyframe_bench.training.keeper import Keeper

    end = Keeper.on_train_epoch_end

    def pressed(self, trainer, module):
        end(self, trainer, module)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "on_train_epoch_end", pressed)
        status, _, err = train(f"out={tmp_path}/out")
    assert status == 130 and "the same command goes on from there" in err and err.count("\n") == 1
    status, text, _ = train(f"out={tmp_path}/out")
    assert status == 0 and "1 of 2 epochs computed now" in text


@pytest.mark.slow
def test_a_sweep_trains_each_in_a_folder_of_its_own(train, tmp_path):
    words = ("-m", "seed=0,1", "loss=l2,ssim", f"out={tmp_path}/out")
    status, text, err = train(*words)
    assert (status, err) == (0, "")
    records = [json.loads(p.read_text()) for p in (tmp_path / "out").glob("*/training.json")]
    assert {(r["seed"], r["loss"]["kind"]) for r in records} == {(0, "l2"), (0, "ssim"), (1, "l2"), (1, "ssim")}
    assert all(f"{r['best_validation_loss']:.5f}" in text for r in records) and "8 epochs computed now" in text
    assert all(p.parent.name in text for p in (tmp_path / "out").glob("*/training.json")), "names in full"
    status, text, err = train(*words)
    assert (status, err) == (0, "") and "0 epochs computed now" in text


@pytest.mark.slow  # worker processes import torch and Lightning
def test_a_sweep_with_joblib_gives_the_same(train, tmp_path):
    words = ("-m", "seed=0,1")
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.launcher.verbose=0")
    assert train(*words, f"out={tmp_path}/one")[0] == 0
    status, _, err = train(*words, *launcher, f"out={tmp_path}/two")
    assert (status, err) == (0, "")
    for path in (tmp_path / "one").glob("*/best.safetensors"):
        assert (tmp_path / "two" / path.parent.name / path.name).read_bytes() == path.read_bytes()


def test_one_failure_in_a_sweep_leaves_the_others(train, tmp_path):
    status, text, err = train("-m", "data.n=2,6", f"out={tmp_path}/out")
    failed, summed_up = err.splitlines()
    assert status == 1 and failed.startswith("failed: data.n=2 (") and "n=2 pictures are too few" in failed
    assert f"{tmp_path}/out" in failed and "1 of 2 trainings failed" in summed_up
    assert "2 epochs computed now" in text
    assert not any(word in err for word in ("launcher", "cells", "Traceback"))
    status, _, err = train("-m", "seed=0,-1", f"out={tmp_path}/none")
    assert status == 2 and "seed=-1" in err and not (tmp_path / "none").exists()


def test_a_crash_in_a_sweep_leaves_the_others(train, tmp_path, monkeypatch):
    from keyframe_bench.training.keeper import Keeper

    def crashes(self, *_):
        raise ZeroDivisionError("of tests")

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "on_train_epoch_end", crashes)
        status, text, err = train("-m", "seed=0,1", f"out={tmp_path}/out")
    assert status == 1 and text == ""
    assert [line.partition(" (")[0] for line in err.splitlines()[:2]] == ["failed: seed=0", "failed: seed=1"]
    assert "ZeroDivisionError: of tests" in err and "2 of 2 trainings failed" in err


def test_what_is_finished_needs_no_lightning(train, tmp_path, monkeypatch):
    assert train(f"out={tmp_path}/out")[0] == 0
    monkeypatch.setitem(sys.modules, "pytorch_lightning", None)  # importing it fails
    status, text, err = train(f"out={tmp_path}/out")
    assert (status, err) == (0, "") and "0 epochs computed now" in text
    assert train(f"out={tmp_path}/other")[0] == 2


def test_a_line_a_minute_where_there_is_no_terminal(train, tmp_path, monkeypatch):
    assert train(f"out={tmp_path}/short")[2] == ""
    monkeypatch.setattr("keyframe_bench.cli.progress.LINE_EVERY_S", 0.0)
    lines = train(f"out={tmp_path}/long")[2].splitlines()
    assert any("epoch 2 of 2" in line and "left" in line for line in lines)


def test_the_command_alone_loads_no_torch(plugin):
    """Wrong options are told at once."""
    code = (
        "import sys; from keyframe_bench.cli.main import main; "
        f"main(['train', '--plugin', {str(plugin)!r}, 'data=noise_of_tests', 'network=x']); "
        "print([m for m in ('torch', 'pytorch_lightning', 'wandb') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]" and "unknown network" in done.stderr
