"""``keyframe-bench new``: a working extractor to start from."""

from __future__ import annotations

from ..core.errors import UsageError
from .arguments import split
from .new import new_extractor


def run(arguments: list[str]) -> int:
    """Write the files and print the commands that use them."""
    found = split(arguments, switches=["--in-tree", "--learned"], n_positional=1)
    extra = [*found.paths, *found.overrides]
    if extra:
        raise UsageError(f"new takes no {extra[0]}")
    if not found.positional:
        raise UsageError("new needs a name: keyframe-bench new my_method [--learned] [--in-tree]")
    given = found.switches
    written = new_extractor(found.positional[0], in_tree="--in-tree" in given, learned="--learned" in given)
    for file in written.files:
        print(f"wrote {file}")
    print("try it:")
    for command in written.commands:
        print(f"  {command}")
    return 0
