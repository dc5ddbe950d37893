"""Small checks of what a YAML file holds; the first mistake is one sentence that names its place and the way out."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ..core.errors import UsageError


def check_fields(
    given: Any, known: Collection[str], at: str, *, required: Sequence[str] = (), word: str = "field"
) -> None:
    """Check that ``given`` is a mapping of known fields, that the required ones are there, and that none is null."""
    if not isinstance(given, Mapping):
        raise wrong(at, f"{quoted(given)} is not a mapping of {word}s such as {', '.join(list(known)[:3])}")
    for field, value in given.items():
        if field not in known:
            raise wrong(at, f"there is no {word} {quoted(field)}; {nearest(field, known)}")
        if value is None and field != "limit":  # limit: null is all videos
            raise wrong(at, f"{field} is empty; give it a value or leave it out")
    for field in required:
        if field not in given:
            raise wrong(at, f"{word} {field!r} is missing")


def check_mappings(value: Any, at: str, what: str) -> list[Mapping[str, Any]]:
    """Return ``value``, which must be a list of mappings."""
    for i, entry in enumerate(check_list(value, at, what), start=1):
        if not isinstance(entry, Mapping):
            raise wrong(at, f"{what}: entry {i}, {quoted(entry)}, is not a mapping")
    return list(value)


def check_list(value: Any, at: str, what: str) -> list[Any]:
    """Return ``value``, which must be a list."""
    if not isinstance(value, list):
        raise wrong(at, f"{what} {quoted(value)} is not a list")
    return value


def check_texts(given: Mapping[str, Any], fields: Sequence[str], at: str) -> None:
    """Check that what is given of ``fields`` is text; it may be empty."""
    for field in fields:
        if not isinstance(given.get(field, ""), str):
            raise wrong(at, f"{field} {quoted(given[field])} is not text; put it in quotes")


def check_text(value: Any, at: str, what: str) -> None:
    """Check that ``value`` is text with something in it."""
    if not isinstance(value, str):
        hint = "; put it in quotes" if is_scalar(value) else ""
        raise wrong(at, f"{what} {quoted(value)} is not text{hint}")
    if not value.strip():
        raise wrong(at, f"{what} is blank")


def check_one_of(value: Any, known: Collection[str], at: str, what: str) -> None:
    """Check that ``value`` is one of the words ``known``."""
    if not isinstance(value, str) or value not in known:
        raise wrong(at, f"{what} {quoted(value)} is unknown; {nearest(value, known)}")


def check_parameters(given: Any, at: str) -> None:
    """Check a mapping of names to values or lists of them; null is a value."""
    if not isinstance(given, Mapping):
        raise wrong(at, f"{quoted(given)} is not a mapping of parameters to values, such as {{threshold: mean}}")
    for name, value in given.items():
        check_text(name, at, "the name of parameter")
        if value == []:
            raise wrong(at, f"{name} is an empty list; give values or leave it out")
        for one in value if isinstance(value, list) else [value]:
            if one is not None and not is_scalar(one):
                raise wrong(at, f"{name} {quoted(one)} is not a number, text, true or false, or a list of them")


def check_seeds(seeds: Any, at: str) -> None:
    """Check a list of seeds."""
    if not isinstance(seeds, list) or not seeds or not all(is_whole(s) and s >= 0 for s in seeds):
        raise wrong(at, f"seeds {quoted(seeds)} is not a list of whole numbers of at least 0, such as [0, 1, 2]")


def check_parsed(parse: Callable[[str], object], value: Any, at: str) -> None:
    """Check a scalar by its own grammar."""
    try:
        parse(str(value))
    except UsageError as error:
        raise wrong(at, str(error)) from None


def is_scalar(value: Any) -> bool:
    """Tell text, true, false and numbers from everything else."""
    return isinstance(value, (str, bool)) or is_number(value)


def is_number(value: Any) -> bool:
    """Tell numbers that a float can hold from true and false, NaN, infinity and text."""
    largest = sys.float_info.max
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -largest <= value <= largest


def is_whole(value: Any) -> bool:
    """Tell whole numbers from true and false and everything else."""
    return isinstance(value, int) and not isinstance(value, bool)


def nearest(word: Any, known: Collection[str]) -> str:
    """Return the word of ``known`` that may have been meant, or all of them, for a message."""
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f"did you mean {near[0]}" if near else f"there are {', '.join(known) or 'none'}"


def place_of(at: str, what: str, number: int, entry: Mapping[str, Any], field: str) -> str:
    """Return the place of an entry of a list, with its name where it has one."""
    name = entry.get(field)
    return f"{at}: {what} {number}" + (f" ({quoted(name)})" if isinstance(name, str) else "")


def quoted(value: Any) -> str:
    """Return ``value`` as it stands in a message, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def wrong(at: str, what: str) -> UsageError:
    """Return the error that says what is wrong at a place."""
    return UsageError(f"{at}: {what}")
