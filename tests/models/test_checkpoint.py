"""Checkpoints: what is written comes back, and what is no checkpoint is refused in a sentence and never run."""

from __future__ import annotations

import importlib.resources
import json
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keyframe_bench.core.errors import UnavailableError, UsageError
from keyframe_bench.models.checkpoint import (
    BUNDLED,
    FORMAT,
    bundled_path,
    checkpoint_id,
    checkpoint_path,
    load_autoencoder,
    read_record,
    save_autoencoder,
    why_unavailable,
)
from keyframe_bench.models.networks import ConvolutionalNetwork

SMALL = ConvolutionalNetwork.build("ae_final", {"width": 0.25, "geometry": 0.25})
RECORD = {"loss": {"kind": "mix", "alpha": 0.025}, "best_validation_loss": 0.0123, "data": "drawn"}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from keyframe_bench.models.autoencoder import Autoencoder

    torch.manual_seed(3)
    model = Autoencoder(SMALL)
    model(torch.rand(4, 3, 24, 48))  # batch statistics that are not those of a fresh module
    path = tmp_path_factory.mktemp("checkpoints") / "small, odd=name.safetensors"
    save_autoencoder(path, model, RECORD)
    return path


@pytest.fixture
def changed(file: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write the checkpoint again with other metadata."""

    def write(**metadata: str | None) -> Path:
        from safetensors import safe_open
        from safetensors.torch import load_file, save_file

        with safe_open(file, framework="pt") as opened:
            told = opened.metadata() | metadata
        path = tmp_path / "changed.safetensors"
        save_file(load_file(file), path, {k: v for k, v in told.items() if v is not None})
        return path

    return write


def test_what_is_saved_comes_back(file: Path) -> None:
    import torch

    before = torch.random.get_rng_state()
    model, record = load_autoencoder(file)
    assert torch.equal(before, torch.random.get_rng_state())
    assert record == RECORD and model.network.params == SMALL.params and not model.training
    pictures = torch.rand(1, 3, 24, 48, generator=torch.Generator().manual_seed(0))
    again, _ = load_autoencoder(str(file), SMALL)
    with torch.inference_mode():
        assert torch.equal(model(pictures), again(pictures))
        assert model(pictures).std() > 0
    network, record = read_record(file)
    assert record == RECORD and network.params == SMALL.params


def test_reading_the_record_imports_no_torch(file: Path) -> None:
    code = (
        "import sys; from keyframe_bench.models.checkpoint import checkpoint_id, read_record, why_unavailable; "
        f"path = {str(file)!r}; read_record(path), checkpoint_id(path), why_unavailable(path); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("remainder", [0x80, 0x50])
def test_a_file_may_begin_with_the_bytes_of_a_pickle(changed: Callable[..., Path], remainder: int) -> None:
    """A safetensors file begins with the length of its header, which may be any multiple of 8."""
    path = next(
        path
        for n in range(0, 512, 2)
        if (path := changed(record=json.dumps({"note": "x" * n}))).read_bytes()[0] == remainder
    )
    assert read_record(path)[0].params == SMALL.params
    load_autoencoder(path)


@pytest.mark.parametrize(
    ("asked", "found_text", "asked_text"),
    [
        (
            ConvolutionalNetwork.build("p2_2", {"width": 0.25, "geometry": 0.5}),
            "ae_final (width=0.25, geometry=0.25)",
            "not of p2_2 (width=0.25",
        ),
        (ConvolutionalNetwork.build("ae_final"), "ae_final (width=0.25, geometry=0.25)", "not of ae_final that"),
        (
            ConvolutionalNetwork.build("ae_final", {"width": 0.25, "geometry": 0.5}),
            "of network ae_final (width=0.25, geometry=0.25)",
            "=0.5)",
        ),
        (
            ConvolutionalNetwork.build("ae_final", {"width": 0.25, "geometry": 0.25, "code_act": "relu"}),
            "of network ae_final (",
            "code_act=relu)",
        ),
    ],
)
def test_another_network_is_named_in_both_directions(
    file: Path, asked: ConvolutionalNetwork, found_text: str, asked_text: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_autoencoder(file, asked)
    message = str(caught.value)
    assert found_text in message and asked_text in message and message.startswith(f"checkpoint={str(file)!r}")


def test_messages_name_the_option_that_was_given(file: Path, tmp_path: Path) -> None:
    """A training that starts from a checkpoint calls it init."""
    (tmp_path / "text").write_text("a text")
    for path, network in (
        (tmp_path / "none", None),
        (tmp_path / "text", None),
        (file, ConvolutionalNetwork.build("p2_2")),
    ):
        with pytest.raises(UsageError) as caught:
            load_autoencoder(path, network, option="init")
        assert str(caught.value).startswith(f"init={str(path)!r}") and "checkpoint=" not in str(caught.value)


def test_names_for_one_network_are_one_network(file: Path) -> None:
    model, _ = load_autoencoder(
        file, ConvolutionalNetwork.build("p2_1", {"width": 0.25, "geometry": 0.25, "p1_4_l2": 64})
    )
    assert model.network.name == "ae_final"


class Trap:
    """Unpickling it leaves a trace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def refused(path: Path, message: str) -> None:
    """Both ways to read a checkpoint refuse it in one sentence that names it."""
    for read in (read_record, load_autoencoder):
        with pytest.raises(UsageError, match=message) as caught:
            read(path)
        text = str(caught.value)
        assert "\n" not in text and len(text) < 500 and repr(str(path)) in text


def test_pickles_are_refused_and_never_run(file: Path, tmp_path: Path) -> None:
    import torch

    trace = tmp_path / "was-run"
    pickles = {
        "plain.pkl": lambda path: path.write_bytes(pickle.dumps(Trap(trace))),
        "zip.pt": lambda path: torch.save({"x": Trap(trace)}, path),
        "old.pt": lambda path: torch.save({"x": Trap(trace)}, path, _use_new_zipfile_serialization=False),
        "state.safetensors": lambda path: torch.save(load_autoencoder(file)[0].state_dict(), path),
    }
    for name, write in pickles.items():
        write(tmp_path / name)
        refused(tmp_path / name, "is a pickled checkpoint, which could run code when loaded")
    (tmp_path / "ascii.pkl").write_bytes(pickle.dumps(Trap(trace), protocol=0))
    refused(tmp_path / "ascii.pkl", "no complete safetensors file")
    assert not trace.exists()
    torch.load(tmp_path / "zip.pt", weights_only=False)
    assert trace.exists()  # the trap works


def test_files_cut_anywhere_are_refused(file: Path, tmp_path: Path) -> None:
    raw = file.read_bytes()
    header = 8 + struct.unpack("<Q", raw[:8])[0]
    cut = tmp_path / "cut.safetensors"
    for length in (0, 1, 7, 8, 9, header // 2, header - 1, header, header + 1, len(raw) // 2, len(raw) - 1):
        cut.write_bytes(raw[:length])
        refused(cut, "no complete safetensors file")
    cut.write_bytes(raw + b"x")
    refused(cut, "no complete safetensors file")
    cut.write_bytes(struct.pack("<Q", 2**63) + raw[8:])
    refused(cut, "no complete safetensors file")


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    refused(tmp_path / "none.safetensors", "cannot be read .No such file")
    refused(tmp_path, "cannot be read")
    assert "does not exist" in (why_unavailable(tmp_path / "none") or "")
    with pytest.raises(UnavailableError, match=r"checkpoint file .* cannot be read"):
        checkpoint_id(tmp_path / "none")


def test_odd_names_are_names(file: Path, tmp_path: Path) -> None:
    odd = tmp_path / "c\u00e9, [1]={x}.bin"
    odd.write_bytes(file.read_bytes())
    assert read_record(odd)[1] == load_autoencoder(odd)[1] == RECORD
    assert checkpoint_id(odd) == checkpoint_id(file)
    try:
        bytes_only = tmp_path / os.fsdecode(b"caf\xe9")
        bytes_only.write_bytes(file.read_bytes())
    except OSError:
        pytest.skip("this file system takes no such name")
    refused(bytes_only, "a name that is not UTF-8, which safetensors does not open; rename it")


def test_safetensors_of_others_are_refused(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    for metadata in (None, {"format": "pt"}, {"format": FORMAT}):
        save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors", metadata)
        refused(tmp_path / "other.safetensors", "is no checkpoint of an auto-encoder")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (
            {"format": "keyframe_bench/autoencoder@2"},
            "has the format 'keyframe_bench/autoencoder@2', this",
        ),
        ({"network": None}, "is no checkpoint of an auto-encoder"),
        ({"record": None}, "is no checkpoint of an auto-encoder"),
        ({"network": "{"}, "has a damaged record"),
        ({"record": '{"a": 1'}, "has a damaged record"),
        ({"record": "[1]"}, "has a damaged record"),
        ({"record": "[" * 100_000}, "has a damaged record"),
        ({"network": "{}"}, "names a network that this version does not have .unknown network ''"),
        ({"network": '{"name": "vgg"}'}, "names a network that this version does not have .unknown network 'vgg'"),
        ({"network": '{"name": "ae_final", "depth": 3}'}, "has no parameter 'depth'"),
        ({"network": '{"name": "ae_final", "width": 1e9}'}, "width=1000000000.0 is not a number"),
        ({"network": '{"name": "ae_final", "geometry": 0.3}'}, "halve 29 x 58 pixels"),
    ],
)
def test_damaged_metadata_are_refused(
    changed: Callable[..., Path], metadata: dict[str, str | None], message: str
) -> None:
    refused(changed(**metadata), message)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"name": "ae_final"}, "does not fit its own network ae_final .* tensors of another shape, first decoder"),
        ({"name": "p2_2", "width": 0.25}, "tensors missing, first decoder"),
        ({"name": "p1_3", "width": 0.25}, "tensors unexpected, first decoder"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    changed: Callable[..., Path], params: dict[str, object], message: str
) -> None:
    path = changed(network=json.dumps(params))
    with pytest.raises(UsageError, match=message):
        load_autoencoder(path)


