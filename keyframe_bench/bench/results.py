"""``results.jsonl``: the cells of a folder that a table may be about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.cells import PLACE
from ..core.files import canonical_json, write_atomic
from ..core.processes import garbage_kept
from ..extractors.base import Extractor
from .plan import Scope, StoredCells, metric_versions


@garbage_kept()
def collect_results(stored: StoredCells, scope: Scope) -> list[dict[str, Any]]:
    """Write ``results.jsonl`` from the cells of a folder, and return them.

    Cells are left aside when they come from an older extractor or metric than is registered here, or are about a video
    or an annotation that is not there any more.
    """
    versions = metric_versions()
    current: dict[str, dict[str, Any]] = {}
    for path in sorted((stored.out / "cells").glob("*.json")):
        record = stored.read(path)
        if record is not None and record in scope and _is_current(record, versions):
            place = canonical_json([_place(record, name) for name in PLACE])
            rival = current.get(place)
            if rival is None or _rank(record, scope) > _rank(rival, scope):
                current[place] = record
    records = list(current.values())
    records.sort(key=_order)
    stored.lines = {canonical_json(r): r for r in records}
    write_atomic(stored.out / "results.jsonl", "".join(line + "\n" for line in stored.lines))
    return records


def _order(record: Mapping[str, Any]) -> tuple[Any, ...]:
    what = (*map(record.get, ("dataset", "video", "extractor")), canonical_json(record["params"]))
    asked = (record["budget"], record["seed"], str(record.get("split") or ""), canonical_json(record.get("training")))
    return (*what, *asked, record.get("fold") or 0, record.get("training_seed") or 0, record["key"])


def _place(record: Mapping[str, Any], name: str) -> Any:
    """Return a field; of a training its options alone, since one that failed has no more."""
    found = record.get(name)
    return found["options"] if name == "training" and found and record.get("division") else found


def _is_current(record: Mapping[str, Any], versions: Mapping[str, str]) -> bool:
    entry = Extractor.registry.entries().get(record["extractor"])
    if entry is not None and entry.cls is not None and entry.cls.version != record["version"]:
        return False
    return all(versions.get(name, version) == version for name, version in record["metric_versions"].items())


def _rank(record: Mapping[str, Any], scope: Scope) -> tuple[bool, str]:
    """Of two cells for one place in the table, the one asked for now counts, else the one finished last."""
    return record["key"] in scope.keys, record["finished"]
