"""FrameMAE: a transformer that reconstructs masked frames of a clip from those that are kept (Fu et al. 2023)."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, cast

import torch
from timm.models.beit import Block  # biases of query and value only, fused attention
from torch import Tensor, nn
from torch.nn import functional

from ..core.errors import UsageError
from .frame_mae_weights import N_FRAMES, N_TOKENS, Positions, Size

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's R, G, B
_EPS = 1e-6
_norm: Any = partial(nn.LayerNorm, eps=1e-6)


def sinusoids(n: int, dim: int) -> Tensor:
    """Return fixed positions, float [n, dim]: sines at even places, cosines at odd ones, wavelengths up to 10000."""
    rates = 10000.0 ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)  # [dim / 2]
    angles = torch.arange(n, dtype=torch.float64)[:, None] * rates  # [n, dim / 2]
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).float()  # [n, dim]


def separable_sinusoids(n_patches: int, dim: int) -> Tensor:
    """Return positions of token, line and column, float [8, n_patches, dim]: sinusoids in a half and two quarters."""
    side = math.isqrt(n_patches)
    time, place = sinusoids(N_TOKENS, dim // 2), sinusoids(side, dim // 4)  # [T, dim / 2], [h, dim / 4]
    lines, columns = place.repeat_interleave(side, dim=0), place.repeat(side, 1)  # [S, dim / 4]
    spaces = torch.cat([lines, columns], dim=1)  # [S, dim / 2]
    return torch.cat([time[:, None].expand(-1, n_patches, -1), spaces.expand(N_TOKENS, -1, -1)], dim=2)  # [T, S, dim]


def complement(kept: Tensor) -> Tensor:
    """Return the tokens that are masked, int64 [B, M], increasing, where ``kept`` [B, V] are not; M = 8 - V."""
    masked = torch.ones(len(kept), N_TOKENS, dtype=torch.int8, device=kept.device).scatter(1, kept, 0)  # [B, T]
    order = masked.argsort(dim=1, descending=True, stable=True)  # [B, T], masked first
    return order[:, : N_TOKENS - kept.shape[1]]  # [B, M]


def by_channel(patches: Tensor) -> Tensor:
    """Return the pixels of patches [..., P], [..., P / 3, 3]."""
    return patches.reshape(*patches.shape[:-1], -1, 3)  # [..., P / 3, 3]


def gathered(tokens: Tensor, which: Tensor) -> Tensor:
    """Return some tokens in time, [B, n, S, ...], of ``tokens`` [B, T, S, ...]; ``which``: int64 [B, n]."""
    rows = torch.arange(len(tokens), device=tokens.device)[:, None]  # [B, 1]
    return tokens[rows, which]  # [B, n, S, ...]


class _Stack(nn.Module):
    """Transformer blocks, the normalisation after them, and what is before or behind: ``patch_embed`` or ``head``."""

    def __init__(self, dim: int, depth: int, heads: int, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.blocks = nn.ModuleList(Block(dim, heads, qkv_bias=True, norm_layer=_norm) for _ in range(depth))
        self.norm = _norm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, N, D] of [B, N, D]."""
        for block in self.blocks:
            x = block(x)  # [B, N, D]
        found: Tensor = self.norm(x)  # [B, N, D]
        return found


