"""How torch computes here: in full precision, a few images at a time, and one core for each image."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

T = TypeVar("T")
R = TypeVar("R")

# Values of the images of a group.
_VALUES_AT_A_TIME, _VALUES_AT_A_TIME_ON_A_GPU = 250_000, 20_000_000


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Compute in the type of the tensors: no autocast, no matrix products in TF32 or bfloat16.

    Variances are differences of nearly equal numbers, of which eight or ten bits leave nothing.
    """
    before = torch.get_float32_matmul_precision()
    with torch.autocast(device.type, enabled=False):
        if before == "highest":
            yield
            return
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)


def groups(images: Tensor) -> Iterator[slice]:
    """Return slices that cut images [N, C, H, W] into groups whose intermediate results stay in a processor's cache."""
    values = _VALUES_AT_A_TIME if images.device.type == "cpu" else _VALUES_AT_A_TIME_ON_A_GPU
    step = max(1, values // images.shape[1:].numel())
    return (slice(start, start + step) for start in range(0, len(images), step))


class _ValueWithGradients(torch.autograd.Function):
    """See `value_with_gradients`."""

    @staticmethod
    def forward(ctx: Any, compare: Callable[[Tensor, Tensor], Tensor], first: Tensor, second: Tensor) -> Tensor:
        values, inputs = [], (first, second)  # [B, C, H, W] each
        gradients = [torch.empty_like(x) if x.requires_grad else None for x in inputs]  # [B, C, H, W]
        for rows in groups(first):
            parts = [x[rows].detach().requires_grad_(g is not None) for x, g in zip(inputs, gradients, strict=True)]
            with torch.enable_grad():
                value = compare(*parts)  # [n]
                found = iter(torch.autograd.grad(value.sum(), [part for part in parts if part.requires_grad]))
            for gradient in gradients:
                if gradient is not None:
                    gradient[rows] = next(found)  # [n, C, H, W]
            values.append(value.detach())
        ctx.save_for_backward(*gradients)
        return torch.cat(values)  # [B]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        scale = upstream[:, None, None, None]  # [B, 1, 1, 1]
        return None, *(None if g is None else (scale * g).to(g.dtype) for g in ctx.saved_tensors)  # [B, C, H, W]


def value_with_gradients(compare: Callable[[Tensor, Tensor], Tensor], first: Tensor, second: Tensor) -> Tensor:
    """Return ``compare(first, second)``, [B], of images [B, C, H, W], group by group.

    The gradient of a group is taken while its maps are still in the processor's cache, and only the gradient is kept: a
    fraction of the memory and less time than one graph of all images. It can be differentiated once. ``compare``:
    images [n, C, H, W], twice, to values [n] that depend on their own pair only; ``first`` and ``second``: float [B, C,
    H, W].
    """
    with full_precision(first.device):
        value: Tensor = _ValueWithGradients.apply(compare, first, second)  # [B]
        return value


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside the ``with`` block: in short operations threads only wait for each other.

    On a machine that does other work too, 800 distances of frames took 170 s in two threads and 14 s in one.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def side_by_side(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return ``[function(item) for item in items]``, in as many threads as torch may use, each with one of its own.

    Torch's own way is to spread each operation over all cores, which wait for the slowest at its end. What comes out
    here does not depend on the number of threads.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        return [function(item) for item in items]

    def alone(item: T) -> R:
        torch.set_num_threads(1)  # of this thread, and of threads that torch has not seen yet
        return function(item)

    try:
        return list(_pool(os.getpid(), threads).map(alone, items))
    finally:
        torch.set_num_threads(threads)


@lru_cache(maxsize=2)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:  # noqa: ARG001 - threads do not live on in a forked process
    return ThreadPoolExecutor(threads, thread_name_prefix="keyframe_bench-images")
