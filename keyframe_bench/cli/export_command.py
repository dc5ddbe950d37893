"""``keyframe-bench export``: what the methods of a run chose, as files that other tools, and `score`, read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..core.cells import HUMAN
from ..core.errors import UsageError, suggestion
from ..core.files import file_name, write_together
from ..datasets._picks import Picks, picks_text
from ..tables.load import read_cells
from .commands import Arguments, counted, path_text

Form = Literal["picks"]


def run(found: Arguments) -> int:
    """Write a file for every row; print how many."""
    if not found.positional:
        raise UsageError(f"export needs the results of a run: {found.command.examples[0]}")
    if found.get("format") not in get_args(Form):
        raise UsageError(f"format={found.get('format')} is not {' or '.join(get_args(Form))}")
    source, folder = found.positional[0], Path(found.get("out"))
    chosen = [cell for cell in read_cells(source).values() if cell["status"] == "ok" and cell["extractor"] != HUMAN]
    names, only = sorted({cell["extractor"] for cell in chosen}), found.get("extractor")
    if only is not None and only not in names:
        raise UsageError(f"{source!r} has no row of {only!r}; {suggestion(only, names)}")
    chosen = [cell for cell in chosen if only in (None, cell["extractor"])]
    files = {
        name: Picks(name, "frames", items) for name, items in _rows([c for c in chosen if c["draws"] == 1]).items()
    }
    if not files:
        raise UsageError(
            f"{source!r} has no row that can be exported; give the out= folder of a run with other methods"
        )
    write_together({folder / f"{file_name(name)}.json": picks_text(picks) for name, picks in files.items()})
    for name in sorted({cell["extractor"] for cell in chosen if cell["draws"] > 1}):
        print(f"left out: {name}, whose numbers are means over many draws, of which one is kept")
    print(f"{counted(len(files), 'file')} written to {path_text(folder)}")
    return 0


def _rows(cells: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, NDArray[np.int64]]]:
    """Return the frames of every row by item; rows are called by method, budget, and what else tells them apart."""
    values: dict[Any, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    told = [(cell, (cell["extractor"], cell["budget"]), _settings(cell)) for cell in cells]
    for _, about, settings in told:
        for name, value in settings.items():
            values[about][name].add(value)
    rows: dict[str, dict[str, NDArray[np.int64]]] = defaultdict(dict)
    for cell, about, settings in told:
        apart = [f"{name}={value}" for name, value in settings.items() if len(values[about][name]) > 1]
        row = "_".join([*about, *apart]).replace("/", "-")
        rows[row][cell["video"]] = np.array(cell["keyframes"]["frames"], dtype=np.int64)
    return rows


def _settings(cell: Mapping[str, Any]) -> dict[str, str]:
    training = (cell.get("training") or {}).get("options") or {}
    numbers = {name: cell.get(name) for name in ("version", "sampling", "seed", "training_seed", "split")}
    return {name: str(value) for name, value in {**cell["params"], **training, **numbers}.items()}
