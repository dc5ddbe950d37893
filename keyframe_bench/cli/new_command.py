"""``keyframe-bench new NAME``: a working extractor, feature or metric and its test, to be changed by its author."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shlex
import sys
from collections import defaultdict
from pathlib import Path
from string import Template
from typing import Any

import keyframe_bench

from ..core.errors import UsageError, os_reason
from ..core.registry import Registry
from ..extractors import _template, base
from .commands import Arguments

# Words the command line reads as something else than a name, and a file name pytest reads as something else.
_RESERVED = frozenset({"all", "human", "conftest", "false", "free", "inf", "nan", "none", "null", "true"})


def run(found: Arguments) -> int:
    """Write the files and print the commands that use them."""
    kinds = [flag.removeprefix("--") for flag in found.values if flag != "--in-tree"]
    if len(kinds) > 1:
        raise UsageError(
            f"new writes one thing at a time: leave out all but one of {', '.join(map('--{}'.format, kinds))}"
        )
    if not found.positional:
        raise UsageError(
            "new needs a name: keyframe-bench new my_method [--learned | --feature | --metric] [--in-tree]"
        )
    kind = kinds[0] if kinds else "extractor"
    files, commands = new_files(found.positional[0], kind, in_tree="--in-tree" in found.values)
    print("\n".join(f"wrote {file}" for file in files))
    print("\n  ".join(["try it:", *commands]))
    return 0


def new_files(
    name: str, kind: str = "extractor", folder: Path = Path(), in_tree: bool = False
) -> tuple[list[Path], list[str]]:
    """Write a working extractor, feature or metric ``name`` and its test.

    Raises `UsageError` if the name cannot be used, a file exists or cannot be written, or there is no checkout.

    Parameters
    ----------
    name : str
        Name on the command line and of the file: lower-case letters, digits and underscores.
    kind : {"extractor", "learned", "feature", "metric"}
        "learned" is an extractor that learns from human annotators.
    folder : Path
        Existing folder for ``<name>.py`` and ``test_<name>.py``; not used with ``in_tree``.
    in_tree : bool
        Write into the checkout this package runs from (``extractors/`` and ``tests/extractors/`` and so on), where it
        is registered with no other edit.

    Returns
    -------
    files : list of Path
    commands : list of str
        Shell commands that check, test, train and use it.
    """
    part = _template.PARTS[kind]
    _check_name(name, getattr(keyframe_bench, part.base).registry)
    package = tests = folder
    if in_tree:
        root = _checkout()
        package, tests = Path(base.__file__).parents[1] / part.room, root / "tests" / part.room
        if taken := next((root / "tests").rglob(f"test_{name}.py"), None):
            raise UsageError(f"a test file {str(taken)!r} exists already; choose another name")
    elif name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None:
        # numpy.py in the working folder would break every program started there.
        raise UsageError(f"{name!r} is the name of an importable module that {name}.py would hide; choose another name")
    code_file, test_file = package / f"{name}.py", tests / f"test_{name}.py"
    words = {"name": name, "class_name": "".join(word.capitalize() for word in name.split("_"))}
    words |= {"test_file": test_file.name, "gap": _gap(package), "only": f" {name}" if in_tree else ""}
    words |= {"imports": _imports(part, in_tree, words["gap"])}
    texts = {code_file: part.code, test_file: _test(part, in_tree)}
    _write_all({file: Template(text).substitute(words) for file, text in texts.items()})
    plugin = "" if in_tree else f" --plugin {shlex.quote(str(code_file))}"
    commands = [f"keyframe-bench {Template(line).substitute(words)}{plugin}" for line in part.uses]
    commands.insert(int(part.base == "Extractor"), f"python -m pytest {shlex.quote(str(test_file))}")  # after the check
    return [code_file, test_file], commands


def _gap(package: Path) -> str:
    """Return a line end where an import sorter parts the project's own packages from others."""
    here = package.resolve()
    return "\n" if any((parent / "keyframe_bench").is_dir() for parent in (here, *here.parents)) else ""


def _test(part: _template.Part, in_tree: bool) -> str:
    """Return the template of a test."""
    names, packages, contract = part.test_names, part.packages, ""
    if part.base == "Extractor" and not in_tree:
        names, packages, contract = f"CHECKS, {names}", f"{packages}\nimport pytest", _template.CONTRACT
    about = _template.TESTED_ELSEWHERE.get(part.room, "")
    head = _template.TEST_HEAD_IN_TREE if in_tree else _template.TEST_HEAD
    return Template(head).safe_substitute(names=names, packages=packages, about=about) + contract + part.test


def _imports(part: _template.Part, in_tree: bool, gap: str) -> str:
    """Return the import lines of the code, as an import sorter writes them."""
    names = part.names.split()
    if in_tree:
        modules: dict[str, list[str]] = defaultdict(list)
        for name in names:
            module = getattr(keyframe_bench, name).__module__.replace("keyframe_bench.", "..")
            modules[module.replace(f"..{part.room}.", ".")].append(name)
        return "\n" + "\n".join(sorted(f"from {module} import {', '.join(modules[module])}" for module in modules))
    line = f"from keyframe_bench import {', '.join(names)}"
    return gap + (line if len(line) <= 120 else "from keyframe_bench import (\n    " + ",\n    ".join(names) + ",\n)")


def _check_name(name: str, registry: Registry[Any]) -> None:
    kind = f"{'an' if registry.kind[0] in 'aeiou' else 'a'} {registry.kind}"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} cannot name {kind}; use lower-case letters, digits and underscores, such as my_method"
        )
    if name in _RESERVED:
        raise UsageError(f"{name!r} is reserved on the command line; choose another name, such as my_{name}")
    if (taken := registry.entries().get(name)) is not None:
        raise UsageError(f"{registry.kind} {name!r} exists already, in {taken.origin}; choose another name")


def _checkout() -> Path:
    root = Path(base.__file__).parents[2]
    if not (root / "setup.cfg").is_file() or not (root / "tests").is_dir():
        raise UsageError(
            f"--in-tree needs the package to run from its checkout, but it runs from {str(root)!r}; "
            "clone it and run make demo there, or leave out --in-tree"
        )
    return root


def _write_all(texts: dict[Path, str]) -> None:
    """Write new files, all or none."""
    written: list[Path] = []
    try:
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:  # "x": never over a file that exists
                written.append(path)
                file.write(text)
    except OSError as error:
        for file_written in written:
            file_written.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise UsageError(f"{str(path)!r} exists already; choose another name or move it away") from error
        reason = os_reason(error)
        raise UsageError(f"cannot write {str(path)!r}: {reason}; choose an existing folder with room") from error
