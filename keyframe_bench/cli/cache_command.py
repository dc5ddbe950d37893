"""``keyframe-bench cache``: the features that are kept between runs."""

from __future__ import annotations

import json
from importlib.resources import files

from omegaconf import OmegaConf

from ..core.errors import UsageError
from ..video.store import FeatureStore, Usage, features_folder
from .arguments import path_text, split
from .compose import CONFIG_MODULE


def run(arguments: list[str]) -> int:
    """Print how much is kept, or remove it (rendered videos stay); return 0."""
    found = split(arguments, switches=["--json"], n_positional=1)
    found.refuse_options("cache")
    if found.positional not in ([], ["clear"]):
        raise UsageError(f"cache knows one thing to do, clear, not {found.positional[0]!r}")
    limit_gb = float(OmegaConf.select(OmegaConf.load(str(files(CONFIG_MODULE) / "run.yaml")), "cache_gb"))
    store = FeatureStore(features_folder(), round(limit_gb * 1e9))
    clear = bool(found.positional)
    amount = store.clear() if clear else store.usage()
    if "--json" in found.switches:
        numbers = {f"removed_{k}": v for k, v in vars(amount).items()} if clear else vars(amount)
        print(json.dumps({"folder": str(store.folder), **numbers, "limit_bytes": store.limit_bytes}))
    elif clear:
        print(f"removed {_amount(amount)} from {path_text(store.folder)}")
    else:
        print(f"{_amount(amount)} in {path_text(store.folder)}")
        print(f"limit of a run: cache_gb={limit_gb:g}; keyframe-bench cache clear removes them")
    return 0


def _amount(usage: Usage) -> str:
    entries = f"{usage.entries} {'entry' if usage.entries == 1 else 'entries'}"
    videos = f"{usage.videos} video{'' if usage.videos == 1 else 's'}"
    return f"features of {videos}, {entries}, {usage.bytes / 1e6:.1f} MB"
