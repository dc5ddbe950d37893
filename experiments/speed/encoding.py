"""How near encoding comes to this machine's matrix rate, by precision, threads, batch and way of running the network.

In every round the best rate of a matrix product over some sizes is measured, and then every way of running encoder and
decoder, so that other load on the machine meets both; shares are taken within a round, and their medians printed. A
rate is 2 x multiply-accumulates x images over the shortest call of the time given. "in use" is what features call:
levels of 8 bits in, code or image out, one image at a time::

    python experiments/speed/encoding.py --save encoding.json
    python experiments/speed/encoding.py --threads 1 --clock cpu      # on a busy machine
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from keyframe_bench.core.files import write_atomic
from keyframe_bench.models.autoencoder import EncoderDecoder
from keyframe_bench.models.encoding import Encoding, Precision, folded
from keyframe_bench.models.networks import ConvolutionalNetwork

TARGET = 0.8
MATRICES = ((512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (4608, 1024, 128), (1152, 2048, 64))
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
IN_USE = "in use"
Run = Callable[[], object]


@dataclass
class Timing:
    """One way of running a part of the network; rates in GFLOP/s and shares of the matrix rate, one per round."""

    part: str
    way: str
    precision: str
    threads: int
    batch: int
    first_s: float
    rates: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)


def as_module(part: torch.nn.Module, dtype: torch.dtype, maps: torch.Tensor) -> Run:
    """Return the call of the module as it was trained."""
    return partial(part.to(dtype), maps.to(dtype).contiguous())


def channels_last(part: torch.nn.Module, dtype: torch.dtype, maps: torch.Tensor) -> Run:
    """Return the call of the module with the channels of a pixel side by side in memory."""
    ready = part.to(dtype).to(memory_format=torch.channels_last)
    return partial(ready, maps.to(dtype).to(memory_format=torch.channels_last))


def fold(part: torch.nn.Module) -> torch.nn.Sequential:
    """Return the module with batch normalisation folded into the convolutions."""
    return torch.nn.Sequential(*(layer for block in part.children() for layer in folded(block))).eval()


def without_norm(part: torch.nn.Module, dtype: torch.dtype, maps: torch.Tensor) -> Run:
    """Return the call of the folded module, channels last."""
    return channels_last(fold(part), dtype, maps)


def mkldnn(part: torch.nn.Module, dtype: torch.dtype, maps: torch.Tensor) -> Run:
    """Return the call with weights and maps in the blocked layout of oneDNN, which has no transposed convolution."""
    from torch.utils.mkldnn import to_mkldnn

    module, blocked = to_mkldnn(fold(part), dtype), maps.contiguous().to_mkldnn(dtype)
    return lambda: module(blocked).to_dense()


def frozen(part: torch.nn.Module, dtype: torch.dtype, maps: torch.Tensor) -> Run:
    """Return the call of TorchScript's frozen graph: constants, and oneDNN's fused convolutions where it sees them."""
    ready = fold(part).to(dtype).to(memory_format=torch.channels_last)
    maps = maps.to(dtype).to(memory_format=torch.channels_last)
    script = torch.jit.freeze(torch.jit.trace(ready, maps))
    return partial(torch.jit.optimize_for_inference(script), maps)


def compiled(part: torch.nn.Module, dtype: torch.dtype, maps: torch.Tensor) -> Run:
    """Return the call through torch.compile with weights as constants; needs a C++ compiler."""
    torch.compiler.reset()
    ready = fold(part).to(dtype).to(memory_format=torch.channels_last)
    return partial(
        torch.compile(ready, options={"freezing": True}), maps.to(dtype).to(memory_format=torch.channels_last)
    )


WAYS = {
    "as trained": as_module,
    "channels last": channels_last,
    "folded, channels last": without_norm,
    "folded, mkldnn layout": mkldnn,
    "folded, torch.jit.freeze": frozen,
    "folded, torch.compile": compiled,
}


def shortest(run: Run, seconds: float, clock: Callable[[], float]) -> float:
    """Return the seconds of the shortest of the calls that fit into ``seconds``, at least 3."""
    found: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(found) < 3:
        start = clock()
        run()
        found.append(clock() - start)
    return min(found)


def matrix_rates(dtype: torch.dtype, seconds: float, clock: Callable[[], float]) -> dict[str, float]:
    """Return GFLOP/s of products of n x k and k x m numbers."""
    found = {}
    for n, k, m in MATRICES:
        a, b = torch.rand(n, k).to(dtype), torch.rand(k, m).to(dtype)
        found[f"{n}x{k}x{m}"] = 2e-9 * n * k * m / shortest(partial(torch.mm, a, b), seconds, clock)
    return found


def model_of(network: ConvolutionalNetwork) -> EncoderDecoder:
    """Return a network with batch statistics of its own: nothing is told by which weights it has."""
    torch.manual_seed(0)
    model = EncoderDecoder(network)
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(2, 3, network.input_height, network.input_width))
    return model.eval().requires_grad_(False)


def cases(
    network: ConvolutionalNetwork, precision: Precision, batches: list[int], ways: list[str]
) -> Iterator[tuple[str, str, int, Callable[[], Run]]]:
    """Yield part, way, batch and what makes the call."""
    size = (3, network.input_height, network.input_width)
    inputs = {"encoder": size, "decoder": network.code_shape}
    for batch in batches:
        for part, shape in inputs.items():
            maps = torch.rand(batch, *shape)
            for way in ways:
                if part == "encoder" or WAYS[way] is not mkldnn:
                    yield (
                        part,
                        way,
                        batch,
                        lambda p=part, w=way, x=maps: WAYS[w](getattr(model_of(network), p), DTYPES[precision], x),
                    )
    use = Encoding(model_of(network), precision)
    levels = np.random.default_rng(0).integers(0, 256, (1, *size[1:], 3), dtype=np.uint8)
    codes = use.codes(levels)
    yield "encoder", IN_USE, 1, lambda: partial(use._encoded, levels)
    yield "decoder", IN_USE, 1, lambda: partial(use._decoded, codes)


def measure(
    given: argparse.Namespace, network: ConvolutionalNetwork
) -> tuple[dict[str, list[dict[str, float]]], list[Timing]]:
    """Return the matrix rates of every round by "precision threads", and the rows."""
    clock = time.perf_counter if given.clock == "wall" else time.process_time
    macs = {"encoder": network.encoder_macs, "decoder": network.total_macs - network.encoder_macs}
    matrices: dict[str, list[dict[str, float]]] = {}
    rows: list[Timing] = []
    with torch.inference_mode():
        for threads in given.threads:
            torch.set_num_threads(threads)
            for precision in given.precisions:
                made: list[tuple[Timing, Run]] = []
                for part, way, batch, make in cases(network, precision, given.batches, given.ways):
                    run, start = make(), time.perf_counter()
                    run()  # compiles, and chooses kernels
                    made.append((Timing(part, way, precision, threads, batch, time.perf_counter() - start), run))
                for _ in range(given.rounds):
                    found = matrix_rates(DTYPES[precision], given.seconds, clock)
                    matrices.setdefault(f"{precision} {threads}", []).append(found)
                    for row, run in made:
                        rate = 2e-9 * macs[row.part] * row.batch / shortest(run, given.seconds, clock)
                        row.rates.append(rate)
                        row.shares.append(rate / max(found.values()))
                rows += [row for row, _ in made]
    return matrices, rows


def layers(
    network: ConvolutionalNetwork, precision: Precision, seconds: float, clock: Callable[[], float]
) -> dict[str, float]:
    """Return GFLOP/s of every convolution of the encoder with its ReLU, one image at a time, by its text."""
    maps = torch.rand(1, 3, network.input_height, network.input_width)
    found = {}
    with torch.inference_mode():
        for number, (layer, block) in enumerate(zip(network.layers, model_of(network).encoder, strict=True), start=1):
            run = channels_last(torch.nn.Sequential(*folded(block)), DTYPES[precision], maps)
            found[f"{number} {layer}"] = 2e-9 * layer.macs / shortest(run, seconds, clock)
            maps = torch.rand(1, layer.outputs, layer.height, layer.width)
    return found


def machine() -> dict[str, object]:
    """Return what was measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"cpu": cpu, "cores": os.cpu_count(), "torch": torch.__version__, "load": load}


