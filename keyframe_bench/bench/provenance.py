"""What every record of a run begins with: how, when and with what it was made."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from contextlib import suppress
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..core.version import VERSION

_PACKAGES = ("av", "numpy", "pytorch-lightning", "safetensors", "scikit-learn", "scipy", "torch", "torchvision", "timm")


@functools.cache
def package_versions() -> dict[str, str]:
    """Return the versions on which a result depends."""
    import cv2  # its distribution has four names

    found = {"keyframe_bench": VERSION, "python": platform.python_version(), "opencv": cv2.__version__}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def started_record(command: str) -> dict[str, Any]:
    """Return what every record of a run begins with: format, command, time, versions, commit, cores."""
    return {
        "format": "keyframe_bench/run@1",
        "command": command,
        "started": _now(),
        "versions": package_versions(),
        "commit": source_commit(),
        "cores": os.cpu_count(),
    }


def ended_record() -> dict[str, Any]:
    """Return what a record ends with: the time, to be asked for when all is done."""
    return {"ended": _now()}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@functools.cache
def source_commit() -> str:
    """Return the commit of the checkout that this package runs from, with "+" when files differ; "" elsewhere."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True).stdout

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # not a checkout of something around us
        return git("rev-parse", "--short=12", "HEAD").strip() + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""
