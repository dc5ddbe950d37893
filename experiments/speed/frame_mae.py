"""What labels of FrameRS cost, and what a pass of FrameMAE costs by the share that is masked.

A label is the best of 28 masks of a clip. The authors' way reads the video anew for each: decode, convert, cut, one
masked pass. Here the clip is read once, its patches are embedded once, and masks are batches::

    python experiments/speed/frame_mae.py VIDEO
    python experiments/speed/frame_mae.py VIDEO --preset base --threads 1 --clock cpu    # on a busy machine

Numbers of `protocols` are multiply-accumulates of encoder and decoder of VideoMAE's ViT-B.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from keyframe_bench.models.frame_mae import FrameMAE
from keyframe_bench.models.frame_mae_weights import N_FRAMES, N_TOKENS, PAIRS, PRESETS, Size
from keyframe_bench.models.frame_masks import pair_errors
from keyframe_bench.video.folder_reader import open_video
from keyframe_bench.video.image_files import fit

STRIDE = 2
SHARES = {
    "tube, 90 % masked": 160,
    "6 of 8 frames": 392,
    "3 of 8 frames": 980,
    "nothing": 1568,
}  # visible tokens of base
GMAC = {160: (15.9, 19.5), 392: (38.0, 19.5), 980: (102.8, 19.3), 1568: (180.3, 19.1)}  # of protocols


def read_clip(video: str, side: int) -> Tensor:
    """Decode 16 frames, every other one, at full size, and cut their middle: float [1, 3, 16, side, side]."""
    with open_video(Path(video)) as reader:
        frames = [frame.full_rgb() for frame in islice(iter(reader), 0, N_FRAMES * STRIDE, STRIDE)]
    cut = np.stack([fit(frame, side, side, "crop") for frame in frames])  # [16, side, side, 3]
    return torch.from_numpy(cut).permute(3, 0, 1, 2)[None].float() / 255


def seconds(run: Callable[[], object], device: torch.device, clock: Callable[[], float], rounds: int) -> float:
    """Return the median seconds of a call, after one that is not counted."""
    taken = []
    for _ in range(rounds + 1):
        start = clock()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(clock() - start)
    return statistics.median(taken[1:])


def labels(video: str, model: FrameMAE, clock: Callable[[], float], rounds: int) -> None:
    """Print seconds per label: reading and computing once, for each mask, and computing alone."""
    device, side = model.mean.device, model.size.side
    pairs = torch.tensor(PAIRS, device=device)

    def single(clip: Tensor) -> list[float]:
        return [float(model(clip, pair[None])) for pair in pairs]

    def authors() -> list[float]:
        return [float(model(read_clip(video, side).to(device), pair[None])) for pair in pairs]

    def ours() -> Tensor:
        return pair_errors(model, read_clip(video, side).to(device))

    clip = read_clip(video, side).to(device)
    gap = float((ours()[0].cpu() - torch.tensor(authors())).abs().max())
    ways: dict[str, Callable[[], object]] = {
        "read and computed for each mask": authors,
        "read once, masks together": ours,
        "computed singly, read before": lambda: single(clip),
        "computed together, read before": lambda: pair_errors(model, clip),
    }
    taken = {name: seconds(way, device, clock, rounds) for name, way in ways.items()}
    for name, value in taken.items():
        print(f"{name:34} {value:9.3f} s a label")
    authors_s, ours_s, singly_s, together_s = taken.values()
    print(f"labels {authors_s / ours_s:.1f} x as fast as the authors' way, arithmetic {singly_s / together_s:.2f} x")
    print(f"largest difference of an error {gap:.1e}\n")


def gmac(size: Size, visible: int) -> tuple[float, float]:
    """Return multiply-accumulates of encoder, with all patches embedded, and decoder, in 10^9."""
    n, values, wide, slim = N_TOKENS * size.n_patches, size.patch_values, size.dim, size.decoder_dim
    encoder = n * values * wide + size.depth * (12 * visible * wide**2 + 2 * visible**2 * wide)
    decoder = size.decoder_depth * (12 * n * slim**2 + 2 * n**2 * slim)
    decoder += visible * wide * slim + (n - visible) * values * slim
    return encoder / 1e9, decoder / 1e9


def costs(model: FrameMAE, clock: Callable[[], float], rounds: int) -> None:
    """Print multiply-accumulates and seconds of encoder and decoder by visible tokens, beside those of protocols."""
    size, device = model.size, model.mean.device
    n, head = N_TOKENS * size.n_patches, model.decoder.get_submodule("head")
    tokens, x = (torch.randn(1, n, width, device=device) for width in (size.dim, size.decoder_dim))
    print("masked               visible  encoder  decoder      protocols      encoder    decoder    encoder's rate")
    for name, of_base in SHARES.items():
        visible = of_base * n // 1568
        parts: list[Callable[[], object]] = [
            lambda visible=visible: model.encoder(tokens[:, :visible]),
            lambda visible=visible: head(model.decoder(x)[:, visible:]),
        ]
        encoder_s, decoder_s = (seconds(part, device, clock, rounds) for part in parts)
        encoder, decoder = gmac(size, visible)
        told = "{:5.1f} + {:4.1f}".format(*GMAC[of_base]) if size == PRESETS["base"] else ""
        print(
            f"{name:20} {visible:7} {encoder:8.2f} {decoder:8.2f} {told:>13} GMAC {encoder_s:8.4f} {decoder_s:10.4f} s "
            f"{encoder / encoder_s:7.1f} GMAC/s"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", nargs="?", help="without one only the cost of a pass is measured")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="tiny")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    clock = time.process_time if given.clock == "cpu" else time.perf_counter
    torch.manual_seed(0)
    model = FrameMAE(PRESETS[given.preset]).eval()
    model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    with torch.inference_mode():
        print(f"preset {given.preset}, {model.mean.device}, {torch.get_num_threads()} threads, {given.clock} time")
        if given.video:
            labels(given.video, model, clock, given.rounds)
        costs(model, clock, given.rounds)


if __name__ == "__main__":
    main()
