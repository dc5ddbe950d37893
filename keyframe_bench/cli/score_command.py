"""``keyframe-bench score``: a run of one file of picks beside the controls, on the items that it has picks of."""

from __future__ import annotations

from dataclasses import replace

from ..bench.execute import metric_columns
from ..bench.plan import is_annotated
from ..core.errors import UsageError
from ..core.grammar import Budget
from ..datasets._picks import Picks, read_picks
from ..datasets.base import Dataset
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
    config = configured(found)
    spec = make_spec(config)
    if picks.name in spec.external:
        raise UsageError(f"external={picks.name}={spec.external[picks.name]}: {file!r} has this name; give another one")
    typed = {line.partition("=")[0] for line in found.overrides}
    at_hand = _videos_at_hand(spec.dataset, picks)
    items = spec.dataset.videos() if at_hand else spec.dataset.timelines()
    annotated = any(is_annotated(item.annotation) for item in items if item.id in picks.items)
    spec = replace(
        spec,
        external={**spec.external, picks.name: file},
        items=frozenset(picks.items),
        pixels=at_hand,
        extractors=spec.extractors if "extractors" in typed else ["oracle"] if annotated else ["uniform"],
        budgets=spec.budgets if "budget" in typed else [_usual_budget(picks, not spec.external)],
    )
    if not at_hand:
        print("the videos are not at hand: only times are scored, without the columns that need pixels")
    return compute(spec, found.line, columns, config["logger"])


def _videos_at_hand(dataset: Dataset, picks: Picks) -> bool:
    """Say whether videos are to be read: not where all durations are published and some video is absent."""
    if not picks.items.keys() <= {item.id for item in dataset.timelines()}:
        return True
    try:
        return picks.items.keys() <= {item.id for item in dataset.videos()}
    except UsageError:
        return False


def _usual_budget(picks: Picks, alone: bool) -> Budget:
    """Return the number of picks that every item has; where numbers differ, each item's own.

    Free where they differ and the file is not ``alone``: others have other numbers.
    """
    counts = {len(found) for found in picks.items.values()}
    return Budget.parse(max(counts) if len(counts) == 1 else "picks" if alone else "free")
