"""Key frames of a video as files for editors, players and spreadsheets.

Times are whole numbers of the video's time base. CSV and WebVTT have PTS, as browsers do. Files for editors count from
the first frame, by the timecode of the file if it has one, and those for FFmpeg from the beginning of the video's file;
where that is not PTS 0, a note says so.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
from numpy.typing import NDArray

from ..core.clip import KeyFrames
from ..core.errors import UsageError, suggestion
from ..core.files import one_line, printable, visible
from ..video.container import clock_of
from ..video.frame_folder import FrameFolder, Video
from ..video.image_files import encode_image
from ..video.onepass import Pass
from .storyboard import Sheets, fitted, storyboard

Format = Literal["csv", "otio", "edl", "fcpxml", "webvtt", "ffmetadata", "storyboard"]
PICTURED = frozenset({"webvtt", "storyboard"})  # formats that hold images

# Rates of timelines and their timecode, frames per second.
_RATES = [Fraction(*rate) for rate in ((24000, 1001), (24,), (25,), (30000, 1001), (30,), (50,), (60000, 1001), (60,))]
_TOLERANCE_S = Fraction(1, 1000)  # containers that count milliseconds lose as much
_RECORD_S = 3600  # timelines begin at 01:00:00:00
_DAY_S = 86400
_SAME_RATE = 1e-4  # 24 and 23.976 differ by ten times as much
_MOST_EVENTS = 999  # an event of CMX 3600 has three digits


class Exported(NamedTuple):
    """One file: its name, its bytes, and what it does not hold exactly, "" if nothing."""

    name: str
    data: bytes
    note: str


@dataclass(frozen=True, eq=False)
class Marks:
    """Key frames of a video and the part that each stands for.

    ``base`` is in seconds. Times are in its units, counted from the PTS ``origin``: ``at``, int64 [K], when each key
    frame is shown, and ``lasts`` how long; ``spans``, int64 [K, 2], half-open, in order and without overlap; ``start``
    and ``end`` of the video; ``file_start``, where the earliest stream of its file begins. ``frames`` and ``ranges``
    are ordinals; ``scores`` those of the frames themselves, where frames have any.
    """

    video: str  # as tables call it: in a run its item
    name: str  # of its file
    method: str
    url: str  # of the file; empty: the video is a folder of images
    base: Fraction
    file_start: int
    start: int
    end: int
    fps: float
    height: int
    width: int
    frames: NDArray[np.int64]
    at: NDArray[np.int64]
    lasts: NDArray[np.int64]
    ranges: NDArray[np.int64]
    spans: NDArray[np.int64]
    scores: Sequence[float | None]
    pictures: Sequence[NDArray[np.uint8]]
    sound: bool
    timecode: str = ""  # of the first frame, as the file has it
    rate: Fraction = Fraction(0)  # frames per second that the file states
    origin: int = 0

    @classmethod
    def of(
        cls, path: Video, found: KeyFrames, read: Pass, method: str, pictures: Sequence[NDArray[np.uint8]] = ()
    ) -> Marks:
        """Return the key frames ``found`` in the pass ``read``; ``pictures`` are their images, uint8 [H, W, 3], RGB."""
        clock, info, frames = clock_of(path), read.info, found.frames
        base = clock.base
        end = max(round(Fraction(info.start_s + info.duration_s) / base), int(read.pts.max()) + 1)
        edges = np.append(np.maximum.accumulate(read.pts), end)  # times may step back
        ranges = found.segments
        if ranges is None or not _in_order(ranges, frames):
            ranges = np.stack([frames, np.append(frames, len(read.pts))[1:]], axis=1)
        spans = edges[ranges]
        spans[:, 1] = np.maximum(spans[:, 1], spans[:, 0] + 1)
        folder = isinstance(path, FrameFolder)
        return cls(
            visible(printable(info.name)).replace("\n", " "), one_line(printable(path.name)), method,
            "" if folder else Path(path).absolute().as_uri(), base, clock.start,
            int(edges[0]), end, info.fps, info.height, info.width,
            frames, read.pts[frames], edges[frames + 1] - edges[frames], ranges, spans,
            [None] * len(frames) if found.own_scores is None else found.own_scores.tolist(), pictures,
            clock.sound, one_line(printable(clock.timecode)), clock.rate,
        )  # fmt: skip

    def since(self, clock: str) -> Marks:
        """Return the same with times counted from "the first frame", "the file" (its beginning) or "PTS 0"."""
        origin = {"the first frame": self.start, "the file": self.file_start}.get(clock, 0)
        times = {name: getattr(self, name) - origin for name in ("at", "spans", "start", "end")}
        return replace(self, origin=origin, **times)

    def seconds(self, value: int) -> Fraction:
        """Return a time in seconds, exactly."""
        return int(value) * self.base

    @property
    def titles(self) -> list[str]:
        """What each key frame is called."""
        return [f"Key frame {i} (frame {frame})" for i, frame in enumerate(self.frames.tolist(), start=1)]

    @property
    def beginning(self) -> str:
        """A clause where 0 is not PTS 0."""
        return f"counts from PTS {float(self.origin * self.base):.6g} s" if self.origin else ""


def _in_order(ranges: NDArray[np.int64], frames: NDArray[np.int64]) -> bool:
    """Say whether each key frame has a part of its own around it."""
    around = (ranges[:, 0] <= frames) & (frames < ranges[:, 1])
    return bool(around.all() and (ranges[1:, 0] >= ranges[:-1, 1]).all())


def checked(formats: Sequence[str], path: Video | None = None, known: Sequence[str] = get_args(Format)) -> list[Format]:
    """Return the formats, each once; `UsageError` for one not ``known``, and one that cannot be written of ``path``."""
    for name in formats:
        if name not in known:
            raise UsageError(f"{name!r} is not a format of exports; {suggestion(str(name), known)}")
    if "fcpxml" in formats and isinstance(path, FrameFolder):
        raise UsageError(f"fcpxml refers to a video file, and {path.name!r} is a folder of images; choose csv or otio")
    return cast("list[Format]", list(dict.fromkeys(formats)))


def exported(marks: Marks, formats: Sequence[Format]) -> list[Exported]:
    """Return the files of some formats; `UsageError` where one cannot hold times as late, or as many."""
    return [file for name in formats for write, clock in [_WRITERS[name]] for file in write(marks.since(clock))]


def _csv(marks: Marks) -> Iterator[Exported]:
    """Yield a row for every key frame, with PTS as the container has them."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    segment = ("segment_first_frame", "segment_end_frame", "segment_start_pts", "segment_end_pts")
    table.writerow(["video", "method", "frame", "pts", "time_base", "time_s", "score", *segment])
    for i, (frame, pts) in enumerate(zip(marks.frames.tolist(), marks.at.tolist(), strict=True)):
        row = [marks.video, marks.method, frame, pts, marks.base, float(marks.seconds(pts)), marks.scores[i]]
        table.writerow([*row, *marks.ranges[i].tolist(), *marks.spans[i].tolist()])
    yield Exported("keyframes.csv", text.getvalue().encode(), "")


