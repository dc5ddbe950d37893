"""Digests of plug-in code: the files of a class hierarchy and the files they import."""

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
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

_PACKAGE = __name__.partition(".")[0]
_LIBRARIES = frozenset({"site-packages", "dist-packages"})
_NAME = re.compile(r"[^\W\d]\w*(\.\w*)*")  # "helper", "methods." of an f-string, "parts.helper.py"
_LONGEST = 200  # characters of a name in quotation marks
_IMPORTERS = {"import_module": 0, "__import__": 0, "run_path": 0, "spec_from_file_location": 1, "SourceFileLoader": 1}
UNSEEN = uuid.uuid4().hex[:12]
"""Digest, in this process only, of code that no file holds (a prompt, a notebook)."""

# sha256 of a file, what it imports (leading dots, and names parted by dots; "*" or "" for all that a package has) and
# folders that it names. As they were when they were first read: later edits are not what runs here.
_seen: dict[Path, tuple[str, set[tuple[int, str]], list[str]]] = {}


@functools.cache
def source_digest(cls: type) -> str:
    """Return a hash of the code that ``cls`` comes from, or "" for classes of this package (they have versions).

    Plug-ins are edited often: results of an earlier version must not be taken for the current one. It covers the files
    that define the class and its bases, and everything they import anywhere, also by a name in quotation marks, except
    the standard library, this package and installed libraries. Where a module name is computed at run time, every
    module beside the file counts.
    """
    bases = [base for base in cls.__mro__ if _top(base.__module__) not in sys.stdlib_module_names]
    if all(_top(base.__module__) == _PACKAGE for base in bases):
        return ""
    lines: set[str] = set()
    for base in bases:
        if _top(base.__module__) == _PACKAGE:
            lines.add(f"{base.__qualname__} {base.__dict__.get('version')}")
            continue
        file = Path(getattr(sys.modules.get(base.__module__), "__file__", None) or "")
        if not _read(file)[0]:
            return UNSEEN
        lines.add(f"{base.__qualname__} {_read(file)[0]}")
        if hasattr(base, "registry") or not _in_library(file):
            lines.update(_imported(file, base.__module__))
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]


def forget(file: Path) -> None:
    """Read ``file`` anew when it is asked for: it is about to be executed."""
    _seen.pop(file, None)


def _top(module: str) -> str:
    return module.partition(".")[0]


def _imported(root: Path, module: str) -> Iterator[str]:
    """Yield a line for every import of ``module`` in file ``root``, and of what it imports: text, name, other text."""
    found, waiting = {root}, [root]
    for file in waiting:
        text, imports, folders = _read(file)
        for level, name in imports | ({(0, module)} if file == root else set()):  # packages above the module too
            if level:
                places: list[Any] = [[str(file.parents[min(level, len(file.parents)) - 1])]]
            else:  # as the import path is now, and where it may lead by the time that the import is run
                places = [None, [str(root.parent)], [str(file.parent)], *([folder] for folder in folders)]
            for other in {file for place in places for file in _files(name, place) if _is_own(file, root)}:
                yield f"{text} {'' if name == module else name} {_read(other)[0]}"  # its own depends on its folder
                if other not in found:
                    found.add(other)
                    waiting.append(other)


def _files(name: str, place: Iterable[str] | None) -> Iterator[Path]:
    """Yield the files that importing ``name`` from ``place`` runs: packages on the way, and the module."""
    if name.partition(".")[0] == _PACKAGE:
        return
    for part in name.split("."):
        everything = part in ("", "*") and place is not None
        names = [module.name for module in pkgutil.iter_modules(place)] if everything else [part]
        specs = [spec for spec in (_spec(name, place) for name in names) if spec is not None]
        yield from (Path(spec.origin) for spec in specs if spec.has_location and spec.origin)
        place = None if everything or not specs else specs[0].submodule_search_locations
        if not place:
            return


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


def _imports_a_computed_name(call: ast.Call) -> bool:
    """Return whether a call imports a name computed at run time, which may be any module beside the file."""
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    place = _IMPORTERS.get(called, len(call.args))  # of what says which file, among the arguments
    if place >= len(call.args):
        return False
    name = call.args[place]
    # What an f-string begins with, such as "methods.", leads to a package, which counts as a name in quotation marks.
    begun = isinstance(name, ast.JoinedStr) and isinstance(name.values[0], ast.Constant)
    return not (begun or isinstance(name, ast.Constant))


def _read(file: Path) -> tuple[str, set[tuple[int, str]], list[str]]:
    """Return the entry of `_seen`; one without a hash where the file cannot be read."""
    if file not in _seen:
        try:
            text = file.read_bytes()
        except OSError:
            return "", set(), []
        imports: set[tuple[int, str]] = set()
        folders = []
        with suppress(SyntaxError, ValueError):  # a compiled module
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Import):
                    imports.update((0, alias.name) for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    imports.update((node.level, f"{node.module or ''}.{a.name}".lstrip(".")) for a in node.names)
                elif isinstance(node, ast.Call) and _imports_a_computed_name(node):
                    imports.add((1, "*"))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < _LONGEST:
                    name = node.value.replace("/", ".").lstrip(".")
                    if _NAME.fullmatch(name):
                        imports.add((len(node.value) - len(node.value.lstrip(".")), name))
                    with suppress(OSError, ValueError):
                        folders += [str(file.parent / node.value)] if (file.parent / node.value).is_dir() else []
        _seen[file] = hashlib.sha256(text).hexdigest(), imports, folders
    return _seen[file]
