"""``keyframe-bench results``: what changed between two, the leaderboard of many, whether one can be contributed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from ..core.errors import UsageError, suggestion
from ..core.files import make_folder, one_line, write_atomic
from ..metrics.facts import Cost
from ..tables.diff import diff_results
from ..tables.load import read_cells, read_text, run_record_of
from .commands import Arguments, counted, path_text

_USE = "keyframe-bench results diff A B, where A and B are out= folders or results.jsonl files"
_SHOWN = 8  # lines of one kind; --json has all


def run(found: Arguments) -> int:
    """Do what the first word says; return 1 for results that differ or cannot be contributed."""
    name = found.positional[0] if found.positional else "diff"
    if name not in _ACTIONS:
        hint = suggestion(name, _ACTIONS, f"choose from {', '.join(_ACTIONS)}")
        raise UsageError(f"unknown subcommand {name!r}; {hint}")
    return _ACTIONS[name](found)


def _files(found: Arguments) -> dict[str, Path]:
    """Return the files that are named, or lie in folders that are, by a name for each."""
    paths = [Path(path) for path in found.positional[1:]]
    if not paths:
        what = "the out= folder of a run, FILE.jsonl with its FILE.run.json, or a folder of such files"
        raise UsageError(f"results {found.positional[0]} needs results: {what}")
    files: dict[str, Path] = {}
    for path in paths:
        here = [path]
        if path.is_dir():
            here = [path / "results.jsonl"] if (path / "results.jsonl").exists() else sorted(path.glob("*.jsonl"))
        if not here:
            raise UsageError(f"{str(path)!r} holds no results; give the out= folder of a run, or FILE.jsonl")
        for file in here:
            name = file.parent.absolute().name if file.name == "results.jsonl" else file.stem
            files[name if name not in files else str(file)] = file
    return files


def _leaderboard(found: Arguments) -> int:
    from ..extractors.base import Extractor
    from ..report.markdown import leaderboard_markdown
    from ..tables.leaderboard import leaderboard

    results = {name: (read_cells(file), run_record_of(file)) for name, file in _files(found).items()}
    versions = {name: Extractor.registry.get(name).version for name in Extractor.registry.names()}
    board = leaderboard(results, versions)
    data = json.dumps(board.to_json(), indent=1, allow_nan=False) + "\n"
    page = leaderboard_markdown(board)
    if "out" in found.values:
        out = make_folder(Path(found.values["out"]))
        table = board.frame.to_csv(index=False, lineterminator="\n")
        written = {out / f"leaderboard.{end}": text for end, text in (("md", page), ("csv", table), ("json", data))}
        for file, text in written.items():
            write_atomic(file, text)
        print("written:", ", ".join(map(path_text, written)))
    else:
        print(data if "--json" in found.values else page, end="")
    return 0


def _validate(found: Arguments) -> int:
    from ..bench.execute import metric_columns
    from ..datasets.base import Dataset
    from ..tables.validate import Problem, problems_of, remarks_of

    columns, datasets, lines, told = metric_columns(), Dataset.registry.names(), [], []
    for file in _files(found).values():
        try:
            text, record = read_text(file), run_record_of(file)
            problems = problems_of(text, record, columns, datasets)
        except UsageError as error:
            problems = [Problem(0, str(error))]
        if not problems:
            lines.append("; ".join(filter(None, (f"{path_text(file)}: valid", remarks_of(text, record)))))
        lines += [f"{path_text(file)}:{f'{n}:' * (n > 0)} {one_line(text)}" for n, text in problems]
        told.append({"file": str(file), "problems": [problem._asdict() for problem in problems]})
    print(json.dumps(told) if "--json" in found.values else "\n".join(lines))
    return 1 if any(one["problems"] for one in told) else 0


def _diff(found: Arguments) -> int:
    """Print the differences of two results; return 0 if there is none, else 1."""
    text = found.get("--tolerance")
    try:
        tolerance = float(text)
    except ValueError:
        tolerance = math.nan
    if not 0 <= tolerance < math.inf:
        raise UsageError(f"--tolerance {text!r} is not a number of 0 or more; for instance --tolerance 0.001")
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


_ACTIONS = {"diff": _diff, "leaderboard": _leaderboard, "validate": _validate}


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
