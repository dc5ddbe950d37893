"""``keyframe-bench results diff``: what changed between two sets of results."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from ..core.errors import UsageError
from ..core.files import one_line
from ..metrics.facts import Cost
from ..tables.diff import diff_results
from ..tables.load import read_cells
from .commands import Arguments, counted

_USE = "keyframe-bench results diff A B, where A and B are out= folders or results.jsonl files"
_SHOWN = 8  # lines of one kind; --json has all


def run(found: Arguments) -> int:
    """Print the differences of two results; return 0 if there is none, else 1."""
    text = found.get("--tolerance")
    try:
        tolerance = float(text)
    except ValueError:
        tolerance = math.nan
    if not 0 <= tolerance < math.inf:
        raise UsageError(f"--tolerance {text!r} is not a number of 0 or more; for instance --tolerance 0.001")
    if found.positional[:1] not in ([], ["diff"]):
        raise UsageError(f"unknown subcommand {found.positional[0]!r}; did you mean {_USE}")
    if len(found.positional) != 3:
        raise UsageError(f"results diff compares two results: {_USE}")
    paths = found.positional[1:]
    first, second = (read_cells(path) for path in paths)
    for path, cells in zip(paths, (first, second), strict=True):
        if not cells:
            raise UsageError(f"{path!r} holds no cells to compare; give the out= folder of a run that has finished")
    difference = diff_results(first.values(), second.values(), tolerance=tolerance, costs=Cost.columns)
    if "--json" in found.values:
        print(json.dumps({"first": paths[0], "second": paths[1], **difference}))
    else:
        print("\n".join(one_line(line) if line[:1] != " " else f"  {one_line(line)}" for line in _lines(difference)))
    return 0 if difference["equal"] else 1


def _lines(found: Mapping[str, Any]) -> list[str]:
    counts = f"{found['n_first']} cells against {found['n_second']}, {found['n_common']} of them in both"
    lines = [f"{counts}: {'no differences' if found['equal'] else str(found['n_changed']) + ' changed'}"]
    for side in ("first", "second"):
        lines += [f"only in the {side}: {_counts(found[f'only_{side}'])}"] if found[f"only_{side}"] else []
    lines += [f"other key frames: {_counts(found['keyframes'])}"] if found["keyframes"] else []
    lines += _some([f"{s['cell']}: {s['first']} -> {s['second']}" for s in found["statuses"]], "statuses")
    for extractor, changes in groupby(found["columns"], key=lambda change: change["extractor"]):
        ordered = sorted(changes, key=lambda change: change["max"] or -math.inf, reverse=True)
        lines += _some([_change(change) for change in ordered], f"numbers of {extractor}")
    versions = [
        f"{v['name']}: {v['first']} -> {v['second']} ({counted(v['n_cells'], 'cell')})" for v in found["versions"]
    ]
    return lines + _some(versions, "versions")


def _counts(extractors: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({counted(count, 'cell')})" for name, count in extractors.items())


def _some(lines: list[str], what: str) -> list[str]:
    more = [f"  and {len(lines) - _SHOWN} more (--json lists all)"] if len(lines) > _SHOWN else []
    return [f"{what}:", *(f"  {line}" for line in lines[:_SHOWN]), *more] if lines else []


def _change(change: Mapping[str, Any]) -> str:
    parts = [counted(change["n_changed"], "cell")]
    if change["max"] is not None:
        parts.append(f"by {change['mean']:.3g} on average, {change['max']:.3g} at most")
    if change["shift"] is not None:
        parts.append(f"mean over all {change['shift']:+.3g}")
    if change["n_one_sided"]:
        parts.append(f"{change['n_one_sided']} on one side only")
    return f"{change['column']}: {', '.join(parts)}"
