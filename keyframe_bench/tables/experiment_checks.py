"""Is the YAML file of a table well formed? The first mistake is one sentence that names its place and the way out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, get_args

from ..core.budget import Budget, Sampling
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
    check_texts,
    is_number,
    is_scalar,
    is_whole,
    nearest,
    place_of,
    quoted,
    wrong,
)
from .measure import KINDS as MEASURES
from .training_checks import check_mapping_of_scales, check_named, check_training

Kind = Literal["comparison", "training"]

_FIELDS = (
    *("title", "source", "about", "substitute", "kind", "scales", "runs"),
    *("rows", "columns", "claims", "notes", "figure", "records"),
)
# Fields that only some kinds have, by field.
_OF_KINDS: Mapping[str, tuple[str, ...]] = {
    "headline": ("comparison",),
    "extractor": ("training",),
    "data_sets": ("training",),
}
# Options of `keyframe-bench run`; extractors and budget are those of each run.
_SCALE = (
    *("dataset", "seeds", "limit", "sampling", "grid", "on_error", "executor"),
    *("split", "split_seed", "trainer", "leak"),
)
_RUN = ("extractors", "budget", "scales", *_SCALE)
_ROW = ("name", "each", "where", "paper", "measures", "note")
_COLUMN = ("name", "about", "fact", "where", "over")
_CLAIM = ("claim", "measure", "expect", "controls", "beside", "paper", "note")
_EXPECT = ("above", "below", "between")
_ON_ERROR = ("raise", "warn", "skip")
_LEAK = ("refuse", "allow")
_FACTS = ("budget_rule", "sampling", "extractor", "reference", "label", "dataset", "budget", "structure")
_WHOLE = ("version", "seed", "k")
_TRUTH = ("control", "privileged")
_WHERE = (
    *("dataset", "extractor", "version", "label", "budget", "sampling", "run_sampling", "split", "seed", "k"),
    *(*_TRUTH, "video_id", "params"),
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
    if not isinstance(data, Mapping):
        raise wrong(at, "the file is not a mapping with title, scales and runs")
    kind = data.get("kind", "comparison")
    check_fields(data, (*_FIELDS, *_OF_KINDS), at, required=("title", "scales", "runs"))
    check_text(data["title"], at, "title")
    check_texts(data, ("source", "about", "substitute"), at)
    check_one_of(kind, get_args(Kind), at, "kind")
    for unread, kinds in _OF_KINDS.items():
        if unread in data and kind not in kinds:
            raise wrong(at, f"{unread} is not read for kind {kind}; leave it out")
    useless, how = ("headline", "beside") if data.get("rows") else ("columns", "without")
    if kind == "comparison" and useless in data:
        raise wrong(at, f"{useless} is not read {how} rows; leave it out")
    for listed in ("headline", "notes"):
        for i, entry in enumerate(check_list(data.get(listed, []), at, listed), start=1):
            check_text(entry, at, f"{listed} {i}")
    for named, word in (("figure", "draw"), ("records", "make")):
        if named in data:
            check_named(data[named], word, f"{at}: {named}")
    (check_training if kind == "training" else _check_runs)(data, at)
    facts: dict[str, bool] = {}  # by column: is it a fact?
    for i, column in enumerate(check_mappings(data.get("columns", []), at, "columns"), start=1):
        _column(column, facts, place_of(at, "column", i, column, "name"))
    for i, row in enumerate(check_mappings(data.get("rows", []), at, "rows"), start=1):
        _row(row, facts, place_of(at, "row", i, row, "name"))
    for i, claim in enumerate(check_mappings(data.get("claims", []), at, "claims"), start=1):
        _claim(claim, place_of(at, "claim", i, claim, "claim"))


def _check_runs(data: Mapping[str, Any], at: str) -> None:
    """Check the scales and runs of a table that is made of runs of ``keyframe-bench run``."""
    scales = check_mapping_of_scales(data["scales"], at)
    for scale, options in scales.items():
        _scale(options, f"{at}: scale {scale}")
    runs = check_mappings(data["runs"], at, "runs")
    for i, run in enumerate(runs, start=1):
        _run(run, list(scales), f"{at}: run {i}")
    for scale in scales:
        n_runs = sum(scale in run.get("scales", [scale]) for run in runs)
        if n_runs == 0:
            raise wrong(at, f"scale {scale} has no run; add one, or name it in the scales of a run")
        if "records" in data and n_runs > 1:
            raise wrong(at, f"scale {scale} has {n_runs} runs, but records are made of one; leave the others out")


def _scale(options: Any, at: str) -> None:
    check_fields(options, _SCALE, at, required=("dataset",), word="option")
    _options(options, at)


def _run(run: Mapping[str, Any], scales: Collection[str], at: str) -> None:
    check_fields(run, _RUN, at, required=("extractors", "budget"), word="option")
    names = run["extractors"]
    if names != "all":
        listed = isinstance(names, list) and names and all(isinstance(n, str) and n.strip() for n in names)
        if not listed:
            raise wrong(at, f"extractors {quoted(names)} is not all or a list of names such as [uniform, vsumm]")
    if "scales" in run:
        wanted = check_list(run["scales"], at, "scales")
        if not wanted:
            raise wrong(at, "scales is empty: the run is never made; leave it out to make it at every scale")
        for scale in wanted:
            check_one_of(scale, scales, at, "scale")
    budgets = run["budget"] if isinstance(run["budget"], list) else [run["budget"]]
    if not budgets:
        raise wrong(at, "budget is empty; give at least one, such as 8")
    for budget in budgets:
        check_parsed(Budget.parse, budget, at)
    _options(run, at)
    for option in ("grid", "trainer"):
        for name in run.get(option, {}):
            if names not in ("all", ["all"]) and name not in names:
                raise wrong(at, f"{option}: {name!r} is none of the run's extractors; {nearest(name, names)}")


def _options(options: Mapping[str, Any], at: str) -> None:
    """Check what a scale and a run may both hold."""
    for named in ("dataset", "executor"):
        if named in options:
            _component(options[named], named, at)
    if "seeds" in options:
        check_seeds(options["seeds"], at)
    limit = options.get("limit")
    if limit is not None and not (is_whole(limit) and limit >= 1):
        raise wrong(at, f"limit {quoted(limit)} is not a number of videos, at least 1")
    if "sampling" in options:
        check_parsed(Sampling.parse, options["sampling"], at)
    if "on_error" in options:
        check_one_of(options["on_error"], _ON_ERROR, at, "on_error")
    if "split" in options:
        check_parsed(Split.parse, options["split"], at)
    seed = options.get("split_seed", 0)
    if not (is_whole(seed) and seed >= 0):
        raise wrong(at, f"split_seed {quoted(seed)} is not a whole number of at least 0")
    if "leak" in options:
        check_one_of(options["leak"], _LEAK, at, "leak")
    for option in ("grid", "trainer"):
        of_extractors = options.get(option, {})
        if not isinstance(of_extractors, Mapping):
            raise wrong(at, f"{option} {quoted(of_extractors)} is not a mapping of extractors to their parameters")
        for extractor, axes in of_extractors.items():
            check_text(extractor, at, f"the extractor of {option}")
            check_parameters(axes, f"{at}: {option}: {extractor}")


def _component(given: Any, what: str, at: str) -> None:
    """Check ``{name: text, **scalars}``."""
    if not isinstance(given, Mapping) or "name" not in given:
        raise wrong(at, f"{what} {quoted(given)} is not a mapping with a name, such as {{name: synthetic}}")
    check_text(given["name"], f"{at}: {what}", "name")
    for key, value in given.items():
        check_text(key, f"{at}: {what}", "option")
        if value is not None and not is_scalar(value):
            raise wrong(at, f"{what}: {key} {quoted(value)} is not a number, text, true or false")


def _row(row: Mapping[str, Any], facts: Mapping[str, bool], at: str) -> None:
    check_fields(row, _ROW, at)
    if ("name" in row) == ("each" in row):
        raise wrong(at, "a row has either a name or each: method")
    if "name" in row:
        check_text(row["name"], at, "name")
    elif row["each"] != "method":
        raise wrong(at, f"each {quoted(row['each'])} is not method, the only word that may stand there")
    elif "note" in row:
        raise wrong(at, "note is not read with each: method; put it among the notes of the file")
    _where(row.get("where", {}), f"{at}: where")
    check_texts(row, ("note",), at)
    for field in ("paper", "measures"):
        of_columns = row.get(field, {})
        if not isinstance(of_columns, Mapping):
            raise wrong(at, f"{field} {quoted(of_columns)} is not a mapping with names of columns")
        for column, value in of_columns.items():
            if column not in facts:
                raise wrong(at, f"{field}: there is no column {column!r}; {nearest(column, facts)}")
            if facts[column]:
                if field == "paper" and isinstance(value, str):
                    continue  # what the paper prints there
                raise wrong(at, f"{field}: column {column!r} is a fact, not a number; leave it out")
            if field == "measures":
                _measure(value, ("where", "over"), f"{at}: measures: {column}")
            elif not is_number(value):
                raise wrong(
                    at, f"paper: {column} {quoted(value)} is not a number; leave it out where the paper has none"
                )


def _column(column: Mapping[str, Any], facts: dict[str, bool], at: str) -> None:
    """Check a column and note in ``facts`` whether it is a fact."""
    check_fields(column, (*_COLUMN, *MEASURES), at, required=("name",))
    name = column["name"]
    check_text(name, at, "name")
    check_texts(column, ("about",), at)
    if name in facts:
        raise wrong(at, "another column has this name; give each its own")
    facts[name] = "fact" in column
    if not facts[name]:
        _measure(column, _COLUMN, at)
        return
    if extra := [field for field in ("over", *MEASURES) if field in column]:
        raise wrong(at, f"a column has a fact or a measure, and {extra[0]} is of a measure; leave out one of them")
    check_one_of(column["fact"], _FACTS, at, "fact")
    _where(column.get("where", {}), f"{at}: where")


def _claim(claim: Mapping[str, Any], at: str) -> None:
    check_fields(claim, _CLAIM, at, required=("claim", "measure", "expect"))
    check_text(claim["claim"], at, "claim")
    check_texts(claim, ("note",), at)
    measures = {"measure": claim["measure"]}
    if isinstance(claim["measure"], Mapping) and "all" in claim["measure"]:
        check_fields(claim["measure"], ("all",), f"{at}: measure")
        listed = check_mappings(claim["measure"]["all"], f"{at}: measure", "all")
        if not listed:
            raise wrong(at, "measure: all is empty; list the measures by which the claim must hold")
        measures = {f"measure {i}": one for i, one in enumerate(listed, start=1)}
    for field in ("controls", "beside"):
        named = claim.get(field, {})
        if not isinstance(named, Mapping):
            raise wrong(at, f"{field} {quoted(named)} is not a mapping of names to measures")
        for name in named:
            check_text(name, at, f"a name in {field}")
        measures |= {f"{field}: {name}": one for name, one in named.items()}
    for name, one in measures.items():
        _measure(one, ("where",), f"{at}: {name}")
    if "paper" in claim and not (isinstance(claim["paper"], str) or is_number(claim["paper"])):
        raise wrong(at, f"paper {quoted(claim['paper'])} is neither a number nor text")
    expect = claim["expect"]
    if not isinstance(expect, Mapping) or len(expect) != 1:
        raise wrong(at, f"expect {quoted(expect)} is not above: x, below: x or between: [x, y]")
    check_fields(expect, _EXPECT, f"{at}: expect")
    side, limit = next(iter(expect.items()))
    if side != "between":
        if not is_number(limit):
            raise wrong(at, f"expect: {side} {quoted(limit)} is not a number")
    elif not (isinstance(limit, list) and len(limit) == 2 and all(map(is_number, limit)) and limit[0] < limit[1]):
        raise wrong(at, f"expect: between {quoted(limit)} is not two numbers [low, high], low below high")


def _measure(given: Any, others: Sequence[str], at: str) -> None:
    """Check a measure; ``others`` are the fields that may stand beside its kind."""
    check_fields(given, (*MEASURES, *others), at)
    kinds = [kind for kind in MEASURES if kind in given]
    if len(kinds) != 1:
        fault = f"has {' and '.join(kinds)}" if kinds else "names no measure"
        also = ", or fact" if "fact" in others and not kinds else ""
        raise wrong(at, f"{fault}; give exactly one of {', '.join(MEASURES)}{also}")
    _check_kind(kinds[0], given[kinds[0]], at)
    _where(given.get("where", {}), f"{at}: where")
    for field in check_list(given.get("over", []), at, "over"):
        check_one_of(field, _WHERE, at, "over")


def _check_kind(kind: str, what: Any, at: str) -> None:
    if kind in ("mean", "sum", "spread"):
        check_text(what, at, kind)
    elif kind == "empty" and what is not True:
        raise wrong(at, f"empty {quoted(what)} is not true; leave it out, or write empty: true")
    elif kind == "slope":
        if not isinstance(what, list) or len(what) != 2:
            raise wrong(at, f"slope {quoted(what)} is not the names of two numbers [y, x]")
        for name in what:
            check_text(name, at, "slope:")
    elif kind == "lead":
        _lead(what, f"{at}: lead")
    elif kind in ("ratio", "difference"):
        if not isinstance(what, list) or len(what) != 2:
            raise wrong(at, f"{kind} {quoted(what)} is not two entries [{{value: a}}, {{value: b}}]")
        for word, part in zip(("first", "second"), what, strict=True):
            place = f"{at}: {kind}, {word} entry"
            check_fields(part, ("value", "where"), place, required=("value",))
            names = part["value"] if isinstance(part["value"], list) else [part["value"]]
            if len(names) not in (1, 2):
                raise wrong(place, f"value {quoted(names)} is not a number's name, or two of them [a, b] for a minus b")
            for name in names:
                check_text(name, place, "value")
            _where(part.get("where", {}), f"{place}: where")


def _lead(what: Any, at: str) -> None:
    check_fields(what, ("among", "highest", "lowest"), at, required=("among",))
    if len(check_mappings(what["among"], at, "among")) < 2:
        raise wrong(at, "among has fewer than two entries such as {label: a}; the first is compared with the others")
    for i, one in enumerate(what["among"], start=1):
        _where(one, f"{at}: among {i}")
    names = [name for side in ("highest", "lowest") for name in check_list(what.get(side, []), at, side)]
    if not names:
        raise wrong(at, "it names no number; give highest: [x] where more is better, lowest: [y] where less is")
    for name in names:
        check_text(name, at, "the name of a number")


def _where(given: Any, at: str) -> None:
    check_fields(given, _WHERE, at)
    for field, value in given.items():
        if field == "params":
            check_parameters(value, f"{at}: params")
            continue
        values = value if isinstance(value, list) else [value]
        if not values:
            raise wrong(at, f"{field} is an empty list, which no cell has; leave it out for all")
        for one in values:
            if field in _TRUTH:
                fits, kind = isinstance(one, bool), "true or false"
            elif field in _WHOLE:
                fits, kind = is_whole(one), "a whole number"
            else:
                # Unquoted yes, no, on and off are true and false in YAML.
                fits, kind = is_scalar(one) and not isinstance(one, bool), "text or a number, or a list of them"
            if not fits:
                raise wrong(at, f"{field} {quoted(one)} is not {kind}")
            if field == "budget":
                check_parsed(Budget.parse, str(one).partition(" of ")[0], at)  # a share names its sampling: 15% of 2fps
            elif field in ("sampling", "run_sampling"):
                check_parsed(Sampling.parse, one, at)
