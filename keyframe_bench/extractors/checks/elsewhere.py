"""The same question in a fresh interpreter: what a worker process would answer."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module, util
from pathlib import Path
from typing import Any

from ...core.clip import Clip
from ...core.errors import ContractError
from ...core.registry import load_plugins, plugin_files
from ..base import Extractor
from .rule import select


def answers(extractor: Extractor, clip: Clip, budgets: Sequence[int | None]) -> list[dict[str, Any]]:
    """Return what ``extractor`` selects for each budget, as JSON data without its cost."""
    return [{**select(extractor, clip, k).to_json(), "cost": {}} for k in budgets]


def answers_elsewhere(extractor: Extractor, clip: Clip, budgets: Sequence[int | None]) -> list[dict[str, Any]]:
    """Return `answers` of a fresh interpreter that imports the class from its module or plug-in file.

    Raises
    ------
    ContractError
        If the child process fails.
    """
    plugins = [path for path in plugin_files() if Path(path).is_file()]
    module = sys.modules[type(extractor).__module__]
    head = pickle.dumps((plugins, module.__name__, getattr(module, "__file__", None)))
    # Another hash seed finds out a method that depends on hash() or on the order of a set.
    hash_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    call = f"from {__name__} import answer_from_stdin; answer_from_stdin()"
    done = subprocess.run(
        [sys.executable, "-c", call],
        input=head + pickle.dumps((extractor, clip, budgets)),
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise ContractError(f"in a fresh process the extractor fails: {last}")
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def answer_from_stdin() -> None:
    """Read a question from standard input and write its answers as the last line of standard output."""
    plugins, module, file = pickle.load(sys.stdin.buffer)
    load_plugins(plugins)
    _import(module, file)
    question = pickle.load(sys.stdin.buffer)
    sys.stdout.write("\n" + json.dumps(answers(*question)) + "\n")


def _import(name: str, file: str | None) -> None:
    """Import module ``name``, from ``file`` where the import path does not lead to it."""
    try:
        import_module(name)
    except ImportError:
        spec = util.spec_from_file_location(name, file) if file and Path(file).is_file() else None
        if spec is None or spec.loader is None:
            raise
        module = sys.modules[name] = util.module_from_spec(spec)
        spec.loader.exec_module(module)
