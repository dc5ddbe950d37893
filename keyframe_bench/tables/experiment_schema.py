"""Is the YAML file of a table well formed? Its fields, by kind of table, and what they must say of one another.

Of a table of trainings, a data set has a name in the ``paper``, a ``dataset`` (name and parameters), a ``split``, what
is ``rendered`` in its place, and is ``public`` where the user's can be the paper's own. A scale has options of all
trainings (``trainer``), limits, sampling, split and parameters by data set (``data``; with ``of``, a name of its own
is a variant of that data set), ``seeds``, and ``missing: rendered`` where a data set that is not given is rendered. A
run is one training per seed: ``name``, ``options``, ``data``, the run whose best checkpoint it starts from (``init``),
the run to whose final loss it is timed (``against``), and the data sets that judge it (``evaluate``).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, Literal

from ..core.grammar import Budget, Sampling, Split
from . import schema as s
from .figure import Figure
from .measure import KINDS
from .schema import Check, wrong

Kind = Literal["comparison", "training"]


def _component(parameters: Check) -> Check:
    """Accept ``{name: text, **parameters}``."""

    def check(given: Any, at: str) -> None:
        parameters(given, at)
        s.require(given, ["name"], at)
        s.text(given["name"], f"{at}: name")

    return check


def _of_cells(parse: Any) -> Check:
    """Accept what cells hold as text and ``parse`` reads; a share of frames names its sampling: 15% of 2fps."""

    def check(value: Any, at: str) -> None:
        _word(value, at)
        s.parsed(parse)(str(value).partition(" of ")[0], at)

    return s.one_or_more(check)


# Unquoted yes, no, on and off are true and false in YAML.
_word = s.is_a(lambda value: isinstance(value, str) or s.is_number(value), "text or a number")
_WHERE: Mapping[str, Check] = {
    **dict.fromkeys(("dataset", "extractor", "label", "split", "video_id"), s.one_or_more(_word)),
    **dict.fromkeys(("version", "seed", "k"), s.one_or_more(s.whole)),
    **dict.fromkeys(("control", "privileged"), s.one_or_more(s.truth)),
    **dict.fromkeys(("sampling", "run_sampling"), _of_cells(Sampling.parse)),
    "budget": _of_cells(Budget.parse),
    **dict.fromkeys(("params", "trainer"), s.parameters),
}
_where = s.fields(_WHERE)


def _lead(value: Any, at: str) -> None:
    names = s.listed(s.text)
    s.fields({"among": s.listed(_where, 2), "highest": names, "lowest": names}, ["among"])(value, at)
    if not (value.get("highest") or value.get("lowest")):
        raise wrong(at, "it names no number; give highest: [x] where more is better, lowest: [y] where less is")


_pair = s.listed(s.fields({"value": s.one_or_more(s.text, 2), "where": _where}, ["value"]), 2, 2)


def _text_or_pair(value: Any, at: str) -> None:
    (_pair if isinstance(value, list) else s.text)(value, at)


_MEASURE: Mapping[str, Check] = {
    **dict.fromkeys(("mean", "sum", "spread"), s.text),
    **dict.fromkeys(("ratio", "difference"), _pair),
    "geometric": _text_or_pair,
    "slope": s.listed(s.text, 2, 2),
    "lead": _lead,
    "empty": s.is_a(lambda value: value is True, "true; leave it out"),
    "where": _where,
}
_OVER: Mapping[str, Check] = {"over": s.listed(s.one_of(_WHERE))}
_measure = s.fields(_MEASURE, one=KINDS)


def _measures(value: Any, at: str) -> None:
    """Check a measure of a claim, or ``all: [measure, ...]``."""
    several = isinstance(value, Mapping) and "all" in value
    (s.fields({"all": s.listed(_measure, 1)}) if several else _measure)(value, at)


def _between(value: Any, at: str) -> None:
    s.listed(s.number, 2, 2)(value, at)
    if value[0] >= value[1]:
        raise wrong(at, f"{s.quoted(value)} is not [low, high], low below high")


_FACTS = ("budget_rule", "sampling", "extractor", "reference", "label", "dataset", "budget", "structure")
_COLUMN = {"name": s.text, "about": s.text_or_blank, "fact": s.one_of(_FACTS), **_MEASURE, **_OVER}
_column = s.fields(_COLUMN, ["name"], one=("fact", *KINDS))
_row = s.fields(
    {
        "name": s.text,
        "each": s.is_a(lambda value: value == "method", "method, the only word that may stand there"),
        "where": _where,
        "paper": s.named(_word),  # text where the column is a fact
        "measures": s.named(s.fields({**_MEASURE, **_OVER}, one=KINDS)),
        "note": s.text_or_blank,
    },
    one=("name", "each"),
)
_EXPECT: Mapping[str, Check] = {"above": s.number, "below": s.number, "between": _between}
_claim = s.fields(
    {
        "claim": s.text,
        "measure": _measures,
        "expect": s.fields(_EXPECT, one=tuple(_EXPECT)),
        **dict.fromkeys(("controls", "beside"), s.named(_measure)),
        "paper": _word,
        "note": s.text_or_blank,
    },
    ["claim", "measure", "expect"],
)


def _drawn(word: str) -> Check:
    """Accept ``figure`` or ``records``: ``word`` names a `Figure`, which knows what else may stand there."""
    panels = s.listed(s.fields({"run": s.text, "name": s.text}, ["run", "name"]))

    def check(given: Any, at: str) -> None:
        if not isinstance(given, Mapping) or word not in given:
            raise wrong(at, f"{s.quoted(given)} is not a mapping with {word}, the name of what is drawn or made")
        s.parsed(lambda _: Figure.registry.build(given[word]))(given[word], f"{at}: {word}")
        figure = Figure.registry.build(given[word])
        s.fields({**dict.fromkeys((word, *figure.options), s.anything), "panels": panels})(given, at)
        figure.check(given, at)

    return check


_split = s.parsed(Split.parse)
# Options of `keyframe-bench run`; extractors and budget are those of each run.
_OPTIONS: Mapping[str, Check] = {
    **dict.fromkeys(("dataset", "executor"), _component(s.named(s.scalar))),
    "seeds": s.seeds,
    "limit": s.positive,
    "sampling": s.parsed(Sampling.parse),
    **dict.fromkeys(("grid", "trainer"), s.named(s.parameters)),
    "on_error": s.one_of(("raise", "warn", "skip")),
    "split": _split,
    "split_seed": s.natural,
    "leak": s.one_of(("refuse", "allow")),
}


def _extractors(value: Any, at: str) -> None:
    if value != "all" and (not isinstance(value, list) or not value):
        raise wrong(at, f"{s.quoted(value)} is not all or a list of names such as [uniform, vsumm]")
    if value != "all":
        s.listed(s.text)(value, at)


_RUN = {
    "extractors": _extractors,
    "budget": s.one_or_more(s.parsed(Budget.parse)),
    "scales": s.listed(s.text, 1),
}
_COMMON: Mapping[str, Check] = {
    "title": s.text,
    **dict.fromkeys(("source", "about", "substitute"), s.text_or_blank),
    "kind": s.one_of(("comparison", "training")),
    "rows": s.listed(_row),
    "columns": s.listed(_column),
    "claims": s.listed(_claim),
    "notes": s.listed(s.text),
    "figure": _drawn("draw"),
    "records": _drawn("make"),
}
_comparison = s.fields(
    {
        **_COMMON,
        **dict.fromkeys(("headline", "curves", "rivals"), s.listed(s.text)),
        "scales": s.named(s.fields(_OPTIONS, ["dataset"], null=["limit"]), 1),
        "runs": s.listed(s.fields({**_RUN, **_OPTIONS}, ["extractors", "budget"], null=["limit"])),
    },
    ["title", "scales", "runs"],
)

_SET = {
    **dict.fromkeys(("dataset", "rendered"), _component(s.parameters)),
    "paper": s.text,
    "split": _split,
    "public": s.truth,
}
_SCALE = {
    "trainer": s.parameters,
    "data": s.named(s.parameters),
    "seeds": s.seeds,
    "missing": s.is_a(lambda value: value == "rendered", "rendered, the only word that may stand there"),
}
_TRAINING = {
    **dict.fromkeys(("name", "data", "init", "against"), s.text),
    "options": s.parameters,
    **dict.fromkeys(("evaluate", "scales"), s.listed(s.text)),
}
_training = s.fields(
    {
        **_COMMON,
        "extractor": s.text,
        "data_sets": s.named(s.fields(_SET, ["paper", "dataset", "split", "rendered"])),
        "scales": s.named(s.fields(_SCALE), 1),
        "runs": s.listed(s.fields(_TRAINING, ["name", "data"])),
    },
    ["title", "scales", "runs"],
)


def check_experiment(name: str, data: Any) -> None:
    """Raise `UsageError` unless ``data`` describes a table.

    Parameters
    ----------
    name : str
        Of the table, for the message.
    data : object
        What the YAML file holds; `keyframe_bench.tables.experiment` and `keyframe_bench.tables.paper` say what it may.
    """
    at = f"table {name}"
    trains = isinstance(data, Mapping) and data.get("kind") == "training"
    (_training if trains else _comparison)(data, at)
    for scale in data["scales"]:
        n_runs = sum(scale in run.get("scales", [scale]) for run in data["runs"])
        if n_runs == 0 and not (trains and "records" in data and not data["runs"]):
            raise wrong(at, f"scale {scale} has no run; add one, or name it in the scales of a run")
        if "records" in data and not trains and n_runs > 1:
            raise wrong(at, f"scale {scale} has {n_runs} runs, but records are made of one; leave the others out")
    for i, run in enumerate(data["runs"], start=1):
        for scale in run.get("scales", []):
            s.one_of(data["scales"])(scale, f"{at}: runs {i}: scales")
    (_check_training if trains else _check_comparison)(data, at)
    _check_columns(data, at)


def _check_columns(data: Mapping[str, Any], at: str) -> None:
    """Check that rows name columns, and give facts for facts and numbers for numbers."""
    facts: dict[str, bool] = {}
    for column in data.get("columns", []):
        place, name = f"{at}: column {column['name']!r}", column["name"]
        if name in facts:
            raise wrong(place, "another column has this name; give each its own")
        facts[name] = "fact" in column
        if facts[name] and "over" in column:
            raise wrong(place, "over is of a measure, and this is a fact; leave out one of them")
    for i, row in enumerate(data.get("rows", []), start=1):
        place = f"{at}: rows {i}"
        if "each" in row and "note" in row:
            raise wrong(place, "note is not read with each: method; put it among the notes of the file")
        for name in chain(row.get("paper", {}), row.get("measures", {})):
            s.one_of(facts)(name, f"{place}: column")
        for name in row.get("measures", {}):
            if facts[name]:
                raise wrong(place, f"measures: column {name!r} is a fact, not a number; leave it out")
        for name, value in row.get("paper", {}).items():
            if facts[name] != isinstance(value, str):
                kind = "a fact, in words" if facts[name] else "a number"
                raise wrong(place, f"paper: {name} {s.quoted(value)} is not {kind}; leave it out where there is none")


def _check_comparison(data: Mapping[str, Any], at: str) -> None:
    useless, how = (("headline", "curves", "rivals"), "beside") if data.get("rows") else (("columns",), "without")
    for name in (name for name in useless if name in data):
        raise wrong(at, f"{name} is not read {how} rows; leave it out")
    for name in data.get("curves", []):
        s.one_of(data.get("headline", []))(name, f"{at}: curves, of the headline")
    for i, run in enumerate(data["runs"], start=1):
        if "all" not in run["extractors"]:
            for option in ("grid", "trainer"):
                for name in run.get(option, {}):
                    s.one_of(run["extractors"])(name, f"{at}: runs {i}: {option}")


def _check_training(data: Mapping[str, Any], at: str) -> None:
    sets, runs = data.get("data_sets", {}), data["runs"]
    known = [*sets, *_variants(data, at)]
    names: list[str] = []
    for i, run in enumerate(runs, start=1):
        place = f"{at}: runs {i}"
        s.listed(s.one_of(known))([run["data"], *run.get("evaluate", [])], f"{place}: data and evaluate")
        for field in ("init", "against"):
            if field in run:
                s.one_of(names)(run[field], f"{place}: {field}, an earlier run")
        if run["name"] in names:
            raise wrong(place, f"another run has the name {s.quoted(run['name'])}; give each its own")
        names.append(run["name"])
    if runs:
        s.require(data, ["extractor"], at)
    for section in ("figure", "records"):
        part = data.get(section, {})
        for one in (part, *part.get("panels", [])):
            for field, words in (("run", names), ("data", list(sets))):
                if field in one:
                    s.one_of(words)(one[field], f"{at}: {section}: {field}")


def _variants(data: Mapping[str, Any], at: str) -> list[str]:
    """Check what scales say of the data sets, and return the variants of these that every scale has."""
    sets, variants = data.get("data_sets", {}), []
    for scale, options in data["scales"].items():
        place, given = f"{at}: scales: {scale}", options.get("data", {})
        s.require(options, ["seeds"] if data["runs"] else [], place)
        for name, params in given.items():
            if name in sets and "of" in params:
                raise wrong(f"{place}: data: {name}", "of is for variants; give this one another name, or leave of out")
            s.one_of(sets)(params.get("of", name), f"{place}: data: {name}")
            if "split" in params:
                _split(params["split"], f"{place}: data: {name}: split")
        variants.append(set(given) - set(sets))
    return sorted(set.intersection(*variants))
