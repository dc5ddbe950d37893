"""``keyframe-bench cache``: the features and training pictures that are kept between runs."""

from __future__ import annotations

import json
from importlib.resources import files

from omegaconf import OmegaConf

from ..core.errors import UsageError
from ..training import kept_pictures
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
    size, entries = kept_pictures.clear() if clear else kept_pictures.usage()
    pictures = {"bytes": size, "entries": entries}
    folder = kept_pictures.pictures_folder()
    if "--json" in found.switches:
        prefix = "removed_" if clear else ""
        of_features = {f"{prefix}{k}": v for k, v in vars(amount).items()} | {"limit_bytes": store.limit_bytes}
        of_pictures = {f"{prefix}{k}": v for k, v in pictures.items()} | {"limit_bytes": kept_pictures.LIMIT_BYTES}
        told = {"folder": str(store.folder), **of_features, "pictures": {"folder": str(folder), **of_pictures}}
        print(json.dumps(told))
        return 0
    lines = [(_amount(amount), store.folder)]
    if entries:
        lines.append((f"training pictures, {_entries(entries)}, {size / 1e6:.1f} MB", folder))
    for text, where in lines:
        print(f"removed {text} from {path_text(where)}" if clear else f"{text} in {path_text(where)}")
    if not clear:
        print(f"limit of a run: cache_gb={limit_gb:g}; keyframe-bench cache clear removes them")
    return 0


def _entries(count: int) -> str:
    return f"{count} {'entry' if count == 1 else 'entries'}"


def _amount(usage: Usage) -> str:
    videos = f"{usage.videos} video{'' if usage.videos == 1 else 's'}"
    return f"features of {videos}, {_entries(usage.entries)}, {usage.bytes / 1e6:.1f} MB"
