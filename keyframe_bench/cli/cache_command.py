"""``keyframe-bench cache``: features of runs and rows of trainings, kept from one to the next."""

from __future__ import annotations

import json

from ..core.errors import UsageError
from ..training.reading import rows_folder
from ..video.store import FeatureStore, features_folder
from .commands import COMMANDS, Arguments, counted, path_text


def run(found: Arguments) -> int:
    """Print how much is kept, or remove it (videos of rendered data sets stay); return 0."""
    if found.positional not in ([], ["clear"]):
        raise UsageError(f"unknown subcommand {found.positional[0]!r}; did you mean clear?")
    clear, stores = bool(found.positional), {}
    for what, folder, command in (("features", features_folder(), "run"), ("training rows", rows_folder(), "train")):
        store = FeatureStore(folder, round(float(COMMANDS[command].default("cache_gb")) * 1e9))
        usage = store.clear() if clear else store.usage()
        counts = {f"removed_{name}" if clear else name: n for name, n in vars(usage).items()}
        stores[what] = {"folder": str(store.folder), **counts, "limit_bytes": store.limit_bytes}
        if "--json" not in found.values and (what == "features" or usage.entries):
            entries = f"{usage.entries} {'entry' if usage.entries == 1 else 'entries'}"
            text = f"{what} of {counted(usage.videos, 'video')}, {entries}, {usage.bytes / 1e6:.1f} MB"
            where = path_text(store.folder)
            print(f"removed {text} from {where}" if clear else f"{text} in {where}")
    if "--json" in found.values:
        print(json.dumps({**stores["features"], "pictures": stores["training rows"]}))
    elif not clear:
        limit_gb = stores["features"]["limit_bytes"] / 1e9
        print(f"limit of a run: cache_gb={limit_gb:g}; keyframe-bench cache clear removes them")
    return 0
