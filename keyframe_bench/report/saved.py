"""The files of an extraction in its folder: those of an earlier one make way, those of the user stay."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..core.errors import OutputError
from ..core.files import read_json
from .key_clips import CLIPS_FOLDER, earlier_clip_files


def replace_files(staging: Path, target: Path) -> None:
    """Move every file below ``staging`` to the same place below ``target``, then remove what was of an earlier one.

    Raises
    ------
    OutputError
        When a folder stands where a file must go, or a file where a folder must; nothing was moved then.
    OSError
    """
    names = {path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file()}
    folders = {Path(name).parent for name in names} - {Path()}
    for name in sorted(names):
        if (target / name).is_dir():
            raise OutputError(target / name, "there is a folder of that name")
    for folder in folders:
        if (target / folder).exists() and not (target / folder).is_dir():
            raise OutputError(target / folder, "there is a file of that name")
    earlier = _earlier_pictures(target) | earlier_clip_files(target)
    for folder in folders:
        (target / folder).mkdir(exist_ok=True)
    for name in sorted(names, key=lambda name: (name.endswith(".json"), name)):  # the records last
        os.replace(staging / name, target / name)
    for name in earlier - names:
        (target / name).unlink(missing_ok=True)
    if any(name.startswith(f"{CLIPS_FOLDER}/") for name in earlier):
        with suppress(OSError):  # it is not empty
            (target / CLIPS_FOLDER).rmdir()


def _earlier_pictures(target: Path) -> set[str]:
    try:
        names = set(map(str, read_json(target / "keyframes.json")["images"]))
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in names if name.startswith("frame_") and Path(name).name == name}
