"""Edited videos made from clips: an edit list decided before anything is drawn, and the images it asks for.

Shot lengths are log-normal, median `SHOT_MEDIAN_S` and standard deviation of the logarithm `SHOT_LOG_SD`, at least
`SHOT_LEAST_S` and at most what the clip holds. A border is a dissolve with probability `DISSOLVE_SHARE` (`DISSOLVE_S`
seconds, at most a quarter of either shot), else a hard cut. With probability `RETURN_SHARE` a shot goes back to a clip
that was left one to three shots ago and goes on where it was left, if at least `2 * SHOT_LEAST_S` are left of it, as
edited films do (A-B-A); otherwise it shows a clip that the video has not shown yet, then any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError, VideoError

if TYPE_CHECKING:
    from .frame import Frame
    from .image_files import Image
    from .onepass import Pass

COMPOSER_VERSION = 2  # bump it when the same clips and parameters may give another video

FPS = 25
SHOT_MEDIAN_S, SHOT_LOG_SD, SHOT_LEAST_S = 6.5, 0.6, 1.0
DISSOLVE_SHARE, DISSOLVE_S = 0.2, (0.4, 1.2)
RETURN_SHARE, RETURN_REACH = 0.25, 3
CLIP_LEAST_S = 0.4


@dataclass(frozen=True)
class Take:
    """One shot of an edit."""

    # Ordinals in the composed video, half-open. After a dissolve a shot begins at the first frame in which it is the
    # stronger image: the middle.
    first: int
    end: int
    clip: int  # which clip it shows
    # Where in the clip the frame ``first`` is, in frames of the composed video's rate after the clip's first PTS
    start: int
    fade: int = 0  # frames of the dissolve into the next shot, even, half of them before ``end``; 0 is a hard cut

    def __len__(self) -> int:
        return self.end - self.first


@dataclass(frozen=True, eq=False)
class Material:
    """One clip that shots are taken from: its name, file, and what a pass over its packets told."""

    name: str
    path: Path
    read: Pass

    @property
    def n_frames(self) -> int:
        """Frames of the composed video's rate that it fills."""
        return int(round(self.read.info.duration_s * FPS, 6))

    def ordinals(self, start: int, end: int) -> NDArray[np.int64]:
        """Return the decoder ordinals nearest in PTS to the frames [start, end) of the composed video's rate."""
        times = self.read.times
        wanted = times[0] + np.arange(start, end) / FPS
        right = np.searchsorted(times, wanted).clip(1, max(len(times) - 1, 1)).clip(max=len(times) - 1)
        left = np.maximum(right - 1, 0)
        nearest: NDArray[np.int64] = np.where(wanted - times[left] <= times[right] - wanted, left, right)
        return nearest


def read_material(name: str, path: Path) -> Material:
    """Return the clip at ``path`` ready for composing; most files are not decoded for that.

    Raises `UsageError` if it cannot be read, is damaged, or is shorter than `CLIP_LEAST_S`.
    """
    from .onepass import read_pass

    try:
        read = read_pass(path, {}, name=name)
    except VideoError as error:
        raise UsageError(f"clip {name!r} cannot be read ({error.reason}); repair or remove it") from error
    health = read.health
    if health.decode_errors or health.corrupt_frames or health.truncated_tail:
        raise UsageError(f"clip {name!r} is damaged ({'; '.join(health.problems)}); repair or remove it")
    if np.any(np.diff(read.times) <= 0):
        raise UsageError(f"clip {name!r} has timestamps that do not increase; re-encode or remove it")
    clip = Material(name, path, read)
    if clip.n_frames < CLIP_LEAST_S * FPS:
        raise UsageError(f"clip {name!r} is shorter than {CLIP_LEAST_S} s; remove it")
    return clip


