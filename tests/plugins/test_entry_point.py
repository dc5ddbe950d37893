"""An installed package's extractors are found through the entry point group, with no edit here."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import keyframe_bench

ROOT = Path(keyframe_bench.__file__).parents[1]

SETUP_CFG = """
[metadata]
name = kb-plugin-of-tests
version = 1.2.3

[options]
py_modules = kb_plugin_good, kb_plugin_broken, kb_plugin_twice

[options.entry_points]
keyframe_bench.extractors =
    brightest_of_tests = kb_plugin_good:Brightest
    broken_of_tests = kb_plugin_broken
    uniform = kb_plugin_twice:Uniform
"""

PYPROJECT = """
[build-system]
requires = ["setuptools>=64"]
build-backend = "setuptools.build_meta"
"""

GOOD = """
from typing import Annotated

from keyframe_bench import Gray, Range, ScoreExtractor, register


@register("brightest_of_tests")
class Brightest(ScoreExtractor):
    '''Brightest frames.'''

    reference = "none"

    def __init__(self, power: Annotated[float, Range(0.5, 4.0)] = 1.0) -> None:
        self.power = power

    @property
    def needs(self):
        return (Gray(height=6, width=8),)

    def score(self, clip):
        return (clip[self.needs[0]] / 255.0).mean(axis=(1, 2)) ** self.power
"""

BROKEN = "import a_module_that_nobody_has\n"

TWICE = """
from keyframe_bench import Extractor, register


@register("uniform")
class Uniform(Extractor):
    '''Takes a name that is taken.'''

    def select(self, clip, k=None, *, rng):
        return clip.pick([0])
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build the package and install it into a folder of its own, as pip would; nothing is downloaded."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    files = {
        "setup.cfg": SETUP_CFG,
        "pyproject.toml": PYPROJECT,
        "kb_plugin_good.py": GOOD,
        "kb_plugin_broken.py": BROKEN,
        "kb_plugin_twice.py": TWICE,
    }
    for name, text in files.items():
        (source / name).write_text(text)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    install += ["--disable-pip-version-check", "--target", str(target), str(source)]
    done = subprocess.run(install, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return target


def test_an_installed_package_is_listed_built_and_run(installed, tmp_path):
    """What is broken is listed with its reason, and a name that is taken stays with its owner."""
    code = """
    import json
    import keyframe_bench as kb
    from keyframe_bench.extractors.checks import run_checks

    entries = kb.Extractor.registry.entries()
    extractor = kb.Extractor.registry.build("brightest_of_tests", {"power": 2})
    result = kb.extract(kb.demo_video(), "brightest_of_tests", budget=3)
    failed = [c.name + ": " + c.message for c in run_checks(extractor) if c.status == "failed"]
    try:
        kb.Extractor.registry.build("broken_of_tests")
    except kb.UnavailableError as error:
        broken = [entries["broken_of_tests"].cls is None, entries["broken_of_tests"].error, str(error)]
    twice = [e.error for e in entries.values() if e.origin == "kb_plugin_twice:Uniform"]
    good = [entries["brightest_of_tests"].origin, extractor.power, len(result.frames), failed]
    print(json.dumps([good, broken, entries["uniform"].origin, twice]))
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    good, (no_class, reason, message), origin, twice = json.loads(done.stdout.strip().splitlines()[-1])
    assert good == ["kb_plugin_good", 2.0, 3, []]
    assert no_class and "a_module_that_nobody_has" in reason and "a_module_that_nobody_has" in message
    assert message.startswith("extractor 'broken_of_tests' cannot be loaded")
    assert origin.startswith("keyframe_bench.extractors")
    assert len(twice) == 1 and "'uniform' is registered twice" in twice[0] and "kb_plugin_twice" in twice[0]


def test_without_the_package_nothing_of_it_is_listed():
    """The others of this file test the installed package, not something that is here anyway."""
    from keyframe_bench.extractors.base import Extractor

    assert not any("of_tests" in name for name in Extractor.registry.names() if name.startswith(("bright", "broken")))
