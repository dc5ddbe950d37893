"""Checks that an answer can be repeated: same generator, other process, pickled copy, live stream."""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module, util
from pathlib import Path
from typing import Any

import numpy as np

from ...core.clip import Clip
from ...core.errors import ContractError
from ...core.registry import load_plugins, plugin_files
from ..base import Extractor
from .clips import TYPICAL, clip_of
from .rule import cases, only, require, results, rule, same, select, some_budgets


@rule()
def check_same_rng_same_answer(extractor: Extractor) -> None:
    """Equal generators give equal answers, whatever was selected in between."""
    for clip, k in cases(extractor):
        first = select(extractor, clip, k)
        select(extractor, clip_of(extractor, TYPICAL[1]), k)
        again = select(extractor, clip_of(extractor, TYPICAL[0]), k)
        require(
            same(first, again),
            f"frames {first.frames.tolist()}, then {again.frames.tolist()} for k={k} with the same rng; draw only from "
            "rng and keep nothing between calls",
        )


@rule(only(lambda e: type(e).__module__ != "__main__", "the class lives in a prompt or notebook, not in a file"))
def check_same_answer_elsewhere(extractor: Extractor) -> None:
    """Another process, with other hash seeds, gives the same answer."""
    clip, budgets = clip_of(extractor, TYPICAL[0]), some_budgets(extractor)
    require(
        _answers(extractor, clip, budgets) == _elsewhere(extractor, clip, budgets),
        "another process gives another answer; do not depend on hash(), on the order of a set, on time or on globals",
    )


@rule()
def check_global_random_untouched(extractor: Extractor) -> None:
    """``select`` neither draws from nor seeds the global generators of random and numpy."""
    for clip, k in cases(extractor):
        before = _global_state()
        select(extractor, clip, k)
        require(
            before == _global_state(),
            "select uses the global random state; draw from rng, give libraries random_state=int(rng.integers(2**31))",
        )


def _global_state() -> str:
    return repr((random.getstate(), [str(part) for part in np.random.get_state()]))  # noqa: NPY002 - only read


@rule(only(lambda e: not e.stochastic, "it says stochastic = True"))
def check_deterministic_as_declared(extractor: Extractor) -> None:
    """With ``stochastic = False`` the answer is the same for every generator."""
    for clip, k, first in results(extractor):
        require(
            all(same(first, select(extractor, clip, k, seed)) for seed in (1, 2, 3)),
            f"the answer on {clip.video.name} for k={k} depends on rng; set stochastic = True",
        )


@rule()
def check_picklable(extractor: Extractor) -> None:
    """Pickled copies, as worker processes get them, select the same."""
    try:
        copy = pickle.loads(pickle.dumps(extractor))
    except Exception as error:
        raise ContractError(
            f"the extractor cannot be pickled ({type(error).__name__}: {error}); define the class at the top of a file "
            "and store no open files, locks or lambdas"
        ) from error
    require(copy.params == extractor.params, f"pickling changes the parameters to {copy.params}")
    for clip, k in cases(extractor):
        require(same(select(extractor, clip, k), select(copy, clip, k)), "the pickled copy selects other frames")


@rule(only(lambda e: e.online, "it does not say online = True"))
def check_online_prefix(extractor: Extractor) -> None:
    """With ``online = True`` the key frames of a prefix are those of the whole clip that lie in the prefix."""
    for kind in TYPICAL:
        clip = clip_of(extractor, kind)
        for k in some_budgets(extractor) if "free" not in extractor.supports else (None,):
            whole = select(extractor, clip, k).frames
            for n in range(1, len(clip)):
                part = select(extractor, clip.prefix(n), k).frames
                expected = whole[whole < clip.ordinals[n]]
                require(
                    np.array_equal(part, expected),
                    f"after {n} frames of {kind} it chose {part.tolist()}, at the end {expected.tolist()} of them; "
                    "decide on a frame without looking ahead, or set online = False",
                )


def _answers(extractor: Extractor, clip: Clip, budgets: Sequence[int | None]) -> list[dict[str, Any]]:
    """Return what ``extractor`` selects for each budget, as JSON data without its cost."""
    return [{**select(extractor, clip, k).to_json(), "cost": {}} for k in budgets]


def _elsewhere(extractor: Extractor, clip: Clip, budgets: Sequence[int | None]) -> list[dict[str, Any]]:
    """Return `_answers` of a fresh interpreter that imports the class from its module or plug-in file.

    Raises `ContractError` if the child process fails.
    """
    plugins = [path for path in plugin_files() if Path(path).is_file()]
    module = sys.modules[type(extractor).__module__]
    head = pickle.dumps((plugins, module.__name__, getattr(module, "__file__", None)))
    # Another hash seed finds out a method that depends on hash() or on the order of a set.
    hash_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    call = f"from {__name__} import answer_from_stdin; answer_from_stdin()"
    question = head + pickle.dumps((extractor, clip, budgets))
    env = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", call]
    done = subprocess.run(command, input=question, env=env, capture_output=True, timeout=300, check=False)
    if done.returncode != 0:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise ContractError(f"in a fresh process the extractor fails: {last}")
    return list(json.loads(done.stdout.splitlines()[-1]))


def answer_from_stdin() -> None:
    """Read a question from standard input and write its answers as the last line of standard output."""
    plugins, module, file = pickle.load(sys.stdin.buffer)
    load_plugins(plugins)
    try:
        import_module(module)
    except ImportError:  # the import path does not lead to it
        spec = util.spec_from_file_location(module, file) if file and Path(file).is_file() else None
        if spec is None or spec.loader is None:
            raise
        sys.modules[module] = util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[module])
    sys.stdout.write("\n" + json.dumps(_answers(*pickle.load(sys.stdin.buffer))) + "\n")
