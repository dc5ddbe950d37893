"""``keyframe-bench cache``: features, training pictures and rendered cameras of tables, kept between runs."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from importlib.resources import files

from omegaconf import OmegaConf

from ..core.errors import UsageError
from ..core.files import cache_folder, remove_leftovers, withdraw
from ..training import kept_pictures
from ..video.store import FeatureStore, Usage, features_folder
from .arguments import path_text, split
from .compose import CONFIG_MODULE

# As `bench.training_video` names them: the kind of `data=rendered`, and a digest.
_CAMERA = re.compile(r"camera_[a-z]-[0-9a-f]{20}\.mp4")


def run(arguments: list[str]) -> int:
    """Print how much is kept, or remove it (videos of rendered data sets stay); return 0."""
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
    camera_bytes, n_cameras = _cameras(clear=clear)
    cameras = {"bytes": camera_bytes, "files": n_cameras}
    if "--json" in found.switches:
        prefix = "removed_" if clear else ""
        of_features = {f"{prefix}{k}": v for k, v in vars(amount).items()} | {"limit_bytes": store.limit_bytes}
        of_pictures = {f"{prefix}{k}": v for k, v in pictures.items()} | {"limit_bytes": kept_pictures.LIMIT_BYTES}
        told = {"folder": str(store.folder), **of_features, "pictures": {"folder": str(folder), **of_pictures}}
        of_cameras = {f"{prefix}{k}": v for k, v in cameras.items()}
        print(json.dumps(told | {"cameras": {"folder": str(cache_folder()), **of_cameras}}))
        return 0
    lines = [(_amount(amount), store.folder)]
    if entries:
        lines.append((f"training pictures, {_entries(entries)}, {size / 1e6:.1f} MB", folder))
    if n_cameras:
        lines.append((f"rendered cameras, {_counted(n_cameras, 'video')}, {camera_bytes / 1e6:.1f} MB", cache_folder()))
    for text, where in lines:
        print(f"removed {text} from {path_text(where)}" if clear else f"{text} in {path_text(where)}")
    if not clear:
        print(f"limit of a run: cache_gb={limit_gb:g}; keyframe-bench cache clear removes them")
    return 0


def _cameras(*, clear: bool) -> tuple[int, int]:
    """Return bytes and number of the cameras that tables rendered, and remove them if asked to."""
    folder, found = cache_folder(), []
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            if _CAMERA.fullmatch(path.name):
                with suppress(OSError):  # another process was quicker
                    size = path.stat().st_size
                    if not clear or withdraw(path):
                        found.append(size)
        if clear:
            remove_leftovers(folder)
    return sum(found), len(found)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _entries(count: int) -> str:
    return f"{count} {'entry' if count == 1 else 'entries'}"


def _amount(usage: Usage) -> str:
    return f"features of {_counted(usage.videos, 'video')}, {_entries(usage.entries)}, {usage.bytes / 1e6:.1f} MB"
