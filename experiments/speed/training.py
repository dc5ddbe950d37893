# ruff: noqa: ARG002 - the signatures are those of Lightning
"""What training costs: whether it waits for its data, and the shares of data, network, loss and optimiser.

Rounds are interleaved, so that other load on the machine meets all, and medians are printed. "from the data module" and
"cached" are whole epochs of Lightning as ``keyframe-bench train`` runs them, validation and checkpoints left out: once
with the loader that indexes 8-bit images in memory, once with the same batches as tensors that lie on the device
already. The shares are of steps taken by hand; "matrix rate" is what the same machine reaches in a product of two
large matrices of the same precision::

    python experiments/speed/training.py --width 0.25 --geometry 0.5 --batch 16 --rounds 5
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytorch_lightning as pl
import torch

from keyframe_bench.bench.provenance import package_versions
from keyframe_bench.extractors.autoencoder.learning import AutoencoderModule, as_input
from keyframe_bench.extractors.autoencoder.options import AutoencoderOptions
from keyframe_bench.models.autoencoder import EncoderDecoder
from keyframe_bench.training.batches import Batch, RowBatches
from keyframe_bench.training.clips import Rows
from keyframe_bench.training.machine import machine, resolved_precision, undisturbed

PARTS = ("data", "input", "forward", "loss", "backward", "optimiser")


class Cached:
    """Batches on the device, in a form that Lightning does not take for several loaders."""

    def __init__(self, batches: Iterable[Batch], device: torch.device) -> None:
        self.batches = [moved(batch, device) for batch in batches]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.batches)


def moved(batch: Batch, device: torch.device) -> Batch:
    """Return the batch on ``device``."""
    return Batch(batch.rows.to(device), None if batch.flips is None else batch.flips.to(device), batch.indices)


class Clock:
    """Seconds between marks; on a GPU after everything before has been computed."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.last = self._now()
        self.spent = dict.fromkeys(PARTS, 0.0)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def mark(self, part: str) -> None:
        """Add the time since the last mark to ``part``."""
        now = self._now()
        self.spent[part] += now - self.last
        self.last = now


class Started(pl.Callback):
    """The seconds of an epoch, without what Lightning does once before and after."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds = time.perf_counter() - self.start


def epoch(module: AutoencoderModule, batches: Iterable[Batch], precision: str) -> float:
    """Return the seconds of one epoch of Lightning."""
    clock = Started()
    trainer = pl.Trainer(
        accelerator="auto",
        devices=1,
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        max_epochs=1,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, batches)
    return clock.seconds


def by_hand(
    module: AutoencoderModule, batches: Iterable[Batch], precision: str, device: torch.device
) -> dict[str, float]:
    """Return the seconds of each part of an epoch."""
    module.to(device).train()
    optimizer = torch.optim.Adam(module.parameters(), lr=module.options.lr)
    clock = Clock(device)
    for batch in batches:
        clock.mark("data")
        pictures = as_input(moved(batch, device), channels_last=module.options.channels_last)
        clock.mark("input")
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            output = module.model(pictures)
            clock.mark("forward")
            loss = module.options.built_loss(pictures, output)
            float(loss.detach())
        clock.mark("loss")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clock.mark("backward")
        optimizer.step()
        clock.mark("optimiser")
    return clock.spent


def matrix_rate(precision: str, device: torch.device, seconds: float = 1.0) -> float:
    """Return multiply-accumulates per second of a product of two matrices of 2048 x 2048."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(2048, 2048, device=device).to(kind) for _ in range(2))
    clock, n, start = Clock(device), 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        a @ b
        clock.mark("forward")
        n += 1
    return n * 2048**3 / clock.spent["forward"]


def main() -> None:
    """Print images/s and shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="ae_final")
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--geometry", type=float, default=0.5)
    parser.add_argument("--loss", default="mix")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--pictures", type=int, default=160)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    chosen = {name: getattr(given, name) for name in ("network", "width", "geometry", "loss", "batch", "precision")}
    options = AutoencoderOptions.build(chosen)
    network, precision = options.built_network, resolved_precision(given.precision)
    shape = (given.pictures, network.input_height, network.input_width, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    places = np.stack([np.zeros(len(pictures), np.int64), np.arange(len(pictures))], axis=1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with undisturbed(0, given.threads):
        batches = RowBatches(Rows(lambda _: pictures, places), given.batch, seed=0, mirrored=True)
        cached = Cached(batches, device)
        layout = torch.channels_last if options.channels_last else torch.contiguous_format
        module = AutoencoderModule(EncoderDecoder(network).to(memory_format=layout), options)
        module.n_steps = len(batches)
        cases: dict[str, Callable[[], float]] = {
            "from the data module": lambda: epoch(module, batches, precision),
            "cached": lambda: epoch(module, cached, precision),
        }
        seconds: dict[str, list[float]] = {name: [] for name in cases}
        shares: list[dict[str, float]] = []
        rates: list[float] = []
        for number in range(given.rounds + 1):
            order = list(cases) if number % 2 else list(reversed(cases))
            found = {name: cases[name]() for name in order}
            parts, rate = by_hand(module, batches, precision, device), matrix_rate(precision, device)
            if number == 0:  # warms up
                continue
            for name, value in found.items():
                seconds[name].append(value)
            shares.append(parts)
            rates.append(rate)
        print(", ".join(f"{k} {v}" for k, v in {**machine(), **package_versions()}.items()))
    _print(given, options, precision, seconds, shares, rates)


def _print(
    given: argparse.Namespace,
    options: AutoencoderOptions,
    precision: str,
    seconds: dict[str, list[float]],
    shares: list[dict[str, float]],
    rates: list[float],
) -> None:
    network = options.built_network
    size = f"{network.input_height} x {network.input_width}"
    print(f"{network.name} width {given.width:g}, {size}, {given.loss}, batch {given.batch}, {precision}, flips")
    for name, values in seconds.items():
        print(f"  {name:24} {given.pictures / statistics.median(values):9.1f} images/s")
    ratios = [a / b for a, b in zip(seconds["from the data module"], seconds["cached"], strict=True)]
    print(
        f"  seconds of the first / of the second: {statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})"
    )
    print("  shares of a step:")
    for part in PARTS:
        share = statistics.median(s[part] / sum(s.values()) for s in shares)
        each = statistics.median(s[part] for s in shares) / given.pictures
        print(f"    {part:10} {share:7.2%} {1000 * each:9.4f} ms/image")
    loss = statistics.median(s["loss"] / (s["forward"] + s["backward"]) for s in shares)
    print(f"  loss / (forward + backward of the network): {loss:.2f}")
    work = 3 * options.counts[1] * given.pictures  # backward takes twice what forward takes
    reached = statistics.median(work / (s["forward"] + s["backward"]) / r for s, r in zip(shares, rates, strict=True))
    print(f"  matrix rate {statistics.median(rates) / 1e9:.1f} GMAC/s; the network reaches {reached:.0%} of it")


if __name__ == "__main__":
    main()
