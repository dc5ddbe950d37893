"""Frames that were left out, reconstructed from those that were kept: by a FrameMAE, a blend, or the last one held."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .frame_mae import FrameMAE, complement, gathered
from .frame_mae_weights import N_FRAMES, N_TOKENS

Statistics = Literal["blended", "target"]
Images = NDArray[np.uint8]


def size_of(height: int, width: int, side: int) -> tuple[int, int]:
    """Return height and width, both even, of an image whose shorter side becomes ``side``."""
    scale = side / min(height, width)
    return max(side, 2 * round(height * scale / 2)), max(side, 2 * round(width * scale / 2))


def by_blending(images: Images, kept: NDArray[np.bool_]) -> Images:
    """Return every frame as a linear blend of the kept ones before and after it.

    Parameters
    ----------
    images : uint8 [N, H, W, 3]
        Of which only the kept ones are read.
    kept : bool [N]
        At least one.
    """
    places = np.flatnonzero(kept)  # [K]
    where = np.interp(np.arange(len(images)), places, np.arange(len(places)))  # [N], places among the kept
    found = np.empty_like(images)
    for n, place in enumerate(where):
        first, share = places[int(place)], place % 1
        second = places[min(int(place) + 1, len(places) - 1)]
        found[n] = np.rint(images[first] * (1 - share) + images[second] * share)
    return found


def by_holding(images: Images, kept: NDArray[np.bool_]) -> Images:
    """Return every frame as the last kept one; those before the first kept one are like it. See `by_blending`."""
    places = np.flatnonzero(kept)  # [K]
    return images[places[np.maximum(np.searchsorted(places, np.arange(len(images)), side="right") - 1, 0)]]


def by_network(model: FrameMAE, images: Images, kept: NDArray[np.bool_], statistics: Statistics = "blended") -> Images:
    """Return the frames, of which those not kept are reconstructed by the FrameMAE from the kept ones.

    Windows are those of `windows_of`; where there are fewer than 16 frames the last one is repeated. Square tiles cover
    the longer side, overlapping by at least a quarter, and weigh less towards their edges.

    Parameters
    ----------
    model : FrameMAE
    images : uint8 [N, H, W, 3]
        RGB, the shorter side as large as the network's.
    kept : bool [N]
        As `whole_tokens` gives them.
    statistics : {"blended", "target"}
        A network with normalised targets predicts patches without mean and deviation. "blended" takes them, linearly
        in time, from the same patch of the kept tokens before and after; "target" takes those of the frame that is left
        out, which a decoder would not have.
    """
    found = images.copy()
    tiles, weights = _tiles(images.shape[1], images.shape[2], model.size.side)
    for start, first in windows_of(len(images)):
        rows = np.minimum(np.arange(start, start + N_FRAMES), len(images) - 1)  # [16]
        visible = kept[rows].reshape(N_TOKENS, 2).all(axis=1)  # [8], of tokens
        if visible.all():
            continue
        window = torch.from_numpy(images[rows]).to(model.mean.device).permute(3, 0, 1, 2).float() / 255  # [3, 16, H, W]
        clips = torch.stack([window[..., y, x] for y, x in tiles])  # [B, 3, 16, side, side]
        with torch.inference_mode():
            made = _filled(model, clips, torch.from_numpy(np.flatnonzero(visible)).to(clips.device), statistics)
        total = torch.zeros_like(window)  # [3, 16, H, W]
        for (y, x), tile in zip(tiles, made, strict=True):
            total[..., y, x] += tile * weights.to(tile.device)
        whole = torch.zeros_like(window[0, 0])  # [H, W]
        for y, x in tiles:
            whole[y, x] += weights.to(whole.device)
        pixels = (total / whole * 255).round().byte().permute(1, 2, 3, 0).cpu().numpy()  # [16, H, W, 3]
        here = first - start + np.flatnonzero(~kept[first : start + N_FRAMES])
        found[start + here] = pixels[here]
    return found


def _tiles(height: int, width: int, side: int) -> tuple[list[tuple[slice, slice]], Tensor]:
    """Return squares that cover an image, as lines and columns, and the weight of their pixels, [side, side]."""

    def starts(length: int) -> list[int]:
        n = 1 + -(-(length - side) // (side * 3 // 4))
        return [round(x) for x in np.linspace(0, length - side, n)]

    tiles = [(slice(y, y + side), slice(x, x + side)) for y in starts(height) for x in starts(width)]
    ramp = torch.minimum(torch.arange(1, side + 1), torch.arange(side, 0, -1)).float()  # [side]
    return tiles, torch.minimum(ramp[:, None], ramp[None])


def _filled(model: FrameMAE, clips: Tensor, visible: Tensor, statistics: Statistics) -> Tensor:
    """Return clips, [B, 3, 16, side, side], with only the tokens ``visible`` [V] read."""
    kept = visible.expand(len(clips), -1)  # [B, V]
    masked = complement(kept)  # [B, M]
    patches = model.patchify(clips)  # [B, T, S, P]
    predicted = model.reconstruct(clips, kept)  # [B, M, S, P]
    if statistics == "target":
        mean, std = model.statistics(gathered(patches, masked))  # [B, M, S, 1, 3]
    else:
        places = np.arange(len(visible))
        shares = [np.interp(masked[0].cpu(), visible.cpu(), places == place) for place in places]  # V of [M]
        blend = torch.tensor(np.array(shares), dtype=clips.dtype, device=clips.device)  # [V, M]
        mean, std = (
            torch.einsum("vm,bvsic->bmsic", blend, one) for one in model.statistics(gathered(patches, kept))
        )  # [B, M, S, 1, 3]
    whole = patches.clone()  # [B, T, S, P]
    rows = torch.arange(len(clips), device=clips.device)[:, None]  # [B, 1]
    whole[rows, masked] = model.pixels(predicted.float(), mean, std)
    return model.unpatchify(whole)  # [B, 3, 16, side, side]


def windows_of(n: int) -> list[tuple[int, int]]:
    """Return where the windows of 16 of ``n`` frames start, and the first frame that each of them reconstructs.

    They lie side by side; the last one ends with the video, as that of a selector does, and may overlap the one before.
    """
    rest = n - n % N_FRAMES
    whole = [(start, start) for start in range(0, rest, N_FRAMES)]
    return whole + ([(max(n - N_FRAMES, 0), rest)] if rest < n else [])


def whole_tokens(chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which frames are kept where a FrameMAE is to reconstruct the others, bool [N].

    Tokens of two frames are kept as a whole, and a window of 16 frames without one keeps its middle token.

    Examples
    --------
    >>> np.flatnonzero(whole_tokens(np.isin(np.arange(34), [3, 8]))).tolist()
    [2, 3, 8, 9, 24, 25]
    """
    n = len(chosen)
    found: NDArray[np.bool_] = np.zeros(n, dtype=bool)
    for start, first in windows_of(n):
        frames = np.minimum(np.arange(start, start + N_FRAMES), n - 1).reshape(N_TOKENS, 2)
        wanted = chosen[frames] & (frames >= first)  # [8, 2]
        tokens = wanted[:, 0] | wanted[:, 1]  # [8]
        if not (tokens | found[frames].all(axis=1)).any():
            own = np.flatnonzero((frames[:, 1] >= first) & (start + 2 * np.arange(N_TOKENS) < n))
            tokens[own[len(own) // 2]] = True
        found[frames[tokens]] = True
    return found


def same_tokens(n: int, tokens: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which of ``n`` frames are kept, bool [n], where these tokens of every window are."""
    found: NDArray[np.bool_] = np.zeros(n, dtype=bool)
    for start, first in windows_of(n):
        frames = start + np.array([2 * token + half for token in tokens for half in (0, 1)])
        found[frames[(frames >= first) & (frames < n)]] = True
    return whole_tokens(found)
