"""Codes, reconstructions and plain images: what a row is, what it depends on, what it is kept under."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from keyframe_bench.core.errors import UnavailableError, UsageError
from keyframe_bench.core.feature import Feature
from keyframe_bench.features.autoencoder import AutoencoderCode, Reconstruction
from keyframe_bench.features.images import Rgb
from keyframe_bench.models import encoding
from keyframe_bench.models.checkpoint import load_autoencoder
from keyframe_bench.models.encoding import Encoding, load_encoding
from keyframe_bench.models.networks import ConvolutionalNetwork
from keyframe_bench.video.arrays import ArrayFrame
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.onepass import read_pass

torch = pytest.importorskip("torch")
Trained = Callable[..., str]
NETWORK = ConvolutionalNetwork.build("ae_final", {"width": 0.25, "geometry": 0.5})  # 48 x 96 pixels, code 8 x 6 x 12
OTHER = ConvolutionalNetwork.build("ae_final", {"width": 0.2, "geometry": 0.5})


@pytest.fixture(scope="module")
def trained(checkpoint_of: Trained) -> Trained:
    """Write weights as after some training: batch statistics of their own, and images that are not grey."""
    from keyframe_bench.models.autoencoder import EncoderDecoder

    def write(network: ConvolutionalNetwork, path: Path) -> str:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            model = EncoderDecoder(network)
            for part in model.modules():
                if isinstance(part, torch.nn.BatchNorm2d):
                    torch.nn.init.uniform_(part.weight, 0.8, 1.6)
                    torch.nn.init.normal_(part.bias, 0, 0.3)
            for _ in range(20):
                model(torch.rand(2, 3, network.input_height, network.input_width))
        return checkpoint_of(path, model)

    return write


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> str:
    return trained(NETWORK, tmp_path_factory.mktemp("weights") / "half.safetensors")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def noise(n: int, height: int = 60, width: int = 80) -> list[ArrayFrame]:
    images = np.random.default_rng(0).integers(0, 256, (n, height, width, 3), dtype=np.uint8)
    return [ArrayFrame(image, ordinal) for ordinal, image in enumerate(images)]


def by_the_module(checkpoint: str, frames: list[ArrayFrame]) -> tuple[np.ndarray, np.ndarray]:
    """Codes and reconstructions of levels 0 to 255 by the plain module, in 64 bits."""
    model, _ = load_autoencoder(checkpoint)
    pictures = np.stack([frame.rgb(model.network.input_height, model.network.input_width) for frame in frames])
    with torch.inference_mode():
        codes = model.double().encode(torch.from_numpy(pictures).permute(0, 3, 1, 2).double() / 255)
        return codes.numpy(), 255 * model.decode(codes).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize(
    "network",
    [
        NETWORK,
        ConvolutionalNetwork.build("ae_final", {"geometry": 0.25, "up": "nearest_conv", "code_act": "relu"}),
        ConvolutionalNetwork.build("p1_4", {"width": 0.1, "geometry": 0.5}),
        ConvolutionalNetwork.build("ae_test_01", {"geometry": 0.125}),
    ],
    ids=lambda network: f"{network.name}-{network.up}",
)
def test_rows_are_what_the_network_gives(network: ConvolutionalNetwork, tmp_path: Path, trained: Trained) -> None:
    path = trained(network, tmp_path / "x.safetensors")
    frames = noise(3)
    codes, levels = by_the_module(path, frames)
    rows = AutoencoderCode(checkpoint=path, precision="fp32").compute(frames)
    pictures = Reconstruction(checkpoint=path, precision="fp32").compute(frames)
    assert rows.dtype == np.float32 and rows.shape == (3, *network.code_shape)
    np.testing.assert_allclose(rows, codes, rtol=1e-3, atol=1e-5)
    assert pictures.dtype == np.uint8 and pictures.shape == (3, network.input_height, network.input_width, 3)
    assert np.abs(pictures - levels).max() < 0.51
    assert levels.std() > 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_row_depends_on_its_own_picture_only_and_bf16_is_near(checkpoint: str, precision: str) -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU takes several images at a time, and rounds by how many")
    frames = noise(5)
    codes, levels = by_the_module(checkpoint, frames)
    for feature in (AutoencoderCode, Reconstruction):
        whole = feature(checkpoint=checkpoint, precision=precision).compute(frames)
        for batch in ([0], [3], [4, 3], [2, 2, 1]):
            encoding._load.cache_clear()
            part = feature(checkpoint=checkpoint, precision=precision).compute([frames[i] for i in batch])
            np.testing.assert_array_equal(part, whole[batch])
        if precision == "bf16" and feature is AutoencoderCode:
            assert 0 < np.sqrt(np.mean((whole - codes) ** 2)) < 0.01 * codes.std()
        elif precision == "bf16":
            assert np.abs(whole - levels).max() < 2


def test_a_frame_is_encoded_once_in_a_pass(checkpoint: str, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    plain = Encoding._encoded

    def counting(self: Encoding, pictures: np.ndarray) -> np.ndarray:
        encoded.append(len(pictures))
        return plain(self, pictures)

    needs: list[Feature] = [AutoencoderCode(checkpoint=checkpoint), Reconstruction(checkpoint=checkpoint)]
    for feature in needs:
        feature.prepare()
    monkeypatch.setattr(Encoding, "_encoded", counting)
    together = read_pass(video, {"every": needs}).clip("every", needs)
    assert sum(encoded) == len(together)
    for feature in needs:
        alone = read_pass(video, {"every": [feature]}).clip("every", [feature])
        np.testing.assert_array_equal(together[feature], alone[feature])


def test_what_was_encoded_last_is_no_ones_to_change(checkpoint: str) -> None:
    network = load_encoding(checkpoint, "fp32")
    pictures = np.random.default_rng(1).integers(0, 256, (2, network.height, network.width, 3), dtype=np.uint8)
    codes = network.codes(pictures)
    expected = codes.copy()
    codes[:] = 0
    assert np.array_equal(network.codes(pictures.copy()), expected)
    pictures[0] = 0
    assert not np.array_equal(network.codes(pictures)[0], expected[0])


def test_the_key_names_the_weights_not_their_place(checkpoint: str, tmp_path: Path, trained: Trained) -> None:
    path, other = tmp_path / "now.safetensors", trained(OTHER, tmp_path / "other.safetensors")
    path.write_bytes(Path(checkpoint).read_bytes())
    feature, frames = AutoencoderCode(checkpoint=str(path)), noise(1)
    assert feature == AutoencoderCode(checkpoint=checkpoint) and checkpoint not in feature.key
    files, kinds = (checkpoint, other), (AutoencoderCode, Reconstruction)
    keys = {kind(checkpoint=p, precision=bits).key for kind in kinds for p in files for bits in ("fp32", "bf16")}
    assert len(keys) == 8
    before, key = feature.compute(frames), feature.key
    trained(OTHER, path)  # replaced: it is loaded again
    assert feature.key != key and not np.allclose(feature.compute(frames), before)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_numbers_that_overflow_are_said(checkpoint: str, tmp_path: Path, part: str, checkpoint_of: Trained) -> None:
    model, _ = load_autoencoder(checkpoint)
    with torch.no_grad():
        for layer in getattr(model, part)[:2]:
            layer[1].weight.fill_(3e38)
    path = checkpoint_of(tmp_path / "large.safetensors", model)
    with pytest.raises(UsageError, match=r"large\.safetensors' gives numbers that are not finite; choose"):
        Reconstruction(checkpoint=path).compute(noise(1))


def test_the_bundled_checkpoint_is_the_default(
    checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyframe_bench.core.checkpoint.files", lambda package: tmp_path)
    missing = Reconstruction().unavailable() or ""
    assert missing.startswith("checkpoint=bundled: no checkpoint of 'autoencoder' is in this installation")
    assert "keyframe-bench train extractor=autoencoder" in missing
    with pytest.raises(UnavailableError, match="checkpoint=bundled"):
        AutoencoderCode().prepare()
    (tmp_path / "bundled").mkdir()
    (tmp_path / "bundled" / "autoencoder.safetensors").write_bytes(Path(checkpoint).read_bytes())
    assert AutoencoderCode().unavailable() is None
    assert AutoencoderCode() == AutoencoderCode(checkpoint=checkpoint)


def test_asking_what_can_run_imports_no_network_package(checkpoint: str) -> None:
    code = f"""
