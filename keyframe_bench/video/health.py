"""What was found wrong with a video while it was decoded: told, never hidden."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# What a count says, of one and of several.
_TOLD = {
    "decode_errors": ("packet or image could not be decoded", "packets or images could not be decoded"),
    "corrupt_frames": ("frame is damaged", "frames are damaged"),
    "missing_pts": ("frame has no timestamp", "frames have no timestamp"),
    "non_monotonic_pts": ("timestamp steps back", "timestamps step back"),
    "duplicate_pts": ("timestamp repeats", "timestamps repeat"),
    "empty_packets": tuple(f"{n} empty: the image before lasts longer" for n in ("packet is", "packets are")),
    "size_changes": ("change of image size", "changes of image size"),
    "gaps": ("gap in time", "gaps in time"),
}


@dataclass
class Health:
    """Health record of one video."""

    # What the container says (None: nothing), or the readable images of a folder, and what came out of the decoder
    declared_frames: int | None = None
    decoded_frames: int = 0
    # The container's (None where it tells of the sound's only), and last PTS plus one frame minus first PTS
    declared_duration_s: float | None = None
    decoded_duration_s: float = 0.0
    # Frames without a PTS (their time is continued in the usual step), or whose PTS steps back or repeats
    missing_pts: int = 0
    non_monotonic_pts: int = 0
    duplicate_pts: int = 0
    # Packets without data, as of dropped frames: they make no frame, the image before lasts longer
    empty_packets: int = 0
    # Time (s) and length (s) of holes of more than 2.5 usual frame intervals (the ten longest), apart from those that
    # empty packets fill; and how many there are in all (None in records from before they were counted)
    gaps: list[list[float]] = field(default_factory=list)
    n_gaps: int | None = None
    # Whether more than 2% of the frame intervals, and more than one, differ by over a tenth (apart from gaps)
    variable_rate: bool = False
    rotation: int = 0  # display rotation in degrees, counter-clockwise
    # Packets the decoder refused or images of a folder that cannot be read, and frames it marked damaged
    decode_errors: int = 0
    corrupt_frames: int = 0
    truncated_tail: bool = False  # whether decoding ended clearly before the declared end
    size_changes: int = 0  # how often the image size changed
    from_packets: bool = False  # true when ordinals and times were read from packets without decoding
    notes: list[str] = field(default_factory=list)  # anything else, one sentence each

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @property
    def problems(self) -> list[str]:
        """What a reader should know, in words; empty for a sound file."""
        found = []
        if self.declared_frames not in (None, self.decoded_frames, self.decoded_frames + self.empty_packets):
            found.append(f"the container declares {self.declared_frames} frames, {self.decoded_frames} decode")
        n_gaps = len(self.gaps) if self.n_gaps is None else self.n_gaps
        counts = {name: getattr(self, name) for name in _TOLD} | {"gaps": n_gaps}
        found += [f"{n} {_TOLD[name][n != 1]}" for name, n in counts.items() if n]
        if self.truncated_tail:
            found.append(f"it ends at {self.decoded_duration_s:.2f} s of {self.declared_duration_s:.2f} s declared")
        if self.variable_rate:
            found.append("variable frame rate")
        return found + self.notes

    def judge_times(self, times: NDArray[np.float64], frame_s: float, held: ArrayLike = ()) -> None:
        """Fill in what follows from the PTS, in seconds, in decode order, and the nominal seconds of one frame.

        ``held`` are the times at which the image before is still shown.
        """
        self.decoded_frames = len(times)
        if len(times) == 0:
            return
        steps = np.diff(times)
        self.non_monotonic_pts = int((steps < 0).sum())
        self.duplicate_pts = int((steps == 0).sum())
        forward = steps[steps > 0]
        usual = float(np.median(forward)) if forward.size else frame_s
        held = np.sort(np.asarray(held, dtype=np.float64))
        end = max(times.max(), held.max(initial=-np.inf))
        self.decoded_duration_s = float(end - times.min() + (usual or frame_s))
        filled = np.diff(np.searchsorted(held, times)) > 0
        holes = np.flatnonzero((steps > 2.5 * usual) & ~filled)
        self.n_gaps = len(holes)
        longest = holes[np.argsort(-steps[holes], kind="stable")][:10]
        self.gaps = [[round(float(times[i]), 6), round(float(steps[i]), 6)] for i in np.sort(longest)]
        regular = forward[forward <= 2.5 * usual]
        # A tenth of an interval, and at least the 1 ms to which Matroska and FLV round.
        uneven = int((np.abs(regular - usual) > max(0.1 * usual, 1.1e-3)).sum())
        self.variable_rate = uneven > max(1, 0.02 * regular.size)
        if self.declared_duration_s is not None:
            missing = self.declared_duration_s - self.decoded_duration_s
            self.truncated_tail = self.truncated_tail or missing > max(0.5, 2.5 * usual)
