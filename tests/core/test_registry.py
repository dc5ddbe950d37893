"""One registry: built-in files, entry points and plug-in files; duplicates refused, broken ones listed."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import keyframe_bench
from keyframe_bench.core import registry as module
from keyframe_bench.core.errors import UnavailableError, UsageError
from keyframe_bench.core.feature import Feature
from keyframe_bench.core.registry import Registry, load_plugins, plugin_files, register

PLUGIN = """
import numpy as np
from keyframe_bench.core.feature import Feature
from keyframe_bench.core.registry import register

@register("ones_of_test")
class Ones(Feature):
    def compute(self, frames):
        return np.ones(len(frames))
"""


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
    assert filled.names() == ["alpha"]
    entries = filled.entries()
    assert list(entries) == ["alpha", "broken"]
    assert "a_package_that_is_missing" in str(entries["broken"].error)
    assert type(filled.build("alpha")).__name__ == "A"
    with pytest.raises(UnavailableError, match=r"method 'broken' cannot be loaded.*a_package_that_is_missing"):
        filled.get("broken")


def test_unknown_names_list_the_nearest(filled: Registry[object]) -> None:
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
    assert filled.names() == ["alpha", "beta"]
    assert list(filled.entries()) == ["alpha", "beta", "broken"]


def test_a_class_keeps_its_name_and_has_a_version_that_is_a_number(own_registry: None) -> None:
    uniform = keyframe_bench.Extractor.registry.get("uniform")
    with pytest.raises(UsageError, match=r"'uniform' is registered already"):
        keyframe_bench.register("mine")(uniform)
    assert uniform.name == "uniform"
    with pytest.raises(UsageError, match=r"version='1\.0' of extractor 'mine'"):
        keyframe_bench.register("mine")(type("Mine", (uniform,), {"version": "1.0"}))
    with pytest.raises(TypeError, match="derive it from one of them"):
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


def test_how_a_plugin_file_imports_what_lies_beside_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "beside_of_tests.py").write_text("LEVEL = 3\n")
    file = tmp_path / "importer.py"
    for text, told in (("import beside_of_tests", True), ("import nowhere_of_tests", False), ("1 / 0", False)):
        file.write_text(text)
        with pytest.raises(UsageError, match="fails on import") as caught:
            load_plugins([str(file)])
        assert (f"PYTHONPATH={tmp_path}" in str(caught.value)) == told


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("missing.py", None, "does not exist"),
        ("text.txt", "x = 1", "not a Python file"),
        ("error.py", "1 / 0", "ZeroDivisionError"),
        ("syntax.py", "def", "SyntaxError"),
        ("twice.py", PLUGIN.replace("ones_of_test", "gray"), "registered twice"),
    ],
)
def test_plugin_files_that_fail_are_one_sentence(tmp_path: Path, name: str, text: str | None, says: str) -> None:
    file = tmp_path / name
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=says) as caught:
        load_plugins([str(file)])
    assert str(file) in str(caught.value)
    assert str(file.resolve()) not in plugin_files()
    assert not [m for m in sys.modules if m.startswith(f"keyframe_bench_plugin_{file.stem}")]
