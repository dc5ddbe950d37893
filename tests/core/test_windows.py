"""Windows of sampled frames: which there are, what each row is made of, and what a broken feature is told."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.core.errors import ContractError
from keyframe_bench.core.feature import Feature, FrameView
from keyframe_bench.features.images import GrayStd


class Seen(Feature):
    """First, last and number of the frames of each window, as ordinals."""

    name = "seen_of_windows_test"

    def __init__(self, window: int = 4, hop: int | None = None) -> None:
        self.window = window
        self.hop = hop

    def compute(self, frames: Sequence[FrameView]) -> np.ndarray:
        """Return int64 [B]."""
        return np.array([frame.ordinal for frame in frames])

    def compute_window(self, rows: np.ndarray) -> Any:
        """Return int64 [3], and write into the rows as a careless author would."""
        found = [rows[0], rows[-1], len(rows)]
        rows[:] = -1
        return found


def expected_windows(n: int, window: int, hop: int) -> list[list[int]]:
    """The documented rule, frame by frame."""
    found = [[start, start + window] for start in range(0, n, hop) if start + window <= n]
    cut = [start for start in range(0, n, hop) if start + window > n]
    if cut and (not found or found[-1][1] < n):
        found.append([max(0, n - window), n])
    return found


def pictures(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 12, 16, 3), dtype=np.uint8)


def test_rows_are_those_of_their_windows() -> None:
    """Every small size: rows agree with the windows that are told, in order, whole unless the clip is shorter."""
    for n, window, hop in itertools.product((1, 2, 3, 7, 16, 17), (1, 2, 5, 16, 40), (1, 3, 5, 20)):
        feature = Seen(window, hop)
        clip = kb.clip_from_images(pictures(n), [feature])
        spans = clip.windows(feature)
        assert spans.tolist() == expected_windows(n, window, hop)
        lengths = spans[:, 1] - spans[:, 0]
        assert set(lengths) == {min(n, window)}
        assert clip[feature].tolist() == np.stack([spans[:, 0], spans[:, 1] - 1, lengths], 1).tolist()
        if hop <= window:
            assert set(np.concatenate([np.arange(a, b) for a, b in spans])) == set(range(n))


def test_windows_by_hand() -> None:
    assert Seen(3).windows(7).tolist() == [[0, 3], [3, 6], [4, 7]]  # the hop is the window, and the last one is whole
    assert Seen(4, 8).windows(10).tolist() == [[0, 4], [6, 10]] and Seen(4, 8).windows(8).tolist() == [[0, 4]]
    assert Seen(4, 4).windows(0).shape == (0, 2) and Seen(16).windows(5).tolist() == [[0, 5]]
    clip = kb.clip_from_images(pictures(3), [GrayStd()])
    assert clip.windows(GrayStd()).tolist() == [[0, 1], [1, 2], [2, 3]]  # rows of frames cover a frame each
    assert len({Seen(4, 4).key, Seen(4, 2).key, Seen(8, 4).key}) == 3


def test_what_was_not_declared_has_no_windows_and_nothing_can_be_written() -> None:
    clip = kb.clip_from_images(pictures(9), [Seen(), Seen(2, 1), GrayStd()])
    narrow = clip.restricted([Seen()], annotation=False)
    assert narrow.windows(Seen()).tolist() == clip.windows(Seen()).tolist() and len(narrow[Seen()]) == 3
    with pytest.raises(ContractError, match="not declared"):
        narrow.windows(Seen(2, 1))
    for array in (clip[Seen()], clip.windows(Seen())):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize("feature", [Seen(4, 4), Seen(4, 1), Seen(2, 5), Seen(1), Seen(40)])
def test_a_prefix_has_the_windows_inside_it(feature: Seen) -> None:
    clip = kb.clip_from_images(pictures(14), [feature, GrayStd()])
    spans = clip.windows(feature)
    for n in range(1, 15):
        part = clip.prefix(n)
        inside = spans[:, 1] <= n
        assert part.windows(feature).tolist() == spans[inside].tolist() and len(part[GrayStd()]) == n
        assert part[feature].tolist() == clip[feature][inside].tolist()
        again = max(1, n - 3)
        assert part.prefix(again).windows(feature).tolist() == clip.prefix(again).windows(feature).tolist()


class OfRows(Seen):
    """Without the method for windows, or with one that breaks its promise."""

    name = "of_rows_of_windows_test"

    def __init__(self, mode: str = "") -> None:
        super().__init__(4, 2)
        self.mode = mode
        self.calls = 0

    def compute(self, frames: Sequence[FrameView]) -> np.ndarray:
        """Return int64 [B], or one row."""
        rows = super().compute(frames)
        return rows[:1] if self.mode == "row of the window" else rows

    def compute_window(self, rows: np.ndarray) -> Any:
        """Return what the mode says."""
        self.calls += 1
        if self.mode == "missing":
            return Feature.compute_window(self, rows)
        return {"None": None, "other length": rows[: self.calls], "other type": [1, 1.5][self.calls % 2]}[self.mode]


@pytest.mark.parametrize(
    "feature",
    [
        *(Seen(window, hop) for window, hop in ((0, 1), (-3, 1), (2.5, 1), (4, 0), (True, 1), ("8", 1))),
        *map(OfRows, ("missing", "None", "other length", "other type", "row of the window")),
    ],
    ids=repr,
)
def test_a_broken_feature_is_named_in_one_sentence(feature: Seen) -> None:
    with pytest.raises(ContractError, match=feature.name) as caught:
        kb.clip_from_images(pictures(9), [feature])
    assert "window" in str(caught.value) and "\n" not in str(caught.value)
