"""What networks and losses of plug-ins must keep to, looked at before a training reads its data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..core.errors import ContractError, KeyframeBenchError, raise_out_of_memory
from ..core.sources import source_digest
from .autoencoder import EncoderDecoder
from .base import Loss, Network

_ZERO = 1e-5  # what rounding may leave of the loss of equal images


def check_parts(network: Network, loss: Loss) -> None:
    """Try a registered network and loss of plug-ins on two images; those of the package are proven by its tests.

    Raises `ContractError`, in one sentence that names the part, its file, and what it gave instead.
    """
    if _is_plugin(network):
        checked_counts(network)
    if _is_plugin(loss):
        _check_loss(loss, network)


def _is_plugin(part: Network | Loss) -> bool:
    return bool(source_digest(type(part))) and part.registry.owner(part.name) is type(part)


def checked_counts(network: Network) -> tuple[int, int]:
    """Return the trained numbers of a network, and its multiply-accumulates for one image.

    Counted are those of convolutions and products of matrices. A transposed convolution is counted by its input. Raises
    `ContractError` if it cannot be built, or shapes are not what it says, or a number is not finite.
    """
    with _named(network), torch.random.fork_rng(devices=[]), torch.no_grad():
        model, pictures = EncoderDecoder(network).eval(), _pictures(network, seed=0)  # [2, 3, H, W]
        with FlopCounterMode(display=False) as counter:
            codes = model.encode(pictures)
            output = model.decode(codes)
        _require_shape(network, "its code", codes, (2, *network.code_shape))
        _require_shape(network, "its reconstruction", output, tuple(pictures.shape))
        if len(network.code_shape) != 3:
            raise _broken(network, f"code_shape is {network.code_shape}, not channels, height and width")
        params = sum(p.numel() for p in model.parameters() if p.requires_grad)
        if params == 0:
            raise _broken(network, "it has nothing to train")
        return params, counter.get_total_flops() // (2 * len(pictures))  # two operations each


def _check_loss(loss: Loss, network: Network) -> None:
    with _named(loss), torch.random.fork_rng(devices=[]), torch.enable_grad():
        first, second = _pictures(network, seed=0), _pictures(network, seed=1).requires_grad_()
        _require_shape(loss, "per_picture", loss.per_picture(first, second), (2,))
        value = loss(first, second)
        _require_shape(loss, "its value", value, ())
        if not value.requires_grad:
            raise _broken(loss, "it has no gradient")
        (gradient,) = torch.autograd.grad(value, second, allow_unused=True)
        if gradient is None or not torch.isfinite(gradient).all():
            raise _broken(loss, "its gradient is not finite")
        equal = float(loss(first, first.clone()))
        if not abs(equal) <= _ZERO:
            raise _broken(loss, f"it is {equal:g} for equal images, not 0")


def _pictures(network: Network, seed: int) -> torch.Tensor:
    shape = (2, 3, network.input_height, network.input_width)
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def _require_shape(part: Network | Loss, what: str, found: torch.Tensor, wanted: tuple[int, ...]) -> None:
    if not isinstance(found, torch.Tensor):
        raise _broken(part, f"{what} is a {type(found).__name__}, not a tensor")
    if tuple(found.shape) != wanted:
        raise _broken(part, f"{what} has the shape {list(found.shape)}, not {list(wanted)}, for two images")
    if not torch.isfinite(found).all():
        raise _broken(part, f"{what} is not finite")


def _broken(part: Network | Loss, reason: str) -> ContractError:
    module = type(part).__module__
    file = getattr(sys.modules.get(module), "__file__", None) or module
    return ContractError(f"{part.registry.kind} {part.name!r} of {file}: {reason}")


@contextmanager
def _named(part: Network | Loss) -> Iterator[None]:
    try:
        yield
    except KeyframeBenchError:
        raise
    except Exception as error:  # code of a plug-in raises anything
        raise_out_of_memory(error)
        raise _broken(part, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
