"""``keyframe-bench table``: a paper's table or figure, from its YAML file: run, print, write; or from results alone."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..bench.execute import finish_sweep, metric_columns, run_benchmark
from ..bench.record_table import run_records
from ..bench.spec import RunSpec
from ..bench.training_table import TableOptions, run_trainings
from ..core.errors import UsageError, suggestion
from ..core.files import make_folder, one_line, write_atomic
from ..core.registry import parameters_of
from ..extractors.base import Extractor
from ..report.tables import RenderedTable, rendered
from ..tables.experiment import Experiment, exported, numbers_of
from ..tables.load import read_cells, read_text, run_record_of
from .commands import Arguments, one_value, path_text
from .compose import configured, named
from .experiments import load_experiment, names_of_experiments
from .progress import MinuteLines, epoch_report, run_progress, say
from .run_command import make_spec, print_problems

# What the table itself decides; everything else of `run` may be given.
_FIXED = ("extractors", "budget", "sampling")
_BY_EXTRACTOR = ("grid", "trainer")


def run(found: Arguments) -> int:
    """Regenerate a table; return 1 when cells failed."""
    if not found.positional:
        print("\n".join(f"{name:32} {load_experiment(name).title}" for name in names_of_experiments()))
        return 0
    experiment = load_experiment(found.positional[0])
    known = metric_columns() if experiment.plain else [str(column["name"]) for column in experiment.columns]
    columns, given = found.columns(list(known)), found.values
    status = 0
    if "--from" in given:
        typed = (f"{key}=" for key in given if key not in ("out", "columns") and not key.startswith("--"))
        if extra := [*found.overrides, *typed]:
            raise UsageError(f"table {experiment.name} --from reads results and runs nothing: leave out {extra[0]}")
        source = Path(given["--from"])
    else:
        source = Path(given.setdefault("out", f"outputs/{experiment.name}"))
        status = (_train if experiment.kind == "training" else _measure)(experiment, found)
    record = run_record_of(source)
    about = record | {"columns": record.get("columns") or metric_columns()}
    page = rendered(experiment, read_cells(source), about, columns)
    print(page.markdown, end="")
    if "out" in given:
        print("written:", ", ".join(path_text(file) for file in write_table(page, Path(given["out"]))))
    if "--save" in given:
        save(experiment, source, Path(given["--save"]))
    if "--into" in given:
        write_into(Path(given["--into"]), experiment.name, page.markdown)
    if page.failure:
        print(f"failed: {one_line(page.failure)}", file=sys.stderr)
    return 1 if page.failure else status


def save(experiment: Experiment, source: Path, file: Path) -> None:
    """Write what a table needs of the results of ``source`` as a small file; beside it the record of the run."""
    if file.suffix != ".jsonl":
        raise UsageError(f"--save {str(file)!r} must end in .jsonl; the record of the run is written beside it")
    write_atomic(file, exported(read_cells(source), experiment))
    record = {k: v for k, v in run_record_of(source).items() if k != "extractors"}
    kept = numbers_of(experiment)
    record["columns"] = {name: about for name, about in record.get("columns", {}).items() if name in kept}
    write_atomic(file.with_suffix(".run.json"), json.dumps(record, indent=1) + "\n")


def write_table(page: RenderedTable, out: Path) -> list[Path]:
    """Write text, LaTeX, bibliography, verdicts and images of a table into ``out``."""
    make_folder(out)
    contents: dict[str, str | bytes] = {"md": page.markdown, "tex": page.latex, "bib": page.bibliography}
    contents |= page.pictures
    if page.verdicts:
        contents["verdicts.json"] = json.dumps(page.verdicts, indent=1, allow_nan=False) + "\n"
    files = {out / f"{page.name.rpartition('/')[2]}.{suffix}": content for suffix, content in contents.items()}
    for file, content in files.items():
        write_atomic(file, content)
    return list(files)


def write_into(file: Path, name: str, markdown: str, what: str = "table") -> None:
    """Put the table between the markers ``<!-- table NAME -->`` and ``<!-- /table NAME -->`` of a Markdown file.

    ``what`` is the first word of the markers. Raises `UsageError` if the file cannot be read or has no such markers, in
    this order, once.
    """
    write_atomic(file, replaced(read_text(file), name, markdown, str(file), what))


def replaced(text: str, name: str, markdown: str, file: str, what: str = "table") -> str:
    """Return ``text`` with the table between its markers."""
    opening, closing = f"<!-- {what} {name} -->", f"<!-- /{what} {name} -->"
    parts = re.split(f"({re.escape(opening)}|{re.escape(closing)})", text)
    if parts[1::2] != [opening, closing]:
        raise UsageError(f"{file!r} must hold {opening} and {closing} once, in this order; add them where it belongs")
    return f"{parts[0]}{opening}\n{markdown.strip()}\n{closing}{parts[4]}"


def _measure(experiment: Experiment, found: Arguments) -> int:
    """Compute the missing cells of every run of the table, into one folder; return 1 when cells failed."""
    scale = found.get("scale")
    facts = {"table": experiment.name, "scale": scale}
    specs = specs_of(experiment, scale, found)
    if experiment.records:
        run_records(experiment, specs[0], command=found.line, facts=facts, say=say)
        return 0
    summaries = []
    for spec in specs:
        with run_progress() as report:
            summaries.append(run_benchmark(spec, command=found.line, report=report, say=say))
    return print_problems(finish_sweep(summaries, facts))


def specs_of(experiment: Experiment, scale: str, found: Arguments) -> list[RunSpec]:
    """Return the runs a table consists of: its scale's options, the user's own, and each run's.

    Raises `UsageError` for an option that the table itself decides, or that does not exist.
    """
    options, overrides = experiment.scale(scale), found.overrides
    keys = [*(line.partition("=")[0].lstrip("+") for line in overrides), *found.values]
    if foreign := next((key for key in found.values if key.startswith("data.")), None):
        raise UsageError(f"table {experiment.name} takes no {foreign}=; its data set is dataset=NAME")
    if fixed := next((key for key in keys if key in _FIXED), None):
        raise UsageError(f"table {experiment.name} decides {fixed}= itself; leave it out, or copy its YAML file")
    if "dataset" not in keys:
        name, params = named(options["dataset"])
        overrides = [f"dataset={name}", *(f"dataset.{k}={v}" for k, v in params.items()), *overrides]
    config = configured(replace(found, overrides=overrides))
    if "cache_gb" not in keys:
        config["cache_gb"] = 0  # a paper's table states costs: they are measured, not remembered
    given = {option: config[option] for option in _BY_EXTRACTOR}
    config |= {k: v for k, v in options.items() if k not in (*keys, "dataset")}
    config |= {option: _merged(options.get(option, {}), mine) for option, mine in given.items()}
    return [_spec(config, run, keys) for run in experiment.runs_at(scale)]


def _spec(config: Mapping[str, Any], run: Mapping[str, Any], keys: list[str]) -> RunSpec:
    """One run; grids and weights of extractors that it does not name are of no concern to it."""
    mine = {**config, **{k: v for k, v in run.items() if k not in keys}}
    names = mine["extractors"]
    everything = "all" in names
    if not everything and not any("weights" in parameters_of(Extractor.registry.get(name)) for name in names):
        mine.pop("weights", None)
    for option in _BY_EXTRACTOR:
        found = _merged(run.get(option, {}), config[option])
        mine[option] = {name: options for name, options in found.items() if everything or name in names}
    return make_spec(mine)


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the options of every extractor, the second's before the first's."""
    return {name: {**first.get(name, {}), **second.get(name, {})} for name in {**first, **second}}


