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
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation, UserSummary
from ..core.errors import UsageError, suggestion
from ..core.files import read_file, write_atomic

FORMAT = "keyframe_bench/annotations@1"
FILE_NAME = "annotations.json"
_LATEST_S = 1e12  # no film lasts that long, and a number of 400 digits fits no array


def read_annotations(path: str | Path, names: Collection[str] | None = None) -> dict[str, Annotation]:
    """Read an annotation file, strictly.

    Parameters
    ----------
    path : str or Path
        The JSON file, UTF-8.
    names : collection of str, optional
        The videos there are; an annotated video not among them is an error.

    Returns
    -------
    dict of str to Annotation
        By video, in the file's order; shots and events int64 [., 2].

    Raises
    ------
    UsageError
        Naming the file, the video and what is wrong.
    """
    document = _parse(Path(path))
    where = f"annotation file {str(path)!r}"
    _check_keys(document, {"format", "videos"}, where)
    if document.get("format") != FORMAT:
        raise UsageError(f'{where}: "format" is {_show(document.get("format"))}; this version reads "{FORMAT}"')
    videos = document.get("videos")
    if not isinstance(videos, dict):
        raise UsageError(f'{where}: "videos" is {_show(videos)}, not an object of videos by name')
    for name in videos:
        if names is not None and name not in names:
            hint = suggestion(name, names, "names are paths below the folder, with forward slashes")
            raise UsageError(f"{where}: there is no video {name!r} in the folder; {hint}")
    return {name: _read_video(entry, f"{where}, video {name!r}") for name, entry in videos.items()}


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


def _parse(path: Path) -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not a number")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"the key {key!r} appears twice")
            found[key] = value
        return found

    try:
        text = read_file(path).decode("utf-8-sig")
        document = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"annotation file {str(path)!r} cannot be read: {reason}; give another one") from error
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise UsageError(f"annotation file {str(path)!r} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f'annotation file {str(path)!r} is not an object with "format" and "videos"')
    return document


def _read_video(entry: Any, where: str) -> Annotation:
    _check_keys(entry, {"shots", "events", "users"}, where)
    users = entry.get("users", {})
    if not isinstance(users, dict):
        raise UsageError(f'{where}: "users" is {_show(users)}, not an object of users by name')
    spans = {key: _read_spans(entry[key], f'{where}: "{key}"') for key in ("shots", "events") if key in entry}
    shots, events = spans.get("shots"), spans.get("events")
    if shots is not None and np.any(late := shots[1:, 0] < shots[:-1, 1]):
        first = int(np.argmax(late))
        one, two = shots[first].tolist(), shots[first + 1].tolist()
        raise UsageError(f'{where}: "shots" {one} and {two} overlap or are not in order')
    if events is not None and np.any(np.diff(events[:, 0]) < 0):
        raise UsageError(f'{where}: "events" are not in order of their first frame')
    return Annotation(tuple(_read_user(name, user, where) for name, user in users.items()), shots, events)


def _read_user(name: str, entry: Any, where: str) -> UserSummary:
    where = f"{where}, user {name!r}"
    if not name.strip():
        raise UsageError(f"{where}: a user needs a name")
    _check_keys(entry, {"frames", "times"}, where)
    if len(entry) != 1:
        raise UsageError(f'{where}: give either "frames" or "times"' + (", not both" if entry else ""))
    key, values = next(iter(entry.items()))
    what = f'{where}: "{key}"'
    if not isinstance(values, list):
        raise UsageError(f"{what} is {_show(values)}, not a list")
    for value in values:
        if key == "frames":
            _check_ordinal(value, what)
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LATEST_S:
            raise UsageError(f"{what} has {_show(value)}, which is not a time in seconds from 0 to 1e12")
    if any(b <= a for a, b in pairwise(values)):
        raise UsageError(f"{what} are not increasing")
    if key == "frames":
        return UserSummary(name, frames=np.array(values, dtype=np.int64))
    return UserSummary(name, times=np.array(values, dtype=np.float64))


def _read_spans(values: Any, where: str) -> NDArray[np.int64]:
    if not isinstance(values, list):
        raise UsageError(f"{where} is {_show(values)}, not a list of [first, end] pairs")
    for pair in values:
        if not isinstance(pair, list) or len(pair) != 2:
            raise UsageError(f"{where} has {_show(pair)}, which is not a pair [first, end]")
        for ordinal in pair:
            _check_ordinal(ordinal, where)
        if pair[1] <= pair[0]:
            raise UsageError(f"{where} has {_show(pair)}, which is empty; the end is the frame after the last one")
    return np.array(values, dtype=np.int64).reshape(-1, 2)


def _check_ordinal(value: Any, where: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise UsageError(f"{where} has {_show(value)}, which is not a frame number (a whole number of at least 0)")


def _check_keys(entry: Any, known: set[str], where: str) -> None:
    if not isinstance(entry, dict):
        raise UsageError(f"{where} is {_show(entry)}, not an object")
    for key in entry:
        if key not in known:
            raise UsageError(f"{where}: unknown key {key!r}; {suggestion(key, sorted(known))}")


def _show(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
