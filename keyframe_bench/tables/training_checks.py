"""Is the YAML file of a table of trainings, or of a structure listing, well formed? Grammar and checks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..core.errors import UsageError
from ..models.base import Network
from ..training.paper_sets import PAPER_SETS
from .checking import (
    check_fields,
    check_list,
    check_mappings,
    check_one_of,
    check_parameters,
    check_seeds,
    check_text,
    is_number,
    is_whole,
    nearest,
    quoted,
    wrong,
)

_SCALE = ("network", "trainer", "data", "seeds", "missing")
_RUN = ("name", "network", "params", "loss", "data", "init", "against", "evaluate", "scales")
_FIGURES = ("reconstructions", "diagram", "convergence", "keyframes")
_FIGURE = ("draw", "panels", "data", "number")
_PANEL = ("run", "name")
_KEYFRAMES = ("run", "video", "params", "clips")


def check_training(data: Mapping[str, Any], at: str) -> None:
    """Check scales, runs, ``figure`` and ``keyframes`` of a table of kind ``training``.

    A scale has ``network`` (parameters of all networks), ``trainer`` (options), ``data`` (options of the sources, by
    data set; with ``of`` a name of the table's own is a variant of a data set), ``seeds``, and ``missing: rendered``
    where a data set that is not handed over is rendered. A run is one training per seed: ``name``, ``network``,
    ``params``, ``loss``, ``data``, ``init`` (the run whose best checkpoint it starts from), ``against`` (the run whose
    final loss it is timed to), ``evaluate`` (data sets).
    """
    scales = check_mapping_of_scales(data["scales"], at)
    for scale, options in scales.items():
        _scale(options, f"{at}: scale {scale}")
    names: list[str] = []
    sets = _sets(scales)
    for i, run in enumerate(check_mappings(data["runs"], at, "runs"), start=1):
        _run(run, names, sets, list(scales), f"{at}: run {i}")
        names.append(run["name"])
    for scale in scales:
        if not any(scale in run.get("scales", [scale]) for run in data["runs"]):
            raise wrong(at, f"scale {scale} has no run; add one, or name it in the scales of a run")
    if "figure" in data:
        _figure(data["figure"], names, f"{at}: figure")
    if "keyframes" in data:
        _keyframes(data["keyframes"], names, f"{at}: keyframes")


def check_structure(data: Mapping[str, Any], at: str) -> None:
    """Check scales, runs (``network`` and its ``params``) and ``figure`` of a table of kind ``structure``."""
    for scale, options in check_mapping_of_scales(data["scales"], at).items():
        check_fields(options, ("network",), f"{at}: scale {scale}", word="option")
    runs = check_mappings(data["runs"], at, "runs")
    if not runs:
        raise wrong(at, "runs is empty; name at least one network, such as {network: ae_final}")
    for i, run in enumerate(runs, start=1):
        check_fields(run, ("network", "params"), f"{at}: run {i}", required=("network",))
        _network(run, f"{at}: run {i}")
    if "figure" in data:
        _figure(data["figure"], [], f"{at}: figure")


def check_mapping_of_scales(scales: Any, at: str) -> Mapping[str, Any]:
    """Return ``scales``, which must be a mapping of names to something."""
    if not isinstance(scales, Mapping) or not scales:
        raise wrong(at, f"scales {quoted(scales)} is not a mapping of names, such as smoke and cpu, to their options")
    for scale in scales:
        check_text(scale, at, "the name of scale")
    return scales


def _scale(options: Any, at: str) -> None:
    check_fields(options, _SCALE, at, required=("seeds",), word="option")
    check_seeds(options["seeds"], at)
    for part in ("network", "trainer"):
        check_parameters(options.get(part, {}), f"{at}: {part}")
    if options.get("missing", "rendered") != "rendered":
        raise wrong(at, f"missing {quoted(options['missing'])} is not rendered, the only word that may stand there")
    sets = options.get("data", {})
    if not isinstance(sets, Mapping):
        raise wrong(at, f"data {quoted(sets)} is not a mapping of data sets to their options")
    for slot, params in sets.items():
        check_parameters(params, f"{at}: data: {slot}")
        if slot in PAPER_SETS and "of" in params:
            raise wrong(f"{at}: data: {slot}", "of is for variants; give this one a name of its own, or leave of out")
        check_one_of(params.get("of", slot), list(PAPER_SETS), f"{at}: data: {slot}", "data set")


def _sets(scales: Mapping[str, Any]) -> list[str]:
    """Return the data sets that runs may name: the paper's, and the variants that every scale has."""
    variants = [set(options.get("data", {})) - set(PAPER_SETS) for options in scales.values()]
    return [*PAPER_SETS, *sorted(set.intersection(*variants))]


def _run(run: Mapping[str, Any], earlier: Sequence[str], sets: Sequence[str], scales: Collection[str], at: str) -> None:
    check_fields(run, _RUN, at, required=("name", "network", "data"))
    check_text(run["name"], at, "name")
    if run["name"] in earlier:
        raise wrong(at, f"another run has the name {quoted(run['name'])}; give each its own")
    _network(run, at)
    loss = run.get("loss", {})
    if not isinstance(loss, Mapping):
        raise wrong(at, f"loss {quoted(loss)} is not a mapping such as {{kind: mix}}")
    check_parameters(loss, f"{at}: loss")
    check_one_of(run["data"], sets, at, "data")
    for slot in check_list(run.get("evaluate", []), at, "evaluate"):
        check_one_of(slot, sets, at, "evaluate")
    for other in ("init", "against"):
        if other in run and run[other] not in earlier:
            raise wrong(
                at, f"{other} {quoted(run[other])} is none of the runs above it; {nearest(run[other], earlier)}"
            )
    for scale in check_list(run.get("scales", []), at, "scales"):
        check_one_of(scale, scales, at, "scale")


def _network(run: Mapping[str, Any], at: str) -> None:
    check_text(run["network"], at, "network")
    check_parameters(run.get("params", {}), f"{at}: params")
    try:
        Network.registry.build(run["network"], run.get("params"))
    except UsageError as error:
        raise wrong(at, str(error)) from None


def _figure(given: Any, runs: Sequence[str], at: str) -> None:
    check_fields(given, _FIGURE, at, required=("draw",))
    check_one_of(given["draw"], _FIGURES, at, "draw")
    for i, panel in enumerate(check_mappings(given.get("panels", []), at, "panels"), start=1):
        check_fields(panel, _PANEL, f"{at}: panel {i}", required=_PANEL)
        check_one_of(panel["run"], runs, f"{at}: panel {i}", "run")
        check_text(panel["name"], f"{at}: panel {i}", "name")
    if "data" in given:
        check_one_of(given["data"], list(PAPER_SETS), at, "data")
    if "number" in given and not (is_whole(given["number"]) and given["number"] >= 1):
        raise wrong(at, f"number {quoted(given['number'])} is not a number of pictures, at least 1")


def _keyframes(given: Any, runs: Sequence[str], at: str) -> None:
    check_fields(given, _KEYFRAMES, at, required=("run", "video"))
    check_one_of(given["run"], runs, at, "run")
    check_one_of(given["video"], list(PAPER_SETS), at, "video")
    params = given.get("params", {})
    if params == []:
        raise wrong(at, "params is an empty list; give a mapping of parameters, a list of such, or leave it out")
    for one in params if isinstance(params, list) else [params]:
        check_parameters(one, f"{at}: params")  # a list of values is a row each
    for name, value in _mapping(given.get("clips", {}), f"{at}: clips").items():
        if value is not None and not is_number(value):
            raise wrong(at, f"clips: {name} {quoted(value)} is not a number")


def _mapping(given: Any, at: str) -> Mapping[str, Any]:
    check_parameters(given, at)
    return dict(given)