def test_numbers_that_are_not_finite_are_refused(file: Path, tmp_path: Path) -> None:
    import torch

    model, record = load_autoencoder(file)
    with torch.no_grad():
        next(model.decoder.parameters())[0, 0, 0, 0] = float("nan")
    save_autoencoder(tmp_path / "nan.safetensors", model, record)
    with pytest.raises(UsageError, match=r"not finite, first in decoder\.0\.0\.weight"):
        load_autoencoder(tmp_path / "nan.safetensors")


def test_a_file_that_changed_is_hashed_again(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.safetensors"
    path.write_bytes(file.read_bytes())
    assert checkpoint_id(path) == checkpoint_id(file)
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    os.utime(path, ns=(1, 1))
    assert checkpoint_id(path) != checkpoint_id(file)


def test_without_the_bundled_file_the_way_out_is_named(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.resources, "files", lambda package: tmp_path)
    assert "give checkpoint=PATH" in (why_unavailable(BUNDLED) or "")
    for ask in (bundled_path, lambda: checkpoint_id(BUNDLED), lambda: read_record(BUNDLED)):
        with pytest.raises(UnavailableError, match="checkpoint=bundled is not in this installation"):
            ask()
    (tmp_path / "ae_final.safetensors").write_bytes(file.read_bytes())
    assert why_unavailable(BUNDLED) is None
    assert checkpoint_path(BUNDLED) == tmp_path / "ae_final.safetensors"
    assert checkpoint_id(BUNDLED) == checkpoint_id(file)
    assert read_record(BUNDLED)[1] == load_autoencoder(BUNDLED)[1] == RECORD


def test_the_bundled_checkpoint_is_an_ae_final() -> None:
    assert why_unavailable(BUNDLED) is None
    network, record = read_record(BUNDLED)
    assert network.params == ConvolutionalNetwork.build("ae_final").params and record
    assert bundled_path().stat().st_size < 2_500_000
    load_autoencoder(BUNDLED, ConvolutionalNetwork.build("ae_final"))
