"""What the page shows about each video: its facts, and lanes of key frames on one time axis, as data for its script."""

from __future__ import annotations

import base64
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import numpy as np

from ..core.cells import read_choices, read_video_record, thumbnails_folder
from ..core.files import read_file, visible
from ..selection.peaks import highest_of_bins
from ..tables.format import clock, shown
from ..tables.load import per_video
from ..tables.spec import Row, Table
from ..video.health import Health
from .layout import MAX_ON_AXIS, place

if TYPE_CHECKING:
    import pandas as pd

_LANE = ["group", "key", "status", "seed", "n_sampled", "error_type", "error_message"]
_HEX = re.compile(r"[0-9a-f]{6,64}")
_ADDRESS = re.compile(r"(?!/)[A-Za-z0-9_.~/%-]+")
_POINTS = 600  # of the curve of changes


class VideoView:
    """One video: what tables of the page say of it, and ``data`` that the script draws when it is opened.

    It begins with its index among the videos, its records (may be empty), start and duration of the axis in seconds,
    the folder of the run and that of its thumbnails (None: it has none). ``data`` has ``lanes`` of each row with key
    frames, or with the reason why there are none, and ``numbers`` of each row with a text a column (None: not
    measurable); rows are numbers of the table's rows, times are seconds.
    """

    def __init__(
        self,
        index: int,
        name: str,
        record: Mapping[str, Any],
        extent: tuple[float, float],
        out: Path,
        folder: Path | None,
    ) -> None:
        self.index, self.name, self._folder = index, name, folder
        self.health: Mapping[str, Any] = record.get("health") or {}
        self.problems, self.facts = _problems(self.health), list(_facts(record))
        self.rate = f"{float(record['fps']):.5g}" if record.get("fps") else ""
        self.n_results = 0
        self._choices, self._curves = (record.get(part) or {} for part in ("choices", "curves"))
        self._images = _images(folder)
        self._shown: set[int] = set()  # frames with an image
        change = {part: np.asarray((record.get("change") or {}).get(part) or []) for part in ("times", "values")}
        most = highest_of_bins(change["values"], _POINTS)
        self.data: dict[str, Any] = {
            "name": name,
            "facts": self.facts,
            "problems": self.problems,
            "start": extent[0],
            "duration": extent[1],
            "aspect": round(float(record.get("width") or 16) / float(record.get("height") or 9), 4),
            "change": {part: values[most].tolist() for part, values in change.items()},
            "shots": record.get("shots_s") or [],
            "users": [[str(u.get("name", "")), u.get("times") or []] for u in record.get("users") or []],
            "health": [(str(n).replace("_", " "), _plain(v)) for n, v in self.health.items() if n != "notes"],
            "film": _film(out, record.get("address") or ""),
            "filmed": bool(record.get("address")),
            "thumbs": "" if folder is None else f"{folder.relative_to(out).as_posix()}/",
            "curves": {},
            "lanes": [],
            "numbers": [],
        }

    def add_lane(self, number: int, row: Row, cells: Sequence[Mapping[str, Any]], stored: Mapping[str, Any]) -> None:
        """Add the key frames of the row with this number, of its first seed, or why there are none."""
        good = [cell for cell in cells if cell["status"] == "ok"]
        if not good:
            first = cells[0]
            reason = ": ".join(part for part in (first["error_type"], first["error_message"]) if part)
            error = f"{first['status']}: {reason or 'no reason was recorded'}"
            self.data["lanes"].append({"row": number, "error": error})
        elif found := stored.get(good[0]["key"]):
            frames = [int(frame) for frame in found.get("frames") or []]
            lane = {name: found[name] for name in ("times", "scores", "fallback", "shortfall") if found.get(name)}
            lane = {"row": number, "frames": frames, "times": [], **lane, **self._chosen(good[0]["key"], len(frames))}
            of = [("draws", row.draws)] * (row.draws > 1) + [("seeds", len(cells))] * (len(cells) > 1)
            lane["first_of"] = [f"first of {n} {what}" for what, n in of]
            if good[0]["n_sampled"] == good[0]["n_sampled"]:  # NaN where it was not stored
                lane["n_sampled"] = int(good[0]["n_sampled"] or 0)
            if 0 < len(frames) <= MAX_ON_AXIS:
                lane["width"] = width = min(100 / len(frames), 10 * min(1.0, self.data["aspect"]))
                ats = (np.asarray(lane["times"], dtype=float) - self.data["start"]) / self.data["duration"] * 100
                lane["lefts"] = place(np.clip(ats, 0, 100), width).round(2).tolist()
            self._shown |= self._images.keys() & frames
            self.data["lanes"].append(lane)

    def _chosen(self, key: str, n: int) -> dict[str, Any]:
        """Return what a record says of a choice of ``n`` key frames (`bench.cell_records.choice_record`)."""
        choice = self._choices.get(key) or {}
        names = ("segments_s", "frame_scores", "ranks", "why")
        found = {name: choice[name] for name in names if len(choice.get(name) or ()) == n}
        found |= {"lowest": choice["lowest"]} if "lowest" in choice else {}
        if choice.get("curve") in self._curves:
            found["curve"] = choice["curve"]
            self.data["curves"][choice["curve"]] = self._curves[choice["curve"]]
        return found

    def image_bytes(self) -> int:
        """Return how long the images of all key frames are in base64."""
        return sum(self._images[frame] * 4 // 3 for frame in self._shown)

    def text(self, *, inside: bool) -> str:
        """Return `data` as JSON without "<", with the images in it, or with the frames that have one beside the page.

        Text is made safe to display.
        """
        frames = sorted(self._shown)
        if not inside or self._folder is None:
            return as_json(self.data | {"images": frames})
        images = {}
        for frame in frames:
            with suppress(OSError):  # it was removed meanwhile
                images[frame] = base64.b64encode(read_file(self._folder / f"{frame}.jpg")).decode("ascii")
        return as_json(self.data | {"images": images})


def as_json(value: Any) -> str:
    """Return ``value`` as JSON that may stand in a script element; its texts are safe to display."""
    text = json.dumps(_shown(value), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {key: _shown(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)) and value and not isinstance(value[0], (int, float)):  # numbers are most of it
        return [_shown(part) for part in value]
    return value


def video_views(out: Path, cells: pd.DataFrame, stored: Mapping[str, Any], table: Table) -> list[VideoView]:
    """Return one view per video, in order of name.

    ``cells`` are those of `tables.load_results` without repetitions, ``stored`` their key frames by key.
    """
    videos = cells.drop_duplicates("video").sort_values("video", kind="stable")
    numbers = {column.name: per_video(cells, column.name).to_dict() for column in table.columns}
    parts: dict[str, list[Mapping[Any, Any]]] = defaultdict(list)  # plain data: a frame per video and row is slow
    for cell in cells[["video", "video_sha256", "video_record", *_LANE]].to_dict("records"):
        parts[cell["video"]].append(cell)
    views = []
    for index, (video_id, name) in enumerate(zip(videos["video_id"], videos["video"], strict=True)):
        part = parts[name]
        sha, file = str(part[-1]["video_sha256"]), str(part[-1]["video_record"])
        # What comes from a file must not become part of a path unseen.
        known = bool(_HEX.fullmatch(sha) and _HEX.fullmatch(file))
        record = read_video_record(out / "videos" / f"{file}.json", str(name), sha, []) if known else None
        record = record or {}  # a run names what is no record
        more = read_choices(out / "videos" / f"{file}.json") if known else {}
        folder = thumbnails_folder(out, sha) if known else None
        folder = folder if folder is not None and folder.is_dir() else None  # a video without pixels has none
        view = VideoView(index, str(name), {**record, **more}, _extent(record, part, stored), out, folder)
        of_row: dict[str, list[Mapping[Any, Any]]] = defaultdict(list)
        for one in sorted(part, key=lambda one: int(one["seed"])):
            of_row[one["group"]].append(one)
        for number, row in enumerate(table.rows):
            if row.group in of_row:
                view.add_lane(number, row, of_row[row.group], stored)
            values = [numbers[column.name].get((row.group, str(video_id))) for column in table.columns]
            if any(value is not None for value in values):
                both = zip(values, map(table.scale, table.columns), strict=True)
                texts = [None if value is None else shown(float(value), scale) for value, scale in both]
                view.data["numbers"].append((number, texts))
        view.n_results = sum(cell["status"] == "ok" for cell in part)
        views.append(view)
    return views


def _images(folder: Path | None) -> dict[int, int]:
    """Return the frames of which there is an image, with its size in bytes."""
    found = {}
    for file in folder.iterdir() if folder is not None else ():
        if file.suffix == ".jpg" and file.stem.isdecimal():
            with suppress(OSError):  # it was removed meanwhile
                found[int(file.stem)] = file.stat().st_size
    return found


def _film(out: Path, address: str) -> str:
    """Return the address of the video file as the page may use it; "" if no file lies there."""
    there = _ADDRESS.fullmatch(address) and (out / os.fsdecode(unquote_to_bytes(address))).is_file()
    return address if there else ""


def _extent(
    record: Mapping[str, Any], part: Sequence[Mapping[str, Any]], stored: Mapping[str, Any]
) -> tuple[float, float]:
    start, duration = float(record.get("start_s") or 0.0), float(record.get("duration_s") or 0.0)
    if duration > 0:
        return start, duration
    times = [t for cell in part for t in (stored.get(cell["key"]) or {}).get("times") or []]
    low, high = (min(times), max(times)) if times else (start, start + 1.0)
    return low, max(high - low, 1e-3) * 1.02


def _facts(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield duration, size, rate, frames and shots, those that are known."""
    if record.get("duration_s"):
        yield clock(float(record["duration_s"]))
    if record.get("width") and record.get("height"):
        yield f"{record['width']} \N{MULTIPLICATION SIGN} {record['height']}"
    if record.get("fps"):
        yield f"{float(record['fps']):.5g} fps"
    if record.get("n_frames"):
        yield f"{int(record['n_frames'])} frames"
    if record.get("shots_s"):
        yield f"{len(record['shots_s'])} shot{'s' if len(record['shots_s']) > 1 else ''}"


def _problems(health: Mapping[str, Any]) -> list[str]:
    """Return what a reader should know about a damaged or unusual file."""
    names = {field.name for field in fields(Health)}
    return list(Health(**{k: v for k, v in health.items() if k in names and v is not None}).problems)


def _plain(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(" + ".join(map(_plain, v)) if isinstance(v, list) else _plain(v) for v in value) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
