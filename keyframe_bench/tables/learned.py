"""What a reader must know of rows that learned: on what, how often, how the checkpoint was chosen, and leaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

ENOUGH_SEEDS = 3  # below, nobody knows how much the seed of a training matters

_CHOSEN = {
    "best_val": "the epoch with the lowest validation loss",
    "last": "the last epoch",
    "only": "training has no epochs to choose from",
}


def training_facts(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a line of `load_results` says of training: `training` (what tells rows apart), ``chosen``, ``inner``.

    Of a method that the run trained, data and the choice of the epoch are the same in all rows, and unknown where its
    training failed: its options alone tell rows apart.
    """
    told = dict(cell.get("training") or {})
    named = {f"trainer.{name}": value for name, value in (told.pop("options", None) or {}).items()}
    by_run = cell.get("division") is not None
    return {
        "training": named if by_run else named | told,
        "chosen": str(told.get("chosen") or ""),
        "inner": str(told.get("inner") or ""),
        "learned_from": str(told.get("data") or ""),
        "edited": "code" in told,
    }


def seen_text(part: pd.DataFrame) -> str:
    """Return what the label of a row must say of videos that training looked at."""
    n_seen = int(part.loc[part["trained_on_this_video"].eq(True), "video_id"].nunique())
    n = int(part["video_id"].nunique())
    if n_seen == 0:
        return ""
    return "trained on these videos" if n_seen == n else f"trained on {n_seen} of these {n} videos"


def training_notes(cells: pd.DataFrame) -> list[str]:
    """Return for every method that learned on which split, with how many seeds, and how checkpoints were chosen."""
    notes: dict[str, list[str]] = {}
    for _, part in cells[cells["chosen"] != ""].groupby("group", sort=False):
        first = part.iloc[-1]
        notes.setdefault(_said(part), []).append(str(first["extractor"]))
    return [f"{', '.join(dict.fromkeys(names))}: {said}" for said, names in notes.items()]


def _said(part: pd.DataFrame) -> str:
    first = part.iloc[-1]
    if first["inner"]:  # by the run itself
        n = int(part["fold"].nunique())
        where = f"trained on the training part of split {first['split']}" + (f", each of {n} folds" if n > 1 else "")
    else:
        code = ", by other code of this plug-in than it has now" if first["edited"] else ""
        where = f"a given checkpoint, trained on {first['learned_from'] or 'other data'}{code}, split {first['split']}"
    chosen = _CHOSEN.get(first["chosen"], str(first["chosen"]))
    if first["inner"] and first["chosen"] == "best_val":
        chosen += f" on an inner part of the training videos ({first['inner']})"
    seeds = sorted(part["training_seed"].dropna().astype(int).unique())
    if not seeds:
        return f"{where}; {chosen}; every seed trains alike"
    few = ""
    if len(seeds) < ENOUGH_SEEDS:
        few = f" (fewer than {ENOUGH_SEEDS}: how much the seed matters is not known)"
    return f"{where}; {chosen}; {len(seeds)} training seed{'s' * (len(seeds) > 1)}{few}"
