"""What the loss of `deep_metric` costs beside AlexNet: forward and backward of both, at the paper's batch, in one run.

Every round times all cases one after the other, in processor seconds, so that other load on the machine does not
count; the median of each is printed, and the median of its ratio to the network in the same round. The issue's number:
the loss of 128 rows of 1000 features at most 0.5 % of the network::

    python experiments/speed/metric_loss.py --threads 1
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

import torch
import torchvision
from torch import Tensor

from keyframe_bench.models.metric_loss import MetricLoss

LIMIT = 0.005
BATCH, FEATURES = 128, 1000
KEYS = (2, 10, 64)


def network(model: torch.nn.Module, images: Tensor, upstream: Tensor) -> None:
    """Go forward and backward once, without a loss."""
    model.zero_grad(set_to_none=True)
    model(images).backward(upstream)


def judged(loss: MetricLoss, rows: Tensor, n_keys: int) -> None:
    """Go forward and backward through the loss once."""
    loss(rows.detach().requires_grad_(), n_keys).backward()


def main() -> None:
    """Print a row per case, and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="of torch; by default its own choice")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    model = torchvision.models.get_model("alexnet", weights=None).eval()
    images, rows = torch.rand(BATCH, 3, 224, 224), 3 * torch.randn(BATCH, FEATURES)
    cases: dict[str, Callable[[], None]] = {"AlexNet": partial(network, model, images, torch.rand(BATCH, FEATURES))}
    for softmin in ("inverse_exp", "neg_exp", "hard"):
        loss = MetricLoss(softmin=softmin)  # type: ignore[arg-type]  # one of the three words
        cases |= {f"{softmin}, {n} key frames": partial(judged, loss, rows, n) for n in KEYS}
    spent: dict[str, list[float]] = {name: [] for name in cases}
    for round_ in range(given.rounds + 1):  # the first is not counted
        for name, case in cases.items():
            start = time.process_time()
            case()
            if round_:
                spent[name].append(time.process_time() - start)
    print(f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, {given.rounds} rounds of {BATCH} rows, ", end="")
    print(f"Python {platform.python_version()}, torch {version('torch')}")
    worst = 0.0
    for name, seconds in spent.items():
        ratio = statistics.median(a / b for a, b in zip(seconds, spent["AlexNet"], strict=True))
        print(f"{name:28} {1000 * statistics.median(seconds):>10.1f} ms {100 * ratio:>9.3f} %")
        worst = max(worst, ratio if name != "AlexNet" else 0)
    print(f"the loss: {100 * worst:.2f} % of the network, {'at most' if worst <= LIMIT else 'ABOVE'} {100 * LIMIT:g} %")


if __name__ == "__main__":
    main()
