"""When something moves before a fixed camera, told without any network."""

from __future__ import annotations

import numpy as np
from keyframe_bench.experiments.chen2021.camera_video import busy_frames, spans_of


def film(n: int = 50, fps: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    """A grey scene with sensor noise of +-1 level."""
    rng = np.random.default_rng(0)
    return np.full((n, 18, 32), 100, np.uint8) + rng.integers(0, 3, (n, 18, 32), dtype=np.uint8), np.arange(n) / fps


def test_noise_and_a_change_of_exposure_are_stillness() -> None:
    gray, times = film()
    assert not busy_frames(gray, times).any()
    gray[25:] += 60
    assert not busy_frames(gray, times).any()


def test_what_moves_makes_frames_busy_until_it_has_been_gone_for_0_2_s() -> None:
    gray, times = film()
    for i in range(20, 30):
        gray[i, 8:11, i - 10 : i - 7] = 200
    busy = busy_frames(gray, times)
    assert busy[20:32].all()  # 0.2 s before, frames 30 and 31 still had it
    assert not busy[:20].any() and not busy[32:].any()


def test_two_cells_are_not_enough() -> None:
    gray, times = film()
    gray[20:, 4, 4:6] = 200
    assert not busy_frames(gray, times).any()
    gray[20:, 5, 4] = 200
    assert busy_frames(gray, times)[20]


def spans(text: str, fps: float = 10.0) -> list[list[int]]:
    busy = np.array([letter == "#" for letter in text])
    return spans_of(busy, np.arange(len(text)) / fps).tolist()


def test_short_pauses_are_part_of_a_span_and_short_spans_are_none() -> None:
    assert spans("") == []
    assert spans("." * 30) == []
    assert spans("#####") == [[0, 5]]
    assert spans("..####" + "." * 8 + "####..") == [[2, 18]]  # 0.9 s from the last busy frame to the next
    assert spans("..####" + "." * 9 + "####..") == [[2, 6], [15, 19]]
    assert spans("..##" + "." * 20 + "####.") == [[24, 28]]  # 0.1 s is too short
    assert spans("..#" + "." * 5 + "#....") == [[2, 9]]  # but long with its pause


def test_times_count_and_not_frames() -> None:
    assert spans("..####....####..", fps=2) == [[2, 6], [10, 14]]
    assert spans("..####....####..", fps=10) == [[2, 14]]
