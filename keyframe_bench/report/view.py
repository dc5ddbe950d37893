"""What the page shows about each video: lanes of key frames on one time axis."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.cells import read_video_record, thumbnails_folder
from ..core.files import read_file
from ..tables.build import per_video
from ..tables.format import clock, shown
from ..tables.spec import Row, Table
from .facts import facts_of, problems_of, record_of
from .timeline import MAX_ON_AXIS, axis, curve, percent, place

if TYPE_CHECKING:
    import pandas as pd

Numbers = tuple[str, str, list[str | None]]  # label, role, one text a column (None: not measurable)
_VIDEO = ["video", "video_sha256", "video_record"]
_LANE = ["group", "key", "status", "seed", "error_type", "error_message"]
_HEX = re.compile(r"[0-9a-f]{6,64}")


@dataclass
class Thumb:
    """One key frame: its image's CSS class (empty: no image), time and place on the axis in percent."""

    css: str
    clock: str
    title: str
    at: float
    left: float = 0.0
    gap: float = 0.0


@dataclass
class Lane:
    """The key frames of one row on one video."""

    label: str
    role: str
    detail: str
    thumbs: list[Thumb] = field(default_factory=list)
    width: float = 0.0
    on_axis: bool = True
    error: str = ""


@dataclass
class VideoView:
    """Everything the template needs for one video."""

    index: int
    name: str
    facts: list[str]
    problems: list[str]
    health: list[tuple[str, str]]
    aspect: float
    axis: list[tuple[float, str]]
    start: float
    duration: float
    path: str
    top: str
    shots: list[tuple[float, float]]
    users: list[tuple[str, list[tuple[float, str]]]]
    pictures: dict[str, str]
    rate: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)
    n_results: int = 0
    lanes: list[Lane] = field(default_factory=list)
    numbers: list[Numbers] = field(default_factory=list)


def video_views(out: Path, cells: pd.DataFrame, keyframes: Mapping[str, Any], table: Table) -> list[VideoView]:
    """Return one view per video, in order of name.

    Parameters
    ----------
    out : Path
        The run's folder.
    cells : pandas.DataFrame
        Of `tables.load_results`, without repetitions.
    keyframes : mapping
        Cell key to the cell's ``keyframes``.
    table : Table
    """
    videos = cells.drop_duplicates("video").sort_values("video", kind="stable")
    series = {column.name: per_video(cells, column.name) for column in table.columns}
    parts = dict(list(cells[[*_VIDEO, *_LANE]].groupby("video", sort=False)))  # once, and only what is needed
    views = []
    for index, (video_id, name) in enumerate(zip(videos["video_id"], videos["video"], strict=True)):
        part = parts[name]
        sha = str(part["video_sha256"].iloc[-1])
        record = str(part["video_record"].iloc[-1])
        known = bool(
            _HEX.fullmatch(sha) and _HEX.fullmatch(record)
        )  # what comes from a file must not become part of a path unseen
        file = out / "videos" / f"{record}.json"
        facts = (read_video_record(file, str(name), sha, []) if known else None) or {}  # a run names what is no record
        start, duration = _extent(facts, part, keyframes)
        scene = _TimeAxis(thumbnails_folder(out, sha) if known else None, index, start, duration, {})
        view = _view(scene, str(name), facts)
        of_row = dict(list(part[_LANE].sort_values("seed", kind="stable").groupby("group", sort=False)))
        lanes = (
            scene.lane(row, of_row[row.group], keyframes, view.aspect) for row in table.rows if row.group in of_row
        )
        view.lanes = [lane for lane in lanes if lane is not None]
        view.n_results = int((part["status"] == "ok").sum())
        view.numbers = _numbers(series, str(video_id), table)
        views.append(view)
    return views


def _view(scene: _TimeAxis, name: str, facts: Mapping[str, Any]) -> VideoView:
    """Everything but the lanes and numbers."""
    start, duration = scene.start, scene.duration
    change = facts.get("change") or {}
    values = np.asarray(change.get("values") or [], dtype=np.float64)
    top = float(values.max()) if values.size else 0.0
    users = []
    for user in facts.get("users") or []:
        times = [float(t) for t in user.get("times") or []]
        users.append((str(user.get("name", "")), [*zip(scene.at(times).tolist(), map(clock, times), strict=True)]))
    return VideoView(
        index=scene.index,
        name=name,
        facts=facts_of(facts),
        problems=problems_of(facts.get("health") or {}),
        health=record_of(facts.get("health") or {}),
        aspect=round(float(facts.get("width") or 16) / float(facts.get("height") or 9), 4),
        axis=axis(start, duration),
        start=start,
        duration=duration,
        path=curve(scene.at(change.get("times") or []), values, top),
        top=f"{top:.1f}",
        shots=[(float(a), float(b)) for a, b in (scene.at(shot) for shot in facts.get("shots_s") or [])],
        users=users,
        pictures=scene.pictures,
        rate=f"{float(facts['fps']):.5g}" if facts.get("fps") else "",
        record=facts.get("health") or {},
    )


