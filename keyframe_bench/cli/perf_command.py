"""``keyframe-bench perf``: seconds and memory of everything that reads a video, measured in one run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..bench.perf import FORMAT, PerfSpec, perf
from ..core.errors import OutputError, UsageError, os_reason
from ..core.files import one_line, read_json, write_atomic
from ..report.perf import perf_markdown
from ..tables.load import read_text
from .commands import Arguments, listed
from .table_command import replaced, write_into

_WIDTH = 160  # where the output is no terminal
_WRITTEN = ("--save", "--markdown", "--into")


def run(found: Arguments) -> int:
    """Measure, or read what was measured; print and write; return 1 when a case failed."""
    if "--from" in found.values:
        record = _read(found)
    else:
        spec = _spec(found)
        _check_targets(found.values, spec.video.stem)
        try:
            record = perf(spec, command=found.line, report=_report)
        except KeyboardInterrupt:
            print("keyframe-bench: stopped; perf keeps nothing of a run that is not complete", file=sys.stderr)
            return 130
    page, given = perf_markdown(record), found.values
    if "--save" in given:
        write_atomic(Path(given["--save"]), json.dumps(record, indent=1, allow_nan=False) + "\n")
    if "--markdown" in given:
        write_atomic(Path(given["--markdown"]), page)
    if "--into" in given:
        write_into(Path(given["--into"]), Path(record["video"]).stem, page, "perf")
    if "--json" in found.values:
        print(json.dumps(record, indent=1, allow_nan=False))
    else:
        from rich.console import Console
        from rich.markdown import Markdown

        console = Console()
        if not console.is_terminal:
            console.width = _WIDTH
        console.print(Markdown(page))
    return 1 if record["failures"] and "--from" not in found.values else 0


def _spec(found: Arguments) -> PerfSpec:
    given: dict[str, Any] = {k: found.values[k] for k in ("extractors", "repeats", "weights") if k in found.values}
    given |= {k: str(found.values[k]) for k in ("budget", "sampling") if k in found.values}
    if "extractors" in given:
        names = listed(given["extractors"])
        given["extractors"] = "all" if names == ["all"] else names
    checkpoint = found.values.get("extractor.checkpoint")
    return PerfSpec(found.video(), checkpoint=checkpoint, peers="--peers" in found.values, **given)


def _read(found: Arguments) -> dict[str, Any]:
    """Return the record of ``--from``, which can be rendered."""
    allowed = {"--from", "--json", *_WRITTEN}
    options = (k if k[:2] == "--" else f"{k}={v}" for k, v in found.values.items() if k not in allowed)
    if extra := [*found.positional, *options]:
        raise UsageError(f"perf --from reads what was measured and measures nothing: leave out {extra[0]}")
    file = found.values["--from"]
    try:
        record = read_json(file)
        if record["format"] != FORMAT:
            raise ValueError(f"its format is {record['format']!r}")
        perf_markdown(record)
        return dict(record)
    except OSError as error:
        reason = os_reason(error)
        raise UsageError(f"cannot read {file!r}: {reason}; give a file that perf --save wrote") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UsageError(f"{file!r} is not what perf --save writes ({error}); measure again") from error


def _check_targets(values: Mapping[str, str], name: str) -> None:
    """Raise before minutes of measuring where a file could not be written after them."""
    if "--into" in values:
        replaced(read_text(Path(values["--into"])), name, "", values["--into"], "perf")
    for target in (Path(values[flag]) for flag in _WRITTEN if flag in values):
        there = next(folder for folder in (target.absolute(), *target.absolute().parents) if folder.exists())
        if target.is_dir():
            raise OutputError(target, "it is a folder")
        if not os.access(there, os.W_OK):
            raise OutputError(target, "permission denied")


def _report(number: int, rounds: int, place: int, cases: int, name: str) -> None:
    """Say on standard error what is measured now: a round takes minutes."""
    print(f"perf: round {number} of {rounds}, {place} of {cases}: {one_line(name)}", file=sys.stderr, flush=True)
