"""Work on many pictures a few at a time, so that its intermediate results stay in a processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .windows import full_precision

# Values of the pictures of a group.
_VALUES_AT_A_TIME, _VALUES_AT_A_TIME_ON_A_GPU = 250_000, 20_000_000


def groups(n: int, pictures: Tensor) -> Iterator[slice]:
    """Return slices that cut ``n`` pictures as large as ``pictures`` [., C, H, W] into groups."""
    values = _VALUES_AT_A_TIME if pictures.device.type == "cpu" else _VALUES_AT_A_TIME_ON_A_GPU
    step = max(1, values // pictures.shape[1:].numel())
    return (slice(start, start + step) for start in range(0, n, step))


class _ValueWithGradients(torch.autograd.Function):
    """See `value_with_gradients`."""

    @staticmethod
    def forward(ctx: Any, compare: Callable[[Tensor, Tensor], Tensor], first: Tensor, second: Tensor) -> Tensor:
        values, inputs = [], (first, second)
        gradients = [torch.empty_like(x) if x.requires_grad else None for x in inputs]
        for rows in groups(len(first), first):
            parts = [x[rows].detach().requires_grad_(g is not None) for x, g in zip(inputs, gradients, strict=True)]
            with torch.enable_grad():
                value = compare(*parts)
                found = iter(torch.autograd.grad(value.sum(), [part for part in parts if part.requires_grad]))
            for gradient in gradients:
                if gradient is not None:
                    gradient[rows] = next(found)
            values.append(value.detach())
        ctx.save_for_backward(*gradients)
        return torch.cat(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        scale = upstream[:, None, None, None]
        return None, *(None if g is None else (scale * g).to(g.dtype) for g in ctx.saved_tensors)


def value_with_gradients(compare: Callable[[Tensor, Tensor], Tensor], first: Tensor, second: Tensor) -> Tensor:
    """Return ``compare(first, second)``, [B], of pictures [B, C, H, W], group by group.

    The gradient of a group is taken while its maps are still in the processor's cache, and only the gradient is kept:
    a fraction of the memory and less time than one graph of all pictures. It can be differentiated once.

    Parameters
    ----------
    compare : callable
        Pictures [n, C, H, W], twice, to values [n] that depend on their own pair only.
    """
    with full_precision(first.device):
        value: Tensor = _ValueWithGradients.apply(compare, first, second)
        return value
