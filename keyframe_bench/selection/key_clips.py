"""Key clips: the parts of a video to keep, from its key frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.registry import Configurable, Range, check_params

_ROUNDING_S = 1e-6  # PTS are rounded fractions of a second


@dataclass(kw_only=True, eq=False, repr=False)
class ClipRules(Configurable):
    """When a clip begins and ends (Chen et al. 2021, section 3.5); what the paper leaves open is a parameter.

    Parameters
    ----------
    quiet_s : float
        Seconds without a key frame after which an event is over ("a period of time" in the paper).
    pre_roll_s : float
        Seconds kept before the key frame that opens an event.
    post_roll_s : float or None
        Seconds kept after an event's last key frame; None keeps ``quiet_s``, as a recorder does that waits for it.
    merge_s : float
        Clips less than this apart become one.
    snap_s : float
        How far the end points of a clip that is written to a file may be moved outwards, so that its packets can be
        copied and need not be encoded again; 0 writes exactly the clip.

    Raises
    ------
    UsageError
        Naming the parameter.
    """

    quiet_s: Annotated[float, Range(0)] = 10.0
    pre_roll_s: Annotated[float, Range(0)] = 0.0
    post_roll_s: Annotated[float, Range(0)] | None = None
    merge_s: Annotated[float, Range(0)] = 0.0
    snap_s: Annotated[float, Range(0)] = 1.0

    def __post_init__(self) -> None:
        vars(self).update(check_params(ClipRules, self.params, "clips"))


@dataclass(frozen=True, eq=False)
class KeyClips:
    """Clips of one video, in order, without overlap.

    Attributes
    ----------
    frames : int64 [C, 2]
        Half-open ranges of decoder ordinals, none empty.
    times : float64 [C, 2]
        Half-open intervals of PTS in seconds, inside the video.
    """

    frames: NDArray[np.int64]
    times: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def duration_s(self) -> float:
        """Seconds of all clips together."""
        return float((self.times[:, 1] - self.times[:, 0]).sum())


def key_clips(keyframes: ArrayLike, times: ArrayLike, duration_s: float, rules: ClipRules) -> KeyClips:
    """Return the clips that key frames open and keep open.

    A key frame opens an event unless one is open; every key frame refreshes the timer of the event, and when none has
    come for ``rules.quiet_s`` the event is closed (one that comes exactly then still belongs to it). The first frame
    of the video opens nothing: a method that compares with the latest key frame needs it as its reference, and every
    video would begin with a clip. Any other key frame opens: a method that also shows what stays the same (one frame
    of every segment, say) makes clips of it too.

    Parameters
    ----------
    keyframes : int [K]
        Decoder ordinals of the key frames of any extractor, in any order.
    times : float [N]
        PTS of every frame of the video in seconds; the distance of frames may vary. Where times step back, the latest
        one so far counts.
    duration_s : float
        Of the video: from its first frame to the end of its last one.
    rules : ClipRules

    Returns
    -------
    KeyClips
        A clip lasts at least as long as its last key frame is shown (a usual frame distance, if the next frame comes
        later); clips that touch are one.

    Examples
    --------
    >>> import numpy as np
    >>> clips = key_clips([0, 3, 5, 20], np.arange(30.0), 30.0, ClipRules(quiet_s=4))
    >>> clips.frames.tolist(), clips.times.tolist()
    ([[3, 9], [20, 24]], [[3.0, 9.0], [20.0, 24.0]])
    """
    clock = np.maximum.accumulate(np.asarray(times, dtype=np.float64))
    keys = np.unique(np.asarray(keyframes, dtype=np.int64))
    keys = keys[keys > 0]
    if keys.size == 0:
        return KeyClips(np.zeros((0, 2), dtype=np.int64), np.zeros((0, 2)))
    end_s = max(float(clock[0]) + duration_s, float(clock[-1]))
    closing = np.flatnonzero(np.diff(clock[keys]) > rules.quiet_s + _ROUNDING_S)
    opened = clock[keys[np.append(0, closing + 1)]]
    last = keys[np.append(closing, keys.size - 1)]
    kept_s = rules.quiet_s if rules.post_roll_s is None else rules.post_roll_s
    steps = np.diff(clock)[np.diff(clock) > 0]
    shown_s = np.minimum(np.append(clock, end_s)[last + 1] - clock[last], np.median(steps) if steps.size else np.inf)
    start = np.maximum(opened - rules.pre_roll_s, clock[0])
    stop = np.minimum(clock[last] + np.maximum(kept_s, shown_s), end_s)

    apart = start[1:] - stop[:-1]
    joined = (apart < rules.merge_s - _ROUNDING_S) | (apart <= _ROUNDING_S)
    first = np.flatnonzero(np.append(True, ~joined))
    final = np.append(first[1:] - 1, len(start) - 1)
    spans = np.stack([start[first], stop[final]], axis=1)
    ordinals = np.searchsorted(clock, spans - _ROUNDING_S, side="left")
    ordinals[:, 1] = np.maximum(ordinals[:, 1], last[final] + 1)  # times that repeat, or a duration that is not known
    return KeyClips(ordinals.astype(np.int64), spans)
