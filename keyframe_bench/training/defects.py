"""What a training could not read or left out, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHOWN = 3  # files that a line about the data names
_COUNTED = {  # facts, and what a line calls them
    "unreadable": "unreadable",
    "copies": "equal to others and left out",
    "alike": "on the side of one that they look like",
    "unannotated": "without key frames of human annotators and left out",
    "problems": "with problems",
}


def defects(facts: Mapping[str, Any]) -> list[str]:
    """Count and name what could not be read or was left out, and where damage was found.

    ``facts``: of `Parts`: each is a count, with names in ``unreadable_names`` and so on, or a mapping of names to what
    is to be said, a text or several.

    ``5 unreadable: a.jpg: truncated, b.jpg: no image, c.jpg: truncated and 2 more``; empty if all is well.
    """
    found = []
    for key, what in _COUNTED.items():
        count, names = facts.get(key) or 0, facts.get(f"{key}_names") or []
        if isinstance(count, Mapping):
            names = [f"{name}: {why if isinstance(why, str) else ', '.join(why)}" for name, why in count.items()]
            count = len(names)
        if count:
            more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
            found.append(f"{count} {what}" + (f": {', '.join(names[:_SHOWN])}{more}" if names else ""))
    return found
