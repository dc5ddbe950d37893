"""Masks of whole frames, and how well each of the 28 choices of 2 of 8 tokens reconstructs the others."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .frame_mae import FrameMAE, complement, gathered
from .frame_mae_weights import N_TOKENS, PAIRS

NMasked = Literal[3, 6, "uniform"]
Errors = Literal["masked_only", "all_frames"]

_UNIFORM = (3, 4, 5, 6)
_VALUES_AT_A_TIME, _VALUES_AT_A_TIME_ON_A_GPU = 400_000, 400_000_000  # of tokens that are encoded or decoded together


def draw_kept(n: int, n_masked: NMasked, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return random masks of ``n`` clips: the tokens that are kept, int64 [n, V], increasing.

    ``n_masked``: tokens of 8 that are masked, uniformly at random (3: Fu et al. 2023, section 4.1); "uniform": 3 to 6,
    as many in all of these clips.
    """
    hidden = int(rng.choice(_UNIFORM)) if n_masked == "uniform" else n_masked
    order = rng.permuted(np.tile(np.arange(N_TOKENS), (n, 1)), axis=1)
    return np.sort(order[:, hidden:], axis=1)


def pair_errors(model: FrameMAE, clips: Tensor, errors: Errors = "masked_only") -> Tensor:
    """Return the error of each of `PAIRS` as the tokens that are kept, float32 [B, 28], of clips [B, 3, 16, H, W].

    Patches are embedded once, and all masks of as many clips as fit are one batch.

    Parameters
    ----------
    model : FrameMAE
    clips : Tensor
    errors : {"masked_only", "all_frames"}
        Mean squared error, in units of `FrameMAE.target`, over the 6 masked tokens, which are others for each pair (Fu
        et al. 2023), or over all 8, of which the decoder predicts the kept ones too. (With those taken as exact, the
        order of pairs is that of masked_only.)

    Raises
    ------
    UsageError
        If clips are of another shape or not finite.
    """
    model.check(clips)
    patches = model.patchify(clips)  # [B, T, S, P]
    tokens, goal = model.embed(patches), model.target(patches).float()  # [B, T, S, D], [B, T, S, P]
    n, pairs = len(PAIRS), torch.tensor(PAIRS, device=clips.device)  # [28, 2]
    values = _VALUES_AT_A_TIME if clips.device.type == "cpu" else _VALUES_AT_A_TIME_ON_A_GPU
    step = max(1, values // tokens[0].numel())
    found = []
    for runs in torch.split(torch.arange(len(clips) * n, device=clips.device), step):  # [r] of clip and pair
        which, kept = runs // n, pairs[runs % n]  # [r], [r, 2]
        visible = tokens[which[:, None], kept]  # [r, 2, S, D]
        predicted = model.decode(model.encode(visible), kept, all_frames=errors == "all_frames")  # [r, 6 or 8, S, P]
        shown = goal[which] if errors == "all_frames" else gathered(goal[which], complement(kept))
        found.append((predicted.float() - shown).square().mean(dim=(1, 2, 3)))  # [r]
    return torch.cat(found).view(-1, n)  # [B, 28]


def pooled_input(model: FrameMAE, clips: Tensor) -> Tensor:
    """Return what a selector reads, [B, d, 8, 4]: the decoder's unmasked input, its maximum over quarters of a frame.

    The quarters are runs of patches in the order of lines, as in the authors' code: bands of a frame.
    """
    x = model.decoder_input(clips).permute(0, 3, 1, 2)  # [B, d, T, S]
    return functional.max_pool2d(x, (1, x.shape[-1] // 4))  # [B, d, 8, 4]