# ---- editors ------------------------------------------------------------------------------------


def _otio(marks: Marks) -> Iterator[Exported]:
    """Yield an OpenTimelineIO timeline: a clip for every segment, a marker at its key frame."""
    rate = float(1 / marks.base)

    def schema(schema_: str, **fields: Any) -> dict[str, Any]:
        return {"OTIO_SCHEMA": schema_, **fields}

    def time_range(start: int, duration: int) -> dict[str, Any]:
        start_time, length = (schema("RationalTime.1", rate=rate, value=int(value)) for value in (start, duration))
        return schema("TimeRange.1", start_time=start_time, duration=length)

    media = schema("MissingReference.1", name=marks.name)
    if marks.url:
        media = schema("ExternalReference.1", name=marks.name, target_url=marks.url)
    timecode_rate = _rate([], float(marks.rate))
    number, _, told = _first(marks, timecode_rate)
    begin = round(number / timecode_rate / marks.base)
    media["available_range"] = time_range(begin, marks.end)
    clips = []
    for i, title in enumerate(marks.titles):
        about = {"frame": int(marks.frames[i]), "pts": int(marks.at[i]) + marks.origin, "score": marks.scores[i]}
        marked = time_range(begin + marks.at[i], marks.lasts[i])
        own = {"keyframe_bench": about}
        marker = schema("Marker.2", name=title, color="RED", marked_range=marked, metadata=own)
        start, end = marks.spans[i]
        clip = schema(
            "Clip.1", name=marks.name, source_range=time_range(begin + start, end - start), media_reference=media
        )
        clips.append(clip | {"markers": [marker]})
    track = schema("Track.1", name="V1", kind="Video", children=clips)
    whole = {"method": marks.method, "time_base": str(marks.base), "origin_pts": marks.origin}
    tracks = schema("Stack.1", name="tracks", children=[track])
    timeline = schema("Timeline.1", name=_name(marks), metadata={"keyframe_bench": whole}, tracks=tracks)
    rounded = _rounded(abs(marks.seconds(begin) - number / timecode_rate))
    note = [marks.beginning, told, f"the file's timecode is {rounded}" if rounded else ""]
    note += ["names no file, since the video is a folder of images"] * (not marks.url)
    yield Exported("keyframes.otio", json.dumps(timeline, indent=1, allow_nan=False).encode(), _clauses(note))


