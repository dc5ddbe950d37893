"""Structural similarity of colour images in torch: SSIM, and multi-scale SSIM of both families."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import avg_pool2d

from ..core.errors import UsageError
from .windows import Padding, Window, blur, unblur

C1, C2 = 0.01**2, 0.03**2  # (K1 L)^2 and (K2 L)^2 of images in 0 to 1
LEVEL_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003
SIGMAS = (0.5, 1.0, 2.0, 4.0, 8.0)  # Zhao et al. 2017
_SMALLEST = 1e-6  # below it the slope of a fractional power is taken as 0: at 0 it is infinite

Reduce = Literal["mean", "product"]

SSIM_WINDOW = Window((1.5,), 11, "valid")


def sigma_window(padding: Padding) -> Window:
    """Return the five windows of the ``sigma`` kind: wide enough for the coarsest, two deviations each way."""
    return Window(SIGMAS, 33, padding)


@dataclass(frozen=True)
class Moments:
    """What windows say of single images; pairs need only the blur of a squared difference besides."""

    images: Tensor  # [N, C, H, W]
    mean: Tensor  # [S, N, C, h, w]; In every window, of S standard deviations
    variance: Tensor

    @classmethod
    def of(cls, images: Tensor, window: Window) -> Moments:
        """Compute them; variances are those of the population, and at least 0."""
        mean = blur(images, window)  # [S, N, C, h, w]
        square = blur(images.square(), window)  # [S, N, C, h, w]
        return cls(images, mean, torch.addcmul(square, mean, mean, value=-1).clamp(min=0))


def _luminance(first: Moments, second: Moments) -> Tensor:
    """Return l = (2 mx my + C1) / (mx^2 + my^2 + C1) of the coarsest windows, [N, C, h, w]."""
    a, b = first.mean[-1], second.mean[-1]  # [N, C, h, w]
    # In this form equal images give exactly 1, and small differences are not lost in rounding.
    return 1 - (a - b).square() / (a.square() + b.square() + C1)  # [N, C, h, w]


def _structure(first: Moments, second: Moments, window: Window) -> Tensor:
    """Return cs = (2 cov + C2) / (vx + vy + C2) of all windows, [S, N, C, h, w]."""
    # vx + vy - 2 cov is the variance of the difference.
    difference = first.mean - second.mean  # [S, N, C, h, w]
    square = blur((first.images - second.images).square(), window)  # [S, N, C, h, w]
    variance = torch.addcmul(square, difference, difference, value=-1)  # [S, N, C, h, w]
    return 1 - variance / (first.variance + second.variance + C2)  # [S, N, C, h, w]


class _ProductOfTerms(torch.autograd.Function):
    """Mean over channels and pixels of the luminance times all structure terms, [N], of two [N, C, H, W] and a window.

    Written by hand, because autograd takes twice as long and no library has it: the gradient is computed at once, in
    place, and one blur less is needed. ``by_x`` is the slope of the product by x; that by an image is the transposed
    blur of the slope by its local mean, and of those by its blurred squares times twice the image.
    """

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, window: Window) -> Tensor:
        difference = first - second  # [N, C, H, W]
        mean_a, mean_b = blur(first, window), blur(second, window)  # [S, N, C, h, w]
        mean = mean_a - mean_b  # [S, N, C, h, w]
        variance = blur(difference.square(), window)  # [S, N, C, h, w], of the difference
        variance.addcmul_(mean, mean, value=-1)
        both = blur(torch.addcmul(first.square(), second, second), window)  # [S, N, C, h, w]
        both.addcmul_(mean_a, mean_a, value=-1).addcmul_(mean_b, mean_b, value=-1).clamp_(min=0).add_(C2)
        lost = variance.div_(both)  # [S, N, C, h, w], 1 - structure
        structure = 1 - lost  # [S, N, C, h, w]
        scale = mean_a[-1].square().addcmul_(mean_b[-1], mean_b[-1]).add_(C1)  # [N, C, h, w]
        faded = mean[-1].square().div_(scale)  # [N, C, h, w], 1 - luminance
        # The product without each factor in turn: of those before it, times those after it. Nothing is divided by 0.
        others, before = torch.empty_like(structure), 1 - faded  # [S, N, C, h, w], [N, C, h, w]
        for s, factor in enumerate(structure):
            others[s] = before
            before = before.mul_(factor)  # [N, C, h, w]
        value = before.mean(dim=(1, 2, 3))  # [N]
        after = structure[-1].clone()  # [N, C, h, w]
        for s in range(len(structure) - 2, -1, -1):
            others[s] *= after
            after *= structure[s]  # [N, C, h, w], in the end the product without the luminance
        by_variance = others.div_(both)  # [S, N, C, h, w], with the sign turned
        by_both = lost.mul_(by_variance)  # [S, N, C, h, w]
        by_scale = after.mul_(2).div_(scale)  # [N, C, h, w]
        shared = 2 * unblur(by_variance, window, first.shape).mul_(difference)  # [N, C, H, W]
        own = 2 * unblur(by_both, window, first.shape)  # [N, C, H, W]
        by_variance.mul_(mean)  # [S, N, C, h, w]
        gradients: list[Tensor | None] = []
        sides = ((-1, first, mean_a), (1, second, mean_b))
        for (sign, images, local), wanted in zip(sides, ctx.needs_input_grad, strict=False):
            if not wanted:
                gradients.append(None)
                continue
            by_mean = local.mul(by_both).add_(by_variance, alpha=sign).mul_(-2)  # [S, N, C, h, w]
            by_mean[-1].add_(mean[-1].mul(sign).addcmul_(faded, local[-1]).mul_(by_scale))  # [N, C, h, w]
            gradient = unblur(by_mean, window, first.shape)  # [N, C, H, W]
            gradient = gradient.add_(shared, alpha=sign).addcmul_(own, images)  # [N, C, H, W]
            gradients.append(gradient.div_(before[0].numel()))
        ctx.save_for_backward(*gradients)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        scale = upstream[:, None, None, None]  # [N, 1, 1, 1]
        return *(None if g is None else scale * g for g in ctx.saved_tensors), None  # [N, C, H, W] each


class Similarity(ABC):
    """How alike two images are: 1 if they are equal, smaller otherwise. Symmetric.

    Images are float32 or float64 [N, C, H, W] in 0 to 1, and computed with in that type.
    """

    @abstractmethod
    def prepare(self, images: Tensor) -> tuple[Moments, ...]:
        """Return what depends on single images, for `between`; `UsageError` if the images are too small."""

    @abstractmethod
    def between(self, first: tuple[Moments, ...], second: tuple[Moments, ...]) -> Tensor:
        """Return the similarity of each pair, [N]; one side may be a single image."""

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the similarity of each pair of images, [N], with a gradient where one is asked for."""
        return self.between(self.prepare(first), self.prepare(second))


