"""``keyframe-bench table``: a paper's table or figure, from its YAML file: run, print, write; or from results alone."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..bench.execute import finish_sweep, metric_columns, run_benchmark
from ..bench.record_table import run_records
from ..bench.spec import RunSpec
from ..core.errors import UsageError
from ..core.files import make_folder, one_line, write_atomic
from ..core.params import parameters_of
from ..core.registry import load_plugins
from ..extractors.base import Extractor
from ..report.tables import Rendered, rendered
from ..tables.experiment import Experiment
from ..tables.export import exported, numbers_of
from ..tables.load import read_cells, read_object, read_text
from .arguments import Arguments, path_text
from .compose import built_params, composed, text_parameters
from .experiments import load_experiment, names_of_experiments
from .progress import run_progress, say
from .run_command import make_spec, print_failures, print_notes
from .table_trainings import measure_trainings

# What the table itself decides; everything else of `run` may be given.
_FIXED = ("extractors", "budget", "sampling")


def run(found: Arguments) -> int:
    """Regenerate a table; return 1 when cells failed."""
    load_plugins(found.plugins)
    if not found.positional:
        print("\n".join(f"{name:32} {load_experiment(name).title}" for name in names_of_experiments()))
        return 0
    experiment = load_experiment(found.positional[0])
    columns = found.columns(list(_columns_of(experiment)))
    status = 0
    if "--from" in found.values:
        _refuse_options(experiment, found)
        source = Path(found.values["--from"])
    else:
        found.values.setdefault("out", f"outputs/{experiment.name}")
        status = _measure(experiment, found)
        source = Path(found.values["out"])
    record = run_record_of(source)
    page = rendered(
        experiment, read_cells(source), record | {"columns": record.get("columns") or metric_columns()}, columns
    )
    print(page.text, end="")
    if "out" in found.values:
        print("written:", ", ".join(path_text(file) for file in write_table(page, Path(found.values["out"]))))
    if "--save" in found.values:
        save(experiment, source, Path(found.values["--save"]))
    if "--into" in found.values:
        write_into(Path(found.values["--into"]), experiment.name, page.markdown)
    if page.failure:
        print(f"failed: {one_line(page.failure)}", file=sys.stderr)
    return 1 if page.failure else status


def run_record_of(source: Path) -> dict[str, Any]:
    """Return the record of the run whose results are ``source`` (a folder, or a file), {} when there is none beside."""
    beside = source / "run.json" if source.is_dir() else source.with_suffix(".run.json")
    if source.name == "results.jsonl":
        beside = source.with_name("run.json")
    return read_object(beside) if beside.is_file() else {}


def save(experiment: Experiment, source: Path, file: Path) -> None:
    """Write what a table needs of the results of ``source`` as a small file; beside it the record of the run."""
    if file.suffix != ".jsonl":
        raise UsageError(f"--save {str(file)!r} must end in .jsonl; the record of the run is written beside it")
    write_atomic(file, exported(read_cells(source), experiment))
    record = {k: v for k, v in run_record_of(source).items() if k != "extractors"}
    kept = numbers_of(experiment)
    record["columns"] = {name: about for name, about in record.get("columns", {}).items() if name in kept}
    write_atomic(file.with_suffix(".run.json"), json.dumps(record, indent=1) + "\n")


def write_table(page: Rendered, out: Path) -> list[Path]:
    """Write text, LaTeX, bibliography, verdicts and pictures of a table into ``out``."""
    make_folder(out)
    files: dict[str, str | bytes] = {"md": page.markdown, "tex": page.latex, "bib": page.bibliography, **page.pictures}
    if page.verdicts:
        files["verdicts.json"] = json.dumps(page.verdicts, indent=1, allow_nan=False) + "\n"
    stem = page.name.rpartition("/")[2]
    for suffix, content in files.items():
        write_atomic(out / f"{stem}.{suffix}", content)
    return [out / f"{stem}.{suffix}" for suffix in files]


def write_into(file: Path, name: str, markdown: str, what: str = "table") -> None:
    """Put the table between the markers ``<!-- table NAME -->`` and ``<!-- /table NAME -->`` of a Markdown file.

    ``what`` is the first word of the markers.

    Raises
    ------
    UsageError
        If the file cannot be read or has no such markers, in this order, once.
    """
    write_atomic(file, replaced(read_text(file), name, markdown, str(file), what))


def replaced(text: str, name: str, markdown: str, file: str, what: str = "table") -> str:
    """Return ``text`` with the table between its markers."""
    opening, closing = f"<!-- {what} {name} -->", f"<!-- /{what} {name} -->"
    parts = re.split(f"({re.escape(opening)}|{re.escape(closing)})", text)
    if parts[1::2] != [opening, closing]:
        raise UsageError(f"{file!r} must hold {opening} and {closing} once, in this order; add them where it belongs")
    return f"{parts[0]}{opening}\n{markdown.strip()}\n{closing}{parts[4]}"


def _columns_of(experiment: Experiment) -> Iterable[str]:
    if experiment.plain:
        return metric_columns()
    return (str(column["name"]) for column in experiment.columns)


def _refuse_options(experiment: Experiment, found: Arguments) -> None:
    typed = (f"{key}=" for key in found.values if key not in ("out", "columns") and not key.startswith("--"))
    extra = [*found.overrides, *typed]
    if extra:
        raise UsageError(f"table {experiment.name} --from reads results and runs nothing: leave out {extra[0]}")


def _measure(experiment: Experiment, found: Arguments) -> int:
    """Compute the missing cells of every run of the table, into one folder; return 1 when cells failed."""
    scale, command = found.get("scale"), found.line
    facts = {"table": experiment.name, "scale": scale}
    if experiment.kind == "training":
        return measure_trainings(experiment, scale, found)
    specs = specs_of(experiment, scale, found)
    if experiment.records:
        run_records(experiment, specs[0], command=command, facts=facts)
        return 0
    summaries = []
    for spec in specs:
        with run_progress() as report:
            summaries.append(run_benchmark(spec, command=command, report=report, say=say))
    total = finish_sweep(summaries, facts)
    print_notes(total)
    return print_failures(total)


def specs_of(experiment: Experiment, scale: str, found: Arguments) -> list[RunSpec]:
    """Return the runs a table consists of: its scale's options, the user's own, and each run's.

    Raises
    ------
    UsageError
        For an option that the table itself decides, or that does not exist.
    """
    options, overrides = experiment.scale(scale), found.overrides
    keys = [line.partition("=")[0].lstrip("+") for line in overrides]
    if foreign := next((key for key in found.values if key.startswith("data.")), None):
        raise UsageError(f"table {experiment.name} takes no {foreign}=; its data set is dataset=NAME")
    fixed = next((key for key in keys if key in _FIXED), None)
    if fixed:
        raise UsageError(f"table {experiment.name} decides {fixed}= itself; leave it out, or copy its YAML file")
    if "dataset" not in keys:
        name, params = built_params(options["dataset"])
        overrides = [f"dataset={name}", *(f"dataset.{k}={v}" for k, v in params.items()), *overrides]
    texts, overrides = text_parameters("dataset", overrides)
    config = composed("run", overrides)
    if "cache_gb" not in keys:
        config["cache_gb"] = 0  # a paper's table states costs: they are measured, not remembered
    config |= {k: v for k, v in options.items() if k not in (*keys, "dataset")}
    return [_spec(config, run, keys, found.values | texts) for run in experiment.runs_at(scale)]


def _spec(config: Mapping[str, Any], run: Mapping[str, Any], keys: list[str], typed: Mapping[str, Any]) -> RunSpec:
    """One run; grids and weights of extractors that it does not name are of no concern to it."""
    mine = {**config, **{k: v for k, v in run.items() if k not in keys}}
    names = mine["extractors"]
    everything = names in ("all", ["all"])
    for option in ("grid", "trainer"):
        given, own = config[option], run.get(option, {})
        mine[option] = {
            name: {**own.get(name, {}), **given.get(name, {})}
            for name in {**given, **own}
            if everything or name in names
        }
    if "weights" in typed and not everything and not any(_takes_weights(name) for name in names):
        typed = {k: v for k, v in typed.items() if k != "weights"}
    return make_spec(mine, typed)


def _takes_weights(name: str) -> bool:
    return "weights" in parameters_of(Extractor.registry.get(name))
