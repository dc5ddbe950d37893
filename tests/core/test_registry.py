"""One registry: built-in files, entry points and plug-in files; duplicates refused, broken ones listed."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import numpy as np
import pytest

import keyframe_bench
from keyframe_bench.core import registry as module
from keyframe_bench.core.errors import UnavailableError, UsageError
from keyframe_bench.core.feature import Feature
from keyframe_bench.core.registry import (
    Configurable,
    Range,
    Registry,
    check_params,
    load_plugins,
    parameters_of,
    plugin_files,
    register,
)

PLUGIN = """
import numpy as np
from keyframe_bench.core.feature import Feature
from keyframe_bench.core.registry import register

@register("ones_of_test")
class Ones(Feature):
    def compute(self, frames):
        return np.ones(len(frames))
"""


class Method(Configurable):
    def __init__(
        self,
        threshold: Annotated[float, Range(0, 1)] = 0.5,
        count: Annotated[int, Range(1, None)] | Literal["auto"] = "auto",
        mode: Literal["mean", "max"] = "mean",
        window: Annotated[int | None, Range(2, 9)] = None,
        flag: bool = False,
        name: str = "x",
        *,
        low: Annotated[float, Range(None, 0.0)] = -1.0,
    ) -> None:
        self.threshold, self.count, self.mode, self.window = threshold, count, mode, window
        self.flag, self.name, self.low = flag, name, low


def checked(**params: Any) -> dict[str, Any]:
    return check_params(Method, params, "extractor 'method'")


def test_parameters_are_those_of_the_signature() -> None:
    assert checked() == Method().params
    assert list(Method().params) == ["threshold", "count", "mode", "window", "flag", "name", "low"]
    assert parameters_of(Method)["flag"].describe() == {"name": "flag", "default": False, "expects": "true or false"}
    assert repr(Method(0.25)).startswith("Method(threshold=0.25, count='auto', mode='mean', window=None")
    assert parameters_of(Configurable) == {} == Configurable().params


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        *(("threshold", 1, 1.0), ("threshold", 0.0, 0.0), ("count", 7, 7), ("mode", "max", "max")),
        *(("flag", True, True), ("window", None, None), ("window", 9, 9), ("name", 12, "12")),
        *(("name", "", ""), ("low", -3, -3.0)),
    ],
)
def test_right_values_are_stored_in_the_declared_type(name: str, value: Any, stored: Any) -> None:
    found = checked(**{name: value})[name]
    assert found == stored and type(found) is type(stored)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        *(("threshold", value, "a number between 0 and 1") for value in (1.01, "0.5", True, np.nan, np.inf, None)),
        *(("count", 0, "at least 1"), ("count", 2.0, "whole number"), ("mode", "median", "one of mean, max")),
        *(("mode", None, "one of"), ("window", 1, "a whole number between 2 and 9 or null"), ("low", 0.1, "at most 0")),
        *(("flag", 1, "true or false"), ("flag", "true", "true or false"), ("window", "none", "or null")),
        *(("name", ["a"], "text"), ("name", None, "text"), ("treshold", 0.1, "did you mean threshold")),
        ("zzz", 1, "choose from threshold, count"),
    ],
)
def test_wrong_values_are_told_with_what_is_expected(name: str, value: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        checked(**{name: value})
    text = str(caught.value)
    assert "extractor 'method'" in text and name in text and "\n" not in text


def star(self: object, *args: int) -> None: ...
def no_default(self: object, a: int) -> None: ...
def no_hint(self, a=1): ...  # type: ignore[no-untyped-def]  # that is the point
def container(self: object, a: list[int] | None = None) -> None: ...


@pytest.mark.parametrize("init", [star, no_default, no_hint, container])
def test_signatures_that_are_no_parameters_are_the_classes_fault(init: Any) -> None:
    with pytest.raises(TypeError, match=init.__name__):
        parameters_of(type(init.__name__, (), {"__init__": init}))


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[object]]:
    """The registry of an importable package with a sound, a broken and a private module."""
    folder = tmp_path / "methods_of_test"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "sound.py").write_text("from methods_of_test import registry\nclass A: ...\nregistry.add('alpha', A)\n")
    (folder / "broken.py").write_text("import a_package_that_is_missing\n")
    (folder / "_private.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module, "entry_points", lambda group: [])
    registry: Registry[object] = Registry("method", "methods_of_test")
    importlib.import_module("methods_of_test").registry = registry  # type: ignore[attr-defined]  # its modules use it
    yield registry
    for name in [n for n in sys.modules if n.startswith("methods_of_test")]:
        del sys.modules[name]


def test_discovery_finds_files_and_keeps_the_broken_with_their_reason(filled: Registry[object]) -> None:
    assert filled.names() == ["alpha"] and type(filled.build("alpha")).__name__ == "A"
    entries = filled.entries()
    assert list(entries) == ["alpha", "broken"] and "a_package_that_is_missing" in str(entries["broken"].error)
    with pytest.raises(UnavailableError, match=r"method 'broken' cannot be loaded.*a_package_that_is_missing"):
        filled.get("broken")
    for name, hint in (("alhpa", "did you mean alpha"), ("zzzzzzzz", "choose from alpha, broken")):
        with pytest.raises(UsageError, match=hint):
            filled.get(name)


def test_a_name_and_a_column_belong_to_one_class(filled: Registry[object]) -> None:
    filled.columns = lambda cls: getattr(cls, "gives", ())
    beta, gamma = (type("X", (), {"gives": gives}) for gives in (("sharpness",), ("size", "sharpness")))
    filled.add("beta", beta)
    filled.add("beta", beta)
    for name, says in (("alpha", "registered twice, by methods_of_test"), ("gamma", "has the column 'sharpness'")):
        with pytest.raises(UsageError, match=f"'{name}' .*{says}"):
            filled.add(name, gamma)
    assert filled.names() == ["alpha", "beta"] and filled.get("alpha") is not gamma


def test_an_entry_point_that_is_being_imported_waits(filled: Registry[object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own import registers a class, which looks at what exists before the module is complete."""
    made: list[type] = []

    class Beta:
        __module__ = "pkg.beta"

    def load() -> None:
        if not made:
            raise AttributeError("partially initialized module")

    point = SimpleNamespace(name="beta_point", value="pkg:Beta", load=load)
    monkeypatch.setattr(module, "entry_points", lambda group: [point])
    filled.add("beta", Beta)
    made.append(Beta)
    assert filled.names() == ["alpha", "beta"] and list(filled.entries()) == ["alpha", "beta", "broken"]


