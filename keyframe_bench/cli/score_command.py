"""``keyframe-bench score``: a run of one file of picks beside the controls, on the items that it has picks of."""

from __future__ import annotations

from dataclasses import replace

from ..bench.execute import metric_columns
from ..bench.plan import is_annotated
from ..core.errors import UsageError
from ..core.grammar import Budget
from ..datasets._picks import Picks, read_picks
from .commands import Arguments
from .compose import configured
from .run_command import compute, make_spec


def run(found: Arguments) -> int:
    """Score the file; return 1 when cells failed."""
    columns = found.columns(list(metric_columns()))
    if not found.positional:
        raise UsageError(f"score needs a file of picks: {found.command.examples[0]}")
    file = found.positional[0]
    picks = read_picks(file)
    found.values["out"] = found.get("out")
    spec = make_spec(configured(found))
    typed = {line.partition("=")[0] for line in found.overrides}
    annotated = any(is_annotated(item.annotation) for item in spec.dataset.videos() if item.id in picks.items)
    spec = replace(
        spec,
        external={**spec.external, picks.name: file},
        items=frozenset(picks.items),
        extractors=spec.extractors if "extractors" in typed else ["oracle"] if annotated else ["uniform"],
        budgets=spec.budgets if "budget" in typed else [usual_budget(picks)],
    )
    return compute(spec, found.line, columns)


def usual_budget(picks: Picks) -> Budget:
    """Return the number of picks that every item has, or a free budget where numbers differ."""
    counts = {len(found) for found in picks.items.values()}
    return Budget.parse(counts.pop() if len(counts) == 1 else "free")
