"""What sampled frames show: of a list of labels, of folders named by classes, or of videos whose clips are known."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keyframe_bench.core.clip import Clip
from keyframe_bench.core.errors import UsageError, os_reason, suggestion
from keyframe_bench.core.files import MAX_JSON_BYTES, read_file, read_json
from keyframe_bench.datasets.base import VideoItem
from keyframe_bench.video.compose import FPS

LABELS_FILE = "labels.csv"


def shown_labels(
    item: VideoItem, clip: Clip, say: Callable[[str], None]
) -> tuple[NDArray[np.object_], NDArray[np.float64], NDArray[np.bool_]]:
    """Return what each sampled frame of a video shows, where in a clip of other videos that is, and if it is clear.

    The labels are those of ``labels.csv`` in the root of the data set (``file,label`` or ``file,label,start_s,end_s``,
    one line a range); without it, of an edited video the clips it is made of, of a rendered film its kind; else the
    name of the first folder below the root: ``CLASS/video.mp4``.

    Parameters
    ----------
    item : VideoItem
    clip : Clip
        Its N sampled frames.
    say : callable
        Told, in one sentence, which ranges of ``labels.csv`` hold none of them.

    Returns
    -------
    labels : object [N]
        Text, "" where nothing is known. A range of ``labels.csv`` is from start_s on, before end_s: presentation times
        in seconds as the file states them (PTS), as everywhere in this project. Of overlapping ranges the last counts.
    moments : float64 [N]
        Seconds from the beginning of the clip that is shown; NaN where that is not an edited video's.
    clear : bool [N]
        False within dissolves, which show two clips.

    Raises
    ------
    UsageError
        If nothing of these says what the video shows, or the file is wrong.
    """
    root = _root(item)
    labels, moments = np.full(len(clip), "", dtype=object), np.full(len(clip), np.nan)
    clear = np.ones(len(clip), dtype=bool)
    if (root / LABELS_FILE).is_file():
        for inside, label in _ranges(item, clip, root / LABELS_FILE, say):
            labels[inside] = label
    elif (root / "composed.json").is_file():
        made = read_json(root / "composed.json")["videos"][item.id]
        for shot in made["shots"]:
            inside = (clip.ordinals >= shot["frames"][0]) & (clip.ordinals < shot["frames"][1])
            labels[inside] = shot["clip"]
            moments[inside] = shot["clip_s"][0] + (clip.ordinals[inside] - shot["frames"][0]) / FPS
        for first, end in made["dissolves"]:
            clear[(clip.ordinals >= first) & (clip.ordinals < end)] = False
    elif (root / "rendered.json").is_file():
        labels[:] = read_json(root / "rendered.json")["videos"][item.id]["kind"]
    elif "/" in item.id:
        labels[:] = item.id.partition("/")[0]
    else:
        raise UsageError(
            f"nothing says what {item.id!r} shows: put it into a folder named by its class, or write "
            f"{str(root / LABELS_FILE)!r} with the columns file,label (and start_s,end_s)"
        )
    return labels, moments, clear


def _ranges(
    item: VideoItem, clip: Clip, file: Path, say: Callable[[str], None]
) -> Iterator[tuple[NDArray[np.bool_], str]]:
    """Yield which sampled frames each range of a video holds, and its label; then say which lines hold none."""
    empty = []
    for number, label, start, end in _listed(file).get(item.id, ()):
        inside = (clip.times >= start) & (clip.times < end)
        empty += [] if inside.any() else [str(number)]
        yield inside, label
    if empty:
        lines = f"line{'s' * (len(empty) > 1)} {', '.join(empty[:5])}{', ...' * (len(empty) > 5)}"
        times = f"{clip.times[0]:.6g} to {clip.times[-1]:.6g} s (PTS)"
        say(f"{str(file)!r}, {lines}: no sampled frame of {item.id!r} is there; they are at {times}")


def _root(item: VideoItem) -> Path:
    return Path(item.path).parents[item.id.count("/")]


def refuse_unknown(items: Sequence[VideoItem]) -> None:
    """Raise `UsageError` where a ``labels.csv`` is wrong, or names a file that is not there."""
    videos = [item.id for item in items]
    for file in {_root(item) / LABELS_FILE for item in items}:
        for name in _listed(file) if file.is_file() else ():
            if name not in videos and not (file.parent / name).exists():
                hint = suggestion(name, videos, "give its path below the root of the data set")
                raise UsageError(f"{str(file)!r} labels {name!r}, which is not in the data set; {hint}")


def _listed(file: Path) -> dict[str, list[tuple[int, str, float, float]]]:
    """Return by video: line, label, start and end in seconds; `UsageError` says what is wrong with the file."""
    found: dict[str, list[tuple[int, str, float, float]]] = {}
    try:
        lines = list(csv.reader(read_file(file, MAX_JSON_BYTES).decode("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{str(file)!r} cannot be read ({os_reason(error)}); save it as CSV in UTF-8") from None
    header, *rows = lines or [[]]
    told = f"begins with {','.join(header)!r}" if header else "is empty"
    if not {"file", "label"} <= set(header) <= {"file", "label", "start_s", "end_s"}:
        raise UsageError(f"{str(file)!r} {told}; its first line must be file,label or file,label,start_s,end_s")
    for number, words in [(i, words) for i, words in enumerate(rows, 2) if words]:
        at, row = f"{str(file)!r}, line {number}", dict(zip(header, words, strict=False))
        if len(words) != len(header) or not row["file"] or not row["label"]:
            raise UsageError(f"{at} is {','.join(words)!r}, not {','.join(header)}")
        try:
            start, end = float(row.get("start_s") or "-inf"), float(row.get("end_s") or "inf")
        except ValueError as error:
            raise UsageError(f"{at}: {error}; give seconds") from None
        if not start < end:
            raise UsageError(f"{at}: start_s {start:g} is not before end_s {end:g}")
        found.setdefault(row["file"], []).append((number, row["label"], start, end))
    if not found:
        raise UsageError(f"{str(file)!r} labels no video; write a line {','.join(header)} for each")
    return found


def of_one_video(labels: Iterable[NDArray[np.object_]]) -> list[str]:
    """Return the labels, of the frames of each video, that one video has only."""
    videos = Counter(label for each in labels for label in set(each) - {""})
    return sorted(label for label, n in videos.items() if n == 1)
