"""The annotation file: JSON that says, for every video of a folder, its shots, events and the users' key frames.

::

    {"format": "keyframe_bench/annotations@1",
     "videos": {
       "day 1/film.mp4": {
         "shots":  [[0, 59], [59, 97]],
         "events": [[12, 40]],
         "users":  {"anna": {"frames": [29, 78]}, "ben": {"times": [1.2, 3.1]}}}}}

Names are paths below the folder with forward slashes. Shots and events are half-open ranges ``[first, end)`` of decoder
ordinals (0-based); shots are in order and do not overlap, events are in order of their first frame. A user has either
``frames`` (ordinals) or ``times`` (PTS in seconds), increasing. Every key of a video may be left out.

A file that ends in ``.csv`` holds key frames alone, a line for each in any order; repeated ones count once, and a user
who chose none has a line without a number::

    video,user,frame
    day 1/film.mp4,anna,29

or, with times in seconds, ``video,user,time``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation, UserSummary
from ..core.errors import UsageError, os_reason, suggestion
from ..core.files import read_file, write_atomic

FORMAT = "keyframe_bench/annotations@1"
FILE_NAME = "annotations.json"
_LATEST_S = 1e12  # no film lasts that long, and a number of 400 digits fits no array


def read_annotations(path: str | Path, names: Collection[str] | None = None) -> dict[str, Annotation]:
    """Read an annotation file, strictly.

    Parameters
    ----------
    path : str or Path
        The JSON or CSV file, UTF-8.
    names : collection of str, optional
        The videos there are; an annotated video not among them is an error.

    Returns
    -------
    dict of str to Annotation
        By video, in the file's order; shots and events int64 [., 2].

    Raises
    ------
    UsageError
        Naming the file, the video or line, and what is wrong.
    """
    where = f"annotation file {str(path)!r}"
    if Path(path).suffix.lower() == ".csv":
        picks = _read_picks(read_annotation_file(path), where)
        _check_names(picks, names, where)
        return picks
    document = parse_document(read_annotation_file(path), where)
    check_object(document, {"format", "videos"}, where)
    videos = document.get("videos")
    if document.get("format") != FORMAT or not isinstance(videos, dict):
        found = f"{shown(document.get('format'))} and {shown(videos)}"
        raise UsageError(f'{where}: "format" and "videos" are {found}, not "{FORMAT}" and an object of videos by name')
    _check_names(videos, names, where)
    return {name: _read_video(entry, f"{where}, video {name!r}") for name, entry in videos.items()}


def _check_names(videos: Collection[str], names: Collection[str] | None, where: str) -> None:
    for name in videos:
        if names is not None and name not in names:
            hint = suggestion(name, names, "names are paths below the folder, with forward slashes")
            raise UsageError(f"{where}: there is no video {name!r} in the folder; {hint}")


def _read_picks(data: bytes, where: str) -> dict[str, Annotation]:
    """Return users and key frames by video from the lines of a CSV file."""
    try:
        lines = [[word.strip() for word in row] for row in csv.reader(data.decode("utf-8-sig").splitlines())]
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{where} is not CSV in UTF-8: {error}") from error
    header = lines[0] if lines else []
    if header[:2] != ["video", "user"] or header[2:] not in (["frame"], ["time"]):
        raise UsageError(f"{where} begins with {','.join(header)!r}, not with video,user,frame or video,user,time")
    read, key = (int, "frames") if header[2] == "frame" else (float, "times")
    chosen: dict[str, dict[str, list[Any]]] = {}
    for i, row in enumerate(lines[1:], 2):
        if not row:
            continue
        at = f"{where}, line {i}"
        if len(row) != 3 or not row[0] or not row[1]:
            raise UsageError(f"{at} is {','.join(row)!r}, not {','.join(header)}")
        picks = chosen.setdefault(row[0], {}).setdefault(row[1], [])
        if row[2]:
            try:
                picks.append(read(row[2]))
            except ValueError:
                picks.append(row[2])
            read_numbers(picks[-1:], at, times=key == "times")
    return {
        video: Annotation(tuple(UserSummary(user, **{key: np.unique(n)}) for user, n in users.items()))
        for video, users in chosen.items()
    }


def write_annotations(path: str | Path, mapping: Mapping[str, Annotation]) -> None:
    """Write ``mapping`` (video to annotation) as an annotation file; what `read_annotations` reads.

    Users that have both are written with their ``frames``. `OutputError` if the file cannot be written.
    """
    write_atomic(Path(path), annotations_text(mapping))


def annotations_text(mapping: Mapping[str, Annotation]) -> str:
    """Return ``mapping`` (video to annotation) as the text of an annotation file, one video a line."""
    lines = [f"  {json.dumps(name)}: {json.dumps(_plain(annotation))}" for name, annotation in mapping.items()]
    return f'{{"format": "{FORMAT}",\n "videos": {{\n' + ",\n".join(lines) + "\n }}\n"


def _plain(annotation: Annotation) -> dict[str, Any]:
    spans = {"shots": annotation.shots, "events": annotation.events}
    entry: dict[str, Any] = {key: np.asarray(found).tolist() for key, found in spans.items() if found is not None}
    users = {}
    for user in annotation.users:
        key = "times" if user.frames is None and user.times is not None else "frames"
        values = getattr(user, key)
        users[user.name] = {key: [] if values is None else np.asarray(values).tolist()}
    return {**entry, "users": users} if users else entry


def read_annotation_file(path: str | Path) -> bytes:
    """Return the bytes of an annotation file; `UsageError` if it cannot be read."""
    try:
        return read_file(path)
    except OSError as error:
        reason = os_reason(error)
        raise UsageError(f"annotation file {str(path)!r} cannot be read: {reason}; give another one") from error


def parse_document(data: bytes, where: str) -> Any:
    """Return what JSON text says; `UsageError` where it is no JSON, or a name appears twice in an object."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"the key {key!r} appears twice")
            found[key] = value
        return found

    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise UsageError(f"{where} is not valid JSON: {error}") from error


