"""What a trained auto-encoder is judged by: losses, sharpness and colour of its reconstructions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...core.checkpoint import Checkpoint
from ...core.errors import UsageError
from ...metrics.base import Column
from ...models.base import Loss
from ...selection.spacing import evenly_spaced
from ...training.clips import Clips, Rows
from ..trainable import Pair
from .options import AutoencoderOptions

if TYPE_CHECKING:
    from torch import Tensor, nn

BATCH = 32

COLUMNS: Mapping[str, Column] = {
    "loss": Column("lower", "1", "the loss of the training", headline=True),
    "l2": Column("lower", "1", "mean squared error"),
    "ssim": Column("lower", "1", "1 - SSIM"),
    "ms_ssim": Column("lower", "1", "1 - MS-SSIM of the sigma kind"),
    "mix": Column("lower", "1", "mix of MS-SSIM and L1 with its default options"),
    "psnr": Column("higher", "dB", "peak signal-to-noise ratio, mean over images", headline=True),
    "sharpness": Column("none", "1", "variance of the Laplacian of the luma, output / input; below 1 is blurred"),
    "gradient": Column("none", "1", "mean gradient magnitude of the luma, output / input; below 1 is blurred"),
    "chroma_error": Column("lower", "1", "mean absolute error of Cb and Cr, full range 1"),
    "saturation": Column("none", "1", "mean of max - min of R, G, B, output / input; 0 is black and white"),
    "ab_error": Column("lower", "1", "mean absolute error of a* and b* (CIELAB)"),
    "common_loss": Column("lower", "1", "the loss of the training, at a size common to all networks"),
    "common_psnr": Column("higher", "dB", "peak signal-to-noise ratio at a size common to all networks"),
}
_PSNR_FLOOR = 1e-10  # mean squared error: equal images count as 100 dB
_TINY = 1e-8  # keeps ratios finite where the input has no edge or no colour at all


def _model(checkpoint: Checkpoint) -> nn.Module:
    import torch

    from ...models.checkpoint import with_weights

    return with_weights(checkpoint).eval().to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def reconstructions(checkpoint: Checkpoint, clips: Clips, n: int) -> Pair:
    """Return ``n`` evenly spaced images, fewer where there are fewer, and what the network makes of them."""
    import torch

    rows = clips.rows(AutoencoderOptions.build(checkpoint.record["options"]).pictures)
    inputs, model = rows.take(evenly_spaced(len(rows), n)), _model(checkpoint)
    device = next(model.parameters()).device
    with torch.inference_mode():
        made = [model(_floats(part).to(device)) for part in np.array_split(inputs, -(-len(inputs) // BATCH))]
        outputs = torch.cat(made).float().clamp(0, 1).mul(255).round().byte()  # [n, 3, H, W]
    return inputs, outputs.permute(0, 2, 3, 1).cpu().numpy()


def evaluate_checkpoint(checkpoint: Checkpoint, clips: Clips) -> dict[str, float]:
    """Return the `COLUMNS` of the network of ``checkpoint`` on all images of ``clips``."""
    options, model = AutoencoderOptions.build(checkpoint.record["options"]), _model(checkpoint)
    common = None if options.common_pictures == options.pictures else clips.rows(options.common_pictures)
    return evaluate(model, clips.rows(options.pictures), options.built_loss, common)


def evaluate(
    model: nn.Module, pictures: Rows, loss: Loss, common: Rows | None = None, *, batch: int = BATCH
) -> dict[str, float]:
    """Return how well ``model`` reconstructs images: the `COLUMNS`, all finite.

    Raises `UsageError` if there are no images, they are not 8-bit RGB, or a reconstruction is not finite or of another
    size.

    Parameters
    ----------
    model : nn.Module
        Images, float [B, 3, H, W] in 0 to 1, to images. It is put into evaluation mode.
    pictures : uint8 [N, H, W, 3]
        RGB, N at least 1; read batch by batch.
    loss : Loss
        For "loss"; "l2", "ssim", "ms_ssim" and "mix" are those losses with default options.
    common : uint8 [N, H', W', 3], optional
        The same images at the size that is common to all networks, resized from their files, where that is another
        one. Losses at different sizes cannot be compared: small images are harder per pixel. For "common_loss" and
        "common_psnr" reconstructions are resized to it (bilinear, antialiased).
    batch : int
        Images at a time.

    Notes
    -----
    Losses and errors are means over images. Ratios are of means: the sum over all outputs by the sum over all inputs,
    so that a flat or grey image does not decide. Luma, Cb and Cr are those of BT.601 in full range; CIELAB is of sRGB
    under D65. Reconstructions are not rounded to 8 bits.
    """
    import torch

    _check(pictures, len(pictures))
    if common is not None:
        _check(common, len(pictures))
    losses = {"loss": loss, **{kind: Loss.registry.build(kind) for kind in ("l2", "ssim", "ms_ssim", "mix")}}
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    sums: Counter[str] = Counter()
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(pictures), batch):
            target = _floats(pictures[start : start + batch]).to(device)
            output = model(target).float()
            _check_output(output, target, start)
            found = {name: one.per_picture(output, target) for name, one in losses.items()}
            found |= {"psnr": psnr(output, target), **_color_errors(output, target)}
            found |= {f"{name} out": value for name, value in _amounts(output).items()}
            found |= {f"{name} in": value for name, value in _amounts(target).items()}
            if common is not None:
                target = _floats(common[start : start + batch]).to(device)
                output = _resized(output, target)
                found |= {"common_loss": loss.per_picture(output, target), "common_psnr": psnr(output, target)}
            sums.update({name: float(values.double().sum()) for name, values in found.items()})
    means = {name: total / len(pictures) for name, total in sums.items()}
    for name in ("sharpness", "gradient", "saturation"):
        means[name] = (sums[f"{name} out"] + _TINY) / (sums[f"{name} in"] + _TINY)
    return {name: means.get(name, means[name.removeprefix("common_")]) for name in COLUMNS}


def _check(pictures: Rows, n: int) -> None:
    if n == 0:
        raise UsageError("there are no images to evaluate; give the data at least one for validation")
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 3 or len(pictures) != n:
        found = f"{pictures.dtype} {list(pictures.shape)}"
        raise UsageError(f"images to be evaluated are uint8 [{n}, height, width, 3], not {found}")


def _check_output(output: Tensor, target: Tensor, start: int) -> None:
    if output.shape != target.shape:
        raise UsageError(f"the network makes {list(output.shape)} of images {list(target.shape)}")
    bad = ~output.isfinite().flatten(1).all(dim=1)
    if bad.any():
        first = start + int(bad.nonzero()[0])
        raise UsageError(f"the reconstruction of image {first} is not finite; train the network again")


def _resized(output: Tensor, target: Tensor) -> Tensor:
    from torch.nn.functional import interpolate

    if output.shape == target.shape:
        return output
    return interpolate(output, target.shape[2:], mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)


def psnr(output: Tensor, target: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB, [B], of images [B, C, H, W] in 0 to 1; at most 100."""
    error = (output - target).square().mean(dim=(1, 2, 3))
    return -10 * error.clamp(min=_PSNR_FLOOR).log10()


