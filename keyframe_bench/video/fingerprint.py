"""Fingerprints of the code and versions that rows of a feature come from: stored rows of others do not count."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..core import LOADED_NS
from ..core.feature import Feature
from ..core.files import digest
from ..core.sources import UNSEEN, source_digest
from ..core.version import VERSION

_PACKAGE = Path(__file__).parents[1]
_PARTS = ("core", "features", "models", "video")  # what a row of a feature of the package can depend on
_LIBRARIES = ("av", "numpy", "torch", "torchvision", "timm", "pillow")  # OpenCV's distribution has four names


@functools.cache
def package_fingerprint() -> str | None:
    """Return a hash of the code that decodes and computes features, and of the versions it depends on.

    Looked up once per process. None when a file was edited after the package was loaded: what runs is then not what the
    file says; and when there are no files, as in an archive.
    """
    import av
    import cv2

    code, files = hashlib.sha256(), sorted(file for part in _PARTS for file in (_PACKAGE / part).rglob("*.py"))
    if not files:
        return None
    for file in files:
        if file.stat().st_mtime_ns > LOADED_NS:
            return None
        text = file.read_bytes()
        code.update(f"{file.relative_to(_PACKAGE)} {len(text)}\n".encode() + text)
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


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
