"""Fingerprints of the code and versions that rows of a feature come from: stored rows of others do not count."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ..core import LOADED_NS
from ..core.feature import Feature
from ..core.files import digest
from ..core.sources import UNSEEN, source_digest
from ..core.version import VERSION

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_PACKAGE = __name__.partition(".")[0]
_PARTS = ("core", "features", "models", "video")  # what a row of a feature of the package can depend on
_LIBRARIES = ("av", "numpy", "torch", "torchvision", "timm", "pillow")  # OpenCV's distribution has four names


@functools.cache
def package_fingerprint() -> str | None:
    """Return a hash of the code that decodes and computes features, and of the versions it depends on.

    Looked up once per process. None when a file was edited after the package was loaded: what runs is then not what the
    file says.
    """
    import av
    import cv2

    code = hashlib.sha256()
    for part in _PARTS:
        for name, item in _sources(files(_PACKAGE) / part, part).items():
            if isinstance(item, Path) and item.stat().st_mtime_ns > LOADED_NS:
                return None
            text = item.read_bytes()
            code.update(f"{name} {len(text)}\n".encode() + text)
    accelerator = [Path("/dev/nvidia0").exists(), os.environ.get("CUDA_VISIBLE_DEVICES", "")]  # it rounds otherwise
    versions = {"keyframe_bench": VERSION, "ffmpeg": av.library_versions, "opencv": cv2.__version__}
    machine = {"machine": platform.machine(), "accelerator": accelerator}
    return digest({"code": code.hexdigest(), **versions, **machine, **{name: _version(name) for name in _LIBRARIES}})


def fingerprint_of(feature: Feature) -> str | None:
    """Return a hash of all code and versions that rows of ``feature`` come from; None when its code cannot be read.

    The code of a plug-in counts with its text (`source_digest`): authors forget to bump versions. What a prompt or a
    notebook defines changes unseen: None.
    """
    package, source = package_fingerprint(), source_digest(type(feature))
    return None if package is None or source == UNSEEN else digest([package, source])


def _sources(folder: Traversable, name: str) -> dict[str, Traversable]:
    """Return the Python files below ``folder``, sorted, by their path from ``name`` on."""
    found: dict[str, Traversable] = {}
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.name.endswith(".py"):
            found[f"{name}/{item.name}"] = item
        elif item.is_dir() and item.name != "__pycache__":
            found |= _sources(item, f"{name}/{item.name}")
    return found


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
