"""``keyframe-bench cache``: features of runs and rows of trainings, kept from one to the next."""

from __future__ import annotations

import json

from ..core.errors import UsageError
from ..training.reading import rows_folder
from ..video.store import FeatureStore, Usage, features_folder
from .arguments import Arguments, path_text
from .options import COMMANDS


def run(found: Arguments) -> int:
    """Print how much is kept, or remove it (videos of rendered data sets stay); return 0."""
    if found.positional not in ([], ["clear"]):
        raise UsageError(f"unknown subcommand {found.positional[0]!r}; did you mean clear?")
    clear = bool(found.positional)
    folders = {"features": (features_folder(), "run"), "training rows": (rows_folder(), "train")}
    stores = {
        what: FeatureStore(folder, round(float(COMMANDS[command].default("cache_gb")) * 1e9))
        for what, (folder, command) in folders.items()
    }
    amounts = {what: store.clear() if clear else store.usage() for what, store in stores.items()}
    if "--json" in found.values:
        told = {}
        for what, store in stores.items():
            counts = {f"removed_{name}" if clear else name: n for name, n in vars(amounts[what]).items()}
            told[what] = {"folder": str(store.folder), **counts, "limit_bytes": store.limit_bytes}
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


def _amount(what: str, usage: Usage) -> str:
    videos = f"{usage.videos} video{'' if usage.videos == 1 else 's'}"
    entries = f"{usage.entries} {'entry' if usage.entries == 1 else 'entries'}"
    return f"{what} of {videos}, {entries}, {usage.bytes / 1e6:.1f} MB"
