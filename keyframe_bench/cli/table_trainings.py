"""Tables of trainings for ``keyframe-bench table``: their options, which Hydra never sees."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Any

from ..bench.training_table import TableOptions, run_trainings
from ..core.errors import UsageError
from ..tables.experiment import Experiment
from ..tables.format import one_line
from .arguments import Arguments
from .compose import one_value
from .progress import say


def measure_trainings(experiment: Experiment, scale: str, found: Arguments) -> int:
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
        seeds=given.get("seeds"),
        trainer={key.removeprefix("trainer."): value for key, value in given.items() if key.startswith("trainer.")},
    )
    out = Path(found.values["out"])
    summary = run_trainings(experiment, scale, out, options, command=found.line, report=say, progress=line_a_minute())
    for line in summary.failures:
        print(f"failed: {one_line(line)}", file=sys.stderr)
    return 1 if summary.failures else 0


def _given(found: Arguments) -> dict[str, Any]:
    """Return every option by key, read."""
    given = {k: v for k, v in found.values.items() if k not in ("out", "scale", "columns") and not k.startswith("--")}
    for word in found.overrides:
        key, _, text = word.partition("=")
        known = key == "seeds" or key.startswith("trainer.")
        if known and not text:
            raise UsageError(f"{key}= is empty; give a value after it, or leave it out")
        given[key] = _seeds(word) if key == "seeds" else one_value(word) if known else text
    for key in given:
        if key not in ("trainings", "seeds") and not key.startswith(("data.", "trainer.")):
            near = difflib.get_close_matches(key, ["trainings", "seeds", "data", "trainer"], n=1)
            hint = f"did you mean {near[0]}=" if near else "there are data.NAME=, trainings=, seeds= and trainer.NAME="
            raise UsageError(f"tables of trainings have no option {key}=; {hint}")
    return given


def _seeds(word: str) -> list[int]:
    value = one_value(word)
    seeds = value if isinstance(value, list) else [value]
    if not seeds or not all(isinstance(s, int) and not isinstance(s, bool) and s >= 0 for s in seeds):
        raise UsageError(f"{word} is not a list of whole numbers of at least 0, such as seeds=[0,1,2]")
    return list(dict.fromkeys(seeds))