def test_a_class_keeps_its_name_and_has_a_version_that_is_a_number(own_registry: None) -> None:
    uniform = keyframe_bench.Extractor.registry.get("uniform")
    with pytest.raises(UsageError, match=r"'uniform' is registered already"):
        keyframe_bench.register("mine")(uniform)
    assert uniform.name == "uniform"
    with pytest.raises(UsageError, match=r"version='1\.0' of extractor 'mine'"):
        keyframe_bench.register("mine")(type("Mine", (uniform,), {"version": "1.0"}))
    with pytest.raises(TypeError, match="derive from one"):
        register("nothing")(object)


@pytest.mark.usefixtures("own_registry")
def test_plugin_files_are_loaded_once_and_their_classes_pickle(tmp_path: Path) -> None:
    files = [tmp_path / folder / "my plugin.py" for folder in "ab"]  # of one name
    for file, name in zip(files, ("ones_of_test", "two_of_test"), strict=True):
        file.parent.mkdir()
        file.write_text(PLUGIN.replace("ones_of_test", name))
    load_plugins(map(str, files))
    load_plugins([str(files[0]), str(tmp_path / "a" / "." / "my plugin.py")])
    assert plugin_files().count(str(files[0].resolve())) == 1
    made = Feature.registry.build("ones_of_test")
    assert pickle.loads(pickle.dumps(made)) == made != Feature.registry.build("two_of_test")


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("missing.py", None, "does not exist"),
        ("text.txt", "x = 1", "not a Python file"),
        ("error.py", "1 / 0", "ZeroDivisionError"),
        ("syntax.py", "def", "SyntaxError"),
        ("twice.py", PLUGIN.replace("ones_of_test", "gray"), "registered twice"),
        ("importer.py", "import beside_of_tests", "PYTHONPATH='.*/my plug-ins'"),
        ("lost.py", "import nowhere_of_tests", "ModuleNotFoundError"),
    ],
)
def test_plugin_files_that_fail_are_one_sentence(tmp_path: Path, name: str, text: str | None, says: str) -> None:
    (tmp_path / "my plug-ins").mkdir()
    (tmp_path / "my plug-ins" / "beside_of_tests.py").touch()
    file = tmp_path / "my plug-ins" / name
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=says) as caught:
        load_plugins([str(file)])
    assert str(file) in str(caught.value) and ("PYTHONPATH" in str(caught.value)) == (name == "importer.py")
    assert str(file.resolve()) not in plugin_files()
    assert not [m for m in sys.modules if m.startswith(f"keyframe_bench_plugin_{file.stem}")]
