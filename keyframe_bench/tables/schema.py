"""Checks of what a YAML file holds; the first mistake is one sentence that names its place and the way out.

A check is a function of a value and its place. Those of scalars are combined into checks of lists and mappings.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ..core.errors import UsageError, suggestion

Check = Callable[[Any, str], None]


def wrong(at: str, what: str) -> UsageError:
    """Return the error that says what is wrong at a place."""
    return UsageError(f"{at}: {what}")


def quoted(value: Any) -> str:
    """Return ``value`` as it stands in a message, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def is_number(value: Any) -> bool:
    """Tell numbers that a float can hold from true and false, NaN, infinity and text."""
    largest = sys.float_info.max
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -largest <= value <= largest


def is_whole(value: Any, least: float = -sys.float_info.max) -> bool:
    """Tell whole numbers of at least ``least`` from true and false and everything else."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_a(fits: Callable[[Any], bool], what: str) -> Check:
    """Accept values for which ``fits`` is true; ``what`` completes "... is not"."""

    def check(value: Any, at: str) -> None:
        if not fits(value):
            raise wrong(at, f"{quoted(value)} is not {what}")

    return check


def one_of(known: Collection[str]) -> Check:
    """Accept the words ``known``."""

    def check(value: Any, at: str) -> None:
        if not isinstance(value, str) or value not in known:
            raise wrong(at, f"{quoted(value)} is unknown; {suggestion(value, known)}")

    return check


def parsed(parse: Callable[[str], object]) -> Check:
    """Accept scalars that ``parse`` accepts as text."""

    def check(value: Any, at: str) -> None:
        try:
            parse(str(value))
        except UsageError as error:
            raise wrong(at, str(error)) from None

    return check


def listed(check: Check, least: int = 0, most: float = float("inf")) -> Check:
    """Accept lists of ``least`` to ``most`` values; the place of a mapping has its name or claim."""

    def check_list(value: Any, at: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            count = "" if least == most else " or more" if most == float("inf") else f" to {most}"
            raise wrong(at, f"{quoted(value)} is not a list" + (f" of {least}{count} entries" if least else ""))
        for i, one in enumerate(value, start=1):
            name = one.get("name", one.get("claim")) if isinstance(one, Mapping) else None
            check(one, f"{at} {i}" + (f" ({quoted(name)})" if isinstance(name, str) else ""))

    return check_list


def one_or_more(check: Check, most: float = float("inf")) -> Check:
    """Accept a value or a list of them that is not empty."""

    def check_all(value: Any, at: str) -> None:
        if isinstance(value, list):
            listed(check, 1, most)(value, at)
        else:
            check(value, at)

    return check_all


def named(check: Check, least: int = 0) -> Check:
    """Accept mappings of at least ``least`` names, of the user's choice, to values."""

    def check_mapping(value: Any, at: str) -> None:
        if not isinstance(value, Mapping) or len(value) < least:
            raise wrong(at, f"{quoted(value)} is not a mapping of {'one or more ' * (least > 0)}names to values")
        for name, one in value.items():
            text(name, f"{at}: name")
            check(one, f"{at}: {name}")

    return check_mapping


def fields(
    known: Mapping[str, Check], required: Sequence[str] = (), *, one: Sequence[str] = (), null: Sequence[str] = ()
) -> Check:
    """Accept mappings of ``known`` fields: all ``required``, exactly one of ``one``, null where named in ``null``."""

    def check_fields(value: Any, at: str) -> None:
        if not isinstance(value, Mapping):
            raise wrong(at, f"{quoted(value)} is not a mapping of fields such as {', '.join(list(known)[:3])}")
        for field in value:
            if field not in known:
                raise wrong(at, f"there is no field {quoted(field)}; {suggestion(field, known)}")
        require(value, required, at)
        if one and len(found := [field for field in one if field in value]) != 1:
            raise wrong(at, f"it has {' and '.join(found) or 'none'} of {', '.join(one)}; give exactly one")
        for field, given in value.items():
            if given is not None:
                known[field](given, f"{at}: {field}")
            elif field not in null:
                raise wrong(at, f"{field} is empty; give it a value or leave it out")

    return check_fields


def require(value: Mapping[str, Any], fields: Sequence[str], at: str) -> None:
    """Raise `UsageError` unless a mapping has all ``fields``."""
    for field in fields:
        if field not in value:
            raise wrong(at, f"field {field!r} is missing")


def text(value: Any, at: str) -> None:
    """Accept text that is not blank."""
    text_or_blank(value, at)
    if not value.strip():
        raise wrong(at, "is blank; write a text")


def anything(value: Any, at: str) -> None:
    """Accept what is checked elsewhere."""


text_or_blank = is_a(lambda value: isinstance(value, str), "text; put it in quotes")
number = is_a(is_number, "a number")
whole = is_a(is_whole, "a whole number")
natural = is_a(lambda value: is_whole(value, 0), "a whole number of at least 0")
positive = is_a(lambda value: is_whole(value, 1), "a whole number of at least 1")
truth = is_a(lambda value: isinstance(value, bool), "true or false")
scalar = is_a(lambda value: value is None or isinstance(value, (str, bool)) or is_number(value), "a number or text")
seeds = listed(natural, 1)
parameters = named(one_or_more(scalar))