def _edl(marks: Marks) -> Iterator[Exported]:
    """Yield a CMX 3600 list: an event for every segment, a locator at its key frame."""
    exact = [marks.seconds(value) for value in (*marks.spans.ravel().tolist(), *marks.at.tolist())]
    rate = _rate(exact, marks.fps)
    if exact and max(exact) + _RECORD_S >= _DAY_S:
        raise UsageError(f"timecode ends after 24 hours, and {marks.name!r} is too long for edl; choose otio or csv")
    if len(marks.titles) > _MOST_EVENTS:
        raise UsageError(f"edl numbers at most {_MOST_EVENTS} key frames, not {len(marks.titles)}; choose otio or csv")
    first, drops, told = _first(marks, rate)
    record = round(_RECORD_S * (rate if drops else round(rate)))  # the number of frame 01:00:00:00
    lines = [f"TITLE: {_name(marks)[:70]}", f"FCM: {'' if drops else 'NON-'}DROP FRAME"]
    shifts = []
    for i, title in enumerate(marks.titles):
        times = [marks.seconds(value) for value in (*marks.spans[i], marks.at[i])]
        start, end, shown = (round(time * rate) for time in times)
        end = max(end, start + 1)
        shown = min(max(shown, start), end - 1)
        shifts += [abs(n / rate - time) for n, time in zip((start, end, shown), times, strict=True)]
        numbers = (first + start, first + end, record, record + end - start)
        codes = [timecode(n, rate, drops) for n in numbers]
        lines += ["", f"{i + 1:03d}  AX       V     C        {' '.join(codes)}", f"* FROM CLIP NAME: {marks.name}"]
        lines += [f"* LOC: {timecode(record + shown - start, rate, drops)} RED     {title}"]
        record += end - start
    note = [f"timecode at {_per_second(rate)}, {_rounded(max(shifts))}"] if any(shifts) else []
    note += [marks.beginning, told]
    yield Exported("keyframes.edl", "\n".join([*lines, ""]).encode(), _clauses(note))