def _floats(pictures: NDArray[np.uint8]) -> Tensor:
    """Return 8-bit images [B, H, W, 3] as float32 [B, 3, H, W] in 0 to 1."""
    import torch

    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 255


def _amounts(pictures: Tensor) -> dict[str, Tensor]:
    """Return how much edge and colour images [B, 3, H, W] hold, each [B]."""
    luma = ycbcr(pictures)[:, 0]  # [B, H, W]
    inner = luma[:, 1:-1, 1:-1]
    around = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    down = (luma[:, 2:, 1:-1] - luma[:, :-2, 1:-1]) / 2
    across = (luma[:, 1:-1, 2:] - luma[:, 1:-1, :-2]) / 2
    return {
        "sharpness": (around - 4 * inner).flatten(1).var(dim=1, correction=0),
        "gradient": (down.square() + across.square()).sqrt().mean(dim=(1, 2)),
        # Not divided by the maximum, as HSV's: noise of dark pixels would count as colour.
        "saturation": (pictures.amax(dim=1) - pictures.amin(dim=1)).mean(dim=(1, 2)),
    }


def _color_errors(output: Tensor, target: Tensor) -> dict[str, Tensor]:
    chroma = (ycbcr(output) - ycbcr(target))[:, 1:].abs().mean(dim=(1, 2, 3))
    ab = (lab(output) - lab(target))[:, 1:].abs().mean(dim=(1, 2, 3))
    return {"chroma_error": chroma, "ab_error": ab}


def ycbcr(pictures: Tensor) -> Tensor:
    """Return Y, Cb and Cr, [B, 3, H, W], of RGB in 0 to 1: Y in 0 to 1, others in -1/2 to 1/2 (BT.601, full range)."""
    red, green, blue = pictures.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return _stacked(luma, (blue - luma) / 1.772, (red - luma) / 1.402)


def lab(pictures: Tensor) -> Tensor:
    """Return L*, a* and b*, [B, 3, H, W], of sRGB images in 0 to 1 under D65 (IEC 61966-2-1, CIE 15)."""
    import torch

    linear = torch.where(pictures <= 0.04045, pictures / 12.92, ((pictures + 0.055) / 1.055) ** 2.4)
    red, green, blue = linear.unbind(1)
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883
    limit = 6 / 29
    fx, fy, fz = (torch.where(v > limit**3, v.clamp(min=0) ** (1 / 3), v / (3 * limit**2) + 4 / 29) for v in (x, y, z))
    return _stacked(116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz))


def _stacked(*channels: Tensor) -> Tensor:
    import torch

    return torch.stack(channels, dim=1)
