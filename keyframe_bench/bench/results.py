"""``results.jsonl``: the cells of a folder that a table may be about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.files import canonical_json, write_atomic
from ..core.records import read_cell
from ..extractors.base import Extractor
from .plan import Scope, metric_versions

# What can stand only once in a table; features and their weights may have been others before.
_PLACE = ("dataset", "video", "extractor", "params", "budget", "sampling", "run_sampling", "seed")


def collect_results(out: Path, scope: Scope) -> tuple[list[dict[str, Any]], list[str]]:
    """Write ``results.jsonl`` from the cells in ``out``; return them, and a sentence for every file that is no cell.

    Cells are left aside when they come from an older extractor or metric than is registered here, or are about a video
    or an annotation that is not there any more.
    """
    versions = metric_versions()
    current: dict[tuple[str, ...], dict[str, Any]] = {}
    problems: list[str] = []
    for path in sorted((out / "cells").glob("*.json")):
        record = read_cell(path, problems)
        if record is not None and record in scope and _is_current(record, versions):
            place = tuple(canonical_json(record[name]) for name in _PLACE)
            rival = current.get(place)
            if rival is None or _rank(record, scope) > _rank(rival, scope):
                current[place] = record
    records = list(current.values())
    records.sort(
        key=lambda r: (
            r["dataset"],
            r["video"],
            r["extractor"],
            canonical_json(r["params"]),
            r["budget"],
            r["seed"],
            r["key"],
        )
    )
    write_atomic(out / "results.jsonl", "".join(canonical_json(r) + "\n" for r in records))
    return records, problems


def _is_current(record: Mapping[str, Any], versions: Mapping[str, str]) -> bool:
    entry = Extractor.registry.entries().get(record["extractor"])
    if entry is not None and entry.cls is not None and entry.cls.version != record["version"]:
        return False
    return all(versions.get(name, version) == version for name, version in record["metric_versions"].items())


def _rank(record: Mapping[str, Any], scope: Scope) -> tuple[bool, str]:
    """Of two cells for one place in the table, the one asked for now counts, else the one finished last."""
    return record["key"] in scope.keys, record["finished"]
