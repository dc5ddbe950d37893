"""``keyframe-bench new NAME``: a working extractor, or one that learns, and its test, to be changed by its author."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shlex
import sys
from pathlib import Path
from string import Template
from typing import NamedTuple

from ..core.errors import UsageError
from ..extractors import _template, base

# Words the command line reads as something else than a name, and a file name pytest reads as something else.
_RESERVED = frozenset({"all", "human", "conftest", "false", "free", "inf", "nan", "none", "null", "true"})


class NewExtractor(NamedTuple):
    """What was written, and the commands that run it."""

    files: list[Path]
    commands: list[str]


class _Texts(NamedTuple):
    """Templates of a file and of its test, with what differs between the checkout and elsewhere."""

    code: str
    imports: str
    imports_in_tree: str
    test: str
    test_in_tree: str


_PLAIN = _Texts(
    _template.EXTRACTOR, _template.IMPORTS, _template.IMPORTS_IN_TREE, _template.TEST, _template.TEST_IN_TREE
)
_LEARNED = _Texts(
    _template.LEARNED,
    _template.IMPORTS_LEARNED,
    _template.IMPORTS_LEARNED_IN_TREE,
    _template.TEST_LEARNED,
    _template.TEST_LEARNED_IN_TREE,
)


def new_extractor(name: str, folder: Path = Path(), in_tree: bool = False, learned: bool = False) -> NewExtractor:
    """Write a working extractor ``name`` and its test.

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
    NewExtractor
        The files, and shell commands that check, test, train and run it.

    Raises
    ------
    UsageError
        If the name cannot be used, a file exists or cannot be written, or there is no checkout.
    """
    _check_name(name)
    chosen = _LEARNED if learned else _PLAIN
    if in_tree:
        root = _checkout()
        package, tests = Path(base.__file__).parent, root / "tests" / "extractors"
        _unique_test(name, root / "tests")
        imports, test = chosen.imports_in_tree, chosen.test_in_tree
    else:
        package = tests = folder
        _check_not_importable(name)
        imports, test = chosen.imports, chosen.test
    code_file, test_file = package / f"{name}.py", tests / f"test_{name}.py"
    gap = "\n" if _inside_checkout(package) else ""  # import sorters part a project's own packages from others
    words = {"name": name, "class_name": _class_name(name), "test_file": test_file.name, "gap": gap}
    words["imports"] = Template(imports).substitute(words)
    texts = {
        code_file: Template(chosen.code).substitute(words),
        test_file: Template(test).substitute(words),
    }
    _write_all(texts)
    plugin = "" if in_tree else f" --plugin {shlex.quote(str(code_file))}"
    check = f"keyframe-bench check{f' {name}' if in_tree else plugin}"
    test_it = f"python -m pytest {shlex.quote(str(test_file))}"
    use = _learned(name) if learned else _plain(name)
    return NewExtractor(list(texts), [check, test_it, *(line + plugin for line in use)])


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} cannot name an extractor; use lower-case letters, digits and underscores, such as my_method"
        )
    if name in _RESERVED:
        raise UsageError(f"{name!r} means something else on the command line; choose another name, such as my_{name}")
    taken = base.Extractor.registry.entries().get(name)
    if taken is not None:
        raise UsageError(f"extractor {name!r} exists already, in {taken.origin}; choose another name")


def _check_not_importable(name: str) -> None:
    """Refuse a file that would hide a module: ``numpy.py`` in the working folder breaks every program started there."""
    if name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None:
        raise UsageError(f"{name!r} is the name of an importable module that {name}.py would hide; choose another name")


def _checkout() -> Path:
    root = Path(base.__file__).parents[2]
    if not (root / "setup.cfg").is_file() or not (root / "tests").is_dir():
        raise UsageError(
            f"--in-tree needs the package to run from its checkout, but it runs from {str(root)!r}; "
            "clone it and run make demo there, or leave out --in-tree"
        )
    return root


def _inside_checkout(folder: Path) -> bool:
    here = folder.resolve()
    return any((parent / "keyframe_bench").is_dir() for parent in (here, *here.parents))


def _unique_test(name: str, tests: Path) -> None:
    taken = next(tests.rglob(f"test_{name}.py"), None)
    if taken is not None:
        raise UsageError(f"a test file {str(taken)!r} exists already; choose another name")


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_") if part)


def _write_all(texts: dict[Path, str]) -> None:
    """Write new files, all or none."""
    written: list[Path] = []
    try:
        for path, text in texts.items():
            if not path.parent.is_dir():
                raise UsageError(f"cannot write {str(path)!r}: {str(path.parent)!r} is no folder; create it first")
            with path.open("x", encoding="utf-8") as file:  # "x": never over a file that exists
                written.append(path)
                file.write(text)
    except FileExistsError as error:
        _remove(written)
        raise UsageError(f"{str(error.filename)!r} exists already; choose another name or move it away") from error
    except OSError as error:
        _remove(written)
        reason = error.strerror or str(error)
        raise UsageError(f"cannot write {str(path)!r}: {reason}; choose another folder or make room") from error
    except UsageError:
        _remove(written)
        raise


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _plain(name: str) -> list[str]:
    """Return the commands that use an extractor, without its file."""
    return [
        f"keyframe-bench extract VIDEO extractor={name} budget=8 out=outputs/{name}",
        f"keyframe-bench run dataset=synthetic extractors=all budget=6 out=outputs/compare_{name}",
    ]


def _learned(name: str) -> list[str]:
    """Return the same for one that learns."""
    trained = f"outputs/train_{name}"
    return [
        f"keyframe-bench train extractor={name} dataset=synthetic split=videos:0.8 out={trained}",
        f"keyframe-bench extract VIDEO extractor={name} extractor.checkpoint={trained}/best.safetensors budget=8 "
        f"out=outputs/{name}",
        f"keyframe-bench run dataset=synthetic split=kfold:4 extractors='[{name},pixel_distance]' budget=6 "
        f"out=outputs/compare_{name}",
    ]
