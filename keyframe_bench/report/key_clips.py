"""The files of an extraction: key clips with their record, and what makes way for them in a folder."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import OutputError
from ..core.files import make_hidden_folder, printable, read_json, remove_leftovers
from ..selection.key_clips import ClipRules, KeyClips, key_clips
from ..video.clips import ClipFile, write_clips
from ..video.frame_folder import Video
from ..video.onepass import Pass

CLIPS_FOLDER, CLIPS_RECORD = "clips", "clips.json"
_OURS = re.compile(r"clips/clip_\d+\.(mp4|webm)")
_EXPORTS = re.compile(r"keyframes\.(csv|otio|edl|fcpxml)|chapters\.(vtt|ffmetadata)|thumbnails(_\d+\.jpg|\.vtt)")


def clips_of(keyframes: NDArray[np.int64], read: Pass, rules: ClipRules) -> KeyClips:
    """Return the clips that the key frames (ordinals) of a video mean."""
    return key_clips(keyframes, read.times, read.info.duration_s, rules)


def write_key_clips(
    path: Video, keyframes: NDArray[np.int64], read: Pass, rules: ClipRules, folder: Path
) -> dict[str, Any]:
    """Write the clips of the ``keyframes`` (ordinals) into ``folder/clips`` and their record as ``folder/clips.json``.

    Raises `VideoError`, `OutputError` as `write_clips` does.

    The record: ``n_clips``; ``saved_s`` and ``saved_duration_ratio``, the seconds of all clips, and over the video's;
    ``bytes`` of all files, ``video_bytes`` of the source's video packets and ``byte_ratio``, the one over the other;
    ``rules``; ``clips``, a mapping each: ``file``, ``start_s``, ``end_s`` and ``frames`` (half-open, as written),
    ``keyframes`` in it, ``copied`` or encoded again, and the ``reason``, ``bytes``.
    """
    clips = clips_of(keyframes, read, rules)
    spans = [(first, end) for first, end in clips.frames.tolist()]
    files, video_bytes = write_clips(path, spans, folder / CLIPS_FOLDER, read, snap_s=rules.snap_s)
    entries = [_entry(file, clips, n, keyframes, read) for n, file in enumerate(files)]
    saved_s = sum(entry["end_s"] - entry["start_s"] for entry in entries)
    n_bytes = sum(file.bytes for file in files)
    record = {
        "video": printable(path.name),
        "video_sha256": read.info.sha256,
        "rules": rules.params,
        "n_clips": len(files),
        "saved_s": saved_s,
        "saved_duration_ratio": saved_s / read.info.duration_s if read.info.duration_s > 0 else 0.0,
        "bytes": n_bytes,
        "video_bytes": video_bytes,
        "byte_ratio": n_bytes / video_bytes if video_bytes else 0.0,
        "clips": entries,
    }
    (folder / CLIPS_RECORD).write_text(json.dumps(record, indent=1, allow_nan=False), "utf-8")
    return record


def _entry(file: ClipFile, clips: KeyClips, n: int, keyframes: NDArray[np.int64], read: Pass) -> dict[str, Any]:
    (first, end), (start_s, end_s) = clips.frames[n], clips.times[n]
    if file.first < first:  # widened
        start_s = read.times[file.first]
    if file.end > end:
        end_s = read.times[file.end] if file.end < len(read.times) else read.times[0] + read.info.duration_s
    return {
        "file": f"{CLIPS_FOLDER}/{file.name}",
        "start_s": float(start_s),
        "end_s": float(end_s),
        "frames": [file.first, file.end],
        "keyframes": keyframes[(keyframes >= file.first) & (keyframes < file.end)].tolist(),
        "copied": file.copied,
        "reason": file.reason,
        "bytes": file.bytes,
    }


def _earlier_clips(folder: Path) -> set[str]:
    """Return names, below ``folder``, of the record and the clips that an earlier extraction left there."""
    try:
        record = read_json(folder / CLIPS_RECORD)
        names = {str(entry["file"]) for entry in record["clips"]} if record["rules"] else set()
    except (OSError, ValueError, KeyError, TypeError):  # there is none, or it is not ours
        return set()
    return {CLIPS_RECORD, *filter(_OURS.fullmatch, names)}


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """Yield a hidden folder whose files take the place of earlier ones in ``target`` if the ``with`` block ends well.

    Otherwise ``target`` stays as it was. Raises `OutputError` where it cannot be written.
    """
    is_new = not target.exists()
    staging = make_hidden_folder(target)
    try:
        yield staging
        _replace_files(staging, target)
    except OutputError as error:
        raise OutputError(error.path.replace(str(staging), str(target)), error.reason) from error
    except OSError as error:
        raise OutputError(target, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if is_new and not any(target.iterdir()):
            target.rmdir()
    remove_leftovers(target)


def _replace_files(staging: Path, target: Path) -> None:
    """Move every file below ``staging`` to the same place below ``target``, then remove what was of an earlier one.

    Raises `OutputError` when a folder stands where a file must go, or a file where a folder must; nothing was moved
    then; `OSError`.
    """
    names = {path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file()}
    folders = {Path(name).parent for name in names} - {Path()}
    for name in sorted(names):
        if (target / name).is_dir():
            raise OutputError(target / name, "there is a folder of that name")
    for folder in folders:
        if (target / folder).exists() and not (target / folder).is_dir():
            raise OutputError(target / folder, "there is a file of that name")
    earlier = _earlier_pictures(target) | _earlier_clips(target)
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
    """Return names of the images and exports that an earlier extraction left there."""
    try:
        record = read_json(target / "keyframes.json")
        names, exports = set(map(str, record["images"])), set(map(str, record.get("exports", ())))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()
    pictures = {name for name in names if name.startswith("frame_") and Path(name).name == name}
    return {*pictures, *filter(_EXPORTS.fullmatch, exports)}
