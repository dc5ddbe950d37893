"""The selector's network against the counts of the authors' code, and against a plain reading of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own habit

from keyframe_bench.core.errors import UsageError
from keyframe_bench.models.frame_selector import FrameSelector


def n_params(**options: object) -> int:
    return sum(p.numel() for p in FrameSelector(384, **options).parameters())


def test_as_many_parameters_as_the_authors_network_uses() -> None:
    assert n_params() == 2_299_420
    assert n_params(blocks=4) == 2_299_420  # all of its convolutions are one
    assert n_params(share_weights=False) == 4_513_180
    assert n_params(share_weights=False, blocks=4) == 5_398_684
    assert n_params(arch="mlp") == (3072 + 1) * 512 + (512 + 1) * 512 + (512 + 1) * 28
    assert n_params(arch="mlp", blocks=4) == n_params(arch="mlp") + (512 + 1) * 512


@pytest.mark.parametrize("share", [True, False])
def test_the_cnn_is_the_written_one(share: bool) -> None:
    torch.manual_seed(0)
    network = FrameSelector(8, blocks=2, share_weights=share).eval()
    tokens = torch.randn(3, 8, 8, 4)
    state = network.state_dict()

    def time(x: torch.Tensor, which: int) -> torch.Tensor:
        number = 0 if share else which
        return F.conv1d(x, state[f"times.{number}.weight"], state[f"times.{number}.bias"], padding=1)

    x = F.conv2d(tokens / (1 + 1e-5) ** 0.5, state["places.weight"], state["places.bias"], padding=(1, 0))[..., 0]
    x = F.relu(time(F.relu(time(x, 0)), 1) + x)
    x = F.relu(time(F.relu(time(x, 2)), 3) + x)
    expected = x.flatten(1) @ state["head.weight"].T + state["head.bias"]
    assert torch.allclose(network(tokens), expected, atol=1e-5)


def test_the_mlp_sees_the_maximum_over_a_frame() -> None:
    network = FrameSelector(8, arch="mlp").eval()
    tokens = torch.randn(3, 8, 8, 4)
    assert torch.equal(network(tokens), network(tokens.flip(3)))
    assert network(tokens).shape == (3, 28)


def test_dropout_works_while_it_learns() -> None:
    tokens = torch.randn(4, 8, 8, 4)
    for arch in ("cnn", "mlp"):
        network = FrameSelector(8, arch=arch, dropout=0.5).train()  # type: ignore[arg-type]  # a parameter of the test
        assert not torch.equal(network(tokens), network(tokens))
        assert sum(isinstance(part, nn.Dropout) for part in network.modules()) == 1


def test_tokens_of_another_preset_are_refused() -> None:
    with pytest.raises(UsageError, match="another preset"):
        FrameSelector(48)(torch.zeros(2, 384, 8, 4))
