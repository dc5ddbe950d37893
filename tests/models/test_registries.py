"""Networks and losses by name: a plug-in's train, resume and extract; those of the package are what they were."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from keyframe_bench.core.checkpoint import checkpoint_id
from keyframe_bench.core.files import digest
from keyframe_bench.extractors.autoencoder.options import AutoencoderOptions
from keyframe_bench.models.base import Loss, Network
from keyframe_bench.models.checkpoint import load_autoencoder, network_id

# Hashes of the parameters of every built-in network and loss, by default and changed, from before they were registered.
BEFORE = json.loads((Path(__file__).parent / "registered.json").read_text())
CHANGED: dict[str, dict[str, Any]] = {
    "networks": {"width": 0.25, "geometry": 0.6667, "p1_4_l2": 64, "code_act": "relu", "up": "nearest_conv"},
    "losses": {
        **{"ms_kind": "pyramid", "alpha": 0.84, "compensation": 200, "padding": "valid"},
        **{"channel_reduce": "product", "levels": "five"},
    },
}
PLUGIN = '''
import keyframe_bench as kb


@kb.register("tiny_ae")
class TinyAutoencoder(kb.Network):
    """Blocks of 4 x 4 pixels."""

    input_height = 24
    input_width = 48

    def __init__(self, *, channels: int = 6) -> None:
        self.channels = channels

    @property
    def code_shape(self):
        return self.channels, 6, 12

    def encoder_decoder(self):
        from torch import nn

        encoder = nn.Conv2d(3, self.channels, 4, 4)
        return encoder, nn.Sequential(nn.ConvTranspose2d(self.channels, 3, 4, 4), nn.Sigmoid())


@kb.register("huber")
class Huber(kb.Loss):
    """Squared for small differences."""

    def __init__(self, *, delta: float = 0.1) -> None:
        self.delta = delta

    def per_picture(self, first, second):
        from torch.nn.functional import huber_loss

        return huber_loss(first, second, reduction="none", delta=self.delta).mean(dim=(1, 2, 3))
'''
TIE = """
        tied = nn.ConvTranspose2d(self.channels, 3, 4, 4)
        tied.weight = encoder.weight
