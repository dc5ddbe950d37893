"""``keyframe-bench list``: what there is, what is missing where something cannot run, or all about one name."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..core.errors import KeyframeBenchError, UsageError, suggestion
from ..core.feature import Feature
from ..core.files import one_line
from ..core.registry import Registry, documented, parameters_of
from ..datasets.base import Dataset
from ..extractors.base import Extractor
from ..extractors.trainable import Trainable
from ..metrics.base import Column, Metric
from ..models.base import Loss, Network
from ..report.bibliography import bibliography
from .commands import Arguments
from .help import shown


def run(found: Arguments) -> int:
    """Print the lists, or all about one name; JSON with ``--json``."""
    kinds: dict[str, tuple[Registry[Any], Callable[[Any], dict[str, Any]]]] = {
        "extractors": (Extractor.registry, _extractor),
        "features": (Feature.registry, lambda cls: {"summary": cls.summary, "source": str(cls().source)}),
        "metrics": (Metric.registry, _metric),
        "datasets": (Dataset.registry, _dataset),
        "networks": (Network.registry, _network),
        "losses": (Loss.registry, lambda _: {}),
    }
    facts = {kind: _each(registry, told) for kind, (registry, told) in kinds.items()}
    if found.positional:
        facts = _named(found.positional[0], facts)
    elif "--json" in found.values:
        facts["training_data"] = [row for row in facts["datasets"] if row["layout"]]  # as scripts know it
    if "--json" in found.values:
        print(json.dumps(facts, indent=1))
    elif found.positional:
        print("\n\n".join("\n".join(_whole(kind, row)) for kind, rows in facts.items() for row in rows))
    else:
        for kind, rows in facts.items():
            print("\n".join([f"{kind}:", *_lines(kind, rows), ""]))
    return 0


def _each(registry: Registry[Any], facts: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per entry; what cannot be loaded or asked has the same keys, and the reason."""
    listed = []
    for name, entry in registry.entries().items():
        row: dict[str, Any] = {"name": name, "available": entry.cls is not None, "reason": entry.error}
        row |= {"about": "", "details": "", "parameters": []}
        if entry.cls is not None:
            row["about"], _, row["details"] = _text(entry.cls).partition("\n")
            try:
                row["parameters"] = _parameters(entry.cls)
                row |= facts(entry.cls)
            except Exception as error:  # noqa: BLE001 - a broken plug-in must not hide the others
                row |= {"available": False, "reason": f"{type(error).__name__}: {error}"}
        listed.append(row)
    empty = {key: type(value)() for row in reversed(listed) for key, value in row.items()}
    return [empty | row for row in listed]


def _extractor(cls: type[Extractor]) -> dict[str, Any]:
    extractor = cls()
    missing = extractor.unavailable()
    reason = missing or extractor.must_download()
    learner = cls if issubclass(cls, Trainable) else None
    words = ("reference", "budget_rule", "may_return_fewer", "privileged", "known_defects")
    try:
        needs = [feature.name for feature in extractor.needs]
    except KeyframeBenchError:
        if missing is None:
            raise
        needs = []  # it reads them off a checkpoint that is not there
    return {
        "available": reason is None,
        "reason": reason,
        "supports": sorted(cls.supports),
        "needs": needs,
        "sampling": extractor.sampling,
        **{word: getattr(extractor, word) for word in words},
        "learns": learner is not None,
        "supervision": learner and learner.supervision,
        "trainer": _trainer(learner) if learner else [],
        "numbers": _columns(learner.numbers) if learner else {},
    }


def _trainer(cls: type[Trainable]) -> list[dict[str, Any]]:
    options = cls.Options.build()
    told = [p for one in (options, *options.all_chosen) for p in _parameters(type(one))]
    for p in told:
        if p["name"] in cls.Options.choices:
            p["expects"] = "one of " + ", ".join(cls.Options.choices[p["name"]].names())
    return told


def _text(cls: type) -> str:
    """Return the docstring up to its first section, as plain text: a line for each paragraph and point of a list."""
    text = re.split(r"^\w+\n---+$", inspect.cleandoc(cls.__doc__ or ""), maxsplit=1, flags=re.M)[0].replace("``", "")
    return "\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\n|\n(?=\* )", text.strip()))


def _parameters(cls: type) -> list[dict[str, Any]]:
    about = documented(cls)
    return [p.describe() | {"about": about.get(p.name, "")} for p in parameters_of(cls).values()]


def _columns(columns: Mapping[str, Column]) -> dict[str, dict[str, Any]]:
    return {name: {"direction": c.direction, "unit": c.unit, "about": c.about} for name, c in columns.items()}