@dataclass
class _TimeAxis:
    """The time axis and the images of one video, shared by its lanes."""

    folder: Path | None
    index: int
    start: float
    duration: float
    pictures: dict[str, str]

    def at(self, times: Sequence[float]) -> NDArray[np.float64]:
        return percent(times, self.start, self.duration)

    def lane(self, row: Row, cells: pd.DataFrame, keyframes: Mapping[str, Any], aspect: float) -> Lane | None:
        good = [key for key, status in zip(cells["key"], cells["status"], strict=True) if status == "ok"]
        if not good:
            first = cells.iloc[0]
            reason = ": ".join(part for part in (first["error_type"], first["error_message"]) if part)
            return Lane(row.label, row.role, "", error=f"{first['status']}: {reason or 'no reason was recorded'}")
        found = keyframes.get(good[0])
        if not found:  # the human row: the annotation lanes show their key frames
            return None
        thumbs = self._thumbs(found)
        detail = [f"{len(thumbs)} frame{'s' if len(thumbs) != 1 else ''}"]
        detail += [f"{name} {getattr(row, name)}" for name in ("budget", "sampling") if getattr(row, name)]
        detail += [f"{name}: {found[name]}" for name in ("fallback", "shortfall") if found.get(name)]
        if row.draws > 1:
            detail.append(f"first of {row.draws} draws")
        if len(cells) > 1:
            detail.append(f"first of {len(cells)} seeds")
        lane = Lane(row.label, row.role, ", ".join(detail), thumbs, on_axis=0 < len(thumbs) <= MAX_ON_AXIS)
        if lane.on_axis:
            lane.width = min(100 / len(thumbs), 10 * min(1.0, aspect))
            edge = 0.0
            for thumb, left in zip(thumbs, place(np.array([t.at for t in thumbs]), lane.width), strict=True):
                thumb.left, thumb.gap = float(left), max(0.0, float(left) - edge)
                edge = float(left) + lane.width
        return lane

    def _thumbs(self, found: Mapping[str, Any]) -> list[Thumb]:
        times = [float(t) for t in found.get("times") or []]
        scores = found.get("scores") or [None] * len(times)
        thumbs = []
        places = self.at(times)
        for frame, time, score, at in zip(found.get("frames") or [], times, scores, places, strict=False):
            title = f"{clock(time)}, frame {int(frame)}" + ("" if score is None else f", score {float(score):.4g}")
            thumbs.append(Thumb(self._picture(int(frame)), clock(time), title, float(at)))
        return thumbs

    def _picture(self, frame: int) -> str:
        """Return the CSS class of a frame's image, read on first use; empty if there is none."""
        css = f"v{self.index}f{frame}"
        if css not in self.pictures and self.folder is not None:
            try:
                data = read_file(self.folder / f"{frame}.jpg")
            except OSError:
                return ""
            self.pictures[css] = base64.b64encode(data).decode("ascii")
        return css if css in self.pictures else ""


def _extent(facts: Mapping[str, Any], part: pd.DataFrame, keyframes: Mapping[str, Any]) -> tuple[float, float]:
    start, duration = float(facts.get("start_s") or 0.0), float(facts.get("duration_s") or 0.0)
    if duration > 0:
        return start, duration
    times = [t for key in part["key"] for t in (keyframes.get(key) or {}).get("times") or []]
    low, high = (min(times), max(times)) if times else (start, start + 1.0)
    return low, max(high - low, 1e-3) * 1.02


def _numbers(series: Mapping[str, pd.Series[float]], video_id: str, table: Table) -> list[Numbers]:
    """The headline numbers of one video, a line per row that has any."""
    lines: list[Numbers] = []
    for row in table.rows:
        values = [series[column.name].get((row.group, video_id)) for column in table.columns]
        if any(value is not None for value in values):
            scales = [table.scale(column) for column in table.columns]
            texts = [None if v is None else shown(float(v), scale) for v, scale in zip(values, scales, strict=True)]
            lines.append((row.label, row.role, texts))
    return lines
