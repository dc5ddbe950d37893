"""Tables of trainings for ``keyframe-bench table``: their options, which Hydra never sees."""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from ..bench.training_table import TableOptions, run_trainings
from ..core.errors import UsageError
from ..tables.experiment import Experiment
from ..tables.format import one_line
from .arguments import Arguments
from .progress import say


def measure_trainings(experiment: Experiment, scale: str, found: Arguments, *, command: str) -> int:
    """Make what a table of trainings is of; return 1 when a training failed.

    Options are ``data.NAME=PATH`` (or ``rendered``), ``trainings=DIR``, ``seeds=[0,1,2]`` and ``trainer.NAME=VALUE``.

    Raises
    ------
    UsageError
        For an option that there is not, or a wrong value.
    """
    from .train_command import line_a_minute

    given = _given(found)
    if given and not experiment.runs:
        raise UsageError(f"table {experiment.name} trains nothing and takes no {next(iter(given))}=; leave it out")
    options = TableOptions(
        data={key.removeprefix("data."): text for key, text in given.items() if key.startswith("data.")},
        **({"trainings": Path(given["trainings"])} if "trainings" in given else {}),
        seeds=_seeds(given["seeds"]) if "seeds" in given else None,
        trainer={k.removeprefix("trainer."): _value(k, v) for k, v in given.items() if k.startswith("trainer.")},
    )
    out = Path(found.paths["out"])
    summary = run_trainings(experiment, scale, out, options, command=command, report=say, progress=line_a_minute())
    for line in summary.failures:
        print(f"failed: {one_line(line)}", file=sys.stderr)
    return 1 if summary.failures else 0


def _given(found: Arguments) -> dict[str, str]:
    """Return every option by key, as typed."""
    given = {key: text for key, text in found.paths.items() if key != "out"}
    for word in found.overrides:
        key, _, value = word.partition("=")
        if key != "scale":
            given[key] = value
    for key, value in given.items():
        known = key in ("trainings", "seeds") or key.startswith(("data.", "trainer."))
        if not known:
            near = difflib.get_close_matches(key, ["trainings", "seeds", "data", "trainer"], n=1)
            hint = f"did you mean {near[0]}=" if near else "there are data.NAME=, trainings=, seeds= and trainer.NAME="
            raise UsageError(f"tables of trainings have no option {key}=; {hint}")
        if not value:
            raise UsageError(f"{key}= is empty; give a value after it, or leave it out")
    return given


def _seeds(text: str) -> list[int]:
    value = _value("seeds", text)
    seeds = value if isinstance(value, list) else [value]
    if not seeds or not all(isinstance(s, int) and not isinstance(s, bool) and s >= 0 for s in seeds):
        raise UsageError(f"seeds={text} is not a list of whole numbers of at least 0, such as seeds=[0,1,2]")
    return list(dict.fromkeys(seeds))


def _value(key: str, text: str) -> Any:
    """Return a scalar or a list as YAML reads it, and ``1e-3`` as the number that Hydra's grammar reads."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(f"{key}={text} has a value that cannot be read; give a number or a word") from None
    number = re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", text)  # YAML 1.1 wants a point and a sign in it
    return float(text) if number else value
