"""``keyframe-bench list``: what there is, and what is missing where something cannot run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..core.errors import KeyframeBenchError
from ..core.feature import Feature
from ..core.files import one_line
from ..core.params import Parameter, parameters_of
from ..core.registry import Registry, load_plugins
from ..datasets.base import Dataset
from ..extractors.base import Extractor
from ..extractors.trainable import Trainable
from ..metrics.base import Metric
from ..models.base import Loss, Network
from .arguments import split


def run(arguments: list[str]) -> int:
    """Print the lists, or JSON with ``--json``."""
    found = split(arguments, switches=["--json"])
    found.refuse_options("list")
    load_plugins(found.plugins)
    facts = describe()
    if "--json" in found.switches:
        print(json.dumps(facts, indent=1))
    else:
        _print_text(facts)
    return 0


def describe() -> dict[str, list[dict[str, Any]]]:
    """Return everything registered, as plain data."""
    datasets = _each(Dataset.registry, _dataset, _NO_DATASET)
    return {
        "extractors": _each(Extractor.registry, _extractor, _NO_EXTRACTOR),
        "features": _each(Feature.registry, _feature, {"summary": "", "source": ""}),
        "metrics": _each(Metric.registry, _metric, {"reference": "", "wants": None, "needs": [], "columns": {}}),
        "datasets": datasets,
        "training_data": [row for row in datasets if row["layout"]],  # as scripts know it: where files must lie
        "networks": _each(Network.registry, _network, {"trained_numbers": None, "macs": None}),
        "losses": _each(Loss.registry, lambda _: {}, {}),
    }


_NO_DATASET = {"reference": "", "description": "", "licence": "", "layout": "", "usual_split": ""}
_NO_EXTRACTOR: dict[str, Any] = {
    **{"reference": "", "supports": [], "budget_rule": "", "may_return_fewer": "", "needs": [], "sampling": None},
    **{"privileged": False, "known_defects": "", "learns": False, "supervision": None, "trainer": []},
}


def _each(
    registry: Registry[Any], facts: Callable[[Any], dict[str, Any]], unknown: dict[str, Any]
) -> list[dict[str, Any]]:
    """One row per entry; what cannot be loaded or asked has the same keys, and the reason."""
    listed = []
    for name, entry in registry.entries().items():
        row: dict[str, Any] = {"name": name, "available": entry.cls is not None, "reason": entry.error}
        row |= {"about": "", "parameters": [], **unknown}
        if entry.cls is not None:
            row["about"] = (entry.cls.__doc__ or "").strip().split("\n")[0]
            try:
                row["parameters"] = [p.describe() for p in parameters_of(entry.cls).values()]
                row |= facts(entry.cls)
            except Exception as error:  # noqa: BLE001 - a broken plug-in must not hide the others
                row |= {"available": False, "reason": f"{type(error).__name__}: {error}"}
        listed.append(row)
    return listed


def _feature(cls: type[Feature]) -> dict[str, Any]:
    return {"summary": cls.summary, "source": str(cls().source)}


def _extractor(cls: type[Extractor]) -> dict[str, Any]:
    extractor = cls()
    reason = extractor.unavailable() or extractor.must_download()
    return {
        "available": reason is None,
        "reason": reason,
        "reference": cls.reference,
        "supports": sorted(cls.supports),
        "budget_rule": cls.budget_rule,
        "may_return_fewer": cls.may_return_fewer,
        "needs": _needs(extractor),
        "sampling": extractor.sampling,
        "privileged": cls.privileged,
        "known_defects": cls.known_defects,
        **(_learning(cls) if issubclass(cls, Trainable) else {}),
    }


def _needs(extractor: Extractor) -> list[str]:
    try:
        return [feature.name for feature in extractor.needs]
    except KeyframeBenchError:
        if extractor.unavailable() is None:
            raise
        return []  # it reads them off a checkpoint that is not there


def _learning(cls: type[Trainable]) -> dict[str, Any]:
    options = cls.Options.build()
    known: dict[str, Parameter] = {}
    for one in (options, *options.all_chosen):
        known |= parameters_of(type(one))
    return {"learns": True, "supervision": cls.supervision, "trainer": [p.describe() for p in known.values()]}


def _metric(cls: type[Metric]) -> dict[str, Any]:
    columns = {name: {"direction": c.direction, "unit": c.unit, "about": c.about} for name, c in cls.columns.items()}
    needs = [feature.name for feature in cls().needs]
    return {"reference": cls.reference, "wants": cls.wants, "needs": needs, "columns": columns}


def _dataset(cls: type[Dataset]) -> dict[str, Any]:
    told = {name: getattr(cls, name) for name in ("reference", "description", "licence", "layout")}
    return {**told, "usual_split": cls().usual_split}


def _network(cls: type[Network]) -> dict[str, Any]:
    network = cls()
    known = cls.total_macs is not Network.total_macs  # else they are counted with torch, and listing is quick
    return {"trained_numbers": network.total_params, "macs": network.total_macs} if known else {}


def _print_text(facts: dict[str, list[dict[str, Any]]]) -> None:
    for kind, rows in facts.items():
        if kind == "training_data":
            continue
        print(f"{kind}:")
        for row, following in zip(rows, [*rows[1:], None], strict=True):
            print(f"  {row['name']:20} {row['about']}")
            if not row["available"]:
                print(f"{'':23}not available: {one_line(row['reason'])}")
            shared = kind in ("networks", "losses") and following and following["parameters"] == row["parameters"]
            if row["parameters"] and not shared:
                print(f"{'':23}" + "  ".join(f"{p['name']}={p['default']}" for p in row["parameters"]))
            if kind == "extractors" and row["reference"]:
                needs = ", ".join(row["needs"]) or "no features"
                print(f"{'':23}[{row['reference']}] {'/'.join(row['supports'])}; {row['budget_rule']}; reads {needs}")
                if row["learns"]:
                    teacher = "human annotators" if row["supervision"] == "users" else "videos alone"
                    options = "  ".join(f"trainer.{p['name']}={p['default']}" for p in row["trainer"])
                    print(f"{'':23}learns from {teacher} (keyframe-bench train): {options or 'no options'}")
                if row["known_defects"]:
                    print(f"{'':23}known defects: {row['known_defects']}")
            elif row.get("columns"):
                print(f"{'':23}" + ", ".join(row["columns"]))
        print()
