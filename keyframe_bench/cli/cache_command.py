"""``keyframe-bench cache``: features of runs and rows of trainings, kept from one to the next."""

from __future__ import annotations

import json
from typing import Any

from ..core.errors import UsageError
from ..training.reading import rows_folder
from ..video.store import FeatureStore, Usage, features_folder
from .arguments import Arguments, path_text
from .options import COMMANDS


def run(found: Arguments) -> int:
    """Print how much is kept, or remove it (videos of rendered data sets stay); return 0."""
    if found.positional not in ([], ["clear"]):
        raise UsageError(f"cache knows one thing to do, clear, not {found.positional[0]!r}")
    clear = bool(found.positional)
    stores = {
        "features": FeatureStore(features_folder(), _limit("run")),
        "training rows": FeatureStore(rows_folder(), _limit("train")),
    }
    amounts = {what: store.clear() if clear else store.usage() for what, store in stores.items()}
    if "--json" in found.values:
        told = {what: _told(store, amounts[what], clear=clear) for what, store in stores.items()}
        print(json.dumps({**told["features"], "pictures": told["training rows"]}))
        return 0
    for what, store in stores.items():
        if what == "features" or amounts[what].entries:
            text, where = _amount(what, amounts[what]), path_text(store.folder)
            print(f"removed {text} from {where}" if clear else f"{text} in {where}")
    if not clear:
        limit_gb = stores["features"].limit_bytes / 1e9
        print(f"limit of a run: cache_gb={limit_gb:g}; keyframe-bench cache clear removes them")
    return 0


def _limit(command: str) -> int:
    """Return what a run, or a training, keeps at most by default, in bytes."""
    return round(float(COMMANDS[command].default("cache_gb")) * 1e9)


def _told(store: FeatureStore, amount: Usage, *, clear: bool) -> dict[str, Any]:
    counts = {f"removed_{name}" if clear else name: value for name, value in vars(amount).items()}
    return {"folder": str(store.folder), **counts, "limit_bytes": store.limit_bytes}


def _amount(what: str, usage: Usage) -> str:
    videos = f"{usage.videos} video{'' if usage.videos == 1 else 's'}"
    entries = f"{usage.entries} {'entry' if usage.entries == 1 else 'entries'}"
    return f"{what} of {videos}, {entries}, {usage.bytes / 1e6:.1f} MB"
