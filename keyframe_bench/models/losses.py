"""The losses that Chen et al. 2021 compare: l2, ssim, ms_ssim and mix."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from ..core.errors import UsageError
from ..core.registry import Range, register
from .base import Loss

if TYPE_CHECKING:
    from torch import Tensor

    from .similarity import Moments, Similarity


class ReconstructionLoss(Loss):
    """How far an image is from another; ``mix`` is also the distance of frames in `autoencoder` (section 3.5).

    Symmetric, 0 for equal images, with finite gradients everywhere. Computed in float32 (float64 images in
    float64) whatever autocast says. All take the same parameters, so that one sweep can go over losses and parameters;
    those that a loss does not name have no meaning for it.

    Parameters
    ----------
    ms_kind : {"sigma", "pyramid"}
        Five ever wider windows at full size (Zhao et al. 2017), or one window on five ever smaller images (Wang et
        al. 2003). The default is what runs at the 96 x 192 pixels of ae_final: five levels need sides above 160.
    alpha : float
        Weight of MS-SSIM in ``mix``. Chen et al. do not give it. 0.025 is that of the code Zhao et al. released; 0.84
        is the one of their text. Only 0.025 gives distances on the scale of Chen et al.'s threshold 0.03 and losses
        0.0015 to 0.0378: on three videos of fixed cameras at 96 x 192, frames 4 apart differ by 0.013 to 0.019 (0.84:
        0.07 to 0.17), and noise of +-2/255 alone by 0.007 to 0.009 (0.84: 0.06 to 0.09, twice the threshold).
    compensation : float
        Factor on ``mix``. 1 leaves the scale as it is; widely copied code multiplies by 200, which no threshold of
        0.03 could have been meant for.
    padding : {"reflect", "zero", "valid"}
        What windows of the ``sigma`` kind, 33 pixels wide, see beyond the border: the mirrored image, black, or
        nothing (windows inside the image only, which leaves 64 x 160 of 96 x 192 places). Mirroring invents no edge.
        SSIM and the ``pyramid`` always look inside only, by their definition.
    channel_reduce : {"mean", "product"}
        Mean of the channels' MS-SSIM (as Zhao et al.), or their product, which is stricter.
    levels : {"reduce", "five"}
        ``pyramid`` on an image too small for five levels: fewer levels, weights divided by their sum, or an error.

    Notes
    -----
    Inputs must be in 0 to 1: with 0 to 255 the constants of SSIM vanish. Integer images are refused; the range of
    floats is not looked at here, since it would cost a pass over them in every step.
    """

    def __init__(
        self,
        *,
        ms_kind: Literal["sigma", "pyramid"] = "sigma",
        alpha: Annotated[float, Range(0, 1)] = 0.025,
        compensation: Annotated[float, Range(0.001, 1000)] = 1.0,
        padding: Literal["reflect", "zero", "valid"] = "reflect",
        channel_reduce: Literal["mean", "product"] = "mean",
        levels: Literal["reduce", "five"] = "reduce",
    ) -> None:
        self.ms_kind = ms_kind
        self.alpha = alpha
        self.compensation = compensation
        self.padding = padding
        self.channel_reduce = channel_reduce
        self.levels = levels

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the mean of `per_picture`, a scalar; a gradient has the type of its images."""
        return self.per_picture(first, second).mean()  # [B] -> []

    def per_picture(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of every pair, float32 [B], of float [B, C, H, W] images in 0 to 1.

        ``first`` and ``second``: one of them may be a single image, [1, C, H, W], to be compared with all of the other.
        Raises `UsageError` if shapes do not fit, the images are integers, or too small for the loss.
        """
        import torch

        from . import computing

        n = _n_pairs(first, second)
        both = [x.expand(n, -1, -1, -1) for x in (first, second)]  # [B, C, H, W]
        if torch.is_grad_enabled() and (first.requires_grad or second.requires_grad):
            return computing.value_with_gradients(self._differentiable, *both)  # [B]
        with computing.full_precision(first.device):
            single = [self._prepare(x) if len(x) == 1 else None for x in (first, second)]
            cut = computing.groups(both[0])
            sides = ([one or self._prepare(x[g]) for one, x in zip(single, both, strict=True)] for g in cut)
            return torch.cat([self._pairs(*pair) for pair in sides])  # [B]

    def prepared(self, images: Tensor) -> Prepared:
        """Return images with what the loss needs of each alone, so that many pairs can be compared quickly.

        ``images``: float [N, C, H, W] in 0 to 1. No gradient flows through. With ``mix`` the result takes eleven times
        their memory: 2.4 MB for one of 96 x 192. Prepare a group of frames, not a video.
        """
        import torch

        from . import computing

        _n_pairs(images, images)
        with torch.no_grad(), computing.full_precision(images.device):
            return self._prepare(images)

    def between(self, first: Prepared, second: Prepared) -> Tensor:
        """Return the loss of every pair, float32 [N], as `per_picture`; one side may be a single image."""
        import torch

        from . import computing

        with torch.no_grad(), computing.full_precision(first.images.device):
            return self._pairs(first, second)

    def _prepare(self, images: Tensor) -> Prepared:
        dense, similarity = _float(images), self._similarity()
        return Prepared(dense, () if similarity is None else similarity.prepare(dense))

    def _pairs(self, first: Prepared, second: Prepared) -> Tensor:
        """Return the loss of each pair, [n]."""
        similarity = self._similarity()
        value = None if similarity is None else similarity.between(first.moments, second.moments)  # [n]
        return self._combined(first.images, second.images, value)

    def _differentiable(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of each pair of images, [n], with a gradient."""
        first, second, similarity = _float(first), _float(second), self._similarity()  # [n, C, H, W]
        return self._combined(first, second, None if similarity is None else similarity(first, second))

    def _combined(self, first: Tensor, second: Tensor, similarity: Tensor | None) -> Tensor:  # noqa: ARG002 - of some
        """Return the loss of each pair, [n], whose similarity [n] is known."""
        assert similarity is not None
        return 1 - similarity

    @abstractmethod
    def _similarity(self) -> Similarity | None:
        """Return what compares the images' structure, if anything does."""


@register("l2")
class L2Loss(ReconstructionLoss):
    """Mean squared difference of all values."""

    def _similarity(self) -> None:
        return None

    def _combined(self, first: Tensor, second: Tensor, similarity: Tensor | None) -> Tensor:  # noqa: ARG002 - none
        return (first - second).square().mean(dim=(1, 2, 3))  # [n, C, H, W] -> [n]


@register("ssim")
class SsimLoss(ReconstructionLoss):
    """1 - SSIM (Wang et al. 2004), 0 to 2."""

    def _similarity(self) -> Similarity:
        from .similarity import Ssim

        return Ssim()


@register("ms_ssim")
class MsSsimLoss(ReconstructionLoss):
    """1 - MS-SSIM of ``ms_kind``, with ``channel_reduce``, and ``padding`` or ``levels``."""

    def _similarity(self) -> Similarity:
        from .similarity import PyramidMsSsim, SigmaMsSsim

        if self.ms_kind == "pyramid":
            return PyramidMsSsim(self.channel_reduce, self.levels)
        return SigmaMsSsim(self.padding, self.channel_reduce)


@register("mix")
class MixLoss(MsSsimLoss):
    """``compensation * (alpha * ms_ssim + (1 - alpha) * L1)`` (Zhao et al. 2017).

    L1 is the mean absolute difference after the Gaussian of the coarsest scale (standard deviation 8, ``padding``).
    """

    def _combined(self, first: Tensor, second: Tensor, similarity: Tensor | None) -> Tensor:
        from .similarity import sigma_window
        from .windows import mean_of_blurred

        assert similarity is not None
        difference = (first - second).abs().mean(dim=1)  # [n, C, H, W] -> [n, H, W]
        absolute = mean_of_blurred(difference, sigma_window(self.padding))  # [n]
        return self.compensation * (self.alpha * (1 - similarity) + (1 - self.alpha) * absolute)  # [n]


class Prepared(NamedTuple):
    """Images [N, C, H, W] and what a loss needs of each alone: local means and variances, for each level."""

    images: Tensor
    moments: tuple[Moments, ...]


def _float(images: Tensor) -> Tensor:
    """Return images as a dense float32 (or float64) tensor."""
    import torch

    return images.to(torch.promote_types(images.dtype, torch.float32)).contiguous()


def _n_pairs(first: Tensor, second: Tensor) -> int:
    """Return the number of pairs, or raise `UsageError` for anything but float [B, C, H, W] images of one size."""
    for images in (first, second):
        if not images.is_floating_point() or images.dim() != 4 or 0 in images.shape:
            raise UsageError(
                "the loss takes float images [B, C, height, width] in 0 to 1, "
                f"not {images.dtype} {list(images.shape)}; divide 8-bit levels by 255"
            )
    if first.shape[1:] != second.shape[1:]:
        sizes = " and ".join(str(list(x.shape[1:])) for x in (first, second))
        raise UsageError(f"images of {sizes} (channels, height, width) cannot be compared; resize them to one size")
    if len(first) != len(second) and 1 not in (len(first), len(second)):
        raise UsageError(f"{len(first)} images cannot be paired with {len(second)}; give as many, or a single one")
    return max(len(first), len(second))