@dataclass(frozen=True)
class Ssim(Similarity):
    """Mean SSIM over windows and channels, -1 to 1 (Wang et al. 2004, equation 13 and section III.C).

    Gaussian window of 11 x 11 with standard deviation 1.5, inside the image only; K1 = 0.01, K2 = 0.03, range 1,
    population variances. Each channel alone. The paper's shrinking of large images is left out.
    """

    def prepare(self, images: Tensor) -> tuple[Moments, ...]:  # noqa: D102 - told by the base
        _check_levels(images, 1)
        return (Moments.of(images, SSIM_WINDOW),)

    def between(self, first: tuple[Moments, ...], second: tuple[Moments, ...]) -> Tensor:  # noqa: D102 - told by the base
        (a,), (b,) = first, second
        return (_luminance(a, b) * _structure(a, b, SSIM_WINDOW)[0]).mean(dim=(1, 2, 3))  # [N, C, h, w] -> [N]

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:  # noqa: D102 - told by the base
        _check_levels(first, 1)
        value: Tensor = _ProductOfTerms.apply(first, second, SSIM_WINDOW)  # [N]
        return value


@dataclass(frozen=True)
class SigmaMsSsim(Similarity):
    """Multi-scale SSIM without shrinking (Zhao et al. 2017).

    At every pixel, luminance of the coarsest of five windows (standard deviations 0.5, 1, 2, 4, 8) times the structure
    terms of all, exponents 1; then the mean over pixels. Nothing is clamped: the product of an even number of negative
    terms is positive, as in the source. ``padding``: see `Window`. Works at any size, but for "valid", which needs
    sides of 33 pixels; ``channel_reduce``: mean of the channels, or the product of all their terms at a pixel, which is
    stricter.
    """

    padding: Padding = "reflect"
    channel_reduce: Reduce = "mean"

    def prepare(self, images: Tensor) -> tuple[Moments, ...]:  # noqa: D102 - told by the base
        return (Moments.of(images, sigma_window(self.padding)),)

    def between(self, first: tuple[Moments, ...], second: tuple[Moments, ...]) -> Tensor:  # noqa: D102 - told by the base
        (a,), (b,) = first, second
        structure = _structure(a, b, sigma_window(self.padding))  # [S, N, C, h, w]
        product = reduce(torch.mul, structure.unbind(0), _luminance(a, b))  # [N, C, h, w]
        if self.channel_reduce == "product":
            return reduce(torch.mul, product.unbind(1)).mean(dim=(1, 2))  # [N, h, w] -> [N]
        return product.mean(dim=(1, 2, 3))  # [N]

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:  # noqa: D102 - told by the base
        if self.channel_reduce == "product":
            return super().__call__(first, second)
        value: Tensor = _ProductOfTerms.apply(first, second, sigma_window(self.padding))  # [N]
        return value


