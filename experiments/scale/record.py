"""What the scripts of this folder share: their record (a small JSON file), its table in the README, and videos."""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from keyframe_bench.bench.provenance import source_commit
from keyframe_bench.cli.table_command import write_into
from keyframe_bench.core.errors import KeyframeBenchError, UsageError
from keyframe_bench.core.feature import opens_file
from keyframe_bench.core.files import write_atomic
from keyframe_bench.core.processes import run_watched
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.tables.load import read_object

# A process that shall keep to one core; the libraries read these when they are loaded.
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
HERE = Path(__file__).parent

Record = dict[str, Any]


def one_sentence(main: Callable[[], None]) -> Callable[[], None]:
    """Return ``main`` with what a user can mend as one sentence and exit status 2."""

    def run() -> None:
        try:
            main()
        except KeyframeBenchError as error:
            print(f"{Path(sys.argv[0]).name}: error: {error}", file=sys.stderr)
            sys.exit(2)

    return run


def at_least_one(text: str) -> int:
    """Return a whole number of at least 1, for a parser's ``type``."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def positive(text: str) -> float:
    """Return a finite number above 0, for a parser's ``type``."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with what every script takes: a record to read or write, and a page for its table."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--from", dest="source", type=Path, help="measure nothing: read this record")
    parser.add_argument("--save", type=Path, help="write the record here")
    parser.add_argument("--into", type=Path, help="put the table between its markers in this Markdown file")
    parser.add_argument("--note", default="", help="what a reader must know of the machine, such as: other load")
    return parser


def finish(
    given: argparse.Namespace, name: str, measure: Callable[[], Record], render: Callable[[Record], str]
) -> None:
    """Measure, or read what was measured; print the table and write what was asked for."""
    record = read_object(given.source) if given.source is not None else {"machine": machine(given.note), **measure()}
    try:
        markdown = render(record)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        if given.source is None:
            raise
        raise UsageError(f"{str(given.source)!r} is no record that this script wrote with --save") from error
    print(markdown)
    if given.save is not None:
        write_atomic(given.save, json.dumps(record, indent=1) + "\n")
    if given.into is not None:
        write_into(given.into, f"scale/{name}", markdown)


def machine(note: str) -> Record:
    """Return what the numbers depend on, with the load that was there before anything was measured."""
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "commit": source_commit(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("av", "numpy", "opencv-python-headless", "joblib")},
        "load": round(os.getloadavg()[0], 1),
        "note": note,
    }


def measured_on(record: Record) -> str:
    """Return the line under a table that says where and when it was measured."""
    found = record["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    note = f" {found['note']}" if found["note"] else ""
    return (
        f"Measured {found['date']} at commit {found['commit'] or 'unknown'} on {found['cores']} cores "
        f"(load before: {found['load']}), Python {found['python']}, {versions}.{note}"
    )


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table: the first column to the left, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def in_child(script: str, task: Record, **environment: str) -> Record:
    """Run ``script --task JSON`` in a process of its own whose libraries keep to one core.

    Returns what the script gave to `answer`, and ``peak_mb``, the highest anonymous memory of it and its workers.
    """
    with tempfile.TemporaryDirectory() as name:
        file, printed = Path(name) / "answer.json", Path(name) / "printed.txt"
        command = [sys.executable, script, "--task", json.dumps({**task, "answer": str(file)})]
        with printed.open("wb") as output:
            finished = run_watched(command, output=output, env={**ONE_CORE, **environment})
        if finished.status != 0:
            said = printed.read_text("utf-8", errors="replace")
            raise SystemExit(f"{Path(script).name}: the measuring process failed on {task}:\n{said}")
        return {**read_object(file), "peak_mb": finished.peak_mb}


def answer(task: Record, found: Record) -> None:
    """Hand ``found`` back to the process that asked for ``task``."""
    Path(task["answer"]).write_text(json.dumps(found), "utf-8")


def classical() -> list[str]:
    """Names of the extractors that need no network, training or annotation and are not third-party tools."""
    built = [Extractor.registry.build(name) for name in Extractor.registry.names()]
    built = [one for one in built if one.unavailable() is None and not any(need.elsewhere for need in one.needs)]
    return [one.name for one in built if not (one.privileged or opens_file(one.needs))]


def unique_copies(sources: Sequence[Path], folder: Path, n: int) -> None:
    """Fill ``folder`` with ``n`` copies of MP4 files in turn, each with bytes of its own that no player reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        copy = folder / f"{i:06}{sources[i % len(sources)].suffix}"
        shutil.copyfile(sources[i % len(sources)], copy)
        with copy.open("ab") as file:
            file.write(struct.pack(">I4s", 16, b"free") + secrets.token_bytes(8))
