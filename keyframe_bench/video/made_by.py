"""What rows of a feature were made by: when any of it changes, stored rows no longer count."""

from __future__ import annotations

import functools
import hashlib
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.feature import Feature
from ..core.files import digest
from ..core.registry import source_digest
from ..core.version import VERSION

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_PACKAGE = __name__.partition(".")[0]
_PARTS = ("core", "features", "models", "video")  # what a row of a feature of the package can depend on
_LIBRARIES = ("av", "numpy", "torch", "torchvision", "timm")  # OpenCV's distribution has four names


@functools.cache
def package_digest() -> str:
    """Return a hash of the code that decodes and computes features, and of the versions it stands on.

    Looked up once per process: code that is edited while a program runs is not the code that runs.
    """
    import av
    import cv2

    code = hashlib.sha256()
    for part in _PARTS:
        for name, text in _sources(files(_PACKAGE) / part, part):
            code.update(f"{name} {len(text)}\n".encode())
            code.update(text)
    made_with: dict[str, Any] = {
        "code": code.hexdigest(),
        "keyframe_bench": VERSION,
        "ffmpeg": av.library_versions,
        "opencv": cv2.__version__,
        "machine": platform.machine(),
        **{name: _version(name) for name in _LIBRARIES},
    }
    return digest(made_with)


def made_by(feature: Feature) -> str | None:
    """Return a hash of all code and versions that rows of ``feature`` come from; None when its code cannot be read.

    A plug-in file, or the file of an installed package that defines the class or a base of it, counts with its text:
    authors forget to bump versions. What a script, a notebook or a prompt defines changes unseen: None.
    """
    sources = []
    for cls in type(feature).__mro__:
        top = cls.__module__.partition(".")[0]
        if top in sys.stdlib_module_names or any(cls.__module__.startswith(f"{_PACKAGE}.{part}.") for part in _PARTS):
            continue
        source = source_digest(cls) or _module_digest(cls.__module__)
        if source is None:
            return None
        sources.append(source)
    return digest([package_digest(), *sources])


def _sources(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        inner = f"{name}/{item.name}"
        if item.name.endswith(".py"):
            yield inner, item.read_bytes()
        elif item.is_dir() and item.name != "__pycache__":
            yield from _sources(item, inner)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


@functools.cache
def _module_digest(name: str) -> str | None:
    file = getattr(sys.modules.get(name), "__file__", None)
    if name == "__main__" or file is None:
        return None
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return None
