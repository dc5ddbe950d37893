"""Is the YAML file of a table well formed? The first mistake is one sentence that names its place and the way out."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, get_args

from ..core.budget import Budget, Sampling
from ..core.errors import UsageError
from .measure import KINDS as MEASURES

Kind = Literal["table", "comparison", "change_graph"]

_FIELDS = (
    *("title", "source", "about", "substitute", "kind", "scales", "runs"),
    *("rows", "columns", "claims", "headline", "notes"),
)
# Options of `keyframe-bench run`; extractors and budget are those of each run.
_SCALE = ("dataset", "seeds", "limit", "sampling", "grid", "on_error", "executor")
_RUN = ("extractors", "budget", "scales", *_SCALE)
_ROW = ("name", "each", "where", "paper", "measures", "note")
_COLUMN = ("name", "about", "fact", "where", "over")
_CLAIM = ("claim", "measure", "expect", "paper", "note")
_EXPECT = ("above", "below", "between")
_ON_ERROR = ("raise", "warn", "skip")
_FACTS = ("budget_rule", "sampling", "extractor", "reference", "label", "dataset", "budget")
_WHOLE = ("version", "seed", "k")
_TRUTH = ("control", "privileged")
_WHERE = (
    *("dataset", "extractor", "version", "label", "budget", "sampling", "run_sampling", "seed", "k"),
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
        raise _wrong(at, "the file is not a mapping with title, scales and runs")
    _fields(data, _FIELDS, at, required=("title", "scales", "runs"))
    _text(data["title"], at, "title")
    _texts(data, ("source", "about", "substitute"), at)
    kind = data.get("kind", "table")
    _one_of(kind, get_args(Kind), at, "kind")
    for unread in ("rows", "columns") if kind == "comparison" else ("headline",):
        if unread in data:
            raise _wrong(at, f"{unread} is not read for kind {kind}; leave it out")
    for listed in ("headline", "notes"):
        for i, entry in enumerate(_list(data.get(listed, []), at, listed), start=1):
            _text(entry, at, f"{listed} {i}")
    scales = data["scales"]
    if not isinstance(scales, Mapping) or not scales:
        raise _wrong(at, f"scales {_shown(scales)} is not a mapping of names, such as smoke and cpu, to their options")
    for scale, options in scales.items():
        _text(scale, at, "the name of scale")
        _scale(options, f"{at}: scale {scale}")
    runs = _mappings(data["runs"], at, "runs")
    for i, run in enumerate(runs, start=1):
        _run(run, list(scales), f"{at}: run {i}")
    _check_runs_of_scales(scales, runs, kind, at)
    facts: dict[str, bool] = {}  # by column: is it a fact?
    for i, column in enumerate(_mappings(data.get("columns", []), at, "columns"), start=1):
        _column(column, facts, _place(at, "column", i, column, "name"))
    for i, row in enumerate(_mappings(data.get("rows", []), at, "rows"), start=1):
        _row(row, facts, _place(at, "row", i, row, "name"))
    for i, claim in enumerate(_mappings(data.get("claims", []), at, "claims"), start=1):
        _claim(claim, _place(at, "claim", i, claim, "claim"))


def _check_runs_of_scales(scales: Mapping[str, Any], runs: Sequence[Mapping[str, Any]], kind: str, at: str) -> None:
    for scale in scales:
        n_runs = sum(scale in run.get("scales", [scale]) for run in runs)
        if n_runs == 0:
            raise _wrong(at, f"scale {scale} has no run; add one, or name it in the scales of a run")
        if kind == "change_graph" and n_runs > 1:
            raise _wrong(
                at, f"scale {scale} has {n_runs} runs, but a change_graph is made of one; leave the others out"
            )


def _scale(options: Any, at: str) -> None:
    _fields(options, _SCALE, at, required=("dataset",), word="option")
    _options(options, at)


def _run(run: Mapping[str, Any], scales: Collection[str], at: str) -> None:
    _fields(run, _RUN, at, required=("extractors", "budget"), word="option")
    names = run["extractors"]
    if names != "all":
        listed = isinstance(names, list) and names and all(isinstance(n, str) and n.strip() for n in names)
        if not listed:
            raise _wrong(at, f"extractors {_shown(names)} is not all or a list of names such as [uniform, vsumm]")
    if "scales" in run:
        wanted = _list(run["scales"], at, "scales")
        if not wanted:
            raise _wrong(at, "scales is empty: the run is never made; leave it out to make it at every scale")
        for scale in wanted:
            _one_of(scale, scales, at, "scale")
    budgets = run["budget"] if isinstance(run["budget"], list) else [run["budget"]]
    if not budgets:
        raise _wrong(at, "budget is empty; give at least one, such as 8")
    for budget in budgets:
        _parsed(Budget.parse, budget, at)
    _options(run, at)
    for name in run.get("grid", {}):
        if names not in ("all", ["all"]) and name not in names:
            raise _wrong(at, f"grid: {name!r} is none of the run's extractors; {_nearest(name, names)}")


def _options(options: Mapping[str, Any], at: str) -> None:
    """Check what a scale and a run may both hold."""
    for named in ("dataset", "executor"):
        if named in options:
            _component(options[named], named, at)
    if "seeds" in options:
        seeds = options["seeds"]
        if not isinstance(seeds, list) or not seeds or not all(_is_whole(s) and s >= 0 for s in seeds):
            raise _wrong(at, f"seeds {_shown(seeds)} is not a list of whole numbers of at least 0, such as [0, 1, 2]")
    limit = options.get("limit")
    if limit is not None and not (_is_whole(limit) and limit >= 1):
        raise _wrong(at, f"limit {_shown(limit)} is not a number of videos, at least 1")
    if "sampling" in options:
        _parsed(Sampling.parse, options["sampling"], at)
    if "on_error" in options:
        _one_of(options["on_error"], _ON_ERROR, at, "on_error")
    grid = options.get("grid", {})
    if not isinstance(grid, Mapping):
        raise _wrong(at, f"grid {_shown(grid)} is not a mapping of extractors to their parameters")
    for extractor, axes in grid.items():
        _text(extractor, at, "the extractor of grid")
        _parameters(axes, f"{at}: grid: {extractor}")


def _component(given: Any, what: str, at: str) -> None:
    """Check ``{name: text, **scalars}``."""
    if not isinstance(given, Mapping) or "name" not in given:
        raise _wrong(at, f"{what} {_shown(given)} is not a mapping with a name, such as {{name: synthetic}}")
    _text(given["name"], f"{at}: {what}", "name")
    for key, value in given.items():
        _text(key, f"{at}: {what}", "option")
        if value is not None and not _is_scalar(value):
            raise _wrong(at, f"{what}: {key} {_shown(value)} is not a number, text, true or false")


def _row(row: Mapping[str, Any], facts: Mapping[str, bool], at: str) -> None:
    _fields(row, _ROW, at)
    if ("name" in row) == ("each" in row):
        raise _wrong(at, "a row has either a name or each: method")
    if "name" in row:
        _text(row["name"], at, "name")
    elif row["each"] != "method":
        raise _wrong(at, f"each {_shown(row['each'])} is not method, the only word that may stand there")
    elif "note" in row:
        raise _wrong(at, "note is not read with each: method; put it among the notes of the file")
    _where(row.get("where", {}), f"{at}: where")
    _texts(row, ("note",), at)
    for field in ("paper", "measures"):
        of_columns = row.get(field, {})
        if not isinstance(of_columns, Mapping):
            raise _wrong(at, f"{field} {_shown(of_columns)} is not a mapping with names of columns")
        for column, value in of_columns.items():
            if column not in facts:
                raise _wrong(at, f"{field}: there is no column {column!r}; {_nearest(column, facts)}")
            if facts[column]:
                raise _wrong(at, f"{field}: column {column!r} is a fact, not a number; leave it out")
            if field == "measures":
                _measure(value, ("where", "over"), f"{at}: measures: {column}")
            elif not _is_number(value):
                raise _wrong(
                    at, f"paper: {column} {_shown(value)} is not a number; leave it out where the paper has none"
                )


def _column(column: Mapping[str, Any], facts: dict[str, bool], at: str) -> None:
    """Check a column and note in ``facts`` whether it is a fact."""
    _fields(column, (*_COLUMN, *MEASURES), at, required=("name",))
    name = column["name"]
    _text(name, at, "name")
    _texts(column, ("about",), at)
    if name in facts:
        raise _wrong(at, "another column has this name; give each its own")
    facts[name] = "fact" in column
    if not facts[name]:
        _measure(column, _COLUMN, at)
        return
    if extra := [field for field in ("where", "over", *MEASURES) if field in column]:
        raise _wrong(at, f"a column has a fact or a measure, and {extra[0]} is of a measure; leave out one of them")
    _one_of(column["fact"], _FACTS, at, "fact")


def _claim(claim: Mapping[str, Any], at: str) -> None:
    _fields(claim, _CLAIM, at, required=("claim", "measure", "expect"))
    _text(claim["claim"], at, "claim")
    _texts(claim, ("note",), at)
    _measure(claim["measure"], ("where",), f"{at}: measure")
    if "paper" in claim and not (isinstance(claim["paper"], str) or _is_number(claim["paper"])):
        raise _wrong(at, f"paper {_shown(claim['paper'])} is neither a number nor text")
    expect = claim["expect"]
    if not isinstance(expect, Mapping) or len(expect) != 1:
        raise _wrong(at, f"expect {_shown(expect)} is not above: x, below: x or between: [x, y]")
    _fields(expect, _EXPECT, f"{at}: expect")
    side, limit = next(iter(expect.items()))
    if side != "between":
        if not _is_number(limit):
            raise _wrong(at, f"expect: {side} {_shown(limit)} is not a number")
    elif not (isinstance(limit, list) and len(limit) == 2 and all(map(_is_number, limit)) and limit[0] < limit[1]):
        raise _wrong(at, f"expect: between {_shown(limit)} is not two numbers [low, high], low below high")


def _measure(given: Any, others: Sequence[str], at: str) -> None:
    """Check a measure; ``others`` are the fields that may stand beside its kind."""
    _fields(given, (*MEASURES, *others), at)
    kinds = [kind for kind in MEASURES if kind in given]
    if len(kinds) != 1:
        fault = f"has {' and '.join(kinds)}" if kinds else "names no measure"
        also = ", or fact" if "fact" in others and not kinds else ""
        raise _wrong(at, f"{fault}; give exactly one of {', '.join(MEASURES)}{also}")
    _check_kind(kinds[0], given[kinds[0]], at)
    _where(given.get("where", {}), f"{at}: where")
    for field in _list(given.get("over", []), at, "over"):
        _one_of(field, _WHERE, at, "over")


def _check_kind(kind: str, what: Any, at: str) -> None:
    if kind in ("mean", "sum", "spread"):
        _text(what, at, kind)
    elif kind == "empty" and what is not True:
        raise _wrong(at, f"empty {_shown(what)} is not true; leave it out, or write empty: true")
    elif kind == "slope":
        if not isinstance(what, list) or len(what) != 2:
            raise _wrong(at, f"slope {_shown(what)} is not the names of two numbers [y, x]")
        for name in what:
            _text(name, at, "slope:")
    elif kind in ("ratio", "difference"):
        if not isinstance(what, list) or len(what) != 2:
            raise _wrong(at, f"{kind} {_shown(what)} is not two entries [{{value: a}}, {{value: b}}]")
        for word, part in zip(("first", "second"), what, strict=True):
            place = f"{at}: {kind}, {word} entry"
            _fields(part, ("value", "where"), place, required=("value",))
            _text(part["value"], place, "value")
            _where(part.get("where", {}), f"{place}: where")


def _where(given: Any, at: str) -> None:
    _fields(given, _WHERE, at)
    for field, value in given.items():
        if field == "params":
            _parameters(value, f"{at}: params")
            continue
        values = value if isinstance(value, list) else [value]
        if not values:
            raise _wrong(at, f"{field} is an empty list, which no cell has; leave it out for all")
        for one in values:
            if field in _TRUTH:
                fits, kind = isinstance(one, bool), "true or false"
            elif field in _WHOLE:
                fits, kind = _is_whole(one), "a whole number"
            else:
                # Unquoted yes, no, on and off are true and false in YAML.
                fits, kind = _is_scalar(one) and not isinstance(one, bool), "text or a number, or a list of them"
            if not fits:
                raise _wrong(at, f"{field} {_shown(one)} is not {kind}")
            if field == "budget":
                _parsed(Budget.parse, str(one).partition(" of ")[0], at)  # a share names its sampling: 15% of 2fps
            elif field in ("sampling", "run_sampling"):
                _parsed(Sampling.parse, one, at)


def _parameters(given: Any, at: str) -> None:
    """Check a mapping of names to values or lists of them; null is a value."""
    if not isinstance(given, Mapping):
        raise _wrong(at, f"{_shown(given)} is not a mapping of parameters to values, such as {{threshold: mean}}")
    for name, value in given.items():
        _text(name, at, "the name of parameter")
        if value == []:
            raise _wrong(at, f"{name} is an empty list; give values or leave it out")
        for one in value if isinstance(value, list) else [value]:
            if one is not None and not _is_scalar(one):
                raise _wrong(at, f"{name} {_shown(one)} is not a number, text, true or false, or a list of them")


def _fields(given: Any, known: Collection[str], at: str, *, required: Sequence[str] = (), word: str = "field") -> None:
    """Check that ``given`` is a mapping of known fields, that the required ones are there, and that none is null."""
    if not isinstance(given, Mapping):
        raise _wrong(at, f"{_shown(given)} is not a mapping of {word}s such as {', '.join(list(known)[:3])}")
    for field, value in given.items():
        if field not in known:
            raise _wrong(at, f"there is no {word} {_shown(field)}; {_nearest(field, known)}")
        if value is None and field != "limit":  # limit: null is all videos
            raise _wrong(at, f"{field} is empty; give it a value or leave it out")
    for field in required:
        if field not in given:
            raise _wrong(at, f"{word} {field!r} is missing")


def _mappings(value: Any, at: str, what: str) -> list[Mapping[str, Any]]:
    for i, entry in enumerate(_list(value, at, what), start=1):
        if not isinstance(entry, Mapping):
            raise _wrong(at, f"{what}: entry {i}, {_shown(entry)}, is not a mapping")
    return list(value)


def _list(value: Any, at: str, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(at, f"{what} {_shown(value)} is not a list")
    return value


def _texts(given: Mapping[str, Any], fields: Sequence[str], at: str) -> None:
    for field in fields:
        if not isinstance(given.get(field, ""), str):
            raise _wrong(at, f"{field} {_shown(given[field])} is not text; put it in quotes")


def _text(value: Any, at: str, what: str) -> None:
    if not isinstance(value, str):
        hint = "; put it in quotes" if _is_scalar(value) else ""
        raise _wrong(at, f"{what} {_shown(value)} is not text{hint}")
    if not value.strip():
        raise _wrong(at, f"{what} is blank")


def _one_of(value: Any, known: Collection[str], at: str, what: str) -> None:
    if not isinstance(value, str) or value not in known:
        raise _wrong(at, f"{what} {_shown(value)} is unknown; {_nearest(value, known)}")


def _parsed(parse: Callable[[str], object], value: Any, at: str) -> None:
    """Check a scalar by its own grammar."""
    try:
        parse(str(value))
    except UsageError as error:
        raise _wrong(at, str(error)) from None


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, bool)) or _is_number(value)


def _is_number(value: Any) -> bool:
    """Tell numbers that a float can hold from true and false, NaN, infinity and text."""
    largest = sys.float_info.max
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -largest <= value <= largest


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _nearest(word: Any, known: Collection[str]) -> str:
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f"did you mean {near[0]}" if near else f"there are {', '.join(known) or 'none'}"


def _place(at: str, what: str, number: int, entry: Mapping[str, Any], field: str) -> str:
    name = entry.get(field)
    return f"{at}: {what} {number}" + (f" ({_shown(name)})" if isinstance(name, str) else "")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _wrong(at: str, what: str) -> UsageError:
    return UsageError(f"{at}: {what}")
