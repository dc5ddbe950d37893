"""The site builds without a warning, and what is found by the registry is in its reference."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import keyframe_bench as kb

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` does."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return out


def test_generated_tables_and_figures_are_in_the_site(site):
    assert "pixel_distance" in (site / "results.html").read_text("utf-8")
    for paper in ("chen2021", "platform_ai"):
        page = (site / "experiments" / paper / "index.html").read_text("utf-8")
        figures = re.findall(r'src="([^":]+\.png)"', page)
        assert figures and all((site / "experiments" / paper / name).is_file() for name in figures)
    assert not [path for path in site.rglob("*") if path.suffix in {".py", ".yaml", ".jsonl"}]


@pytest.mark.parametrize("kind", ["Dataset", "Extractor", "Feature", "Metric", "Loss"])
def test_everything_registered_is_in_the_reference(site, kind):
    text = "".join(path.read_text("utf-8") for path in (site / "reference").glob("*.html"))
    registry = getattr(kb, kind).registry
    classes = [registry.get(name) for name in registry.names()]
    own = [f"{cls.__module__}.{cls.__qualname__}" for cls in classes if cls.__module__.startswith("keyframe_bench.")]
    assert own
    assert [name for name in own if f'id="{name}"' not in text] == []


def test_every_decision_is_listed():
    index = (ROOT / "docs" / "decisions" / "index.md").read_text("utf-8")
    listed = set(re.findall(r"\]\((.+?)\.md\)", index))
    assert listed == {path.stem for path in ROOT.glob("docs/decisions/*.md")} - {"index"}
