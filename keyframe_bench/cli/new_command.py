"""``keyframe-bench new``: a working extractor to start from."""

from __future__ import annotations

from ..core.errors import UsageError
from .arguments import Arguments
from .new import new_extractor


def run(found: Arguments) -> int:
    """Write the files and print the commands that use them."""
    if not found.positional:
        raise UsageError("new needs a name: keyframe-bench new my_method [--learned] [--in-tree]")
    given = found.values
    written = new_extractor(found.positional[0], in_tree="--in-tree" in given, learned="--learned" in given)
    for file in written.files:
        print(f"wrote {file}")
    print("try it:")
    for command in written.commands:
        print(f"  {command}")
    return 0
