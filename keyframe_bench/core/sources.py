"""The code that a class of a plug-in runs: the files of its hierarchy, and the files that these import."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import pkgutil
import re
import sys
import uuid
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

_PACKAGE = __name__.partition(".")[0]
_LIBRARIES = frozenset({"site-packages", "dist-packages"})
_NAME = re.compile(r"\.*[^\W\d]\w*([./]\w*)*")  # "helper", ".helper", "methods." of an f-string, "parts/helper.py"
_THIS_PROCESS = uuid.uuid4().hex[:12]


class _Source(NamedTuple):
    sha256: str
    imports: frozenset[tuple[int, str]]  # leading dots, and names parted by dots; "*" or "" for all that a package has


_seen: dict[Path, _Source] = {}  # as they were when they were first read: later edits are not what runs here


def source_digest(cls: type) -> str:
    """Return a hash of the code that ``cls`` comes from, or "" for classes of this package (they have versions).

    A plug-in is edited all the time: results of its earlier text must not pass for those of the present one. Code that
    no file holds (a prompt, a notebook) has another hash in every process.
    """
    found = code_digest(cls)
    return _THIS_PROCESS if found is None else found


@functools.cache
def code_digest(cls: type) -> str | None:
    """Return what `source_digest` does, and None where no file holds the code.

    Covered are the files that define the class and its bases, and everything that these import wherever the statement
    stands, also by a name in quotation marks, except the standard library, this package and installed libraries.
    """
    bases = [base for base in cls.__mro__ if _top(base.__module__) not in sys.stdlib_module_names]
    if all(_top(base.__module__) == _PACKAGE for base in bases):
        return ""
    lines: set[str] = set()
    for base in bases:
        if _top(base.__module__) == _PACKAGE:
            lines.add(f"{base.__qualname__} {base.__dict__.get('version')}")
            continue
        modules = base.__module__.split(".")
        parents = [sys.modules.get(".".join(modules[:n])) for n in range(1, len(modules))]
        names = [getattr(module, "__file__", None) for module in (*parents, sys.modules.get(base.__module__))]
        if names[-1] is None:
            return None
        for file in (Path(name) for name in names if name):
            source = _read(file)
            if source is None:
                return None
            lines.add(f"{base.__qualname__} {source.sha256}")
            if hasattr(base, "registry") or not _in_library(file):
                lines.update(_imported(file))
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]


def forget(file: Path) -> None:
    """Read ``file`` anew when it is asked for: it is about to be executed."""
    _seen.pop(file, None)


def is_own(module: ModuleType) -> bool:
    """Say whether a module is neither this package's nor of the standard library nor of an installed one."""
    file = getattr(module, "__file__", None)
    shipped = _top(module.__name__) in (_PACKAGE, *sys.stdlib_module_names)
    return file is not None and not shipped and not _in_library(Path(file))


def _top(module: str) -> str:
    return module.partition(".")[0]


def _imported(root: Path) -> Iterator[str]:
    """Yield a line for every import of ``root``, and of what it imports: which text, by which name, which text."""
    found, waiting = {root}, [root]
    while waiting:
        file = waiting.pop()
        source = _read(file)
        for level, name in () if source is None else source.imports:
            for other in _files(level, name, file, root):
                text = _read(other)
                if source is not None and text is not None:
                    yield f"{source.sha256} {name} {text.sha256}"
                if other not in found:
                    found.add(other)
                    waiting.append(other)


def _files(level: int, name: str, file: Path, root: Path) -> Iterator[Path]:
    """Yield the plug-in's own files that importing ``name`` in ``file`` runs: packages on the way, and the module."""
    parts = name.split(".")
    if level:
        places: list[Iterable[str] | None] = [[str(file.parents[level - 1])]] if level <= len(file.parents) else []
    elif parts[0] == _PACKAGE:
        return
    else:  # as the import path has it now, and beside the file, where it may lead by the time the import is run
        places = [[str(file.parent)], [str(root.parent)], None]
    for start in places:
        place = start
        for part in parts:
            if part in ("", "*"):
                specs = [_spec(module.name, place) for module in pkgutil.iter_modules(place)] if place else []
            else:
                specs = [_spec(part, place)]
            for spec in specs:
                if spec is not None and spec.has_location and spec.origin and _is_own(Path(spec.origin), root):
                    yield Path(spec.origin)
            place = specs[0].submodule_search_locations if len(specs) == 1 and specs[0] is not None else None
            if not place:
                break


def _spec(name: str, place: Iterable[str] | None) -> ModuleSpec | None:
    if place is not None:
        return PathFinder.find_spec(name, list(place))
    if name in sys.stdlib_module_names:
        return None
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):  # "__main__", or a module that was put there by hand
        return None


def _is_own(file: Path, root: Path) -> bool:
    """Say whether a file is no library, or of the very library that ``root`` is: its package, or a module beside it."""
    mine, its = _in_library(root), _in_library(file)
    return not its or (bool(mine) and (mine[0] == its[0] or len(mine) == len(its) == 1))


def _in_library(file: Path) -> tuple[str, ...]:
    at = max((n for n, part in enumerate(file.parts) if part in _LIBRARIES), default=len(file.parts))
    return file.parts[at + 1 :]


def _read(file: Path) -> _Source | None:
    if file not in _seen:
        try:
            text = file.read_bytes()
        except OSError:
            return None
        try:
            imports = frozenset(_imports(ast.parse(text)))
        except (SyntaxError, ValueError):  # a compiled module
            imports = frozenset()
        _seen[file] = _Source(hashlib.sha256(text).hexdigest(), imports)
    return _seen[file]


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.level, ".".join(filter(None, [node.module, alias.name]))) for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _NAME.fullmatch(node.value):
            name = node.value.replace("/", ".").lstrip(".")
            yield len(node.value) - len(node.value.lstrip(".")), name
