"""Files that only services read: they parse, and say what the package says."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import yaml

from keyframe_bench.core.version import VERSION

ROOT = Path(__file__).parents[1]
METADATA = configparser.ConfigParser()
METADATA.read(ROOT / "setup.cfg", "utf-8")


def loaded(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def test_hosted_ci_runs_the_two_commands_on_every_supported_python():
    jobs = loaded(".github/workflows/ci.yml")["jobs"]
    commands = {name: [step.get("run", "") for step in job["steps"]] for name, job in jobs.items()}
    assert commands["test"][-2:] == ["make demo", "make test"]
    assert [line.partition(" CONSTRAINTS")[0] for line in commands["lowest"][-2:]] == ["make demo", "make test"]
    pythons = jobs["test"]["strategy"]["matrix"]["python"]
    classifiers = METADATA["metadata"]["classifiers"]
    assert pythons == re.findall(r"Python :: (3\.\d+)", classifiers)
    assert METADATA["options"]["python_requires"] == f">={pythons[0]}"


def test_the_job_of_lowest_versions_resolves_every_extra_but_the_tools():
    (resolve,) = (
        step["run"]
        for step in loaded(".github/workflows/ci.yml")["jobs"]["lowest"]["steps"]
        if "uv" in step.get("run", "")
    )
    assert set(re.findall(r"--extra (\w+)", resolve)) == {*METADATA["options.extras_require"]} - {"dev", "docs"}


def test_the_citation_is_of_this_version():
    citation = loaded("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["version"] == VERSION


def test_hooks_run_tools_that_are_installed_with_the_package():
    hooks = [hook for repo in loaded(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    tools = {hook["entry"].removeprefix("python -m ").split()[0] for hook in hooks}
    packages = re.findall(r"^[\w-]+", METADATA["options.extras_require"]["dev"], re.MULTILINE)
    assert {tool.replace("lint-imports", "import-linter") for tool in tools} <= set(packages)
