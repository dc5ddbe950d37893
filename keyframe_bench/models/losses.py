"""The losses that Chen et al. 2021 compare: l2, ssim, ms_ssim and mix."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from ..core.errors import UsageError
from ..core.params import Range
from ..core.registry import register
from .base import Loss

if TYPE_CHECKING:
    from torch import Tensor

    from .similarity import Moments, Similarity

Rows: TypeAlias = "slice | Sequence[int] | Tensor"


class ReconstructionLoss(Loss):
    """How far a picture is from another; ``mix`` is also the distance of frames in `autoencoder` (section 3.5).

    Symmetric, 0 for equal pictures, with finite gradients everywhere. Computed in float32 (float64 pictures in
    float64) whatever autocast says. All take the same parameters, so that one sweep can go over losses and parameters;
    those that a loss does not name have no meaning for it.

    Parameters
    ----------
    ms_kind : {"sigma", "pyramid"}
        Five ever wider windows at full size (Zhao et al. 2017), or one window on five ever smaller pictures (Wang et
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
        What windows of the ``sigma`` kind, 33 pixels wide, see beyond the border: the mirrored picture, black, or
        nothing (windows inside the picture only, which leaves 64 x 160 of 96 x 192 places). Mirroring invents no edge.
        SSIM and the ``pyramid`` always look inside only, by their definition.
    channel_reduce : {"mean", "product"}
        Mean of the channels' MS-SSIM (as Zhao et al.), or their product, which is stricter.
    levels : {"reduce", "five"}
        ``pyramid`` on a picture too small for five levels: fewer levels, weights divided by their sum, or an error.

    Notes
    -----
    Inputs must be in 0 to 1: with 0 to 255 the constants of SSIM vanish. Integer pictures are refused; the range of
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
        """Return the mean of `per_picture`, a scalar; a gradient has the type of its pictures."""
        return self.per_picture(first, second).mean()

    def per_picture(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of every pair, float32 [B], of float [B, C, H, W] pictures in 0 to 1.

        Parameters
        ----------
        first, second : Tensor
            One of them may be a single picture, [1, C, H, W], to be compared with all of the other.

        Raises
        ------
        UsageError
            If shapes do not fit, the pictures are integers, or too small for the loss.
        """
        import torch

        from . import groups, windows

        _check(first, second)
        n = max(len(first), len(second))
        if torch.is_grad_enabled() and (first.requires_grad or second.requires_grad):
            both = first.expand(n, -1, -1, -1), second.expand(n, -1, -1, -1)
            return groups.value_with_gradients(self._differentiable, *both)
        with windows.full_precision(first.device):
            a, b = (self._prepare(x) if len(x) == 1 else None for x in (first, second))
            cut = groups.groups(n, first)
            return torch.cat([self._pairs(a or self._prepare(first[g]), b or self._prepare(second[g])) for g in cut])

    def prepared(self, pictures: Tensor) -> Prepared:
        """Return pictures with what the loss needs of each alone, so that many pairs can be compared quickly.

        Parameters
        ----------
        pictures : Tensor
            Float [N, C, H, W] in 0 to 1. No gradient flows through.
        """
        import torch

        from . import groups, similarity, windows

        _check(pictures, pictures)
        with torch.no_grad(), windows.full_precision(pictures.device):
            parts = [self._prepare(pictures[g]) for g in groups.groups(len(pictures), pictures)]
            levels = zip(*(part.moments for part in parts), strict=True)
            moments = tuple(similarity.Moments.cat(level) for level in levels)
            return Prepared(moments[0].pictures if moments else _float(pictures), moments)

    def between(self, first: Prepared, first_rows: Rows, second: Prepared, second_rows: Rows) -> Tensor:
        """Return the loss of ``first[first_rows[p]]`` and ``second[second_rows[p]]``, float32 [P]: as `per_picture`.

        Parameters
        ----------
        first, second : Prepared
            Of this loss; they may be the same.
        first_rows, second_rows : slice, or int Tensor or sequence [P]
            Which pictures, and in which order. One of them may name a single picture, to be compared with all of the
            other. A slice copies nothing.

        Examples
        --------
        All frames of a group with one reference::

            kept = loss.prepared(frames)
            distances = loss.between(kept, slice(1, None), kept, [0])
        """
        import torch

        from . import groups, windows

        sides = [_Side.of(first, first_rows), _Side.of(second, second_rows)]
        n = _n_pairs(*map(len, sides))
        with torch.no_grad(), windows.full_precision(first.pictures.device):
            cut = groups.groups(n, first.pictures)
            parts = [self._pairs(*(side[group] for side in sides)) for group in cut]
            return torch.cat(parts) if parts else first.pictures.new_zeros(0)

    def _prepare(self, pictures: Tensor) -> Prepared:
        plain = _float(pictures)
        alike = self._similarity()
        return Prepared(plain, () if alike is None else alike.prepare(plain))

    def _pairs(self, first: Prepared, second: Prepared) -> Tensor:
        """Return the loss of each pair, [n]."""
        alike = self._similarity()
        value = None if alike is None else alike.between(first.moments, second.moments)
        return self._combined(first.pictures, second.pictures, value)

    def _differentiable(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of each pair of pictures, [n], with a gradient."""
        alike = self._similarity()
        first, second = _float(first), _float(second)
        return self._combined(first, second, None if alike is None else alike(first, second))

    def _combined(self, first: Tensor, second: Tensor, alike: Tensor | None) -> Tensor:  # noqa: ARG002 - of some
        """Return the loss of each pair, [n], whose similarity is known."""
        assert alike is not None
        return 1 - alike

    @abstractmethod
    def _similarity(self) -> Similarity | None:
        """Return what compares the pictures' structure, if anything does."""


@register("l2")
class L2Loss(ReconstructionLoss):
    """Mean squared difference of all values."""

    def _similarity(self) -> None:
        return None

    def _combined(self, first: Tensor, second: Tensor, alike: Tensor | None) -> Tensor:  # noqa: ARG002 - there is none
        return (first - second).square().mean(dim=(1, 2, 3))


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

    def _combined(self, first: Tensor, second: Tensor, alike: Tensor | None) -> Tensor:
        from . import similarity, windows

        assert alike is not None
        difference = (first - second).abs().mean(dim=1)
        absolute = windows.mean_of_blurred(difference, similarity.sigma_window(self.padding))
        return self.compensation * (self.alpha * (1 - alike) + (1 - self.alpha) * absolute)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Pictures and what a loss needs of each alone; made by `ReconstructionLoss.prepared`.

    With ``mix`` it takes eleven times the memory of the pictures: 2.4 MB for one of 96 x 192. Keep a group of frames
    and the reference, not a video.

    Attributes
    ----------
    pictures : Tensor [N, C, H, W]
    moments : tuple of Moments
        Local means and variances, for each level.
    """

    pictures: Tensor
    moments: tuple[Moments, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, rows: Rows) -> Prepared:
        """Return some of them: a slice (a view), or a tensor or sequence of numbers (a copy)."""
        at = rows if isinstance(rows, slice) else _numbers(rows, self.pictures)
        moments = tuple(level[at] for level in self.moments)
        return Prepared(moments[0].pictures if moments else self.pictures[at], moments)


@dataclass(frozen=True)
class _Side:
    """One side of many pairs: rows are looked up group by group, and a single one is kept for all."""

    pictures: Prepared
    rows: Tensor | None

    @classmethod
    def of(cls, pictures: Prepared, rows: Rows) -> _Side:
        if isinstance(rows, slice):
            return cls(pictures[rows], None)
        numbers = _numbers(rows, pictures.pictures)
        return cls(pictures[numbers], None) if len(numbers) == 1 else cls(pictures, numbers)

    def __len__(self) -> int:
        return len(self.pictures) if self.rows is None else len(self.rows)

    def __getitem__(self, group: slice) -> Prepared:
        if len(self) == 1:
            return self.pictures
        return self.pictures[group if self.rows is None else self.rows[group]]


def _numbers(rows: Sequence[int] | Tensor, beside: Tensor) -> Tensor:
    import torch

    return torch.as_tensor(rows, dtype=torch.int64, device=beside.device)


def _float(pictures: Tensor) -> Tensor:
    """Return pictures as a dense float32 (or float64) tensor."""
    import torch

    return pictures.to(torch.promote_types(pictures.dtype, torch.float32)).contiguous()


def _check(first: Tensor, second: Tensor) -> None:
    """Raise `UsageError` for anything but float [B, C, H, W] pictures of one size."""
    for pictures in (first, second):
        if not pictures.is_floating_point():
            raise UsageError(
                f"the loss takes float pictures in 0 to 1, not {pictures.dtype}; divide 8-bit levels by 255"
            )
        if pictures.dim() != 4 or 0 in pictures.shape:
            raise UsageError(f"the loss takes pictures [B, C, height, width], not {list(pictures.shape)}")
    if first.shape[1:] != second.shape[1:]:
        sizes = " and ".join(str(list(x.shape[1:])) for x in (first, second))
        raise UsageError(f"pictures of {sizes} (channels, height, width) cannot be compared; resize them to one size")
    _n_pairs(len(first), len(second))


def _n_pairs(n_first: int, n_second: int) -> int:
    if n_first != n_second and 1 not in (n_first, n_second):
        raise UsageError(f"{n_first} pictures cannot be paired with {n_second}; give as many, or a single one")
    return max(n_first, n_second) if min(n_first, n_second) else 0