def _read_video(entry: Any, where: str) -> Annotation:
    check_object(entry, {"shots", "events", "users"}, where)
    spans: dict[str, Any] = {
        key: _read_spans(entry[key], f'{where}: "{key}"') for key in ("shots", "events") if key in entry
    }
    for key, found in spans.items():
        late = found[1:, 0] < found[:-1, int(key == "shots")]  # ends of shots
        if late.any():
            one, two = found[late.argmax() :][:2].tolist()
            raise UsageError(f'{where}: "{key}" {one} and {two} {"overlap or " * (key == "shots")}are not in order')
    users = entry.get("users", {})
    check_object(users, users, f'{where}: "users"')
    return Annotation(tuple(_read_user(name, user, where) for name, user in users.items()), **spans)


def _read_user(name: str, entry: Any, where: str) -> UserSummary:
    where = f"{where}, user {name!r}"
    check_object(entry, {"frames", "times"}, where)
    if not name.strip() or len(entry) != 1:
        raise UsageError(f'{where}: a user has a name and either "frames" or "times"')
    ((key, values),) = entry.items()
    found = read_numbers(values, f'{where}: "{key}"', times=key == "times")
    if np.any(found[1:] <= found[:-1]):
        raise UsageError(f'{where}: "{key}" are not increasing')
    return UserSummary(name, **{key: found})


def _read_spans(values: Any, where: str) -> NDArray[np.int64]:
    check_list(values, where)
    for pair in values:
        if not isinstance(pair, list) or len(read_numbers(pair, where)) != 2 or pair[1] <= pair[0]:
            why = "is not a pair [first, end], or empty: the end is the frame after the last one"
            raise UsageError(f"{where} has {shown(pair)}, which {why}")
    return np.array(values, dtype=np.int64).reshape(-1, 2)


def read_numbers(values: Any, where: str, *, times: bool = False) -> NDArray[Any]:
    """Return a list of times in seconds as float64, or of ordinals as int64."""
    check_list(values, where)
    for value in values:
        number = isinstance(value, (int, float) if times else int) and not isinstance(value, bool)
        if not number or not 0 <= value <= (_LATEST_S if times else 2**63 - 1):
            what = "a time in seconds from 0 to 1e12" if times else "a frame number (a whole number of at least 0)"
            raise UsageError(f"{where} has {shown(value)}, which is not {what}")
    return np.array(values, dtype=np.float64 if times else np.int64)


def check_list(values: Any, where: str) -> None:
    """Raise `UsageError` unless ``values`` is a list."""
    if not isinstance(values, list):
        raise UsageError(f"{where} has {shown(values)}, not a list")


def check_object(entry: Any, known: Collection[str], where: str) -> None:
    """Raise `UsageError` unless ``entry`` is an object whose names are all ``known``."""
    if not isinstance(entry, dict):
        raise UsageError(f"{where} is {shown(entry)}, not an object")
    for key in entry:
        if key not in known:
            raise UsageError(f"{where}: unknown key {key!r}; {suggestion(key, sorted(known))}")


def shown(value: Any) -> str:
    """Return a value as JSON, shortened, for messages."""
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
