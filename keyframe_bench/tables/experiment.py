"""What a paper's table or figure is: the sweep, its scales, the paper's own figures, the claims. Read from YAML.

And what of its results is kept in small files: everything that the table is made of, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.cells import IDENTITY
from ..core.errors import UsageError
from ..core.files import canonical_json
from .caveats import NOTED
from .experiment_schema import Kind, check_experiment
from .measure import DERIVED

_DIGITS = 9  # fewer, and a number that is shown with three may be rounded twice
_FIELDS = (
    *("format", "key", "status", "extractor", "version", "params", "label", "reference", "budget_rule"),
    *("known_defects", "privileged", "control", "dataset", "video", "video_sha256", "budget", "sampling"),
    *("run_sampling", "seed", "k", "n_sampled", "n_frames", "draws", "error", "finished"),
    *("features", "annotation", "pass_version", "source", "checkpoint"),  # the rest of what the key is the hash of
    *("split", "division", "fold", "training", "training_seed", "part", "trained_on_this_video"),
    *("unit", "structure", "layers", "history", "step_losses", "timeline"),  # of trainings; their images are left out
)


@dataclass(frozen=True)
class Experiment:
    """One file of ``experiments/``."""

    name: str  # ``platform_ai/counts``
    title: str  # what it shows; which data of the paper cannot be had and is replaced
    source: str = ""  # BibTeX key of the paper; empty for a table of our own
    about: str = ""
    substitute: str = ""
    # Extractors on videos: the comparison of `tables.build`, or rows and columns that are defined here. Or trainings on
    # data, whose numbers are over seeds.
    kind: Kind = "comparison"
    extractor: str = ""  # of trainings: the method that learns
    # Of trainings: what may be trained on, by name; see `keyframe_bench.tables.experiment_schema`
    data_sets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Scale to options of ``keyframe-bench run`` (``dataset``, ``seeds``, ...); of trainings see
    # `keyframe_bench.tables.experiment_schema`
    scales: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Options of ``keyframe-bench run``, one run each, into one folder; ``scales`` limits one to some
    # scales. Of trainings one training each, and there may be none.
    runs: Sequence[Mapping[str, Any]] = ()
    rows: Sequence[Mapping[str, Any]] = ()  # see `keyframe_bench.tables.paper`
    columns: Sequence[Mapping[str, Any]] = ()
    # ``claim`` (a sentence), ``measure`` (see `keyframe_bench.tables.measure`, or ``all: [measure,
    # ...]`` by each of which it must hold), ``expect``, ``paper``, ``note``; ``controls`` are measures of what has no
    # merit by name (evenly spaced frames, no network): where one is as expected too, the claim is not tested;
    # ``beside`` are measures by name that are printed and decide nothing
    claims: Sequence[Mapping[str, Any]] = ()
    headline: tuple[str, ...] = ()  # for a comparison: its columns; empty for the usual ones
    rivals: tuple[str, ...] = ()  # for a comparison: extractors with which all are compared, as with `uniform`
    # For a comparison: those of its columns that are shown at every budget too; what is compared are areas under the
    # curves of all of them against K (`keyframe_bench.tables.quality.areas`)
    curves: tuple[str, ...] = ()
    notes: Sequence[str] = ()
    # ``draw``, the name of a `keyframe_bench.tables.figure.Figure`, and its settings
    figure: Mapping[str, Any] = field(default_factory=dict)
    # ``make``, the name of a `Figure` whose cells come besides those of the runs, and its settings
    records: Mapping[str, Any] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether it is the comparison of `tables.build`, without rows of its own."""
        return self.kind == "comparison" and not self.rows

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

    Raises `UsageError`, naming the file, the place in it, and what is wrong there.
    """
    check_experiment(name, data)
    return Experiment(name, **{**data, **{key: tuple(data.get(key, ())) for key in ("headline", "curves", "rivals")}})


def exported(cells: Mapping[str, Mapping[str, Any]], experiment: Experiment) -> str:
    """Return the lines of a small ``results.jsonl``: what the table of ``experiment`` needs, numbers of nine digits.

    What keys are the hashes of, ordinals of the key frames, costs (of which areas under curves need none) and the
    curves of trainings stay; times, scores, versions, images, budget rules that no column shows, and other metrics do
    not. `load_results` reads it, and the table from it is that of the whole results. ``cells``: of `read_cells`.
    """
    names = numbers_of(experiment)
    fields = [name for name in _FIELDS if name != "budget_rule" or name in names]
    costs = not experiment.curves
    return "".join(canonical_json(_small(cell, fields, names, costs)) + "\n" for cell in cells.values())


def numbers_of(experiment: Experiment) -> set[str]:
    """Return every word in the measures of a table, among them the names of all metrics that it needs."""
    words = set(_words([experiment.rows, experiment.columns, experiment.claims]))
    return {"n_keyframes", *NOTED, *experiment.headline, *words}.union(*(DERIVED.get(word, ()) for word in words))


def _words(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, (Mapping, Sequence)):
        for value in part.values() if isinstance(part, Mapping) else part:
            yield from _words(value)


def _small(cell: Mapping[str, Any], fields: Sequence[str], names: set[str], costs: bool) -> dict[str, Any]:
    stored = {n: cell[n] for n in fields if cell.get(n) is not None}
    small = {n: value for n, value in stored.items() if n in IDENTITY or not (value is False or value == "")}
    small["metrics"] = {name: _rounded(v) for name, v in (cell.get("metrics") or {}).items() if name in names}
    found = cell.get("keyframes") or {}
    small["exported"] = True
    if found:
        cost = {name: _rounded(v) for name, v in (found.get("cost") or {}).items() if costs}
        marks = {name: found[name] for name in ("fallback", "shortfall") if found.get(name)}
        small["keyframes"] = {"frames": found.get("frames") or [], "cost": cost, **marks}
    return small


def _rounded(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, (int, float)) else value
