"""What the loss costs beside the network: forward and backward of both, at the same batch, in one run.

Every round times all cases one after the other, so that other load on the machine meets all of them; the median of each
is printed, and the median of its ratio to the network's forward and backward in the same round. The issue's number: mix
at most 1 x the network::

    python experiments/speed/losses.py
    python experiments/speed/losses.py --width 0.25 --geometry 0.5     # the setting of the tables at scale=cpu

On a machine that others use at the same time two threads mostly wait for each other: measure with
``--threads 1`` there.

Frame distances are timed too, per frame, beside the forward pass that makes the frame's reconstruction.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from keyframe_bench.models.autoencoder import EncoderDecoder
from keyframe_bench.models.losses import L2Loss, MixLoss, SsimLoss
from keyframe_bench.models.networks import ConvolutionalNetwork
from keyframe_bench.models.similarity import C1, C2, SIGMAS

LIMIT = 1.0  # mix over network, forward and backward
TAPS = 33


def depthwise_mix(first: Tensor, second: Tensor) -> Tensor:
    """Return mix as it is usually written: five scales of a depthwise convolution along each axis."""
    channels = first.shape[1]
    at = torch.arange(TAPS) - TAPS // 2
    weights = torch.stack([torch.exp(-((at / sigma) ** 2) / 2) for sigma in SIGMAS])
    weights = (weights / weights.sum(dim=1, keepdim=True)).repeat(channels, 1)[:, None]  # [C * S, 1, taps]

    def blurred(x: Tensor) -> Tensor:  # [B, C, S, H, W]
        x = pad(x, [TAPS // 2] * 4, mode="reflect")
        x = conv2d(x, weights[..., None, :], groups=channels)
        x = conv2d(x, weights[..., :, None], groups=channels * len(SIGMAS))
        return x.unflatten(1, (channels, len(SIGMAS)))

    mean_a, mean_b = blurred(first), blurred(second)
    variance_a = blurred(first * first) - mean_a**2
    variance_b = blurred(second * second) - mean_b**2
    covariance = blurred(first * second) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    structure = (2 * covariance + C2) / (variance_a + variance_b + C2)
    ms_ssim = (luminance[:, :, -1] * structure.prod(dim=2)).mean()
    absolute = blurred((first - second).abs())[:, :, -1].mean()
    return 0.025 * (1 - ms_ssim) + 0.975 * absolute


def trained(model: EncoderDecoder, pictures: Tensor, upstream: Tensor, *, bf16: bool) -> Callable[[], object]:
    """Return one forward and backward of the network, without a loss."""

    def run() -> None:
        model.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            output = model(pictures)
        output.backward(upstream.to(output.dtype))

    return run


def judged(loss: Callable[[Tensor, Tensor], Tensor], pictures: Tensor, output: Tensor) -> Callable[[], object]:
    """Return one forward and backward of a loss."""

    def run() -> None:
        leaf = output.detach().requires_grad_()
        loss(leaf, pictures).backward()

    return run


def cases_of(
    network: ConvolutionalNetwork, batch: int
) -> tuple[dict[str, Callable[[], object]], dict[str, Callable[[], None]]]:
    """Return what is timed: cases of training, and of comparing frames."""
    generator = torch.Generator().manual_seed(0)
    shape = (batch, 3, network.input_height, network.input_width)
    pictures = torch.rand(shape, generator=generator).contiguous(memory_format=torch.channels_last)
    output = (0.9 * pictures + 0.1 * torch.rand(shape, generator=generator)).clamp(0, 1)
    output = output.contiguous(memory_format=torch.channels_last)
    model = EncoderDecoder(network).to(memory_format=torch.channels_last)
    upstream = torch.rand(shape, generator=generator).contiguous(memory_format=torch.channels_last) - 0.5
    training = {"network, fp32": trained(model, pictures, upstream, bf16=False)}
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        training["network, bf16"] = trained(model, pictures, upstream, bf16=True)
    loss = MixLoss()
    training["mix"] = judged(loss, pictures, output)
    training["mix, pyramid"] = judged(MixLoss(ms_kind="pyramid"), pictures, output)
    training["ssim"] = judged(SsimLoss(), pictures, output)
    training["l2"] = judged(L2Loss(), pictures, output)
    training["mix by depthwise convolutions"] = judged(depthwise_mix, pictures, output)
    still = EncoderDecoder(network).to(memory_format=torch.channels_last).eval()
    kept, reference = loss.prepared(output), loss.prepared(pictures[:1])
    comparing: dict[str, Callable[[], object]] = {
        "network, forward, fp32": lambda: still(pictures),
        "mix with one reference": lambda: loss.per_picture(output, pictures[:1]),
        "preparing frames": lambda: loss.prepared(output),
        "mix of prepared frames": lambda: loss.between(kept, reference),
    }
    return training, comparing


def seconds_of(cases: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each case in every round; one round before them is not counted."""
    spent: dict[str, list[float]] = {name: [] for name in cases}
    for round_ in range(rounds + 1):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            if round_:
                spent[name].append(time.perf_counter() - start)
    return spent


def report(spent: dict[str, list[float]], n: int) -> dict[str, float]:
    """Print a row per case, and return the medians of the ratios to the networks, by "case / network"."""
    networks = [name for name in spent if name.startswith("network")]
    print(f"{'':32} {'median ms':>10} {'images/s':>9}" + "".join(f"{'x ' + name:>26}" for name in networks))
    ratios = {}
    for name, seconds in spent.items():
        row = f"{name:32} {1000 * statistics.median(seconds):>10.1f} {n / statistics.median(seconds):>9.1f}"
        for network in networks:
            ratio = statistics.median(a / b for a, b in zip(seconds, spent[network], strict=True))
            ratios[f"{name} / {network}"] = ratio
            row += f"{ratio:>26.3f}"
        print(row, flush=True)
    return ratios


def main() -> None:
    """Print both tables and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="ae_final")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--geometry", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, help="of torch; by default its own choice")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    network = ConvolutionalNetwork.build(given.network, {"width": given.width, "geometry": given.geometry})
    print(f"{network.name} {network.input_height} x {network.input_width}, width {network.width:g}, ", end="")
    print(
        f"batch {given.batch}, {given.rounds} rounds; {os.cpu_count()} cores, {torch.get_num_threads()} threads, ",
        end="",
    )
    print(f"Python {platform.python_version()}, torch {version('torch')}")
    training, comparing = cases_of(network, given.batch)
    print("forward and backward")
    ratios = report(seconds_of(training, given.rounds), given.batch)
    print("frame distances, no gradient")
    with torch.inference_mode():
        report(seconds_of(comparing, given.rounds), given.batch)
    for name, ratio in ratios.items():
        if name.startswith("mix / "):
            print(f"{name}: {ratio:.2f}, {'at most' if ratio <= LIMIT else 'ABOVE'} {LIMIT:g}")


if __name__ == "__main__":
    main()