class FrameMAE(nn.Module):
    """VideoMAE with whole frames masked: an encoder of the kept tokens, and a light decoder.

    A clip is float [B, 3, 16, H, W], RGB in 0 to 1, H = W = ``size.side``. A patch covers 2 frames and
    ``size.patch`` squared pixels: a clip has T = 8 tokens in time of S patches each, in the order t, h, w. Masks are of
    tokens in time: ``kept``, int64 [B, V], increasing, as many in each clip. A patch has P numbers in the order frame,
    line, column, channel.

    Parameters
    ----------
    size : Size
    normalised : bool
        Whether the target of a patch is each channel minus its mean, divided by its standard deviation; else pixels.
    std_floor : float
        Least standard deviation, in units of the range 0 to 1. Without one, noise of the codec in flat patches weighs
        as much as edges; 1/255 lets it count as a level.
    positions : {"flattened", "separable"}
        Sinusoids of the place among all patches in the order t, h, w, as in VideoMAE; or of t, h and w, side by side,
        which tell the same place in another frame.

    Notes
    -----
    Sources: Fu et al. 2023, section 3.1; Tong et al. 2022 and their code, whose names the tensors bear. Figure 1 says
    that masked frames enter the decoder as zeros: in the authors' code it is a learned token with a position.
    """

    mean: Tensor
    std: Tensor
    positions: Tensor
    decoder_positions: Tensor

    def __init__(
        self, size: Size, *, normalised: bool = True, std_floor: float = 0.0, positions: Positions = "flattened"
    ) -> None:
        super().__init__()
        self.size, self.normalised, self.std_floor = size, normalised, std_floor
        cube = (2, size.patch, size.patch)
        patch_embed = nn.ModuleDict({"proj": nn.Conv3d(3, size.dim, cube, cube)})
        self.encoder = _Stack(size.dim, size.depth, size.heads, patch_embed=patch_embed)
        self.encoder_to_decoder = nn.Linear(size.dim, size.decoder_dim, bias=False)
        head = nn.Linear(size.decoder_dim, size.patch_values)
        self.decoder = _Stack(size.decoder_dim, size.decoder_depth, size.decoder_heads, head=head)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, size.decoder_dim))
        constants = {"mean": torch.tensor(_MEAN), "std": torch.tensor(_STD)}  # [3]
        for name, width in (("positions", size.dim), ("decoder_positions", size.decoder_dim)):
            flat = sinusoids(N_TOKENS * size.n_patches, width).view(N_TOKENS, -1, width)  # [T, S, D or d]
            constants[name] = separable_sinusoids(size.n_patches, width) if positions == "separable" else flat
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_uniform_(part.weight)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def check(self, clips: Tensor) -> None:
        """Raise `UsageError` unless ``clips`` are what the network takes, with finite numbers."""
        side = self.size.side
        if clips.ndim != 5 or clips.shape[1:] != (3, N_FRAMES, side, side) or not clips.is_floating_point():
            raise UsageError(
                f"clips are {clips.dtype} {list(clips.shape)}; this FrameMAE takes float [B, 3, {N_FRAMES}, {side}, "
                f"{side}], RGB in 0 to 1: repeat the last frame of a shorter clip, and resize other images"
            )
        if not torch.isfinite(clips).all():
            raise UsageError("clips have numbers that are not finite; RGB is in 0 to 1")

    def patchify(self, clips: Tensor) -> Tensor:
        """Return the patches, [B, T, S, P], of clips [B, 3, 16, H, W]."""
        p, n = self.size.patch, self.size.side // self.size.patch
        x = clips.reshape(len(clips), 3, N_TOKENS, 2, n, p, n, p)  # [B, 3, T, 2, h, p, w, p]
        return x.permute(0, 2, 4, 6, 3, 5, 7, 1).reshape(len(clips), N_TOKENS, n * n, -1)  # [B, T, S, P]

    def unpatchify(self, patches: Tensor) -> Tensor:
        """Return the clips, [B, 3, 16, H, W], of patches [B, T, S, P]."""
        p, n = self.size.patch, self.size.side // self.size.patch
        x = patches.reshape(len(patches), N_TOKENS, n, n, 2, p, p, 3)  # [B, T, h, w, 2, p, p, 3]
        x = x.permute(0, 7, 1, 4, 2, 5, 3, 6)  # [B, 3, T, 2, h, p, w, p]
        return x.reshape(len(patches), 3, N_FRAMES, n * p, n * p)  # [B, 3, 16, H, W]

    def statistics(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of each channel of each patch, [..., 1, 3], of patches [..., P]."""
        pixels = by_channel(patches)  # [..., P / 3, 3]
        std, mean = torch.std_mean(pixels, dim=-2, keepdim=True)  # [..., 1, 3], unbiased
        return mean, std.clamp_min(self.std_floor) + _EPS  # [..., 1, 3]

    def target(self, patches: Tensor) -> Tensor:
        """Return what the decoder is to predict, [..., P], of patches [..., P]."""
        if not self.normalised:
            return patches
        mean, std = self.statistics(patches)  # [..., 1, 3]
        return ((by_channel(patches) - mean) / std).flatten(-2)  # [..., P]

    def pixels(self, predictions: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """Return predictions [..., P] as pixels in 0 to 1, with these `statistics`, which only `normalised` reads."""
        if self.normalised:
            predictions = (by_channel(predictions) * std + mean).flatten(-2)  # [..., P]
        return predictions.clamp(0, 1)

    def embed(self, patches: Tensor) -> Tensor:
        """Return the tokens, [B, T, S, D], of patches [B, T, S, P]: a linear map, and the position."""
        proj = cast(nn.Conv3d, self.encoder.get_submodule("patch_embed.proj"))
        weight = proj.weight.permute(0, 2, 3, 4, 1).flatten(1)  # [D, P]
        x = ((by_channel(patches) - self.mean) / self.std).flatten(-2)  # [B, T, S, P]
        return functional.linear(x, weight, proj.bias) + self.positions  # [B, T, S, D]

    def tokens(self, clips: Tensor) -> Tensor:
        """Return the tokens, [B, T, S, D], of clips [B, 3, 16, H, W]."""
        return self.embed(self.patchify(clips))  # [B, T, S, D]

    def encode(self, tokens: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return the features of the ``visible`` tokens [B, V] alone, [B, V, S, D], of [B, T, S, D]; None: all."""
        x = tokens if visible is None else gathered(tokens, visible)  # [B, V, S, D]
        found: Tensor = self.encoder(x.flatten(1, 2)).view_as(x)  # [B, V, S, D]
        return found

    def decode(self, features: Tensor, kept: Tensor, *, all_frames: bool = False) -> Tensor:
        """Return the predictions of the masked tokens, in order, [B, M, S, P], of features [B, V, S, D] of the kept.

        With ``all_frames`` those of all tokens, [B, T, S, P].
        """
        b, n_kept = kept.shape
        masked = complement(kept)  # [B, M]
        order = torch.cat([kept, masked], dim=1)  # [B, T]
        visible = self.encoder_to_decoder(features)  # [B, V, S, d]
        hidden = self.mask_token.expand(b, N_TOKENS - n_kept, self.size.n_patches, -1)  # [B, M, S, d]
        x = torch.cat([visible, hidden], dim=1) + self.decoder_positions[order]  # [B, T, S, d]
        x = self.decoder(x.flatten(1, 2)).view_as(x)  # [B, T, S, d]
        if all_frames:
            x = gathered(x, order.argsort(dim=1))  # [B, T, S, d]
        found: Tensor = self.decoder.get_submodule("head")(x if all_frames else x[:, n_kept:])  # [B, M or T, S, P]
        return found

    def decoder_input(self, clips: Tensor) -> Tensor:
        """Return what enters the decoder where nothing is masked, [B, T, S, d]: what a selector reads."""
        self.check(clips)
        found: Tensor = (
            self.encoder_to_decoder(self.encode(self.tokens(clips))) + self.decoder_positions
        )  # [B, T, S, d]
        return found

    def reconstruct(self, clips: Tensor, kept: Tensor) -> Tensor:
        """Return the predictions of the masked tokens, [B, M, S, P], in units of `target`, of clips and kept [B, V]."""
        self.check(clips)
        return self.decode(self.encode(self.tokens(clips), kept), kept)  # [B, M, S, P]

    def forward(self, clips: Tensor, kept: Tensor) -> Tensor:
        """Return the mean squared error over the masked tokens of each clip, float32 [B]: all pixels count the same."""
        patches = self.patchify(clips)  # [B, T, S, P]
        found = self.decode(self.encode(self.embed(patches), kept), kept)  # [B, M, S, P]
        goal = self.target(gathered(patches, complement(kept)))  # [B, M, S, P]
        return (found.float() - goal.float()).square().mean(dim=(1, 2, 3))  # [B]