def _train(experiment: Experiment, found: Arguments) -> int:
    """Make what a table of trainings is of; return 1 when a training failed."""
    known = ("data", "trainings", "seeds", "trainer")
    given = {k: v for k, v in found.values.items() if k not in ("out", "scale", "columns") and not k.startswith("--")}
    for word in found.overrides:
        key, _, text = word.partition("=")
        if not text:
            raise UsageError(f"{key}= is empty; give a value after it, or leave it out")
        given[key] = one_value(word) if key.partition(".")[0] in known else text
    for key in given:
        if key not in ("trainings", "seeds") and not key.startswith(("data.", "trainer.")):
            names = [f"{name}=" for name in known]
            hint = suggestion(f"{key}=", names, "choose from data.NAME=, trainings=, seeds= and trainer.NAME=")
            raise UsageError(f"tables of trainings have no option {key}=; {hint}")
    if given and not experiment.runs:
        raise UsageError(f"table {experiment.name} trains nothing and takes no {next(iter(given))}=; leave it out")
    options = TableOptions(
        data={key.removeprefix("data."): text for key, text in given.items() if key.startswith("data.")},
        **({"trainings": Path(given["trainings"])} if "trainings" in given else {}),
        seeds=_seeds(given["seeds"]) if "seeds" in given else None,
        trainer={key.removeprefix("trainer."): value for key, value in given.items() if key.startswith("trainer.")},
    )
    tell, out = epoch_report(MinuteLines()), Path(found.values["out"])
    summary = run_trainings(experiment, found.get("scale"), out, options, command=found.line, report=say, progress=tell)
    for line in summary.failures:
        print(f"failed: {one_line(line)}", file=sys.stderr)
    return 1 if summary.failures else 0


def _seeds(value: Any) -> list[int]:
    seeds = value if isinstance(value, list) else [value]
    if not seeds or not all(isinstance(s, int) and not isinstance(s, bool) and s >= 0 for s in seeds):
        raise UsageError(f"seeds={value} is not a list of whole numbers of at least 0, such as seeds=[0,1,2]")
    return list(dict.fromkeys(seeds))