import sys
from keyframe_bench.core.checkpoint import read_checkpoint
from keyframe_bench.extractors.embedding_kmeans import EmbeddingKMeans
from keyframe_bench.features.autoencoder import Reconstruction
feature = Reconstruction(checkpoint={checkpoint!r})
feature.unavailable(), feature.key, read_checkpoint({checkpoint!r}, "autoencoder")
EmbeddingKMeans().unavailable(), EmbeddingKMeans(weights="random").needs[0].key
sys.exit(any(m in sys.modules for m in ("torch", "timm", "torchvision", "sklearn")))
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rgb_is_the_upright_picture_made_small_as_the_network_takes_it(video: Path, checkpoint: str) -> None:
    """The rendered video is 64 x 48: every row averages 4 x 2 pixels of it, its shape not kept."""
    with VideoReader(video) as reader:
        frames = list(islice(reader, 3))
    rows = Rgb(height=12, width=32).compute(frames)
    assert rows.dtype == np.uint8 and rows.shape == (3, 12, 32, 3)
    full = np.stack([frame.full_rgb() for frame in frames])
    np.testing.assert_array_equal(Rgb(height=48, width=64).compute(frames), full)
    means = full.reshape(3, 12, 4, 32, 2, 3).mean(axis=(2, 4))
    assert np.abs(rows - means).mean() < 2  # not all alike: planes are made small before their conversion
    network = ConvolutionalNetwork.build("ae_final")
    assert (Rgb().height, Rgb().width) == (network.input_height, network.input_width)
    own = AutoencoderCode(checkpoint=checkpoint).images(noise(2))
    np.testing.assert_array_equal(Rgb(height=48, width=96).compute(noise(2)), own)
