"""Checkpoints of auto-encoders: the network that is in them, and none else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

# E402: some of these import torch, and must come after the skip.
from keyframe_bench.core.checkpoint import BUNDLED, Checkpoint, checkpoint_file, read_record  # noqa: E402
from keyframe_bench.core.errors import UsageError  # noqa: E402
from keyframe_bench.extractors.autoencoder.options import AutoencoderOptions  # noqa: E402
from keyframe_bench.models.autoencoder import EncoderDecoder  # noqa: E402
from keyframe_bench.models.base import Network  # noqa: E402
from keyframe_bench.models.checkpoint import load_autoencoder  # noqa: E402
from keyframe_bench.models.weights import load_strictly  # noqa: E402

SMALL = {"network": "ae_final", "width": 0.25, "geometry": 0.25}


def network(name: str, **params: Any) -> Network:
    return Network.registry.build(name, params)


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Write a checkpoint of small weights whose record has ``options``."""
    torch.manual_seed(3)
    model = EncoderDecoder(network("ae_final", width=0.25, geometry=0.25))
    model(torch.rand(4, 3, 24, 48))  # batch statistics that are not those of a fresh module
    tensors = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}

    def write(**options: Any) -> Path:
        record = read_record(BUNDLED, "autoencoder")
        path = tmp_path / "small.safetensors"
        Checkpoint(tensors, record | {"options": {**AutoencoderOptions.build(SMALL).params, **options}}).write(path)
        return path

    return write


def test_what_is_saved_comes_back(written: Callable[..., Path]) -> None:
    file, before = written(), torch.random.get_rng_state()
    model, record = load_autoencoder(file)
    assert torch.equal(before, torch.random.get_rng_state())
    assert model.network.params == network("ae_final", width=0.25, geometry=0.25).params and not model.training
    assert record["extractor"] == "autoencoder"
    pictures = torch.rand(1, 3, 24, 48, generator=torch.Generator().manual_seed(0))
    again, _ = load_autoencoder(str(file), network("p2_1", width=0.25, geometry=0.25, p1_4_l2=64))  # the same network
    with torch.inference_mode():
        assert torch.equal(model(pictures), again(pictures)) and model(pictures).std() > 0


def test_another_network_is_named_in_both_directions(written: Callable[..., Path]) -> None:
    for asked in (network("p2_2", width=0.25, geometry=0.5), network("ae_final"), network("ae_final", code_act="relu")):
        with pytest.raises(UsageError) as caught:
            load_autoencoder(written(), asked)
        assert "ae_final (width=0.25, geometry=0.25)" in str(caught.value) and f"not of {asked.name}" in str(
            caught.value
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 1.0}, "tensors of another shape, first encoder"),
        ({"network": "p2_2", "geometry": 1.0}, "tensors missing, first "),
        ({"network": "p1_3"}, "tensors unexpected, first "),
        ({"network": "vgg"}, "unknown network 'vgg'"),
        ({"width": 1e9}, "width=1000000000.0 is not a number"),
        ({"geometry": 0.3}, "halve 29 x 58 pixels"),
    ],
)
def test_weights_that_do_not_fit_and_networks_that_are_not_here_are_named(
    written: Callable[..., Path], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        load_autoencoder(written(**options))


def test_of_all_tensors_only_counters_of_batches_may_be_missing() -> None:
    module = torch.nn.Sequential(torch.nn.BatchNorm2d(2))
    state = {name: tensor + 1 for name, tensor in module.state_dict().items()}
    del state["0.num_batches_tracked"]
    load_strictly(module, state, "weights do not fit", "give others")
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in state.items())
    for name in state:
        others = {other: tensor for other, tensor in state.items() if other != name}
        with pytest.raises(UsageError, match=rf"\(1 tensor missing, first {name}\)"):
            load_strictly(module, others, "weights do not fit", "give others")


def test_the_bundled_checkpoint_is_an_ae_final() -> None:
    model, record = load_autoencoder(BUNDLED, network("ae_final"))
    assert model.network.params == network("ae_final").params and record["numbers"]["thresholds"]
    assert checkpoint_file(BUNDLED, "autoencoder").stat().st_size < 2_500_000
