"""What a user gets who installs the package: the wheel, in an environment of its own, away from the checkout."""

import configparser
import email
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]

PLUGIN = """
import numpy as np
import keyframe_bench as kb


@kb.register("wheel_of_tests")
class First(kb.Extractor):
    '''The first frames.'''

    reference = "none"
    budget_rule = "the first k"
    stochastic = False
    needs = ()

    def select(self, clip, k=None, *, rng):
        return clip.pick(np.arange(k))
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A copy of the checkout, to be built in: without what is hidden, built, or data."""
    away = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "outputs", "multirun")

    def ignored(folder, names):
        return {*away(folder, names), *({"data"} if Path(folder) == CHECKOUT else ())}

    return Path(shutil.copytree(CHECKOUT, tmp_path_factory.mktemp("wheel") / "sources", ignore=ignored))


@pytest.fixture(scope="module")
def wheel(sources, tmp_path_factory):
    """The wheel, built by setuptools without a network."""
    folder = tmp_path_factory.mktemp("dist")
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, sources)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A fresh environment with the wheel, over the packages that are installed here (torch is large)."""
    folder = tmp_path_factory.mktemp("fresh") / "env"
    venv.create(folder, symlinks=True)
    _pip("--python", folder / "bin" / "python", "install", "--no-deps", wheel)
    site = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    # Only folders named in a .pth file are added: the editable install of the checkout is a .pth file itself, not read.
    others = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "installed_here.pth").write_text("\n".join(others))
    return folder


@pytest.fixture(scope="module")
def installed(environment, tmp_path_factory):
    """Run a program of the fresh environment, in an empty folder; its standard output."""
    here = tmp_path_factory.mktemp("here")

    def run(program, *words):
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        command = [environment / "bin" / program, *words]
        done = subprocess.run(
            command, cwd=here, env=variables, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    return run


def _pip(*words):
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    program = [sys.executable, "-m", "pip", *quiet, *words]
    done = subprocess.run(program, env=os.environ | {"PIP_NO_INDEX": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_wheel_holds_the_package_and_nothing_else(sources, names):
    """Every file of the package: a sub-package or template that setup.cfg does not name would be missing."""
    expected = {f"keyframe_bench/{name}" for name in _files(sources / "keyframe_bench")}
    expected |= {f"keyframe_bench/conf/{name}" for name in _files(sources / "conf")}
    # Images, texts and scripts of measurements are for readers of the repository; a paper's figures are code of it.
    papers = {path.parent.name for path in (sources / "experiments").glob("*/figures.py")}
    code = {
        f"{paper}/{name}" for paper in papers for name in _files(sources / "experiments" / paper) if name[-3:] == ".py"
    }
    shipped = {n for n in _files(sources / "experiments") if n.endswith(".yaml") or n.startswith("results/")}
    expected |= {f"keyframe_bench/experiments/{name}" for name in {"__init__.py", *code, *shipped}}
    assert {name for name in names if ".dist-info/" not in name} == expected
    some = "py.typed conf/run.yaml experiments/results/main.jsonl experiments/chen2021/figures.py"
    assert {f"keyframe_bench/{name}" for name in some.split()} <= names


def _files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_metadata(sources, wheel, names):
    config = configparser.ConfigParser()
    config.read(sources / "setup.cfg")
    (info,) = {name.partition("/")[0] for name in names if ".dist-info/" in name}
    with zipfile.ZipFile(wheel) as archive:
        metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
        commands = archive.read(f"{info}/entry_points.txt").decode()
    import keyframe_bench

    assert metadata["Version"] == keyframe_bench.__version__
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["Description-Content-Type"] == "text/markdown"
    readme = (sources / "README.md").read_text("utf-8")
    assert metadata.get_payload(decode=True).decode().strip() == readme.strip()
    assert set(metadata.get_all("Provides-Extra")) == set(config["options.extras_require"])
    needed = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert len(needed) == len(config["options"]["install_requires"].split())
    assert "keyframe-bench = keyframe_bench.cli.main:main" in commands
    assert any(name.endswith("LICENSE") for name in names)


def test_installed_package_is_the_one_that_runs(environment, installed):
    where = installed("python", "-c", "import keyframe_bench, torch; print(keyframe_bench.__file__)")
    assert Path(where.strip()).is_relative_to(environment)
    import keyframe_bench

    assert installed("keyframe-bench", "--version").strip() == keyframe_bench.__version__


def test_installed_list_is_that_of_the_checkout(installed, cli):
    there = json.loads(installed("keyframe-bench", "list", "--json"))
    here = json.loads(cli("list", "--json")[1])
    assert _named(there) == _named(here)


def _named(listed):
    return {kind: [entry["name"] for entry in entries] for kind, entries in listed.items()}


def test_installed_run_extract_and_tables(environment, installed, rendered, tmp_path, cells):
    """Configuration, data set, report, tables of papers and their results, all from the wheel."""
    words = ["dataset=synthetic", "dataset.n_videos=2", "dataset.duration_s=4", f"dataset.root={tmp_path}/made"]
    more = ["extractors=[uniform,pixel_distance]", "budget=3", f"out={tmp_path}/run"]
    text = installed("keyframe-bench", "run", *words, *more)
    assert "pixel_distance" in text and "scored 2 of 2 videos" in text
    assert len(cells(tmp_path / "run")) == 2 * 3  # and random
    assert "<style>" in (tmp_path / "run" / "report.html").read_text("utf-8")
    assert (tmp_path / "run" / "table.md").exists()

    installed("keyframe-bench", "extract", rendered / "cuts.mp4", "extractor=pixel_distance", f"out={tmp_path}/one")
    assert (tmp_path / "one" / "keyframes.json").exists()

    assert "platform_ai/comparison" in installed("keyframe-bench", "table")
    (results,) = environment.glob("lib/*/site-packages/keyframe_bench/experiments/results/main.jsonl")
    table = installed("keyframe-bench", "table", "main", "--from", results, f"out={tmp_path}/table")
    assert "| pixel_distance |" in table and "composed" in table
    drawn = installed("keyframe-bench", "table", "chen2021/figure3", f"out={tmp_path}/figure3")
    assert "AE_final" in drawn.replace("\\", "") and (tmp_path / "figure3" / "figure3.png").exists()


@pytest.fixture
def swept(rendered, tmp_path):
    """A sweep with a plug-in, without its launcher and ``out=``."""
    plugin = tmp_path / "plugin.py"
    plugin.write_text(PLUGIN)
    words = ["dataset=folder", f"dataset.root={rendered}", "extractors=[wheel_of_tests]", f"--plugin={plugin}"]
    return ["run", "-m", *words, "budget=1,2"]


def test_installed_sweep_with_a_plugin(installed, swept, tmp_path, cells):
    installed("keyframe-bench", *swept, f"out={tmp_path}/out")
    found = cells(tmp_path / "out")
    assert len(found) == 3 * 2 * 3
    assert {record["status"] for record in found.values()} == {"ok"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        pytest.param(["executor=loky", "executor.n_jobs=2"], id="workers"),
        pytest.param(
            ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.launcher.verbose=0"], id="joblib launcher"
        ),
    ],
)
def test_installed_processes_find_configuration_and_plugin(installed, swept, tmp_path, cells, more):
    installed("keyframe-bench", *swept, *more, f"out={tmp_path}/out")
    found = cells(tmp_path / "out")
    assert len(found) == 3 * 2 * 3
    assert {record["status"] for record in found.values()} == {"ok"}
