"""``keyframe-bench new``: a working extractor to start from."""

from __future__ import annotations

from ..core.errors import UsageError
from .arguments import split
from .new import new_extractor


def run(arguments: list[str]) -> int:
    """Write the files and print the commands that use them."""
    found = split(arguments, switches=["--in-tree"], n_positional=1)
    extra = [*found.paths, *found.overrides]
    if not found.positional or extra:
        raise UsageError(
            f"new takes no {extra[0]}" if extra else "new needs a name: keyframe-bench new my_method [--in-tree]"
        )
    written = new_extractor(found.positional[0], in_tree="--in-tree" in found.switches)
    for file in written.files:
        print(f"wrote {file}")
    print("try it:")
    for command in written.commands:
        print(f"  {command}")
    return 0