def timecode(n: int, rate: Fraction, drops: bool | None = None) -> str:
    """Return frame ``n`` as timecode: drop-frame, with a semicolon, by default at 29.97 and 59.94 frames per second."""
    whole, mark = round(rate), ":"
    if _drops(rate) if drops is None else drops:
        dropped = whole // 15  # numbers left out each minute but every tenth
        tens, rest = divmod(n, 600 * whole - 9 * dropped)
        n, mark = n + dropped * (9 * tens + max(0, (rest - dropped) // (60 * whole - dropped))), ";"
    seconds, frame = divmod(n, whole)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{frame:02d}"


def _first(marks: Marks, rate: Fraction) -> tuple[int, bool, str]:
    """Return the first frame's number by the file's timecode, if that drops numbers, and a note if it is ignored."""
    if not marks.timecode:
        return 0, _drops(rate), ""
    found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)", marks.timecode)
    if found and abs(marks.rate / rate - 1) < _SAME_RATE:
        hours, minutes, seconds, frame = (int(found[i]) for i in (1, 2, 3, 5))
        minutes, drops = minutes + 60 * hours, found[4] != ":"
        n = (60 * minutes + seconds) * round(rate) + frame - drops * (round(rate) // 15) * (minutes - minutes // 10)
        last = timecode(n + round(marks.seconds(marks.end) * rate), rate, drops)
        exists = timecode(n, rate, drops) == marks.timecode.replace(".", ";")  # not 00:00:00:25 at 25 per second
        if exists and drops <= _drops(rate) and int(last.partition(":")[0]) * 3600 < _DAY_S:
            return n, drops, ""
    why = f"{_per_second(marks.rate)}: not a usual rate, no such frame, or past midnight"
    return 0, _drops(rate), f"ignores the file's timecode {marks.timecode} ({why})"


def _drops(rate: Fraction) -> bool:
    return rate.denominator == 1001 and round(rate) % 30 == 0


def _rate(times: Sequence[Fraction], fps: float) -> Fraction:
    """Return the usual rate whose frames are closest to ``times``, the nearest to ``fps`` of equally good ones."""

    def worst(rate: Fraction) -> Fraction:
        return max([_TOLERANCE_S, *(abs(round(time * rate) / rate - time) for time in times)])

    return min(sorted(_RATES, key=lambda rate: abs(math.log(rate / Fraction(fps or 25)))), key=worst)


def _fcpxml(marks: Marks) -> Iterator[Exported]:
    """Yield a Final Cut Pro project: the whole video, a marker at every key frame."""
    exact = [marks.seconds(value) for value in marks.at.tolist()]
    length = marks.seconds(marks.end)
    rate = _rate([length, *exact], marks.fps)
    last = max([Fraction(0), *exact])
    whole = max(round(length * rate), math.floor(last * rate) + 1) / rate  # edits lie between whole frames
    number, drops, ignored = _first(marks, rate)
    begin, drop = number / rate, "DF" if drops else "NDF"
    span = {"start": _rational(begin), "duration": _rational(whole)}
    size = {"width": str(marks.width), "height": str(marks.height)}
    root = ET.Element("fcpxml", version="1.10")
    resources = ET.SubElement(root, "resources")
    ET.SubElement(resources, "format", {"id": "r1", "frameDuration": _rational(1 / rate), **size})
    holds = {"hasVideo": "1"} | ({"hasAudio": "1", "audioSources": "1"} if marks.sound else {})
    asset = ET.SubElement(resources, "asset", {"id": "r2", "name": marks.name, "format": "r1", **holds, **span})
    ET.SubElement(asset, "media-rep", kind="original-media", src=marks.url)
    project = ET.SubElement(ET.SubElement(root, "event", name="keyframe_bench"), "project", name=_name(marks))
    sequence = ET.SubElement(project, "sequence", format="r1", duration=span["duration"], tcFormat=drop)
    spine = ET.SubElement(sequence, "spine")
    placed = {"ref": "r2", "name": marks.name, "offset": "0s", "format": "r1", "tcFormat": drop, **span}
    clip = ET.SubElement(spine, "asset-clip", placed)
    for title, time, score in zip(marks.titles, exact, marks.scores, strict=True):
        told = {} if score is None else {"note": f"score {score:.6g}"}
        where = {"start": _rational(begin + time), "duration": _rational(1 / rate)}
        ET.SubElement(clip, "marker", {**where, "value": title, **told})
    ET.indent(root)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{ET.tostring(root, encoding="unicode")}\n'
    between = sum((time * rate).denominator > 1 for time in exact)
    note = [f"{between} of {len(exact)} markers lie, exact, between frames of the timeline ({_per_second(rate)})"]
    note = note * (between > 0) + [f"the end is {_rounded(abs(length - whole))}"] * (whole != length)
    yield Exported("keyframes.fcpxml", text.encode(), _clauses([*note, marks.beginning, ignored]))


def _rational(seconds: Fraction) -> str:
    return f"{seconds}s"


# ---- players ------------------------------------------------------------------------------------


def _webvtt(marks: Marks) -> Iterator[Exported]:
    """Yield chapters, and a track of thumbnails that covers the whole video, with its images."""
    exact = [marks.seconds(value) for value in marks.spans.ravel().tolist()]
    note = _clauses([_rounded(max((abs(_stamp(t) - 1000 * t) / 1000 for t in exact), default=0)), marks.beginning])
    cues = zip(exact[::2], exact[1::2], marks.titles, strict=True)
    yield Exported("chapters.vtt", _cues(cues), note)
    pictures = [fitted(image, min(len(image), 2 * image.shape[1]), image.shape[1]) for image in marks.pictures]
    height, width = (max((image.shape[axis] for image in pictures), default=1) for axis in (0, 1))
    sheets, places = Sheets(height, width), []
    for n, image in enumerate(pictures):
        page, cell = divmod(n, sheets.per_page)
        row, column = divmod(cell, sheets.across)
        (h, w), left, top = image.shape[:2], column * width, row * height
        places.append(f"thumbnails_{page + 1}.jpg#xywh={left},{top},{w},{h}")
        sheets.add(image)
    sheets.close()
    edges = [marks.seconds(marks.start), *exact[2::2], marks.seconds(marks.end)]
    yield Exported("thumbnails.vtt", _cues(zip(edges, edges[1:], places, strict=False)), note)
    for page, data in enumerate(sheets.pages, start=1):
        yield Exported(f"thumbnails_{page}.jpg", data, "")


def _cues(cues: Any) -> bytes:
    """Return a WebVTT file; cues last at least a millisecond."""
    blocks = ["WEBVTT"]
    for start, end, text in cues:
        first = _stamp(start)
        blocks.append(f"{_clock(first)} --> {_clock(max(_stamp(end), first + 1))}\n{text}")
    return ("\n\n".join(blocks) + "\n").encode()


def _stamp(seconds: Fraction) -> int:
    """Return milliseconds; a track begins at 0."""
    return max(0, round(1000 * seconds))


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"


def _ffmetadata(marks: Marks) -> Iterator[Exported]:
    """Yield chapters for FFmpeg, in the video's own time base."""
    lines = [";FFMETADATA1"]
    base = f"{marks.base.numerator}/{marks.base.denominator}"
    for title, (start, end) in zip(marks.titles, marks.spans.tolist(), strict=True):
        lines += ["[CHAPTER]", f"TIMEBASE={base}", f"START={start}", f"END={end}", f"title={title}"]
    yield Exported("chapters.ffmetadata", "\n".join([*lines, ""]).encode(), marks.beginning)


def _storyboard(marks: Marks) -> Iterator[Exported]:
    """Yield the contact sheet."""
    times = [float(marks.seconds(value)) for value in marks.at.tolist()]
    yield Exported("storyboard.jpg", encode_image(storyboard(marks.pictures, times), ".jpg"), "")


_WRITERS: Mapping[str, tuple[Callable[[Marks], Iterator[Exported]], str]] = {
    "csv": (_csv, "PTS 0"),
    "otio": (_otio, "the first frame"),
    "edl": (_edl, "the first frame"),
    "fcpxml": (_fcpxml, "the first frame"),
    "webvtt": (_webvtt, "PTS 0"),
    "ffmetadata": (_ffmetadata, "the file"),
    "storyboard": (_storyboard, "PTS 0"),
}


def _name(marks: Marks) -> str:
    return f"{marks.name} {marks.method}"


def _per_second(rate: Fraction) -> str:
    return f"{float(rate):.5g} frames per second"


def _rounded(seconds: Fraction | int) -> str:
    return f"rounded by at most {float(1000 * seconds):.3g} ms" if seconds else ""


def _clauses(parts: Sequence[str]) -> str:
    return "; ".join(filter(None, parts))
