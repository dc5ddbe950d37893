"""The machine a training runs on: what it has, what is recorded of it, and leaving the process as it was."""

from __future__ import annotations

import logging
import os
import platform
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import torch

from ..core.version import VERSION

_LOGS = ("pytorch_lightning", "lightning_fabric", "lightning_utilities")
_PACKAGES = ("numpy", "torch", "pytorch-lightning", "safetensors")


def resolved_precision(asked: str) -> Literal["fp32", "bf16"]:
    """Return what ``trainer.precision`` means here: "auto" is bf16 where it is computed in hardware."""
    if asked != "auto":
        return "bf16" if asked == "bf16" else "fp32"
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if {"avx512_bf16", "amx_bf16"} & _cpu_flags() else "fp32"


def _cpu_flags() -> set[str]:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            line = next((line for line in file if line.startswith("flags")), "")
    except OSError:  # no Linux
        return set()
    return set(line.partition(":")[2].split())


def versions() -> dict[str, str]:
    """Return the versions on which weights depend."""
    found = {"keyframe_bench": VERSION, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return what speed depends on: cores, threads of torch, the accelerator if there is one."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {"cores": os.cpu_count(), "threads": torch.get_num_threads(), "device": device}


@contextmanager
def undisturbed(seed: int, threads: int | None) -> Iterator[None]:
    """Seed torch and use ``threads`` inside the ``with`` block; afterwards the process is as it was before.

    That is torch's random numbers and threads, the answer to Ctrl-C, which Lightning switches off for good once it is
    pressed, and what Lightning's log says.
    """
    before = torch.get_num_threads()
    main = threading.current_thread() is threading.main_thread()
    answer = signal.getsignal(signal.SIGINT) if main else None
    levels = {name: logging.getLogger(name).level for name in _LOGS}
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
            # Lightning against newer versions of torch; and that there are no worker processes, on purpose.
            warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric)\.")
            torch.manual_seed(seed)
            if threads is not None:
                torch.set_num_threads(threads)
            for name in levels:
                logging.getLogger(name).setLevel(logging.ERROR)
            yield
    finally:
        torch.set_num_threads(before)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if answer is not None:
            signal.signal(signal.SIGINT, answer)
