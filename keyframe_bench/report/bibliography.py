"""The sources of the methods in a table, as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files


def bibliography(keys: Iterable[str]) -> str:
    """Return the BibTeX entries of ``keys``, in that order; keys without an entry (of plug-ins) become a comment.

    Examples
    --------
    >>> bibliography(["ffmpeg"]).splitlines()[0]
    '@manual{ffmpeg,'
    """
    text = files("keyframe_bench").joinpath("references.bib").read_text("utf-8")
    entries = {match[1]: match[0].strip() for match in re.finditer(r"^@\w+\{([^,\s]+),.*?^\}", text, re.M | re.S)}
    found = [entries.get(key, f"% {key}: not among the references of keyframe_bench") for key in dict.fromkeys(keys)]
    return "\n\n".join(found) + "\n"
