"""``keyframe-bench new NAME``: a working extractor, or one that learns, and its test, to be changed by its author."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shlex
import sys
from collections import defaultdict
from pathlib import Path
from string import Template

import keyframe_bench

from ..core.errors import UsageError, os_reason
from ..extractors import _template, base
from .commands import Arguments

# Words the command line reads as something else than a name, and a file name pytest reads as something else.
_RESERVED = frozenset({"all", "human", "conftest", "false", "free", "inf", "nan", "none", "null", "true"})


def run(found: Arguments) -> int:
    """Write the files and print the commands that use them."""
    if not found.positional:
        raise UsageError("new needs a name: keyframe-bench new my_method [--learned] [--in-tree]")
    given = found.values
    files, commands = new_extractor(found.positional[0], in_tree="--in-tree" in given, learned="--learned" in given)
    print("\n".join(f"wrote {file}" for file in files))
    print("\n  ".join(["try it:", *commands]))
    return 0


def new_extractor(
    name: str, folder: Path = Path(), in_tree: bool = False, learned: bool = False
) -> tuple[list[Path], list[str]]:
    """Write a working extractor ``name`` and its test.

    Raises `UsageError` if the name cannot be used, a file exists or cannot be written, or there is no checkout.

    Parameters
    ----------
    name : str
        Name on the command line and of the file: lower-case letters, digits and underscores.
    folder : Path
        Existing folder for ``<name>.py`` and ``test_<name>.py``; not used with ``in_tree``.
    in_tree : bool
        Write into the checkout this package runs from (``extractors/`` and ``tests/extractors/``), where the extractor
        is registered with no other edit.
    learned : bool
        Write one that learns from human annotators.

    Returns
    -------
    files : list of Path
    commands : list of str
        Shell commands that check, test, train and run it.
    """
    _check_name(name)
    package = tests = folder
    if in_tree:
        root = _checkout()
        package, tests = Path(base.__file__).parent, root / "tests" / "extractors"
        if taken := next((root / "tests").rglob(f"test_{name}.py"), None):
            raise UsageError(f"a test file {str(taken)!r} exists already; choose another name")
    elif name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None:
        # numpy.py in the working folder would break every program started there.
        raise UsageError(f"{name!r} is the name of an importable module that {name}.py would hide; choose another name")
    code, body = (_template.LEARNED, _template.TEST_LEARNED) if learned else (_template.EXTRACTOR, _template.TEST)
    test = (_template.TEST_HEAD_IN_TREE if in_tree else _template.TEST_HEAD) + body
    code_file, test_file = package / f"{name}.py", tests / f"test_{name}.py"
    here = package.resolve()  # import sorters part a project's own packages from others
    gap = "\n" if any((parent / "keyframe_bench").is_dir() for parent in (here, *here.parents)) else ""
    words = {"name": name, "class_name": "".join(part.capitalize() for part in name.split("_")), "gap": gap}
    words |= {"test_file": test_file.name, "imports": _imports(learned, in_tree, gap)}
    words |= {"names": _template.TEST_NAMES_LEARNED if learned else _template.TEST_NAMES}
    words |= {"cv2": "" if learned else "import cv2\n"}
    _write_all({file: Template(text).substitute(words) for file, text in ((code_file, code), (test_file, test))})
    plugin = "" if in_tree else f" --plugin {shlex.quote(str(code_file))}"
    commands = [
        f"keyframe-bench check{f' {name}' if in_tree else plugin}",
        f"python -m pytest {shlex.quote(str(test_file))}",
        *(f"keyframe-bench {line}{plugin}" for line in _uses(name, learned)),
    ]
    return [code_file, test_file], commands


def _imports(learned: bool, in_tree: bool, gap: str) -> str:
    """Return the import lines of an extractor, as an import sorter writes them."""
    names = _template.NAMES_LEARNED if learned else _template.NAMES
    if in_tree:
        modules: dict[str, list[str]] = defaultdict(list)
        for name in names:
            module = getattr(keyframe_bench, name).__module__.replace("keyframe_bench.", "..")
            modules[module.replace("..extractors.", ".")].append(name)
        return "\n" + "\n".join(sorted(f"from {module} import {', '.join(modules[module])}" for module in modules))
    listed = "(\n    " + ",\n    ".join(names) + ",\n)" if learned else ", ".join(names)
    return f"{gap}from keyframe_bench import {listed}"


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} cannot name an extractor; use lower-case letters, digits and underscores, such as my_method"
        )
    if name in _RESERVED:
        raise UsageError(f"{name!r} is reserved on the command line; choose another name, such as my_{name}")
    taken = base.Extractor.registry.entries().get(name)
    if taken is not None:
        raise UsageError(f"extractor {name!r} exists already, in {taken.origin}; choose another name")


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


def _uses(name: str, learned: bool) -> list[str]:
    """Return the commands that use an extractor, without the program's name and its file."""
    if not learned:
        return [
            f"extract VIDEO extractor={name} budget=8 out=outputs/{name}",
            f"run dataset=synthetic extractors=all budget=6 out=outputs/compare_{name}",
        ]
    trained = f"outputs/train_{name}"
    return [
        f"train extractor={name} dataset=synthetic split=videos:0.8 out={trained}",
        f"extract VIDEO extractor={name} extractor.checkpoint={trained}/best.safetensors budget=8 out=outputs/{name}",
        f"run dataset=synthetic split=kfold:4 extractors='[{name},pixel_distance]' budget=6 out=outputs/compare_{name}",
    ]