def make_edit(lengths: Sequence[int], n_frames: int, rng: np.random.Generator) -> tuple[Take, ...]:
    """Return an edit list of exactly ``n_frames`` frames; ``lengths`` are those that each of at least two clips fills.

    The takes are in order, without gaps; neighbours show different clips.
    """
    least = round(SHOT_LEAST_S * FPS)
    unseen = rng.permutation(len(lengths)).tolist()
    left_at: dict[int, int] = {}  # where in a clip the last shot of it ended
    takes: list[Take] = []
    clip, low, head, at = unseen.pop(0), 0, 0, 0
    while at < n_frames:
        drawn = round(float(rng.lognormal(np.log(SHOT_MEDIAN_S), SHOT_LOG_SD)) * FPS)
        fades, span, place = rng.random() < DISSOLVE_SHARE, rng.uniform(*DISSOLVE_S), rng.random()
        room, rest = lengths[clip] - low - head, n_frames - at
        length = min(max(drawn, least), room, rest)
        if rest - length < least:  # what would be left is no shot: stretch this one, or leave enough
            length = rest if rest <= room else min(length, max(rest - least, least))
        left_at[clip] = lengths[clip]  # nobody returns to the shot that is on
        recent = dict.fromkeys(take.clip for take in takes[-RETURN_REACH:])
        returns = [c for c in recent if lengths[c] - left_at[c] >= 2 * least]
        following, start_from = _next_clip(rng, clip, returns, left_at, unseen, len(lengths))
        half = 0
        if fades and length < rest:
            half = min(length, rest - length, lengths[following] - start_from) // 8
            half = min(round(span * FPS / 2), half)
            length = min(length, room - half)
        start = low + head + (0 if low else int(place * (room - length - half + 1)))
        takes.append(Take(at, at + length, clip, start, 2 * half))
        left_at[clip] = start + length + half
        at, clip, low, head = at + length, following, start_from, half
    return tuple(takes)


def _next_clip(
    rng: np.random.Generator, now: int, returns: list[int], left_at: dict[int, int], unseen: list[int], n_clips: int
) -> tuple[int, int]:
    """Return the clip of the next shot, and from where on it may be shown."""
    back, pick = rng.random() < RETURN_SHARE, rng.random()
    if back and returns:
        clip = returns[int(pick * len(returns))]
        return clip, left_at[clip]
    if unseen:
        return unseen.pop(0), 0
    others = [c for c in range(n_clips) if c != now]
    return others[int(pick * len(others))], 0


def dissolves_of(edit: Sequence[Take]) -> list[tuple[int, int]]:
    """Return the frames in which two clips are mixed, as half-open ranges of ordinals."""
    return [(take.end - take.fade // 2, take.end + take.fade // 2) for take in edit if take.fade]


def draw_edit(edit: Sequence[Take], clips: Sequence[Material], *, height: int, width: int) -> Iterator[Image]:
    """Yield the images of ``edit`` in order, RGB uint8 [height, width, 3]: every clip fills it, cut centrally.

    In a dissolve of 2h frames the n-th mixes (n + 1) / (2h + 1) of the new image with the rest of the old. A few images
    are held at a time. Raises `UsageError`, naming a clip whose images cannot be decoded.
    """
    import cv2

    def shown(index: int) -> Iterator[Image]:
        before = edit[index - 1].fade // 2 if index else 0
        take, clip = edit[index], clips[edit[index].clip]
        end = take.start + len(take) + take.fade // 2
        return _pictures(clip, clip.ordinals(take.start - before, end), height, width)

    now = shown(0)
    for i, take in enumerate(edit):
        first = take.first + (edit[i - 1].fade // 2 if i else 0)
        for _ in range(first, take.end - take.fade // 2):
            yield next(now)
        if i + 1 == len(edit):
            return
        after = shown(i + 1)
        for n in range(take.fade):
            weight = (n + 1) / (take.fade + 1)
            yield cv2.addWeighted(next(after), weight, next(now), 1 - weight, 0)  # type: ignore[misc]
        now = after


def _pictures(clip: Material, ordinals: NDArray[np.int64], height: int, width: int) -> Iterator[Image]:
    """Yield one image for every ordinal; those of a clip with a lower rate are shown more than once."""
    from .fetch import fetch_frames

    try:
        frames = fetch_frames(clip.path, ordinals.tolist(), clip.read)
        held, picture = -1, None
        for ordinal in ordinals.tolist():
            if picture is None or ordinal != held:
                held, picture = ordinal, _filled(next(frames), height, width)
            yield picture
    except VideoError as error:
        raise UsageError(f"clip {clip.name!r} cannot be decoded ({error.reason}); repair or remove it") from error


def _filled(frame: Frame, height: int, width: int) -> Image:
    scale = max(height / frame.height, width / frame.width)
    tall, wide = max(height, round(frame.height * scale)), max(width, round(frame.width * scale))
    top, left = (tall - height) // 2, (wide - width) // 2
    return frame.rgb(tall, wide)[top : top + height, left : left + width]
