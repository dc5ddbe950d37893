"""The same question in a fresh interpreter: what a worker process would answer."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.clip import Clip
from ...core.errors import ContractError
from ...core.registry import load_plugins, plugin_files
from ..base import Extractor
from .rule import select

_CHILD_TIMEOUT_S = 300


@dataclass(frozen=True)
class _Question:
    """What the child process is asked; the extractor is unpickled only after its plug-ins were loaded."""

    extractor: bytes
    clip: Clip
    budgets: Sequence[int | None]


def answers(extractor: Extractor, clip: Clip, budgets: Sequence[int | None]) -> list[dict[str, Any]]:
    """Return what ``extractor`` selects for each budget, as JSON data without its cost."""
    found = []
    for k in budgets:
        data = select(extractor, clip, k).to_json()
        del data["cost"]
        found.append(data)
    return found


def answers_elsewhere(extractor: Extractor, clip: Clip, budgets: Sequence[int | None]) -> list[dict[str, Any]]:
    """Return `answers` of a fresh interpreter that imports the class from its module or plug-in file.

    Raises
    ------
    ContractError
        If the child process fails.
    """
    module = sys.modules[type(extractor).__module__]
    file = getattr(module, "__file__", None)
    plugins = [path for path in plugin_files() if Path(path).is_file()]
    head = {"plugins": plugins, "module": module.__name__, "file": file}
    question = pickle.dumps(_Question(pickle.dumps(extractor), clip, tuple(budgets)))
    lines = json.dumps(head) + "\n" + base64.b64encode(question).decode()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        # Another hash seed finds out a method that depends on hash() or on the order of a set.
        "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1",
    }
    call = f"from {__name__} import answer_from_stdin; answer_from_stdin()"
    done = subprocess.run(
        [sys.executable, "-c", call],
        input=lines,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_CHILD_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ContractError(f"in a fresh process the extractor fails: {last}")
    found: list[dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def answer_from_stdin() -> None:
    """Read a question from standard input and write its answers as the last line of standard output."""
    head = json.loads(sys.stdin.readline())
    load_plugins(head["plugins"])
    _import(head["module"], head["file"])
    question: _Question = pickle.loads(base64.b64decode(sys.stdin.readline()))
    found = answers(pickle.loads(question.extractor), question.clip, question.budgets)
    sys.stdout.write("\n" + json.dumps(found) + "\n")


def _import(name: str, file: str | None) -> None:
    """Import module ``name``, from ``file`` where the import path does not lead to it."""
    if name in sys.modules:
        return
    try:
        importlib.import_module(name)
    except ImportError:
        if file is None or not Path(file).is_file():
            raise
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
