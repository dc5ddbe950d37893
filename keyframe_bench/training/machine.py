"""The machine a training runs on: what it has, what is recorded of it, and leaving the process as it was."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import torch

_LOGS = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric", "lightning_utilities")]


def resolved_precision(asked: str) -> Literal["fp32", "bf16"]:
    """Return what ``trainer.precision`` means here: "auto" is bf16 where it is computed in hardware."""
    bf16 = asked == "bf16"
    if asked == "auto" and torch.cuda.is_available():
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    elif asked == "auto":
        with suppress(OSError):  # no Linux
            words = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
            bf16 = not {"avx512_bf16", "amx_bf16"}.isdisjoint(words)
    return "bf16" if bf16 else "fp32"


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
    before, levels = torch.get_num_threads(), [log.level for log in _LOGS]
    main = threading.current_thread() is threading.main_thread()
    answer = signal.getsignal(signal.SIGINT) if main else None
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
            # Lightning against newer versions of torch.
            warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric)\.")
            torch.manual_seed(seed)
            if threads is not None:
                torch.set_num_threads(threads)
            for log in _LOGS:
                log.setLevel(logging.ERROR)
            yield
    finally:
        torch.set_num_threads(before)
        for log, level in zip(_LOGS, levels, strict=True):
            log.setLevel(level)
        if answer is not None:
            signal.signal(signal.SIGINT, answer)
