"""What a paper's table or figure is: the sweep, its scales, the paper's own figures, the claims. Read from YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..core.errors import UsageError

Kind = Literal["table", "comparison", "change_graph"]
_KINDS: tuple[Kind, ...] = ("table", "comparison", "change_graph")
_FIELDS = {
    *("title", "source", "about", "substitute", "kind", "scales", "runs"),
    *("rows", "columns", "claims", "headline", "notes"),
}


@dataclass(frozen=True)
class Experiment:
    """One file of ``experiments/``.

    Attributes
    ----------
    name : str
        ``platform_ai/counts``.
    title, about, substitute : str
        What it shows; which data of the paper cannot be had and is replaced.
    source : str
        BibTeX key of the paper; empty for a table of our own.
    kind : {"table", "comparison", "change_graph"}
        Rows and columns defined here; the comparison of `tables.comparison`; a figure of one video.
    scales : mapping
        Scale to options of ``keyframe-bench run`` (``dataset``, ``seeds``, ...).
    runs : list of mapping
        Options of ``keyframe-bench run``, one run each, into one folder; ``scales`` limits one to some scales.
    rows, columns : list of mapping
        See `keyframe_bench.tables.paper`.
    claims : list of mapping
        ``claim`` (a sentence), ``measure`` (see `keyframe_bench.tables.measure`), ``expect``, ``paper``.
    headline : tuple of str
        For a comparison: its columns; empty for the usual ones.
    notes : list of str
    """

    name: str
    title: str
    source: str = ""
    about: str = ""
    substitute: str = ""
    kind: Kind = "table"
    scales: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    runs: Sequence[Mapping[str, Any]] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    columns: Sequence[Mapping[str, Any]] = ()
    claims: Sequence[Mapping[str, Any]] = ()
    headline: tuple[str, ...] = ()
    notes: Sequence[str] = ()

    def scale(self, name: str) -> Mapping[str, Any]:
        """Return the options of a scale; `UsageError` lists those there are."""
        if name not in self.scales:
            raise UsageError(f"table {self.name} has no scale={name}; it has {', '.join(self.scales)}")
        return self.scales[name]

    def runs_at(self, scale: str) -> list[dict[str, Any]]:
        """Return the options of every run of a scale."""
        runs = [dict(run) for run in self.runs if scale in run.get("scales", [scale])]
        return [{k: v for k, v in run.items() if k != "scales"} for run in runs]


def parse_experiment(name: str, data: Any) -> Experiment:
    """Return the experiment that a YAML file describes.

    Raises
    ------
    UsageError
        Naming the file and what is wrong in it.
    """

    def wrong(what: str) -> UsageError:
        return UsageError(f"table {name}: {what}")

    if not isinstance(data, Mapping):
        raise wrong("the file is not a mapping with title, scales and runs")
    unknown = sorted(set(map(str, data)) - _FIELDS)
    if unknown:
        raise wrong(f"unknown field {unknown[0]!r}; there are {', '.join(sorted(_FIELDS))}")
    for required, kind in (("title", str), ("scales", Mapping), ("runs", list)):
        if not isinstance(data.get(required), kind):
            raise wrong(f"field {required!r} is missing or of a wrong kind")
    if data.get("kind", "table") not in _KINDS:
        raise wrong(f"kind {data['kind']!r} is not one of {', '.join(_KINDS)}")
    for listed in ("runs", "rows", "columns", "claims"):
        entries = data.get(listed, [])
        if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
            raise wrong(f"field {listed!r} is not a list of mappings")
    for claim in data.get("claims", []):
        if not {"claim", "measure", "expect"} <= claim.keys():
            raise wrong("every claim needs claim, measure and expect")
    return Experiment(name, **{**data, "headline": tuple(data.get("headline", ()))})
