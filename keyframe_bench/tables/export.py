"""Results as small files to be kept: everything that tables are made of, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core.files import canonical_json
from .caveats import NOTED
from .experiment import Experiment

_DIGITS = 6
_KEPT = (
    *("format", "key", "status", "extractor", "version", "params", "label", "reference", "budget_rule"),
    *("known_defects", "privileged", "control", "dataset", "video", "video_sha256", "budget", "sampling"),
    *("run_sampling", "seed", "k", "n_sampled", "n_frames", "draws", "error", "finished"),
    *("split", "division", "fold", "training", "training_seed", "part", "trained_on_this_video"),
    *("unit", "structure", "layers", "history", "timeline"),  # of trainings; their images are left out
)


def exported(cells: Mapping[str, Mapping[str, Any]], experiment: Experiment) -> str:
    """Return the lines of a small ``results.jsonl``: what the table of ``experiment`` needs, numbers of six digits.

    Ordinals of the key frames, costs and the curves of trainings stay; times, scores, versions, images and other
    metrics do not.
    `load_results` reads it, and the table from it is that of the whole results.

    Parameters
    ----------
    cells : mapping
        Of `read_cells`.
    experiment : Experiment
    """
    names = numbers_of(experiment)
    return "".join(canonical_json(_small(cell, names)) + "\n" for cell in cells.values())


def numbers_of(experiment: Experiment) -> set[str]:
    """Return every word in the measures of a table, among them the names of all metrics that it needs."""
    words = _words([experiment.rows, experiment.columns, experiment.claims])
    return {"n_keyframes", *NOTED, *experiment.headline, *words}


def _words(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, (Mapping, Sequence)):
        for value in part.values() if isinstance(part, Mapping) else part:
            yield from _words(value)


def _small(cell: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    small = {n: cell[n] for n in _KEPT if not (cell.get(n) is None or cell[n] is False or cell[n] == "")}
    small["metrics"] = {name: _rounded(v) for name, v in (cell.get("metrics") or {}).items() if name in names}
    found = cell.get("keyframes") or {}
    small["exported"] = True
    if found:
        cost = {name: _rounded(v) for name, v in (found.get("cost") or {}).items()}
        marks = {name: found[name] for name in ("fallback", "shortfall") if found.get(name)}
        small["keyframes"] = {"frames": found.get("frames") or [], "cost": cost, **marks}
    return small


def _rounded(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, (int, float)) else value
