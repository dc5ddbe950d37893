"""Results as small files to be kept: everything that tables are made of, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.files import canonical_json

_DIGITS = 6
_KEPT = (
    *(
        "format",
        "key",
        "status",
        "extractor",
        "version",
        "params",
        "label",
        "reference",
        "budget_rule",
        "known_defects",
    ),
    *("privileged", "control", "dataset", "video", "video_sha256", "budget", "sampling", "run_sampling", "seed"),
    *("k", "n_sampled", "n_frames", "draws", "error", "finished"),
)


def exported(cells: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the lines of a small ``results.jsonl``: no key frames, versions or pictures, numbers of six digits.

    Costs stay. `load_results` reads it, and tables from it are those of the whole results.

    Parameters
    ----------
    cells : mapping
        Of `read_cells`.
    """
    return "".join(canonical_json(_small(cell)) + "\n" for cell in cells.values())


def _small(cell: Mapping[str, Any]) -> dict[str, Any]:
    small = {name: cell[name] for name in _KEPT if cell.get(name) not in (None, "", False)}
    small["metrics"] = {name: _rounded(v) for name, v in (cell.get("metrics") or {}).items() if v is not None}
    cost = {name: _rounded(v) for name, v in ((cell.get("keyframes") or {}).get("cost") or {}).items()}
    return small | ({"keyframes": {"cost": cost}} if cost else {})


def _rounded(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, (int, float)) else value
