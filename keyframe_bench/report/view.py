"""What the page shows about each video: its facts, and lanes of key frames on one time axis."""

from __future__ import annotations

import base64
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.cells import read_video_record, thumbnails_folder
from ..core.files import read_file
from ..tables.format import clock, shown
from ..tables.load import per_video
from ..tables.spec import Row, Table
from ..video.health import Health
from .layout import MAX_ON_AXIS, axis, curve, percent, place

if TYPE_CHECKING:
    import pandas as pd

_LANE = ["group", "key", "status", "seed", "error_type", "error_message"]
_HEX = re.compile(r"[0-9a-f]{6,64}")


class VideoView:
    """One video for the template; places on the axis are percentages.

    It begins with the index of its section, its record (may be empty), start and duration of the axis in seconds, and
    the folder of its thumbnails. ``lanes`` are of each row with key frames, or with the reason why there are none;
    ``numbers`` of each row label, role, and a text a column (None: not measurable); ``pictures`` is CSS class to base64
    of the images shown.
    """

    def __init__(
        self, index: int, name: str, record: Mapping[str, Any], extent: tuple[float, float], folder: Path | None
    ) -> None:
        self.index, self.name, self._folder = index, name, folder
        self.start, self.duration = extent
        self.health: Mapping[str, Any] = record.get("health") or {}
        self.problems, self.facts = _problems(self.health), list(_facts(record))
        self.health_texts = [(str(n).replace("_", " "), _plain(v)) for n, v in self.health.items() if n != "notes"]
        self.aspect = round(float(record.get("width") or 16) / float(record.get("height") or 9), 4)
        self.rate = f"{float(record['fps']):.5g}" if record.get("fps") else ""
        self.axis = axis(*extent)
        change = record.get("change") or {}
        values = np.asarray(change.get("values") or [], dtype=np.float64)
        top = float(values.max()) if values.size else 0.0
        self.top, self.path = f"{top:.1f}", curve(self._at(change.get("times") or []), values, top)
        self.shots = [self._at(shot).tolist() for shot in record.get("shots_s") or []]
        self.users = []
        for user in record.get("users") or []:
            times = [float(t) for t in user.get("times") or []]
            marks = [*zip(self._at(times).tolist(), map(clock, times), strict=True)]
            self.users.append((str(user.get("name", "")), marks))
        self.pictures: dict[str, str] = {}
        self.n_results = 0
        self.lanes: list[dict[str, Any]] = []
        self.numbers: list[tuple[str, str, list[str | None]]] = []

    def _at(self, times: Sequence[float]) -> NDArray[np.float64]:
        return percent(times, self.start, self.duration)

    def add_lane(self, row: Row, cells: Sequence[Mapping[str, Any]], keyframes: Mapping[str, Any]) -> None:
        """Add the key frames of a row, of its first seed; the annotation lanes show those of human annotators."""
        lane: dict[str, Any] = {"label": row.label, "role": row.role, "detail": "", "thumbs": [], "error": ""}
        good = [cell["key"] for cell in cells if cell["status"] == "ok"]
        if not good:
            first = cells[0]
            reason = ": ".join(part for part in (first["error_type"], first["error_message"]) if part)
            self.lanes.append(lane | {"error": f"{first['status']}: {reason or 'no reason was recorded'}"})
        elif found := keyframes.get(good[0]):
            thumbs = self._thumbs(found)
            detail = [f"{len(thumbs)} frame{'s' if len(thumbs) != 1 else ''}"]
            detail += [f"{name} {getattr(row, name)}" for name in ("budget", "sampling") if getattr(row, name)]
            detail += [f"{name}: {found[name]}" for name in ("fallback", "shortfall") if found.get(name)]
            detail += [f"first of {row.draws} draws"] * (row.draws > 1)
            detail += [f"first of {len(cells)} seeds"] * (len(cells) > 1)
            lane |= {"detail": ", ".join(detail), "thumbs": thumbs, "on_axis": 0 < len(thumbs) <= MAX_ON_AXIS}
            if lane["on_axis"]:
                lane["width"] = width = min(100 / len(thumbs), 10 * min(1.0, self.aspect))
                lefts = place(np.array([thumb["at"] for thumb in thumbs]), width).tolist()
                for thumb, left, edge in zip(thumbs, lefts, [0.0, *(left + width for left in lefts)], strict=False):
                    thumb |= {"left": left, "gap": max(0.0, left - edge)}
            self.lanes.append(lane)

    def _thumbs(self, found: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return key frames with the CSS class of their image (empty: there is none), time and place on the axis."""
        times = [float(t) for t in found.get("times") or []]
        scores = found.get("scores") or [None] * len(times)
        thumbs = []
        for frame, time, score, at in zip(found.get("frames") or [], times, scores, self._at(times), strict=False):
            title = f"{clock(time)}, frame {int(frame)}" + ("" if score is None else f", score {float(score):.4g}")
            thumbs.append({"css": self._picture(int(frame)), "clock": clock(time), "title": title, "at": float(at)})
        return thumbs

    def _picture(self, frame: int) -> str:
        """Return the CSS class of a frame's image, read on first use; empty if there is none."""
        css = f"v{self.index}f{frame}"
        if css not in self.pictures and self._folder is not None:
            try:
                data = read_file(self._folder / f"{frame}.jpg")
            except OSError:
                return ""
            self.pictures[css] = base64.b64encode(data).decode("ascii")
        return css if css in self.pictures else ""


def video_views(out: Path, cells: pd.DataFrame, keyframes: Mapping[str, Any], table: Table) -> list[VideoView]:
    """Return one view per video, in order of name.

    ``cells`` are those of `tables.load_results` without repetitions, ``keyframes`` what each stores, by key.
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
        folder = thumbnails_folder(out, sha) if known else None
        folder = folder if folder is not None and folder.is_dir() else None  # a video without pixels has none
        view = VideoView(index, str(name), record, _extent(record, part, keyframes), folder)
        of_row: dict[str, list[Mapping[Any, Any]]] = defaultdict(list)
        for one in sorted(part, key=lambda one: int(one["seed"])):
            of_row[one["group"]].append(one)
        for row in table.rows:
            if row.group in of_row:
                view.add_lane(row, of_row[row.group], keyframes)
            values = [numbers[column.name].get((row.group, str(video_id))) for column in table.columns]
            if any(value is not None for value in values):
                both = zip(values, map(table.scale, table.columns), strict=True)
                texts = [None if value is None else shown(float(value), scale) for value, scale in both]
                view.numbers.append((row.label, row.role, texts))
        view.n_results = sum(cell["status"] == "ok" for cell in part)
        views.append(view)
    return views


def _extent(
    record: Mapping[str, Any], part: Sequence[Mapping[str, Any]], keyframes: Mapping[str, Any]
) -> tuple[float, float]:
    start, duration = float(record.get("start_s") or 0.0), float(record.get("duration_s") or 0.0)
    if duration > 0:
        return start, duration
    times = [t for cell in part for t in (keyframes.get(cell["key"]) or {}).get("times") or []]
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
        yield f"{len(record['shots_s'])} shots"


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