"""
METHOD = ("extractor=autoencoder", "trainer=smoke", "trainer.threads=1")
DATA = ("dataset=rendered", "dataset.n=12", "dataset.n_validation=4")
OWN = ("trainer.network=tiny_ae", "trainer.loss=huber", "trainer.delta=0.2")


@pytest.fixture
def plugin(tmp_path: Path, own_registry: None) -> Path:
    file = tmp_path / "my_net.py"
    file.write_text(PLUGIN)
    return file


@pytest.fixture
def train(cli, plugin):
    def run(*words: object, file: Path = plugin) -> tuple[int, str, str]:
        return cli("train", f"--plugin={file}", *METHOD, *DATA, *words)

    return run


def test_a_plugin_trains_resumes_and_extracts(train, cli, command, plugin, video, tmp_path, monkeypatch):
    from keyframe_bench.training.training_checkpoint import TrainingCheckpoint

    status, text, err = train(*OWN, f"out={tmp_path}/whole")
    assert status == 0 and "error:" not in err
    assert "network tiny_ae, loss huber" in text and "channels 6" in text and "delta 0.2" in text
    end = TrainingCheckpoint.on_train_epoch_end

    def pressed(self: TrainingCheckpoint, *given: Any) -> None:
        end(self, *given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingCheckpoint, "on_train_epoch_end", pressed)
        assert train(*OWN, f"out={tmp_path}/cut")[0] == 130
    status, text, _ = train(*OWN, f"out={tmp_path}/cut")
    assert status == 0 and "1 of 2 epochs computed now" in text
    checkpoint = tmp_path / "whole" / "best.safetensors"
    assert (tmp_path / "cut" / "best.safetensors").read_bytes() == checkpoint.read_bytes()
    options = json.loads((tmp_path / "whole" / "training.json").read_text())["identity"]["options"]
    assert options["channels"] == 6 and options["delta"] == 0.2

    words = (video, "extractor=autoencoder", f"extractor.checkpoint={checkpoint}", "budget=3", f"out={tmp_path}/frames")
    for space in ("reconstruction", "cross", "feature_mix"):
        status, _, err = cli("extract", f"--plugin={plugin}", *words, f"extractor.distance_space={space}")
        assert (status, err) == (0, "")
    assert len(json.loads((tmp_path / "frames" / "keyframes.json").read_text())["frames"]) == 3
    assert network_id(checkpoint) != checkpoint_id(checkpoint, "autoencoder")  # rows depend on the network's code, too
    assert network_id("bundled") == checkpoint_id("bundled", "autoencoder")

    alone = command("extract", *words)
    err = alone.stderr.decode()
    assert alone.returncode == 2 and err.count("\n") == 1 and "tiny_ae" in err and "--plugin" in err
    Network.registry._entries.pop("tiny_ae")  # two plug-ins may not have one name
    Loss.registry._entries.pop("huber")
    edited = tmp_path / "edited.py"
    edited.write_text(PLUGIN.replace('"none"', "'none'"))
    status, _, err = train(*OWN, f"out={tmp_path}/whole", file=edited)
    assert status == 2 and "holds another training" in err


def test_own_and_other_parts_mix(train, tmp_path):
    words = ("trainer.network=tiny_ae", "trainer.loss=ssim", "trainer.epochs=1")
    assert train(*words, f"out={tmp_path}/ssim")[0] == 0
    small = ("trainer.network=ae_final", "trainer.width=0.05", "trainer.geometry=0.25", "trainer.epochs=1")
    assert train(*small, "trainer.loss=huber", f"out={tmp_path}/huber")[0] == 0
    precise = ("trainer.precision=bf16", "trainer.epochs=1", f"out={tmp_path}/bf16")
    assert train(*OWN, *precise)[0] == 0
    start = f"init={tmp_path}/ssim/best.safetensors"
    assert train(*OWN, start, "trainer.epochs=1", f"out={tmp_path}/next")[0] == 0
    status, _, err = train(*OWN, "trainer.channels=7", start, f"out={tmp_path}/seven")
    assert status == 2 and "is of network tiny_ae, not of tiny_ae (channels=7)" in err


def test_both_are_listed(cli, plugin):
    status, out, _ = cli("list", "--json", "--plugin", plugin)
    listed = {kind: {row["name"]: row for row in rows} for kind, rows in json.loads(out).items()}
    assert status == 0
    network, loss = listed["networks"]["tiny_ae"], listed["losses"]["huber"]
    assert (network["available"], network["about"]) == (True, "Blocks of 4 x 4 pixels.")
    assert [p["name"] for p in network["parameters"]] == ["channels"]
    assert loss["parameters"] == [{"name": "delta", "default": 0.1, "expects": "a number", "about": ""}]
    assert listed["networks"].keys() - {"tiny_ae"} == BEFORE["networks"].keys()
    assert listed["losses"].keys() - {"huber"} == BEFORE["losses"].keys()
    tiny = Network.registry.build("tiny_ae")
    assert (*AutoencoderOptions.build({"network": "tiny_ae"}).counts, tiny.compression) == (585, 41_472, 8)
    assert listed["networks"]["ae_final"]["trained_numbers"] == 580_435
    status, out, _ = cli("list", "--plugin", plugin)
    assert status == 0 and "channels=6" in out and "delta=0.1" in out


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("trainer.network=tiny_a", "did you mean tiny_ae"),
        ("trainer.chanels=3", "no option 'chanels'; did you mean channels"),
        ("channels=3", "channels"),
        ("network=tiny_ae", "did you mean trainer.network="),
    ],
)
def test_wrong_names_are_told(train, tmp_path, word, told):
    status, _, err = train(*OWN, f"out={tmp_path}/out", word)
    assert status == 2 and err.count("\n") == 1 and told in err


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("channels, 6, 12", "channels, 6, 11", "network 'tiny_ae'"),
        ("3, 4, 4)", "3, 4, 5)", "network 'tiny_ae'"),
        ("return encoder, nn", "return nn", "network 'tiny_ae'"),
        ("from torch import nn", "1 / 0", "network 'tiny_ae'"),
        ("def encoder_decoder", "def decoder_encoder", "network 'tiny_ae'"),
        ("(dim=(1, 2, 3))", "()", "loss 'huber'"),
        ("(dim=(1, 2, 3))", "(dim=(1, 2, 3)) + 1", "loss 'huber'"),
        ("(dim=(1, 2, 3))", "(dim=(1, 2, 3)) * float('nan')", "loss 'huber'"),
        ("(first, second,", "(first, second.detach(),", "loss 'huber'"),
        ("*, delta", "*, kind", "'kind'"),
        ('"huber"', '"mix"', "loss name 'mix'"),
        ('"tiny_ae"', '"ae_final"', "network name 'ae_final'"),
        ("channels: int", "channels: list", "channels"),
        ("import keyframe_bench as kb", "import nothing_of_tests", "nothing_of_tests"),
    ],
)
def test_broken_plugins_are_named_before_anything_is_written(train, tmp_path, right, wrong, told):
    bad = tmp_path / "bad.py"
    bad.write_text(PLUGIN.replace(right, wrong))
    assert bad.read_text() != PLUGIN
    status, _, err = train(*OWN, f"out={tmp_path}/out", file=bad)
    assert status == 2 and err.count("\n") == 1 and told in err and "bad.py" in err and "Traceback" not in err
    assert not (tmp_path / "out" / "training.json").exists()


def test_halves_may_share_weights(train, tmp_path):
    """The file format refuses tensors that share memory: a checkpoint holds copies."""
    tied = tmp_path / "tied.py"
    own = "nn.ConvTranspose2d(self.channels, 3, 4, 4)"
    tied.write_text(PLUGIN.replace(own, "tied").replace("        return encoder, ", TIE + "        return encoder, "))
    assert train(*OWN, "trainer.epochs=1", f"out={tmp_path}/out", file=tied)[0] == 0
    state = load_autoencoder(tmp_path / "out" / "best.safetensors")[0].state_dict()
    assert state["encoder.weight"].equal(state["decoder.0.weight"])


@pytest.mark.parametrize("kind", ["networks", "losses"])
def test_built_ins_are_what_they_were(kind):
    registry: Any = Network.registry if kind == "networks" else Loss.registry
    for name, before in BEFORE[kind].items():
        built = [registry.build(name), registry.build(name, CHANGED[kind])]
        assert [digest(one.params) for one in built] == before
        assert pickle.loads(pickle.dumps(built[1])).params == built[1].params
