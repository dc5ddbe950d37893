"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of real data named by $KEYFRAME_BENCH_DATA; the test is skipped, with that reason, without it."""
    root = os.environ.get("KEYFRAME_BENCH_DATA")
    if not root:
        pytest.skip("KEYFRAME_BENCH_DATA is not set (it names a folder of real videos)")
    return Path(root).resolve()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Render demo videos into a folder of this test run, not into the user's cache."""
    os.environ["KEYFRAME_BENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