def _metric(cls: type[Metric]) -> dict[str, Any]:
    needs = [feature.name for feature in cls().needs]
    return {"reference": cls.reference, "requires": cls.requires, "needs": needs, "columns": _columns(cls.columns)}


def _dataset(cls: type[Dataset]) -> dict[str, Any]:
    told = {name: getattr(cls, name) for name in ("reference", "description", "licence", "layout", "page")}
    return {**told, "usual_split": cls().usual_split}


def _network(cls: type[Network]) -> dict[str, Any]:
    network = cls()
    return {"trained_numbers": network.total_params, "macs": network.total_macs}


def _named(name: str, facts: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return what is called ``name``, or gives a number of that name; `UsageError` with the nearest names."""
    names = {kind: {row["name"]: row for row in rows} for kind, rows in facts.items()}
    if not any(name in rows for rows in names.values()):
        names["metrics"] |= {column: row for row in facts["metrics"] for column in row["columns"]}
    found = {kind: [rows[name]] for kind, rows in names.items() if name in rows}
    if not found:
        known = [known for rows in names.values() for known in rows]
        hint = suggestion(name, known, "keyframe-bench list shows what there is")
        raise UsageError(f"nothing is called {name!r}; {hint} (a plug-in file needs --plugin FILE)")
    return found


_KINDS = {"datasets": "data set", "losses": "loss"}
_TEACHERS = {"users": "human annotators", "none": "videos alone"}
# Facts about one name: key of its row to the words before it.
_FACTS = {
    **{"description": "what it is", "summary": "a row", "source": "read from", "supports": "budgets"},
    **{"budget_rule": "how k is met", "may_return_fewer": "may return fewer", "sampling": "sampling of its own"},
    **{"needs": "features it reads", "requires": "annotations it requires"},
    **{"known_defects": "known defects", "usual_split": "usual split", "layout": "files", "licence": "licence"},
    **{"trained_numbers": "trained numbers", "macs": "multiply-accumulates", "page": "page", "reference": "reference"},
}


def _whole(kind: str, row: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that tell all of one row."""
    yield f"{row['name']} ({_KINDS.get(kind, kind.removesuffix('s'))})"
    for paragraph in (row["about"], *row["details"].split("\n")):
        yield from _wrapped(paragraph, 2)
    if not row["available"]:
        yield from _wrapped(f"not available: {one_line(row['reason'])}", 2)
    learns = (
        f"learns from {_TEACHERS[row['supervision']]}; options of keyframe-bench train" if row.get("learns") else ""
    )
    for title, stem, told in (("parameters", "", row["parameters"]), (learns, "trainer.", row.get("trainer", ()))):
        yield from [f"{title}:"] if told else []
        for p in told:
            yield f"  {stem}{p['name']}={shown(p['default'], 'null')}  ({p['expects']})"
            yield from _wrapped(p["about"], 6)
    numbers = row.get("columns") or row.get("numbers") or {}
    yield from ["numbers:"] if numbers else []
    for name, column in numbers.items():
        better = "" if column["direction"] == "none" else f"; {column['direction']} is better"
        unit = "" if column["unit"] == "1" else f" in {column['unit']}"
        yield from _wrapped(f"{name}{unit}: {column['about']}{better}", 2)
    for key, words in _FACTS.items():
        value = row.get(key)
        if value and value != "none":
            yield from _wrapped(f"{words}: {', '.join(value) if isinstance(value, list) else value}", 0)
    if row.get("reference", "none") not in ("", "none"):
        yield textwrap.indent(bibliography([row["reference"]]).rstrip(), "  ")


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(text, 100, initial_indent=" " * indent, subsequent_indent=" " * (indent or 2))


def _lines(kind: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield two lines and more for every row."""
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        yield f"  {row['name']:20} {row['about']}"
        told = [] if row["available"] else [f"not available: {one_line(row['reason'])}"]
        shared = kind in ("networks", "losses") and following and following["parameters"] == row["parameters"]
        if row["parameters"] and not shared:
            told.append("  ".join(f"{p['name']}={p['default']}" for p in row["parameters"]))
        if kind == "extractors" and row["reference"]:
            needs = ", ".join(row["needs"]) or "no features"
            told.append(f"[{row['reference']}] {'/'.join(row['supports'])}; {row['budget_rule']}; reads {needs}")
            if row["learns"]:
                options = "  ".join(f"trainer.{p['name']}={p['default']}" for p in row["trainer"])
                told.append(
                    f"learns from {_TEACHERS[row['supervision']]} (keyframe-bench train): {options or 'no options'}"
                )
            told += [f"known defects: {row['known_defects']}"] if row["known_defects"] else []
        elif row.get("columns"):
            told.append(", ".join(row["columns"]))
        yield from (f"{'':23}{line}" for line in told)
