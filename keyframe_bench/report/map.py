"""The map: key frames as thumbnails, alike ones near each other, on a page of its own to look around in."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from ..core.clip import KeyFrames
from ..core.errors import OutputError, UsageError
from ..core.files import digest, make_hidden_folder, printable, sha256_of_file, visible, withdraw
from ..video.encode import write_h264
from ..video.fetch import fetch_frames
from ..video.frame_folder import Video
from ..video.image_files import encode_image
from ..video.onepass import Pass
from .drawing import Layout, Told, timed_layouts
from .html import page
from .storyboard import Sheets

INSIDE_BYTES = 20_000_000
"""Up to which full-size frames and previews, in base64, are part of the page."""

_PREVIEW_S, _LEAST_S, _RATE = 3.0, 1.0, 10  # seconds around a key frame, at most and at least; frames a second
_PREVIEW_SIDE = 240  # pixels
_MANY, _THUMB_SIDES = 1000, (160, 96)  # pixels of a thumbnail's longer side: up to so many key frames, and of more
_TAG = '<meta name="generator" content="keyframe_bench map">'  # of every page: only a file with that is ever replaced
_MARK = "map.txt"  # files are only ever removed from a folder with that
_OURS = re.compile(r"([0-9a-f]{8}_)?\d+\.(jpg|mp4)|map\.txt")


@dataclass(frozen=True, eq=False)
class Mapped:
    """The key frames of a video, with what alike means: their ``rows`` [K, ...] of a feature."""

    path: Video
    keyframes: KeyFrames
    source: Pass
    rows: NDArray[Any]
    method: str  # that chose them, in words


@dataclass(frozen=True, eq=False)
class VideoMap:
    """What `keyframe_bench.map_videos` wrote.

    Attributes
    ----------
    out : Path
        The page.
    beside : Path or None
        Folder of full-size frames and previews; None where they are in the page.
    size : int
        Bytes of the page.
    videos : list of dict
        ``name``, ``n`` (key frames), ``method``, ``fallback``, ``problems`` of each.
    layouts : list of Layout
        One for each weight of time; a single one for fewer than 5 key frames.
    """

    out: Path
    beside: Path | None
    size: int
    videos: list[dict[str, Any]]
    layouts: list[Layout]

    @property
    def n_keyframes(self) -> int:
        """Key frames of all videos."""
        return sum(video["n"] for video in self.videos)


def check_place(out: Path) -> Path:
    """Return the folder for what the page cannot hold; `UsageError` or `OutputError` where a page cannot be written."""
    if out.suffix.lower() != ".html":
        raise UsageError(f"out={printable(str(out))} is not a page; give a name that ends in .html")
    if out.is_dir():
        raise OutputError(out, "there is a folder of that name")
    if out.exists() and not (out.is_file() and _is_map(out)):
        raise OutputError(out, "there is a file of that name that is not a map")
    beside = out.with_name(f"{out.stem}_files")
    ours = (beside / _MARK).is_file() and all(_OURS.fullmatch(path.name) for path in beside.iterdir())
    if beside.exists() and not ours:
        raise OutputError(beside, "something that is not of a map has the name of its folder")
    return beside


def _is_map(out: Path) -> bool:
    try:
        with open(out, "rb") as file:
            return _TAG.encode() in file.read(1000)
    except OSError as error:
        raise OutputError(out, error) from error


def decoding(tell: Told, done: int, n: int, video: Video) -> Callable[[float], None]:
    """Return what is told the seconds reached in ``video``, of ``n`` of which ``done`` are decoded."""
    text = f"{done} of {n} videos decoded; {printable(video.name)}, "
    return lambda seconds: tell(done / n, f"{text}{seconds:.0f} s")


def write_map(
    videos: Sequence[Mapped], out: Path, *, feature: str, seed: int, tell: Told = lambda *_: None
) -> VideoMap:
    """Write the map of the key frames of ``videos``, perhaps none, and return what it shows.

    Parameters
    ----------
    videos : sequence of Mapped
    out : Path
        See `keyframe_bench.map_videos`; an earlier map there is replaced once the new one is complete.
    feature : str
        What the page calls the feature.
    seed : int
        Of t-SNE.
    tell : callable
        Called with the share that is done, 0 to 1, of the layouts and then of the frames, and in words.

    Raises
    ------
    UsageError
        If the name does not end in ``.html``; if rows are not finite, or of several lengths.
    OutputError
        If the page, or a folder beside it, cannot be written.
    VideoError
        If a file changed since it was read.
    """
    beside = check_place(out)
    whose = np.repeat(np.arange(len(videos)), [len(video.keyframes) for video in videos])
    progress = np.concatenate([np.zeros(0), *(_progress(video) for video in videos)])
    layouts = timed_layouts(_joined(videos, feature), progress, whose, seed, tell)
    facts = [_facts(video) for video in videos]
    new = not out.parent.exists()
    staging = make_hidden_folder(out.parent)
    try:
        media, written = staging / "media", staging / "page"
        media.mkdir()
        drawn, sheets = _draw(videos, media, tell)
        files = sorted(media.iterdir())
        inside = sum(file.stat().st_size for file in files) * 4 // 3 <= INSIDE_BYTES
        mark = digest([sha256_of_file(file) for file in files])[:8]  # no file of an earlier map has it in its name

        def address(file: Path) -> str:
            return _data_address(file) if inside else f"{quote(os.fsencode(beside.name))}/{mark}_{file.name}"

        html = _html(drawn, sheets, address, layouts=layouts, inside=inside, feature=feature, videos=facts)
        written.write_text(html, "utf-8")
        size = written.stat().st_size
        with _placed({} if inside else {f"{mark}_{file.name}": file for file in files}, beside):
            written.replace(out)
    except OSError as error:
        raise OutputError(out, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if new and out.parent.is_dir() and not any(out.parent.iterdir()):
            out.parent.rmdir()
    return VideoMap(out, None if inside else beside, size, facts, layouts)


@contextmanager
def _placed(files: Mapping[str, Path], folder: Path) -> Iterator[None]:
    """Put files into a folder under these names; keep only them once the block has succeeded, else what was there."""
    kept = {file.name for file in folder.iterdir()} if folder.exists() else set[str]()
    try:
        if files:
            folder.mkdir(exist_ok=True)
            (folder / _MARK).write_text("Full-size frames and previews of the map beside this folder.\n", "utf-8")
        for name, file in files.items():
            file.replace(folder / name)
        yield
        kept = {_MARK, *files} if files else set()
    finally:
        if not kept and folder.exists():
            withdraw(folder)
        for file in list(folder.iterdir()) if kept else ():
            with suppress(OSError):  # left over, but no part of the map
                if file.name not in kept:
                    file.unlink()


def _facts(video: Mapped) -> dict[str, Any]:
    return {
        "name": printable(video.path.name),
        "n": len(video.keyframes),
        "method": video.method,
        "fallback": video.keyframes.fallback,
        "problems": video.source.health.problems,
    }


# ---- where they lie -----------------------------------------------------------------------------


def _progress(video: Mapped) -> NDArray[np.float64]:
    info = video.source.info
    return np.asarray((video.keyframes.times - info.start_s) / (info.duration_s or 1))


def _joined(videos: Sequence[Mapped], feature: str) -> NDArray[np.float64]:
    """Return the rows of all key frames as vectors, float64 [N, D]."""
    flat = [np.asarray(v.rows, dtype=np.float64).reshape(len(v.rows), int(np.prod(v.rows.shape[1:]))) for v in videos]
    for video, one in zip(videos, flat, strict=True):
        name = printable(video.path.name)
        if not np.isfinite(one).all():
            raise UsageError(f"feature={feature} has rows of {name!r} that are not finite; choose another")
        if one.shape[1] != flat[0].shape[1]:
            raise UsageError(
                f"feature={feature} has {flat[0].shape[1]} numbers a frame of {printable(videos[0].path.name)!r} and "
                f"{one.shape[1]} of {name!r}; choose another, or map the videos one by one"
            )
    return np.concatenate(flat) if flat else np.zeros((0, 1))


# ---- what is drawn ------------------------------------------------------------------------------


def _draw(videos: Sequence[Mapped], folder: Path, tell: Told) -> tuple[list[dict[str, Any]], Sheets]:
    """Write full-size frames and previews into ``folder``; return what `_draw_video` does, and the thumbnails."""
    n = sum(len(video.keyframes) for video in videos)
    side = _THUMB_SIDES[n > _MANY]
    sizes = [_fitted(video.source.info.height, video.source.info.width, side) for video in videos]
    sheets = Sheets(*np.max([(1, 1), *sizes], axis=0).tolist())
    drawn = []
    for video, size in zip(videos, sizes, strict=True):
        drawn.append(
            _draw_video(video, size, sheets, folder, lambda: tell(sheets.n / n, f"{sheets.n} of {n} key frames drawn"))
        )
    sheets.close()
    return drawn, sheets


def _fitted(height: int, width: int, side: int, *, even: bool = False) -> tuple[int, int]:
    """Return (height, width) of the same shape, with this longer side."""
    scale = side / max(height, width, 1)
    whole = [max(1, round(one * scale)) for one in (height, width)]
    return (whole[0] + whole[0] % 2, whole[1] + whole[1] % 2) if even else (whole[0], whole[1])


def _draw_video(
    video: Mapped, size: tuple[int, int], sheets: Sheets, folder: Path, told: Callable[[], None]
) -> dict[str, Any]:
    """Return what the page holds of a video, beside its thumbnails.

    ``film`` is its preview film or None, ``previews`` which seconds of it are of each key frame, None where nothing
    moves; ``full`` the full-size frames.
    """
    info, keyframes, full = video.source.info, video.keyframes, list[Path]()
    segments, parts = _parts(keyframes, video.source)
    moving = [part for part in parts if part is not None]
    small = _fitted(info.height, info.width, min(_PREVIEW_SIDE, max(info.height, info.width)), even=True)
    chosen, held = set(keyframes.frames.tolist()), dict[int, NDArray[np.uint8]]()

    def frames() -> Iterator[int]:
        wanted = chosen.union(*(part.tolist() for part in moving))
        for frame in fetch_frames(video.path, wanted, video.source):
            if frame.ordinal in chosen:
                full.append(folder / f"{sheets.n:05d}.jpg")
                full[-1].write_bytes(encode_image(frame.full_rgb(), ".jpg", 88))
                sheets.add(frame.rgb(*size))
                told()
            held[frame.ordinal] = frame.rgb(*small)
            yield frame.ordinal

    def film() -> Iterator[NDArray[np.uint8]]:
        for part in moving:
            for ordinal in part.tolist():
                while ordinal not in held:
                    next(read)
                yield held[ordinal]
            for done in [ordinal for ordinal in held if ordinal < part[0]]:  # no later part begins earlier
                del held[done]

    read, path = frames(), folder / f"{sheets.n:05d}.mp4"
    if moving:
        write_h264(path, film(), _RATE, crf=26)
    for _ in read:  # what no preview shows
        held.clear()
    ends = np.cumsum([0 if part is None else len(part) for part in parts]) / _RATE
    return {
        "name": printable(video.path.name),
        "sha256": info.sha256,
        "thumb": size,
        "frames": keyframes.frames.tolist(),
        "times": keyframes.times.tolist(),
        "segments": segments,
        "film": path if moving else None,
        "previews": [
            None if part is None else (end - len(part) / _RATE, end)
            for part, end in zip(parts, ends.tolist(), strict=True)
        ],
        "full": full,
    }


def _parts(keyframes: KeyFrames, read: Pass) -> tuple[list[tuple[float, float]], list[NDArray[np.int64] | None]]:
    """Return the segment of each key frame in seconds, and the ordinals that its preview shows, 10 a second.

    Where a method has no segments, they end halfway between key frames.
    """
    frames, n = keyframes.frames, read.info.n_frames
    clock = np.maximum.accumulate(read.times)
    middles = (frames[:-1] + frames[1:] + 1) // 2
    spans = np.stack([np.append(0, middles), np.append(middles, n)], axis=1)[: len(frames)]
    known = spans if keyframes.segments is None else keyframes.segments
    ends = np.append(clock, read.info.start_s + read.info.duration_s)
    segments, parts = [], list[NDArray[np.int64] | None]()
    for frame, span, nearest in zip(frames.tolist(), known.tolist(), spans.tolist(), strict=True):
        segments.append((float(ends[span[0]]), float(ends[span[1]])))
        # Not beyond halfway to the next key frame: parts then come in order of time.
        first, last = ends[max(span[0], nearest[0])], ends[min(span[1], nearest[1])]
        start = min(max(first, clock[frame] - _PREVIEW_S / 2), clock[frame] - _LEAST_S / 2)
        end = max(min(last, clock[frame] + _PREVIEW_S / 2), clock[frame] + _LEAST_S / 2)
        ticks = np.arange(max(start, clock[0]), min(end, ends[-1]) - 1e-6, 1 / _RATE)
        part = np.maximum(np.searchsorted(clock, ticks + 1e-6, side="right") - 1, 0)
        parts.append(part if len(np.unique(part)) > 1 else None)
    return segments, parts


# ---- the page -----------------------------------------------------------------------------------


def _data_address(file: Path) -> str:
    kind = "video/mp4" if file.suffix == ".mp4" else "image/jpeg"
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"


def _html(
    drawn: Sequence[Mapping[str, Any]],
    sheets: Sheets,
    address: Callable[[Path], str],
    *,
    layouts: Sequence[Layout],
    **values: Any,
) -> str:
    from markupsafe import Markup

    data = {
        "videos": [
            {
                **{of: video[of] for of in ("sha256", "thumb")},
                "name": visible(video["name"]),
                "film": video["film"] and address(video["film"]),
            }
            for video in drawn
        ],
        "video": [number for number, video in enumerate(drawn) for _ in video["frames"]],
        **{of: [one for v in drawn for one in v[of]] for of in ("frames", "times", "segments", "previews")},
        "full": [address(file) for video in drawn for file in video["full"]],
        "layouts": [np.round(layout.points, 3).tolist() for layout in layouts],
        "shares": [layout.share for layout in layouts],
        "sheets": [base64.b64encode(sheet).decode("ascii") for sheet in sheets.pages],
        "cell": [sheets.height, sheets.width],
        "across": sheets.across,
        "per_sheet": sheets.per_page,
    }
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    # No "<" in the data: it cannot end the element that it stands in.
    return page("map", layouts=layouts, data=Markup(text), tag=Markup(_TAG), **values)
