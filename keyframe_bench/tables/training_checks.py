"""Is the YAML file of a table of trainings well formed? Grammar and checks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..core.errors import UsageError
from ..core.split import Split
from .checking import (
    check_fields,
    check_list,
    check_mappings,
    check_one_of,
    check_parameters,
    check_parsed,
    check_seeds,
    check_text,
    nearest,
    quoted,
    wrong,
)
from .figure import Figure

_SCALE = ("trainer", "data", "seeds", "missing")
_RUN = ("name", "options", "data", "init", "against", "evaluate", "scales")
_SET = ("paper", "dataset", "split", "public", "rendered")
_PANEL = ("run", "name")


def check_training(data: Mapping[str, Any], at: str) -> None:
    """Check data sets, scales and runs of a table of kind ``training``.

    A data set has a name in the ``paper``, a ``dataset`` (a name and parameters), a ``split``, what is ``rendered`` in
    its place, and is ``public`` where the user's can be the paper's own. A scale has ``trainer`` (options of all
    trainings), ``data`` (limits, sampling, split and parameters, by data set; with ``of`` a name of the table's own is
    a variant of a data set), ``seeds``, and ``missing: rendered`` where a data set that is not handed over is rendered.
    A run is one training per seed: ``name``, ``options`` of the training, ``data``, ``init`` (the run whose best
    checkpoint it starts from), ``against`` (the run whose final loss it is timed to), ``evaluate`` (data sets).
    """
    scales, sets = check_mapping_of_scales(data["scales"], at), data.get("data_sets", {})
    if not isinstance(sets, Mapping):
        raise wrong(at, f"data_sets {quoted(sets)} is not a mapping of names to data sets")
    for name, one in sets.items():
        _data_set(one, f"{at}: data_sets: {name}")
    runs = check_mappings(data["runs"], at, "runs")
    for scale, options in scales.items():
        _scale(options, sets, f"{at}: scale {scale}", trains=bool(runs))
    names: list[str] = []
    known = _known_sets(scales, sets)
    for i, run in enumerate(runs, start=1):
        _run(run, names, known, list(scales), f"{at}: run {i}")
        names.append(run["name"])
    if runs:
        check_text(data.get("extractor", ""), at, "extractor")
    elif "records" not in data:
        raise wrong(at, "runs is empty; name at least one training")
    for scale in scales:
        if runs and not any(scale in run.get("scales", [scale]) for run in runs):
            raise wrong(at, f"scale {scale} has no run; add one, or name it in the scales of a run")
    for i, panel in enumerate(data.get("figure", {}).get("panels", []), start=1):
        check_one_of(panel["run"], names, f"{at}: figure: panel {i}", "run")
    for part in ("figure", "records"):
        for field, words in (("run", names), ("data", list(sets))):
            if field in data.get(part, {}):
                check_one_of(data[part][field], words, f"{at}: {part}", field)


def check_named(given: Any, word: str, at: str) -> None:
    """Check ``figure`` or ``records``: ``word`` names a `Figure`, which knows what else may stand there."""
    if not isinstance(given, Mapping) or word not in given:
        raise wrong(at, f"{quoted(given)} is not a mapping with {word}, the name of what is drawn or made")
    try:
        figure = Figure.registry.build(given[word])
    except UsageError as error:
        raise wrong(at, str(error)) from None
    check_fields(given, (word, *figure.options), at)
    for i, panel in enumerate(check_mappings(given.get("panels", []), at, "panels"), start=1):
        check_fields(panel, _PANEL, f"{at}: panel {i}", required=_PANEL)
        check_text(panel["name"], f"{at}: panel {i}", "name")
    figure.check(given, at)


def check_mapping_of_scales(scales: Any, at: str) -> Mapping[str, Any]:
    """Return ``scales``, which must be a mapping of names to something."""
    if not isinstance(scales, Mapping) or not scales:
        raise wrong(at, f"scales {quoted(scales)} is not a mapping of names, such as smoke and cpu, to their options")
    for scale in scales:
        check_text(scale, at, "the name of scale")
    return scales


def _data_set(given: Any, at: str) -> None:
    check_fields(given, _SET, at, required=("paper", "dataset", "split", "rendered"))
    check_text(given["paper"], at, "paper")
    check_parsed(Split.parse, given["split"], at)
    for node in ("dataset", "rendered"):
        check_parameters(given[node], f"{at}: {node}")
        check_text(given[node].get("name", ""), f"{at}: {node}", "name")
    if not isinstance(given.get("public", False), bool):
        raise wrong(at, f"public {quoted(given['public'])} is neither true nor false")


def _scale(options: Any, data_sets: Mapping[str, Any], at: str, *, trains: bool) -> None:
    check_fields(options, _SCALE, at, required=("seeds",) if trains else (), word="option")
    if "seeds" in options:
        check_seeds(options["seeds"], at)
    check_parameters(options.get("trainer", {}), f"{at}: trainer")
    if options.get("missing", "rendered") != "rendered":
        raise wrong(at, f"missing {quoted(options['missing'])} is not rendered, the only word that may stand there")
    sets = options.get("data", {})
    if not isinstance(sets, Mapping):
        raise wrong(at, f"data {quoted(sets)} is not a mapping of data sets to their options")
    for name, params in sets.items():
        check_parameters(params, f"{at}: data: {name}")
        if name in data_sets and "of" in params:
            raise wrong(f"{at}: data: {name}", "of is for variants; give this one a name of its own, or leave of out")
        check_one_of(params.get("of", name), list(data_sets), f"{at}: data: {name}", "data set")
        if "split" in params:
            check_parsed(Split.parse, params["split"], f"{at}: data: {name}")


def _known_sets(scales: Mapping[str, Any], sets: Mapping[str, Any]) -> list[str]:
    """Return the data sets that runs may name: those of the table, and the variants that every scale has."""
    variants = [set(options.get("data", {})) - set(sets) for options in scales.values()]
    return [*sets, *sorted(set.intersection(*variants))]


def _run(run: Mapping[str, Any], earlier: Sequence[str], sets: Sequence[str], scales: Collection[str], at: str) -> None:
    check_fields(run, _RUN, at, required=("name", "data"))
    check_text(run["name"], at, "name")
    if run["name"] in earlier:
        raise wrong(at, f"another run has the name {quoted(run['name'])}; give each its own")
    check_parameters(run.get("options", {}), f"{at}: options")
    check_one_of(run["data"], sets, at, "data")
    for name in check_list(run.get("evaluate", []), at, "evaluate"):
        check_one_of(name, sets, at, "evaluate")
    for other in ("init", "against"):
        if other in run and run[other] not in earlier:
            raise wrong(
                at, f"{other} {quoted(run[other])} is none of the runs above it; {nearest(run[other], earlier)}"
            )
    for scale in check_list(run.get("scales", []), at, "scales"):
        check_one_of(scale, scales, at, "scale")
