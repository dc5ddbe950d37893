"""What a training could not read or left out, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_SHOWN = 3  # files that a line about the data names
_COUNTED = {  # facts, and what a line calls them
    "unreadable": "unreadable",
    "copies": "equal to others and left out",
    "alike": "on the side of one that they look like",
    "unannotated": "without key frames of human annotators and left out",
}


def defects(facts: Mapping[str, Any]) -> list[str]:
    """Count and name what could not be read or was left out, and where damage was found.

    Parameters
    ----------
    facts : mapping
        Of `Parts`: ``unreadable``, ``copies`` and ``alike`` are counts with ``unreadable_names`` and so on, or names
        with what is to be said; ``problems`` are names with lists of reasons.

    Returns
    -------
    list of str
        ``5 unreadable: a.jpg: truncated, b.jpg: no image, c.jpg: truncated and 2 more``; empty if all is well.
    """
    found = []
    for key, what in _COUNTED.items():
        told, names = facts.get(key), facts.get(f"{key}_names")
        if isinstance(told, Mapping):
            found.append(_named(what, len(told), [f"{name}: {why}" for name, why in told.items()]))
        elif isinstance(told, int):
            found.append(_named(what, told, list(names) if isinstance(names, Sequence) else []))
    problems = facts.get("problems")
    if isinstance(problems, Mapping):
        found.append(_named("with problems", len(problems), [f"{n}: {', '.join(w)}" for n, w in problems.items()]))
    return [text for text in found if text]


def _named(what: str, count: int, names: Sequence[str]) -> str:
    if not count:
        return ""
    more = f" and {count - _SHOWN} more" if count > _SHOWN and names else ""
    return f"{count} {what}: {', '.join(names[:_SHOWN])}{more}" if names else f"{count} {what}"