def main() -> None:
    """Print the tables, and the share that the features reach."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="ae_final")
    parser.add_argument("--precisions", nargs="+", choices=list(DTYPES), default=list(DTYPES))
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count() or 1}))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--ways", nargs="*", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3, help="of one case in one round")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: processor time, for one thread")
    parser.add_argument("--save", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # torch advises against torch.jit
    network = ConvolutionalNetwork.build(given.network)
    about = machine() | {"network": network.params, "encoder_mmac": network.encoder_macs / 1e6, "clock": given.clock}
    print(", ".join(f"{name} {value}" for name, value in about.items() if name != "network"))
    matrices, rows = measure(given, network)
    for name, rounds in matrices.items():
        best = {size: max(found[size] for found in rounds) for size in rounds[0]}
        print(f"matrix rate, {name} threads: " + ", ".join(f"{size} {rate:.0f}" for size, rate in best.items()))
    print(f"{'part':8} {'way':26} {'prec':5} {'thr':>3} {'batch':>5} {'GFLOP/s':>8} {'share':>6} {'first s':>8}")
    for row in rows:
        rate, share = statistics.median(row.rates), statistics.median(row.shares)
        print(
            f"{row.part:8} {row.way:26} {row.precision:5} {row.threads:>3} {row.batch:>5} {rate:>8.1f} {share:>6.2f} "
            f"{row.first_s:>8.2f}"
        )
    clock = time.perf_counter if given.clock == "wall" else time.process_time
    torch.set_num_threads(1)
    single = {precision: layers(network, precision, given.seconds, clock) for precision in given.precisions}
    for precision, found in single.items():
        print(f"{precision}, 1 thread, by layer: " + "; ".join(f"{name}: {rate:.0f}" for name, rate in found.items()))
    for row in rows:
        if row.way == IN_USE and row.part == "encoder":
            share = statistics.median(row.shares)
            verdict = "reaches" if share >= TARGET else "misses"
            print(f"encoding {IN_USE}, {row.precision}, {row.threads} threads: {share:.0%}, {verdict} {TARGET:.0%}")
    if given.save is not None:
        record = {"machine": about, "matrix": matrices, "rows": [asdict(row) for row in rows], "layers": single}
        write_atomic(given.save, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