@dataclass(frozen=True)
class PyramidMsSsim(Similarity):
    """Multi-scale SSIM over halved images, 0 to 1 (Wang et al. 2003).

    The window of `Ssim` on five levels, each the 2 x 2 mean of the one before (an odd side is extended by a line of
    black at its beginning, as in the implementation this must agree with); mean structure of the levels, and of the
    last one mean SSIM, negative values as 0, to the power of the level's weight; their product. ``channel_reduce``: of
    the channels' values; ``levels``: what happens where the shorter side is not above 160 pixels and the smallest level
    could not hold a window: as many levels as can, with weights divided by their sum; or an error. Images are never
    enlarged.
    """

    channel_reduce: Reduce = "mean"
    levels: Literal["reduce", "five"] = "reduce"

    def prepare(self, images: Tensor) -> tuple[Moments, ...]:  # noqa: D102 - told by the base
        n_levels = _check_levels(images, len(LEVEL_WEIGHTS) if self.levels == "five" else 1)
        found = [Moments.of(images, SSIM_WINDOW)]
        for _ in range(n_levels - 1):
            odd = [side % 2 for side in images.shape[2:]]
            images = avg_pool2d(images, kernel_size=2, padding=odd)  # [N, C, H/2, W/2], rounded up
            found.append(Moments.of(images, SSIM_WINDOW))
        return tuple(found)

    def between(self, first: tuple[Moments, ...], second: tuple[Moments, ...]) -> Tensor:  # noqa: D102 - told by the base
        weights = LEVEL_WEIGHTS[: len(first)]
        value = None
        for level, (a, b) in enumerate(zip(first, second, strict=True), start=1):
            terms = _structure(a, b, SSIM_WINDOW)[0]  # [N, C, h, w]
            if level == len(first):
                terms = terms * _luminance(a, b)  # [N, C, h, w]
            factor = _power(terms.mean(dim=(2, 3)), weights[level - 1] / sum(weights))  # [N, C]
            value = factor if value is None else value * factor
        assert value is not None
        return value.mean(dim=1) if self.channel_reduce == "mean" else value.prod(dim=1)  # [N, C] -> [N]


def _power(base: Tensor, exponent: float) -> Tensor:
    """Return max(base, 0) ** exponent with a finite slope everywhere."""
    return torch.where(base > 0, base.clamp(min=_SMALLEST) ** exponent, 0.0)


def n_levels_of(height: int, width: int) -> int:
    """Return how many levels of the pyramid can hold a window: the largest M <= 5 with 10 * 2^(M-1) < shorter side."""
    side = min(height, width)
    reach = SSIM_WINDOW.taps - 1
    return 0 if side <= reach else min(len(LEVEL_WEIGHTS), math.ceil(math.log2(side / reach)))


def _check_levels(images: Tensor, needed: int) -> int:
    """Return the levels that are possible, or raise `UsageError` when these are fewer than ``needed``."""
    height, width = images.shape[2:]
    possible = n_levels_of(height, width)
    if possible >= needed:
        return possible
    smallest = (SSIM_WINDOW.taps - 1) * 2 ** (needed - 1) + 1
    way_out = "ms_kind=sigma, or levels=reduce" if possible else "larger ones, kind=l2 or ms_kind=sigma"
    raise UsageError(
        f"images of {height} x {width} pixels are too small: {needed} level{'s' * (needed > 1)} of SSIM with a "
        f"window of {SSIM_WINDOW.taps} need sides of at least {smallest}; take {way_out}"
    )
